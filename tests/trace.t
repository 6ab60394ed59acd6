#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern trace, from log files of each form, and from what smtpd and qrun say when a message comes in and goes nowhere.
# The journal is in systemd.t.
. tests/tap.sh
. tests/server.sh
out=$work/out
id=06612e8b7c2e07-5f7205e700000063 bounce=06612e8b7c2e08-1f7205e700000063 other=06612e8b7c2e09-1f7205e700000063

cat >"$work/log" <<X
Nov 26 13:25:34 mail smtpd[11]: event=accepted id=$id peer=192.0.2.1 from=alice@us.test size=4321 to=>bob@peer.test,carol@us.test message-id="a=1.\xc3\xa4@us.test"
Nov 26 13:25:34 mail smtpd[14]: event=accepted id=$other peer=192.0.2.1 from=eve@us.test size=1 to=>mallory@peer.test
Nov 26 13:25:35 mail qrun[12]: event=deferred id=$id from=alice@us.test to=bob@peer.test host=mail.peer.test reply="451 4.7.1 \x1b[31mlater \"x\""
1795700000.123456 mail qrun[12]: event=bounced id=$id bounce=$bounce to=alice@us.test
2026-11-26T13:26:36.123456+00:00 mail qrun[12]: event=delivered id=$bounce from="" to="gr\xc3\xbcn@us.test"
smtpd[13]: event=refused peer=192.0.2.9 from=x@y.test to=alice@us.test why="event=forged id=$other"
cron[1]: something else about $id
X
trace() { "$BUILD/bin/postern" trace --file "$work/log" "$@" >"$out" 2>&1; }
has() { grep -qE -- "$1" "$out"; }
hasnt() { ! has "$1"; }
lines() { [ "$(wc -l <"$out")" = "$1" ]; }
says() { want=$1 text=$2; shift 2; "$@"; [ $? = "$want" ] && has "$text"; }

check 'an ID' trace $id
check '... accepted, by whom, and where to' has '^  Nov 26 13:25:34  smtpd    accepted   peer 192.0.2.1 from <alice@us.test> 4321 bytes queued to <bob@peer.test> to <carol@us.test> message-id <a=1\.ä@us\.test>$'
check '... deferred, with the reply, and nothing a terminal obeys' has 'qrun     deferred .* host mail.peer.test: 451 4.7.1 .x1b\[31mlater "x"$'
check '... seconds are shown as a time' has '^  2026-11-26 [0-9:]{8}  qrun     bounced '
check '... followed to the bounce' has "^$bounce\$"
check '... whose delivery is there' has '^  2026-11-26 13:26:36  qrun     delivered'
check '... and nothing else' lines 7
check 'the bounce alone' trace $bounce
check '... is two lines' lines 2
check 'an address, whatever its case' trace Alice@US.test
check '... has the message' has "^$id\$"
check '... and the refusal, which has no ID' has '^  smtpd    refused    peer 192.0.2.9 from <x@y.test> to <alice@us.test>: event=forged'
check '... and no forged one' hasnt "^$other"
check 'a recipient that was queued' trace bob@peer.test
check '... has the message' has "^$id\$"
for one in '<a=1.ä@us.test>' 'a=1.ä@us.test' 'Message-ID: <a=1.ä@us.test>'; do
    check "by $one" trace "$one"
    check '... the message' has "^$id\$"
    check '... and its bounce' lines 7
done
check 'the Message-ID of a report' trace "<$bounce@mail.us.test>"
check '... is its ID and a name' lines 2
check 'a part of one is none' says 66 'the log says nothing of it' trace '<1.ä@us.test>'
check 'an address that is not ASCII' trace "$(printf 'gr\303\274n@us.test')"
check '... has its message' lines 2
printf 'Nov 26 13:25:36 m\033[1m smtpd\033[2m[1]: event=accepted id="\\x1b[31mred" \033[3mx=1 to=a@us.test\n%s' \
    'Nov 26 13:25:36 mail smtpd[1]: event=accepted id="\x1b[32mgreen" to=a@us.test' >"$work/forged"
