#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern(8), the administrator's command: setup (twice, as root and not), domains, accounts, aliases, tables edited by
# hand, the queue, many edits at a time, and what it says when something is wrong.

. tests/tap.sh
BUILD=${BUILD:-build}
postern=$(cd "$BUILD" && pwd)/bin/postern
d=$work/server
conf=$d/postern.conf
out=$work/out

run() { "$postern" -c "$conf" "$@"; }
# says STATUS TEXT COMMAND...: the command ends with STATUS, and TEXT is in what it says
says() {
    want=$1 text=$2
    shift 2
    "$@" >"$out" 2>&1 </dev/null
    status=$?
    cat "$out"
    [ "$status" = "$want" ] && grep -qF -- "$text" "$out"
}
add() { echo "$2" | run user add "$1"; }
has() { grep -qxF -- "$2" "$d/$1"; }
hasnt() { ! grep -qF -- "$2" "$d/$1"; }
mode_is() { [ "$(stat -c %a "$1")" = "$2" ]; }
sums() { (cd "$d" && find . -type f ! -name '*.lock' | sort | xargs sha256sum); }
as_owner() { if [ "$(id -u)" = 0 ]; then setpriv --reuid="$(stat -c %u "$d")" --clear-groups "$@"; else "$@"; fi; }
EX_USAGE=64 EX_DATAERR=65 EX_NOINPUT=66 EX_NOUSER=67 EX_NOHOST=68 EX_TEMPFAIL=75 EX_NOPERM=77 EX_CONFIG=78

# --- options and help
check 'help lists the commands' says 0 'user add ADDRESS' "$postern" help
check '--help too' says 0 'queue drop ID' "$postern" --help
check '--version' says 0 'postern ' "$postern" --version
check 'no command is a usage error' says $EX_USAGE 'usage:' "$postern"
check 'an unknown one is named' says $EX_USAGE "'frobnicate' is no command" "$postern" frobnicate
check 'an unknown option is named' says $EX_USAGE '--frob' "$postern" --frob help
check 'missing arguments show the usage' says $EX_USAGE 'usage: postern user add ADDRESS' run user add
check 'before setup it says what to do' says $EX_CONFIG 'postern setup' run user list

# --- setup
check 'setup refuses what is no host name' says $EX_DATAERR 'is no host name' run setup 'mail example' example.test
check 'setup refuses what is no domain' says $EX_DATAERR 'is no domain' run setup mail.example.test 'a..b'
check 'setup refuses what is no address' says $EX_DATAERR 'is no address' run setup mail.example.test example.test 'a b@'
check 'a refused setup made nothing' test ! -e "$d"
check 'setup works' says 0 'user add' run setup mail.example.test Example.TEST
for f in postern.conf domains accounts aliases secrets domains.gdbm accounts.gdbm aliases.gdbm secrets.gdbm cert.pem key.pem; do
    check "it made $f" test -f "$d/$f"
done
for f in spool spool/queue spool/tmp spool/slots mail; do
    check "it made $f" test -d "$d/$f"
done
check 'secrets are ours alone' mode_is "$d/secrets" 600
check 'their table too' mode_is "$d/secrets.gdbm" 600
check 'the key too' mode_is "$d/key.pem" 600
check 'the spool too' mode_is "$d/spool" 700
check 'the mail too' mode_is "$d/mail" 700
check 'nothing belongs to root' sh -c "[ -z \"\$(find '$d' -user 0)\" ]"
check 'the certificate is for the host' sh -c "certtool -i <'$d/cert.pem' | grep -q 'DNSname: mail.example.test'"
check 'it is ECDSA P-256' sh -c "certtool -i <'$d/cert.pem' | grep -q 'Curve:.SECP256R1'"
check 'it can sign no others' sh -c "certtool -i <'$d/cert.pem' | grep -q 'CA): FALSE'"
check 'the key fits it' sh -c "[ \"\$(certtool --pubkey-info --load-privkey '$d/key.pem' --outder | sha256sum)\" = \
    \"\$(certtool --pubkey-info --load-certificate '$d/cert.pem' --outder | sha256sum)\" ]"
check 'the domain is in lower case' has domains example.test
check 'config prints the settings' says 0 "spool $d/spool" run config

