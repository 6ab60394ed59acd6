#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A real Postfix as the next server, on a machine of its own (tests/with-systemd): where it offers DSN it gets what was asked for, and
# reports in our place; where it doesn't, nor 8BITMIME, we report that the message was relayed, and it arrives in 7 bits.
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

my ($new, $old, $here) = ('127.0.7.1', '127.0.7.2', '127.0.7.3');
my $T = QrunTest->new(timeout => 60);
my $port = $T->{smtp_port};
$T->dns('--mx-host=there.test,mx.there.test,10', "--host-record=mx.there.test,$new", '--mx-host=old.test,mx.old.test,10', "--host-record=mx.old.test,$old");
$T->serve_smtpd($here, $port);

sub run { system("$_[0] >>$T->{dir}/log 2>&1") == 0 or die "$_[0]: " . $T->log }
run("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d");
run('DEBIAN_FRONTEND=noninteractive dpkg -i /var/cache/postern-tests/postfix/*.deb');
$T->spew('/etc/postfix/names', "broken \"|/bin/false\"\n");
$T->spew('/etc/postfix/ways', "here.test smtp:[$here]:$port\n");
$T->spew('/etc/postfix/main.cf', <<'END');
compatibility_level = 3.6
myhostname = mx.there.test
mydestination = there.test, old.test
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps = texthash:/etc/postfix/names
transport_maps = texthash:/etc/postfix/ways
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_helo_required = yes
maillog_file = /var/log/postfix.log
END
run("postconf -M 'smtp/inet=$new:$port inet n - n - - smtpd' '$old:$port/inet=$old:$port inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=dsn,8bitmime'");
run('postfix start');
for my $address ($new, $old) {
    $T->eventually(60, sub { IO::Socket::INET->new(PeerAddr => $address, PeerPort => $port) }) or die $T->slurp('/var/log/postfix.log');
}
sub postfix_log { return $T->slurp('/var/log/postfix.log') }

sub reports { my ($from, $about) = @_; return grep { /^Return-Path: <>$/m && /^Reporting-MTA: dns; \Q$from\E$/m && /\Q$about\E/ } $T->mailbox('alice') }
my %said = (options => "return headers\nenvid E1+2B\n");

subtest 'a Postfix that offers DSN' => sub {
    my @to = ('nobody@there.test', 'missing@there.test');
    my $id = $T->put('alice@here.test', \@to, %said, rcpt => { map { $_ => "notify=success,failure orcpt=rfc822;First+2B\@else.test" } @to });
    is $T->qrun, 0, 'qrun ran';
    ok !$T->queued($id), 'the message is sent';
    ok $T->eventually(60, sub { reports('mx.there.test', 'nobody@there.test') }), 'Postfix tells of its delivery' or diag postfix_log(), $T->log;
    my ($r) = reports('mx.there.test', 'nobody@there.test');
    like $r, qr/^Action: delivered$/m, 'delivered';
    like $r, qr/^Original-Envelope-Id: E1\+$/m, 'with the ENVID';
    like $r, qr/^Original-Recipient: rfc822; ?First\+\@else\.test$/m, 'and ORCPT that we passed on';
    my @ours = reports('mail.here.test', $id);
    is scalar @ours, 1, 'we tell of one thing';
    like $ours[0], qr/^Final-Recipient: rfc822; missing\@there\.test\nAction: failed\nStatus: 5\.1\.1$/m, 'whom it refused';
};
subtest 'what it can\'t deliver later' => sub {
    for (['never', 0], ['success', 0], ['failure', 1], ['', 1]) {
        my ($notify, $told) = @$_;
        my $before = () = grep { /^Action: failed$/m } reports('mx.there.test', 'broken@there.test');
        $T->put('alice@here.test', ['broken@there.test'], %said, $notify ? (rcpt => { 'broken@there.test' => "notify=$notify" }) : ());
        my $failures = () = postfix_log() =~ /to=<broken\@there\.test>.*status=bounced/g;
        $T->qrun;
        ok $T->eventually(60, sub { (() = postfix_log() =~ /to=<broken\@there\.test>.*status=bounced/g) > $failures }), 'Postfix gives up' or diag postfix_log();
        # Its report, if any, is queued before the message is removed, and goes out at once.
        ok $T->eventually(60, sub { `postqueue -p` =~ /is empty/ }), 'and has no more to do with it';
        my $now = () = grep { /^Action: failed$/m } reports('mx.there.test', 'broken@there.test');
        is $now - $before, $told, 'NOTIFY=' . ($notify || '(nothing)') . ($told ? ': it tells of the failure' : ': not a word of that');
    }
};
subtest 'a Postfix without DSN and 8BITMIME' => sub {
    my $text = "From: \"J\xc3\xb6rg\" <alice\@here.test>\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        . "Content-Transfer-Encoding: 8bit\r\n\r\nna\xc3\xafve and more text\r\n";
    my $id = $T->put('alice@here.test', ['nobody@old.test'], %said, text => $text, eight_bit => 1,
                     rcpt => { 'nobody@old.test' => 'notify=success,failure' });
    $T->qrun;
    my ($r) = reports('mail.here.test', $id);
    like $r, qr/^Original-Envelope-Id: E1\+$/m, 'we tell';
    like $r, qr/^Final-Recipient: rfc822; nobody\@old\.test\nAction: relayed\nStatus: 2\.0\.0\nRemote-MTA: dns; mx\.old\.test\nDiagnostic-Code: smtp; 250 2\.0\.0 Ok: queued as/m, 'that it was relayed';
    my $got = sub { my ($m) = grep { /for <nobody\@old\.test>/ } split /^From /m, $T->slurp('/var/mail/nobody'); $m // '' };
    ok $T->eventually(60, sub { $got->() }), 'it has arrived' or diag postfix_log();
    unlike $got->(), qr/[\x80-\xff]/, 'in 7 bits';
    like $got->(), qr/^na=C3=AFve and more text$/m, 'as quoted-printable';
    is scalar(reports('mx.there.test', 'nobody@old.test')), 0, 'Postfix, which wasn\'t asked, tells nothing';
};
system 'postfix stop >/dev/null 2>&1';
done_testing;
