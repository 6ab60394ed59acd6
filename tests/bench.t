#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make bench works: each of its rows is there, measured once on small mailboxes. It checks what it is answered itself, so this also is a
# client that does all of that to a Maildir of other software, and compares every body.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
export BENCH_RUNS=1 BENCH_LARGE=3000 BENCH_SMALL=100 COUNT=20 HELD=5 TMPDIR="$work"
export ASAN_OPTIONS=detect_leaks=0 # a program that ends leaves freeing to that
private=private
[ "$(id -u)" = 0 ] || private='needs root' # to look into a handler

bench() {
    timeout 600 env BENCH="$1" tests/bench/run >"$work/table" 2>&1 || { cat "$work/table"; return 1; }
}

# has ROW...: the table has rows that begin so, each with a figure
has() {
    local row
    for row; do
        awk -v row="$row" 'index($0, row) == 1 && substr($0, 47) ~ /[1-9]/ { found = 1 } END { exit !found }' "$work/table" ||
            { echo "no row $row"; cat "$work/table"; return 1; }
    done
}

refused() {
    ! BENCH=nothing tests/bench/run 2>"$work/said" && grep -q 'no row nothing' "$work/said"
}

check 'opening and fetching' bench 'select fetch'
check '... each way' has 'SELECT, index warm' 'SELECT, first time ever' 'SELECT, index deleted' 'FETCH 1:* (UID FLAGS)' \
    'FETCH 1:* (ENVELOPE BODYSTRUCTURE), first' 'FETCH 1:* (ENVELOPE BODYSTRUCTURE), warm'
check 'searching and changing' bench 'search store copy move expunge'
check '... each way' has 'SEARCH SUBJECT' 'SEARCH BODY, first' 'SEARCH BODY, second' 'STORE 1:* +FLAGS.SILENT' \
    'STORE 1:* -FLAGS.SILENT' 'COPY of 1,000' 'MOVE of 1,000' 'EXPUNGE of 1,000'
check 'backups' bench backup
check '... each way' has 'backup, the first' 'backup, nothing new' 'backup verify' 'restore on an empty server'
check 'larger messages, POP3, APPEND and IDLE' bench 'small pop3 append exists'
check '... each way' has '100: FETCH envelopes, first' '100: FETCH envelopes, warm' '100: POP3 login, STAT, UIDL, warm' \
    '100: POP3 RETR of all' 'APPEND of 4 KiB' '    of what fsync allows' 'delivery to EXISTS'
check 'connections' bench 'banner smtp login held'
check '... each way' has 'connect to banner, warm, imapd' 'CPU of a 4 KiB message, cold' 'CPU of connect, LOGIN, LOGOUT, warm' \
    'CPU of an IMAPS session with LOGIN'
check '... messages, however many at a time' has '4 KiB, 1 a connection, 50 at a time' '4 KiB, 100 a connection, 10 at a time' \
    '100 KiB, 1 a connection, 50 at a time' 'one message of 50 MiB'
check '... and those that stay open' grep -q "$private" "$work/table"
check 'the queue' env QUEUED=100 DEFERRED=100 BENCH=queue BENCH_RUNS=1 bash -c 'timeout 600 tests/bench/run >"$0/table" 2>&1' "$work"
check '... each way' has 'the queue to a sink, 1 domain ' 'the queue to a sink, 100 domains' 'a run with 100 messages, nothing due'
check 'who sent it' bench trust
check '... each part' has 'CPU to check a message of 10 KiB' '    SPF' '    DKIM, RSA and Ed25519' '    DMARC' 'CPU to sign it with both keys' \
    'CPU to check three ARC seals beside' 'CPU to seal it'
if ! ldd "${BUILD:-build}/bin/imapd" | grep -q libasan; then
    check 'nobody knocks' bench idle
    check '... the sizes of what is installed' has 'installed by make install' 'installed by the Debian package'
    [ "$(id -u)" != 0 ] || check '... and no process' grep -q '^    after they hung up  *0 .*the last ended after [0-9]* ms$' "$work/table"
fi
check 'a row that there is none of' refused
check 'nothing is left behind' test -z "$(find "$work" -name 'postern-bench.*')"
done_testing
