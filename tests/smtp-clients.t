#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# smtpd with the clients that people use: swaks, curl and msmtp, on the submission ports and the exchanger's.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh
at_end=end_services

server_place "$work/place"
server_home
queue=$home/spool/queue
as_server "$place/bin/postern" -c "$conf" alias add both@example.test alice@example.test bob@example.test >>"$place/log"

mx=$(free_port)
service "$mx" "$place/bin/smtpd" -c "$conf"
submission=$(free_port)
service "$submission" "$place/bin/smtpd" -s -c "$conf"
submissions=$(free_port)
warm "$submissions" smtpd -s -t
for port in $mx $submission; do
    check "port $port answers" eventually 60 sh -c "swaks --server 127.0.0.1:$port --quit-after BANNER --silent 3"
done

fails() {
    ! "$@"
}
newest() {
    ls -t "$1"/new/* | head -1
}
in_newest() {
    cat "$(newest "$bob")"
    grep -q -- "$1" "$(newest "$bob")"
}
# arrived COUNT: bob has so many messages now; they are removed
arrived() {
    ls -l "$bob/new"
    [ "$(ls "$bob/new" | wc -l)" = "$1" ] && rm -f "$bob"/new/*
}

mail_in() {
    port=$1
    shift
    timeout 60 swaks --server "127.0.0.1:$port" --helo client.test "$@"
}

check 'swaks: a stranger, plain' mail_in "$mx" --from stranger@far.test --to bob@example.test
check 'with ESMTP' in_newest 'with ESMTP id '
check 'from 127.0.0.1' in_newest '^Received: from client.test (\[127.0.0.1\])'
check 'one message' arrived 1
check 'swaks: STARTTLS' mail_in "$mx" --tls --from stranger@far.test --to bob@example.test
check 'with ESMTPS' in_newest 'with ESMTPS id '
check 'one message' arrived 1
check 'swaks: with pipelining' mail_in "$mx" --pipeline --from '<>' --to both@example.test,bob@example.test
check 'one message' arrived 1
check 'swaks: relaying is denied' fails mail_in "$mx" --from stranger@far.test --to x@far.test
check 'swaks: no login on port 25' fails mail_in "$mx" --tls --auth PLAIN --auth-user alice --auth-password alice-secret \
    --from alice@example.test --to bob@example.test
for mechanism in PLAIN LOGIN; do
    check "swaks: AUTH $mechanism" mail_in "$submission" --tls --auth $mechanism --auth-user alice@example.test \
        --auth-password alice-secret --from alice@example.test --to bob@example.test
    check 'with ESMTPSA' in_newest 'with ESMTPSA id '
    check 'one message' arrived 1
    check "swaks: AUTH $mechanism, wrong password" fails mail_in "$submission" --tls --auth $mechanism --auth-user alice \
        --auth-password wrong --from alice@example.test --to bob@example.test
done
check 'swaks: no login without TLS' fails mail_in "$submission" --auth PLAIN --auth-user alice --auth-password alice-secret \
    --from alice@example.test --to bob@example.test
check 'swaks: nothing without login' fails mail_in "$submission" --tls --from alice@example.test --to bob@example.test
check "swaks: somebody else's address" fails mail_in "$submission" --tls --auth PLAIN --auth-user alice \
    --auth-password alice-secret --from bob@example.test --to bob@example.test
check 'nothing came' arrived 0
check 'swaks: mailboxes and outside addresses in one message' mail_in "$submissions" --tls-on-connect --auth PLAIN \
    --auth-user alice --auth-password alice-secret --from alice@example.test --to bob@example.test,x@far.test,y@far.test
check 'one message here' arrived 1
check 'one message with two recipients in the queue' sh -c "cat '$queue'/*-*; [ \$(cat '$queue'/*-* | grep -c '^T .@far.test') = 2 ]"

# --- curl
printf 'From: Alice <alice@example.test>\r\nSubject: by curl\r\n\r\n.dots\r\n..\r\nend\r\n' >"$work/message"
by_curl() {
    timeout 60 curl -sS --insecure --upload-file "$work/message" --mail-from alice@example.test --mail-rcpt bob@example.test "$@"
}
check 'curl: submission with STARTTLS' by_curl --ssl-reqd --user alice:alice-secret "smtp://127.0.0.1:$submission/client.test"
check 'dots are as they were' test "$(tail -3 "$(newest "$bob")" | tr '\n' '|')" = '.dots|..|end|'
check 'one message' arrived 1
check 'curl: submissions' by_curl --user alice:alice-secret "smtps://127.0.0.1:$submissions/client.test"
check 'one message' arrived 1
head -c 5000000 /dev/urandom | base64 | sed 's/$/\r/' >"$work/body"
{ printf 'From: alice@example.test\r\nSubject: big\r\n\r\n'; cat "$work/body"; } >"$work/message"
check 'curl: seven megabytes' by_curl --user alice:alice-secret "smtps://127.0.0.1:$submissions/client.test"
same_body() {
    sed '1,/^$/d' "$(newest "$bob")" >"$work/got"
    tr -d '\r' <"$work/body" | cmp - "$work/got"
}
check 'byte for byte' same_body
check 'one message' arrived 1
check 'no file is left in the spool' test -z "$(ls "$home/spool/tmp" 2>/dev/null)"

# --- msmtp
cat >"$work/msmtprc" <<EOF
account default
host 127.0.0.1
port $submission
tls on
tls_starttls on
tls_certcheck off
auth on
user alice
password alice-secret
from alice@example.test
domain client.test
EOF
chmod 600 "$work/msmtprc"
by_msmtp() {
    printf 'From: alice@example.test\nTo: bob@example.test\nSubject: by msmtp\n\n.one\n\ntwo\n' |
        timeout 60 msmtp -C "$work/msmtprc" "$@"
}
check 'msmtp: STARTTLS and AUTH' by_msmtp -t
check 'its body' test "$(tail -3 "$(newest "$bob")" | tr '\n' '|')" = '.one||two|'
check 'one message' arrived 1
check 'msmtp: AUTH LOGIN' by_msmtp --auth=login bob@example.test
check 'one message' arrived 1
check 'msmtp: an unknown user' fails by_msmtp nobody@example.test
check 'nothing came' arrived 0

# --- the log: -v shows the dialogue, but no password, not even of a client that sends AUTH byte by byte
quiet() {
    as_server timeout 60 perl -MSocket -e '
        my ($program, $conf) = @ARGV;
        socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0) or die;
        my $pid = fork;
        if (!$pid) { open STDIN, "<&", $theirs; open STDOUT, ">&", $theirs; exec $program, "-v", "-s", "-c", $conf }
        close $theirs;
        syswrite $ours, "EHLO x\r\n";
        for my $c (split //, "AUTH PLAIN c2VjcmV0\r\nQUIT\r\n") {
            syswrite $ours, $c;
            select undef, undef, undef, 0.02;
        }
        1 while sysread $ours, my $more, 4096;
        waitpid $pid, 0' "$place/bin/smtpd" "$conf" 2>"$work/verbose"
    grep -q 'C: EHLO x' "$work/verbose" && grep -q 'C: QUIT' "$work/verbose" && ! grep c2VjcmV0 "$work/verbose"
}
check 'a password never stands in the log' quiet
done_testing