check 'a first account' add alice@example.test alice-secret
check 'gets the standard folders' test -d "$d/mail/example.test/alice/.Junk/cur"
for f in Drafts Sent Junk Trash Archive; do
    check "$f is subscribed" has mail/example.test/alice/subscriptions $f
done
for name in postmaster abuse hostmaster root; do
    check "$name leads to it" has aliases "$name: alice@example.test"
done
echo '# a remark of mine' >>"$d/domains"
sums >"$work/before"
check 'setup again' says 0 'user add' run setup mail.example.test example.test
sums >"$work/after"
check 'changes nothing but the table of what was edited' sh -c "diff '$work/before' '$work/after' | grep '^[<>]' | grep -v domains.gdbm; [ \$? = 1 ]"
check 'setup with another host name keeps the old one and says so' says 0 'stays mail.example.test' run setup other.example.test example.test
check 'setup with another domain adds it' says 0 'ready' run setup mail.example.test second.test
check 'behind the first' sh -c "run() { '$postern' -c '$conf' \"\$@\"; }; [ \"\$(run domain list | tr '\n' ' ')\" = 'example.test second.test ' ]"
rm "$d/key.pem"
check 'a certificate without its key is not replaced' says $EX_CONFIG 'key.pem' run setup mail.example.test example.test
rm "$d/cert.pem"
check 'where both are gone both are made' says 0 'ready' run setup mail.example.test example.test

mkdir "$work/named" && chmod 777 "$work/named"
check 'setup with an address' says 0 'user add you@named.test' "$postern" -c "$work/named/postern.conf" setup mx.named.test named.test You
check 'its aliases are there before the account' grep -qx 'abuse: you@named.test' "$work/named/aliases"
mkdir "$work/bare" && chmod 777 "$work/bare"
check 'without Landlock setup says what that means' says 0 'locked into a sandbox' \
    "$BUILD/tests/helpers/without-landlock" "$postern" -c "$work/bare/postern.conf" setup mail.example.test example.test
check 'and lets the server run all the same' grep -qx 'sandbox try' "$work/bare/postern.conf"
check 'which it doesn'\''t where nothing is missing' sh -c "! grep -q sandbox '$conf'"
if [ "$(id -u)" = 0 ]; then
    mkdir "$work/full" && : >"$work/full/precious"
    check 'as root it gives no folder away that has something in it' says $EX_NOPERM 'chown' \
        "$postern" -c "$work/full/postern.conf" setup mail.example.test example.test
    check 'and it stays root'\''s' test "$(stat -c %u "$work/full")" = 0
fi

# --- domains
check 'a domain is added' run domain add Third.test
check 'once' says $EX_DATAERR 'already' run domain add third.TEST
check 'no domain isn'\''t' says $EX_DATAERR 'stand behind a domain' run domain add 'x y'
check 'an address literal isn'\''t' says $EX_DATAERR 'is no domain' run domain add '[127.0.0.1]'
check 'a domain is removed' run domain remove third.test
check 'only if it is there' says $EX_NOHOST 'is no domain' run domain remove third.test
check 'not while it has accounts' says $EX_DATAERR 'has 1 account' run domain remove example.test
check 'the remark is still there' has domains '# a remark of mine'

