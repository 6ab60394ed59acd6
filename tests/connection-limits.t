#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# connections-per-source where no warm listener counts, as under inetd and systemd's Accept=yes: over programs, before and after
# the login; and connection-rate, cold and warm.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh

declare -A port

listens() { ss -Hltn "sport = :$1" | grep -q .; }

cold() { # NAME PROGRAM OPTIONS...
    local name=$1 program=$2
    shift 2
    port[$name]=$(free_port)
    service "${port[$name]}" "$place/bin/$program" -c "$conf" "$@"
    eventually 10 listens "${port[$name]}"
}

warm() { # NAME PROGRAM
    port[$1]=$(free_port)
    background systemd-socket-activate -E ASAN_OPTIONS=detect_leaks=0 -l "127.0.0.1:${port[$1]}" "$place/bin/$2" -c "$conf"
    eventually 10 listens "${port[$1]}"
}

serve() {
    server_place "$work/place" && server_home || return
    printf '%s\n' 'plaintext-login yes' 'connections-per-source 3' >>"$conf"
    cold smtp smtpd && cold imap imapd && cold pop3 pop3d && warm warm smtpd
}

# opens FD NAME GREETING: a connection that stays, with the greeting read.
opens() {
    local line
    eval "exec $1<>/dev/tcp/127.0.0.1/${port[$2]}" || return
    read -r -t 10 line <&"$1"
    echo "$line"
    [[ $line == "$3"* ]]
}

# greets NAME GREETING: one that says goodbye.
greets() { # what comes first
    local line
    line=$(printf 'QUIT\r\n' | timeout 20 nc -N 127.0.0.1 "${port[$1]}" 2>/dev/null | head -n 1)
    echo "$line"
    [[ $line == "$2"* ]]
}
# Sends nothing: bytes that a refusal leaves unread would reset the connection.
says() {
    local line
    line=$(timeout 20 nc -N 127.0.0.1 "${port[$1]}" </dev/null | head -n 1)
    echo "$line"
    [[ $line == "$2"* ]]
}
logged() { grep -q "event=too-many-connections.*$1" "$place/log"; }

logs_in() {
    local line
    printf 'a LOGIN alice alice-secret\r\n' >&4
    while read -r -t 10 line <&4; do
        [[ $line != 'a OK'* ]] || return 0
    done
    return 1
}

check 'servers start' serve
check 'a first connection' opens 3 smtp '220 '
check 'a second' opens 4 imap '* OK'
check '... that logs in' logs_in
check 'a third' opens 5 pop3 '+OK'
check 'a fourth is refused: SMTP' says smtp '421 4.7.0 Too many connections'
check '... and the log says why' logged 'peer=127.0.0.1 setting=connections-per-source'
check '... IMAP' says imap '* BYE [UNAVAILABLE] Too many connections'
check '... POP3' says pop3 '-ERR [SYS/TEMP] too many connections'
check 'a warm listener counts its own' greets warm '220 '
closes() { exec 3>&-; }
check 'one of them hangs up' closes
check 'another gets its place' eventually 10 greets smtp '220 '
closes() { exec 4>&- 5>&-; }
check 'all hang up' closes
rated() { printf '%s\n' 'connections-per-source 50' 'connection-rate 4' >>"$conf"; }
check 'connection-rate' rated
check 'four a minute' eventually 10 greets smtp '220 '
check '... by any program' greets pop3 '+OK'
check '... warm' greets warm '220 '
check '... and the last' greets imap '* OK'
check 'a fifth is refused' says smtp '421 4.7.0 Too many connections'
check '... warm too' says warm '421 4.7.0 Too many connections'
check '... and the log says why' logged 'peer=127.0.0.1 setting=connection-rate'
trusted() { echo 'networks 127.0.0.1' >>"$conf"; }
check 'networks' trusted
check '... are not concerned' greets smtp '220 '

done_testing
