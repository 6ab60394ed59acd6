# SPDX-License-Identifier: GPL-3.0-or-later
#
# For tests/bench/run: who sent a message of 10 KiB, and signing one (trust.c). No server, no network: what of the time is ours.

bench_trust() {
    local run what us
    for run in $(seq "$BENCH_RUNS"); do
        in_time || break
        progress "run $run of $BENCH_RUNS: who sent it"
        "$tools/trust" "$COUNT" >"$place/trust"
        while read -r what us; do
            case $what in
            check | sign | seal) awk -v us="$us" 'BEGIN { print us / 1000 }' ;;
            *) echo "$us" ;;
            esac >>"$place/figures/trust.$what"
        done <"$place/trust"
    done
    progress
    row 'CPU to check a message of 10 KiB' "$place/figures/trust.check" ms 'asked: under 1'
    row '    SPF' "$place/figures/trust.spf" us
    row '    DKIM, RSA and Ed25519' "$place/figures/trust.dkim" us
    row '    DMARC' "$place/figures/trust.dmarc" us
    row 'CPU to sign it with both keys' "$place/figures/trust.sign" ms 'asked: under 2'
    row 'CPU to check three ARC seals beside' "$place/figures/trust.arc" us
    row 'CPU to seal it' "$place/figures/trust.seal" ms
}
