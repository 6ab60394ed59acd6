#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A session that somebody has taken over gets nothing from its guard: garbage, oversize and untimely requests, claimed
# logins, guesses, foreign signatures, floods, forged log lines and descriptors. What each process of a connection
# could do in its sandbox is tried from inside it.
. tests/tap.sh
. tests/server.sh

prepare() {
    server_place "$work/place" && cp "$BUILD/tests/helpers/lying-pop3" "$place/bin/" &&
        server_setup strict mail.example.test example.test && # mail apart, as it is on a real machine
        echo "mail $place/mail/%d/%u" >>"$place/strict/postern.conf" &&
        server_user strict alice@example.test alice-secret && server_user strict bob@example.test bob-secret &&
        { [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>"$place/strict/postern.conf"; } &&
        cp -a "$place/strict" "$place/plain" && echo 'plaintext-login yes' >>"$place/plain/postern.conf"
}

# told SERVER LIE: what the client hears, in one line.
told() {
    printf '%s\r\n' "$2" | as_server timeout 60 "$place/bin/lying-pop3" -c "$place/$1/postern.conf" \
        2>"$work/log" | tr -d '\r' | tr '\n' ' '
}

# The same on a socket, as inetd starts it.
told_inetd() {
    as_server timeout 60 perl -MSocket -e '
        socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0) or die;
        if (!fork) { open STDIN, "<&", $theirs; open STDOUT, ">&", $theirs; exec @ARGV[1 .. $#ARGV] }
        close $theirs;
        syswrite $ours, "$ARGV[0]\r\n";
        print while <$ours>;' \
        "$2" "$place/bin/lying-pop3" -c "$place/$1/postern.conf" 2>"$work/log" | tr -d '\r' | tr '\n' ' '
}

# hears SERVER LIE ANSWER [HOW]
hears() {
    heard=$(${4:-told} "$1" "$2")
    [ "$heard" = "$3" ] || { echo "heard: $heard"; echo "not:   $3"; cat "$work/log"; return 1; }
    ! grep COULD "$work/log"
}

logged() { [ "$(grep -c "$1" "$work/log")" "$2" "$3" ] || { head -n 5 "$work/log"; return 1; }; }

check "a server of its own" prepare

reached='MAILBOX alice@example.test own mail open confined '
[ "${SANDBOX:-}" != none ] || reached='MAILBOX alice@example.test '

# The measure: a login that is right is heard, and what comes behind it.
check "the guard hears a right login" hears plain login "status 0 $reached"

for lie in empty short garbage huge length wrapped-length unknown zero missing-field field-too-many long-context \
    many-descriptors; do
    check "malformed, and the connection ends: $lie" hears plain "$lie" 'ended '
done
check "a name of 60,000 bytes is a wrong name" hears plain long-name 'status 3 '
check "a name with a NUL is a wrong name" hears plain nul-name 'status 3 '

check "a wish of 60,000 bytes whom to be is a wrong name" hears plain long-as 'status 3 '
check "nobody's own password is for another's mail" hears plain as-other 'status 3 status 3 '
check "where there is no master user, none is heard" hears plain as-master 'status 3 status 3 '
check "a master user is made" eval 'echo admin-secret | as_server "$place/bin/postern" -c "$place/plain/postern.conf" master add admin'
check "he is heard with his password, and nobody with another's" hears plain as-master "status 3 status 0 $reached"
check "still nobody else is" hears plain as-other 'status 3 status 3 '
check "nor a master by a proof" hears plain scram-master 'status 0 status 3 ended '
check "no login in plain, not even a right one" hears strict login 'ended '
check "a refused signature is no TLS" hears strict sign-then-login 'status 3 ended '
check "the fourth guess ends it, right or not" hears plain five-guesses 'status 3 status 3 status 3 ended ended '
check "the guard is no mailbox process" hears plain start 'ended '
check "a hand-over without a login reaches nothing" hears plain hand-over ''
check "a claimed login reaches nothing" hears plain claim ''
check "a signature must be a handshake's, and two are all" hears plain sign-much 'status 3 status 3 status 3 status 3 '
check "and by a key that is configured" hears plain sign-other-key 'status 3 status 3 ended '
check "what is too long to be a hash ends it" hears plain sign-long 'ended '

# SCRAM: a proof or nothing, in its order, once, for the account and the exchange that it was made for.
check "the guard hears a right proof, without TLS too" hears strict scram-right "status 0 status 0 status 0 $reached"
for lie in enter no-first plus-plain end-point-plain bound-without-plus unbound-plus unique data no-header field-too-many long \
    long-nonce; do
    check "SCRAM that may not be ends it: $lie" hears plain "scram-$lie" 'ended '
done
for lie in no-proof short-proof; do
    check "no login without a whole proof: $lie" hears plain "scram-$lie" 'status 0 ended '
done
check "nor with a wrong one" hears plain scram-wrong 'status 0 status 3 ended '
check "nor with a right one behind it" hears plain scram-second-proof 'status 0 status 3 ended '
check "nor with that of an earlier exchange" hears plain scram-replay 'status 0 status 0 status 0 status 3 status 0 status 3 ended '
check "nor under another name" hears plain scram-other-name 'status 0 status 0 status 0 ended '
check "nor with another's password" hears plain scram-swapped 'status 0 status 3 ended '
check "a guess in between forgets the proof" hears plain scram-login-between 'status 0 status 0 status 3 ended '
check "a long context ends it" hears plain scram-long-context 'status 0 status 0 ended '
check "beginnings are counted" hears plain scram-guesses 'status 0 status 0 status 0 ended '
check "after a login no other is heard" hears plain scram-twice "status 0 status 0 status 0 ended $reached"
form='<r=abc[A-Za-z0-9+/]\{24\},s=[A-Za-z0-9+/]\{22\}==,i=65536>'
learns() { told plain scram-learn | grep -x "status 0 $form status 0 $form status 3 <> " || { told plain scram-learn; return 1; }; }
check "it learns salt and iterations, and nothing from a wrong proof" learns

check "a flood of log lines is borne" hears plain flood 'status 3 '
check "and cut" logged flood -le 200
check "a forged log line" hears plain log 'status 3 '
check "is one line with escapes" logged '^pop3d.1.: ' -eq 0
check "an event of ours that it claims" logged 'event=login ' -eq 0
check "is called the session's" logged 'event=session-login ' -eq 1
check "thousands of descriptors are closed" hears plain descriptors 'status 3 '

check "after a login no other is heard, and the mailbox is the first one's" hears plain two-logins "status 0 ended $reached"
check "under inetd too" hears plain two-logins "status 0 ended $reached" told_inetd
if [ "${SANDBOX:-}" != none ]; then
    check "the session can't write to the log" hears plain standard-error 'written '
    check "nothing of it is there" logged forged -eq 0
    check "nor under inetd" hears plain standard-error 'written ' told_inetd
    check "nothing of it is there either" logged forged -eq 0
    check "the session can do nothing but talk" hears plain break-out 'confined '
fi
done_testing
