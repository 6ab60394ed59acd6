#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The Debian package on a machine with a real systemd (tests/with-systemd): it is installed and enables nothing; while sessions are open,
# cold and then warm, it is upgraded, and they end on the program they began with while the next ones get the new; it is removed, with
# everything kept, installed again, and purged, with mail kept.
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh

export LC_ALL=C.UTF-8 DEBEMAIL=builder@mail.debian.org DEBFULLNAME=Builder
MOST_KIB=3072 # of an installed package
mail=/var/mail/postern/example.test
# Is the whole machine's, so the last of the tests that install the package puts it back: newuser.t is the other.
instances=/proc/sys/fs/inotify/max_user_instances instances_before=$BUILD/tests/inotify-before
exec 8>>"$instances_before"
flock -s 8
[ -s "$instances_before" ] || cat $instances >"$instances_before"
at_end='flock -n -x 8 && cat "$instances_before" >$instances && : >"$instances_before"'

with_sanitizers() { ldd "$BUILD/bin/imapd" | grep -q libasan; }

# ---- packages

package() { # VERSION FOLDER
    mkdir -p "$work/$2"
    SOURCE_DATE_EPOCH=1700000000 make -s deb BUILD="$BUILD" DEB_OUT="$work/$2" DEB_VERSION="$1" && ls "$work/$2"/postern_"$1"_*.deb
}

# dummy NAME FIELD [FILE]: a package with nothing in it but this line of its control file, and FILE.
dummy() {
    mkdir -p "$work/$1/DEBIAN"
    [ -z "${3:-}" ] || install -D /bin/true "$work/$1$3"
    printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: a dummy\n%s\n' "$1" "$2" >"$work/$1/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$work/$1" "$work/$1.deb"
}

# Nobody is there to answer a question; what it said is in $work/said.
quietly() {
    "$@" </dev/null >"$work/said" 2>&1
    local status=$?
    cat "$work/said"
    return $status
}

install_version() {
    quietly dpkg -i "$work/$1"/postern_*.deb && [ "$(dpkg-query -W -f '${db:Status-Status}' postern)" = installed ]
}

small() {
    local kib
    kib=$(dpkg-deb -f "$work"/one/postern_*.deb Installed-Size)
    echo "# $kib KiB installed" >&7
    [ "$kib" -lt $MOST_KIB ]
}
exec 7>&1

# ---- looking

listening() { ss -ltnH | awk '{ print $4 }' | sort; }
nothing_opened() {
    ! systemctl list-unit-files --state=enabled --no-legend 'postern*' | grep . && ! find /etc/systemd -name 'postern*' | grep . &&
        ! systemctl list-units --state=active --no-legend --plain 'postern*' | grep . && [ "$(listening)" = "$listened" ]
}
processes() { cat /sys/fs/cgroup/postern.slice/cgroup.procs /sys/fs/cgroup/postern.slice/*/cgroup.procs 2>/dev/null; }
no_process() { [ -z "$(processes)" ]; }
same_file() { [ "$(stat -Lc %d:%i "$1")" = "$(stat -Lc %d:%i "$2")" ]; }

# holding CLIENT-PORT PORT: the processes that hold the server's end of this connection. Both ports: a client's may be that of another
# connection, to another port, as well.
holding() { ss -tnpH state established "dport = :$1 and sport = :$2" | grep -o 'pid=[0-9]*' | sort -u | cut -d= -f2; }

# But for systemd, which keeps what it accepted, also in those of its processes that are on their way to be another handler: what is a
# handler, and holds it still when asked after that.
serving() {
    local pid handlers=
    for pid in $(holding "$@"); do
        case $(readlink "/proc/$pid/exe") in '' | */systemd*) ;; *) handlers+=$pid$'\n' ;; esac
    done
    printf %s "$handlers" | grep -xF "$(holding "$@")"
}

# program NAME: of a session.
program() {
    case $1 in
    imap*) echo /usr/libexec/postern/imapd ;;
    pop3*) echo /usr/libexec/postern/pop3d ;;
    *) echo /usr/libexec/postern/smtpd ;;
    esac
}

# sessions_run on|off: what serves each of the open sessions is, or is not any more, the program that is installed.
sessions_run() {
    local name ports pid bad=0
    while read -r name ports; do
        local pids_now
        pids_now=$(serving $ports)
        [ "$pids_now" ] || { echo "$name: nobody serves it"; return 1; }
        for pid in $pids_now; do
            if same_file "/proc/$pid/exe" "$(program "$name")"; then [ "$1" = on ]; else [ "$1" = off ]; fi ||
                { echo "$name: $pid runs $(readlink "/proc/$pid/exe")"; bad=1; }
        done
    done <"$work/open"
    return $bad
}