# --- accounts
check 'a name without a domain is in the first' add Bob bob-secret
check 'in lower case' has accounts bob@example.test
check 'an account exists once' says $EX_DATAERR 'already' run user add bob
check 'in a domain of ours' says $EX_NOHOST 'domain add' run user add x@elsewhere.test
check 'with an address' says $EX_DATAERR 'is no address' run user add 'a b'
check 'that can be a folder' sh -c "echo x | '$postern' -c '$conf' user add '\"../x\"' 2>&1 | grep 'can.t be the name of a folder'"
check 'which made nothing' hasnt secrets '../x'
check 'a password is needed' says $EX_DATAERR 'no password on standard input' run user add carol
check 'an empty one is none' sh -c "echo | '$postern' -c '$conf' user add carol 2>&1 | grep 'empty password'"
check 'one that is too long is refused' sh -c "head -c 600 /dev/zero | tr '\0' x | '$postern' -c '$conf' user add carol 2>&1 | grep 'longer than 511'"
check 'no account came of it' hasnt accounts carol
check 'accounts are listed' sh -c "[ \"\$('$postern' -c '$conf' user list | tr '\n' ' ')\" = 'alice@example.test bob@example.test ' ]"
sed -i 's/^\(bob@[^:]*:[^:]*\).*/\1:1000:1000::\/home\/bob::allow_nets=local userdb_quota=1/' "$d/secrets"
before=$(grep ^bob@ "$d/secrets")
check 'a password is changed' sh -c "echo new-secret | '$postern' -c '$conf' user passwd bob"
check 'by another hash' test "$(grep ^bob@ "$d/secrets")" != "$before"
check 'that fits it' sh -c "grep ^bob@ '$d/secrets' | perl -ne 'm/\{CRYPT\}([^:]+)/ or exit 1; exit(crypt(q(new-secret), \$1) ne \$1)'"
check 'a verifier stands beside it, and what stood there stays' grep -q \
    '^bob@example.test:{CRYPT}[^:]*:1000:1000::/home/bob::scram={SCRAM-SHA-256}65536,[^: ]* allow_nets=local userdb_quota=1$' "$d/secrets"
verifier=$(sed -n 's/^bob@.*scram=\([^ ]*\).*/\1/p' "$d/secrets")
check 'of the same password' perl -Itests/lib -MScram -MDigest::SHA=sha256,hmac_sha256 -MMIME::Base64 -e '
    my (undef, $iterations, $salt, $stored, $server) = $ARGV[0] =~ /^(\{SCRAM-SHA-256\})(\d+),(.*),(.*),(.*)$/ or exit 1;
    my $salted = Scram::salted_password("new-secret", decode_base64($salt), $iterations);
    exit !(sha256(hmac_sha256("Client Key", $salted)) eq decode_base64($stored) &&
           hmac_sha256("Server Key", $salted) eq decode_base64($server))' "$verifier"
check 'changed again' sh -c "echo newer-secret | '$postern' -c '$conf' user passwd bob"
check 'it has one verifier' test "$(grep ^bob@ "$d/secrets" | grep -o scram= | wc -l)" = 1
check 'another one' sh -c "! grep -F '$verifier' '$d/secrets'"
check 'there is one line of it' test "$(grep -c ^bob@ "$d/secrets")" = 1
check 'all have one' sh -c "! '$postern' -c '$conf' tables | grep SCRAM"
cp -p "$d/secrets" "$work/secrets"
sed -i '/^bob@/s/:*scram=[^ ]*//' "$d/secrets"
check 'those that have none are counted' says 0 '1 of 2 secrets have no SCRAM verifier' run tables
echo 'scram no' >>"$conf"
check 'but where SCRAM is not offered' sh -c "! '$postern' -c '$conf' tables | grep SCRAM"
sed -i '/^scram no/d' "$conf"
cat "$work/secrets" >"$d/secrets"
check 'put back' run tables
check 'nobody has no password to change' says $EX_NOUSER 'is no account' run user passwd nobody

as_owner touch "$d/mail/example.test/bob/new/precious"
check 'removing says where the mail is' says 0 "$d/mail/example.test/bob" run user remove bob
check 'and keeps it' test -f "$d/mail/example.test/bob/new/precious"
check 'the account is gone' hasnt accounts bob
check 'and its password' hasnt secrets bob
check 'it can'\''t be removed twice' says $EX_NOUSER 'is no account' run user remove bob

# --- a password typed at a terminal: asked twice, not shown
typed() { # FIRST SECOND
    rm -f "$work/screen" # of the typing before
    mkfifo "$work/keys"
    script -qefc "'$postern' -c '$conf' user add dora" /dev/null <"$work/keys" >"$work/screen" 2>&1 &
    typist=$!
    exec 9>"$work/keys"
    eventually 60 grep -q 'Password for' "$work/screen" && echo "$1" >&9
    eventually 60 grep -q 'The same again' "$work/screen" && echo "$2" >&9
    wait "$typist"
    typed_status=$?
    exec 9>&-
    rm "$work/keys"
    cat "$work/screen"
    return $typed_status
}
differ() { ! typed dora-secret dora-secrte && grep -q differ "$work/screen"; }
silent() { ! grep -q secret "$work/screen"; }
check 'two different ones are refused' differ
check 'so there is no account' hasnt accounts dora
check 'the same twice is taken' typed dora-secret dora-secret
check 'the account is there' has accounts dora@example.test
check 'the password wasn'\''t shown' silent

