#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# sendmail(8) with an smtpd of its own, and through the submission socket as several users.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh
at_end=end_services

server_place "$work/place"
server_home
me=$(as_server id -un)

# send MESSAGE OPTION...: by an smtpd of its own
send() {
    printf '%b' "$1" >"$work/in"
    shift
    as_server "$place/bin/sendmail" -c "$conf" "$@" <"$work/in"
}
# exits CODE COMMAND...
exits() {
    wanted=$1
    shift
    "$@"
    got=$?
    echo "exit code $got"
    [ "$got" = "$wanted" ]
}
# newest MAILDIR: the newest message's path
newest() {
    ls -t "$1"/new/* | head -1
}
contains() {
    cat "$1"
    grep -q -- "$2" "$1"
}
lacks() {
    cat "$1"
    ! grep -q -- "$2" "$1"
}
clear_mail() {
    rm -f "$alice"/new/* "$bob"/new/*
}

check "a plain body to a bare name" send 'hello\n' alice
check "its sender is the user" contains "$(newest "$alice")" "^Return-Path: <$me@example.test>"
check "it has From" contains "$(newest "$alice")" "^From: .*<$me@example.test>"
check "it has Date" contains "$(newest "$alice")" '^Date: '
check "it has Message-ID" contains "$(newest "$alice")" '^Message-ID: <.*@mail.example.test>'
check "Received names the user" contains "$(newest "$alice")" 'by mail.example.test (uid '
check "the body stands behind an empty line" test "$(tail -2 "$(newest "$alice")")" = "$(printf '\nhello')"
clear_mail

check "-t with Bcc" send 'To: alice, "Bob, the other" <bob@example.test>\nBcc: out@far.test\nFrom: x@example.test\nSubject: s\n\nbody\n' -t
check "alice has it" contains "$(newest "$alice")" '^Subject: s'
check "bob has it" contains "$(newest "$bob")" '^Subject: s'
check "Bcc is gone" lacks "$(newest "$bob")" '^[Bb]cc:'
check "From stays as it is" test "$(grep -c '^From: x@example.test$' "$(newest "$bob")")" = 1
check "the outside recipient is queued" sh -c "as=\$('$place/bin/postern' -c '$conf' queue list); echo \"\$as\"; echo \"\$as\" | grep -q 'out@far.test'"
check "mailq shows it" sh -c "ln -s sendmail '$place/bin/mailq'; '$place/bin/mailq' -c '$conf' | grep -q out@far.test"
check "sendmail -bp shows it" sh -c "'$place/bin/sendmail' -c '$conf' -bp | grep -q out@far.test"
clear_mail

# says CODE TEXT COMMAND...: it exits so, and TEXT is a line of what it says
says() {
    wanted=$1 text=$2
    shift 2
    "$@" >"$work/said" 2>&1
    got=$?
    cat "$work/said"
    [ "$got" = "$wanted" ] && grep -qxF -- "$text" "$work/said"
}
ln -s sendmail "$place/bin/newaliases"
cp -p "$home/aliases" "$work/aliases"
printf '# three\nroot: alice\n"staff": alice,\n  bob@example.test\nchief: bob\n' >"$home/aliases"
check "newaliases compiles what was edited by hand, and counts" says 0 "$home/aliases: 3 aliases, longest 23 bytes, 45 bytes total" \
    as_server "$place/bin/newaliases" -c "$conf"
check "an alias counts at once" send 'Subject: chief\n\nx\n' chief
check "and leads where it says" contains "$(newest "$bob")" '^Subject: chief'
clear_mail
printf 'root: alice\nchief: bob, <\n' >"$home/aliases"
check "a mistake is named with file and line: EX_DATAERR" says 65 "postern: $home/aliases:2: <: is no address; the table stays as it was" \
    as_server "$place/bin/sendmail" -c "$conf" -bi
check "and what was there is still used" send 'Subject: chief\n\nx\n' chief
clear_mail
printf 'root: alice\n' >"$home/aliases"
check "sendmail -bi does the same" says 0 "$home/aliases: 1 alias, longest 5 bytes, 9 bytes total" as_server "$place/bin/sendmail" -c "$conf" -bi
check "so does -I" says 0 "$home/aliases: 1 alias, longest 5 bytes, 9 bytes total" as_server "$place/bin/sendmail" -c "$conf" -I
check "an alias that went is gone" exits 67 send 'x\n' chief
as_server sh -c "cat '$work/aliases' >'$home/aliases'" && as_server "$place/bin/newaliases" -c "$conf" >/dev/null

check "-t: Resent- fields come first" send 'To: alice\nResent-To: bob\n\nbody\n' -t
check "only bob has it" test "$(ls "$alice/new" | wc -l)-$(ls "$bob/new" | wc -l)" = 0-1
clear_mail

check "CRLF, a lone CR, NUL and a From_ line" send 'From me Mon Jan 1\nSubject: odd\r\n\r\none\rtwo\0000three\r\n\r\n' bob
check "became lines" test "$(tail -3 "$(newest "$bob")" | tr '\n' '|')" = 'one|twothree||'
check "no From_ line" lacks "$(newest "$bob")" '^From me'
clear_mail

check "a dot alone ends the message" send 'Subject: dot\n\none\n.\ntwo\n' bob
check "and nothing behind it counts" lacks "$(newest "$bob")" two
clear_mail
for option in -i -oi; do
    check "$option: it doesn't" send 'Subject: dot\n\none\n.\n..two\n' $option bob
    check "$option: dots are as they were" test "$(tail -3 "$(newest "$bob")" | tr '\n' '|')" = 'one|.|..two|'
    clear_mail
done

check "a line of 200000 bytes is broken" sh -c "head -c 200000 /dev/zero | tr '\\0' x | '$place/bin/sendmail' -c '$conf' bob"
clear_mail
check "8-bit text" send 'Subject: \303\244\n\n\303\266\n' bob
check "came through" contains "$(newest "$bob")" "$(printf '\303\266')"
clear_mail

check "-f" send 'x\n' -f alice@example.test bob
check "its Return-Path" contains "$(newest "$bob")" '^Return-Path: <alice@example.test>'
clear_mail
check "-f <>" send 'x\n' -f '<>' bob
check "its Return-Path is null" contains "$(newest "$bob")" '^Return-Path: <>'
clear_mail
check "-F" send 'x\n' -F 'Some "One"' bob
check "its From" contains "$(newest "$bob")" '^From: "Some \\"One\\"" <'
clear_mail
check "options that mean nothing are passed over" send 'x\n' -oem -odb -N never -v -B 8BITMIME -m -oo -- bob
clear_mail

check "two megabytes" sh -c "(printf 'Subject: big\n\n'; head -c 2000000 /dev/zero | tr '\\0' x | fold -w 70) | '$place/bin/sendmail' -c '$conf' bob"
check "all of them" test "$(wc -c <"$(newest "$bob")")" -gt 2000000
clear_mail

check "an unknown user: EX_NOUSER" exits 67 send 'x\n' nobody@example.test
check "the others get it all the same" exits 67 send 'x\n' nobody@example.test alice
check "alice has it" test "$(ls "$alice/new" | wc -l)" = 1
clear_mail
check "no recipients: EX_USAGE" exits 64 send 'x\n'
check "-t without any: EX_USAGE" exits 64 send 'Subject: x\n\n' -t
check "no address: EX_USAGE" exits 64 send 'x\n' 'a b@c'
check "an unknown option: EX_USAGE" exits 64 send 'x\n' -Z bob
check "-bd: EX_USAGE" exits 64 send 'x\n' -bd
check "no settings: EX_CONFIG" exits 78 as_server "$place/bin/sendmail" -c "$place/none.conf" bob </dev/null
mv "$home/accounts.gdbm" "$home/accounts.away"
check "tables that can't be read: EX_TEMPFAIL" exits 75 send 'x\n' bob
mv "$home/accounts.away" "$home/accounts.gdbm"
echo 'recipients 1' >>"$conf"
check "more recipients than a transaction takes" send 'x\n' alice bob out@far.test
check "both have it" test "$(ls "$alice/new" | wc -l)-$(ls "$bob/new" | wc -l)" = 1-1
clear_mail

# --- -bs
sed -i '/^recipients 1$/d' "$conf"
by_swaks() { # OPTION...: swaks, to whom the command is a server
    timeout 60 swaks --pipe "$place/bin/sendmail -c $conf -bs" --helo client.test "$@" >"$work/swaks" 2>&1 || { cat "$work/swaks"; return 1; }
}
check "-bs: swaks, two recipients" by_swaks --from "$me@example.test" --to alice@example.test,bob@example.test
check "alice has it" contains "$(newest "$alice")" "^Return-Path: <$me@example.test>"
check "from a user of this machine" contains "$(newest "$alice")" "by mail.example.test (uid "
check "bob too" test "$(ls "$bob/new" | wc -l)" = 1
clear_mail
check "-bs: offers no login and no TLS" sh -c "! grep -E '250.(AUTH|STARTTLS)' '$work/swaks' && grep -q '250.PIPELINING' '$work/swaks'"
head -c 3000000 /dev/urandom | base64 >"$work/big"
check "-bs: four megabytes, pipelined" by_swaks --from "$me@example.test" --to bob@example.test --pipeline --body @"$work/big"
check "all of them" test "$(wc -c <"$(newest "$bob")")" -gt 4000000
clear_mail

speaks() { # TEXT: as a client that doesn't wait
    printf '%b' "$1" | as_server sh -c "'$place/bin/sendmail' -c '$conf' -bs" | tr -d '\r' >"$work/said"
}
check "-bs: a dialogue" speaks "EHLO x\\r\\nMAIL FROM:<$me@example.test>\\r\\nRCPT TO:<nobody@example.test>\\r\\nRCPT TO:<bob@example.test>\\r\\nDATA\\r\\nSubject: said\\r\\n\\r\\n..\\r\\n.\\r\\nQUIT\\r\\n"
check "its replies" test "$(grep -o '^[0-9]* ' "$work/said" | tr '\n' '|')" = '220 |250 |250 |550 |250 |354 |250 |221 |'
check "From is added" contains "$(newest "$bob")" "^From: .*$me@example.test"
clear_mail
check "-bs: input that ends in the middle" speaks "EHLO x\\r\\nMAIL FROM:<$me@example.test>\\r\\nRCPT TO:<bob@example.test>\\r\\nDATA\\r\\nhalf"
check "brings nothing" test -z "$(ls "$bob/new")"
check "-bs: lines that end in LF" speaks "EHLO x\\nMAIL FROM:<$me@example.test>\\nRCPT TO:<bob@example.test>\\nDATA\\nSubject: bare\\n\\none\\n..\\n.\\nQUIT\\n"
check "-bs: ... and the message came" sh -c "tail -1 '$work/said' | grep -q '^221 ' && cat $bob/new/* | grep -A3 '^Subject: bare$' | grep -qx '\\.'"
clear_mail
in_pieces() { { printf 'EHLO '; sleep 0.1; printf 'x\r'; sleep 0.1; printf '\nNOOP\nQUIT\r\n'; } | as_server sh -c "'$place/bin/sendmail' -c '$conf' -bs" | tr -d '\r' >"$work/said"; }
check "-bs: in pieces" in_pieces
check "-bs: who ends a line in CRLF does so for all" grep -q '^500 5.5.2 ' "$work/said"
check "-bs: a flood of commands" sh -c "{ yes NOOP | head -200000 | tr '\n' '#' | sed 's/#/\r\n/g'; printf 'QUIT\r\n'; } |
    '$place/bin/sendmail' -c '$conf' -bs | grep -c '^250 2.0.0' | grep -qx 200000"
by_hand() {
    timeout 60 script -qec "'$place/bin/sendmail' -c '$conf' -bs" /dev/null <<EOF | tr -d '\r' >"$work/terminal"
EHLO x
MAIL FROM:<$me@example.test>
RCPT TO:<bob@example.test>
DATA
Subject: typed

hello
.
QUIT
EOF
    grep -q '^250 2.0.0 Accepted' "$work/terminal" || { cat "$work/terminal"; return 1; }
}
check "-bs: at a terminal, where lines end in LF" by_hand
check "arrived" contains "$(newest "$bob")" '^Subject: typed'
clear_mail
mv "$conf" "$conf.away"
"$place/bin/sendmail" -c "$conf" -bs </dev/null >"$work/said" 2>/dev/null
check "-bs: no settings: 78" test $? = 78
check "it says 421" grep -q '^421 4.3.0 ' "$work/said"
mv "$conf.away" "$conf"
# Whom the kernel vouches for would be whoever connects.
perl -MSocket -e 'my ($l, $c, $s); socket($l, PF_INET, SOCK_STREAM, 0) && bind($l, sockaddr_in(0, INADDR_LOOPBACK)) && listen($l, 1) or die;
    socket($c, PF_INET, SOCK_STREAM, 0) && connect($c, getsockname $l) && accept($s, $l) or die;
    open STDIN, "<&", $s; open STDOUT, ">&", $s; system @ARGV; my $how = $? >> 8; shutdown $s, 1; close STDIN; close STDOUT; print STDERR <$c>; exit $how' \
    "$place/bin/sendmail" -c "$conf" -bs 2>"$work/said"
check "-bs on a connection: 64" test $? = 64
check "-bs on a connection: 421" grep -q '^421' "$work/said"

# --- a pair, as of socat or a shell: whoever is behind it is no user of this machine
stranger() {
    as_server perl -MSocket -e 'socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die;
        if (!fork) { open STDIN, "<&", $b; open STDOUT, ">&", $b; close $a; exec @ARGV }
        close $b; alarm 60; syswrite $a, "EHLO x\r\nMAIL FROM:<a\@example.test>\r\nRCPT TO:<x\@far.test>\r\nQUIT\r\n"; print <$a>' \
        "$place/bin/smtpd" -c "$conf" "$@"
}
stranger >"$work/relay" 2>>"$place/log"
stranger -s >"$work/submit" 2>>"$place/log"
check "a socket pair may not relay" grep -q '^550 5.7.1 Relaying denied' "$work/relay"
check "nor submit" grep -q '^530 5.7.0 ' "$work/submit"

# --- the socket
POSTERN_SUBMIT=$place/submit
export POSTERN_SUBMIT
check "nobody listens: EX_TEMPFAIL" exits 75 as_server "$place/bin/sendmail" -c "$conf" bob </dev/null
background systemd-socket-activate --accept --inetd -l "$place/submit" "$place/bin/smtpd" -s -c "$conf"
eventually 60 test -S "$place/submit"
chmod 666 "$place/submit"
check "through the socket, as the owner of the spool" send 'x\n' -f anybody@far.test bob
check "it is there" contains "$(newest "$bob")" '^Return-Path: <anybody@far.test>'
clear_mail
check "-bs through the socket" by_swaks --from "$me@example.test" --to bob@example.test
check "it is there too" contains "$(newest "$bob")" '(uid '
check "and needs no login" sh -c "! grep -E '250.(AUTH|STARTTLS)' '$work/swaks'"
clear_mail
if [ "$(id -u)" = 0 ]; then
    bs_as_daemon() {
        printf 'EHLO x\r\nMAIL FROM:<%s>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n.\r\nQUIT\r\n' "$1" |
            setpriv --reuid=daemon --regid=daemon --clear-groups -- "$place/bin/sendmail" -c "$conf" -bs >"$work/said"
    }
    check "-bs as another user" bs_as_daemon daemon@example.test
    check "is the sender" contains "$(newest "$bob")" '^Return-Path: <daemon@example.test>'
    check "-bs as somebody else" bs_as_daemon alice@example.test
    check "is refused" grep -q "^550 5.7.1 This sender's address isn't yours" "$work/said"
    clear_mail
    as_daemon() {
        printf 'x\n' | setpriv --reuid=daemon --regid=daemon --clear-groups -- "$place/bin/sendmail" -c "$conf" "$@"
    }
    check "as another user" as_daemon bob
    check "who is the sender" contains "$(newest "$bob")" '^Return-Path: <daemon@example.test>'
    check "with a uid in Received" contains "$(newest "$bob")" "(uid $(id -u daemon))"
    clear_mail
    check "as somebody else: EX_NOPERM" exits 77 as_daemon -f alice@example.test bob
    check "as oneself at our host name" as_daemon -f daemon@mail.example.test bob
    check "with a null sender" as_daemon -f '' out@far.test
    unset POSTERN_SUBMIT
    check "without the socket: EX_TEMPFAIL" exits 75 as_daemon bob
fi
done_testing