check 'a log that anybody wrote' trace --file "$work/forged" a@us.test
check '... has an ID that no terminal obeys' has '^.x1b\[32mgreen$'
check '... nor anything else' hasnt "$(printf '\033')"
printf 'Nov 26 13:25:36 mail smtpd[1]: event=refused why="a\342\200\216b\302\205c\342\200d" to=a@us.test\n' >"$work/marks"
check 'marks of direction, for a program' trace --json --file "$work/marks" a@us.test
check '... are what they were, and what is no UTF-8 is told from it' has '"why":"a.u200eb.u0085c.ufffd.ufffdd"'
check 'what the log does not know' says 66 'the log says nothing of it' trace nobody@us.test
check 'no file' says 66 'No such file' trace --file "$work/none" $id
check 'no argument' says 64 'which message' trace
check 'two' says 64 'one ID, address or Message-ID' trace $id $bounce
check 'no option' says 64 '--sinze: no such option' trace --sinze $id
check 'an address in brackets, as it is shown' trace '<bob@peer.test>'
check '... has the message' has "^$id\$"
# Instead of the journal: what is asked of it.
mkdir "$work/bin"
printf '#!/bin/sh\necho "$@" >"%s/asked"\ncat "%s/log"\n' "$work" "$work" >"$work/bin/journalctl"
chmod 755 "$work/bin/journalctl"
journal() { PATH="$work/bin:$PATH" TZ=UTC "$BUILD/bin/postern" trace "$@" >"$out" 2>&1; grep -qF -- "$want" "$work/asked"; }
since() { want=$1; shift; journal "$@"; }
check 'a message that came days ago' since '--since 2025-11-26 13:25:32 _' 06447f54a68b05-5f7205e700000063
check '... but where somebody says since when' since '--since 1 hour ago _' --since '1 hour ago' $id
check '... and for an address' since '--since 2 days ago _' bob@peer.test
from_input() { "$BUILD/bin/postern" trace --file - $id <"$work/log" >"$out" && lines 7; }
check 'from standard input' from_input
coloured() { TERM=${1:-xterm} NO_COLOR=${2:-} script -qec "'$BUILD/bin/postern' trace --file '$work/log' $id" /dev/null </dev/null | grep -q "$(printf '\033\\[33mdeferred')"; }
check 'with colours on a terminal' coloured
none() { ! coloured "$@"; }
check '... but for a dumb one' none dumb
check '... and who wants none' none xterm 1
check 'and none in a pipe' hasnt "$(printf '\033')"

# What the programs themselves say.
if server_place "$work/place" && server_home; then
    printf 'networks 127.0.0.0/8\nresolver 127.0.0.1:9\n' >>"$conf"
    port=$(free_port)
    service "$port" --inetd "$place/bin/smtpd" -c "$conf"
    check 'smtpd takes a message' eventually 60 swaks --silent 3 --timeout 60 --server "127.0.0.1:$port" --from alice@example.test \
        --to bob@example.test,far@nowhere.test --h-Message-Id '<one@example.test>'
    check '... and says so' eventually 60 grep -q 'event=accepted' "$place/log"
    as_server "$place/bin/qrun" -c "$conf" >>"$place/log" 2>&1
    own() { "$BUILD/bin/postern" trace --file "$place/log" "$1" >"$out"; }
    check 'trace' own far@nowhere.test
    check '... what smtpd said' has '^  smtpd    accepted   peer 127.0.0.1 from <alice@example.test> [0-9]+ bytes .*to <bob@example.test>'
    check '... and qrun' has '^  qrun     deferred   .*<far@nowhere.test>.*: 4\.'
    cp "$out" "$work/by-address"
    check 'the same by its Message-ID' own '<one@example.test>'
    check '... is the same' cmp "$out" "$work/by-address"
else
    check 'a server' false
fi
done_testing
