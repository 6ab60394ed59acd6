#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# tests/run, which make check runs all other tests with: it says how they ended, and what those that failed said, whatever becomes of
# them.
. tests/tap.sh

# a_test NAME LINE...: writes it.
a_test() {
    name=$work/$1
    shift
    { echo '#!/bin/sh' && printf '%s\n' "$@"; } >"$name" && chmod +x "$name"
}

# ends STATUS NAME...: runs these tests; 0 is success, 1 anything else. What was said is in $work/said.
ends() {
    wanted=$1
    shift
    for name in "$@"; do
        set -- "$@" "$work/$name"
        shift
    done
    env TMPDIR="$work" timeout 60 tests/run "$@" >"$work/said" 2>&1
    case $? in 0) got=0 ;; 124) got=hangs ;; *) got=1 ;; esac
    cat "$work/said"
    [ $got = "$wanted" ] && [ -z "$(find "$work" -name 'kept.*')" ]
}

# last LINE...: these are the last lines of what was said.
last() { [ "$(tail -n $# "$work/said")" = "$(printf '%s\n' "$@")" ]; }
name_of() { echo "$work/$1" | tr / _; }

a_test good 'echo ok 1 - good' 'echo 1..1'
a_test bad 'echo ok 1 - good' 'echo not ok 2 - bad' 'echo "# because" >&2' 'echo ok 3 - good' 'echo 1..3'
a_test words 'echo "why it died" >&2' 'echo ok 1 - good' 'echo not ok 2 - bad' 'echo 1..2' 'exit 1'
a_test status 'echo ok 1 - good' 'echo 1..1' 'exit 3'
a_test killed "sleep 300 >/dev/null & echo \$! >$work/sleeper" 'echo ok 1 - good' 'kill -9 $$'

check 'a test passes' ends 0 good
check 'one of two fails' ends 1 good bad
check '... and the last that is said is why' last "== $(name_of bad)" 'not ok 2 - bad' '# because'
check 'a process of a test had last words' ends 1 words
check '... which are said' last "== $(name_of words)" 'not ok 2 - bad' '1..2' 'why it died'
check 'one fails by its exit status' ends 1 status
check '... which is said' last "== $(name_of status): exit status 3" 'ok 1 - good' '1..1'
check 'one is killed, and what it started still runs' ends 1 killed good
pids=$(cat "$work/sleeper")
check '... and is no reason to wait' kill -0 "$pids"
check '... how it ended is said' grep -qx "== $(name_of killed): exit status 137" "$work/said"
check 'there is no such test' ends 1 nosuch
done_testing
