#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The demonstration works: twice side by side, as root and as an ordinary user, and it ends all that it started.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
export BUILD=${BUILD:-build}

# A copy of what the demo needs, which belongs to an ordinary user.
copy_tree() {
    mkdir -p "$work/tree/build" && cp -r tests "$work/tree/" && cp -r "$BUILD/bin" "$work/tree/build/" || return
    [ "$(id -u)" != 0 ] || chown -R nobody:nogroup "$work/tree"
}

ordinary() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; else "$@"; fi
}

once() { # NAME [RUNNER]
    (cd "$work/tree" && BUILD=$2 DEMO=once $3 tests/demo) >"$work/$1.out" 2>&1
}

side_by_side() {
    local first second
    once first build ordinary & first=$!
    once second build ordinary & second=$!
    wait "$first" && wait "$second"
    local result=$?
    cat "$work/first.out" "$work/second.out"
    return $result
}

# No process is left whose command line names the copy.
nothing_left() {
    set -- /proc/[0-9]*/cmdline
    ! grep -lsa -- "$work" "$@"
}

as_root() {
    mkdir -p "$work/root" && cp -r tests "$work/root/" && mkdir "$work/root/build" && cp -r "$BUILD/bin" "$work/root/build/" &&
        (cd "$work/root" && BUILD=build DEMO=once tests/demo)
}

stays_up() {
    # A shell starts background commands with SIGINT ignored: undo that.
    (cd "$work/tree" && BUILD=build exec perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' tests/demo) >"$work/up.out" 2>&1 &
    demo=$!
    pids="$pids $demo"
    eventually 60 grep -q 'stays up until' "$work/up.out"
}

ends_at_interrupt() {
    kill -INT "$demo"
    wait "$demo"
    local result=$?
    tail -n 5 "$work/up.out"
    [ $result = 0 ]
}

check 'a copy for an ordinary user' copy_tree
check 'the demo works, twice at the same time' side_by_side
check '... and says so in colourless words' bash -c "grep -q 'All of it worked' $work/first.out && ! grep -q $'\e' $work/first.out"
check 'nothing of it is left' eventually 60 nothing_left
if [ "$(id -u)" = 0 ]; then
    check 'it works as root' as_root
fi
check 'it stays up' stays_up
check 'Ctrl-C ends it' ends_at_interrupt
check 'and everything that it started' eventually 60 nothing_left
done_testing
