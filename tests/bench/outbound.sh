# SPDX-License-Identifier: GPL-3.0-or-later
#
# For tests/bench/run: what leaves the queue, to a sink on loopback that takes everything; and what a run costs that finds nothing due.

# outbound DOMAINS: the rate of each run goes to $place/figures/rate.DOMAINS
outbound() {
    local domains=$1 i before options=() sink_port dns_port dns
    local at=$place/outbound.$domains
    sink_port=$(free_port) dns_port=$(free_port)
    server_setup "outbound.$domains" mail.here.test here.test
    printf 'smtp-port %s\nresolver 127.0.0.1:%s\n' "$sink_port" "$dns_port" >>"$at/postern.conf"
    local spool
    spool=$(as_server "$place/bin/postern" -c "$at/postern.conf" config | sed -n 's/^spool //p')
    for ((i = 0; i < domains; i++)); do
        options+=("--mx-host=d$i.test,mx$i.test,10" "--host-record=mx$i.test,127.0.1.$((i % 100 + 1))")
    done
    background dnsmasq -k --conf-file=/dev/null --no-resolv --no-hosts --local=/test/ --listen-address=127.0.0.1 \
        --bind-interfaces --port="$dns_port" --pid-file= "${options[@]}"
    until nc -z 127.0.0.1 "$dns_port" 2>/dev/null; do sleep 0.02; done
    for run in $(seq "$BENCH_RUNS"); do
        in_time || break
        progress "run $run of $BENCH_RUNS: the queue, $domains domains"
        as_server "$tools/enqueue" "$spool" "$QUEUED" "$domains" 4096
        before=$([ -z "$cgroup" ] || cgroup_cpu)
        outbound_run "$sink_port" "$at/postern.conf" | awk '{ print $4 / $1 }' >>"$place/figures/rate.$domains"
        [ -z "$cgroup" ] || awk -v a="$(cgroup_cpu)" -v b="$before" -v n="$QUEUED" 'BEGIN { print (a - b) / n * 1e3 }' \
            >>"$place/figures/cpu.$domains"
    done
    progress
    row "the queue to a sink, $domains domain$([ "$domains" = 1 ] || echo s)" "$place/figures/rate.$domains" /s \
        "a file and its fsyncs one by one: $(awk -v us="$floor_fsync" 'BEGIN { printf "%.0f", 1e6 / us }')/s"
    row '    CPU of a message' "$place/figures/cpu.$domains" ms
}

# qrun in the cgroup, the sink outside.
outbound_run() { # PORT CONF
    local run=$place/outbound.run
    {
        echo '#!/bin/bash'
        [ -z "$cgroup" ] || echo "echo \$\$ >$cgroup/cgroup.procs"
        if [ "$(id -u)" = 0 ]; then
            echo "exec setpriv --reuid=nobody --regid=nogroup --clear-groups -- $place/bin/qrun -c $2 2>/dev/null"
        else
            echo "exec $place/bin/qrun -c $2 2>/dev/null"
        fi
    } >"$run"
    chmod 755 "$run"
    "$tools/sink" "$1" "$QUEUED" "$run"
}

# So many messages that all wait for later: a run, program start included.
nothing_due() {
    local conf=$place/outbound.1/postern.conf spool i begin
    spool=$(as_server "$place/bin/postern" -c "$conf" config | sed -n 's/^spool //p')
    as_server "$tools/enqueue" "$spool" "$DEFERRED" 100 400
    as_server perl -e 'my ($q, $base, $n) = ("$ARGV[0]/queue", int(time / 128 + 30) * 128);
        for (glob "$q/*-*") { my $d = "$q/deferred/" . ($base + 128 * ($n++ % 100)); mkdir $d; m{([^/]+)$}; rename $_, "$d/$1" or die }' "$spool"
    for run in $(seq "$BENCH_RUNS"); do
        begin=$(date +%s%N)
        as_server "$place/bin/qrun" -c "$conf" 2>/dev/null
        echo $(($(date +%s%N) - begin)) | awk '{ print $1 / 1e6 }' >>"$place/figures/nothing.due"
    done
    row "a run with $DEFERRED messages, nothing due" "$place/figures/nothing.due" ms
}

bench_queue() {
    QUEUED=${QUEUED:-2000} DEFERRED=${DEFERRED:-10000}
    outbound 1
    outbound 100
    nothing_due
    end_services
}
