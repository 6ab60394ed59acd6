# SPDX-License-Identifier: GPL-3.0-or-later
#
# For tests/bench/run: backups of a folder of BENCH_LARGE messages, and the whole server from one, beside what cp -a (and rsync -a, where
# it is installed) takes for the same tree. Each figure has the time until all is on disk in it, and how many times that of cp -a or rsync it is.

# timed NAME COMMAND...: its time, in milliseconds, to $place/figures/NAME
timed() {
    local name=$1 start
    shift
    progress "run $run of $BENCH_RUNS: $name"
    start=$(date +%s%N)
    as_server "$@" >"$place/said" 2>&1 && sync -f "$place" || { cat "$place/said" >&2; exit 1; }
    echo "$((($(date +%s%N) - start) / 1000000))" >>"$place/figures/$name"
}

# beside NAME OTHER WORDS: what share of another figure it is
beside() {
    [ -s "$place/figures/$2" ] || return 0
    awk -v a="$(median "$place/figures/$1")" -v b="$(median "$place/figures/$2")" -v words="$3" \
        'BEGIN { if (b > 0) printf "%.2f of %s (%.0f ms)  ", a / b, words, b }'
}

bench_backup() {
    local octets postern=$place/bin/postern f=$place/figures
    box large "$BENCH_LARGE" small
    for run in $(seq "$BENCH_RUNS"); do
        in_time || break
        fresh large
        as_server rm -rf "$place/copies" && as_server mkdir -p "$place/copies/new"
        timed copy cp -a "$alice" "$place/copies/cp"
        timed backup.first "$postern" -c "$conf" backup "$place/copies/b"
        timed backup.again "$postern" -c "$conf" backup "$place/copies/b"
        grep -q " messages $BENCH_LARGE .* new 0 " "$place/said" || { cat "$place/said" >&2; exit 1; }
        timed backup.verify "$postern" -c "$conf" backup verify "$place/copies/b"
        timed backup.restore "$postern" -c "$place/copies/new/postern.conf" restore "$place/copies/b"
        grep -q "^total messages $BENCH_LARGE .* damaged 0 missing 0" "$place/said" || { cat "$place/said" >&2; exit 1; }
        if command -v rsync >/dev/null; then
            timed rsync rsync -a "$alice/" "$place/copies/rsync/"
            timed relink rsync -a --link-dest="$place/copies/rsync/" "$alice/" "$place/copies/rsync2/"
        else
            timed relink cp -al "$place/copies/cp" "$place/copies/cp2"
        fi
    done
    as_server rm -rf "$place/copies"
    progress
    printf '\n%s messages, %s MB\n' "$BENCH_LARGE" "$((octets / 1000000))"
    row 'backup, the first' "$f/backup.first" ms "$(beside backup.first copy 'cp -a')$(beside backup.first rsync 'rsync -a')"
    row 'backup, nothing new' "$f/backup.again" ms "$(beside backup.again relink "$(command -v rsync >/dev/null && echo 'rsync --link-dest' || echo 'cp -al')")"
    row 'backup verify' "$f/backup.verify" ms ''
    row 'restore on an empty server' "$f/backup.restore" ms "$(beside backup.restore copy 'cp -a')"
}
