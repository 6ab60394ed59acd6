#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Messages that users move into or out of Junk, by curl and mbsync, end in the commands of learn-spam and learn-ham: a script,
# SpamAssassin's sa-learn, and rspamc with an rspamd. Failures, and what a mailbox's owner may have put there to harm. Under a real systemd: systemd.t.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh

server_place "$work/place" && server_home || exit 1
out=$place/out socket=$place/pipe spool=$home/spool waiting=$alice/postern-learn
as_server mkdir "$out"
cat >"$place/learn" <<'END'
#!/bin/sh
# learn FOLDER KIND: keeps what it is told, or fails as the file `exit` says.
cd "$1" || exit
[ ! -s exit ] || { cat >/dev/null; echo "not now"; exit "$(cat exit)"; }
env >env
cat >"part.$QUEUE_ID" && mv "part.$QUEUE_ID" "$2.$QUEUE_ID"
END
chmod 755 "$place/learn"
printf 'plaintext-login yes\npipe-socket %s\npipe-timeout 20s\nretry-first 1h\nlearn-spam %s spam\nlearn-ham %s ham\n' \
    "$socket" "$place/learn $out" "$place/learn $out" >>"$conf"

port=$(free_port)
service "$port" "$place/bin/imapd" -c "$conf"
imap() { # FOLDER COMMAND [USER]
    curl -sS --max-time 60 -u "${3:-alice}@example.test:${3:-alice}-secret" -X "$2" "imap://127.0.0.1:$port/$1"
}
put() { # NAME SUBJECT [MAILDIR]: a message as another program delivers it
    as_server sh -c "printf 'From: zoe@far.test\nSubject: $2\nMessage-ID: <$1@far.test>\n\nBuy now, $2, cheap pills and watches\n' >'${3:-$alice}/new/$1'"
}
qrun() { as_server touch -d '1 hour ago' "$spool/learn-looked" && as_server timeout 60 "$place/bin/qrun" -c "$conf" >>"$place/log" 2>&1; }
waits() { # NUMBER [PATTERN]
    [ "$(as_server ls -A "$waiting" | grep -c "${2:-.}")" = "$1" ]
}
took() { [ "$(ls "$out" | grep -c "^$1\.")" = "$2" ]; }
logged() { grep -q "$1" "$place/log"; }
not() { ! "$@"; }
old() { as_server touch -d '1 day ago' "$waiting"/*; }

check 'imapd answers' eventually 60 imap_answers "$port"
put 1000000001.M1P1.host one
put 1000000002.M1P1.host two
as_server touch "$spool/learn-looked"

check 'curl: a message is moved into Junk' imap INBOX 'MOVE 1 Junk'
check '... it waits to be learned' waits 1 '\.0\.spam$'
check 'while nobody runs programs it goes on waiting' qrun
check '... and the log says why' logged "event=learning-deferred account=alice@example.test as=spam try=1 .*Nobody runs programs at $socket"
check '... it has failed once' waits 1 '\.1\.spam$'
background systemd-socket-activate --seqpacket --accept -l "$socket" "$place/bin/pipe" -c "$conf"
eventually 60 grep -q "Listening on $socket" "$place/log"
check 'it isn'\''t tried again at once' qrun
check '... but waits' waits 1 '\.1\.spam$'
old
check 'when its time has come it is learned' qrun
check '... and waits no longer' waits 0
check '... the command got the message as it lies in Junk' cmp "$out"/spam.* "$alice"/.Junk/cur/*
for word in USER=alice LOGNAME=alice LOCAL=alice DOMAIN=example.test RECIPIENT=alice@example.test SENDER= SHELL=/bin/sh; do
    check "... its environment has $word" grep -qxF "$word" "$out/env"
done
check '... and the log has it' logged 'event=learned account=alice@example.test as=spam try=2'

check 'curl: out of Junk again' imap Junk 'MOVE 1 INBOX'
check '... is learned as ham' qrun
check '... by the other command' took ham 1
check '... once' waits 0

# Who listens on the FIFO hears whose messages wait, and looks nowhere else.
exec 9<>"$spool/wake"
check 'curl: a message is copied' imap INBOX 'COPY 1 Junk'
read -r -t 60 line <&9
check 'the queue runner is woken for its account' test "$line" = 'learn alice@example.test'
as_server touch "$spool/learn-looked"
as_server sh -c "printf 'learn alice@example.test\n' >'$spool/wake'"
check '... and learns without a look at all' bash -c "$(declare -f as_server); as_server timeout 60 '$place/bin/qrun' -c '$conf' >>'$place/log' 2>&1 <&9"
check '... at once' took spam 2
as_server sh -c "printf 'learn %s\n' bob@example.test nobody@example.test ../../etc@example.test @ '' ../x a@b@c zoe@far.test \
    '$(printf '%0300d' 0)@example.test' '$(printf '%05000d' 0)' >'$spool/wake'"
check 'what is no account of ours is passed over' qrun
exec 9<&-

# mbsync can't move: it uploads a copy.
local=$work/local
mkdir -p "$local"
cat >"$work/mbsyncrc" <<END
IMAPAccount postern
Host 127.0.0.1
Port $port
User alice@example.test
Pass alice-secret
SSLType None

IMAPStore far
Account postern

MaildirStore near
Inbox $local
SubFolders Maildir++

Channel all
Far :far:
Near :near:
Patterns Junk
Create Both
Expunge Both
SyncState *
END
mbsync -q -c "$work/mbsyncrc" -a >/dev/null 2>&1
printf 'Subject: seen elsewhere\n\nspam\n' >"$local/.Junk/new/1700000000.1.here"
check 'mbsync: a message comes into Junk' mbsync -q -c "$work/mbsyncrc" -a
check '... waits to be learned' waits 1 '\.0\.spam$'
check '... and is' qrun
check '... as spam' grep -qs 'Subject: seen elsewhere' "$out"/spam.*

# --- failures

echo 1 >"$out/exit"
put 1000000003.M1P1.host three
put 1000000004.M1P1.host four
imap INBOX 'MOVE 1:* Junk'
check 'a command that fails' qrun
check '... is tried again later, for each message' waits 4 '\.1\.spam$'
check '... the log has what it said' logged 'event=learning-deferred .*The command ended with status 1: not now'
for file in "$waiting"/*; do as_server mv "$file" "${file%.1.spam}.14.spam"; done
old
check 'what has failed often enough' qrun
check '... is given up' waits 0
check '... and the log says so' logged 'event=learning-given-up account=alice@example.test as=spam try=15'
: >"$out/exit"

# --- an owner who means harm, while bob's is learned

put 1000000005.M1P1.host for-bob "$bob"
imap INBOX 'MOVE 1 Junk' bob
bobs=$(ls "$bob"/postern-learn/*)
as_server sh -c "cd '$waiting' && ln -s '$bobs' 1.M1.0.spam && ln -s '$home/secrets' 2.M1.0.spam && mkfifo 3.M1.0.ham && mkdir 4.M1.0.spam &&
    ln -s /dev/zero 5.M1.0.spam && truncate -s 1T 6.M1.0.spam && : >7.M1.0.ham && ln -s 8.M1.0.spam 8.M1.0.spam &&
    mkdir many && seq 3000 | sed 's/.*/9&.M1.0.spam/' | xargs touch && : >-rf.0.spam"
rm -f "$out"/spam.* "$out"/ham.*
check 'hostile files hold up nothing' qrun
check '... nobody else'\''s message either' took spam 1
check '... which is the one that he meant' grep -q 'Subject: for-bob' "$out"/spam.*
check '... what links led to is still there' as_server test -s "$home/secrets"
check '... and in the end they are gone' bash -c "$(declare -f qrun as_server waits eventually); place='$place' conf='$conf' spool='$spool' waiting='$waiting'
    for i in \$(seq 100); do waits 2 && break; qrun || exit; done; waits 2"
as_server rm -rf "$waiting"
as_server ln -s "$bob" "$waiting"
check 'a folder that is a link isn'\''t followed' qrun
as_server rm "$waiting"
as_server mkfifo "$waiting"
check 'nor is a FIFO waited for' qrun
as_server rm "$waiting"

# --- a slow command holds up nobody else's mail

sed -i "s|^learn-spam .*|learn-spam cat >/dev/null; while [ ! -e $out/mail ]; do sleep 0.05; done; touch $out/slow|" "$conf"
as_server "$place/bin/postern" -c "$conf" alias add quick "|cat >$out/mail" 2>/dev/null
put 1000000006.M1P1.host six
imap INBOX 'MOVE 1 Junk'
printf 'EHLO c.test\r\nMAIL FROM:<zoe@far.test>\r\nRCPT TO:<quick@example.test>\r\nDATA\r\nSubject: hello\r\n\r\nx\r\n.\r\nQUIT\r\n' |
    as_server "$place/bin/smtpd" -c "$conf" >/dev/null 2>>"$place/log"
check 'a command that is slow holds up no mail' qrun
check '... as it waited for that' test -e "$out/slow"

# --- SpamAssassin

sed -i "s|^learn-spam .*|learn-spam sa-learn --spam --dbpath $out/bayes -p /dev/null|; s|^learn-ham .*|learn-ham sa-learn --ham --dbpath $out/bayes -p /dev/null|" "$conf"
put 1000000007.M1P1.host pills
put 1000000008.M1P1.host lunch
check 'sa-learn: one into Junk' imap INBOX 'MOVE 1 Junk'
check 'sa-learn: one out of it' imap Junk 'MOVE 1 INBOX'
check 'sa-learn: it is run' qrun
check 'sa-learn: nothing is left' waits 0
dump() { as_server env HOME="$out" sa-learn --dump magic --dbpath "$out/bayes" -p /dev/null; }
check 'sa-learn: it knows one spam and one ham' bash -c "$(declare -f dump as_server); out='$out'; dump | awk '/nspam/ { s = \$3 } /nham/ { h = \$3 } END { exit !(s == 1 && h == 1) }'"

# --- rspamd, as it comes but for a database without Redis

filter=$place/rspamd filter_port=$(free_port)
as_server mkdir "$filter"
printf 'com\ntest\n' >"$filter/tld"
cat >"$filter/conf" <<END
options {
    pidfile = "$filter/pid"; control_socket = "$filter/control mode=0600"; hs_cache_dir = "$filter"; url_tld = "$filter/tld"; filters = "";
    dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
}
logging { type = "file"; filename = "$filter/log"; }
worker "controller" { bind_socket = "127.0.0.1:$filter_port"; count = 1; secure_ip = "127.0.0.1"; }
classifier "bayes" {
    tokenizer { name = "osb"; }
    backend = "sqlite3"; min_tokens = 1; min_learns = 1;
    statfile { symbol = "BAYES_HAM"; spam = false; path = "$filter/ham"; }
    statfile { symbol = "BAYES_SPAM"; spam = true; path = "$filter/spam"; }
    cache { type = "sqlite3"; path = "$filter/cache"; }
}
END
background rspamd -f -i -c "$filter/conf"
check 'rspamd starts' eventually 60 nc -z 127.0.0.1 "$filter_port"
sed -i "s|^learn-spam .*|learn-spam rspamc -h 127.0.0.1:$filter_port learn_spam|; s|^learn-ham .*|learn-ham rspamc -h 127.0.0.1:$filter_port learn_ham|" "$conf"
put 1000000009.M1P1.host watches
check 'rspamc: one into Junk' imap INBOX 'MOVE * Junk'
check 'rspamc: it is run' qrun
check 'rspamc: nothing is left' waits 0
put 1000000010.M1P1.host dinner
check 'rspamc: another' imap INBOX 'MOVE * Junk'
check 'rspamc: ... and out again, before it was learned' imap Junk 'MOVE * INBOX'
check 'rspamc: it is run again' qrun
check 'rspamc: nothing is left' waits 0
learned() { rspamc -h "127.0.0.1:$filter_port" stat | tee /dev/stderr | grep -q "BAYES_$1 .* learned: $2;"; }
check 'rspamd knows one spam' learned SPAM 1
check '... and one ham' learned HAM 1
[ "$tap_failures" = 0 ] || tail -n 40 "$place/log" | sed 's/^/# /'
done_testing
