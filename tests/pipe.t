#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Programs that aliases name, run by bin/pipe behind a Unix socket: what they are told, what becomes of the message by their exit status,
# and that nothing they do holds up other mail. The units under a real systemd are in systemd.t.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh

server_place "$work/place" && server_home || exit 1
tail=$place/out
as_server mkdir "$tail"
socket=$place/pipe
printf 'pipe-socket %s\npipe-timeout 60s\nretry-first 1h\n' "$socket" >>"$conf"
postern() { as_server "$place/bin/postern" -c "$conf" "$@"; }

runner() { # a runner that starts a pipe for each connection
    background systemd-socket-activate --seqpacket --accept -l "$socket" "$place/bin/pipe" -c "$conf"
    eventually 60 grep -q "Listening on $socket" "$place/log"
}

# send TO [FROM] [FIELD]: by SMTP; the queue's ID is then in $id, if it was queued.
send() {
    case $1 in *@*) ;; *) set -- "$1@example.test" "${@:2}" ;; esac
    printf 'EHLO c.test\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n%sSubject: hello\r\n\r\nline one\r\n..dot\r\n.\r\nQUIT\r\n' "${2-zoe@far.test}" "$1" "${3-}" |
        as_server "$place/bin/smtpd" -c "$conf" 2>>"$place/log" | tr -d '\r' >"$work/smtp"
    id=$(sed -n 's/^250 2.0.0 Accepted as //p' "$work/smtp")
    [ "$id" ] || { cat "$work/smtp"; false; }
}
qrun() { as_server "$place/bin/qrun" -c "$conf" "$id" >>"$place/log" 2>&1; }
gone() { ! find "$home/spool/queue" -name "$id" | grep -q .; }
deliver() { send "$@" && qrun; }
no_socket() { as_server "$place/bin/pipe" -c "$conf" </dev/null; [ $? = 64 ]; }
bounced() { grep -rqs -- "$1" "$alice/new"; }

check 'aliases to programs' postern alias add list "|cat >$tail/list; env >$tail/env; pwd >>$tail/env" alice@example.test
check 'are listed as they were written' bash -c "'$place/bin/postern' -c '$conf' alias list | grep -F 'list: \"|cat >'"
check 'and their table can be read by who runs them' bash -c "[ \$(stat -c %a '$home/aliases.gdbm') = 644 ] && [ \$(stat -c %a '$home/accounts.gdbm') = 600 ]"