served_by() {
    local name ports pid
    while read -r name ports; do
        for pid in $(serving $ports); do echo "$name $pid"; done
    done <"$work/open"
}

# by_the_same FILE: who serves the sessions did so already when FILE was written.
by_the_same() {
    served_by >"$work/now"
    ! grep -vxFf "$1" "$work/now" && [ "$(cut -d' ' -f1 "$work/now" | sort -u | wc -l)" = 6 ]
}

# next_is_new PORT GREETING NAME: the next connection is served by the program that is installed.
next_is_new() {
    local line pid from bad=0
    exec 5<>"/dev/tcp/127.0.0.1/$1" || return
    read -r -t 60 line <&5 && [[ $line == "$2"* ]] || return
    from=$(ss -tnpH state established "dport = :$1" | awk -v pid="pid=$$," 'index($0, pid) { sub(/.*:/, "", $3); print $3 }' | tail -n 1)
    [ "$from" ] || return
    local pids_now
    pids_now=$(serving "$from" "$1")
    for pid in $pids_now; do
        same_file "/proc/$pid/exe" "$(program "$3")" || { echo "$pid runs $(readlink "/proc/$pid/exe")"; bad=1; }
    done
    exec 5>&-
    [ "$pids_now" ] && return $bad
}

listeners() { systemctl show -p MainPID --value postern-{smtp,submission,imap,imaps,pop3}-warm.service; }
listeners_are_new() {
    local pid
    for pid in $(systemctl show -p MainPID --value postern-imap-warm.service postern-pop3-warm.service postern-smtp-warm.service); do
        same_file "/proc/$pid/exe" "$(program "$(cat "/proc/$pid/comm")")" || { readlink "/proc/$pid/exe"; return 1; }
    done
}
sockets_since() { systemctl show -p Id -p ActiveEnterTimestampMonotonic 'postern*.socket' 'postern*.timer'; }

