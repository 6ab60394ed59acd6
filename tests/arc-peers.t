#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# ARC with those who forward our mail and to whom we forward: chains that dkimpy, Mail::DKIM and we seal in turn, on messages of every shape,
# pass with each, and with one byte changed with none. And the suite of ARC's authors, where it is: in ARC_VECTORS, or ../shared/vectors/arc.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
BUILD=${BUILD:-build}
messages=200
ours=$BUILD/tests/helpers/arc
peers=tests/lib/arc-peers
perl_peer=tests/lib/arc-mail-dkim

# Each line of FILE that isn't a remark is "NAME RESULT SETS", and there are as many as there were messages.
all() { # FILE RESULT SETS
    grep -v '^#' "$1" | awk -v result="$2" -v sets="$3" -v count=$messages '
        { all++ }
        $2 != result || (sets && $3 != sets) { print; bad = 1 }
        END { if (all != count) print all " of " count; exit bad || all != count }' || { grep '^#' "$1" | head; return 1; }
}

verify_ours() { # ZONE FOLDER
    (cd "$2" && ls) | paste -d ' ' - <("$ours" verify "$1" "$2"/*)
}

verified() { # NAME FOLDER SETS
    local name=$1 folder=$2 sets=$3
    verify_ours "$work/zone" "$folder" >"$work/results" 2>&1
    check "$name: passes with us" all "$work/results" pass "$sets"
    $peers verify "$work/zone" "$folder" >"$work/results" 2>&1
    check "$name: passes with dkimpy" all "$work/results" pass "$sets"
    $perl_peer verify "$work/zone" "$folder" >"$work/results" 2>&1
    check "$name: passes with Mail::DKIM" all "$work/results" pass "$sets"
    mkdir "$folder.changed"
    tests/lib/dkim-peers change "$folder" "$folder.changed"
    verify_ours "$work/zone" "$folder.changed" >"$work/results" 2>&1
    check "$name: with a byte changed not with us" all "$work/results" fail
    $peers verify "$work/zone" "$folder.changed" >"$work/results" 2>&1
    check "$name: nor with dkimpy" all "$work/results" fail
    $perl_peer verify "$work/zone" "$folder.changed" >"$work/results" 2>&1
    check "$name: nor with Mail::DKIM" all "$work/results" fail
    rm -r "$folder.changed"
}

seal_ours() { # FOLDER OUT
    local file
    "$ours" seal "$work/zone" "$work/rsa.pem" ours.test s 'dmarc=pass header.from=example.org' "$1"/* || return 1
    for file in "$1"/*.sealed; do mv "$file" "$2/$(basename "$file" .sealed)"; done
}

seal_dkimpy() { # FOLDER OUT none|pass
    $peers seal "$work/rsa.pem" peer.test s "$3" "$1" "$2"
}

seal_perl() { # FOLDER OUT none|pass
    $perl_peer seal "$work/rsa.pem" perl.test s "$3" "$1" "$2"
}

# dkimpy computes with RSA in Python: a short key for it.
certtool --generate-privkey --key-type rsa --bits 1024 --no-text --outfile "$work/rsa.pem" 2>/dev/null
public=$(certtool --load-privkey "$work/rsa.pem" --pubkey-info 2>/dev/null | sed -n '/BEGIN/,/END/{/---/!p}' | tr -d '\n')
printf 's._domainkey.%s v=DKIM1; k=rsa; p=%s\n' ours.test "$public" peer.test "$public" perl.test "$public" >"$work/zone"
mkdir "$work"/{plain,ours1,peer1,ours2,peer2,ours3,perl1,perl4}
tests/lib/dkim-peers messages "$work/plain" $messages

check 'we seal' seal_ours "$work/plain" "$work/ours1"
verified 'our chain' "$work/ours1" 1
check 'dkimpy seals' seal_dkimpy "$work/plain" "$work/peer1" none
verified "dkimpy's chain" "$work/peer1" 1
check 'we seal what dkimpy sealed' seal_ours "$work/peer1" "$work/ours2"
verified "our set on dkimpy's" "$work/ours2" 2
check 'dkimpy seals what we sealed' seal_dkimpy "$work/ours1" "$work/peer2" pass
verified "dkimpy's set on ours" "$work/peer2" 2
check 'and we that' seal_ours "$work/peer2" "$work/ours3"
verified 'three sets' "$work/ours3" 3
check 'Mail::DKIM seals' seal_perl "$work/plain" "$work/perl1" none
verified "Mail::DKIM's chain" "$work/perl1" 1
check 'and what three of us sealed' seal_perl "$work/ours3" "$work/perl4" pass
verified 'four sets' "$work/perl4" 4

# What the suite has otherwise than RFC 8617 and RFC 6376: without c= it takes relaxed/relaxed (RFC 6376 3.5: simple/simple), and it allows a
# message signature not to cover From, and an empty name in h=.
suite_differs=' ams_fields_c_na ams_fields_h_empty ams_fields_h_mis_hdr '
suite() { # FILE
    local folder name want got bad=0
    mkdir "$work/suite"
    while read -r folder name want; do
        got=$("$ours" verify "$work/suite/$folder/zone" "$work/suite/$folder/$name") || return 1
        case $suite_differs in *" $name "*) want=fail ;; esac
        [ "${got%% *}" = "$want" ] || { echo "$name: $want, got $got"; bad=1; }
    done < <($peers suite "$1" "$work/suite")
    [ "$(find "$work/suite" -type f ! -name zone | wc -l)" -gt 150 ] && return $bad
}
vectors=${ARC_VECTORS:-../shared/vectors/arc}/arc-draft-validation-tests.yml
if [ -e "$vectors" ]; then
    check "the suite of ARC's authors" suite "$vectors"
fi
done_testing
