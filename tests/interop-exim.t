#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Exim and Postern, each way, with TLS, each killed in between; see tests/lib/Interop.pm.
use strict;
use warnings;
use lib 'tests/lib';
use Interop;

sub setup {
    my $self = shift;
    system('mkdir -p /etc/exim4 /var/spool/exim4 /var/log/exim4; chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4') == 0 or die;
    system("chgrp Debian-exim $self->{dir}/key.pem; chmod 640 $self->{dir}/key.pem") == 0 or die;
    open my $f, '>', '/etc/exim4/exim4.conf' or die;
    print $f <<"X";
primary_hostname = mail.peer.test
daemon_smtp_ports = 25
local_interfaces = 127.0.0.20
tls_advertise_hosts = *
tls_certificate = $self->{dir}/cert.pem
tls_privatekey = $self->{dir}/key.pem
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 100
smtp_accept_queue_per_connection = 5
never_users =
queue_run_max = 4
acl_smtp_rcpt = accept_all
acl_smtp_data = accept_all
begin acl
accept_all:
  accept
begin routers
here:
  driver = accept
  domains = peer.test
  transport = inbox
elsewhere:
  driver = dnslookup
  self = send
  transport = remote
begin transports
inbox:
  driver = appendfile
  maildir_format
  directory = $self->{inbox}
  user = vmail
  group = vmail
remote:
  driver = smtp
  interface = 127.0.0.20
  hosts_require_tls = *
begin retry
* * F,1h,1s
X
    close $f;
    chmod 0644, '/etc/exim4/exim4.conf';
}

Interop->run(
    name => 'exim', package => 'exim4-daemon-light', users => ['Debian-exim'], programs => qr{^/usr/sbin/exim4}, setup => \&setup, log => '/var/log/exim4/mainlog',
    start_commands => ['exim4 -bd -q2s -oP /var/spool/exim4/pid'], flush => 'exim4 -qff &',
    # what it was killed over while it removed a message has no data any more, and stays
    queue_length => 'cd /var/spool/exim4/input; for h in *-H; do [ ! -e "${h%-H}-D" ] || echo; done | wc -l',
    # it locks what it sends, and notes what was taken when the connection is closed
    sending => q{sed -n 's/.*:\([0-9]*\) [0-9]* [0-9A-Z]*$/\1/p' /proc/locks >/run/locks; stat -c %i /var/spool/exim4/input/*-D 2>/dev/null | grep -cxFf /run/locks},
    receives_tls => 'encrypt', received => qr/by mail\.peer\.test with \S+ .*?\bid (\S+)/, received_tls => qr/by mail\.peer\.test with esmtps /,
);
