#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern backup and restore as root, under a real systemd: who owns what, the unit and its timer, which nothing enables, and a
# server that is lost and comes back on an empty machine, from a backup that somebody copied as root.
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh

units=/usr/local/lib/systemd/system

set_up() {
    install_postern && postern setup mail.example.test example.test && printf 'networks 127.0.0.0/8\nresolver 127.0.0.1:1\n' >>/etc/postern/postern.conf &&
        echo secret | postern user add bob@example.test && systemctl enable -q --now postern.target &&
        systemctl set-environment ASAN_OPTIONS=detect_leaks=0 # a unit with such a filter can't trace itself
}
has() { # PATTERN COMMAND...
    local pattern=$1
    shift
    "$@" >"$work/said" 2>&1
    grep -qE -- "$pattern" "$work/said" || { cat "$work/said"; false; }
}
fails() { # STATUS COMMAND...
    local status=$1
    shift
    "$@"
    [ $? = "$status" ]
}
send() { swaks --silent 3 --timeout 60 --server 127.0.0.1 --from alice@outside.test "$@"; }
subjects() { curl -sk --user bob@example.test:secret "imaps://127.0.0.1/INBOX" -X 'FETCH 1:* (UID FLAGS)'; }

check 'a server is set up' set_up || { done_testing; exit; }
check 'a message' send --to bob@example.test
check '... is read' has 'UID 1 ' subjects
check 'one that has to wait' send --to carol@elsewhere.test
subjects >"$work/before"

check 'a backup into a folder that root hasn'"'"'t made' postern backup "$work/b"
check '... is the owner'"'"'s alone' test "$(stat -c '%U %a' "$work/b" "$work"/b/2* | uniq)" = 'postern 700'
check '... with nothing of root'"'"'s in it' test -z "$(find "$work/b" ! -user postern)"
mkdir "$work/empty" "$work/full"
: >"$work/full/file"
check 'into an empty one of root'"'"'s' postern backup "$work/empty"
check '... which then is the owner'"'"'s' test "$(stat -c '%U %a' "$work/empty")" = 'postern 700'
check 'one that isn'"'"'t empty is left to root' fails 77 postern backup "$work/full"
check '... as it was' test "$(stat -c %U "$work/full")" = root

check 'nothing has enabled the timer' bash -c '! systemctl is-active -q postern-backup.timer && ! systemctl is-enabled -q postern-backup.timer'
check 'the unit makes a backup' systemctl start postern-backup.service
check '... in its folder' postern backup verify /var/backups/postern
check '... which nobody else can look into' test "$(stat -c '%U %a' /var/backups/postern)" = 'postern 700'
mkdir -p /etc/systemd/system/postern-backup.service.d
printf '[Service]\nEnvironment=DIR=/srv/backup KEEP=1\nReadWritePaths=/srv/backup\n' >/etc/systemd/system/postern-backup.service.d/place.conf
mkdir /srv/backup
systemctl daemon-reload
check 'it can be told another place' systemctl start postern-backup.service
check '... and again' systemctl start postern-backup.service
check '... where as many stay as it says' test "$(ls -d /srv/backup/2* | wc -l)" = 1
check 'the timer can be enabled' systemctl enable -q --now postern-backup.timer
check '... and waits' has 'postern-backup.timer' systemctl list-timers --no-pager
check 'the units are sound' bash -c "! systemd-analyze verify --man=no $units/postern-backup.{timer,service} 2>&1 | grep ."
check '... and hardened' systemd-analyze security --offline=1 --threshold=50 $units/postern-backup.service

# The machine is lost; what there is of it is a copy that root made elsewhere.
cp -a /srv/backup "$work/copy"
chown -R root:root "$work/copy"
chmod -R go= "$work/copy"
systemctl stop postern.target postern-\*.socket
rm -rf /etc/postern /var/mail/postern /var/spool/postern
systemd-tmpfiles --create /usr/local/lib/tmpfiles.d/postern.conf
check 'a server comes back on an empty machine' has '^total messages 1 bytes [0-9]+ present 0 damaged 0 missing 0$' postern restore "$work/copy"
check '... with nothing of root'"'"'s in it' test -z "$(find /etc/postern /var/mail/postern /var/spool/postern ! -user postern ! -type p)"
check '... keys for nobody else' test "$(stat -c %a /etc/postern/key.pem /etc/postern/dkim | sort | tr '\n' ' ')" = '600 700 '
check '... serves' systemctl start postern.target
check '... the same mail under the same UID' sh -c "curl -sk --user bob@example.test:secret imaps://127.0.0.1/INBOX -X 'FETCH 1:* (UID FLAGS)' | cmp - $work/before"
check '... and takes new' send --to bob@example.test
check '... whose UID is none of before' has 'UID 10[0-9]{5} ' subjects
check 'what waited is held' has 'held .*carol@elsewhere.test' postern queue
check 'doctor finds no fault with it' bash -c "! postern doctor settings tables permissions queue 2>&1 | grep -E '^(error|warning)' | grep -v '^error *resolver:'"
mkdir -p "$work/evil"
check 'a link to a file that isn'"'"'t the backup'"'"'s is not read' bash -c "
    f=\$(ls $work/copy/2*/mail/example.test/bob/cur/*) && rm \"\$f\" && ln /etc/shadow \"\$f\" 2>/dev/null || cp /etc/shadow \"\$f\" && chown bob \"\$f\" 2>/dev/null || chown nobody \"\$f\"
    rm -f /var/mail/postern/example.test/bob/cur/*; ! postern restore $work/copy bob@example.test && ! grep -rq '^root:' /var/mail/postern"
done_testing
