#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# smtpd's extensions with clients that use them: Python's smtplib (SMTPUTF8, DSN, BDAT, FUTURERELEASE) and curl (SMTPUTF8).
# With servers as senders: smtp-exim.t and smtp-postfix.t.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh
at_end=end_services

server_place "$work/place"
server_home
queue=$home/spool/queue
{
    echo 'networks 127.0.0.0/8 ::1'
    echo "resolver 127.0.0.1:$(free_port)" # nobody there: what goes outside waits
} >>"$conf"
as_server "$place/bin/postern" -c "$conf" domain add bücher.test >>"$place/log"
echo secret | as_server "$place/bin/postern" -c "$conf" user add jörg@bücher.test >>"$place/log"

mx=$(free_port)
service "$mx" "$place/bin/smtpd" -c "$conf"
submission=$(free_port)
service "$submission" "$place/bin/smtpd" -s -c "$conf"
for port in $mx $submission; do
    check "port $port answers" eventually 60 sh -c "swaks --server 127.0.0.1:$port --quit-after BANNER --silent 3"
done
joerg=$home/mail/xn--bcher-kva.test/jörg

# --- Python
cat >"$work/client.py" <<'END'
import smtplib, ssl, sys
from email.message import EmailMessage
from email.policy import SMTPUTF8

what, port, more = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
s = smtplib.SMTP('127.0.0.1', port, local_hostname='client.test', timeout=60)
s.ehlo()
message = EmailMessage(policy=SMTPUTF8)
message['From'] = 'Käse <käse@far.test>'
message['To'] = 'Jörg <jörg@bücher.test>'
message['Subject'] = 'Grüße von Python'
message.set_content('Schöne Grüße\n')

def bdat(data, last=False):
    s.send(b'BDAT %d%s\r\n' % (len(data), b' LAST' if last else b'') + data)
    return s.getreply()

if what == 'utf8':
    assert s.has_extn('smtputf8')
    assert not s.send_message(message)
elif what == 'without':  # the client itself knows that it must not
    try:
        s.sendmail('käse@far.test', ['bob@example.test'], b'Subject: x\r\n\r\n')
    except UnicodeEncodeError:
        pass
    else:
        raise SystemExit('it was sent')
elif what == 'dsn':
    assert s.has_extn('dsn')
    refused = s.sendmail('a@far.test', ['bob@example.test'], b'Subject: dsn\r\n\r\nx\r\n', ['RET=HDRS', 'ENVID=python'],
                         ['NOTIFY=SUCCESS,FAILURE', 'ORCPT=rfc822;bob@first.test'])
    assert not refused
elif what == 'binary':
    assert s.has_extn('chunking') and s.has_extn('binarymime')
    data = b'Subject: binary\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n' \
           b'Content-Transfer-Encoding: binary\r\n\r\n' + bytes(range(256)) * 12000
    assert s.mail('a@far.test', ['BODY=BINARYMIME'])[0] == 250 and s.rcpt('bob@example.test')[0] == 250
    for at in range(0, len(data), 100000):
        assert bdat(data[at:at + 100000])[0] == 250
    assert bdat(b'', True)[0] == 250
elif what == 'hold':
    s.starttls(context=ssl._create_unverified_context())
    s.ehlo()
    s.login('alice', 'alice-secret')
    assert s.has_extn('futurerelease')
    assert not s.sendmail('alice@example.test', ['bob@example.test'], b'Subject: held\r\n\r\nx\r\n', ['HOLDFOR=' + more[0]])
s.quit()
END
by_python() {
    timeout 60 python3 "$work/client.py" "$@"
}
# arrived FOLDER PATTERN: the newest message there holds this; then it is removed
arrived() {
    grep -rl -- "$2" "$1/new" && rm -f "$1"/new/*
}
check 'Python: SMTPUTF8' by_python utf8 "$mx"
check 'its header as it is' arrived "$joerg" '^Subject: Grüße von Python'
check 'Python: no UTF-8 without it' by_python without "$mx"
check 'Python: DSN' by_python dsn "$mx"
check 'the message is there' arrived "$bob" '^Original-Recipient: rfc822; bob@first.test'
report() {
    file=$(grep -l '^Original-Envelope-Id: python' "$queue"/*-*) && grep -q '^Action: delivered' "$file" &&
        grep -q '^Original-Recipient: rfc822; bob@first.test' "$file" && grep -q '^T a@far.test' "$file"
}
check 'and its report in the queue' report
rm -f "$queue"/*-*
binary() {
    file=$(ls "$bob"/new/*) && sed '1,/^$/d' "$file" | base64 -d >"$work/got" &&
        python3 -c 'import sys; sys.exit(open(sys.argv[1], "rb").read() != bytes(range(256)) * 12000)' "$work/got" && rm "$file"
}
check 'Python: three megabytes of BINARYMIME by BDAT' by_python binary "$mx"
check 'byte for byte, as base64' binary
check 'no file is left in the spool' test -z "$(ls "$home/spool/tmp" 2>/dev/null)"

# --- FUTURERELEASE, to the end: nothing before its time, and then it is in the mailbox
as_server "$place/bin/postern" -c "$conf" alias add bob@example.test bob@example.test copy@far.test >>"$place/log"
rm -f "$queue"/*-*
check 'Python: HOLDFOR' by_python hold "$submission" 3600
check 'the message is not there' test -z "$(ls "$bob/new")"
run_queue() {
    as_server "$place/bin/qrun" -c "$conf"
}
check 'the queue runner runs' run_queue
check 'and leaves it' test -z "$(ls "$bob/new")"
rm -rf "$queue"/*-* "$queue"/deferred
check 'Python: HOLDFOR for a moment' by_python hold "$submission" 2
released() {
    run_queue && grep -rq '^Subject: held' "$bob/new"
}
check 'later it is there' eventually 60 released
check 'once' test "$(ls "$bob/new" | wc -l)" = 1
check 'and where its alias leads, once' test "$(grep -rhax 'T copy@far.test' "$queue" | wc -l)" = 1
rm -f "$bob"/new/*

# --- curl: SMTPUTF8 where an address or a header needs it
printf 'From: a@far.test\r\nSubject: by curl\r\n\r\nx\r\n' >"$work/message"
by_curl() {
    timeout 60 curl -sS --upload-file "$work/message" --mail-from a@far.test "$@" "smtp://127.0.0.1:$mx/client.test"
}
LC_ALL=C.UTF-8
export LC_ALL
check 'curl: a local part in UTF-8' by_curl --mail-rcpt jörg@bücher.test
check 'arrived' arrived "$joerg" '^Subject: by curl'
done_testing
