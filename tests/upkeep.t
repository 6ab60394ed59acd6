#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern upkeep: what expires and what doesn't, as mbsync, curl and mutt see it, weeks later by a clock that is put forward; warnings of
# mailboxes that fill by delivery and by IMAP; and the command's own manners.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh

at_end='end_services; tmux -S "$work/tmux" kill-server 2>/dev/null'
server_place "$work/server" || exit 1
server_home || { cat "$place/log"; exit 1; }
echo 'plaintext-login yes' >>"$conf"
port=$(free_port)
service "$port" "$place/bin/imapd" -c "$conf"
out=$work/out day=86400

cat >"$work/clock.c" <<'END'
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, id, t);
    if (id == CLOCK_REALTIME)
        t->tv_sec += atol(getenv("CLOCK_AHEAD"));
    return result;
}
END
gcc -shared -fPIC -o "$place/clock.so" "$work/clock.c" || exit 1

postern() { as_server "$place/bin/postern" -c "$conf" "$@"; }
# later SECONDS ARGUMENT...: postern, so much later
later() {
    ahead=$1
    shift
    as_server env LD_PRELOAD="$place/clock.so" CLOCK_AHEAD="$ahead" ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 \
        "$place/bin/postern" -c "$conf" "$@"
}
# says STATUS TEXT COMMAND...: the command ends with STATUS, and TEXT is in what it says
says() {
    want=$1 text=$2
    shift 2
    "$@" >"$out" 2>&1 </dev/null
    status=$?
    cat "$out"
    [ "$status" = "$want" ] && grep -qF -- "$text" "$out"
}
silent() {
    "$@" >"$out" 2>&1 </dev/null
    status=$?
    cat "$out"
    [ "$status" = 0 ] && [ ! -s "$out" ]
}
# put FOLDER SECONDS-AGO SUBJECT [PART]: as another Maildir program puts a message there
put() {
    as_server sh -c "printf 'From: x@example.org\nSubject: %s\nMessage-ID: <%s@example.org>\n\ntext\n' '$3' '$3' \
        >'$alice/$1/tmp/x' && mv '$alice/$1/tmp/x' '$alice/$1/${4-new}/$(($(date +%s) - $2)).M$$R$(od -An -N6 -tx1 /dev/urandom | tr -d ' ').host${4:+:2,S}'"
}
has() { as_server grep -rqs "^Subject: $2" "$alice/$1/cur" "$alice/$1/new"; }
lacks() { ! has "$@"; }
curl_imap() { curl -sS --max-time 60 -u alice@example.test:alice-secret "$@"; }
url=imap://127.0.0.1:$port
eventually 60 imap_answers "$port"

local=$work/local
mkdir -p "$local" "$work/state" "$work/home"
cat >"$work/mbsyncrc" <<END
IMAPStore far
Host 127.0.0.1
Port $port
User alice@example.test
Pass alice-secret
SSLType None

MaildirStore near
Inbox $local
SubFolders Maildir++

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Expunge Near
SyncState $work/state/
END
sync_mail() { mbsync -c "$work/mbsyncrc" -a >"$work/mbsync.log" 2>&1 || { tail -n 40 "$work/mbsync.log"; false; }; }
near_has() { grep -rqs "^Subject: $2" "$local/$1/cur" "$local/$1/new"; }
near_lacks() { ! near_has "$@"; }

# --- settings
check 'by default nothing expires' grep -qx 'expire ' <<END
$(postern config)
END
check 'and setup says how to change that' grep -q '^#expire Trash 30d' "$conf"
put .Trash $((400 * day)) 'ancient'
check 'so nothing goes' silent postern upkeep
check 'however old it is' has .Trash ancient
for line in 'Trash' 'Trash 0' 'Trash 30w' '30d' 'a/b 30d'; do
    echo "expire $line" >>"$conf"
    check "'expire $line' is wrong" says 78 'expire: must be a folder and the time that its mail stays' postern upkeep
    sed -i '$d' "$conf"
done
echo 'expire Work..x 30d' >>"$conf"
check 'a name that no folder can have' says 78 "expire Work..x: that can't be a folder's name" postern upkeep
sed -i '$d' "$conf"
printf 'expire Trash 30d\nexpire Junk 14d\nexpire Work 1h\nexpire Work off\n' >>"$conf"