verify() {
    local name instances=
    for name in /usr/lib/systemd/system/postern*@.service; do
        name=${name##*/}
        instances="$instances ${name%.service}7.service"
    done
    ! systemd-analyze verify --man=yes /usr/lib/systemd/system/postern{-*[a-z].{socket,timer,service,slice},.target,.slice} $instances 2>&1 | grep .
}

# ---- steps

has() { grep -rqs -- "$2" "$mail/$1/new" "$mail/$1/cur"; }

hold() { # SUBJECT
    rm -f "$work/hold.in"
    mkfifo "$work/hold.in"
    tests/lib/held-sessions "$1" <"$work/hold.in" >"$work/held" 2>&1 &
    holder=$!
    exec 6>"$work/hold.in"
    eventually 60 bash -c "grep -qx ready '$work/held' || ! kill -0 $holder" || return
    sed -n 's/^open //p' "$work/held" >"$work/open"
    cat "$work/held"
    [ "$(wc -l <"$work/open")" = 6 ]
}

finish() {
    echo >&6
    exec 6>&-
    wait $holder
    local status=$?
    cat "$work/held"
    return $status
}

upgrade_while_open() { # MODE FOLDER
    local mode=$1 subject="held-$1" since
    check "$mode: sessions of SMTP, submission, IMAP and POP3 are open" hold "$subject"
    check "$mode: ... on the program that is installed" sessions_run on
    served_by >"$work/before"
    since=$(sockets_since)
    [ "$mode" = cold ] || listeners_before=$(listeners)
    check "$mode: an upgrade asks nothing" install_version "$2"
    check "$mode: ... and leaves every socket as it was" test "$(sockets_since)" = "$since"
    check "$mode: the sessions are served by the same processes" by_the_same "$work/before"
    check "$mode: ... on the program of before" sessions_run off
    check "$mode: the next SMTP session gets the new program" next_is_new 25 220 smtp
    check "$mode: the next IMAP session gets the new program" next_is_new 143 '* OK' imap
    check "$mode: the next POP3 session gets the new program" next_is_new 110 +OK pop3
    if [ "$mode" = warm ]; then
        check 'warm: the listeners are the same processes' test "$(listeners)" = "$listeners_before"
        check 'warm: ... with the new program' eventually 60 listeners_are_new
    fi
    check "$mode: the open sessions end as if nothing had been, and none was lost meanwhile" finish
    check "$mode: what they sent has arrived" bash -c "grep -rqs 'Subject: $subject-smtp' $mail/alice && grep -rqs 'Subject: $subject-submission' $mail/alice &&
        grep -rqs 'Subject: $subject-appended' $mail/alice"
    check "$mode: no unit failed" bash -c '! systemctl list-units --failed --plain --no-legend "postern*" | grep .'
}

set_up() {
    postern setup mail.example.test example.test && echo alice-secret | postern user add alice@example.test &&
        echo bob-secret | postern user add bob@example.test || return
    printf 'plaintext-login yes\nidle-exit 5\nresolver 127.0.0.1:5300\n' >>/etc/postern/postern.conf
    [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>/etc/postern/postern.conf
}

deliver() { # COUNT USER
    local i
    for i in $(seq "$1"); do
        printf 'Subject: number %s\n\nhello\n\n' "$i" | /usr/sbin/sendmail -i "$2" || return
    done
}

reads() { # TEXT: alice reads it by IMAP
    curl -sS -k --ssl-reqd --max-time 60 -u alice@example.test:alice-secret 'imap://127.0.0.1/INBOX;MAILINDEX=1' | grep "$1"
}

# What must outlive a removal, byte by byte.
kept() { find /etc/postern "$mail" /var/spool/postern/queue -type f ! -name '*.why' -exec md5sum {} + | sort -k 2; }

# ---- the test

cold() {
    check 'cold: the target opens what is usual' systemctl enable -q --now postern.target
    check 'cold: POP3 too' systemctl enable -q --now postern-pop3.socket
    check 'mail for both' deliver 4 alice@example.test
    check 'mail for both' deliver 4 bob@example.test
    check 'it can be read' eventually 60 reads number
    upgrade_while_open cold two
    check 'cold: nothing is left of them' eventually 60 no_process
}

warm() {
    local name names='smtp submission imap imaps pop3'
    check 'warm: instead of the cold ones' bash -c "systemctl disable -q --now $(printf 'postern-%s.socket ' $names) &&
        systemctl enable -q --now $(printf 'postern-%s-warm.socket ' $names)"
    upgrade_while_open warm three
}

removal() {
    local before
    check 'a message for a host that nothing leads to' bash -c 'printf "Subject: later\n\nhello\n" | /usr/sbin/sendmail -i "carol@[192.0.2.9]"'
    check '... in the queue' eventually 60 bash -c 'find /var/spool/postern/queue/deferred -type f ! -name "*.why" | grep .'
    exec 3<>/dev/tcp/127.0.0.1/143 4<>/dev/tcp/127.0.0.1/465
    before=$(kept)
    check 'it is removed' quietly dpkg -r postern
    check '... and closes its ports' test "$(listening)" = "$listened"
    check '... and leaves no process' no_process
    exec 3>&- 4>&-
    check '... and no program, unit or manual page' bash -c '! find /usr /run -xdev -name "*postern*" ! -path "/usr/share/postern-*" ! -path "*/ci/*" | grep .'
    check '... and keeps settings, queue and mail' test "$(kept)" = "$before"
    check 'no unit of it is failed, or known' eventually 60 bash -c '! systemctl list-units --all --plain --no-legend "postern*.service" | grep .'
}

again() {
    check 'installed again' install_version one
    check '... it starts nothing by itself' test "$(listening)" = "$listened"
    check '... what was enabled is opened by the target' systemctl start postern.target
    check '... and all is there: mail' reads number
    check '... and queue' bash -c 'postern queue | grep carol@'
}

# As if the version that is installed was one from before the timer.
without_timer() {
    systemctl disable -q --now postern-upkeep.timer && rm /usr/lib/systemd/system/postern-upkeep.timer &&
        sed -i 's/^\(Also=.*\) postern-upkeep.timer$/\1/' /usr/lib/systemd/system/postern.target && systemctl daemon-reload &&
        ! grep -q upkeep.timer /usr/lib/systemd/system/postern.target
}

new_timer() {
    check 'from a version without the timer of upkeep' without_timer
    check '... an upgrade' install_version two
    check '... enables it, as the target is enabled' systemctl is-enabled -q postern-upkeep.timer
    check '... and starts it, as that is open' systemctl is-active -q postern-upkeep.timer
    systemctl disable -q --now postern-upkeep.timer
    check 'who has disabled it since' install_version three
    check '... has it so' bash -c '! systemctl is-enabled -q postern-upkeep.timer && ! systemctl is-active -q postern-upkeep.timer'
}

purge() {
    check 'it is purged' quietly dpkg -P postern
    check '... and says what it kept' bash -c "grep -F /var/mail/postern '$work/said' && grep -F /var/spool/postern/queue '$work/said'"
    check '... settings and keys are gone' test ! -e /etc/postern
    check '... and all of the spool but mail that was not sent' test "$(ls -A /var/spool/postern)" = queue
    check '... and every link to a unit' bash -c '! find /etc/systemd -name "postern*" | grep .'
    check '... and no process is there, no port' eventually 60 bash -c "! systemctl list-units --all --plain --no-legend 'postern*' | grep -v not-found | grep ."
    check '... mail is there' has alice 'Subject: held-warm-smtp'
    check 'installed and set up again' bash -c "dpkg -i $work/two/postern_*.deb </dev/null"
    check '... by the same user' set_up
    check '... mail can be read' bash -c 'systemctl start postern-imap.socket'
    check '... by who had it' reads number
    check '... the message that waited waits' bash -c 'postern queue | grep carol@'
    postern queue drop "$(postern queue | sed 's/ .*//')"
    rm -rf /var/mail/postern/*
    check 'purged with no mail at all' quietly dpkg -P postern
    check '... the folders are gone too' test ! -e /var/spool/postern -a ! -e /var/mail/postern -a ! -e /run/postern -a ! -e /etc/postern
}

check 'a package is built' package 0.1+1 one
check '... and the same again, from the same' package 0.1+1 same
check '... to the byte' cmp "$work"/one/*.deb "$work"/same/*.deb
check 'later versions' package 0.1+2 two
check 'later versions' package 0.1+10 three
if ! with_sanitizers; then
    check "it takes less than $MOST_KIB KiB installed" small
    check 'lintian has nothing to say' bash -c "! lintian --fail-on none --allow-root $work/one/postern_*.deb | grep ."
fi
check 'it has no settings file about which dpkg would ask' bash -c "! dpkg-deb --ctrl-tarfile $work/one/postern_*.deb | tar t | grep conffiles"
listened=$(listening)
rm -f /var/lib/man-db/auto-update # an index of all manual pages, made anew each time, is not what is looked at here
check 'on a machine with a mail server' dummy first-mta "$(printf 'Provides: mail-transport-agent\nConflicts: mail-transport-agent\n')" /usr/sbin/sendmail
dpkg -i "$work/first-mta.deb" >/dev/null 2>&1
check 'it is installed, as administrators do it' quietly apt-get install -qy --no-install-recommends "$work"/one/postern_*.deb
check '... in place of that' bash -c '! dpkg-query -W -f "\${db:Status-Status}" first-mta | grep -x installed && dpkg -S /usr/sbin/sendmail | grep "^postern:"'
check '... and enables and opens nothing' nothing_opened
check '... nor would it when a machine starts for the first time' bash -c 'systemctl preset-all --preset-mode=enable-only -q; ! find /etc/systemd -name "postern*" | grep .'
check '... and has its users' id postern postern-pipe
check '... and folders' bash -c '[ "$(stat -c "%U %a" /var/mail/postern /var/spool/postern | sort -u)" = "postern 700" ]'
check '... and its inotify limit' test "$(cat $instances)" -ge 4096
check '... and its manual pages' bash -c 'man -w 8 imapd && man -w 5 postern.conf && man -w mailq && man -w newaliases && man -w sendmail'
check '... and completion in bash' bash -c 'bash -n /usr/share/bash-completion/completions/postern && postern complete -- us | grep -x user'
check '... and the names by which mail is sent' bash -c 'for f in /usr/sbin/sendmail /usr/lib/sendmail /usr/bin/mailq /usr/bin/newaliases; do
    [ "$(readlink -f $f)" = /usr/sbin/sendmail ] || exit; done'
check '... and units that pass systemd-analyze verify, with the manual pages they name' verify
check 'its files are as packed' bash -c '! dpkg -V postern | grep .'
check 'another mail server' dummy other-mta "$(printf 'Provides: mail-transport-agent\nConflicts: mail-transport-agent')"
check '... is not installed beside it' bash -c "! dpkg -i $work/other-mta.deb && ! dpkg-query -W -f '\${db:Status-Status}' other-mta | grep -x installed"
check 'what needs a mail server' dummy needs-mta 'Depends: mail-transport-agent, imap-server, pop3-server'
check '... is content with it' dpkg -i "$work/needs-mta.deb"
dpkg -P needs-mta >/dev/null
check 'set up' set_up
cold
warm
removal
again
new_timer
purge
[ "$tap_failures" = 0 ] || journalctl -b --no-pager -o short-precise | grep -v 'systemd\[1\]: \(Started\|Deact\)' | tail -n 60 | sed 's/^/# /'
done_testing