# --- aliases, between comments and continuation lines
cat >>"$d/aliases" <<END
# the team
Team: alice,   # the boss
   dora
# the end
END
check 'an alias is added' run alias add info alice dora@example.test
check 'as a line' has aliases 'info: alice, dora@example.test'
check 'a target is added to one that is there' run alias add team someone@elsewhere.test
check 'where it stands' sh -c "grep -A1 '^Team: alice,   # the boss' '$d/aliases' | grep -qx '   dora, someone@elsewhere.test'"
check 'the comments stay' sh -c "grep -qx '# the team' '$d/aliases' && grep -qx '# the end' '$d/aliases'"
check 'aliases are listed' says 0 'Team: alice, dora, someone@elsewhere.test' run alias list
check 'a target is removed' run alias remove team dora
check 'the others stay' says 0 'Team: alice, someone@elsewhere.test' run alias list
check 'one that isn'\''t there can'\''t be' says $EX_NOUSER "doesn't lead to" run alias remove team dora
check 'the last target takes the alias with it' sh -c "'$postern' -c '$conf' alias remove team alice && '$postern' -c '$conf' alias remove team someone@elsewhere.test"
check 'it is gone' hasnt aliases Team
check 'an account behind an alias of its name is warned of' sh -c "echo x | '$postern' -c '$conf' user add info 2>&1 | grep 'stands before the account'"
check 'an alias is removed' run alias remove INFO
check 'only if it is there' says $EX_NOUSER 'is no alias' run alias remove info
check 'a catch-all' run alias add @second.test alice
check 'for an address' run alias add sales@second.test alice
check 'a loop is refused' says $EX_DATAERR 'l1 > l2 > l1; nothing was changed' sh -c "'$postern' -c '$conf' alias add l1 l2 && '$postern' -c '$conf' alias add l2 l1"
check 'a target that doesn'\''t exist is warned of' says 0 'until one of its targets exists' run alias add lonely ghost
check 'what is no address is refused' says $EX_DATAERR 'a target is' run alias add x 'rm -rf'
check 'or no name' says $EX_DATAERR 'is no name' run alias add a@b@c alice
check 'and nothing was changed' hasnt aliases 'a@b@c'
cat >"$work/etc-aliases" <<'END'
# /etc/aliases of another server
mailer-daemon: postmaster
ROOT: somebody
"www": root,  # whose mail
  alice
noc: /dev/null
list: :include:/etc/list
logs: "|logger -t mail"
END
chmod 644 "$work/etc-aliases"
check 'another server'"'"'s aliases are imported' says 0 'imported 3 present 1 left-out 2' run alias import "$work/etc-aliases"
check 'what can'"'"'t be one here is named' grep -qF "$work/etc-aliases:6: /dev/null: a file can't be a target" "$out"
check 'each of these' grep -qF "$work/etc-aliases:7: /etc/list: can't be included" "$out"
check 'they stand behind those that are there' grep -qE '^www: root, +alice$' "$d/aliases"
check 'one to a program too' has aliases 'logs: "|logger -t mail"'
check 'once more brings nothing' says 0 'imported 0 present 4 left-out 2' sh -c "'$postern' -c '$conf' alias import - <'$work/etc-aliases'"
cp "$d/aliases" "$work/aliases"
printf 'c1: c2\nc2: c1\n' >"$work/etc-aliases"
check 'a loop is refused' says $EX_DATAERR 'c1 > c2 > c1; nothing was changed' run alias import "$work/etc-aliases"
printf 'c1: alice\nthis is none\n' >"$work/etc-aliases"
check 'so is what is no such file' says $EX_DATAERR "$work/etc-aliases:2: needs a ':'" run alias import "$work/etc-aliases"
check 'or not there' says $EX_NOINPUT 'No such file' run alias import "$work/none"
check 'and nothing was changed' cmp "$d/aliases" "$work/aliases"

