# SPDX-License-Identifier: GPL-3.0-or-later
#
# For tests/bench/run: what a connection, a message and an open connection cost.

heading_floors() {
    [ -z "${floors_shown:-}" ] || return 0
    floors_shown=yes
    printf '\n%-46s %11s %7s %7s %7s\n' 'beside the floors of this machine' '' '/fork' '/exec' '/file'
    line 'an empty fork' "$floor_fork"
    line 'an empty exec' "$floor_exec"
    line 'a 4 KiB file, fsync of file and directory' "$floor_fsync"
}

banner() { # MODE PROGRAM
    local middle least
    progress "connect to banner, $1, $2"
    start "$@"
    read -r middle least < <("$tools/load" banner "$port" "$COUNT")
    progress
    line "connect to banner, $1, $2" "$middle" "$(awk -v us="$least" 'BEGIN { printf "%.2f ms at best", us / 1000 }')"
    stop
}

bench_banner() {
    local mode program
    heading_floors
    for mode in warm cold; do
        for program in smtpd imapd pop3d; do
            banner $mode $program
        done
    done
}

messages() { # MODE WORKERS
    send_messages() { "$tools/load" messages "$2" "$COUNT" "$1"; }
    progress "messages, $1, $2 at a time"
    cpu_of "$1" smtpd -- send_messages "$2"
    progress
    line "CPU of a 4 KiB message, $1, $2 at a time" "$(per "$COUNT")" "$said messages/s"
}

per() { # COUNT: microseconds of $cpu
    awk -v cpu="$cpu" -v n="$1" 'BEGIN { print cpu / n * 1e6 }'
}

# delivered COUNT SIZE EACH WORKERS: accepted and in the Maildir, warm; the floor is a 4 KiB file with its two fsyncs
delivered() {
    local count=$1 size=$2 each=$3 workers=$4 name
    name="$((size / 1024)) KiB, $each a connection, $workers at a time"
    send_delivered() { "$tools/load" messages "$5" "$1" "$4" "$2" "$3"; }
    progress "$name"
    cpu_of warm smtpd -- send_delivered "$@"
    progress
    awk -v name="$name" -v rate="$said" -v cpu="$(per "$count")" -v floor="$floor_fsync" 'BEGIN {
        printf "%-46s %8.0f/s %8.2f ms CPU, %.2f of the floor (%.0f/s)\n", name, rate, cpu / 1000, rate * floor / 1e6, 1e6 / floor }'
}

# The largest resident set that any process of the cgroup has had, in KiB, until its standard input ends.
watch_memory() {
    local pid most=0 now
    until read -r -t 0.005 _ || [ $? -le 128 ]; do
        for pid in $(cat "$cgroup/cgroup.procs"); do
            now=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$pid/status" 2>/dev/null) || true
            [ "${now:-0}" -le "$most" ] || most=$now
        done
    done
    echo "$most"
}

# One message of nearly 50 MiB.
large_message() {
    local size=$((50 * 1048576 - 65536))
    send_large() {
        if [ -n "$cgroup" ]; then
            { "$tools/load" messages "$1" 1 1 $size 1 >&3; } 3>"$place/rate" | watch_memory >"$place/peak"
        else
            "$tools/load" messages "$1" 1 1 $size 1 >"$place/rate"
        fi
    }
    progress 'a message of 50 MiB'
    : >"$place/peak"
    cpu_of warm smtpd -- send_large
    progress
    awk -v size=$size -v rate="$(cat "$place/rate")" -v peak="$(cat "$place/peak")" 'BEGIN {
        printf "%-46s %8.0f MB/s%s\n", "one message of 50 MiB", size * rate / 1e6,
            peak ? sprintf(", %.1f MiB resident at most in any process", peak / 1024) : "" }'
}

bench_delivered() {
    local workers
    echo
    for workers in 1 10 50; do
        delivered "$COUNT" 4096 1 "$workers"
    done
    for workers in 1 10 50; do
        delivered $((COUNT * workers / 5)) 4096 100 "$workers"
    done
    for workers in 10 50; do
        delivered "$COUNT" 102400 1 "$workers"
    done
    large_message
}

bench_smtp() {
    local mode workers
    heading_floors
    for mode in warm cold; do
        for workers in 1 4; do
            messages $mode $workers
        done
    done
    bench_delivered
}

# The passwords are stored in the plain, so that no time is in it that a hash is meant to take.
bench_login() {
    local mode
    hold_sessions() { "$tools/load" sessions "$2" "$COUNT" $1; }
    heading_floors
    for mode in warm cold; do
        progress "sessions, $mode"
        cpu_of $mode imapd -- hold_sessions 'imap login'
        line "CPU of connect, LOGIN, LOGOUT, $mode" "$(per "$COUNT")"
    done
    cpu_of warm imapd -t -- hold_sessions imaps
    line 'CPU of an IMAPS session without LOGIN, warm' "$(per "$COUNT")"
    cpu_of warm imapd -t -- hold_sessions 'imaps login'
    line 'CPU of an IMAPS session with LOGIN, warm' "$(per "$COUNT")"
}

# kib FIELD PID...: the sum of such lines of the processes
kib() {
    local field=$1 pid total=0 kib
    shift
    for pid; do
        kib=$(awk -v field="^$field" '$1 ~ field { n += $2 } END { print n + 0 }' "/proc/$pid/smaps_rollup" 2>/dev/null || echo 0)
        total=$((total + kib))
    done
    echo $total
}

held() { # PROGRAM smtp|imap [tls]
    local before without pss private processes
    start warm "$1"
    before=$(cat "$cgroup/cgroup.procs")
    without=$(kib Pss: $before)
    coproc client { "$tools/load" hold "$port" "$HELD" $2 ${3:-}; }
    read -r _ <&"${client[0]}"
    await_handover
    pss=$(($(kib Pss: $(cat "$cgroup/cgroup.procs")) - without))
    private=$(kib Private_ $(grep -vxF "$before" "$cgroup/cgroup.procs"))
    processes=$(awk -v n="$(wc -l <"$cgroup/cgroup.procs")" -v h="$HELD" 'BEGIN { printf "%.1f", (n - 2) / h }')
    printf '%-46s %8d KiB Pss, %d KiB of it private, %s processes\n' "an open connection, $2 ${3:-plain}" \
        $((pss / HELD)) $((private / HELD)) "$processes"
    eval "exec ${client[1]}>&-"
    wait "$client_PID" || true
    stop
}

# The last processes that end after a login do so a moment later: until their number stays.
await_handover() {
    local last=0 now
    now=$(wc -l <"$cgroup/cgroup.procs")
    while [ "$now" != "$last" ]; do
        sleep 0.2
        last=$now now=$(wc -l <"$cgroup/cgroup.procs")
    done
}

# smtp: behind EHLO; imap: logged in, an empty mailbox selected, in IDLE. HELD of them at a time.
bench_held() {
    local tls
    [ -n "$cgroup" ] || { echo 'memory of open connections: needs root'; return 0; }
    echo
    for tls in '' tls; do
        held smtpd smtp $tls
        held imapd imap $tls
    done
}
