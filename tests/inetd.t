#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Under a real inetd: `nowait` is cold, `wait` is warm, and both speak the same protocol and leave nothing running.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh

user=$(as_server id -un)

lines() {
    local program=$1 cold=$2 warm=$3
    for how in "$cold nowait" "$warm wait"; do
        echo "127.0.0.1:${how% *} stream tcp ${how#* } $user $place/bin/$program $program -c $place/home/postern.conf"
    done
}

serve() {
    server_place "$work/server" && server_setup home mail.example.test example.test || return
    echo 'idle-exit 1' >>"$place/home/postern.conf"
    smtp=$(free_port) smtp_warm=$(free_port) pop3=$(free_port) pop3_warm=$(free_port)
    { lines smtpd "$smtp" "$smtp_warm"; lines pop3d "$pop3" "$pop3_warm"; } >"$work/inetd.conf"
    if [ "$(id -u)" = 0 ]; then
        /usr/sbin/inetd -i "$work/inetd.conf" >"$work/inetd.log" 2>&1 &
    else
        /usr/sbin/inetd -i -R 0 "$work/inetd.conf" >"$work/inetd.log" 2>&1 &
    fi
    pids="$pids $!"
    eventually 10 nc -z 127.0.0.1 "$pop3_warm"
}

# talks PORT GREETING: what the server says first begins so, and QUIT ends the connection.
talks() {
    local greeting rest
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return
    read -r -t 10 greeting <&3
    printf 'QUIT\r\n' >&3
    read -r -t 10 rest <&3
    echo "$greeting / $rest"
    ! read -r -t 10 rest <&3
    exec 3>&-
    [[ $greeting == "$2"* ]]
}

no_handler() {
    ! grep -lsa -- "$place/home/postern.conf" /proc/[0-9]*/cmdline
}

check 'inetd starts' serve
check 'smtpd, nowait' talks "$smtp" '220 mail.example.test ESMTP'
check 'smtpd, wait' talks "$smtp_warm" '220 mail.example.test ESMTP'
check 'pop3d, nowait' talks "$pop3" '+OK'
check 'pop3d, wait' talks "$pop3_warm" '+OK'
check 'the warm handlers end when idle' eventually 10 no_handler
check '... and start again' talks "$smtp_warm" '220 '
check 'every port of the example is a name that inetd knows' bash -c \
    'sed -n "s/^\([a-z0-9]*\) .*/\1/p" systemd/inetd.conf | while read -r name; do getent services "$name/tcp" >/dev/null || exit 1; done'
done_testing
