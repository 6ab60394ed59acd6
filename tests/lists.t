#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What programs read of postern(8): lists are an entry a line, the first column of which awk finds, without a heading; with --json an object a
# line, that jq reads, of the same entries. Every command that has --json is among them.
cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh
BUILD=${BUILD:-build}
bin=$(cd "$BUILD" && pwd)/bin
server=$work/server conf=$work/server/postern.conf
postern() { "$bin/postern" -c "$conf" "$@"; }
as_owner() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid="$(stat -c %u "$server")" --regid="$(stat -c %g "$server")" --clear-groups "$@"
    else
        "$@"
    fi
}

set_up() {
    postern setup mail.example.test example.test || return
    for user in alice bob jörg; do
        echo secret | postern user add "$user@example.test" || return
    done
    postern user quota bob storage=2G messages=1000 && postern user disable jörg && postern domain add other.test = example.test &&
        postern domain add far.test relay && postern relay add bob@far.test @far.test && postern bcc add from alice@example.test bob jörg &&
        postern bcc add all bob &&
        postern alias add sales alice '|/bin/echo "a, b"' && postern refuse add from spam.example 'Not "you", please' &&
        postern refuse add client 192.0.2.0/24 && postern route add far.test 'smtp:[mx.far.test]:2525' tls=encrypt &&
        postern route add '*' direct || return
    printf 'hello\n' | as_owner "$bin/sendmail" -c "$conf" -f alice@example.test x@nowhere.test
    printf '1795717576.123456 mail smtpd[11]: event=refused peer=192.0.2.1 to=bob@example.test why="a \\"word\\" \\x1b[31m" session=x\n' >"$work/log"
}

# one LINE JQ COMMAND...: of the objects that the command prints, the one that JQ chooses is LINE; its text has as many lines
one() {
    local expected=$1 choose=$2
    shift 2
    postern "$@" --json >"$work/json" || return
    cat "$work/json"
    [ "$(jq -c "select($choose)" "$work/json")" = "$expected" ] && [ "$(wc -l <"$work/json")" = "$(jq -c . "$work/json" | wc -l)" ] || return
    postern "$@" >"$work/text" || return
    [ "$(grep -vc '^;' "$work/text")" = "$(wc -l <"$work/json")" ] || { cat "$work/text"; return 1; }
}
first() { # COLUMN-1 COMMAND...: the first words of its lines
    local expected=$1
    shift
    [ "$(postern "$@" | awk '{ print $1 }' | paste -sd' ')" = "$expected" ] || { postern "$@"; return 1; }
}

check 'a server' set_up
check 'domain list' one '{"domain":"other.test","kind":"alias","target":"example.test"}' '.kind=="alias"' domain list
check '... its first column' first 'example.test other.test far.test' domain list
check 'relay list' one '{"recipient":"@far.test"}' '.recipient=="@far.test"' relay list
check '... its first column' first 'bob@far.test @far.test' relay list
check 'bcc list' one '{"of":"from","who":"alice@example.test","targets":["bob","jörg"]}' '.of=="from"' bcc list
check '... for all' one '{"of":"all","who":null,"targets":["bob"]}' '.of=="all"' bcc list
check 'user list' one '{"account":"bob@example.test","disabled":false,"limits":["storage=2G","messages=1000"]}' '.account|startswith("bob")' user list
check '... who is disabled' one '{"account":"jörg@example.test","disabled":true,"limits":[]}' .disabled user list
check '... its first column' first 'alice@example.test bob@example.test jörg@example.test' user list
check 'alias list' one '{"name":"sales","targets":["alice","|/bin/echo \"a, b\""]}' '.name=="sales"' alias list
check '... its first column' first 'postmaster: abuse: hostmaster: root: sales:' alias list
check 'refuse list' one '{"what":"from","who":"spam.example","text":"Not \"you\", please"}' '.what=="from"' refuse list
check '... without a text' one '{"what":"client","who":"192.0.2.0/24","text":null}' '.text==null' refuse list
check 'route list' one '{"who":"far.test","where":"smtp:[mx.far.test]:2525","options":["tls=encrypt"]}' '.options!=[]' route list
check '... its first column' first 'far.test *' route list
key=$(ls "$server/dkim/example.test" | sed -n 's/\(.*ed25519\)\.pem/\1/p')
made=$(stat -c %Y "$server/dkim/example.test/$key.pem")
check 'dkim list' one '{"domain":"example.test","selector":"'"$key"'","type":"ed25519","bits":256,"state":"signing","made":'"$made"',"dns":null}' \
    '.type=="ed25519"' dkim list example.test
