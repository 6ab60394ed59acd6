#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The units under a real systemd, on a machine of their own (tests/with-systemd): install, set up, and mail by real clients over every
# port, cold and then warm. No process is left behind, none runs as root, and what is queued goes out at once.
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh

unit_dir=/usr/local/lib/systemd/system
ports='smtp submission submissions imap imaps pop3 pop3s lmtp'
mail=/var/mail/postern/example.test

# ---- setting up

install_and_set_up() {
    install_postern && postern setup mail.example.test example.test && echo alice-secret | postern user add alice@example.test &&
        echo bob-secret | postern user add bob@example.test
}

# The outside world: a DNS server that names 127.0.0.1 as MX of outside.test, and a second Postern there.
outside_world() {
    local folder=/srv/outside
    dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --port=5300 --listen-address=127.0.0.1 \
        --bind-interfaces --user=root --pid-file= --mx-host=outside.test,mx.outside.test,10 \
        --address=/mx.outside.test/127.0.0.1 --mx-host=backup.test,mx.backup.test,10 --address=/mx.backup.test/192.0.2.25 --local=/test/ >/dev/null 2>&1 &
    pids="$pids $!"
    postern -c $folder/postern.conf setup mx.outside.test outside.test || return
    echo carol-secret | postern -c $folder/postern.conf user add carol@outside.test || return
    sed -e 's/^ListenStream=.*/ListenStream=127.0.0.1:2525/' -e '/^Conflicts/d' $unit_dir/postern-smtp.socket \
        >/etc/systemd/system/outside.socket
    sed -e "s|/smtpd|& -c $folder/postern.conf|" "$unit_dir/postern-smtp@.service" \
        >/etc/systemd/system/outside@.service
    [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" | tee -a $folder/postern.conf >>/etc/postern/postern.conf
    printf 'resolver 127.0.0.1:5300\nsmtp-port 2525\nidle-exit 2\n' >>/etc/postern/postern.conf
    systemctl daemon-reload
    systemctl start outside.socket
}

# ---- looking

postern_processes() {
    cat /sys/fs/cgroup/postern.slice/*/cgroup.procs 2>/dev/null
}

no_process() {
    [ -z "$(postern_processes)" ]
}

# Every process of Postern that is there now has only the user and group `postern`, and no capability. It sets $count.
each_is_postern() {
    local pid uid status
    count=0 uid=$(id -u postern)
    for pid in $(postern_processes); do
        # systemd's own, on its way to be a handler.
        case $(readlink "/proc/$pid/exe") in */systemd) continue ;; esac
        status=$(cat "/proc/$pid/status" 2>/dev/null) || continue # it has ended meanwhile
        grep -Eq "^Uid:	$uid	$uid	$uid	$uid\$" <<<"$status" && grep -q '^NoNewPrivs:	1' <<<"$status" &&
            ! grep -Eq '^Cap(Inh|Prm|Eff|Bnd|Amb):	0*[1-9a-f]' <<<"$status" || { echo "$status"; return 1; }
        count=$((count + 1))
    done
    echo "$count processes"
}

# The same of $1 processes at least: a session greets while others are on their way.
all_are_postern() {
    local count=0 until=$((SECONDS + 60))
    until [ "$count" -ge "$1" ]; do
        each_is_postern && [ $SECONDS -lt $until ] || return
        sleep 0.05
    done
}

# What the journal has from Postern's processes came from no other user.
journal_says_postern() {
    journalctl -o json --output-fields=_UID _SYSTEMD_SLICE=postern.slice | grep -q '"_UID"' || return
    ! journalctl -o json --output-fields=_UID,MESSAGE,_SYSTEMD_UNIT _SYSTEMD_SLICE=postern.slice |
        grep -v "\"_UID\":\"$(id -u postern)\"" | grep '"_UID"'
}

# has USER-FOLDER TEXT: a message of the Maildir has the text.
has() {
    grep -rqs -- "$2" "$1/new" "$1/cur"
}

on_disk() {
    eventually 60 has "$@"
}

fetched() { # URL USER:PASSWORD TEXT [curl options]
    local url=$1 login=$2 text=$3
    shift 3
    curl -sS -k --max-time 60 "$@" -u "$login" "$url" | tee "$work/fetched"
    grep -q -- "$text" "$work/fetched"
}

# ---- one round

