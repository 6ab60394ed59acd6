#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Folders as real clients see and make them: aerc, which asks for LIST with STATUS; mutt, which enables UTF8=ACCEPT and browses levels;
# mbsync, which lists by what is subscribed and brings both sides' folders together; and what one made, the others find.
. tests/tap.sh
. tests/server.sh

at_end='tmux -S "$work/tmux" kill-server 2>/dev/null'
server_place "$work/server" || exit 1
server_home || { cat "$place/log"; exit 1; }
as_server sh -c "echo 'plaintext-login yes' >>'$conf'"
port=$(free_port)
service "$port" "$place/bin/imapd" -v -c "$conf"
check 'imapd answers' eventually 60 imap_answers "$port"
deliver() { # FOLDER NAME
    as_server sh -c "printf 'Subject: %s\n\ntext\n' '$2' >'$alice/$1/new/$2'"
}
imap() { # COMMAND...: the answer
    { printf 'a LOGIN alice@example.test alice-secret\r\n'; printf '%s\r\n' "$@"; printf 'z LOGOUT\r\n'; } | nc -w 60 -N 127.0.0.1 "$port"
}
asked() { grep -aqF -- "$1" "$place/log"; }
is_folder() { as_server test -d "$alice/.$1/cur"; }
gone() { ! "$@"; }

# Programs in a terminal of 100 columns and 30 rows.
# A session that stays keeps the server, which would else end with one of theirs, just as the next begins.
runs=0
SHELL=/bin/sh tmux -S "$work/tmux" -f /dev/null new-session -d -s stays 'sleep 3600'
start() { # COMMAND
    runs=$((runs + 1))
    tmux -S "$work/tmux" new-session -d -s "run$runs" -x 100 -y 30 "HOME=$work/home LC_ALL=C.UTF-8 TERM=screen $1 2>$work/client.log; echo \$? >$work/ended"
}
screen() { tmux -S "$work/tmux" capture-pane -p -t "run$runs" >"$work/screen" 2>/dev/null; cat "$work/screen"; }
shows() { for text; do screen | grep -qF -- "$text" || return 1; done; }
type_in() { tmux -S "$work/tmux" send-keys -t "run$runs" "$@"; }
ended() { test -s "$work/ended"; }

mkdir -p "$work/home/.config/aerc"
imap 'b CREATE Lists.postern' 'c CREATE "Entw&APw-rfe"' >"$work/made"
check 'two folders are made' grep -q '^c OK' "$work/made"
deliver .Lists.postern 1700000001.a
deliver .Lists.postern 1700000002.b

# --- aerc
cat >"$work/home/.config/aerc/accounts.conf" <<END
[alice]
source = imap+insecure://alice%40example.test:alice-secret@127.0.0.1:$port
from = alice@example.test
default = INBOX
END
chmod 600 "$work/home/.config/aerc/accounts.conf"
start aerc
check 'aerc lists the folders' eventually 60 shows Archive Drafts 'Entwürfe' INBOX Lists.postern Trash
check 'by one LIST with STATUS' asked 'RETURN (STATUS ('
has_two() { screen | grep -q 'Lists.postern.*2'; }
check 'and so it knows what is new' eventually 60 has_two
type_in ':mkdir Büro.Rechnungen' Enter
check 'aerc makes one' eventually 60 is_folder 'B&APw-ro.Rechnungen'
type_in ':quit' Enter
check 'aerc ends' eventually 60 ended
rm -f "$work/ended"

# --- mutt
cat >"$work/muttrc" <<END
set folder=imap://alice%40example.test@127.0.0.1:$port
set spoolfile=+INBOX
set imap_user=alice@example.test imap_pass=alice-secret
set ssl_starttls=no ssl_force_tls=no
set header_cache="" message_cachedir="" record=""
set confirmappend=no confirmcreate=no move=no quit=yes wait_key=no imap_list_subscribed=no
END
start "mutt -F $work/muttrc"
check 'mutt is in INBOX' eventually 60 shows INBOX
type_in 'c' '?'
check 'mutt browses the folders' eventually 60 shows Archive 'Entwürfe' Lists
check 'in UTF-8, as it may be since' asked 'ENABLE UTF8=ACCEPT'
type_in C
check 'it asks for a name' eventually 60 shows 'Create mailbox:'
type_in 'Bücher' Enter
check 'and makes it' eventually 60 is_folder 'B&APw-cher'
# From the list to INBOX, and out of that: as often as it takes, as what is typed while it works may be lost.
quits() { ended || { type_in q; ended; }; }
check 'mutt ends' eventually 60 quits

# --- mbsync
local=$work/local
mkdir -p "$local" "$work/state"
cat >"$work/mbsyncrc" <<END
IMAPAccount postern
Host 127.0.0.1
Port $port
User alice@example.test
Pass alice-secret
SSLType None

IMAPStore far
Account postern
SubscribedOnly SUBSCRIBED

MaildirStore near
Inbox $local
SubFolders Maildir++

Channel all
Far :far:
Near :near:
Patterns *
Create Both
SyncState $work/state/
END
sync_mail() { sed "s/^SubscribedOnly.*/SubscribedOnly $1/" "$work/mbsyncrc" >"$work/mbsyncrc.now"; mbsync -D -c "$work/mbsyncrc.now" -a >"$work/mbsync.log" 2>&1 || { tail -n 40 "$work/mbsync.log"; false; }; }
imap 'b SUBSCRIBE Lists.postern' 'c SUBSCRIBE "B&APw-cher"' >"$work/subscribed"
check 'mbsync: the subscribed folders' sync_mail yes
check 'mbsync: it has those' test -d "$local/.Lists.postern" -a -d "$local/.B&APw-cher" -a -d "$local/.Drafts"
check 'mbsync: and no other' test ! -e "$local/.Entw&APw-rfe"
check 'mbsync: all folders' sync_mail no
check 'mbsync: what aerc made is there' test -d "$local/.B&APw-ro.Rechnungen" -a -d "$local/.Entw&APw-rfe"
check 'mbsync: a level above is no folder' test ! -e "$local/.B&APw-ro" -a ! -e "$local/.Lists"
mkdir -p "$local/.Reisen.2026/cur" "$local/.Reisen.2026/new" "$local/.Reisen.2026/tmp"
check 'mbsync: a folder of this side' sync_mail no
check 'mbsync: is made there' is_folder Reisen.2026

done_testing
