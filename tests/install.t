#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make install: what it puts in place is small, can be run, and is taken away again by make uninstall, to the last file.

. tests/tap.sh
BUILD=${BUILD:-build}
MOST_KIB=3072
root=$work/root

installation() { make -s "$@" BUILD="$BUILD" DESTDIR="$root" PREFIX=/usr/local; }
with_sanitizers() { ldd "$BUILD/bin/imapd" | grep -q libasan; }

# Each file rounded up to KiB, as Debian counts.
small() {
    find "$root" -type f -printf '%s\n' | awk -v most=$MOST_KIB '{ kib += int(($1 + 1023) / 1024) }
        END { print kib " KiB"; exit !(kib > 1000 && kib < most) }'
}

# The dynamic linker and what they are linked with are found, and they print their help.
runs() { "$root/usr/local/$1" --help | grep -q .; }
stripped() { ! readelf -S "$root/usr/local/$1" | grep -E '\.(debug_info|symtab)'; }

check 'it is installed' installation install
with_sanitizers || check "... in less than $MOST_KIB KiB" small
for program in bin/postern; do
    check "$program runs" runs $program
    check '... and has no symbols' stripped $program
done
check 'nothing is for its owner alone' test -z "$(find "$root" -type f ! -perm -444)"
check 'with symbols, where that is wanted' installation install STRIP=:
check 'it is taken away' installation uninstall
check '... to the last file' test -z "$(find "$root" ! -type d)"
done_testing