send_and_read() { # MODE
    local mode=$1 subject="round-$1"
    check "$mode: a stranger's message on port 25" swaks --timeout 60 -s 127.0.0.1 -p 25 -tls-optional \
        --from zoe@elsewhere.test --to alice@example.test --header "Subject: $subject-stranger"
    check "$mode: ... lies in the Maildir" on_disk $mail/alice "$subject-stranger"
    check "$mode: no relaying for strangers" bash -c 'swaks --timeout 60 -s 127.0.0.1 -p 25 --from zoe@elsewhere.test \
        --to carol@outside.test | grep -F "550 5.7.1"'
    check "$mode: submission with STARTTLS and AUTH" swaks --timeout 60 -s 127.0.0.1 -p 587 -tls -a PLAIN \
        -au bob@example.test -ap bob-secret --from bob@example.test --to alice@example.test \
        --header "Subject: $subject-submission"
    check "$mode: submission under TLS" swaks --timeout 60 -s 127.0.0.1 -p 465 -tlsc -a LOGIN -au bob@example.test \
        -ap bob-secret --from bob@example.test --to alice@example.test --header "Subject: $subject-submissions"
    check "$mode: ... both lie there" on_disk $mail/alice "$subject-submissions"
    check "$mode: IMAP with STARTTLS" fetched 'imap://127.0.0.1/INBOX;MAILINDEX=1' alice@example.test:alice-secret Subject --ssl-reqd
    check "$mode: IMAP under TLS" fetched 'imaps://127.0.0.1/INBOX;MAILINDEX=1' alice@example.test:alice-secret Subject
    check "$mode: POP3 with STLS" fetched pop3://127.0.0.1/1 alice@example.test:alice-secret Subject --ssl-reqd
    check "$mode: POP3 under TLS" fetched pop3s://127.0.0.1/1 alice@example.test:alice-secret Subject
    check "$mode: a message to the outside is queued" swaks --timeout 60 -s 127.0.0.1 -p 587 -tls -a PLAIN \
        -au bob@example.test -ap bob-secret --from bob@example.test --to carol@outside.test \
        --header "Subject: $subject-outside"
    check "$mode: ... and goes out at once, without the timer" on_disk /srv/outside/mail/outside.test/carol "$subject-outside"
    check "$mode: ... and can be traced through the journal" eventually 60 bash -c 'postern trace carol@outside.test |
        awk "/accepted .*queued to <carol@outside.test>/ { a = 1 } /qrun  *delivered / { d = a } /removed/ { r = d } END { exit !r }"'
    check "$mode: LMTP on its socket" swaks --timeout 60 --protocol LMTP --socket /run/postern/lmtp --from zoe@elsewhere.test \
        --to alice@example.test,bob@example.test --header "Subject: $subject-lmtp"
    check "$mode: ... lies in both Maildirs" bash -c "grep -rqs $subject-lmtp $mail/alice/new && grep -rqs $subject-lmtp $mail/bob/new"
    check "$mode: which isn't anybody's to write to" bash -c '! runuser -u nobody -- swaks --timeout 60 --protocol LMTP \
        --socket /run/postern/lmtp --from zoe@elsewhere.test --to alice@example.test'
    check "$mode: sendmail -bs, as any user" runuser -u nobody -- swaks --timeout 60 --pipe '/usr/local/sbin/sendmail -bs' \
        --from nobody@example.test --to alice@example.test --header "Subject: $subject-bs"
    check "$mode: ... lies there" on_disk $mail/alice "$subject-bs"
    check "$mode: sendmail, as any user" runuser -u nobody -- sh -c \
        'printf "Subject: $1-sendmail\n\nhello\n" | /usr/local/sbin/sendmail -t -i alice@example.test' sh "$subject"
    check "$mode: ... lies there" on_disk $mail/alice "$subject-sendmail"
}

open_connections() { # MODE: while an SMTP and an IMAP connection are open, look at the processes
    local mode=$1 line
    exec 3<>/dev/tcp/127.0.0.1/25 4<>/dev/tcp/127.0.0.1/143
    read -r -t 60 line <&3
    check "$mode: the banner of port 25" grep -q '^220 mail.example.test ESMTP' <<<"$line"
    read -r -t 60 line <&4
    check "$mode: the greeting of IMAP" grep -q '^\* OK' <<<"$line"
    check "$mode: the processes of open connections have no right but the user's" all_are_postern 4
}

close_connections() {
    exec 3>&- 4>&-
}

