#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A real Postfix sends to us, on a machine of its own (tests/with-systemd): what was asked of it by SMTPUTF8 and DSN arrives
# here and comes back. It has no BDAT as a client.
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh
. tests/lib/peers.sh

set_up_postfix() {
    install_peer postfix || return
    cat >/etc/postfix/main.cf <<'END'
compatibility_level = 3.6
myhostname = front.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
smtp_dns_support_level = disabled
smtp_host_lookup = native
relayhost = [127.0.0.2]:25
smtp_tls_security_level = encrypt
smtputf8_enable = yes
maillog_file = /var/log/postfix.log
END
    postconf -M 'smtp/inet=2500 inet n - n - - smtpd' && systemctl start postfix || postfix start
    eventually 60 nc -z 127.0.0.1 2500
}

check 'Postern, set up' set_up_postern
check 'Postfix, installed' set_up_postfix
check 'a message' submit alice@example.test one --body 'one\n.\n..two'
check 'is there' soon has alice one
check 'DSN' submit_raw a@front.test 'RET=HDRS ENVID=postfix1' bob@example.test 'NOTIFY=SUCCESS ORCPT=rfc822;bob@first.test'
report() { grep -rqs 'Original-Envelope-Id: postfix1' "$(postern config | sed -n 's/^spool //p')"; }
check 'went through Postfix into our report' soon report
check 'Postfix left the report to us' bash -c "! grep -q 'sender delivery status notification' /var/log/postfix.log"
check 'the mailbox shows the recipient that was meant' grep -rqs '^Original-Recipient: rfc822; bob@first.test' $mail/bob/new
check 'SMTPUTF8' submit_raw 'käse@front.test' SMTPUTF8 'jörg@example.test' ''
check 'is there' soon grep -rqs 'with UTF8SMTPS id' $mail/jörg/new
check 'without UTF-8 there is no SMTPUTF8' bash -c "! grep -rqs UTF8 $mail/alice/new $mail/bob/new"
done_testing
