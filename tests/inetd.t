#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Under a real inetd: `nowait` is cold, `wait` is warm, and both speak the same protocol and leave nothing running.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh

user=$(as_server id -un)

lines() { # COLD-PORT WARM-PORT PROGRAM OPTIONS...
    local cold=$1 warm=$2 program=$3
    shift 3
    for how in "$cold nowait" "$warm wait"; do
        echo "127.0.0.1:${how% *} stream tcp ${how#* } $user $place/bin/$program $program -c $place/home/postern.conf $*"
    done
}

serve() {
    server_place "$work/server" && server_setup home mail.example.test example.test || return
    echo 'idle-exit 1' >>"$place/home/postern.conf"
    smtp=$(free_port) smtp_warm=$(free_port) pop3=$(free_port) pop3_warm=$(free_port) imap=$(free_port) imap_warm=$(free_port)
    submission=$(free_port) submission_warm=$(free_port)
    { lines "$smtp" "$smtp_warm" smtpd; lines "$submission" "$submission_warm" smtpd -s; lines "$imap" "$imap_warm" imapd
        lines "$pop3" "$pop3_warm" pop3d; } >"$work/inetd.conf"
    if [ "$(id -u)" = 0 ]; then
        /usr/sbin/inetd -i "$work/inetd.conf" >"$work/inetd.log" 2>&1 &
    else
        /usr/sbin/inetd -i -R 0 "$work/inetd.conf" >"$work/inetd.log" 2>&1 &
    fi
    pids="$pids $!"
    eventually 60 nc -z 127.0.0.1 "$pop3_warm"
}

# talks PORT GREETING [END]: what the server says first begins so, and END (QUIT) ends the connection.
talks() {
    local greeting rest
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return
    read -r -t 60 greeting <&3
    printf '%s\r\n' "${3:-QUIT}" >&3
    rest=$(timeout 60 cat <&3) || return
    exec 3>&-
    echo "$greeting / $rest"
    [[ $greeting == "$2"* ]]
}

no_handler() {
    ! grep -lsa -- "$place/home/postern.conf" /proc/[0-9]*/cmdline
}

check 'inetd starts' serve
check 'smtpd, nowait' talks "$smtp" '220 mail.example.test ESMTP'
check 'smtpd, wait' talks "$smtp_warm" '220 mail.example.test ESMTP'
check 'submission, nowait' talks "$submission" '220 mail.example.test ESMTP'
check 'submission, wait' talks "$submission_warm" '220 mail.example.test ESMTP'
check 'imapd, nowait' talks "$imap" '* OK [CAPABILITY ' 'a LOGOUT'
check 'imapd, wait' talks "$imap_warm" '* OK [CAPABILITY ' 'a LOGOUT'
check 'pop3d, nowait' talks "$pop3" '+OK'
check 'pop3d, wait' talks "$pop3_warm" '+OK'
check 'the warm handlers end when idle' eventually 60 no_handler
check '... and start again' talks "$smtp_warm" '220 '
check 'every port of the example is a name that inetd knows' bash -c \
    'sed -n "s/^\([a-z0-9]*\) .*/\1/p" systemd/inetd.conf | while read -r name; do getent services "$name/tcp" >/dev/null || exit 1; done'
done_testing
