#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What every program and every command of postern(8) has in common: --help goes to standard output and ends with 0, a wrong option is one
# line on standard error that names it, and 64 (EX_USAGE). The commands are taken from the table that `postern help` prints, so that a new
# one is tried too. Man pages tell the exit status; nothing has colour where there is no terminal.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
BUILD=${BUILD:-build}
bin=$(cd "$BUILD" && pwd)/bin
ln -s "$bin/sendmail" "$work/mailq"
ln -s "$bin/sendmail" "$work/newaliases"
"$bin/postern" -c "$work/server/postern.conf" setup mail.example.test example.test >/dev/null 2>&1
postern=("$bin/postern" -c "$work/server/postern.conf")

# helps TEXT COMMAND...: it prints help that begins so, and nothing else
helps() {
    local text=$1
    shift
    "$@" </dev/null >"$work/out" 2>"$work/err"
    local status=$?
    cat "$work/out" "$work/err"
    [ $status = 0 ] && [ "$(head -c ${#text} "$work/out")" = "$text" ] && [ ! -s "$work/err" ]
}

# refuses TEXT COMMAND...: with one line on standard error that has the text
refuses() {
    local text=$1
    shift
    "$@" </dev/null >"$work/out" 2>"$work/err"
    local status=$?
    cat "$work/out" "$work/err"
    [ $status = 64 ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -qF -- "$text" "$work/err"
}

# exits PROGRAM: each status of sysexits.h that it ends with is in its manual page
exits() {
    local sources="bin/$1/*.c" status missing=0
    case $1 in
    smtpd | imapd | pop3d) sources='lib/net/serve.c lib/net/connection.c lib/net/warm.c lib/base/options.c' ;;
    pipe) sources='bin/pipe/main.c lib/base/options.c' ;;
    qrun) sources="$sources lib/base/options.c" ;;
    esac
    # shellcheck disable=SC2086
    for status in $(grep -ohw 'EX_[A-Z]*' $sources | grep -vx EX_OK | sort -u); do
        sed -n '/^\.Sh EXIT STATUS/,/^\.Sh [^E]/p' "bin/$1/$1.8" | grep -q "^\.Pq Dv $status\( \|\$\)" || { echo "$status"; missing=1; }
    done
    return $missing
}

# ---- the programs
for program in smtpd imapd pop3d qrun pipe sendmail; do
    check "$program --help" helps "usage: $program" "$bin/$program" --help
    check "$program --no-such-option" refuses --no-such-option "$bin/$program" --no-such-option
    check "$program -Q" refuses -Q "$bin/$program" -Q
    check "$program -c without a file" refuses '-c: its value' "$bin/$program" -c
    check "$program.8 tells how it exits" exits "$program"
done
for program in smtpd imapd pop3d pipe; do
    check "$program and an argument" refuses "'x' is too much" "$bin/$program" x
done
check 'qrun and what is no ID' refuses 'x: not a message' "$bin/qrun" x
for name in mailq newaliases; do
    check "$name --help" helps 'usage: sendmail' "$work/$name" --help
    check "$name --no-such-option" refuses --no-such-option "$work/$name" --no-such-option
done
check 'postern --help' helps 'usage: postern' "$bin/postern" --help
check 'postern --no-such-option' refuses --no-such-option "$bin/postern" --no-such-option
check 'postern -c without a file' refuses '-c: the file' "$bin/postern" -c
check 'postern and what is no command' refuses frobnicate "$bin/postern" frobnicate
check 'postern help of what is no command' refuses frobnicate "$bin/postern" help frobnicate
check 'postern.8 tells how it exits' exits postern

# ---- the commands
"$bin/postern" help | sed -nE 's/^  ([a-z][a-z-]*( [a-z-]+)?)( .*)?$/\1/p' | sort -u >"$work/commands"
check 'the commands are known' test "$(wc -l <"$work/commands")" -gt 40
check '... all that help has' test "$("$bin/postern" help | grep -c '^  [a-z]')" = "$(wc -l <"$work/commands")"
while read -r -a command; do
    check "postern ${command[*]} --help" helps 'usage: postern' "${postern[@]}" "${command[@]}" --help
    check '... of it alone' bash -c "! grep '^  [a-z]' '$work/out' | grep -v '^  ${command[*]}[ ]'"
    check "postern help ${command[*]}" helps 'usage: postern' "${postern[@]}" help "${command[@]}"
    check "postern ${command[*]} --no-such-option" refuses --no-such-option "${postern[@]}" "${command[@]}" --no-such-option