# --- expiry
put . $((400 * day)) 'old in INBOX'
put . $((400 * day)) 'old and moved' cur
put .Trash 60 'fresh'
put .Archive $((400 * day)) 'old in Archive'
put .Junk $((20 * day)) 'old junk'
put .Junk $((10 * day)) 'new junk'
uid=$(curl_imap -X 'UID SEARCH SUBJECT "old and moved"' "$url/INBOX" | tr -dc 0-9)
check 'curl moves an old message to Trash' curl_imap -X "UID MOVE $uid Trash" "$url/INBOX"
check '... it is there' has .Trash 'old and moved'
check 'mbsync has all that there is' sync_mail
check '... the ancient one too' near_has .Trash ancient
check 'a dry run says what would go' says 0 'alice@example.test Trash messages 1 bytes' postern upkeep --dry-run
check '... in each folder' grep -q '^alice@example.test Junk messages 1 bytes [0-9]*$' "$out"
check '... and no more' test "$(wc -l <"$out")" = 2
check '... and nothing went' has .Trash ancient
check 'it goes' says 0 'event=mail-expired user=alice@example.test folder=Trash messages=1 bytes=' postern upkeep
sed "s/^/$(LC_ALL=C date '+%b %e %T') mail /" "$out" >"$work/said"
check '... which is no mail that could not be delivered' says 0 '"failed":{"hour":0' postern status --json --file "$work/said"
check '... so mbsync sees' sync_mail
check '... and so does curl' test -z "$(curl_imap -X 'UID SEARCH SUBJECT ancient' "$url/Trash" | tr -dc 0-9)"
for row in 'near_lacks .Trash ancient' 'near_has .Trash fresh' 'near_has .Trash old.and.moved' 'near_lacks .Junk old.junk' 'near_has .Junk new.junk' \
    'near_has . old.in.INBOX' 'near_has .Archive old.in.Archive' 'lacks .Trash ancient' 'lacks .Junk old.junk'; do
    check "... $row" $row
done
check 'once is enough' silent postern upkeep
check '29 days later what was moved to Trash is there still' later $((29 * day)) upkeep
check '... with what was thrown away just then' has .Trash 'old and moved'
check '31 days later it is not' later $((31 * day)) upkeep
check '... however old it was before' lacks .Trash 'old and moved'
check 'only one account, that there is' says 67 'is no account' postern upkeep nobody@example.test
put .Trash $((400 * day)) 'again'
check 'another account' silent postern upkeep bob@example.test
check '... leaves this one alone' has .Trash again
check 'this one' says 0 'folder=Trash messages=1' postern upkeep alice

# --- a folder that is for trash, whatever its name
check 'alice calls her trash Bin' curl_imap -X 'RENAME Trash Bin' "$url/"
put .Bin $((400 * day)) 'in the bin'
check 'it expires there' says 0 'folder=Bin messages=1' postern upkeep
check 'and back' curl_imap -X 'RENAME Bin Trash' "$url/"

# --- when
put .Trash $((400 * day)) 'one more'
check 'with --due nothing is done twice an hour' silent postern upkeep --due
check '... so it stays' has .Trash 'one more'
check '... nor half an hour later' later 1800 upkeep --due
check '... it stays' has .Trash 'one more'
check '... but an hour later' later 3600 upkeep --due
check '... it goes' lacks .Trash 'one more'
put .Trash $((400 * day)) 'one more'
check 'a time that is still to come is a clock that was wrong' postern upkeep --due
check '... and it is done' lacks .Trash 'one more'
as_server touch "$alice/tmp/left" "$alice/.Archive/tmp/left" "$alice/maildirsize.77.1f.tmp" "$alice/another.tmp"
check 'what a crash left is nobody'"'"'s business at once' silent postern upkeep
check '... and stays' test -e "$alice/tmp/left" -a -e "$alice/.Archive/tmp/left" -a -e "$alice/maildirsize.77.1f.tmp"
check 'two days later' later $((2 * day)) upkeep
check '... it is gone' test ! -e "$alice/tmp/left" -a ! -e "$alice/.Archive/tmp/left" -a ! -e "$alice/maildirsize.77.1f.tmp"
check '... and no file of others' test -e "$alice/another.tmp"
rm -f "$alice/another.tmp"
as_server flock "$home/spool/upkeep.lock" sh -c "touch '$place/held'; while [ -e '$place/held' ]; do sleep 0.05; done" &
holder=$!
put .Trash $((400 * day)) 'while another runs'
check 'another one runs' eventually 60 test -e "$place/held"
check '... so with --due nothing is done' silent later 7200 upkeep --due
check '... and nothing went' has .Trash 'while another runs'
as_server rm -f "$place/held"
wait "$holder"
check 'when it is over' says 0 'folder=Trash messages=1' later 7200 upkeep --due
as_server rm -f "$home/spool/upkeep"

