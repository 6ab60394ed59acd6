#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Failed logins are counted over connections, programs and ways to be started: after `login-failures` of them the source is
# refused, with the right password too, and the log says why; who has logged in from there before is not.
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
    printf '%s\n' 'plaintext-login yes' 'login-failures 3' >>"$conf"
    start cold pop3 pop3d && start cold imap imapd && start cold smtp smtpd -s && start warm warm pop3d
}

talk() { # PORT LINE...: what came back until the server closed
    local to=$1
    shift
    printf '%s\r\n' "$@" | timeout 60 nc -N 127.0.0.1 "$to" | tr -d '\r' | tee "$work/said"
}
pop3() { talk "${port[$1]}" "USER $2" "PASS $3" QUIT; }
imap() { talk "${port[imap]}" "a LOGIN $1 $2" "b LOGOUT"; }
smtp() { talk "${port[smtp]}" "EHLO x" "AUTH PLAIN $(printf '\0%s\0%s' "$1" "$2" | base64)" QUIT; }
logged() { grep -q "event=login-refused.*$1" "$place/log"; }
says() { local what=$1; shift; "$@" >/dev/null; grep -q "$what" "$work/said"; }

check 'servers start' serve
check 'bob logs in' says '^+OK' pop3 pop3 bob bob-secret
check 'a wrong password, POP3' says '^-ERR \[AUTH\]' pop3 pop3 alice wrong
check 'a wrong password of somebody unknown, IMAP' says '^a NO \[AUTHENTICATIONFAILED\]' imap nobody wrong
check 'and a third, warm' says '^-ERR \[AUTH\]' pop3 warm alice wrong
check 'the right one is refused then: submission' says '^421 4.7.0 .*(login-failures)$' smtp alice alice-secret
check '... and the log says why' logged 'user=alice@example.test peer=127.0.0.1 why="too many failed logins" by=source setting=login-failures'
check '... IMAP' says '^a NO \[UNAVAILABLE\] .*(login-failures)$' imap alice alice-secret
check '... which ends that' grep -q '^\* BYE Too many failed logins' "$work/said"
check '... POP3' says '^-ERR \[SYS/TEMP\] too many .*(login-failures)$' pop3 pop3 alice alice-secret
check '... POP3, warm' says '^-ERR \[SYS/TEMP\] too many .*(login-failures)$' pop3 warm alice alice-secret
check 'who has logged in from there before, does' says '^a OK' imap bob bob-secret
# By a pipe there is no source.
elsewhere() { printf 'a LOGIN alice alice-secret\r\nb LOGOUT\r\n' | as_server "$place/bin/imapd" -c "$conf" >"$work/said" 2>>"$place/log"; }
check 'so does who comes from elsewhere' says '^a OK' elsewhere
broken() { rm "$home/spool/slots/logins" && as_server mkdir "$home/spool/slots/logins"; }
check 'where failures can not be counted' broken
check '... nobody logs in, and it is temporary' says '^a NO \[UNAVAILABLE\]' imap bob bob-secret
check '... POP3' says '^-ERR \[SYS/TEMP\]' pop3 pop3 bob bob-secret
check '... submission' says '^454 4.7.0 ' smtp bob bob-secret
done_testing