done <"$work/commands"
for word in user domain alias; do
    check "postern $word" refuses "'$word' wants another word: add" "${postern[@]}" $word
    check "postern $word frobnicate" refuses "'$word frobnicate' is no command" "${postern[@]}" $word frobnicate
    check "postern $word --help" helps 'usage: postern' "${postern[@]}" $word --help
    check "postern $word add" refuses "usage: postern $word add" "${postern[@]}" $word add
    check "postern $word list x" refuses "'x' is too much" "${postern[@]}" $word list x
done
# ---- what goes wrong: one line that says what, where and what to do, and the status for it
# fails STATUS TEXT WORD...: of postern
fails() {
    local status=$1 text=$2 is
    shift 2
    "${postern[@]}" "$@" </dev/null >"$work/out" 2>"$work/err"
    is=$?
    cat "$work/out" "$work/err"
    [ $is = "$status" ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -qF -- "$text" "$work/err"
}
for domain in 'twin.example = example.test' 'relayed.example relay'; do
    # shellcheck disable=SC2086
    "${postern[@]}" domain add $domain >/dev/null
done
while IFS='|' read -r status text words; do
    # shellcheck disable=SC2086
    check "$status: postern $words" fails "$status" "$text" $words
done <<'ROWS'
64|'nokey' is no setting; `postern config` shows them|config nokey
64|nocheck: is no check; `postern doctor --list` shows them|doctor nocheck
64|--domain: its value is missing|queue list --domain
65|is no address; one looks like alice@example.test|user add a..b@c..d
65|zzz: is no ID of a message; `postern queue` shows them|queue show zzz
65|example.test: is a domain of this server already|domain add example.test
65|limits look like storage=2G messages=50000|user quota x@example.test storage=x
65|x@twin.example: the domain is another name of example.test; an account there has its mail too|user add x@twin.example
65|x@relayed.example: mail for this domain is relayed to another server, which has its accounts|user add x@relayed.example
66|/nowhere: No such file or directory|trace --file /nowhere a@example.test
66|isn't in the queue; it was sent, or bounced|queue show 0660a5ef6fcd9d-6f0df20411640335
67|nobody@example.test: is no account here; `postern user list` shows them|user passwd nobody
67|zzz: is no alias; `postern alias list` shows them|alias remove zzz
67|example.test: has no such key; `postern dkim list` shows them|dkim remove --now example.test zzz
68|other.example: is no domain of this server; `postern domain list` shows them|domain remove other.example
68|the domain isn't one of this server's; `postern domain add` makes it one|user add x@other.example
78|/nowhere/postern.conf: No such file or directory; `postern setup` writes it|-c /nowhere/postern.conf user list
ROWS
echo nonsense >>"$work/server/postern.conf"
line=$(wc -l <"$work/server/postern.conf")
check '78: a mistake in the settings' fails 78 "postern.conf:$line: nonsense: no such setting; \`postern config\` lists them" user list
sed -i '$d' "$work/server/postern.conf"
if [ "$(id -u)" = 0 ]; then
    unprivileged() { setpriv --reuid=65533 --regid=65533 --clear-groups "${postern[@]}" alias add x y >"$work/out" 2>&1; [ $? = 77 ] && grep -F 'run this as root' "$work/out"; }
    check '77: somebody else' unprivileged
fi
full() { "${postern[@]}" help >/dev/full 2>"$work/err"; [ $? = 74 ] && grep 'standard output' "$work/err"; }
check '74: a disk that is full' full

check 'an address may begin with a minus' bash -c "echo secret | '$bin/postern' -c '$work/server/postern.conf' user add -a@example.test"
check '... and go again' "${postern[@]}" user remove -a@example.test
check '... and so may a name' "${postern[@]}" alias add -x alice
check '... and the text of a refusal' "${postern[@]}" refuse add from spam.example --no
check 'an option may stand behind arguments' "${postern[@]}" config hostname --json
check 'the settings, or one' test "$("${postern[@]}" config hostname)" = 'hostname mail.example.test'
check '... that there is' refuses "'x' is no setting" "${postern[@]}" config x
check '... for programs' test "$("${postern[@]}" config --json hostname | jq -r .value)" = mail.example.test
done_testing