# --- one that is broken
as_server mv "$alice/.Trash/postern.lock" "$place/lock"
as_server mkfifo "$alice/.Trash/postern.lock"
put .Trash $((400 * day)) 'stuck'
as_server sh -c "touch '$bob/.Trash/cur/1000000000.M1.host:2,S'"
check 'a mailbox that its owner broke is named' says 75 'event=upkeep-failed user=alice@example.test at=expire folder=Trash' postern upkeep
check '... the others are done' grep -q 'event=mail-expired user=bob@example.test folder=Trash messages=1' "$out"
as_server mv "$place/lock" "$alice/.Trash/postern.lock"
as_server mv "$alice/.Trash" "$place/trash"
as_server ln -s "$bob/.Archive" "$alice/.Trash"
as_server touch "$bob/.Archive/cur/1000000000.M2.host:2,S"
check 'a link to another mailbox' silent postern upkeep
check '... leads nowhere' test -e "$bob/.Archive/cur/1000000000.M2.host:2,S"
as_server rm "$alice/.Trash"
as_server mv "$place/trash" "$alice/.Trash"
as_server mv "$alice" "$place/alice"
as_server ln -s "$bob" "$alice"
check 'nor does a Maildir that is one' says 75 'event=upkeep-failed user=alice@example.test at=open' postern upkeep
as_server rm "$alice"
check 'an account that has no mail yet' silent postern upkeep
check '... has none after that' test ! -e "$alice"
as_server mv "$place/alice" "$alice"
postern upkeep >/dev/null 2>&1

# Where the tests run without a sandbox there is none to be missed.
cp "$BUILD/tests/helpers/without-landlock" "$place/bin/"
put .Trash $((400 * day)) 'unconfined'
[ -n "${SANDBOX:-}" ] || check 'where a process can'"'"'t be confined nothing is looked at' \
    says 78 'the kernel has no Landlock' as_server "$place/bin/without-landlock" "$place/bin/postern" -c "$conf" upkeep
[ -n "${SANDBOX:-}" ] || check '... and nothing goes' has .Trash unconfined
check 'else it goes' says 0 'folder=Trash messages=1' postern upkeep

