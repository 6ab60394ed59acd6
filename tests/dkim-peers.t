#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# DKIM with those who receive our mail and whose mail we receive: what we sign verifies with dkimpy and with opendkim, and what they sign with
# us, on 500 messages of every shape, in all canonicalizations, with RSA and Ed25519; and with one byte changed none of it does.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
BUILD=${BUILD:-build}
messages=500
some=130 # of them, where header and body are canonicalized differently
ours=$BUILD/tests/helpers/dkim
peers=tests/lib/dkim-peers

# Each line of FILE that isn't a remark has these results behind the name, and there are as many as there were messages.
all() { # FILE RESULTS
    grep -v '^#' "$1" | awk -v want="$2" -v count=$count '
        { all++; name = $1; sub(/^[^ ]* /, "") }
        $0 != want { print name ": " $0; bad = 1 }
        END { if (all != count) print all " of " count; exit bad || all != count }' || { grep '^#' "$1"; return 1; }
}

none_passes() { # FILE
    [ "$(grep -vc '^#' "$1")" = $count ] && ! grep '\<pass\>' "$1"
}

# The files as they are, and each with a byte changed, are verified by the command that follows (and takes a zone and a folder).
verified() { # NAME RESULTS FOLDER ZONE COMMAND...
    local name=$1 results=$2 folder=$3 zone=$4
    shift 4
    "$@" "$zone" "$folder" >"$work/results" 2>&1
    check "$name" all "$work/results" "$results"
    "$@" "$zone" "$folder.changed" >"$work/results" 2>&1
    check "$name: not with a byte changed" none_passes "$work/results"
}

mkdir "$work/all" "$work/some" "$work/keys" "$work/theirs"
$peers messages "$work/all" $messages
$peers messages "$work/some" $some
check 'keys are made' "$ours" keys "$work/keys" example.org
check 'there are messages' test "$(find "$work/all" -type f | wc -l)" = $messages

# dkimpy computes with RSA in Python: a short key for it.
certtool --generate-privkey --key-type rsa --bits 1024 --no-text --outfile "$work/theirs/rsa.pem" 2>/dev/null
cp "$work/keys/ed25519.pem" "$work/theirs/"
{
    echo "rsa._domainkey.example.org v=DKIM1; p=$(certtool --load-privkey "$work/theirs/rsa.pem" --pubkey-info 2>/dev/null |
        sed -n '/BEGIN/,/END/{/---/!p}' | tr -d '\n')"
    grep '^ed25519' "$work/keys/zone"
} >"$work/theirs/zone"

for canon in relaxed/relaxed simple/simple relaxed/simple simple/relaxed; do
    here=$work/${canon/\//-}
    case $canon in
    relaxed/relaxed | simple/simple) from=$work/all count=$messages ;;
    *) from=$work/some count=$some ;;
    esac
    case $canon in
    relaxed/*) of_opendkim='pass pass' ;;
    *) of_opendkim=pass ;;
    esac
    mkdir "$here" "$here"/{ours,dkimpy,opendkim}{,.changed}
    "$ours" sign "$work/keys" example.org $canon "$from" "$here/ours"
    $peers dkimpy sign "$work/theirs" example.org $canon "$from" "$here/dkimpy"
    $peers opendkim sign "$work/theirs" example.org $canon "$from" "$here/opendkim"
    for signer in ours dkimpy opendkim; do
        $peers change "$here/$signer" "$here/$signer.changed"
    done
    verified "$canon: our signatures with us" 'pass pass' "$here/ours" "$work/keys/zone" "$ours" verify
    verified "$canon: our signatures with dkimpy" 'pass pass' "$here/ours" "$work/keys/zone" $peers dkimpy verify
    verified "$canon: our signatures with opendkim" 'pass pass' "$here/ours" "$work/keys/zone" $peers opendkim verify
    verified "$canon: dkimpy's signatures with us" 'pass pass' "$here/dkimpy" "$work/theirs/zone" "$ours" verify
    verified "$canon: opendkim's signatures with us" "$of_opendkim" "$here/opendkim" "$work/theirs/zone" "$ours" verify
    rm -r "$here"
done
done_testing