cold() {
    local name
    check 'cold: sockets start' systemctl start $(printf 'postern-%s.socket ' $ports) postern-qrun.socket postern-submit.socket
    send_and_read cold
    open_connections cold
    close_connections
    check 'cold: no process is left' eventually 60 no_process
    for name in $ports; do
        systemctl is-active -q "postern-$name.socket" || echo "$name"
    done >"$work/inactive"
    check 'cold: every socket still listens' test ! -s "$work/inactive"
}

warm() {
    local line
    check 'warm: sockets start, and end the cold ones' systemctl start $(printf 'postern-%s-warm.socket ' $ports)
    check 'warm: the cold socket is closed' bash -c '! systemctl is-active -q postern-smtp.socket'
    send_and_read warm
    open_connections warm
    check 'warm: the listener can be stopped' systemctl stop postern-imap-warm.service
    printf 'a NOOP\r\n' >&4
    read -r -t 60 line <&4
    check 'warm: ... and the open connection goes on' grep -q '^a OK' <<<"$line"
    close_connections
    check 'warm: after idle-exit no process is left' eventually 60 no_process
    check 'warm: and the next connection finds a server' bash -c 'exec 5<>/dev/tcp/127.0.0.1/143; read -r -t 60 line <&5;
        [[ $line == "* OK"* ]]'
    check 'warm: which ends again' eventually 60 no_process
}

# ---- the units