# --- warnings
send() { # BYTES
    {
        printf 'EHLO client.test\r\nMAIL FROM:<zoe@outside.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: large\r\n\r\n'
        yes "$(printf '%068d\r' 0)" | head -c "$(($1 / 70 * 70))"
        printf '.\r\nQUIT\r\n'
    } | as_server "$place/bin/smtpd" -c "$conf" >"$work/smtp" 2>>"$place/log"
    tail -n 2 "$work/smtp" | grep -q '^250' || { cat "$work/smtp"; false; }
}
warnings() { as_server grep -rls '^Subject: Your mailbox is ' "$alice" | wc -l; }
warned() { w=$(warnings); echo "$w warnings"; [ "$w" = "$1" ]; }
postern user quota alice storage=1M >/dev/null
check 'nobody is warned of a mailbox that has room' silent postern upkeep --due
check 'a delivery of 880 KB' send 880000
check 'the owner is warned' says 0 'event=quota-warning id=' postern upkeep --due
check '... how full it is' grep -q 'user=alice@example.test storage=8[0-9]%' "$out"
check '... once' silent postern upkeep --due
check '... and once' warned 1
message=$(as_server grep -rls '^Subject: Your mailbox is filling up: 8[0-9]%$' "$alice/new")
check 'it is from the postmaster' grep -qx 'From: Postmaster <postmaster@example.test>' "$message"
check '... who is no human (RFC 3834)' grep -qx 'Auto-Submitted: auto-generated' "$message"
check '... says how much' grep -qE 'It holds 8[0-9]{2}\.[0-9] KiB of the 1.0 MiB that it may hold: 8[0-9]%' "$message"
check 'python reads it' python3 - "$message" <<'END'
import email.policy, sys
m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
assert not m.defects and m['to'].addresses[0].addr_spec == 'alice@example.test' and m['date'].datetime and m['message-id']
assert m.get_content_charset() == 'utf-8' and 'refused' in m.get_content()
END
there() { as_server find "$alice" -path '*/tmp' -prune -o -type f \( -path '*/cur/*' -o -path '*/new/*' \) -printf '%s\n' | awk '{ b += $1 } END { print b, NR }'; }
said() { as_server awk 'NR > 1 { b += $1; n += $2 } END { print b, n }' "$alice/maildirsize"; }
check 'and the warning is counted as any message' test "$(there)" = "$(said)"
check 'curl shows it' sh -c "curl -sS --max-time 60 -u alice@example.test:alice-secret '$url/INBOX' -X 'UID SEARCH HEADER Auto-Submitted auto-generated' | grep -q '[0-9]'"
check 'mbsync brings it' sync_mail
check '... it is there' near_has . 'Your mailbox is filling up'
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
    SHELL=/bin/sh tmux -S "$work/tmux" -f /dev/null new-session -d -x 100 -y 30 "HOME=$work/home TERM=screen mutt -F $work/muttrc \
        -e \"push '$1'\" 2>$work/mutt.log; echo \$? >$work/mutt.ended"
    eventually 60 test -s "$work/mutt.ended" || { tmux -S "$work/tmux" capture-pane -p; cat "$work/mutt.log"; false; }
}
check 'mutt reads it, and files it' \
    mutt_does "<search>filling up<enter><display-message><exit><save-message>=Archive<enter><sync-mailbox><quit>"
check '... which tells nobody anew' silent postern upkeep --due
check '... and it is in Archive' has .Archive 'Your mailbox is filling up'
check '... read' sh -c "ls '$alice/.Archive/cur' | grep -q ':2,.*S'"

{ printf 'Subject: appended\r\n\r\n'; yes "$(printf '%068d\r' 0)" | head -c 70000; } >"$work/append.eml"
check 'curl appends 70 KB' curl_imap -T "$work/append.eml" "$url/Drafts"
check '... which is no threshold' silent postern upkeep --due
check '... and copies them' curl_imap -X 'COPY 1 Drafts' "$url/Drafts"
check 'so it has come to another threshold' says 0 'storage=9' postern upkeep --due
check '... and there are two' warned 2
check 'more than there is room for is refused as ever' sh -c "! printf 'EHLO x\r\nMAIL FROM:<z@outside.test> SIZE=900000\r\nRCPT TO:<alice@example.test>\r\nQUIT\r\n' |
    '$place/bin/smtpd' -c '$conf' 2>/dev/null | grep -q '^250 2.1.5'"
check 'curl makes room' curl_imap -X 'STORE 1:* +FLAGS (\Deleted)' "$url/Drafts"
check '... for good' curl_imap -X 'EXPUNGE' "$url/Drafts"
check '... which is no news' silent postern upkeep --due
uid=$(curl_imap -X 'UID SEARCH LARGER 100000' "$url/INBOX" | tr -dc 0-9)
check 'the large message goes to Trash' curl_imap -X "UID MOVE $uid Trash" "$url/INBOX"
check '... where it counts' silent postern upkeep --due
check 'when it has expired there is room, before anybody is warned' later $((31 * day)) upkeep
check '... and again a delivery' send 880000
check '... is one too many' says 0 'event=quota-warning id=' postern upkeep --due
check '... for the third time' warned 3
check 'an account may have none' sh -c "echo 'quota-warning off' >>'$conf'"
check '... and so hears of nothing' send 120000
check '... at all' silent postern upkeep --due
sed -i '$d' "$conf"
for line in '' '0 80' '101' '80 80' '95 80' '1 2 3 4 5 6 7 8 9' '80%'; do
    echo "quota-warning $line" >>"$conf"
    check "'quota-warning $line' is wrong" says 78 'quota-warning: must be off, or per cent of a quota' postern upkeep
    sed -i '$d' "$conf"
done
done_testing
