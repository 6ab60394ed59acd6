#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What holds for the whole tree: each file says its licence first, each foreign library has its one file, no file is too long to read in
# one sitting, man pages are sound and each program has one, and the programs bring in nothing unexpected.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
BUILD=${BUILD:-build}
LONGEST=700 # lines of a file

files() { # the tree's own, whether or not committed yet
    find bin lib systemd tests .ci -type f ! -name '*.swp'
    ls Makefile README.md .clang-format .gitignore
}

# Messages, keys and other data have no place for a comment.
with_comments() {
    files | grep -Ev '\.(eml|pem|bin|dat|mbox)$|/corpus/.*/'
}

licence() {
    local file
    while read -r file; do
        head -n 2 "$file" | grep -q 'SPDX-License-Identifier: GPL-3.0-or-later' || echo "$file"
    done < <(with_comments)
}

# includes HEADER-PATTERN FILE...: files under bin and lib that include it, beyond those named
includes() {
    local pattern=$1
    shift
    grep -rlE "^[[:space:]]*#[[:space:]]*include[[:space:]]*<$pattern" bin lib | grep -vxF "$(printf '%s\n' "$@")"
}

only_in() { # NAME PATTERN FILE...
    local name=$1
    shift
    check "$name: only where it belongs" none includes "$@"
}

# Succeeds if the command prints nothing.
none() {
    local found
    found=$("$@")
    [ -z "$found" ] || { echo "$found"; return 1; }
}

too_long() {
    files | grep -E '\.(c|h|sh|t)$|^Makefile' | xargs wc -l | awk -v most=$LONGEST '$2 != "total" && $1 > most'
}

long_lines() {
    grep -rnE '.{141}' --include='*.[ch]' bin lib | cut -c1-80
}

undocumented() {
    local folder name
    for folder in bin/*/; do
        name=$(basename "$folder")
        ls "$folder$name".[18] >/dev/null 2>&1 || echo "$name has no man page"
    done
    [ -e bin/postern/postern.conf.5 ] || echo "postern.conf has no man page"
}

lint() {
    find bin -name '*.[158]' -exec mandoc -T lint -W warning {} +
}

# Every key of the settings is documented, and nothing else.
settings_documented() {
    diff <(sed -n 's/^    { "\([a-z-]*\)", TYPE_.*/\1/p' lib/base/settings.c | sort) \
        <(sed -n 's/^\.It Ic \([a-z-]*\).*/\1/p' bin/postern/postern.conf.5 | sort)
}

# Every capability of imapd names the dialogue that shows it.
capabilities_shown() {
    sed -n 's/^    { "[^"]*", "RFC [^"]*",.*"\([^"]*\)" },.*/\1/p' bin/imapd/capabilities.c | while read -r dialogue; do
        [ -e "tests/dialogues/imapd/$dialogue.txt" ] || echo "no tests/dialogues/imapd/$dialogue.txt"
    done
    grep -q '^    { "IMAP4rev1", "RFC' bin/imapd/capabilities.c || echo "no table"
}

# Every extension of smtpd names its dialogue, and stands in the man page.
extensions_shown() {
    sed -n 's/^    { "\([A-Z0-9]*\)", "\(RFC [0-9]*\)",.*"\([^"]*\)" },.*/\1 \2 \3/p' bin/smtpd/extensions.c | while read -r name rfc number dialogue; do
        [ -e "tests/dialogues/smtpd/$dialogue.txt" ] || echo "no tests/dialogues/smtpd/$dialogue.txt"
        grep -q "^\.It $name Ta $rfc $number Ta" bin/smtpd/smtpd.8 || echo "no $name in smtpd.8"
    done
    grep -q '^    { "PIPELINING", "RFC' bin/smtpd/extensions.c || echo "no table"
}

help() {
    local program
    for program in "$BUILD"/bin/*; do
        timeout 60 "$program" --help </dev/null 2>&1 | grep -qi usage || echo "$program"
        timeout 60 "$program" --help >/dev/null 2>&1 </dev/null || echo "$program: exit status"
    done
}

strange_libraries() {
    ldd "$BUILD"/bin/* | grep -E 'libssl|libcrypto|not found'
}

# Each program links only what it uses: a resolver that verifies is qrun's.
linked_elsewhere() { # LIBRARY PROGRAM: the other programs that have it
    local program
    for program in "$BUILD"/bin/*; do
        [ "${program##*/}" = "$2" ] || ! ldd "$program" | grep -q "$1" || echo "$program"
    done
}

# A layer uses only those above it: base, text, net, store, trust.
wrong_layers() {
    grep -rnE '#include "(text|net|store|trust)/' lib/base
    grep -rnE '#include "(net|store|trust)/' lib/text
    grep -rnE '#include "(store|trust)/' lib/net
    grep -rnE '#include "trust/' lib/store
}

check 'every file begins with its licence' none licence
only_in GDBM 'gdbm' lib/store/table.c lib/store/tls_state.c
only_in 'crypt(3)' 'crypt\.h' lib/store/password.c
only_in GnuTLS 'gnutls' lib/net/hash.c lib/net/idna.c lib/net/signature.c lib/net/tls.c lib/net/tls_key.c lib/net/tls_server.c lib/net/tls_verify.c bin/postern/certificate.c bin/postern/certificate_read.c
only_in libsystemd 'systemd/' lib/net/activation.c bin/postern/status_journal.c
only_in libunbound 'unbound\.h' lib/net/dnssec.c
only_in zlib 'zlib\.h' lib/net/deflate.c
only_in xxHash 'xxhash\.h' lib/base/checksum.c
only_in libseccomp 'seccomp\.h' lib/net/sandbox_filter.c
only_in libunistring 'uni(case|conv|ctype|gbrk|norm|str|type)\.h' lib/text/unicode.c
check "no file is longer than $LONGEST lines" none too_long
check 'no line is longer than 140 columns' none long_lines
check 'layers use only those above them' none wrong_layers
check 'each capability of imapd has its dialogue' none capabilities_shown
check 'each extension of smtpd has its dialogue and is in the man page' none extensions_shown
check 'every program has a man page' none undocumented
check 'man pages pass mandoc -T lint' none lint
check 'postern.conf(5) has every key' none settings_documented
check 'every program answers --help' none help
check 'none has libsystemd mapped before it needs it' bash -c "! ldd '$BUILD'/bin/* | grep libsystemd"
check 'programs bring no unexpected library' none strange_libraries
check 'only qrun has libunbound' none linked_elsewhere libunbound qrun
check 'and it has it' bash -c "ldd '$BUILD'/bin/qrun | grep -q libunbound"
check 'shell scripts parse' bash -c 'set -e; for f in tests/deps tests/run tests/kept tests/demo tests/with-systemd tests/bench/run tests/bench/*.sh systemd/install systemd/debian/build systemd/debian/p*[mt] .ci/run; do bash -n $f; done'
done_testing
