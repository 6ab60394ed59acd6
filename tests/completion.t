#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# bash completion of postern(8), as it is installed: found by bash-completion, and typed with TAB in an interactive bash on a terminal. Then
# the table of commands is walked: every word, second word and option that its help has is offered, and nothing is complained of.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
BUILD=${BUILD:-build}
tree=$PWD
bin=$(cd "$BUILD" && pwd)/bin
server=$work/server conf=$work/server/postern.conf
root=$work/root/usr/local
export PATH="$root/bin:$PATH"

installed() { make -s install BUILD="$BUILD" DESTDIR="$work/root" PREFIX=/usr/local STRIP=:; }
as_owner() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid="$(stat -c %u "$server")" --regid="$(stat -c %g "$server")" --clear-groups "$@"
    else
        "$@"
    fi
}
set_up() {
    postern -c "$conf" setup mail.example.test example.test || return
    for user in alice alan bob jörg; do
        echo secret | postern -c "$conf" user add "$user@example.test" || return
    done
    postern -c "$conf" refuse add from spam.example 'go away' && postern -c "$conf" route add far.example direct &&
        postern -c "$conf" domain add far.example relay && postern -c "$conf" relay add bob@far.example &&
        printf 'hello\n' | as_owner "$bin/sendmail" -c "$conf" -f alice@example.test far@other.example
    # By hand, not yet compiled, and not to be run or shown.
    printf '"$(touch${IFS}pwned)": bob\n"e vil": bob\n"e\033[31mvil": bob\n' | as_owner tee -a "$server/aliases" >/dev/null
}

# typed FILE... <LINES: what becomes of them, in a bash with these files
typed() { HOME=$work XDG_DATA_DIRS=$root/share tests/lib/complete-in-bash "$work" "$@"; }

