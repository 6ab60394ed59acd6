#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# imapd used by mbsync (both ways, under STARTTLS, until a run transfers nothing), curl, mutt (also compressed) and fetchmail, as
# they are used daily.
. tests/tap.sh
. tests/server.sh

at_end='end_services; tmux -S "$work/tmux" kill-server 2>/dev/null'
server_place "$work/server" || exit 1
server_setup one mail.example.test example.test || { cat "$place/log"; exit 1; }
server_user one alice@example.test alice-secret || { cat "$place/log"; exit 1; }
server_user one bob@example.test bob-secret || exit 1
settings=$place/one/postern.conf
as_server sh -c "echo 'plaintext-login yes' >>'$settings'"
maildir=$(find "$place/one" -type d -path '*alice/cur' | head -n 1)
maildir=${maildir%/cur}
port=$(free_port)
service "$port" "$place/bin/imapd" -c "$settings"
warm=$(free_port)
background systemd-socket-activate -l "127.0.0.1:$warm" "$place/bin/imapd" -c "$settings"
certificate=$(as_server "$place/bin/postern" -c "$settings" config | sed -n 's/^tls-certificate //p')
check "imapd answers, cold" eventually 60 imap_answers "$port"
check "imapd answers, warm" eventually 60 imap_answers "$warm"

# --- mbsync

local=$work/local
mkdir -p "$local" "$work/state"
mbsyncrc() {
    cat <<END
IMAPAccount postern
Host 127.0.0.1
Port $1
User alice@example.test
Pass alice-secret
SSLType STARTTLS
CertificateFile $certificate

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
Remove Both
Expunge Both
SyncState $work/state/
END
}
mbsyncrc "$port" >"$work/mbsyncrc"
sync_mail() { mbsync -D -c "$work/mbsyncrc" -a >"$work/mbsync.log" 2>&1 || { tail -n 60 "$work/mbsync.log"; false; }; }
# How often a protocol command was sent in the last run.
sent() { grep -c "^.*>>> [0-9]* .*$1" "$work/mbsync.log"; }

deliver() { # FOLDER NAME SUBJECT: a message as another program delivers it
    as_server sh -c "printf 'From: x@example.org\nSubject: %s\nMessage-ID: <%s@example.org>\n\nText of %s\n' '$3' '$2' '$3' \
        >'$maildir/$1/tmp/$2' && mv '$maildir/$1/tmp/$2' '$maildir/$1/new/$2'"
}
for n in 1 2 3 4 5; do
    deliver . "65536000$n.M${n}P1.host" "message $n"
done
near_has() { grep -rqs "Subject: $2" "$local/$1/cur" "$local/$1/new"; }
far_has() { as_server grep -rqs "Subject: $2" "$maildir/$1/cur" "$maildir/$1/new"; }
near_count() { test "$(find "$local/$1/cur" "$local/$1/new" -type f | wc -l)" = "$2"; }
far_count() { test "$(find "$maildir/$1/cur" "$maildir/$1/new" -type f | wc -l)" = "$2"; }
gone() { ! "$@"; }

check "mbsync: a first run" sync_mail
check "mbsync: it logged in by SCRAM" grep -q 'SASL mechanism SCRAM-SHA-256' "$work/mbsync.log"
check "mbsync: the messages have come" near_count . 5
check "mbsync: the standard folders have come" test -d "$local/.Archive/cur"
near_file() { grep -rl "Subject: $1\$" "$local/cur" "$local/new"; }
far_file() { as_server grep -rl "Subject: $1\$" "$maildir/cur" "$maildir/new"; }

# On this side: one read, one deleted, one new, a folder made with a message in it.
f=$(near_file "message 1") && mv "$f" "$local/cur/$(basename "${f%%:2,*}"):2,FS"
f=$(near_file "message 2") && mv "$f" "$local/cur/$(basename "${f%%:2,*}"):2,T"
mkdir -p "$local/.Lists.postern/tmp" "$local/.Lists.postern/new" "$local/.Lists.postern/cur"
printf 'Subject: from here\nMessage-ID: <here@example.org>\n\nhello\n' >"$local/new/1700000000.1.here"
printf 'Subject: listed\nMessage-ID: <listed@example.org>\n\nhello\n' >"$local/.Lists.postern/new/1700000000.2.here"
# On the server's: one answered, one removed, one new.
f=$(far_file "message 3") && as_server mv "$f" "${f%%:2,*}:2,RS"
f=$(far_file "message 4") && as_server rm "$f"
deliver . 655360006.M6P1.host "message 6"

check "mbsync: both sides' changes" sync_mail
check "mbsync: it sent what we count below" test "$(sent APPEND)" -ge 2 -a "$(sent 'BODY.PEEK\[\]')" -ge 1 -a "$(sent STORE)" -ge 1
check "mbsync: flags went up" sh -c "ls '$maildir/cur' | grep -q ':2,FS'"
check "mbsync: a deletion went up" gone far_has . "message 2"
check "mbsync: a new message went up" far_has . "from here"
check "mbsync: a folder was made, with its message" far_has .Lists.postern "listed"
check "mbsync: flags came down" sh -c "grep -l 'Subject: message 3' '$local'/cur/*:2,*R*"
check "mbsync: a deletion came down" gone near_has . "message 4"
check "mbsync: a new message came down" near_has . "message 6"
check "mbsync: the sides agree" sh -c "test \$(ls '$maildir/cur' '$maildir/new' | grep -c ,S=) = \$(ls '$local/cur' '$local/new' | grep -c ,U=)"

