#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The manual pages of postern(8): every setting and every command is in them, with its default, and they are good mdoc.

. tests/tap.sh
postern=${BUILD:-build}/bin/postern
conf=bin/postern/postern.conf.5
manual=bin/postern/postern.8

touch "$work/postern.conf"
"$postern" -c "$work/postern.conf" config | cut -d ' ' -f 1 >"$work/keys"
check 'there are keys' test -s "$work/keys"
for key in $(cat "$work/keys"); do
    check "postern.conf(5) has $key" grep -qE "^\.It Ic $key( |\$)" "$conf"
done
documented() { sed -n 's/^\.It Ic \([a-z-]*\).*/\1/p' "$conf" | sort | comm -23 - "$work/sorted"; }
nothing_more() { [ -z "$(documented)" ] || { documented; false; }; }
sort "$work/keys" >"$work/sorted"
check 'and no others' nothing_more
"$postern" help | sed -n 's/^  \([a-z][a-z ]*[a-z]\).*/\1/p' | awk '{ print $1 }' | sort -u >"$work/commands"
check 'there are commands' test -s "$work/commands"
for command in $(cat "$work/commands"); do
    check "postern(8) has $command" grep -qE "^\.It (Cm )?$command( |\$)" "$manual"
done
for page in "$conf" "$manual"; do
    check "$page is good mdoc" mandoc -T lint -W warning "$page"
done
done_testing
