#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A real Postfix receives what qrun sends, on a machine of its own (tests/with-systemd): by DANE, by MTA-STS, with certificates that are
# right, expired and another's, and with TLS turned off. Its own log says what TLS there was.
use strict;
use warnings;
use lib 'tests/lib';
use Test::More;
BEGIN {
    plan skip_all => 'needs root: it installs a Postfix in namespaces' if $> != 0;
    if (!$ENV{ON_OWN_MACHINE}) {
        $ENV{ON_OWN_MACHINE} = 'yes';
        exec 'tests/with-systemd', 'perl', $0;
    }
}
use QrunTest;
use SignedZones;

my $address = '127.0.6.1';
my $T = QrunTest->new(timeout => 60);
my $dir = $T->{sink};
my $https = QrunTest::free_port();
certificate($dir, 'ca');
my $old = "activation_date = 2020-01-01 00:00:00\nexpiration_date = 2020-02-01 00:00:00";
certificate($dir, 'right', signer => 'ca', chain => 1, names => ['mx.there.test']);
certificate($dir, 'old', signer => 'ca', chain => 1, names => ['mx.there.test'], lines => $old);
certificate($dir, 'other', signer => 'ca', chain => 1, names => ['mx.elsewhere.test']);
certificate($dir, 'web', signer => 'ca', names => ['mta-sts.there.test']);
$T->settings('ca-file' => "$dir/ca.pem", 'https-port' => $https);

sub run { system("$_[0] >>$T->{dir}/log 2>&1") == 0 or die "$_[0]: " . $T->log }
run("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d");
run('DEBIAN_FRONTEND=noninteractive dpkg -i /var/cache/postern-tests/postfix/*.deb');
open my $main, '>', '/etc/postfix/main.cf' or die;
print $main <<"END";
compatibility_level = 3.6
myhostname = mx.there.test
mydestination = there.test
inet_interfaces = loopback-only
inet_protocols = ipv4
local_recipient_maps =
local_transport = discard:
maillog_file = /var/log/postfix.log
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_tls_chain_files = $dir/right.key, $dir/right.pem
END
close $main;
run("postconf -M 'smtp/inet=$address:$T->{smtp_port} inet n - n - - smtpd'");
run('postfix start');
$T->eventually(60, sub { IO::Socket::INET->new(PeerAddr => $address, PeerPort => $T->{smtp_port}) }) or die $T->slurp('/var/log/postfix.log');
sub postfix { # SETTING...: as it is from the next connection on
    run("postconf -e '$_'") for @_;
    run('postfix stop; postfix start');
    $T->eventually(60, sub { IO::Socket::INET->new(PeerAddr => $address, PeerPort => $T->{smtp_port}) }) or die;
}
sub use_certificate { my $name = shift; postfix("smtpd_tls_chain_files = $dir/$name.key, $dir/$name.pem") }

my $base = "there MX 10 mx.there\nmx.there A $address\nmta-sts.there A 127.0.6.2\n";
my $port = "_$T->{smtp_port}._tcp.mx.there";
my $zones = SignedZones->new($T, test => { signed => 1, text => $base });
$T->settings('trust-anchor' => $zones->anchor('test'));
open my $f, '>', "$dir/127.0.6.2.response" or die;
my $policy = "version: STSv1\nmode: enforce\nmx: mx.there.test\nmax_age: 86400\n";
print $f "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " . length($policy) . "\r\n\r\n$policy";
close $f;
$T->start('perl', 'tests/lib/policy-server', $dir, $https, '127.0.6.2=web');
$T->eventually(60, sub { -e "$dir/serving" }) or die $T->log;

my $count = 0;
# Sends; D or T, with why, our log and Postfix's.
sub send_one {
    my ($log, $theirs) = (length $T->log, length $T->slurp('/var/log/postfix.log'));
    my $to = 'bob' . ++$count . '@there.test';
    my $id = $T->put('alice@here.test', [$to]);
    $T->qrun;
    my %r = (state => $T->queued($id) ? 'T' : 'D', why => $T->why($id), log => substr($T->log, $log));
    $T->run_as('rm', $T->queued($id)) if $r{state} eq 'T';
    $T->eventually($r{state} eq 'D' ? 60 : 0, sub { $T->slurp('/var/log/postfix.log') =~ /to=<\Q$to\E>.*status=sent/ });
    $r{postfix} = substr $T->slurp('/var/log/postfix.log'), $theirs;
    $r{arrived} = $r{postfix} =~ /to=<\Q$to\E>.*status=sent/;
    return \%r;
}
sub sent {
    my ($security, $name) = @_;
    my $r = send_one();
    is $r->{state}, 'D', "$name: sent" or diag $r->{why}, $r->{log}, $r->{postfix};
    ok $r->{arrived}, "$name: Postfix has it";
    like $r->{log}, qr/event=delivered .*tls=$security\b/, "$name: $security";
    my $tls = qr/TLS connection established from/;
    $security eq 'none' ? unlike $r->{postfix}, $tls, "$name: Postfix saw no TLS" : like $r->{postfix}, $tls, "$name: Postfix saw TLS";
}
sub waits {
    my ($why, $name) = @_;
    my $r = send_one();
    is $r->{state}, 'T', "$name: waits";
    like $r->{why}, $why, "$name: says why";
    unlike $r->{postfix}, qr/client=/, "$name: Postfix heard of no message";
}

sent('encrypted', 'no policy');
use_certificate('old');
sent('encrypted', 'no policy, an expired certificate');
postfix('smtpd_tls_security_level = none');
sent('none', 'no policy, no TLS');

$zones->change(test => "$base$port " . tlsa($dir, 'right', 3, 1, 1) . "\n");
waits(qr/^0 4\.7\.10 /m, 'DANE, no TLS');
postfix('smtpd_tls_security_level = may');
waits(qr/^0 4\.7\.5 .*fits none of its TLSA records/m, 'DANE, another certificate');
use_certificate('right');
sent('dane', 'DANE-EE');
$zones->change(test => "$base$port " . tlsa($dir, 'ca', 2, 1, 1) . "\n");
postfix("smtpd_tls_chain_files = $dir/right.key, $dir/right.pem");
sent('dane', 'DANE-TA');
use_certificate('old');
waits(qr/^0 4\.7\.5 .*has expired/m, 'DANE-TA, an expired certificate');
use_certificate('other');
waits(qr/^0 4\.7\.5 .*is for another name/m, 'DANE-TA, another\'s certificate');

$zones->change(test => "${base}_mta-sts.there TXT \"v=STSv1; id=a;\"\n");
waits(qr/^0 4\.7\.5 .*MTA-STS policy asks: its certificate is for another name/m, 'MTA-STS, another\'s certificate');
use_certificate('right');
sent('sts', 'MTA-STS');
postfix('smtpd_tls_security_level = none');
waits(qr/^0 4\.7\.10 .*MTA-STS/m, 'MTA-STS, no TLS');
run('postfix stop');
done_testing;
