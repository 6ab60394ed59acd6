#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Accounts from passwd-files: each scheme that a real `doveadm pw` writes is imported and logged in with, or refused by its name;
# fields and limits, what can't be honoured, a second import, /etc/shadow, and what a real Dovecot reads of it again.
. tests/tap.sh
. tests/server.sh

postern() { as_server "$place/bin/postern" -c "$conf" "$@"; }
prepare() {
    server_place "$work/server" && server_home && echo 'plaintext-login yes' >>"$conf" && touch "$place/users" && chmod 644 "$place/users"
}
# import OPTIONS...: imports $place/users; what it said is in $work/said, and its exit status is that of the command.
import() { postern user import "$@" "$place/users" >"$work/said" 2>&1; }
gives() { # STATUS COMMAND...
    wanted=$1
    shift
    "$@"
    got=$?
    [ "$got" = "$wanted" ] || { echo "exit status $got"; cat "$work/said"; return 1; }
}
said() { grep -Fqe "$1" "$work/said" || { cat "$work/said"; return 1; }; }
logs_in() { # NAME PASSWORD
    printf 'USER %s\r\nPASS %s\r\nQUIT\r\n' "$1" "$2" | as_server timeout 60 "$place/bin/pop3d" -c "$conf" 2>>"$place/log" | tr -d '\r' >"$work/heard"
    [ "$(sed -n 3p "$work/heard" | cut -c 1-3)" = +OK ] || { cat "$work/heard"; return 1; }
}
fails() { ! "$@"; }
check "a server of its own" prepare

# --- each scheme of Dovecot's

can='SSHA SSHA256 SSHA512 SMD5 SHA SHA1 SHA256 SHA512 PLAIN-MD5 LDAP-MD5 MD5 PBKDF2 SCRAM-SHA-1 SCRAM-SHA-256 PLAIN CLEARTEXT CLEAR
    CRYPT MD5-CRYPT SHA256-CRYPT SHA512-CRYPT BLF-CRYPT DES-CRYPT SSHA256.HEX SHA512.B64 SMD5.HEX'
cannot='ARGON2I ARGON2ID PLAIN-MD4 CRAM-MD5 DIGEST-MD5 OTP'
name_of() { echo "$1" | tr 'A-Z.' 'a-z_'; }
for scheme in $can; do
    echo "$(name_of $scheme):$(doveadm pw -s $scheme -p right-1)" >>"$place/users"
done
check "all that can be checked are imported" gives 0 import
for scheme in $can; do
    check "$scheme: the right password" logs_in "$(name_of $scheme)" right-1
done
for scheme in SSHA PBKDF2 SCRAM-SHA-1 PLAIN PLAIN-MD5 MD5; do
    check "$scheme: a wrong one" fails logs_in "$(name_of $scheme)" right-2
done
check "plain text isn't kept" fails grep -qi 'right-1\|{plain}\|{clear' "$home/secrets"
check "and is said, by the lines" said 'lines 15-17: the password stood there as it is; hashes of it are kept'
check "so are those that are guessed fast" said 'is guessed fast where it is stolen: SMD5.HEX'
check "again: nothing changes" gives 0 import
check "and it says so" said '0 made, 0 replaced, 26 as they were, 0 left alone'
: >"$place/users"
for scheme in $cannot; do
    echo "$(name_of $scheme)@example.test:$(doveadm pw -u x -s $scheme -p right-1)" >>"$place/users"
done
echo 'fine:{PLAIN}fine-1' >>"$place/users"
check "those that can't be are refused" gives 65 import
for scheme in $cannot; do
    check "by name: $scheme" said ": has a password in the scheme $scheme, which can't be checked here"
done
check "with file and line" grep -Eq 'users:2: argon2id@example.test: ' "$work/said"
check "the others are imported" said '1 made, 0 replaced, 0 as they were, 0 left alone, 0 without a password, 6 refused'
check "and log in" logs_in fine fine-1

# --- fields

check "a domain that is another name of ours, and one that is relayed" eval 'postern domain add also.test = example.test && postern domain add relayed.test relay all'
cat >"$place/users" <<'END'
# of Dovecot's