check 'a message for a program is queued' send 'list+x@example.test'
check '... and the other targets of the alias have theirs' bounced 'Delivered-To: alice+x@example.test'
check '... the program stands in its envelope' grep -q '^ program=0:list' "$home/spool/queue/$id"
check 'while nobody runs programs it waits' qrun
check '... and says why' bash -c "'$place/bin/postern' -c '$conf' queue | grep -F '4.3.0 Nobody runs programs at $socket'"
check 'somebody runs programs' runner
check 'now it is run' qrun
check '... with the message on its input, lines ended by LF' cmp "$tail/list" <(printf 'Return-Path: <zoe@far.test>\nDelivered-To: list+x@example.test\n'; grep -a -A99 '^Received:' "$alice"/new/*)
check '... the queue is empty' gone
for word in SENDER=zoe@far.test RECIPIENT=list+x@example.test ORIGINAL_RECIPIENT=list+x@example.test LOCAL=list+x USER=list \
    EXTENSION=x DOMAIN=example.test SHELL=/bin/sh "QUEUE_ID=$id" /; do
    check "... its environment has $word" grep -qxF "$word" "$tail/env"
done
check '... and nothing of ours' bash -c "! grep -E '^(LISTEN_|NOTIFY_|SHIM|BUILD)' '$tail/env'"

check 'what strangers write means nothing to a shell' deliver list '"a;$(touch '"$tail"'/evil)`b`"@far.test'
check '... in the environment' grep -qx 'SENDER=_a___touch_.*@far.test' "$tail/env"
check '... nothing was run' test ! -e "$tail/evil"
check 'nor is it an option to a program' deliver list+-rf@example.test -oQx@far.test
for word in SENDER=_oQx@far.test EXTENSION=_rf LOCAL=list+-rf; do
    check "... $word" grep -qxF -- "$word" "$tail/env"
done
postern alias add -x "|env >$tail/dash" >/dev/null
check '... nor is the alias' deliver -x@example.test
for word in RECIPIENT=_x@example.test ORIGINAL_RECIPIENT=_x@example.test LOCAL=_x USER=_x LOGNAME=_x; do
    check "... $word" grep -qxF -- "$word" "$tail/dash"
done
postern alias add a-long-name-of-a-program "|cat >$tail/long" >/dev/null
postern alias add n a-long-name-of-a-program >/dev/null
check 'a detail that fits an alias, but no longer what it leads to, is left away' deliver "n+$(printf '%0240d' 0)"
check '... and the program is run' grep -qx 'Delivered-To: a-long-name-of-a-program@example.test' "$tail/long"

for row in '0 gone' '75 waits' '71 waits' '74 waits' '78 waits' '127 waits' '67 fails' '69 fails' '65 fails' '1 fails' '300 fails'; do
    code=${row% *}
    postern alias add "exit$code" "|echo said by $code >&2; exit $code" >/dev/null
    deliver "exit$code" alice@example.test
    case $row in
    *gone) check "status $code: delivered" gone ;;
    *waits) check "status $code: tried again" bash -c "'$place/bin/postern' -c '$conf' queue | grep -F 'said by $code'" && as_server rm -f "$home/spool/queue/$id" ;;
    *fails) check "status $code: goes back to the sender" eventually 60 bounced "said by $code" ;;
    esac
    postern queue drop "$id" >/dev/null 2>&1
done
postern alias add missing '|/nowhere/program' >/dev/null
deliver missing
check 'an alias warns where nobody runs programs' bash -c "sed 's|^pipe-socket.*|pipe-socket /nowhere|' '$conf' >'$home/other.conf' && '$place/bin/postern' -c '$home/other.conf' alias add warned '|true' 2>&1 | grep -F 'enable postern-pipe.socket'"
check 'a command that is missing is our mistake: tried again' bash -c "'$place/bin/postern' -c '$conf' queue | grep -E '4.3.5 .*status 127'"
postern alias remove missing >/dev/null && postern alias add missing "|cat >$tail/mended" >/dev/null
check '... and when the alias was mended, the mended one is run' qrun
check '... for the message that waited' grep -q 'line one' "$tail/mended"
postern alias add killed '|kill -9 $$' >/dev/null
deliver killed
check 'death by a signal: tried again' bash -c "'$place/bin/postern' -c '$conf' queue | grep -F 'signal 9'"
postern queue drop "$id" >/dev/null
postern alias add slow "|sleep 100.$$; touch $tail/slept" >/dev/null
postern alias add quick "|cat >$tail/quick" >/dev/null
send slow && slow=$id && send quick && quick=$id
echo 'pipe-timeout 5s' >>"$conf"
as_server "$place/bin/qrun" -c "$conf" "$slow" "$quick" >>"$place/log" 2>&1
echo 'pipe-timeout 60s' >>"$conf"
check 'a program that takes too long is ended, and tried again' bash -c "'$place/bin/postern' -c '$conf' queue | grep -F 'took too long'"
check '... with all that it started' eventually 60 bash -c "! pgrep -u '$(as_server id -u)' -f 'sleep 100.''$$\$'"
check '... and held up nobody else' grep -q 'line one' "$tail/quick"
postern queue drop "$slow" >/dev/null
postern alias add deaf '|exec <&-; exit 0' >/dev/null
deliver deaf
check 'a program needn'\''t read its message' gone
postern alias add loud '|yes x | head -c 3000000; exit 67' >/dev/null
deliver loud alice@example.test
check 'nor be brief: what it prints is cut' eventually 60 bounced '5.1.1 The command: user unknown: x'
id=$id; check '... in the report' bash -c "grep -rl 'user unknown: x' '$alice/new' | xargs cat | wc -c | { read n; [ \$n -lt 20000 ]; }"

deliver list alice@example.test $'Delivered-To: List@example.test\r\n'
check 'a message that was there before loops: back to the sender' eventually 60 bounced '5.4.6 The message has been here before'
send quick alice@example.test && postern alias remove quick >/dev/null
check 'an alias that is gone runs nothing any more' qrun
check '... and the message goes back' eventually 60 bounced '5.1.1 The alias names no such program any more'

# The queue runner is killed while a program runs: the message is still there, and is run again.
postern alias add steady "|cat >>$tail/steady; while [ ! -e $tail/go ]; do sleep 0.05; done" >/dev/null
send steady
background "$place/bin/qrun" -c "$conf" "$id"
eventually 60 grep -qs 'line one' "$tail/steady"
kill -9 -- "-${services##* }" && wait "${services##* }" 2>/dev/null
as_server touch "$tail/go"
check 'a runner that is killed has lost nothing' grep -q '^T steady@' "$home/spool/queue/$id"
check '... and the next one runs the program again' qrun
check '... and is done' gone
check '... after two runs, rather than none' bash -c "[ \$(grep -c 'line one' '$tail/steady') = 2 ]"

# Whoever reaches the socket can only name what aliases have.
check 'a request for a command that no alias has is refused, and no text of a request is run' "$BUILD/tests/helpers/pipe-request" "$socket" "0:|touch $tail/evil" "touch $tail/evil" "0:nobody"
check '... nothing was run' test ! -e "$tail/evil"
check 'a malformed request ends the connection' "$BUILD/tests/helpers/pipe-request" -m "$socket"
check 'pipe runs nothing on a terminal or file' no_socket
[ "$(id -u)" != 0 ] || check 'nor as root' bash -c "'$place/bin/pipe' -c '$conf' </dev/null 2>&1 | grep -F \"won't as root\""
[ "$tap_failures" = 0 ] || tail -n 40 "$place/log" | sed 's/^/# /'
done_testing
