#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Quota: the administrator's command, what the queue runner does with a mailbox that is full, many deliveries and an imapd at once, and
# maildirsize shared with Debian's Dovecot, each believing what the other wrote.
. tests/tap.sh
. tests/server.sh

server_place "$work/server" || exit 1
server_home || { cat "$place/log"; exit 1; }
echo 'plaintext-login yes' >>"$conf"
out=$work/out

postern() { as_server "$place/bin/postern" -c "$conf" "$@"; }
# says STATUS TEXT COMMAND...: the command ends with STATUS, and TEXT is in what it says
says() {
    want=$1 text=$2
    shift 2
    "$@" >"$out" 2>&1 </dev/null
    status=$?
    cat "$out"
    [ "$status" = "$want" ] && grep -qF -- "$text" "$out"
}
# send BYTES RECIPIENT...: the last reply but QUIT's is 250
send() {
    size=$1
    shift
    {
        printf 'EHLO client.test\r\nMAIL FROM:<%s>\r\n' "${from-alice@example.test}"
        for to; do printf 'RCPT TO:<%s>\r\n' "$to"; done
        printf 'DATA\r\n'
        printf 'Subject: test\r\n\r\n'
        head -c "$size" /dev/zero | tr '\0' x
        printf '\r\n.\r\nQUIT\r\n'
    } | as_server "$place/bin/smtpd" -c "$conf" >"$work/smtp.$$" 2>>"$place/log"
    tail -n 2 "$work/smtp.$$" | grep -q '^250'
}
# What lies in a Maildir, as "bytes messages", and what its maildirsize says.
truth() { find "$1" -path '*/tmp' -prune -o -type f \( -path '*/cur/*' -o -path '*/new/*' \) -printf '%s\n' | awk '{ b += $1 } END { print b + 0, NR }'; }
said() { awk 'NR > 1 { b += $1; n += $2 } END { print b, n }' "$1/maildirsize"; }
agree() { echo "there: $(truth "$1"); said: $(said "$1")"; cat "$1/maildirsize"; [ "$(truth "$1")" = "$(said "$1")" ]; }

# --- the command
check 'an account has no limits' says 0 'storage 0, no limit' postern user quota alice@example.test
check 'limits are set' postern user quota alice storage=1M messages=100
check 'they stand in accounts' grep -qx 'alice@example.test storage=1M messages=100' "$home/accounts"
check 'and are shown' says 0 'messages 0 of 100, 0%' postern user quota alice@example.test
check 'they are replaced as a whole' postern user quota alice messages=7
check 'so that storage has none' says 0 'storage 0, no limit' postern user quota alice
check 'wrong ones are refused' says 65 'limits look like' postern user quota alice storage=much
check 'and change nothing' grep -qx 'alice@example.test messages=7' "$home/accounts"
check 'nobody has none' says 67 'is no account' postern user quota nobody@example.test storage=1M
check 'nor any to be shown' says 67 'is no account' postern user quota nobody@example.test
check 'the account is listed without them' says 0 'alice@example.test' postern user list
check 'no word more' sh -c '! grep -q messages "$1"' - "$out"
check 'the default again' postern user quota alice default
check 'leaves the address' grep -qx 'alice@example.test' "$home/accounts"
echo 'quota-messages 9' >>"$conf"
check 'what all have' says 0 'messages 0 of 9' postern user quota alice
echo 'quota-messages 0' >>"$conf"
echo 'carol@example.test storage=9X' >>"$home/accounts"
check 'a line edited by hand that is wrong is named' says 65 'storage=9X: are no limits' postern tables
sed -i /9X/d "$home/accounts"
check 'and put right' postern tables