check 'dns' one '{"name":"example.test","type":"MX","value":"10 mail.example.test."}' '.type=="MX" and .name=="example.test"' dns example.test
long() { postern dns --json | jq -r 'select(.type=="TXT" and (.value|test("k=rsa"))).value' | grep -qx 'v=DKIM1; k=rsa; h=sha256; p=[A-Za-z0-9+/=]*'; }
check '... strings that are one text, joined' long
check 'config' one '{"key":"scram","value":"yes"}' '.key=="scram"' config
check 'queue' test "$(postern queue --json | jq -r '.recipients[].address')" = x@nowhere.test
id=$(postern queue list --json | jq -r .id)
check '... its columns' test "$(postern queue | awk '{ print $1, $6 }')" = "$id <x@nowhere.test>"
check '... and a message' test "$(postern queue show "$id" --json | jq -r .sender)" = alice@example.test
check 'trace' test "$(postern trace --json --file "$work/log" bob@example.test | jq -c '[.time, .program, .event, .why]')" = \
    '[1795717576,"smtpd","refused","a \"word\" \u001b[31m"]'
check 'user show' test "$(postern user show bob --json | jq -c '[.account, .disabled, .scram, .grade, .["last-login"]]')" = \
    '["bob@example.test",false,true,"good",null]'
postern user apppass add bob phone >/dev/null
check 'user apppass list' test "$(postern user apppass list --json | jq -c 'del(.made)')" = \
    '{"account":"bob@example.test","name":"phone","used":null,"service":null,"peer":null}'
check 'user quota' test "$(postern user quota --json bob | jq -c 'del(.bytes, .messages)')" = \
    '{"account":"bob@example.test","bytes-limit":2147483648,"messages-limit":1000}'
check '... where there is none' test "$(postern user quota --json alice)" = \
    '{"account":"alice@example.test","bytes":0,"bytes-limit":null,"messages":0,"messages-limit":null}'
echo secret | postern master add boss
check 'master list' one '{"master":"boss"}' '.master' master list
printf 'From a@b  Fri Nov 21 09:55:06 1997\nSubject: x\n\nhi\n\n' >"$work/mbox"
chmod 755 "$work"
check 'import' test "$(postern import --json --folder Wörk alice "$work/mbox")" = '{"folder":"Wörk","imported":1,"present":0,"uids-kept":false}'
check 'export' test "$(postern export --json alice "$server/exported" | jq -c 'select(.exported > 0)')" = '{"folder":"Wörk","exported":1}'
check 'status' sh -c "'$bin/postern' -c '$conf' status --json --file '$work/log' --proc '$work' 2>/dev/null | jq -e .queue.messages"
check 'doctor' sh -c "'$bin/postern' -c '$conf' doctor --json disk clock | jq -e . || [ \$? = 4 ]"
check 'a list of nothing is empty' test -z "$(postern relay remove bob@far.test @far.test && postern relay list --json)"

# ---- every command that says it has --json is looked at here, or where its own tests are
elsewhere='backup restore'
unseen() {
    "$bin/postern" help | grep -e --json | sed -nE 's/^  ([a-z][a-z-]*( [a-z-]+)?) .*/\1/p' | sort -u | while read -r command; do
        case " $elsewhere " in *" ${command%% *} "*) continue ;; esac
        grep -qE "[ '(]$command( |\$)" tests/lists.t || echo "$command"
    done
}
check 'no other command has it' test -z "$(unseen)"
done_testing