# rows FILE...: checks the rows of standard input, `what is typed => what it becomes`; . at its end shows that no more follows
rows() {
    local typed expected became row
    cat >"$work/rows"
    sed 's/ => .*//' "$work/rows" | typed "$@" >"$work/became" 2>"$work/err" || cat "$work/err"
    while IFS= read -r row; do
        IFS= read -r became <&4
        typed=${row%% => *} expected=${row#* => }
        check "$typed" test "${became%%$'\t'*}" = "${expected%.}" || echo "# $became"
        [ "${became#*$'\t'}" = '' ] || { echo "# $became"; silent=no; }
    done <"$work/rows" 4<"$work/became"
}

# offers WORD...: what `postern complete` gives for the last of them, on one line
offers() { postern complete -- "$@" | paste -sd' '; }

check 'it is installed' installed
check 'with its completion' test -s "$root/share/bash-completion/completions/postern"
check 'bash can read it' bash -n "$root/share/bash-completion/completions/postern"
check 'a server' set_up
id=$(postern -c "$conf" queue | cut -d' ' -f1)
mkdir "$work/mail"

# ---- typed, with bash-completion, which loads it when postern is typed
silent=yes
rows /usr/share/bash-completion/bash_completion <<ROWS
postern us => postern user .
postern user pa => postern user passwd .
postern doctor dns-sp => postern doctor dns-spf .
postern queue list --s => postern queue list --sender .
postern trace --since tod => postern trace --since today .
postern -c server/post => postern -c server/postern.conf .
postern -c $conf user remove ali => postern -c $conf user remove alice@example.test .
postern -c $conf user remove alice@ => postern -c $conf user remove alice@example.test .
postern -c $conf user remove alice@ex => postern -c $conf user remove alice@example.test .
postern -c $conf user remove "alice@ex => postern -c $conf user remove "alice@example.test" .
postern -c $conf user remove 'bo => postern -c $conf user remove 'bob@example.test' .
postern -c $conf user remove jö => postern -c $conf user remove jörg@example.test .
postern -c ~/server/postern.conf user remove bo => postern -c ~/server/postern.conf user remove bob@example.test .
postern -c $conf user add new@ => postern -c $conf user add new@example.test .
postern -c $conf user quota bob st => postern -c $conf user quota bob storage=.
postern -c $conf user quota bob storage= => postern -c $conf user quota bob storage=.
postern -c $conf alias remove hostm => postern -c $conf alias remove hostmaster .
postern -c $conf alias remove e => postern -c $conf alias remove e.
postern -c $conf alias remove "\$ => postern -c $conf alias remove "\$.
postern -c $conf alias remove \\\$ => postern -c $conf alias remove \\\$\\(touch\\\$\\{IFS\\}pwned\\) .
postern -c $conf refuse remove from s => postern -c $conf refuse remove from spam.example .
postern -c $conf refuse remove to s => postern -c $conf refuse remove to s.
postern -c $conf route remove f => postern -c $conf route remove far.example .
postern -c $conf relay remove b => postern -c $conf relay remove bob@far.example .
postern -c $conf dns ex => postern -c $conf dns example.test .
postern -c $conf config hostn => postern -c $conf config hostname .
postern -c $conf queue show 0 => postern -c $conf queue show $id .
postern -c $conf queue show $id ${id%????} => postern -c $conf queue show $id $id .
postern -c $conf dkim remove example.test 2 => postern -c $conf dkim remove example.test $(cd "$server/dkim/example.test" && ls | sed 's/-.*/-/;q').
postern domain add a.example rel => postern domain add a.example relay .
postern domain add a.example relay a => postern domain add a.example relay all .
postern route add far.example smtps => postern route add far.example smtps:\\[.
postern route add x smtp:[a] tls=v => postern route add x smtp:[a] tls=verify .
postern import bob@example.test mai => postern import bob@example.test mail/.
echo; postern us => echo; postern user .
sudo postern us => sudo postern user .
postern user frob => postern user frob.
postern -c /nowhere user remove s => postern -c /nowhere user remove s.
ROWS
check 'nothing was said meanwhile' test $silent = yes
check '... nor done' test ! -e "$work/pwned" -a ! -e "$server/pwned"
lists() { echo 'postern queue ^' | typed /usr/share/bash-completion/bash_completion | grep -w 'drop hold list release retry show'; }
check 'two TABs list them' lists
alone() { echo "postern -c $conf user remove ali" | typed "$root/share/bash-completion/completions/postern" | grep 'alice@example.test '; }
check 'without bash-completion too, where it is sourced' alone
# A folder of somebody else's: a program that is ours by another name, beside a file that it would read.
mkdir "$work/strange" && cp /bin/sh "$work/a-shell" && ln -s "$work/a-shell" "$work/strange/postern" && ln -s "$bin" "$work/strange/ours"
echo 'echo >ran' >"$work/strange/complete"
strange() { echo "$1 doctor dns-sp" | HOME=$work tests/lib/complete-in-bash "$work/strange" "$root/share/bash-completion/completions/postern"; }
check 'a link in a strange folder is not run' test "$(strange ./postern)" = $'./postern doctor dns-spf \t' -a ! -e "$work/strange/ran"
check '... but one that leads to ours is' test "$(PATH=/usr/bin:/bin strange ours/postern)" = $'ours/postern doctor dns-spf \t'
if [ "$(id -u)" = 0 ]; then
    nobody() { setpriv --reuid=65533 --regid=65533 --clear-groups "$root/bin/postern" complete -- "$@" 2>&1; }
    chmod 700 "$server"
    check 'who may not read them gets no accounts' test -z "$(nobody -c "$conf" user remove a)"
    check '... but commands' test "$(nobody us)" = user
fi

# ---- what is offered
check 'nothing unprintable, and no blank' test "$(offers -c "$conf" alias remove e)" = ''
check 'an option once' test "$(offers status --json --)" = '--file --proc --help'
check 'a value, not an option, behind one that has it' test "$(offers doctor --proc '')" = $'\tfiles'
check 'settings that cannot be read: silence' test -z "$(postern complete -- -c /nowhere config host 2>&1)"
seq -f 'user%06.0f@example.test' 100000 | as_owner tee -a "$server/accounts" >/dev/null
check 'of 100,000 accounts what they have in common' test "$(offers -c "$conf" user remove us)" = user
check '... or some' test "$(postern complete -- -c "$conf" user remove user0123 | wc -l)" = 100
exec 7>&1
quick() {
    local before took
    before=$(date +%s%3N)
    for _ in 1 2 3 4 5; do postern complete -- -c "$conf" user remove us >/dev/null; done
    took=$((($(date +%s%3N) - before) / 5))
    echo "# $took ms for one of 100,000 accounts" >&7
    [ $took -lt 1000 ]
}
check '... at once' quick

# ---- the table of commands
check 'every name in it is known' test -z "$(postern complete --check)"
offered() { postern complete -- "${@:1:$#-1}" '' | grep -qxF -- "${@: -1}"; }
options() { # COMMAND...: each option that its usage has
    local usage option
    usage=$(postern "$@" --no-such-option 2>&1 >/dev/null </dev/null)
    [[ $usage == *"usage: postern $*"* ]] || return
    for option in $(grep -o -- '--[a-z-]*' <<<"${usage#*usage:} --help") $([[ $usage != *FILTER* ]] || echo --sender --recipient --domain); do
        postern complete -- "$@" -- | grep -qxF -- "$option" || { echo "$option"; return 1; }
    done
}
postern help | sed -nE 's/^  ([a-z][a-z-]*( [a-z-]+)?)( .*)?$/\1/p' | sort -u >"$work/commands"
check 'there are commands' test "$(wc -l <"$work/commands")" -gt 40
check '... all of them' test "$(wc -l <"$work/commands")" = "$(postern help | grep -c '^  [a-z]')"
while read -r -a command; do
    [ "${command[*]}" = queue ] || check "${command[*]} is offered" offered "${command[@]}"
    check "${command[*]}: its options are" options "${command[@]}"
done <"$work/commands"
done_testing