# --- edited by hand
echo 'hand@second.test: alice' >>"$d/aliases"
check 'tables compiles what was edited' run tables
cp "$d/aliases" "$work/aliases" && cp "$d/aliases.gdbm" "$work/aliases.gdbm"
echo 'this is no alias' >>"$d/aliases"
check 'a mistake names file and line' says $EX_DATAERR "$d/aliases:$(wc -l <"$d/aliases"): this is no alias: needs a ':'" run tables
check 'and leaves the table' cmp "$d/aliases.gdbm" "$work/aliases.gdbm"
check 'an edit refuses to build on it' says $EX_DATAERR 'nothing was changed' run alias add new alice
cp "$work/aliases" "$d/aliases"
printf 'esc: "\033[31mred"@example.test\n' >>"$d/aliases"
check 'control characters are shown harmless' says 0 '\x1b[31mred' run alias list
cp "$work/aliases" "$d/aliases"
printf 'no-line-feed@example.test' >>"$d/accounts"
check 'a last line without its end is completed' sh -c "echo x | '$postern' -c '$conf' user add erna && grep -qx no-line-feed@example.test '$d/accounts' && grep -qx erna@example.test '$d/accounts'"

# --- who is refused
check 'a sender is refused' run refuse add from Spam@Far.test Go away, please
check 'and a client' run refuse add client 192.0.2.0/24
check 'they are listed' says 0 'from Spam@Far.test Go away, please' run refuse list
check 'a second entry takes the place of the first' sh -c "'$postern' -c '$conf' refuse add from spam@far.test Still && [ \$('$postern' -c '$conf' refuse list | grep -ci spam@far) = 1 ]"
check 'who is meant must be clear' says $EX_DATAERR 'is no address or network' run refuse add client far.test
check 'and of which kind' says $EX_DATAERR 'must be' run refuse add sender x@far.test
check 'one is taken again' run refuse remove client 192.0.2.99/24
check 'if it was refused' says $EX_NOUSER "isn't refused" run refuse remove client 192.0.2.0/24
check 'the last one goes too' sh -c "'$postern' -c '$conf' refuse remove from spam@far.test && [ -z \"\$('$postern' -c '$conf' refuse list)\" ]"

# --- routes
check 'a route for everything' run route add '*' 'smtp:[hub.test]:587' auth
check 'and one for a domain' run route add Lists.test lmtp:unix:/run/lists
check 'they are listed' says 0 'Lists.test lmtp:unix:/run/lists' run route list
check 'a second entry takes the place of the first' sh -c "'$postern' -c '$conf' route add lists.test direct && [ \$('$postern' -c '$conf' route list | grep -ci lists) = 1 ]"
check 'a place must be one' says $EX_DATAERR 'is no place to send mail to' run route add x.test smtp:
check 'and options such' says $EX_DATAERR 'has an option that is none' run route add x.test y.test tls=strong
check 'one is removed' run route remove LISTS.test
check 'if it was there' says $EX_NOHOST 'has no route' run route remove lists.test
check 'the last one goes too' sh -c "'$postern' -c '$conf' route remove '*' && [ -z \"\$('$postern' -c '$conf' route list)\" ]"

# --- wrong settings
cp "$conf" "$work/conf"
echo 'message-size huge' >>"$conf"
check 'a wrong value names file, line and key' says $EX_CONFIG "$conf:$(wc -l <"$conf"): message-size:" run user list
cp "$work/conf" "$conf"
echo 'messages-size 1M' >>"$conf"
check 'an unknown key too' says $EX_CONFIG "$conf:$(wc -l <"$conf"): messages-size:" run config
check 'setup doesn'\''t touch it' says $EX_CONFIG 'messages-size' run setup mail.example.test example.test
cp "$work/conf" "$conf"

# --- many at a time
many() {
    list=
    for i in $(seq 20); do
        add "u$i" "secret-$i" &
        list="$list $!"
    done
    run alias add busy alice &
    list="$list $!"
    for p in $list; do
        wait "$p" || return 1
    done
}
check 'twenty are added at a time' many
check 'no account is lost' test "$(run user list | grep -c '^u[0-9]*@example.test')" = 20
check 'no secret' test "$(grep -c '^u[0-9]*@example.test:{CRYPT}' "$d/secrets")" = 20
check 'nor the alias' has aliases 'busy: alice'
check 'nothing is left lying about' sh -c "! ls '$d' | grep -e tmp -e new"