carol:{PLAIN}carol-1:1000:1000:Carol:/var/vmail/carol:/bin/false:userdb_quota_rule=*:storage=1G:messages=5000
dave@example.test:{PLAIN}dave-1::::::nologin allow_nets=10.0.0.0/8 userdb_mail=maildir:~/mail
erin:{PLAIN}erin-1::::::proxy=y host=192.0.2.1
frank:{PLAIN}frank-1::::::userdb_quota_rule=Trash:storage=+10%%
grace:::::::
carol@EXAMPLE.test:{PLAIN}again
heidi@elsewhere.test:{PLAIN}heidi-1
a b:{PLAIN}x
ivan:{PLAIN}ivan-1::::::nopassword=y
judy:{PLAIN}judy-1::::::allow_nets=home
ken:{PLAIN
laura@also.test:{PLAIN}laura-1
mike@relayed.test:{PLAIN}mike-1
END
check "a dry run" gives 65 import --dry-run
check "says what would be" said 'would be: 3 made,'
check "and does nothing" fails grep -q carol "$home/secrets" "$home/accounts"
check "fields of Dovecot's" gives 65 import
for what in ':5: erin: has proxy, which' ':8: carol@EXAMPLE.test: is there twice' ':9: heidi@elsewhere.test: is of no domain' ':10: a b: is no address' \
    ':11: ivan: has nopassword, which' ":12: judy: has an allow_nets that isn't" ":13: ken: has a '{' without" \
    ':14: laura@also.test: is of a domain that is only another name, or relayed' ':15: mike@relayed.test: is of a domain that is' 'line 7: there is no password' \
    'line 3: uid and gid: are kept' 'line 3: home: is kept' 'line 3: gecos and shell' 'line 4: userdb_mail: is kept' 'line 6: userdb_quota_rule: is kept' \
    'lines 3-4, 6: the password stood' '3 made, 0 replaced, 0 as they were, 0 left alone, 1 without a password, 9 refused'; do
    check "it says: $what" said "$what"
done
check "who is refused isn't there" fails grep -Eq 'erin|heidi|ivan|judy|ken|laura|mike' "$home/accounts" "$home/secrets"
check "limits are the account's" grep -Eq '^carol@example.test storage=(1G|1073741824) messages=5000$' "$home/accounts"
check "the other fields stand in secrets" grep -Eq '^carol@example.test:\{CRYPT\}[^:]*:1000:1000:Carol:/var/vmail/carol:/bin/false:scram=\S+ userdb_quota' "$home/secrets"
check "with a Maildir" test -d "$mail/example.test/carol/new"
check "she logs in" logs_in carol carol-1
check "a disabled one doesn't" fails logs_in dave dave-1
check "nor who wasn't imported" fails logs_in erin erin-1

# --- again, with something else

printf 'carol:{PLAIN}carol-2\nfrank:{SSHA}%s\n' "$(doveadm pw -s SSHA -p frank-2 | sed 's/.*}//')" >"$place/users"
phone=$(postern user apppass add carol phone)
check "another password of an account isn't taken" gives 65 import
check "but named" said ':1: carol@example.test: is an account with another password, and stays so; --replace takes this one'
check "the old one counts" logs_in carol carol-1
check "unless it is wanted" gives 0 import --replace
check "then it counts" logs_in carol carol-2
check "and the other's" logs_in frank frank-2
check "an app password from here stays" logs_in carol "$phone"
check "limits too" grep -Eq '^carol@example.test storage=(1G|1073741824) messages=5000$' "$home/accounts"
check "once more: all is the same" gives 0 import --replace
check "it says so" said '0 made, 0 replaced, 2 as they were'
check "disabled here" postern user disable carol
check "she stays so" gives 0 import --replace
check "whatever the file says" fails logs_in carol carol-2

# --- /etc/shadow, and other default schemes

cat >"$place/users" <<'END'
root:*:19000:0:99999:7:::
mallory:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1:19000:0:99999:7:::
niaj:!$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1:19000:0:99999:7:::
olivia:$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1:19000:0:99999:7::20000:
END
check "a file like /etc/shadow" gives 0 import
check "a password of it" logs_in mallory 'Hello world!'
check "a locked one" fails logs_in niaj 'Hello world!'
check "an expired one" fails logs_in olivia 'Hello world!'
for what in 'line 1: there is no password' 'line 3: the password is locked: the account is disabled' 'line 4: it has expired: the account is disabled' '3 made'; do
    check "it says: $what" said "$what"
done
check "none of its numbers is taken for an ID" fails grep -q ':19000' "$home/secrets" # without ':' hashes may have it
printf 'peggy:peggy-1\n' >"$place/users"
check "a default scheme and domain, from standard input" eval 'postern user import --scheme PLAIN --domain example.test - <"$place/users" >"$work/said" 2>&1'
check "a password of it" logs_in peggy peggy-1
check "no such file" gives 66 postern user import "$place/nothing"
check "usage" gives 64 postern user import --what "$place/users"

# --- our own

check "our own secrets are a passwd-file as well" gives 0 postern user import --replace "$home/secrets"
check "and nothing is lost in it" eval 'postern user import --replace "$home/secrets" >"$work/said" 2>&1; grep -Eq "^0 made, 0 replaced, [1-9][0-9]+ as they were, 0 left alone, 0 without a password, 0 refused$" "$work/said"'
check "an app password is as good" eval 'postern user enable carol && logs_in carol "$phone"'

# --- back to Dovecot

cp "$home/secrets" "$work/secrets" && chmod 644 "$work/secrets"
dovecot_takes() { # NAME PASSWORD
    hash=$(sed -n "s/^$1@example.test:\([^:]*\).*/\1/p" "$work/secrets")
    [ -n "$hash" ] && doveadm pw -t "$hash" -p "$2" | grep -q verified
}
for who in carol:carol-2 frank:frank-2 ssha512:right-1 scram-sha-256:right-1 mallory:'Hello world!'; do
    check "Dovecot takes ${who%%:*}'s hash" dovecot_takes "${who%%:*}" "${who#*:}"
done
done_testing