verify() {
    local name instances=
    for name in $unit_dir/postern*@.service; do
        name=${name##*/}
        instances="$instances ${name%.service}7.service"
    done
    ! systemd-analyze verify --man=no $unit_dir/postern-*[a-z].{socket,timer,service,slice} $unit_dir/postern.{target,slice} $instances 2>&1 | grep .
}

# limits: what one service may take of memory, processes and descriptors is bounded, and nobody writes its memory to the disk.
limits() {
    local unit count=0 bad=0
    for unit in $unit_dir/postern*.service; do
        unit=${unit##*/}
        unit=${unit/@./@7.}
        systemctl show -p MemoryMax -p TasksMax -p LimitNOFILE -p LimitCORE -p TimeoutStopUSec "$unit" >"$work/shown" || return
        ! grep infinity "$work/shown" && grep -q '^MemoryMax=[0-9]' "$work/shown" && grep -qx LimitCORE=0 "$work/shown" &&
            systemctl show -p FragmentPath "$unit" | grep -q "$unit_dir" || { bad=1; echo "$unit"; cat "$work/shown"; }
        count=$((count + 1))
    done
    echo "$count services"
    [ "$bad" = 0 ] && [ "$count" -ge 19 ]
}

usual='smtp submission submissions imap imaps submit qrun'

opened_by_target() {
    systemctl enable -q --now postern.target &&
        systemctl is-active -q $(printf 'postern-%s.socket ' $usual) postern-{qrun,upkeep}.timer && ! systemctl is-active -q postern-pop3.socket &&
        systemctl is-enabled $(printf 'postern-%s.socket ' $usual) postern-{qrun,upkeep}.timer postern.target
}

closed_by_target() {
    systemctl disable -q --now postern-pop3.socket postern-imap.socket && systemctl is-active postern-imaps.socket || return
    systemctl start postern.target
    ! systemctl is-active -q postern-imap.socket && systemctl disable -q --now postern.target || return
    ! systemctl list-units --plain --no-legend --state=active 'postern*.socket' 'postern*.timer' | grep . &&
        ! find /etc/systemd/system -name 'postern*' | grep .
}

# ---- the test

check 'install, users, folders, setup' install_and_set_up
check 'every unit passes systemd-analyze verify' verify
check 'the warm units are hardened' systemd-analyze security --offline=1 --threshold=15 $unit_dir/postern-*-warm.service
check 'every service has limits' limits
check 'no unit is enabled, nor would be when a machine starts for the first time' bash -c 'systemctl preset-all --preset-mode=enable-only -q &&
    ! systemctl list-unit-files --state=enabled "postern*" | grep "^postern"'
check 'the target enables what most servers want, and opens it' opened_by_target
check '... and closes it' closed_by_target
check 'an outside world' outside_world
# Programs that aliases name run as a user of their own, who can't reach mail, spool or secrets, and nothing of them is left.
programs() {
    local out=/srv/programs
    install -d -m 1777 $out || return
    check 'programs: an alias names one' postern alias add tickets "|id -un >$out/id; cat >$out/message; cat /etc/postern/key.pem >>$out/id; \
        sleep 1000 & echo \$! >$out/left; exit 0"
    check 'programs: its socket starts' systemctl start postern-pipe.socket postern-qrun.socket
    check 'programs: a message for it' swaks --timeout 60 -s 127.0.0.1 -p 25 --from zoe@elsewhere.test --to tickets@example.test \
        --header 'Subject: a-ticket'
    check 'programs: it has it, at once' eventually 60 grep -qs a-ticket $out/message
    check 'programs: it ran as its own user, and read no secret' eventually 60 test "$(cat $out/id)" = postern-pipe
    check 'programs: what it left running is ended' eventually 60 bash -c "! kill -0 \$(cat $out/left) 2>/dev/null"
    check 'programs: only the queue runner may ask' bash -c '[ "$(stat -c "%U %a" /run/postern/pipe)" = "postern 600" ]'
    check 'programs: the queue is empty' eventually 60 bash -c '! postern queue | grep tickets'
}

# What a user moves into Junk is learned, at once, by the user of programs.
learning() {
    local out=/srv/learning
    install -d -m 1777 $out || return
    printf 'learn-spam cat >%s/message; id -un >%s/id; env >%s/env; sa-learn --spam --dbpath %s/bayes -p /dev/null </srv/learning/message\n' \
        $out $out $out $out >>/etc/postern/postern.conf
    check 'learning: a message' swaks --timeout 60 -s 127.0.0.1 -p 25 --from zoe@elsewhere.test --to bob@example.test \
        --header 'Subject: cheap pills' --body 'Cheap pills and cheap watches for you'
    check 'learning: it is moved into Junk' curl -sS -k --ssl-reqd --max-time 60 -u bob@example.test:bob-secret \
        -X 'MOVE * Junk' imap://127.0.0.1/INBOX
    check 'learning: sa-learn has it, without the timer' eventually 60 bash -c \
        "sa-learn --dump magic --dbpath $out/bayes -p /dev/null | awk '/nspam/ { n = \$3 } END { exit n != 1 }'"
    check 'learning: as it lies there' eventually 60 bash -c "cmp $out/message $mail/bob/.Junk/cur/*"
    check 'learning: its user is that of programs, who is told the account' bash -c \
        "[ \$(cat $out/id) = postern-pipe ] && grep -qx RECIPIENT=bob@example.test $out/env"
    check 'learning: nothing waits' eventually 60 bash -c "! ls -A $mail/bob/postern-learn | grep ."
}

# A relayed domain whose mail exchanger is this machine, under another name than `hostname`: mail waits there, and doesn't run in circles.
relaying() {
    check 'relaying: an address of this machine' ip addr add 192.0.2.25/32 dev lo
    check 'relaying: a domain' postern domain add backup.test relay all
    sed -i 's/^smtp-port/#&/' /etc/postern/postern.conf
    check 'relaying: mail for it is taken' swaks --timeout 60 -s 127.0.0.1 -p 25 --from zoe@elsewhere.test --to joe@backup.test
    check 'relaying: ... and waits, as we are its mail exchanger' eventually 60 bash -c \
        'postern queue | grep -F "4.4.6 mx.backup.test[192.0.2.25] is this server itself"'
    sed -i 's/^#smtp-port/smtp-port/' /etc/postern/postern.conf
    local id; id=$(postern queue | sed 's/ .*//')
    check 'relaying: ... it is held, let go and dropped' bash -c "postern queue hold $id && postern queue release $id && postern queue hold $id &&
        postern queue drop $id"
    check 'relaying: ... of which the log tells' eventually 60 bash -c "postern trace $id | awk '/ held .*<joe@backup.test>/ { h = 1 }
        / released / { r = h } / dropped .*<joe@backup.test>/ { d = r } / removed / { e = d } END { exit !e }'"
    ip addr del 192.0.2.25/32 dev lo
}

# Wrong passwords as the shipped filter finds them in the journal, in our slice.
fail2ban() {
    local i
    cp /usr/local/share/postern/fail2ban-filter.conf /etc/fail2ban/filter.d/postern.conf
    for i in 1 2 3; do
        curl -sS -k --ssl-reqd --max-time 60 -u alice@example.test:wrong imap://127.0.0.1/ 2>/dev/null
    done
    systemd-cat -t imapd echo 'event=login-failed user=x peer=203.0.113.9 tls=no'
    check 'fail2ban: wrong passwords are found in the journal, and no line of another' eventually 60 bash -c \
        '[ "$(fail2ban-regex -o ip systemd-journal /etc/fail2ban/filter.d/postern.conf 2>/dev/null | sort | uniq -c | sed "s/^ *//")" = "3 127.0.0.1" ]'
}

# Events have fields in the journal, by which a connection or a message is found, and their unit, however short the connection was.
journal() {
    local session id
    check 'journal: logins have their fields' bash -c "journalctl -o json POSTERN_EVENT=login POSTERN_USER=bob@example.test |
        jq -se 'length >= 2 and all(.POSTERN_SESSION != null and .POSTERN_PEER == \"127.0.0.1\" and .POSTERN_VERDICT == \"accepted\" and .PRIORITY == \"6\")'"
    session=$(cat $mail/alice/*/* | tr -d '\n' | sed 's/.*ESMTPSA id [0-9a-f-]* (session \([a-z2-7]*\)).*/\1/')
    check 'journal: by the session in Received its login and its message are found' bash -c "journalctl -o json POSTERN_SESSION=$session |
        jq -sec '[.[].POSTERN_EVENT] == [\"login\", \"accepted\"]'"
    id=$(journalctl -o json POSTERN_TO='>carol@outside.test' | jq -sr '.[0].POSTERN_QUEUE_ID')
    check 'journal: a message is found from its coming to its going' bash -c "journalctl -o json POSTERN_QUEUE_ID=$id |
        jq -sec '[.[] | .SYSLOG_IDENTIFIER + \" \" + .POSTERN_EVENT] == [\"smtpd accepted\", \"qrun delivered\", \"qrun removed\"]'"
    check 'journal: what was refused has sender, recipient and verdict' bash -c "journalctl -o json POSTERN_VERDICT=refused POSTERN_FROM=zoe@elsewhere.test |
        jq -se 'length >= 1 and all(.POSTERN_TO == \"carol@outside.test\" and .POSTERN_EVENT == \"refused\")'"
    check 'journal: short connections' python3 -c "
import socket
for i in range(20):
    s = socket.create_connection(('127.0.0.1', 25))
    s.sendall(b'EHLO x\r\nMAIL FROM:<a@short.test>\r\nRCPT TO:<nobody@example.test>\r\nQUIT\r\n')
    while s.recv(4096): pass"
    check 'journal: ... have an event each' eventually 60 bash -c '[ "$(journalctl -o cat POSTERN_FROM=a@short.test | wc -l)" = 20 ]'
    check 'journal: all events have their unit' bash -c "! journalctl -o json SYSLOG_FACILITY=2 | jq -ce 'select(.POSTERN_EVENT and
        ._SYSTEMD_SLICE != \"postern.slice\" and ._SYSTEMD_SLICE != \"postern-pipe.slice\" and ._SYSTEMD_SLICE != \"system-outside.slice\" and ._SYSTEMD_SLICE != \"system.slice\")'"
}

cold
programs
learning
relaying
warm
check 'journal: port 25' systemctl start postern-smtp-warm.socket
journal
fail2ban
check 'mailq lists an empty queue, as root' bash -c 'PATH=/usr/local/bin:$PATH; out=$(mailq) && ! grep -q outside.test <<<"$out"'
check 'newaliases compiles the tables, and counts' bash -c '/usr/local/bin/newaliases | grep -qE "^/etc/postern/aliases: [0-9]+ aliases, longest [0-9]+ bytes, [0-9]+ bytes total$"'
check 'who is neither root nor the server may not' bash -c '! runuser -u nobody -- /usr/local/bin/newaliases'
check 'the timer starts the queue runner' systemctl start postern-qrun.timer
check 'nothing in the journal came from another user' journal_says_postern
check 'no unit failed' bash -c '! systemctl list-units --failed --plain --no-legend "postern*" | grep .'
check 'uninstall' make -s uninstall BUILD="$BUILD" PREFIX=/usr/local
check '... leaves no file' bash -c '! find /usr/local -iname "*postern*" | grep .'
[ "$tap_failures" = 0 ] || journalctl -b --no-pager -o short-precise | grep -v 'systemd\[1\]: \(Started\|Deact\)' | tail -n 60 | sed 's/^/# /'
done_testing
