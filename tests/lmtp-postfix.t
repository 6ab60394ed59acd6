#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A real Postfix delivers to us by LMTP, over the Unix socket and over TCP, on a machine of its own (tests/with-systemd): each
# recipient's own answer is what Postfix does about that recipient. With swaks the replies themselves.
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh

export DEBIAN_FRONTEND=noninteractive
mail=/var/mail/postern/example.test

set_up() {
    install_postern >/dev/null && postern setup mail.example.test example.test || return
    for user in alice bob carol dave; do
        echo "$user-secret" | postern user add "$user@example.test" || return
    done
    postern user quota carol@example.test storage=20000 && postern alias add both@example.test alice@example.test bob@example.test &&
        { [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>/etc/postern/postern.conf; } &&
        systemctl start postern-lmtp.socket
}

install_postfix() {
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
    dpkg -i /var/cache/postern-tests/postfix/*.deb || return
    cat >/etc/postfix/main.cf <<'END'
compatibility_level = 3.6
myhostname = front.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
smtp_dns_support_level = disabled
smtp_host_lookup = native
virtual_mailbox_domains = example.test
virtual_transport = lmtp:unix:/run/postern/lmtp
virtual_mailbox_maps = static:yes
maillog_file = /var/log/postfix.log
bounce_queue_lifetime = 1d
END
    postconf -M 'smtp/inet=2500 inet n - n - - smtpd' 'lmtp/unix=lmtp unix - - n - - lmtp' && usermod -aG postern postfix &&
        systemctl start postfix || postfix start
    eventually 60 nc -z 127.0.0.1 2500
}

submit() { # RECIPIENTS SUBJECT [swaks options]
    local to=$1 subject=$2
    shift 2
    swaks --timeout 60 -s 127.0.0.1 -p 2500 --helo client.test --from zoe@elsewhere.test --to "$to" --header "Subject: $subject" "$@"
}
has() { grep -rqs -- "^Subject: $2\$" "$mail/$1/new"; }
# status RECIPIENT STATUS TEXT: what Postfix's log says became of it
status() { grep -q "to=<$1@example.test>,.* relay=.*, .*status=$2 (.*$3" /var/log/postfix.log; }
soon() { eventually 60 "$@" || { tail -n 20 /var/log/postfix.log; return 1; }; }

check 'Postern, set up' set_up
check 'Postfix, installed' install_postfix

# ---- the Unix socket
check 'a message to four mailboxes, one of them unknown' submit alice@example.test,bob@example.test,nobody@example.test,dave@example.test first
check 'alice has it' soon has alice first
check 'bob has it' soon has bob first
check 'dave has it' soon has dave first
check 'Postfix knows of alice' soon status alice sent '250 2.0.0 Accepted as'
check 'and of the unknown one' soon status nobody bounced '550 5.1.1'
check 'it came by LMTP' grep -rq 'by mail.example.test with LMTP id' $mail/alice/new
check 'for her alone' grep -rq 'for <alice@example.test>' $mail/alice/new
check 'with the sender' grep -rq '^Return-Path: <zoe@elsewhere.test>' $mail/alice/new

head -c 15000 /dev/zero | tr '\0' x | fold -w 70 >"$work/body"
check 'nearly all of what carol may have' submit carol@example.test filling --body "@$work/body"
check 'she has it' soon has carol filling
head -c 30000 /dev/zero | tr '\0' x | fold -w 70 >"$work/body"
check 'more than carol may have, and bob' submit carol@example.test,bob@example.test more --body "@$work/body"
check 'bob has it' soon has bob more
check "carol's is refused" soon status carol bounced '552 5.2.2'
check 'and is nowhere' bash -c "! grep -rqs '^Subject: more' $mail/carol"

# A mailbox that can't be used for now: deferred for its owner alone, and delivered when it is mended.
mv $mail/dave $mail/dave.away && ln -s bob $mail/dave
check 'a message to dave, whose mailbox is broken, and to bob' submit dave@example.test,bob@example.test later
check 'bob has it' soon has bob later
check "dave's waits" soon status dave deferred '451 4.3.0'
rm $mail/dave && mv $mail/dave.away $mail/dave
postqueue -f
check 'and comes' soon has dave later
check 'bob has it once' test "$(grep -rls '^Subject: later' $mail/bob/new | wc -l)" = 1

check 'a hundred messages' smtp-source -l 4000 -m 100 -s 5 -f zoe@elsewhere.test -t alice@example.test 127.0.0.1:2500
hundred() { [ "$(ls $mail/alice/new | wc -l)" = 101 ]; }
check 'are all there' soon hundred

# ---- the warm unit
check 'warm' systemctl start postern-lmtp-warm.socket
check 'a message' submit both@example.test warm
check 'alice has it' soon has alice warm
check 'bob has it' soon has bob warm

# ---- TCP, from an address of `networks`
sed -e 's/^ListenStream=.*/ListenStream=127.0.0.1:24/' -e '/^Socket\(User\|Group\|Mode\)/d' -e '/^Conflicts/d' -e '/^After/d' -e '/^RemoveOnStop/d' \
    /usr/local/lib/systemd/system/postern-lmtp.socket >/etc/systemd/system/lmtp-tcp.socket
cp /usr/local/lib/systemd/system/postern-lmtp@.service /etc/systemd/system/lmtp-tcp@.service
systemctl daemon-reload && systemctl start lmtp-tcp.socket
postconf -e virtual_transport=lmtp:inet:127.0.0.1:24 lmtp_tls_security_level=may && postfix reload
check 'TCP without networks' submit alice@example.test refused
check 'is refused' soon status alice bounced '550 5.7.1 No LMTP from here'
echo 'networks 127.0.0.0/8' >>/etc/postern/postern.conf
check 'TCP' submit alice@example.test,bob@example.test tcp
check 'alice has it' soon has alice tcp
check 'under TLS' grep -rq 'with LMTPS id' $mail/alice/new

# ---- the replies
by_swaks() {
    swaks --timeout 60 --protocol LMTP --socket /run/postern/lmtp --from zoe@elsewhere.test \
        --to alice@example.test,carol@example.test,bob@example.test --header 'Subject: replies' --body "@$work/body" >"$work/swaks"
    sed -n '/^ -> \.$/,$p' "$work/swaks" | grep -o '^<[-* ~]*  *[0-9]* [0-9.]*' | sed 's/.* \([0-9]* \)/\1/' | tr '\n' '|' >"$work/replies"
}
check 'swaks: three recipients, over the Unix socket' by_swaks
check 'of whom one is refused behind the message' grep -q '^250 2.0.0|552 5.2.2|250 2.0.0|' "$work/replies"
check 'the others have it' bash -c "grep -rqs '^Subject: replies' $mail/alice/new && grep -rqs '^Subject: replies' $mail/bob/new"
done_testing
