#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# mbsync and a server that is lost and restored from a backup: nothing is transferred anew, what changed on the client while there
# was no server goes up, mail that only the client still has stays there, and what comes afterwards comes down. What is shown of long work on a terminal.
. tests/tap.sh
. tests/server.sh

server_place "$work/server" || exit 1
server_home || { cat "$place/log"; exit 1; }
as_server sh -c "echo 'plaintext-login yes' >>'$conf'"
postern() { as_server "$place/bin/postern" -c "$conf" "$@"; }
port=$(free_port)
service "$port" "$place/bin/imapd" -c "$conf"
check 'imapd answers' eventually 60 imap_answers "$port"

local=$work/local
mkdir -p "$local" "$work/state"
cat >"$work/mbsyncrc" <<END
IMAPAccount postern
Host 127.0.0.1
Port $port
User alice@example.test
Pass alice-secret
SSLType None
AuthMechs LOGIN

IMAPStore far
Account postern

MaildirStore near
Inbox $local
SubFolders Maildir++

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState $work/state/
END
sync_mail() { mbsync -D -c "$work/mbsyncrc" -a >"$work/mbsync.log" 2>&1 || { tail -n 60 "$work/mbsync.log"; false; }; }
sent() { grep -c "^.*>>> [0-9]* .*$1" "$work/mbsync.log"; }
deliver() { # NAME SUBJECT
    as_server sh -c "printf 'From: x@example.org\nSubject: %s\n\nText\n' '$2' >'$alice/tmp/$1' && mv '$alice/tmp/$1' '$alice/new/$1'"
}
near() { grep -rl "Subject: $1\$" "$local" | wc -l; }
far() { as_server grep -rl "Subject: $1\$" "$alice" | wc -l; }
count() { [ "$(near "$1")" = "$2" ] && [ "$(far "$1")" = "$3" ]; }
nothing() { [ "$(sent 'BODY.PEEK\[\]')" = 0 ] && [ "$(sent APPEND)" = 0 ] && [ "$(sent STORE)" = 0 ]; }

for n in 1 2 3 4; do
    deliver "65536000$n.M1P1.host" "message $n"
done
check 'mbsync takes what is there' sync_mail
f=$(grep -rl 'Subject: message 1$' "$local") && mv "$f" "$local/cur/$(basename "${f%%:2,*}"):2,FS"
check '... and brings a flag' sync_mail
check 'a backup' postern backup "$place/b"
deliver 655360005.M1P1.host 'after the backup'
check 'mail that comes after it is taken' sync_mail

# The server is lost, and meanwhile the client goes on.
as_server rm -rf "$place/lost" && as_server mv "$home" "$place/lost" && as_server mkdir "$home"
f=$(grep -rl 'Subject: message 2$' "$local") && mv "$f" "$local/cur/$(basename "${f%%:2,*}"):2,S"
check 'the server comes back' postern restore "$place/b"
check 'mbsync goes on' sync_mail
check '... nothing is fetched anew' test "$(sent 'BODY.PEEK\[\]')" = 0
check '... and nothing goes up twice' test "$(sent APPEND)" = 0
check '... a flag goes up' sh -c "ls '$alice/cur' | grep -q '^655360002.*:2,S'"
for n in 1 2 3 4; do
    check "... message $n is there once" count "message $n" 1 1
done
deliver 655360006.M1P1.host 'after the restore'
check 'mail that comes now' sync_mail
check '... is taken' count 'after the restore' 1 1
check 'another run' sync_mail
check '... has nothing to do' nothing

# --- on a terminal
on_terminal() { as_server env SHELL=/bin/sh TERM=xterm script -qec "$*" /dev/null </dev/null >"$work/shown" 2>&1; }
check 'a backup on a terminal' on_terminal "$place/bin/postern" -c "$conf" backup --full "$place/b"
check '... shows how far it is' grep -q 'alice@example.test: [0-9]* messages, [0-9]*%' "$work/shown"
as_server sh -c "printf 'Subject: x\n\nx\n' >\"$alice/cur/\$(printf '1.M1P1.\033[31mred'):2,\" && mkdir -p \"$alice/.\$(printf 'a&AAc-b')/cur\" \"$alice/.\$(printf 'a&AAc-b')/new\" &&
    printf 'Subject: x\n\nx\n' >\"$alice/.\$(printf 'a&AAc-b')/cur/2.M1P1.h:2,\""
check 'one with names that would write to the terminal' on_terminal "$place/bin/postern" -c "$conf" backup "$place/b"
postern backup list "$place/b" >"$work/list"
last=$place/b/$(tail -n 1 "$work/list" | cut -d ' ' -f 1)
as_server rm -f "$last"/mail/example.test/alice/cur/1.M1P1.*red* "$alice"/cur/1.M1P1.*
restored() {
    on_terminal "$place/bin/postern" -c "$conf" restore "$last" alice@example.test
    [ $? = 65 ]
}
check '... and the restore of one that misses such a message' restored
check '... write nothing but what is harmless' sh -c "tr -d '\r' <'$work/shown' | sed 's/\x1b\[K//g' | { ! LC_ALL=C grep -n '[[:cntrl:]]'; }"
check '... and still say it' grep -q 'missing .*\\x1b\[31mred' "$work/shown"
done_testing
