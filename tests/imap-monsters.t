#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# imapd and malformed messages of every kind: see tests/lib/imap-monsters.
. tests/tap.sh
. tests/server.sh

server_place "$work/server" && server_home || { cat "$place/log"; exit 1; }
as_server sh -c "echo 'plaintext-login yes' >>'$conf'"
cp tests/lib/imap-monsters tests/lib/ImapGrammar.pm "$place/bin/"
chmod 755 "$place/bin/imap-monsters"
as_server perl "$place/bin/imap-monsters" "$alice" "$place/bin/imapd" -c "$conf" 2>"$work/log"
tap_status=$?
[ "$tap_status" = 0 ] || sed 's/^/# /' "$work/log" >&2
