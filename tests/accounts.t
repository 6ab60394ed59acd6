#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Accounts as an administrator handles them, and real clients log in to them: app passwords (gsasl, curl, msmtp, mutt's kin by
# IMAP, POP3 and submission, by PLAIN, LOGIN and SCRAM), what each was last used for, and disabling.
. tests/tap.sh
. tests/server.sh

at_end=end_services
postern() { as_server "$place/bin/postern" -c "$conf" "$@"; }
listening() { [ -n "$(ss -Hltn "sport = :$1")" ]; }
prepare() {
    server_place "$work/server" && server_home || { cat "$place/log"; return 1; }
    imap=$(free_port)
    service "$imap" "$place/bin/imapd" -c "$conf"
    pop3=$(free_port)
    service "$pop3" "$place/bin/pop3d" -c "$conf"
    submission=$(free_port)
    service "$submission" "$place/bin/smtpd" -s -c "$conf"
    eventually 60 listening "$imap" && eventually 60 listening "$pop3" && eventually 60 listening "$submission"
}
fails() { ! "$@"; }
says() { # TEXT COMMAND...: it fails, and says so
    text=$1
    shift
    ! "$@" >"$work/said" 2>&1 && grep -qe "$text" "$work/said" || { cat "$work/said"; return 1; }
}
check "a server of its own" prepare

# --- app passwords

check "an app password is made and printed once" eval 'phone=$(postern user apppass add alice phone)'
check "it is five groups of four" eval 'echo "$phone" | grep -Eqx "[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){4}"'
check "another" eval 'tablet=$(postern user apppass add alice@example.test tablet)'
check "which is different" [ "$phone" != "$tablet" ]
check "nothing of it stands in the tables" fails grep -q "$phone" "$home/secrets"
check "a name is used once" says 'has an app password of that name' postern user apppass add alice phone
check "and has no blanks" says 'a name is of letters' postern user apppass add alice 'my phone'
check "nobody's account" says 'is no account here' postern user apppass add carol phone
check "usage" says 'apppass add ADDRESS NAME' postern user apppass add alice
check "they haven't been used" eval '[ "$(postern user apppass list alice | grep -Ec "^alice@example.test (phone|tablet) [^ ]+Z - - -$")" = 2 ]'

logged() { grep -q "event=login user=alice@example.test .* mechanism=$1.* password=$2 session=" "$place/log"; }
as() { # MECHANISM NAME COMMAND...: it logs in by that, with that app password; the log is forgotten before
    mechanism=$1 name=$2
    shift 2
    as_server sh -c ": >'$place/log'"
    "$@" </dev/null >"$work/client" 2>&1 && logged "$mechanism" "$name" || { tail -5 "$work/client" "$place/log"; return 1; }
}
gsasl_imap() { # PASSWORD OPTIONS...
    password=$1
    shift
    timeout 60 gsasl --imap -d --x509-ca-file= -a alice@example.test -z alice@example.test -p "$password" --connect "127.0.0.1:$imap" "$@" |
        grep '^\. OK .*Logged in'
}
curl_by() { # URL PASSWORD OPTIONS...
    url=$1 password=$2
    shift 2
    timeout 60 curl -sS --insecure --ssl-reqd --user "alice:$password" "$@" "$url"
}
printf 'From: alice@example.test\r\n\r\nhello\r\n' >"$work/message"
send="--upload-file $work/message --mail-from alice@example.test --mail-rcpt bob@example.test"
msmtp_by() { # MECHANISM PASSWORD
    printf 'From: alice@example.test\n\nhello\n' | timeout 60 msmtp -C /dev/null --host=127.0.0.1 --port="$submission" --tls=on \
        --tls-certcheck=off --auth="$1" --user=alice --passwordeval="echo $2" --from=alice@example.test bob@example.test
}
check "curl, IMAP: an app password" as PLAIN phone curl_by "imap://127.0.0.1:$imap/INBOX" "$phone"
check "curl, POP3" as PLAIN phone curl_by "pop3://127.0.0.1:$pop3/" "$phone"
check "curl, submission" as PLAIN tablet curl_by "smtp://127.0.0.1:$submission/c" "$tablet" $send --login-options AUTH=LOGIN
check "gsasl, IMAP: SCRAM-SHA-256 knows which of them it is" as SCRAM-SHA-256 phone gsasl_imap "$phone" --no-starttls -m SCRAM-SHA-256
check "the other too" as SCRAM-SHA-256 tablet gsasl_imap "$tablet" --starttls --no-cb -m SCRAM-SHA-256
check "and bound to the channel" as SCRAM-SHA-256-PLUS tablet gsasl_imap "$tablet" --starttls -m SCRAM-SHA-256-PLUS
check "msmtp: scram-sha-256" as SCRAM-SHA-256 phone msmtp_by scram-sha-256 "$phone"
check "a wrong one" fails gsasl_imap "x$phone" --starttls -m SCRAM-SHA-256-PLUS
check "the account's own is as good" gsasl_imap alice-secret --starttls -m SCRAM-SHA-256-PLUS
check "and named nowhere" fails grep -q "$phone\|$tablet" "$place/log"

