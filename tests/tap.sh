# SPDX-License-Identifier: GPL-3.0-or-later
#
# TAP for shell tests; to be sourced from the root of the tree.
#
#     check NAME COMMAND...       one test point: COMMAND must succeed; what it printed is shown if it doesn't
#     eventually SECONDS COMMAND  runs COMMAND until it succeeds, for at most so long
#     $work                       a directory of the test's own; at exit it is removed and every pid in $pids ended
#     at_end=COMMAND              what is to be done at exit before that
#     done_testing                the last line

tap_points=0
tap_failures=0
work=$(mktemp -d "${TMPDIR:-/tmp}/postern-test.XXXXXX")
chmod 755 "$work"
pids=
at_end=:

# The exit status is that of done_testing, whatever else a trap of the test's own does before; without it, failure.
tap_end() {
    ! command -v end_services >/dev/null || end_services # of server.sh
    eval "$at_end"
    for tap_pid in $pids; do
        kill "$tap_pid" 2>/dev/null && wait "$tap_pid" 2>/dev/null
    done
    rm -rf "$work"
    exit "$tap_status"
}
tap_status=1
trap tap_end EXIT
trap 'exit 1' HUP INT TERM

check() {
    tap_name=$1
    shift
    tap_points=$((tap_points + 1))
    if "$@" >"$work/check.log" 2>&1; then
        echo "ok $tap_points - $tap_name"
    else
        tap_failures=$((tap_failures + 1))
        echo "not ok $tap_points - $tap_name"
        { echo "$*"; tail -n 40 "$work/check.log"; } | sed 's/^/# /' >&2
        return 1
    fi
}

eventually() {
    tap_until=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -le "$tap_until" ] || return 1
        sleep 0.05
    done
}

done_testing() {
    echo "1..$tap_points"
    [ "$tap_failures" != 0 ] || tap_status=0
}