# --- no room: what was there goes on, and the same command works when there is room again
no_room() { (trap '' XFSZ; ulimit -f 16; add full full-secret 2>"$out"; [ $? != 0 ]) && grep -qF "$d/" "$out"; }
check 'without room for a table it says so' no_room
check 'the account isn'\''t there' hasnt accounts full@
check 'nothing is left lying about then' sh -c "! ls '$d' | grep -e tmp -e new"
check 'with room it works' add full full-secret
check 'there is one secret of it' test "$(grep -c ^full@ "$d/secrets")" = 1
full_output() { run config >/dev/full 2>"$out"; [ $? = 74 ]; }
check 'output that can'\''t be written is an error' full_output

# --- killed anywhere, the next one goes on
killed() {
    done=
    for i in $(seq 25); do
        echo secret | timeout -s KILL "0.0$((i + 10))" "$postern" -c "$conf" user add "k$i" 2>/dev/null && done="$done $i"
        run user list >/dev/null || return 1
    done
    run tables || return 1
    for i in $done; do
        has accounts "k$i@example.test" || return 1
    done
    for i in $(seq 25); do
        add "k$i" secret 2>"$out" || has accounts "k$i@example.test" || return 1
    done
    [ "$(run user list | grep -c '^k')" = 25 ] && [ "$(grep -c '^k' "$d/secrets")" = 25 ]
}
check 'killed at any moment it loses nothing' killed
as_owner touch "$d/secrets.123.456.tmp" "$d/secrets.mine"
check 'the next command' run tables
check 'removes what they left' sh -c "! ls '$d' | grep 'tmp\$'"
check 'and nothing else' test -f "$d/secrets.mine"

# --- the queue
message() { # ID SENDER RECIPIENT...
    id=$1 sender=$2
    shift 2
    {
        printf 'postern-queue 1\ntime %s\nsize 22\nbody 7bit\nfrom %s\n' "$(($(date +%s) - 7200))" "$sender"
        printf 'T %s\n' "$@"
        printf '\nSubject: hi\r\n\r\nhello\r'
    } >"$work/message"
    printf '\n' >>"$work/message"
    chmod 644 "$work/message"
    as_owner cp "$work/message" "$d/spool/queue/$id"
}

id1=0006440f2a3b4c-0123456789abcdef
id2=0006440f2a3b4d-0123456789abcdef
quiet() { [ -z "$("$@" 2>&1)" ]; }
mark() { awk -v to="$2" '$2 == to { print $1; exit }' "$d/spool/queue/$1"; }
check 'an empty queue says nothing to a pipe' quiet run queue
message $id1 alice@example.test bob@far.test carol@far.test
message $id2 '' "$(printf 'x\303\244@far.test')"
check 'the list has a line a recipient' test "$(run queue list | wc -l)" = 3
check 'with id, age, size, next attempt, sender and recipient' sh -c "'$postern' -c '$conf' queue | grep -qE '^$id1  *2h  *22  *now  <alice@example.test> <carol@far.test> -\$'"
check 'one is shown' says 0 'waiting    <bob@far.test>' run queue show $id1
printf 'Subject: hi\r\n\r\nhello\r\n' >"$work/content"
check 'with its message as it is' sh -c "'$postern' -c '$conf' queue show $id1 | tail -n 3 | cmp - '$work/content'"
id3=0006440f2a3b4e-0123456789abcdef release=$(($(date +%s) + 5000))
message $id3 alice@example.test dave@far.test
as_owner sed -i "s/^body 7bit/&\\nrelease $release/" "$d/spool/queue/$id3"
check 'one that is to be released later is tried next then' sh -c "'$postern' -c '$conf' queue | grep -qE '^$id3  *2h  *22  *[78][0-9]m  <alice'"
check '... for programs too' sh -c "'$postern' -c '$conf' queue --json | grep '\"id\":\"$id3\"' | grep -q '\"next\":$release,.*\"release\":$release,'"
check '... and where it is shown' sh -c "'$postern' -c '$conf' queue show $id3 | grep -q '^next  *$(date -d @$release '+%F %T')'"
as_owner rm "$d/spool/queue/$id3"
check 'it is held' run queue hold $id1
check 'for all recipients' test "$(mark $id1 bob@far.test)$(mark $id1 carol@far.test)" = HH
check 'the list says so' sh -c "[ \$('$postern' -c '$conf' queue | grep -c ' held ') = 2 ]"
check 'it is held once' says $EX_DATAERR 'no recipient that waits' run queue hold $id1
check 'and released' run queue release $id1
check 'to be tried again' test "$(mark $id1 bob@far.test)$(mark $id1 carol@far.test)" = TT
check 'what isn'\''t held can'\''t be' says $EX_DATAERR 'no recipient that is held' run queue release $id1
due=$(($(date +%s) + 3600))
as_owner mkdir -p "$d/spool/queue/deferred/$due"
as_owner mv "$d/spool/queue/$id1" "$d/spool/queue/deferred/$due/$id1"
printf 'next %s\nattempts 3\n0 450 4.2.0 \033[31mlater\n' $due >"$work/why" && chmod 644 "$work/why"
as_owner cp "$work/why" "$d/spool/queue/deferred/$due/$id1.why"
check 'a deferred one says when and why, and nothing that a terminal obeys' \
    sh -c "'$postern' -c '$conf' queue | grep -qE '^$id1 .* (59|60)m  .*bob@far.test> 450 4.2.0 .x1b.31mlater\$'"
