#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Without systemd's units: the lines of systemd/inetd.conf, as they are, under a real inetd, cold and then warm (`wait`), and its crontab
# line under a real cron. Mail comes and is read on every port, a user of the machine sends by sendmail, and what goes to another host
# leaves within a minute. (The machine of its own is one of tests/with-systemd; none of our units is enabled there.)
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh

mail=/var/mail/postern/example.test
login='-au bob@example.test -ap bob-secret'

# As on a machine without systemd, the user and /run/postern are made by hand.
install_and_set_up() {
    make -s install BUILD="$BUILD" PREFIX=/usr/local && useradd --system --user-group --no-create-home --home-dir /nonexistent postern &&
        mkdir -p /run/postern && postern setup mail.example.test example.test && echo alice-secret | postern user add alice@example.test &&
        echo bob-secret | postern user add bob@example.test || return
    printf 'resolver 127.0.0.1:5300\nsmtp-port 2525\nidle-exit 2\n' >>/etc/postern/postern.conf
    [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>/etc/postern/postern.conf
}

outside_world() {
    local folder=/srv/outside
    dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --port=5300 --listen-address=127.0.0.1 --bind-interfaces \
        --user=root --pid-file= --mx-host=outside.test,mx.outside.test,10 --address=/mx.outside.test/127.0.0.1 --local=/test/ >/dev/null 2>&1 &
    pids="$pids $!"
    postern -c $folder/postern.conf setup mx.outside.test outside.test && echo x-secret | postern -c $folder/postern.conf user add carol@outside.test || return
    [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>$folder/postern.conf
    systemd-socket-activate --accept --inetd -l 127.0.0.1:2525 /usr/local/libexec/postern/smtpd -c $folder/postern.conf >/dev/null 2>&1 &
    pids="$pids $!"
    eventually 60 nc -z 127.0.0.1 2525
}

inetd=
start_inetd() { # FILE
    [ -z "$inetd" ] || { kill "$inetd" && wait "$inetd"; }
    cp "$1" /etc/inetd.conf
    /usr/sbin/inetd -i >"$work/inetd.log" 2>&1 &
    inetd=$!
    pids="$pids $inetd"
    eventually 60 nc -z 127.0.0.1 995
}

has() { grep -rqs -- "$2" "$1/new" "$1/cur"; }
sent() { swaks --timeout 60 -s 127.0.0.1 --from bob@example.test --to alice@example.test "$@"; }
reads() { # URL TEXT OPTIONS...
    local url=$1 text=$2
    shift 2
    curl -sS -k --max-time 60 "$@" -u alice@example.test:alice-secret "$url" | grep -q -- "$text"
}
no_handler() { ! readlink /proc/[0-9]*/exe | grep -q '^/usr/local/libexec/postern/'; }
greets() { # PORT TEXT
    local line
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return
    read -r -t 60 line <&3
    exec 3>&-
    echo "$line"
    [[ $line == $2 ]]
}

round() { # HOW
    local how=$1
    check "$how: a stranger's message on port 25" swaks --timeout 60 -s 127.0.0.1 -tls-optional --from zoe@elsewhere.test --to alice@example.test \
        --header "Subject: $how-stranger"
    check "$how: no relaying for strangers" bash -c 'swaks --timeout 60 -s 127.0.0.1 --from zoe@elsewhere.test --to carol@outside.test | grep -F "550 5.7.1"'
    # shellcheck disable=SC2086 # words
    check "$how: submission with STARTTLS and AUTH" sent -p 587 -tls -a PLAIN $login --header "Subject: $how-submission"
    # shellcheck disable=SC2086
    check "$how: submission under TLS" sent -p 465 -tlsc -a LOGIN $login --header "Subject: $how-submissions"
    for name in stranger submission submissions; do
        check "$how: ... $name lies there" eventually 60 has $mail/alice "Subject: $how-$name"
    done
    check "$how: IMAP with STARTTLS" reads 'imap://127.0.0.1/INBOX;MAILINDEX=1' Subject --ssl-reqd
    check "$how: IMAP under TLS" reads 'imaps://127.0.0.1/INBOX;MAILINDEX=1' Subject
    check "$how: POP3 with STLS" reads pop3://127.0.0.1/1 Subject --ssl-reqd
    check "$how: POP3 under TLS" reads pop3s://127.0.0.1/1 Subject
    check "$how: LMTP" greets 24 '220 mail.example.test LMTP*'
    check "$how: a user of the machine, by sendmail" bash -c "printf 'Subject: $how-sendmail\n\nx\n' | setpriv --reuid=nobody --regid=nogroup --clear-groups sendmail -i alice"
    check "$how: ... whose message lies there" eventually 60 has $mail/alice "Subject: $how-sendmail"
    check "$how: no handler is left" eventually 60 no_handler
}

check 'installed and set up' install_and_set_up || { done_testing; exit; }
check 'an outside world' outside_world
sed 's/^#\(127.0.0.1:24 \)/\1/' systemd/inetd.conf >"$work/cold"
check 'inetd, with the lines as they are' start_inetd "$work/cold"
round cold
check 'none of our units is there' bash -c '! systemctl list-units --plain --no-legend "postern*" | grep .'
sed 's/ nowait/ wait/' "$work/cold" >"$work/warm"
check 'inetd, warm' start_inetd "$work/warm"
round warm

# shellcheck disable=SC2086
check 'a message to another host' swaks --timeout 60 -s 127.0.0.1 -p 587 -tls -a PLAIN $login --from bob@example.test --to carol@outside.test --header 'Subject: by-cron'
rm -rf /etc/cron.d /var/spool/cron/crontabs
mkdir -p /etc/cron.d /var/spool/cron/crontabs
: >/etc/crontab
sed -n 's/^# *\(\* \* \* \* \* .*\)/\1/p' systemd/inetd.conf >/etc/cron.d/postern
check 'the crontab line' grep -qx '\* \* \* \* \*  postern  /usr/local/libexec/postern/qrun' /etc/cron.d/postern
cron -f >"$work/cron.log" 2>&1 &
pids="$pids $!"
check '... has it sent within a minute' eventually 180 has /srv/outside/mail/outside.test/carol 'Subject: by-cron'
check '... and nothing is left in the queue' eventually 60 bash -c '[ -z "$(postern queue)" ]' # it lies there before the reply is here
done_testing
