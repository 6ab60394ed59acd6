#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern-upkeep.timer and its service, as root, under a real systemd: enabled and stopped with postern.target, sandboxed, mail expires and
# a mailbox that fills is told of while an IMAP session of a warm unit has it open; and the units' processes share one index.
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh

bob=/var/mail/postern/example.test/bob
units=/usr/local/lib/systemd/system

set_up() {
    install_postern && postern setup mail.example.test example.test &&
        printf 'networks 127.0.0.0/8\nresolver 127.0.0.1:1\nplaintext-login yes\nexpire Trash 30d\n' >>/etc/postern/postern.conf &&
        echo bob-secret | postern user add bob@example.test && postern user quota bob storage=20K &&
        systemctl set-environment ASAN_OPTIONS=detect_leaks=0 # a unit with such a filter can't trace itself
}

says() { # PATTERN: the IMAP session does, within 20 s
    local line
    while read -r -t 60 line <&3; do
        echo "$line"
        [[ $line =~ $1 ]] && return
    done
    return 1
}
has_warning() { grep -qs '^Subject: Your mailbox is ' "$bob"/new/* "$bob"/cur/*; }
no_journal_of() { ! journalctl -b -o cat -u postern-upkeep.service | grep -E "$1"; }
index() { stat -c %i "$bob/.Trash/postern-index"; }

check 'a server is set up' set_up || { done_testing; exit; }
check 'nothing has enabled the timer' bash -c '! systemctl is-enabled -q postern-upkeep.timer'
check 'the units are sound' bash -c "! systemd-analyze verify --man=no $units/postern-upkeep.{timer,service} 2>&1 | grep ."
check '... and hardened' systemd-analyze security --offline=1 --threshold=15 $units/postern-upkeep.service
check 'the target enables and starts it' systemctl enable -q --now postern.target
check '... so it waits' systemctl is-active -q postern-upkeep.timer
check '... and would after a new start' systemctl is-enabled -q postern-upkeep.timer
check '... for five minutes at most' bash -c 'left=$(($(systemctl show -P NextElapseUSecRealtime postern-upkeep.timer | xargs -d "\n" date +%s -d) - $(date +%s)));
    echo "$left"; [ "$left" -le 390 ]'
systemctl stop postern-upkeep.timer # it may be the time just now
old=$(($(date +%s) - 40 * 86400))
runuser -u postern -- sh -c "printf 'Subject: old\n\n%020000d\n' 0 >$bob/.Trash/cur/$old.M1.host:2,S; printf 'Subject: new\n\n%017000d\n' 0 >$bob/.Trash/cur/$(date +%s).M2.host:2,S"
check 'a warm IMAP listener' systemctl start postern-imap-warm.socket
exec 3<>/dev/tcp/127.0.0.1/143
printf 'a LOGIN bob@example.test bob-secret\r\nb ENABLE QRESYNC\r\nc SELECT Trash\r\n' >&3
check 'a session has Trash open' says '^c OK'
before=$(index)
check 'the service runs' systemctl start postern-upkeep.service
check 'what is old has gone' test ! -e "$bob/.Trash/cur/$old"*
check '... and what is new stays' test "$(ls $bob/.Trash/cur | wc -l)" = 1
check '... for which nobody made another index' test "$(index)" = "$before"
printf 'd NOOP\r\n' >&3
check '... and the session hears of it' says '^\* VANISHED 1'
check 'bob is warned' has_warning
check '... within the hour it is done once' systemctl start postern-upkeep.service
check '... so there is one' test "$(cat $bob/{new,cur}/* 2>/dev/null | grep -c '^Subject: Your mailbox is ')" = 1
check 'the journal has the events, with their user' eventually 60 bash -c 'journalctl -b -o json -u postern-upkeep.service | grep -q "\"POSTERN_EVENT\":\"mail-expired\"" &&
    journalctl -b -o json POSTERN_EVENT=quota-warning POSTERN_USER=bob@example.test | grep -q quota-warning'
check '... and no failure' no_journal_of 'failed|refused|denied'
exec 3>&-
check 'a session that comes by a cold unit' bash -c 'systemctl stop postern-imap-warm.socket postern-imap-warm.service && systemctl start postern-imap.socket'
exec 3<>/dev/tcp/127.0.0.1/143
printf 'a LOGIN bob@example.test bob-secret\r\nc SELECT Trash\r\n' >&3
check '... has it open' says '^c OK'
check '... with the same index' test "$(index)" = "$before"
exec 3>&-
touch -d '4 hours ago' /etc/postern/postern.conf
check 'doctor is content' bash -c '! postern doctor upkeep | grep upkeep'
echo $(($(date +%s) - 11000)) >/var/spool/postern/upkeep
check '... until it ran no longer' bash -c 'postern doctor upkeep | grep -q "for 3 hours nothing has expired"'
check 'the timer starts again' systemctl start postern-upkeep.timer
check 'the target stops it' systemctl stop postern.target
check '... at once' bash -c '! systemctl is-active -q postern-upkeep.timer'
check 'no unit failed' bash -c '! systemctl list-units --failed --plain --no-legend "postern*" | grep .'
[ "$tap_failures" = 0 ] || journalctl -b --no-pager -o short-precise -u 'postern*' | tail -n 40 | sed 's/^/# /'
done_testing