check 'it is shown with its attempts' says 0 'attempts   3' run queue show $id1
check 'retry' run queue retry $id1
check 'makes it due' sh -c "'$postern' -c '$conf' queue | grep -qE '^$id1 .* now  .*bob@far.test> 450'"
check 'retry of all' run queue retry
locked() {
    (
        flock 8
        says $EX_TEMPFAIL 'being sent just now' run queue drop $id2
    ) 8<>"$d/spool/queue/$id2"
}
check 'what is being sent is left alone' locked
check 'drop says what it dropped' says 0 "dropped $id2 <> <" run queue drop $id2
check 'it is gone' test ! -e "$d/spool/queue/$id2"
check 'what isn'\''t there is said so' says $EX_NOINPUT "isn't in the queue" run queue show $id2
check 'what is no ID is said so' says $EX_DATAERR 'is no ID' run queue drop ../../accounts

# Options of the envelope, odd addresses, JSON, and commands for several messages.
id3=0006440f2a3b4e-0123456789abcdef
{
    printf 'postern-queue 1\ntime %s\nsize 22\nbody 8bit\nrequire-tls\nreturn headers\nenvid QQ314159\nfrom "a b"@example.test\n' "$(date +%s)"
    printf 'T dan@far.test\n notify=success,delay orcpt=rfc822;d@far.test\nT eve@near.test\n\n'
    cat "$work/content"
} >"$work/message" && chmod 644 "$work/message"
as_owner cp "$work/message" "$d/spool/queue/$id3"
# Fields by number, as awk cuts them.
fields() { run queue | awk -v id="$1" -v want="$2" '$1 == id && $5 " " $6 == want { found = 1 } END { exit !found }'; }
check 'a blank in an address makes no new column' fields $id3 '<"a\\x20b"@example.test> <dan@far.test>'
for text in 'body       8bit REQUIRETLS' 'return     headers' 'envid      QQ314159' 'notify success,delay' 'orcpt rfc822;d@far.test'; do
    check "show says: $text" says 0 "$text" run queue show $id3
done
json() {
    filter=$1
    shift
    run queue "$@" --json | jq -es "$filter"
}
check 'the list as JSON' json 'length == 2 and .[1].id == "'$id3'" and .[1].sender == "\"a b\"@example.test"
    and .[1].recipients[0] == {address: "dan@far.test", state: "waiting", notify: ["success", "delay"], orcpt: "rfc822;d@far.test"}
    and .[1].requiretls and .[1].ret == "headers" and .[1].envid == "QQ314159" and .[0].attempts == 3
    and (.[0].recipients[0].reply | startswith("450 4.2.0 "))'
