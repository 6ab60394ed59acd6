#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# connections-per-source where no warm listener counts, as under inetd and systemd's Accept=yes: over programs, before and after
# the login; and connection-rate, cold and warm.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh

declare -A port
start() { # cold or warm, NAME PROGRAM OPTIONS...
    port[$2]=$(free_port)
    "$1" "${port[$2]}" "${@:3}"
}

serve() {
    server_place "$work/place" && server_home || return
    printf '%s\n' 'plaintext-login yes' 'connections-per-source 3' >>"$conf"
    start cold smtp smtpd && start cold imap imapd && start cold pop3 pop3d && start warm warm smtpd
}

# opens FD NAME GREETING: a connection that stays, with the greeting read.
opens() {
    local line
    eval "exec $1<>/dev/tcp/127.0.0.1/${port[$2]}" || return
    read -r -t 60 line <&"$1"
    echo "$line"
    [[ $line == "$3"* ]]
}

# greets NAME GREETING: one that says goodbye.
greets() { # what comes first
    local line
    line=$(printf 'QUIT\r\n' | timeout 60 nc -N 127.0.0.1 "${port[$1]}" 2>/dev/null | head -n 1)
    echo "$line"
    [[ $line == "$2"* ]]
}
# Sends nothing: bytes that a refusal leaves unread would reset the connection.
says() {
    local line
    line=$(timeout 60 nc -N 127.0.0.1 "${port[$1]}" </dev/null | head -n 1)
    echo "$line"
    [[ $line == "$2"* ]]
}
logged() { grep -q "event=too-many-connections.*$1" "$place/log"; }

logs_in() {
    local line
    printf 'a LOGIN alice alice-secret\r\n' >&4
    while read -r -t 60 line <&4; do
        [[ $line != 'a OK'* ]] || return 0
    done
    return 1
}

check 'servers start' serve
check 'a first connection' opens 3 smtp '220 '
check 'a second' opens 4 imap '* OK'
check '... that logs in' logs_in
check 'a third' opens 5 pop3 '+OK'
check 'a fourth is refused: SMTP' says smtp '421 4.7.0 Too many connections, try again later (connections-per-source)'
check '... and the log says why' logged 'peer=127.0.0.1 setting=connections-per-source'
check '... IMAP' says imap '* BYE [UNAVAILABLE] Too many connections (connections-per-source)'
check '... POP3' says pop3 '-ERR [SYS/TEMP] too many connections, try again later (connections-per-source)'
check 'a warm listener counts its own' greets warm '220 '
closes() { exec 3>&-; }
check 'one of them hangs up' closes
check 'another gets its place' eventually 60 greets smtp '220 '
closes() { exec 4>&- 5>&-; }
check 'all hang up' closes
rated() { printf '%s\n' 'connections-per-source 50' 'connection-rate 4' >>"$conf"; }
# After a quarter of a minute one more is taken.
check 'connection-rate' rated
check 'four a minute' eventually 60 greets smtp '220 '
check '... by any program' greets pop3 '+OK'
check '... warm' greets warm '220 '
check '... and the last' greets imap '* OK'
check 'a fifth is refused' eventually 60 says smtp '421 4.7.0 Too many connections, try again later (connection-rate)'
check '... warm too' eventually 60 says warm '421 4.7.0 Too many connections, try again later (connection-rate)'
check '... and the log says why' logged 'peer=127.0.0.1 setting=connection-rate'
trusted() { echo 'networks 127.0.0.1' >>"$conf"; }
check 'networks' trusted
check '... are not concerned' greets smtp '220 '

done_testing
