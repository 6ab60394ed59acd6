#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A real Exim sends to us, on a machine of its own (tests/with-systemd): it uses CHUNKING, and passes on SMTPUTF8 and DSN. It connects
# once for each message, so on a slow machine some meet our limit on connections: without a rule for retries it would give those up.
cd "$(dirname "$0")/.." || exit 1
. tests/own-machine.sh
. tests/lib/peers.sh

set_up_exim() {
    install_peer exim4-daemon-light || return
    cat >/etc/exim4/exim4.conf <<'END'
primary_hostname = front.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = 2500
smtp_accept_queue_per_connection = 0
acl_smtp_rcpt = accept
acl_smtp_data = accept
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
allow_utf8_domains = true
log_selector = +all
log_file_path = /var/log/exim4/%slog
begin routers
away:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
  port = 25
  hosts_require_tls = *
  hosts_try_dane =
  tls_verify_hosts =
  tls_try_verify_hosts =
begin retry
* * F,1h,1s
END
    exim4 -bdf -q2s -C /etc/exim4/exim4.conf >/var/log/exim4/out 2>&1 &
    eventually 60 nc -z 127.0.0.1 2500
}

check 'Postern, set up' set_up_postern
check 'Exim, installed' set_up_exim
check 'a message' submit alice@example.test one --body 'one\n.\n..two'
check 'is there' soon has alice one
check 'it came by BDAT' soon grep -q ' => alice@example.test .* K .*C="250- [0-9]* byte chunk, total [0-9]*\\n250 2.0.0 Accepted as\| => alice@example.test .* K C="250 2.0.0 Accepted' /var/log/exim4/mainlog
check 'with its dots' bash -c "sed '1,/^$/d' \$(ls $mail/alice/new/*) | tee /dev/stderr | head -3 | tr '\n' '|' | grep -qFx 'one|.|..two|'"
check 'under TLS' grep -rq 'with ESMTPS id' $mail/alice/new
head -c 6000000 /dev/urandom | base64 -w 76 >"$work/body"
check 'six megabytes' submit bob@example.test big --body "@$work/body"
check 'are there' soon has bob big
check 'all of them' bash -c "sed '1,/^$/d' \$(ls $mail/bob/new/*) | tr -d '\r' | head -n \$(wc -l <$work/body) | cmp - $work/body"
check 'one unknown of two recipients' submit alice@example.test,nobody@example.test two
check 'the other has it' soon has alice two
check 'a hundred messages' smtp_source 100 alice@example.test
hundred() { [ "$(ls $mail/alice/new | wc -l)" = 102 ]; }
check 'are all there' soon hundred

check 'DSN' submit_raw a@front.test 'RET=HDRS ENVID=exim1' bob@example.test 'NOTIFY=SUCCESS ORCPT=rfc822;bob@first.test'
report() { grep -rqs 'Original-Envelope-Id: exim1' /var/lib/postern /var/spool/postern "$(postern config | sed -n 's/^spool //p')"; }
check 'went through Exim into our report' soon report
check 'SMTPUTF8' submit_raw 'käse@front.test' SMTPUTF8 'jörg@example.test' ''
check 'is there' soon grep -rqs 'with UTF8SMTPS id' $mail/jörg/new
check 'a sender whose dots need quotes' submit_raw 'a..b.@front.test' '' bob@example.test ''
check 'is there' soon grep -rqsFx 'Return-Path: <"a..b."@front.test>' $mail/bob/new
check 'and came without them' grep -qF '<= a..b.@front.test' /var/log/exim4/mainlog
done_testing