check 'one as JSON has its header' json '.[0].header == "Subject: hi\r\n"' show $id3
check 'by domain' test "$(run queue --domain far.test | wc -l)" = 3
check 'by recipient and sender' test "$(run queue --recipient=EVE@near.test --sender '<"a b"@example.test>' | wc -l)" = 1
check 'by a sender who sent nothing' quiet run queue --sender nobody@example.test
check 'hold by domain' run queue hold --domain near.test
check 'holds only those recipients' test "$(mark $id3 dan@far.test)$(mark $id3 eve@near.test)" = TH
check 'hold of all' run queue hold all
check 'holds the rest' test "$(mark $id3 dan@far.test)$(run queue | grep -c ' held ')" = H4
check 'release of all' run queue release all
check 'releases them' test "$(run queue | grep -c ' now ')" = 4
check 'drop by recipient' says 0 'dropped '$id3' <"a\x20b"@example.test> <eve@near.test>' run queue drop --recipient eve@near.test
check 'drops that one' test "$(mark $id3 dan@far.test)$(mark $id3 eve@near.test)" = TD
check 'drop of the last recipient' says 0 "dropped $id3" run queue drop --recipient dan@far.test
check 'removes the message' test ! -e "$d/spool/queue/$id3"
check 'hold needs to know what' says $EX_USAGE 'queue hold' run queue hold
check 'an ID and all are too much' says $EX_USAGE 'exclude each other' run queue drop $id1 all
check 'what is no command is none' says $EX_USAGE "'queue $id1' is no command" run queue $id1
check 'what is no option is none' says $EX_USAGE 'no such option' run queue --recipents x
check 'a filter without a value' says $EX_USAGE 'value is missing' run queue --domain
on_terminal() { script -qec "stty cols $1; '$postern' -c '$conf' queue" /dev/null </dev/null | tr -d '\r' >"$work/screen"; }
check 'on a terminal' on_terminal 80
check '... there is a heading' grep -q '^ID  *AGE  *SIZE  *NEXT' "$work/screen"
check '... no line is wider than it' sh -c "! awk 'length(\$0) > 80' '$work/screen' | grep ."
check '... and the reply has a line of its own' grep -q '^    450 4.2.0' "$work/screen"

# 10,000 deferred messages, of 100 due times.
many() {
    perl -e 'my ($dir, $now) = ($ARGV[0], time);
        for my $i (1 .. 10000) {
            my $due = $now + 3600 + 60 * ($i % 100);
            my $file = sprintf "%s/%d/%014x-%016x", $dir, $due, ($now - 7200) * 1e6, $i;
            mkdir "$dir/$due";
            open my $f, ">", $file or die "$file: $!";
            printf $f "postern-queue 1\ntime %d\nsize 2\nbody 7bit\nfrom a\@b.test\nT user%d\@far.test\n\n\r\n", $now - 7200, $i;
            close $f;
            open $f, ">", "$file.why" or die;
            print $f "next $due\nattempts 3\n0 450 4.2.0 later\n";
        }' "$d/spool/queue/deferred" && [ "$(id -u)" != 0 ] || chown -R "$(stat -c %u:%g "$d")" "$d/spool/queue/deferred"
}
fast() { # in processor time
    took=$(perl -e 'my $list = shift; my $pid = fork // die; if (!$pid) { open STDOUT, ">", $list; exec @ARGV } waitpid $pid, 0; $? and exit 1;
        my @t = times; printf "%d\n", 1000 * ($t[2] + $t[3])' "$work/list" "$postern" -c "$conf" queue) || return
    echo "$took ms"
    [ "$(wc -l <"$work/list")" = 10002 ] && [ $took -lt 3000 ]
}
check '10,000 deferred messages' many
check 'are listed fast' fast
check 'and dropped' sh -c "[ \$('$postern' -c '$conf' queue drop --domain far.test --sender a@b.test | grep -c '^dropped') = 10000 ]"
check 'but for the others' test "$(run queue | wc -l)" = 2

printf 'garbage' >"$work/garbage" && chmod 644 "$work/garbage"
as_owner cp "$work/garbage" "$d/spool/queue/$id2"
check 'a damaged file is named, and the others are listed' says $EX_DATAERR "$id2: the file is damaged" run queue
check 'it stays' test -f "$d/spool/queue/$id2"

check 'in the end nothing belongs to root' sh -c "find '$d' -user 0 | { ! grep .; }"
done_testing
