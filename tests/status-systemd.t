#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern status and metrics, as root, under a real systemd: the journal, connections that are open, and the unit that writes the file
# for node_exporter, which nothing enables.
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh

folder=/var/lib/prometheus/node-exporter

set_up() {
    install_postern && postern setup mail.example.test example.test && printf 'networks 127.0.0.0/8\nresolver 127.0.0.1:1\n' >>/etc/postern/postern.conf &&
        echo secret | postern user add bob@example.test && systemctl enable -q --now postern.target
}

has() { # PATTERN COMMAND...
    local pattern=$1
    shift
    "$@" >"$work/said" 2>&1
    grep -qE -- "$pattern" "$work/said" || { cat "$work/said"; false; }
}

check 'a server is set up' set_up || { done_testing; exit; }
exec 3<>/dev/tcp/127.0.0.1/143
read -r -t 60 _ <&3
check 'a message' swaks --silent 3 --timeout 60 --server 127.0.0.1 --from alice@outside.test --to bob@example.test
check 'one that is refused' bash -c '! swaks --silent 3 --timeout 60 --server 127.0.0.1 --from alice@outside.test --to nobody@example.test'
check 'status has the connection' has '^ +1  imap$' postern status
check '... the message, from the journal' eventually 60 has '^ +1 +1 +1  received$' postern status
check '... and the refusal' eventually 60 has '^ +1 +1 +1    no such user$' postern status
check '... and the mailbox' has ' 1  bob@example.test$' postern status

kept=/var/spool/postern/status-counts
check 'what was counted is kept' grep -qx 'postern-status 1 [0-9]* [0-9]*' $kept
check '... for nobody else to read' test "$(stat -c '%U %a' $kept)" = 'postern 600'
check '... and counts' sh -c "read -r _ _ _ to <$kept && echo \$((to - 180000)) received 3 >>$kept && echo \$((to - 180000)) refused 2 by+20hand >>$kept"
check '... with what the journal has' has '^ +1 +1 +4  received$' postern status
check '... each reason too' has '^ +0 +0 +2    by hand$' postern status
rm $kept
check 'without it all is read again' has '^ +1 +1 +1  received$' postern status
check '... with journalctl the same, where libsystemd is missing' bash -c "mkdir $work/none && mount --bind /dev/null \$(readlink -f /lib/*/libsystemd.so.0) &&
    rm $kept && postern status 2>&1 | grep -E '^ +1 +1 +1  received$'"
umount "$(readlink -f /lib/*/libsystemd.so.0)"
ln -s /etc/shadow $kept.link && mv -f $kept.link $kept
check 'a link in its place is not followed, and replaced' has '^ +1 +1 +1  received$' postern status
check '... by a file' test -f $kept -a ! -L $kept

check 'nothing has enabled the timer' bash -c '! systemctl is-active -q postern-metrics.timer && ! systemctl is-enabled -q postern-metrics.timer'
rm -rf $folder
check 'without node_exporter the unit does nothing' systemctl start postern-metrics.service
check '... and makes no folder' test ! -e $folder
check 'with it' mkdir -p $folder
check '... the unit runs' systemctl start postern-metrics.service
check '... and writes the file' has '^postern_events\{kind="received",last="hour"\} 1$' cat $folder/postern.prom
check '... with all that there is' has '^postern_up 1$' cat $folder/postern.prom
check '... whole' test "$(tail -n 1 $folder/postern.prom)" = '# EOF'
check '... which the exporter may read' test "$(stat -c %a $folder/postern.prom)" = 644
check '... and nothing else' test "$(ls $folder)" = postern.prom
rm -f $folder/postern.prom
check 'the timer can be enabled' systemctl enable -q --now postern-metrics.timer
check '... and waits' has 'postern-metrics.timer' systemctl list-timers --no-pager
check 'the units are sound' bash -c '! systemd-analyze verify --man=no /usr/local/lib/systemd/system/postern-metrics.{timer,service} 2>&1 | grep .'
check '... and hardened' systemd-analyze security --offline=1 --threshold=50 /usr/local/lib/systemd/system/postern-metrics.service
exec 3>&-
done_testing