check "mbsync: another run" sync_mail
check "mbsync: it transfers nothing" test "$(sent 'BODY.PEEK\[\]')$(sent APPEND)$(sent STORE)$(sent EXPUNGE)" = 0000
mbsyncrc "$warm" >"$work/mbsyncrc"
check "mbsync: the warm listener" sync_mail
check "mbsync: nothing to do there either" test "$(sent 'BODY.PEEK\[\]')$(sent APPEND)$(sent STORE)" = 000

# --- curl

url=imap://127.0.0.1:$port
curl_imap() { curl -sS -k --ssl-reqd --max-time 60 -u alice@example.test:alice-secret "$@"; }
curl_shows() { # PATTERN ARGUMENTS...
    pattern=$1
    shift
    curl_imap "$@" >"$work/curl.out" && grep -q "$pattern" "$work/curl.out" || { cat "$work/curl.out"; false; }
}
printf 'Subject: by curl\r\nMessage-ID: <curl@example.org>\r\n\r\nappended\r\n' >"$work/curl.eml"
check "curl: lists folders" curl_shows '"Drafts"' "$url/"
check "curl: appends" curl_imap -T "$work/curl.eml" "$url/Drafts"
check "curl: searches" curl_shows '^\* SEARCH 1' "$url/Drafts?SUBJECT%20curl"
check "curl: fetches" curl_shows '^appended' "$url/Drafts;MAILINDEX=1"
curl_imap "$url/Drafts;UID=1" >"$work/curl.got"
check "curl: byte for byte" cmp "$work/curl.eml" "$work/curl.got"
check "curl: fetches a section" curl_shows 'by curl' "$url/Drafts;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)"
check "curl: a command of its own" curl_shows 'MESSAGES 1' -X 'STATUS Drafts (MESSAGES)' "$url"
check "curl: wrong password" gone curl -sS -k --ssl-reqd --max-time 60 -u alice@example.test:wrong "$url/"

# --- mutt

mkdir -p "$work/home"
# It keeps the server, which would else end with a session of mutt's, just as the next begins.
SHELL=/bin/sh tmux -S "$work/tmux" -f /dev/null new-session -d -s stays 'sleep 3600'
cat >"$work/muttrc" <<END
set folder=imap://alice%40example.test@127.0.0.1:$port
set spoolfile=+INBOX
set imap_user=alice@example.test imap_pass=alice-secret
set ssl_starttls=no ssl_force_tls=no
set header_cache="" message_cachedir="" record=""
set delete=yes confirmappend=no confirmcreate=no move=no quit=yes wait_key=no sort=date pager_stop=yes
END
mutt_does() { # KEYS: in a terminal of its own, until mutt ends
    rm -f "$work/mutt.ended"
    tmux -S "$work/tmux" -f /dev/null new-session -d -x 100 -y 30 "HOME=$work/home TERM=screen mutt -F $work/muttrc \
        -e \"push '$1'\" 2>$work/mutt.log; echo \$? >$work/mutt.ended"
    eventually 60 test -s "$work/mutt.ended" || { tmux -S "$work/tmux" capture-pane -p; cat "$work/mutt.log"; false; }
}
deliver . 655360007.M7P1.host "for mutt"
check "mutt: reads a message and moves it" \
    mutt_does "<search>for mutt<enter><display-message><exit><save-message>=Archive<enter><sync-mailbox><quit>"
check "mutt: it is there" far_has .Archive "for mutt"
check "mutt: it was read" sh -c "ls '$maildir/.Archive/cur' | grep -q ':2,.*S'"
check "mutt: and gone here" gone far_has . "for mutt"

# Compressed (RFC 4978), on a port whose server logs the dialogue.
deflated=$(free_port)
service "$deflated" "$place/bin/imapd" -v -c "$settings"
sed -i "s/:$port\$/:$deflated/; s/^set folder/set imap_deflate=yes\n&/" "$work/muttrc"
deliver . 655360008.M8P1.host "for deflate"
check "mutt: the same, compressed" \
    mutt_does "<search>for deflate<enter><display-message><exit><save-message>=Drafts<enter><sync-mailbox><quit>"
check "mutt: it asked for that" grep -q 'COMPRESS DEFLATE' "$place/log"
check "mutt: it is there" far_has .Drafts "for deflate"
check "mutt: and gone here" gone far_has . "for deflate"

# --- fetchmail

cat >"$work/fetchmailrc" <<END
set no bouncemail
poll 127.0.0.1 service $warm protocol imap timeout 60
  user "alice@example.test" password "alice-secret" folder Archive sslproto "auto" no sslcertck
  mda "cat >>$work/fetched"
END
chmod 600 "$work/fetchmailrc"
fetchmail_runs() { fetchmail -f "$work/fetchmailrc" --pidfile "$work/fetchmail.pid" --nosyslog "$@"; }
check "fetchmail: fetches a folder and keeps it" fetchmail_runs --all --keep
check "fetchmail: has it" grep -q 'Text of for mutt' "$work/fetched"
check "fetchmail: fetches and removes" fetchmail_runs --all --nokeep
check "fetchmail: it is removed" far_count .Archive 0

# The three that listen are all, and two that the warm one has ready for its next connection.
quiet() { pgrep -f "$place/bin/imapd.*$settings" >"$work/left"; test "$(wc -l <"$work/left")" -le 5; }
check "no connection's process is left behind" eventually 60 quiet
done_testing
