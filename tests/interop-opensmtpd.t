#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# OpenSMTPD and Postern, each way, each killed in between; see tests/lib/Interop.pm. It sends with TLS. As a server Debian 12's breaks off every
# handshake (its OpenSSL doesn't find the private key, RSA or ECDSA), so ours has to deliver to it without, after that.
use strict;
use warnings;
use lib 'tests/lib';
use Interop;

sub setup {
    my $self = shift;
    open my $f, '>', '/etc/smtpd.conf' or die;
    print $f <<"X";
pki mail.peer.test cert "$self->{dir}/cert.pem"
pki mail.peer.test key "$self->{dir}/key.pem"
listen on 127.0.0.20 port 25 tls pki mail.peer.test hostname mail.peer.test
action "inbox" maildir "$self->{inbox}" user vmail virtual { "@" = vmail }
action "remote" relay src 127.0.0.20 helo mail.peer.test tls no-verify
match from any for domain "peer.test" action "inbox"
match from any for any action "remote"
X
    close $f;
    chmod 0644, '/etc/smtpd.conf';
    system('mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd; chmod 755 /var/lib/opensmtpd /var/lib/opensmtpd/empty; chmod 711 /var/spool/smtpd;
        chgrp opensmtpq /usr/sbin/smtpctl; chmod 2755 /usr/sbin/smtpctl; echo mail.peer.test >/etc/mailname') == 0 or die;
}

Interop->run(
    name => 'opensmtpd', package => 'opensmtpd', users => [qw(opensmtpd opensmtpq)], programs => qr{^/usr/sbin/smtpd}, setup => \&setup, log => '/dev/null',
    start_commands => ['smtpd -d -v -f /etc/smtpd.conf &'], flush => 'smtpctl schedule all',
    queue_length => q(find /var/spool/smtpd/queue -type f -name '????????????????' | wc -l),
    receives_tls => 'may', plain => 1, received => qr/by mail\.peer\.test \(OpenSMTPD\) with \S+ id (\w+)/, received_tls => qr/\(OpenSMTPD\) with ESMTPS? id/,
);
