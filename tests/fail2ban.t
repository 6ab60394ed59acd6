#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The fail2ban filter that is shipped, with fail2ban-regex: what smtpd, imapd and pop3d log of wrong passwords is found, with the address;
# what isn't meant isn't; no user name or sender gets another's address banned. With the real journal: systemd.t.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh

# As it is installed, beside what it includes.
mkdir "$work/filter.d" && cp /etc/fail2ban/filter.d/common.conf "$work/filter.d" && cp systemd/fail2ban-filter.conf "$work/filter.d/postern.conf"
filter=$work/filter.d/postern.conf
keep=
start() { # NAME PROGRAM OPTIONS...
    local at
    at=$(free_port)
    eval "$1=$at"
    cold "$at" "${@:2}"
}
serve() {
    server_place "$work/place" && server_home || return
    printf '%s\n' 'plaintext-login yes' 'login-failures 3' >>"$conf"
    start imap imapd && start pop3 pop3d && start submission smtpd -s && start smtp smtpd
}
talk() { # PORT LINE...
    local to=$1
    shift
    [ "$keep" ] || rm -f "$home/spool/slots/logins" # else each waits longer than the one before
    printf '%s\r\n' "$@" | timeout 60 nc -N 127.0.0.1 "$to" >/dev/null
}
# The lines as syslog or journalctl have them; the fail2ban's matches' addresses, sorted.
as_syslog() { sed -n 's/^\([a-z0-9]*\[[0-9]*\]: event=\)/Nov 26 12:00:00 mail \1/p' "$place/log"; }
matched() { # MODE FILE
    fail2ban-regex -o ip "$2" "$filter[mode=$1]" 2>/dev/null | sort | uniq -c | sed 's/^ *//'
}
finds() { # MODE EXPECTED [FILE]
    as_syslog >"$work/log"
    matched "$1" "${3:-$work/log}" | tee "$work/found"
    [ "$(tr '\n' ';' <"$work/found")" = "$2" ]
}
line() { printf 'Nov 26 12:00:00 mail %s\n' "$1" >"$work/one"; }
counts() { line "$2"; finds "$1" "1 $3;" "$work/one"; }
passes() { line "$2"; finds "$1" '' "$work/one"; }

check 'servers start' serve
talk "$imap" 'a LOGIN bob bob-secret' 'b LOGOUT'
check 'a login is no failure' finds aggressive ''
talk "$imap" 'a LOGIN alice wrong' 'b LOGOUT'
talk "$pop3" 'USER alice' 'PASS wrong' QUIT
talk "$submission" 'EHLO x' "AUTH PLAIN $(printf '\0alice\0wrong' | base64)" QUIT
check 'wrong passwords by IMAP, POP3 and SMTP are' finds normal '3 127.0.0.1;'
# User names that look like the rest of a line.
talk "$imap" 'a LOGIN "x peer=203.0.113.9 tls=no" wrong' 'b LOGIN "y\" peer=203.0.113.9 tls=\"" wrong' 'c LOGOUT'
talk "$imap" 'a LOGIN "z\\" wrong' 'b LOGOUT'
talk "$submission" 'EHLO x' "AUTH PLAIN $(printf '\0v\nevent=login-failed user=w peer=203.0.113.9 tls=no\0wrong' | base64 -w 0)" QUIT
check 'whatever the name, the address is the client'\''s' finds normal '7 127.0.0.1;'
keep=yes
for i in 1 2 3; do talk "$imap" 'a LOGIN alice wrong' 'b LOGOUT'; done
keep=
check 'logins that are refused because of that count too' bash -c "grep -c login-refused '$place/log'"
check '... with the others' finds normal '10 127.0.0.1;'
: >"$place/log"
talk "$smtp" 'EHLO x' 'MAIL FROM:<zoe@far.test>' 'RCPT TO:<joe@elsewhere.test>' 'RCPT TO:<nobody@example.test>' 'RSET' \
    'MAIL FROM:<"a\" to=b@c.test why=\"relaying denied"@[203.0.113.9]>' 'RCPT TO:<joe@elsewhere.test>' QUIT
check 'what strangers try to relay counts when it is asked for' finds aggressive '3 127.0.0.1;'
check '... and only then' finds normal ''

value='user=alice@example.test'
check 'IPv6' counts normal "imapd[1]: event=login-failed $value peer=2001:db8::1 tls=yes mechanism=PLAIN session=abc" 2001:db8::1
check 'a blocked client' counts aggressive 'smtpd[1]: event=refused peer=192.0.2.1 helo=x from="" to=bob@example.test why="listed" setting=dns-block list=l' 192.0.2.1
check 'not one that is greylisted' passes aggressive 'smtpd[1]: event=refused peer=192.0.2.1 helo=x from=a@b.test to=bob@example.test why="seen for the first time" setting=greylist'
check 'not a user of ours who mistypes a recipient' passes aggressive 'smtpd[1]: event=refused peer=192.0.2.1 login=bob@example.test from=bob@example.test to=x@example.test why="no such user"'
check 'not a failure from nowhere' passes normal "imapd[1]: event=login-failed $value peer=unknown tls=no mechanism=PLAIN"
check 'not another program' passes normal "sshd[1]: event=login-failed $value peer=192.0.2.1 tls=no mechanism=PLAIN"
check 'not the event within another' passes normal 'smtpd[1]: event=accepted peer=192.0.2.1 text="event=login-failed user=x peer=192.0.2.2 tls=no"'
check 'the jail names the filter and our ports' bash -c "grep -qx 'filter = postern' systemd/fail2ban-jail.conf &&
    sed -n 's/^port = //p' systemd/fail2ban-jail.conf | tr , '\n' | while read -r name; do getent services \"\$name/tcp\" >/dev/null || exit 1; done"
[ "$tap_failures" = 0 ] || grep event= "$place/log" | tail -n 40 | sed 's/^/# /'
done_testing
