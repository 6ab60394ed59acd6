# SPDX-License-Identifier: GPL-3.0-or-later
#
# For tests/bench/run, which sources it: the server that is measured, what it uses, and how a row is printed.
#
#     start cold|warm|systemd PROGRAM [OPTION...]   serves 127.0.0.1:$port; $inetd is the process that all of it is below
#     stop                                          ends it; $cpu is then what all of it used, in seconds
#     cpu_of MODE PROGRAM [OPTION...] -- CLIENT...  $cpu of the client's requests alone, and $said, what the client printed
#     line NAME MICROSECONDS [NOTE]                 beside the floors of a connection
#     row NAME FILE UNIT [NOTE]                     the median of FILE's numbers, and the least and the most

own_cgroup() {
    [ "$(id -u)" = 0 ] || return 0
    local mount
    mount=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
    [ -n "$mount" ] && mkdir "$mount/postern-bench.$$" 2>/dev/null && cgroup=$mount/postern-bench.$$
}

start() {
    local mode=$1 program=$2
    shift 2
    port=$(free_port)
    ( [ -z "$cgroup" ] || echo $BASHPID >"$cgroup/cgroup.procs"
      cd "$place"
      if [ "$(id -u)" = 0 ]; then
          exec setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$tools/inetd" "$mode" "$port" \
              "$place/bin/$program" -c "$conf" "$@"
      else
          exec "$tools/inetd" "$mode" "$port" "$place/bin/$program" -c "$conf" "$@"
      fi ) >"$place/cpu" 2>>"$place/log" &
    inetd=$!
    until nc -z 127.0.0.1 "$port" 2>/dev/null; do
        kill -0 "$inetd" || exit 1
        sleep 0.02
    done
    case " $* " in
    *' -t '*) "$tools/load" sessions "$port" 3 imaps ;; # the handshake's first use of anything
    *) "$tools/load" banner "$port" 20 >/dev/null ;;
    esac
}

stop() {
    kill -TERM "$inetd"
    wait "$inetd" || true
    cpu=$(cat "$place/cpu")
    inetd=
}

cpu_of() {
    local server=() before
    while [ "$1" != -- ]; do
        server+=("$1")
        shift
    done
    shift
    start "${server[@]}"
    if [ -n "$cgroup" ]; then
        before=$(cgroup_cpu)
        said=$("$@" "$port")
        await_quiet
        cpu=$(awk -v a="$(cgroup_cpu)" -v b="$before" 'BEGIN { print a - b }')
        before=$cpu
        stop
        cpu=$before
    else # by the difference to a server that had none of these requests
        stop
        before=$cpu
        start "${server[@]}"
        said=$("$@" "$port")
        stop
        cpu=$(awk -v a="$cpu" -v b="$before" 'BEGIN { print a - b }')
    fi
}

cgroup_cpu() { # seconds so far
    awk '/^usage_usec/ { print $2 / 1e6 }' "$cgroup/cpu.stat"
}

# Until the processes of ended sessions are gone: inetd and the listener stay.
await_quiet() {
    local tries=100
    while [ "$(wc -l <"$cgroup/cgroup.procs")" -gt 2 ] && [ $((tries -= 1)) -gt 0 ]; do
        sleep 0.02
    done
}

line() {
    awk -v name="$1" -v us="$2" -v f="$floor_fork" -v e="$floor_exec" -v s="$floor_fsync" -v note="${3:-}" 'BEGIN {
        printf "%-46s %8.2f ms %7.1f %7.1f %7.1f   %s\n", name, us / 1000, us / f, us / e, us / s, note }'
}

# median FILE: of its numbers, one a line
median() {
    sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

row() {
    [ -s "$2" ] || return 0
    sort -n "$2" | awk -v name="$1" -v unit="$3" -v note="${4:-}" '
        function number(x) { return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x) }
        { v[NR] = $1 }
        END { printf "%-46s %8s %-6s %-19s %s\n", name, number(v[int((NR + 1) / 2)]), unit,
                  "(" number(v[1]) ".." number(v[NR]) ")", note }'
}

# progress WORDS...: on a terminal, until the next one
progress() {
    [ ! -t 2 ] || printf '\r\033[K%s' "$*" >&2
}
