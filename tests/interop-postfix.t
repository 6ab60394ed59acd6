#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Postfix and Postern, each way, with TLS, each killed in between; see tests/lib/Interop.pm.
use strict;
use warnings;
use lib 'tests/lib';
use Interop;

sub setup {
    my $self = shift;
    mkdir $_ for '/etc/postfix', '/etc/postfix/dynamicmaps.cf.d', '/etc/postfix/postfix-files.d', '/var/lib/postfix';
    my $write = sub { open my $f, '>', $_[0] or die "$_[0]: $!"; print $f $_[1] };
    $write->('/etc/postfix/dynamicmaps.cf', '');
    # As Debian ships it, with nothing in a chroot (column 5), and only on the peer's address.
    open my $shipped, '<', '/usr/share/postfix/master.cf.dist' or die;
    my @services = map { s/^(\w\S*\s+\S+\s+\S+\s+\S+\s+)[yn-]/$1n/; s/^smtp(\s+inet)/127.0.0.20:25$1/; $_ } <$shipped>;
    $write->('/etc/postfix/master.cf', join '', @services);
    $write->('/etc/postfix/main.cf', <<"X");
compatibility_level = 3.6
mail_owner = postfix
setgid_group = postdrop
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = /var/log/postfix.log
myhostname = mail.peer.test
mydestination =
alias_maps =
mynetworks = 127.0.0.1
inet_interfaces = 127.0.0.20
inet_protocols = ipv4
smtp_bind_address = 127.0.0.20
smtp_tls_security_level = encrypt
smtpd_tls_security_level = may
smtpd_tls_cert_file = $self->{dir}/cert.pem
smtpd_tls_key_file = $self->{dir}/key.pem
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
virtual_mailbox_domains = peer.test
virtual_mailbox_base = $self->{dir}
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
X
    system 'chown postfix /var/lib/postfix';
}

my $queue = 'find /var/spool/postfix/maildrop /var/spool/postfix/incoming /var/spool/postfix/active /var/spool/postfix/deferred -type f -perm -100 2>/dev/null'; # without: a crash left it half written
Interop->run(
    name => 'postfix', package => 'postfix', users => [qw(postfix postdrop)], programs => qr{^/usr/(?:lib/postfix/sbin|sbin/post)}, setup => \&setup, log => '/var/log/postfix.log',
    start_commands => ['rm -f /var/spool/postfix/pid/master.pid', 'postfix start'], flush => 'postqueue -f', queue_length => "$queue | wc -l",
    receives_tls => 'encrypt', received => qr/by mail\.peer\.test \(Postfix\) with \S+ id (\w+)/, received_tls => qr/\(Postfix\) with ESMTPS id/,
);
