#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every fuzz target, with its corpus and variants of that: so that no target is left behind by what it plays with, and what was
# found once stays mended. To look for more: `make fuzz`.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
BUILD=${BUILD:-build}

# replays TARGET
replays() {
    find "tests/fuzz/corpus/$1" -type f -print0 2>/dev/null | sort -z | xargs -0 "$BUILD/tests/fuzz/replay/$1"
}

for source in tests/fuzz/*.c; do
    target=$(basename "$source" .c)
    check "$target" replays "$target"
done
done_testing