# --- full: what came by an alias
postern alias add both alice@example.test bob@example.test
postern user quota bob storage=2000
check 'bob takes one' send 1500 bob@example.test
send_fails() { ! send 1500 bob@example.test && grep -q '^552 5.2.2' "$work/smtp.$$"; }
check 'and is full then' send_fails
from=alice@example.test
check 'the alias takes it all the same' send 1000 both@example.test
check 'alice has it' [ "$(ls "$alice/new" | wc -l)" = 1 ]
check 'the queue runner runs' as_server "$place/bin/qrun" -c "$conf"
bounced() { grep -l 'mailbox is full' "$alice"/new/* && grep -h '^Status: 5.2.2\|5\.2\.2' "$alice"/new/*; }
check 'and its sender hears that bob is full' eventually 60 bounced
check 'who got no more' [ "$(ls "$bob/new" | wc -l)" = 1 ]

# --- full, with copies elsewhere: what was queued for the mailbox comes to nobody twice
postern alias add bob@example.test bob@example.test alice@example.test
before=$(ls "$alice/new" | wc -l)
check 'to the alias, once more' send 1000 both@example.test
check 'the queue runner runs again' as_server "$place/bin/qrun" -c "$conf"
came() { test "$(ls "$alice/new" | wc -l)" = "$1"; }
check 'alice has it once, and the bounce' eventually 60 came $((before + 2))
postern alias remove bob@example.test

# --- many at once
rm -f "$alice"/new/* "$alice"/cur/*
postern user quota alice storage=100M messages=1000
check 'counted before' says 0 'messages 0 of 1000' postern user quota alice
imap() {
    {
        printf 'a LOGIN alice@example.test alice-secret\r\nb SELECT INBOX\r\n'
        for n in 1 2 3 4 5 6 7 8; do
            printf 'c APPEND Drafts {12+}\r\nSubject: y\r\n\r\nd COPY 1 Archive\r\ne STORE 1 +FLAGS (\\Deleted)\r\nf EXPUNGE\r\n'
        done
        printf 'z LOGOUT\r\n'
    } | as_server "$place/bin/imapd" -c "$conf" >"$work/imap.$1" 2>>"$place/log"
}
for n in 1 2 3 4 5 6; do
    (i=0; while [ $i -lt 12 ]; do work=$work/w$n; mkdir -p "$work"; chmod 755 "$work"; send $((n * 100 + i)) alice@example.test; work=${work%/*}; i=$((i + 1)); done) &
    jobs="$jobs $!"
done
for n in 1 2; do imap $n & jobs="$jobs $!"; done
for job in $jobs; do wait "$job"; done
check 'deliveries and imapd at once, and maildirsize is right' agree "$alice"
check 'and nothing of it is trivial' [ "$(truth "$alice" | cut -d' ' -f2)" -gt 60 ]

# --- Dovecot
dovecot=$place/dovecot
mkdir "$dovecot" "$dovecot/home"
cat >"$dovecot/conf" <<END
base_dir = $dovecot/run
state_dir = $dovecot/state
log_path = $dovecot/log
ssl = no
mail_location = maildir:$alice
default_internal_user = $(if [ "$(id -u)" = 0 ]; then echo nobody; else id -un; fi)
default_internal_group = $(if [ "$(id -u)" = 0 ]; then echo nogroup; else id -gn; fi)
first_valid_uid = 1
mail_plugins = quota
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=104857600B:messages=1000
}
END
[ "$(id -u)" != 0 ] || chown -R nobody:nogroup "$dovecot"
doveadm() { as_server env HOME="$dovecot/home" USER=alice doveadm -c "$dovecot/conf" "$@"; }
before=$(cat "$alice/maildirsize")
dovecot_says() { doveadm -f tab quota get | tee /dev/stderr | awk -F'\t' '$2 == "MESSAGE" { print $3 }' | grep -qx "$1"; }
check 'Dovecot believes our file' dovecot_says "$(truth "$alice" | cut -d' ' -f2)"
check 'as it is' [ "$before" = "$(cat "$alice/maildirsize")" ]
save() { printf 'Subject: dovecot\n\ntext\n' | as_server env HOME="$dovecot/home" USER=alice doveadm -c "$dovecot/conf" save -m Drafts; }
check 'Dovecot saves a message' save
check 'and both are still right' agree "$alice"
check 'Dovecot removes some' doveadm expunge mailbox Archive all
check 'and so it stays' agree "$alice"
check 'Dovecot counts anew' doveadm quota recalc
after=$(truth "$alice" | cut -d' ' -f2)
check 'and we believe it' says 0 "messages $after of 1000" postern user quota alice
check 'a file that it wrote takes our lines' send 700 alice@example.test
check 'and Dovecot reads them' dovecot_says "$((after + 1))"

done_testing
