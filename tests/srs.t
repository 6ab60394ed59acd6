#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Rewritten senders beside postsrsd and the Perl module Mail::SRS, each way: what one makes, the other takes back.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
. tests/server.sh
export PATH=$PATH:/usr/sbin

ours() { "$BUILD/tests/helpers/srs" "$@"; }
perl_srs() { srs --secret="$(head -n 1 "$work/key")" --alias=x@ours.test "$@"; }
printf 'one secret\nan older one\n' >"$work/key"
chmod 644 "$work/key"
server_place "$work/place"
forward=$(free_port) reverse=$(free_port)
while [ "$forward" = "$reverse" ]; do reverse=$(free_port); done
background /usr/sbin/postsrsd -l 127.0.0.1 -f "$forward" -r "$reverse" -d ours.test -s "$work/key"

# ask PORT ADDRESS: prints postsrsd's answer
ask() {
    local answer
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return
    printf 'get %s\n' "$2" >&3
    read -r -t 60 answer <&3
    exec 3>&-
    [ "${answer%% *}" = 200 ] && echo "${answer#200 }"
}
up() { ask "$forward" joe@far.test >/dev/null 2>&1; }

# same WHAT COMMAND... -- COMMAND...: both print the same; what they make has the day in it, which may end between them
same() {
    local day
    day=$(date -u +%F)
    same_now "$@" || { [ "$(date -u +%F)" != "$day" ] && same_now "$@"; }
}
same_now() {
    local one=() two
    shift
    while [ "$1" != -- ]; do one+=("$1"); shift; done
    shift
    two=$("$@") || { echo "$*: $two"; return 1; }
    [ "$("${one[@]}" | tee "$work/one")" = "$two" ] || { echo "$(cat "$work/one") is not $two"; return 1; }
}

check 'postsrsd runs' eventually 60 up
for sender in joe@far.test 'Joe.Blow=x@Far-Away.test' 'a/b{c}@x.y.z.test' 'SRS0=abcd=TT=far.test=joe@first.test' \
    'SRS1=wxyz=first.test==abcd=TT=far.test=joe@second.test' 'SRS0+abcd=TT=far.test=joe@first.test'; do
    lower=$(sed 's/@.*/\L&/' <<<"$sender")
    check "$sender: postsrsd makes the same of it" same x ours forward "$work/key" "$sender" ours.test -- ask "$forward" "$lower"
    mine=$(ours forward "$work/key" "$sender" ours.test)
    check "$mine: postsrsd takes it back" same x ours reverse "$work/key" "$mine" -- ask "$reverse" "$mine"
    check "... and Mail::SRS too" same x ours reverse "$work/key" "$mine" -- perl_srs --reverse "$mine"
done
theirs=$(perl_srs joe@far.test)
check "$theirs, of Mail::SRS, is taken back" same x ours reverse "$work/key" "$theirs" -- echo joe@far.test
old=$(tac "$work/key" >"$work/older"; ours forward "$work/older" joe@far.test ours.test)
check "$old, of the older secret, by both" same x ours reverse "$work/key" "$old" -- ask "$reverse" "$old"
check 'a wrong hash by neither' bash -c "! '$BUILD/tests/helpers/srs' reverse '$work/key' SRS0=AAAA=${mine#*=*=}"
check '... nor by postsrsd' bash -c "! '$BUILD/tests/helpers/srs' reverse '$work/key' 'SRS0=AAAA=ZZ=far.test=joe@ours.test'"
done_testing