used() { postern user apppass list alice | grep -E "^alice@example.test $1 [^ ]+Z [^ ]+Z $2 127.0.0.1$"; }
check "the list says when and from where the phone logged in first within the hour" used phone imapd
check "and the tablet" used tablet smtpd
check "show has them too" eval 'postern user show alice | grep -Eq "^app phone [^ ]+Z [^ ]+Z imapd 127.0.0.1$"'
check "and the last login" eval 'postern user show alice | grep -Eq "^last-login [^ ]+Z [^ ]+ [a-z0-9]+d 127.0.0.1$"'
check "and the scheme" eval 'postern user show alice | grep -qx "password CRYPT good"'

newword() { echo alice-new | postern user passwd alice; }
check "a new password of the account's own" newword
check "by SCRAM" gsasl_imap alice-new --starttls -m SCRAM-SHA-256-PLUS
check "not the old one" fails gsasl_imap alice-secret --starttls -m SCRAM-SHA-256-PLUS
check "leaves app passwords as they are, by SCRAM" as SCRAM-SHA-256-PLUS phone gsasl_imap "$phone" --starttls -m SCRAM-SHA-256-PLUS
check "and as they are" as PLAIN phone curl_by "imap://127.0.0.1:$imap/INBOX" "$phone"

check "one is taken back" postern user apppass remove alice phone
check "and refused at once" fails curl_by "imap://127.0.0.1:$imap/INBOX" "$phone"
check "by SCRAM too" fails gsasl_imap "$phone" --starttls -m SCRAM-SHA-256-PLUS
check "not the other" as PLAIN tablet curl_by "imap://127.0.0.1:$imap/INBOX" "$tablet"
check "it can't be taken back twice" says 'has no app password phone' postern user apppass remove alice phone
check "one of the same name is another" eval 'phone=$(postern user apppass add alice phone)'
check "that wasn't used so far" eval 'postern user apppass list alice | grep -Eq " phone [^ ]+Z - - -$"'

# --- a master user

as_master() { # COMMAND...: it logs in, and the log has both names
    as_server sh -c ": >'$place/log'"
    "$@" </dev/null >"$work/client" 2>&1 && grep -q 'event=login user=alice@example.test .* master=admin session=' "$place/log" ||
        { tail -5 "$work/client" "$place/log"; return 1; }
}
gsasl_as() { # PASSWORD OPTIONS...
    password=$1
    shift
    timeout 60 gsasl --imap -d --x509-ca-file= -a admin -z alice@example.test -p "$password" --connect "127.0.0.1:$imap" "$@" |
        grep '^\. OK .*Logged in'
}
curl_as() { timeout 60 curl -sS --insecure --ssl-reqd --user "$1" "$2"; }
check "there is no master user" [ -z "$(postern master list)" ]
check "one is made" eval 'echo admin-secret | postern master add admin'
check "once" says 'is a master user already' eval 'echo admin-secret | postern master add Admin'
check "by a name of letters" says "a master user's name" eval 'echo admin-secret | postern master add "a*b"'
check "his password is ours alone" [ "$(stat -c %a "$home/masters" "$home/masters.gdbm" | tr '\n' ' ')" = '600 600 ' ]
check "curl, IMAP: alice*admin" as_master curl_as 'alice*admin:admin-secret' "imap://127.0.0.1:$imap/INBOX"
check "curl, POP3" as_master curl_as 'alice@example.test*admin:admin-secret' "pop3://127.0.0.1:$pop3/"
check "gsasl, IMAP: an authorization identity" as_master gsasl_as admin-secret --starttls -m PLAIN
check "not by SCRAM" fails gsasl_as admin-secret --starttls --no-cb -m SCRAM-SHA-256
check "not with her password" fails curl_as 'alice*admin:alice-new' "imap://127.0.0.1:$imap/INBOX"
check "he gets another password" eval 'echo admin-new | postern master passwd admin'
check "which counts" as_master curl_as 'alice*admin:admin-new' "imap://127.0.0.1:$imap/INBOX"
check "and is taken away" postern master remove admin
check "so nobody is alice but her" fails curl_as 'alice*admin:admin-new' "imap://127.0.0.1:$imap/INBOX"
check "nor is he removed again" says 'is no master user' postern master remove admin

# --- disabling

as_server sh -c ": >'$place/log'"
check "an account is disabled" postern user disable alice
check "show says so" eval 'postern user show alice | grep -qx "logins disabled"'
check "curl, IMAP: no more" fails curl_by "imap://127.0.0.1:$imap/INBOX" alice-new
check "curl, POP3: no more, with an app password" fails curl_by "pop3://127.0.0.1:$pop3/" "$tablet"
check "msmtp: no more, and it is told why" says '525 5.7.13 This account is disabled' msmtp_by plain alice-new
check "the log says so" grep -q 'event=login-disabled user=alice@example.test peer=127.0.0.1' "$place/log"
check "as no wrong password" fails grep -q 'event=login-failed user=alice.*mechanism=PLAIN' "$place/log"
check "another account isn't concerned" eval 'printf "%s" bob-secret >/dev/null; timeout 60 curl -sS --insecure --ssl-reqd --user bob:bob-secret "imap://127.0.0.1:$imap/INBOX"'
check "again" postern user enable alice
check "and she logs in" curl_by "imap://127.0.0.1:$imap/INBOX" alice-new
check "nothing of it is left" fails grep -q nologin "$home/secrets"

# --- removed

check "an account is removed" postern user remove alice
check "and what was known of its logins" [ ! -e "$home/spool/last-login/alice@example.test" ]
done_testing
