#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A session of smtpd that somebody has taken over gets nothing from its guard: no relaying, no step left out, no
# sender that isn't the account's, no forged trace, nothing larger than allowed. Mail and queue are looked at after each lie.
. tests/tap.sh
. tests/server.sh

# More domains with keys, whose selectors are rsa and ed; in example.test one more waits. alice may write as alice@third.test.
keys() {
    administer domain add other.test && administer domain add third.test && administer alias add alice@third.test alice &&
        administer alias add forward@example.test out@far.test && administer dkim make example.test >/dev/null || return
    for domain in example.test other.test third.test; do
        (cd "$place/strict/dkim/$domain" && mv [0-9]*-rsa.pem rsa.pem && mv [0-9]*-ed25519.pem ed.pem) || return
    done
    (cd "$place/strict/dkim/example.test" && mv [0-9]*-rsa.waiting.pem next.waiting.pem)
}
administer() { as_server "$place/bin/postern" -c "$place/strict/postern.conf" "$@"; }

prepare() {
    server_place "$work/place" && cp "$BUILD/tests/helpers/lying-smtp" "$place/bin/" &&
        server_setup strict mail.example.test example.test &&
        server_user strict alice@example.test alice-secret && server_user strict bob@example.test bob-secret &&
        keys &&
        echo 'message-size 50000' >>"$place/strict/postern.conf" &&
        { [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>"$place/strict/postern.conf"; } &&
        cp -a "$place/strict" "$place/plain" && echo 'plaintext-login yes' >>"$place/plain/postern.conf"
}

# The messages in all mailboxes and the queue of SERVER.
messages() {
    (cd "$place/$1" && find . \( -path '*/new/*' -o -path '*/cur/*' -o -path '*/tmp/*' -o -path '*/queue/*' \) -type f)
}

# hears SERVER OPTIONS LIE ANSWER [MESSAGES]: what the client hears, in one line, and how many messages are there then.
hears() {
    heard=$(printf '%s\r\n' "$3" | as_server timeout 60 "$place/bin/lying-smtp" -c "$place/$1/postern.conf" $2 \
        2>"$work/log" | tr -d '\r' | tr '\n' ' ')
    there=$(messages "$1")
    count=$(printf %s "$there" | grep -c .)
    [ -z "$there" ] || (cd "$place/$1" && cat $there >"$work/message" && rm $there)
    [ "$heard" = "$4" ] && [ "$count" = "${5:-0}" ] && ! grep COULD "$work/log" && return
    echo "heard: $heard"
    echo "not:   $4"
    echo "$count messages, not ${5:-0}"
    cat "$work/log"
    return 1
}

check "a server of its own" prepare

# The measure: what an honest session does is done.
check "the guard takes a message" hears plain '' none 'status 0 status 0 status 0 ' 1

check "no recipient without a sender" hears plain '' rcpt-first 'ended '
check "no message without a sender" hears plain '' commit-first 'ended '
check "no message without a recipient" hears plain '' no-rcpt 'status 0 ended '
check "no bytes without a recipient" hears plain '' piece-first 'status 0 ended '
check "MAIL forgets the recipients before it" hears plain '' mail-again 'status 0 status 0 status 0 ended '
check "a refused recipient is none" hears plain '' refused-rcpt 'status 0 status 5 ended '
check "one message is committed once" hears plain '' commit-twice 'status 0 status 0 status 0 ended ' 1

check "no relaying" hears plain '' relay 'status 0 status 4 status 4 status 5 ended '
check "nor by LMTP" hears plain -l relay 'status 0 status 4 status 4 status 5 ended '
check "LMTP: a message" hears plain -l none 'status 0 status 0 status 0 ' 1
check "LMTP: no login" hears plain -ls login 'ended '
check "no login on the MX port" hears plain '' login 'ended '
check "no login in plain" hears strict -s login 'ended '
check "a refused signature is no TLS" hears strict -s sign-then-login 'status 3 ended '
check "the fourth guess ends it, right or not" hears plain -s guesses 'status 1 status 1 status 1 status 2 ended '
check "no submission without a login" hears plain -s no-login 'status 3 ended '
check "no sender that isn't the account's" hears plain -s other-sender 'status 0 status 1 ended '
check "one login a connection" hears plain -s login-twice 'status 0 ended '
# SCRAM: a proof or nothing, in its order, once, for the account and the exchange that it was made for.
check "a right proof is a login, without TLS too" hears strict -s scram-right 'status 0 status 0 status 0 '
check "not on the MX port" hears strict '' scram-enter 'ended '
check "nor begun there" hears plain '' scram-guesses 'ended ended ended ended '
for lie in enter no-first plus-plain end-point-plain bound-without-plus unbound-plus unique data no-header field-too-many long \
    long-nonce; do
    check "SCRAM that may not be ends it: $lie" hears plain -s "scram-$lie" 'ended '
done
for lie in no-proof short-proof; do
    check "no login without a whole proof: $lie" hears plain -s "scram-$lie" 'status 0 ended '
done
check "nor with a wrong one" hears plain -s scram-wrong 'status 0 status 3 ended '
check "nor with a right one behind it" hears plain -s scram-second-proof 'status 0 status 3 ended '
check "nor with that of an earlier exchange" hears plain -s scram-replay 'status 0 status 0 status 0 status 3 status 0 status 3 ended '
check "nor under another name" hears plain -s scram-other-name 'status 0 status 0 status 0 ended '
check "nor with another's password" hears plain -s scram-swapped 'status 0 status 3 ended '
check "nor without the client's last word" hears plain -s scram-unconfirmed 'status 0 status 0 status 3 '
check "a guess in between forgets the proof" hears plain -s scram-login-between 'status 0 status 0 status 1 ended '
check "smtpd takes no context" hears plain -s scram-long-context 'status 0 status 0 ended '
check "beginnings are counted" hears plain -s scram-guesses 'status 0 status 0 status 0 ended '
check "one login a connection, by SCRAM too" hears plain -s scram-twice 'status 0 status 0 status 0 ended '
check "no sender that isn't that account's" hears plain -s scram-other-sender 'status 0 status 0 status 0 status 1 '

# Signatures: by a domain of which the transaction's sender may write, so many, and by no key that doesn't sign.
ok='status 0 status 0 status 0'
check "a login gets signatures by its domain" hears plain -s sign-own "$ok 2 keys of <example.test> $ok " 1
check "a stranger gets none" hears plain '' sign-stranger 'status 0 status 0 0 keys of <> ended '
check "nor by LMTP" hears plain -l sign-stranger 'status 0 status 0 0 keys of <> ended '
check "by no other domain" hears plain -s sign-other "$ok 0 keys of <> ended "
check "nor one whose address was refused as the author" hears plain -s sign-refused-author "$ok status 1 ended "
check "by one in which an author is its own, for that message" hears plain -s sign-author \
    "$ok status 0 2 keys of <third.test> status 0 status 0 status 0 ended "
check "not before there are recipients" hears plain -s sign-early 'status 0 status 0 ended '
check "nor behind the message" hears plain -s sign-late "$ok status 0 ended " 1
check "by no key that waits" hears plain -s sign-waiting "$ok ended "
check "by none in another folder" hears plain -s sign-path "$ok ended "
check "of nothing but a hash" hears plain -s sign-short "$ok ended "
check "of so many for a message" hears plain -s sign-many "$ok status 0 status 0 status 0 status 0 status 0 status 0 status 0 status 0 ended "
# Seals of what is sent on: no stranger gets a DKIM signature by them.
check "what is sent on is sealed by the recipient's domain" hears plain '' seal-own 'status 0 status 0 2 keys of <example.test> status 0 status 0 '
check "what stays isn't" hears plain '' seal-kept 'status 0 status 0 0 keys of <> ended '
check "nor by LMTP" hears plain -l seal-own 'status 0 status 0 0 keys of <> ended ended '
check "nor by another domain" hears plain '' seal-other 'status 0 status 0 2 keys of <example.test> ended '
check "a seal is no DKIM signature" hears plain '' seal-dkim 'status 0 status 0 ended '
check "nor what ends as one" hears plain '' seal-dkim-behind 'status 0 status 0 ended '
check "nor a hash" hears plain '' seal-hash 'status 0 status 0 ended '
check "and who may seal may not sign" hears plain '' seal-as-sender 'status 0 status 0 ended '
check "nobody is asked about authors without a login" hears plain '' author 'status 0 status 0 ended '

check "a path with a line behind it" hears plain '' path-lines 'ended '
check "a path with a line in it" hears plain '' path-control 'ended '
check "a quoted path with a line in it" hears plain '' path-quoted 'ended '
check "a path without brackets" hears plain '' path-bare 'status 0 ended '
check "a path that leads upwards" hears plain '' path-up 'status 0 status 5 status 5 status 5 '
check "a HELO with lines in it is taken" hears plain '' helo 'status 0 status 0 status 0 ' 1
check "and makes no line" sh -c "! grep '^X-Forged' '$work/message'"

check "a message above message-size" hears plain '' too-large 'status 0 status 0 ended '
check "pieces without end" hears plain '' pieces 'status 0 status 0 status 10 '
check "a piece that is too large" hears plain '' large-piece 'status 0 status 0 ended '
check "a file that nobody asked for" hears plain '' file-unasked 'status 0 status 0 ended '
check "a file and bytes" hears plain '' file-and-bytes 'status 0 status 0 status 0 ended '
check "four files" hears plain '' four-files 'status 0 status 0 status 0 status 0 status 0 ended '
check "a file without end" hears plain '' large-file 'status 0 status 0 status 0 bounded ended '
check "files without number" hears plain '' hoard 'one file '
check "names without number" hears plain '' harvest 'status 0 51 answers '
check "nor with a MAIL each" hears plain '' harvest-anew 'status 0 51 answers '
check "MAIL and RCPT at once" hears plain '' both 'status 0 status 0 status 0 ' 1
check "no other rights by that: whom RCPT refuses" hears plain '' both-relay 'status 4 ended '
check "whom MAIL refuses" hears plain -s both-refused 'status 3 ended '
check "RCPT that isn't there" hears plain '' both-but-one 'ended '
check "RCPT that wasn't announced" hears plain '' one-but-both 'ended '
check "RCPT that is none" hears plain '' both-path 'ended '
check "a message in a file" hears plain '' late-write 'status 0 status 0 status 0 status 0 ' 1
check "is not what was written to it later" sh -c "! grep LATE '$work/message' && grep -q '^Subject: x' '$work/message'"
# Who sent it: no questions to DNS for whom nobody checks, and fields that are fields.
check "no names for DNS" hears plain '' dns 'status 0 status 0 ended '
check "nothing found by who wasn't to look" hears plain '' checked 'status 0 status 0 ended '
check "fields before the message" hears plain '' added 'status 0 status 0 status 0 ' 1
check "stand there" grep -q '^X-Added: yes' "$work/message"
for lie in added-body added-line added-much; do
    check "no more than fields: $lie" hears plain '' "$lie" 'status 0 status 0 ended '
done
check "a Message-ID" hears plain '' message-id 'status 0 status 0 status 0 ' 1
logged_in_a_line() { grep -qF 'message-id="a@b\" to=x@far.test\x0aevent=accepted id=1"' "$work/log" && ! grep -q '^event' "$work/log"; }
check "... breaks no line of the log" eventually 60 logged_in_a_line
check "... and none is longer than it may be" hears plain '' message-id-long 'status 0 status 0 ended '
check "junk" hears plain '' junk 'status 0 status 0 status 0 ' 1
check "a bit that nobody knows" hears plain '' bits 'status 0 status 0 ended '
check "garbage" hears plain '' garbage 'ended '
if [ "${SANDBOX:-}" != none ]; then
    check "the file gets no name" hears plain '' link-file 'status 0 status 0 status 0 no link '
    check "the session can do nothing but talk" hears plain '' break-out 'confined '
fi
done_testing
