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
check 'an address may begin with a minus' bash -c "echo secret | '$bin/postern' -c '$work/server/postern.conf' user add -a@example.test"
check '... and go again' "${postern[@]}" user remove -a@example.test
check '... and so may a name' "${postern[@]}" alias add -x alice
check '... and the text of a refusal' "${postern[@]}" refuse add from spam.example --no
check 'an option may stand behind arguments' "${postern[@]}" config hostname --json
check 'the settings, or one' test "$("${postern[@]}" config hostname)" = 'hostname mail.example.test'
check '... that there is' refuses "'x' is no setting" "${postern[@]}" config x
check '... for programs' test "$("${postern[@]}" config --json hostname | jq -r .value)" = mail.example.test
done_testing
