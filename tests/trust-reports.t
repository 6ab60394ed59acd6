#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What aggregate reports of DMARC need (RFC 9990), with the whole smtpd: a line for each message whose author's domain asks for reports,
# whatever became of it, and none for others.
use strict;
use warnings;
use lib 'tests/lib';
use Test::More;
use TrustTest;

$ENV{ASAN_OPTIONS} //= 'detect_leaks=0'; # a handler ends with its connection, and leaves freeing to that
my $T = TrustTest->new;
my $taken = qr/^250 2\.0\.0 Accepted as /;
my $rua = 'rua=mailto:dmarc@reports.test!10m,mailto:other@reports.test';

sub lines { return map { split /\n/, $T->slurp($_) } glob "$T->{spool}/dmarc-results/*" }

# Sends a message, and the lines that came by it.
sub recorded {
    my ($from, %o) = @_;
    my $before = lines();
    my $text = "From: $from\r\n" . ($o{head} // '') . "Subject: x\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\n\r\nx\r\n";
    $text = $T->sign($_, $text) for @{ $o{sign} // [] };
    my $reply = $T->send(%o, message => $text);
    $T->settle($reply);
    my @all = lines();
    return ($reply, join "\n", @all[$before .. $#all]);
}

sub row {
    my ($name, $from, $reply, $line, %o) = @_;
    my ($got, $lines) = recorded($from, %o);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $got =~ $reply && $lines =~ $line, $name or diag "$got\n$lines";
}

sub reject { return "v=DMARC1; p=reject; sp=quarantine; aspf=s; $rua" }
$T->zone('_dmarc.far.test TXT ' . reject(), 'far.test TXT v=spf1 ip4:127.0.0.2 -all', 'sub.far.test TXT v=spf1 ip4:127.0.0.2 -all',
         '_dmarc.open.test TXT v=DMARC1; p=none; fo=1:d; ruf=mailto:x@reports.test; ' . $rua, '_dmarc.quiet.test TXT v=DMARC1; p=reject',
         "_dmarc.testing.test TXT v=DMARC1; p=quarantine; t=y; $rua", "_dmarc.broken.test TXT v=DMARC1; p=whatever; $rua",
         "_dmarc.half.test TXT v=DMARC1; p=reject; $rua", 'half.test fail', '_dmarc.temp.test fail');

my $published = 'policy=far\.test p=reject sp=quarantine np=quarantine adkim=r aspf=s t=n fo=0';
my $asked = 'rua="mailto:dmarc@reports\.test,mailto:other@reports\.test"';
row('a pass', 'x@far.test', $taken,
    qr/^at=\d+ ip=127\.0\.0\.2 to=here\.test from=far\.test mfrom=far\.test $published disposition=pass dkim=fail spf=pass spf-domain=far\.test spf-result=pass $asked$/);
my ($at) = (lines())[0] =~ /^at=(\d+)/;
cmp_ok abs($at - time), '<', 120, 'with its time';
my ($file) = glob "$T->{spool}/dmarc-results/*";
my ($mode) = (stat $file)[2] & 07777;
is sprintf('%o', $mode), '600', 'in a file that only we read';
my @day = gmtime $at;
like $file, qr{/\Q@{[ sprintf '%04d-%02d-%02d', $day[5] + 1900, $day[4] + 1, $day[3] ]}\E$}, 'of its day';
row('reject is Junk: local policy', 'x@far.test', $taken, qr/ disposition=quarantine dkim=fail spf=fail reason=local_policy .*spf-result=fail /, from => '127.0.0.3');
row('a subdomain', 'x@new.far.test', $taken,
    qr/ from=new\.far\.test mfrom=sub\.far\.test $published disposition=quarantine dkim=fail spf=fail spf-domain=sub\.far\.test spf-result=pass /, sender => 'x@sub.far.test');
row('signatures', 'x@far.test', $taken,
    qr/ dkim=pass spf=fail .* signature=else\.test,rsa,pass signature=else\.test,ed25519,pass signature=far\.test,rsa,pass signature=far\.test,ed25519,pass$/,
    sender => 'x@nowhere.test', sign => [ 'far.test', 'else.test' ]);
row('p=none', 'x@open.test', $taken, qr/ policy=open\.test p=none sp=none np=none adkim=r aspf=r t=n fo=1:d disposition=none dkim=fail spf=fail spf-domain/);
row('test mode', 'x@testing.test', $taken, qr/ p=quarantine .* t=y fo=0 disposition=none dkim=fail spf=fail reason=policy_test_mode /);
row('a record that can\'t be read but for its addresses', 'x@broken.test', $taken, qr/ policy=broken\.test p=none .* disposition=none dkim=fail /);
row('<>', 'x@far.test', $taken, qr/ to=here\.test from=far\.test policy=far\.test .* spf-domain=client\.test spf-result=none /, sender => '');
row('two recipients', 'x@far.test', $taken, qr/^at=\d+ ip=127\.0\.0\.2 from=far\.test /, rcpt => [ 'alice@here.test', 'alice+x@here.test' ]);
row('nobody asks', 'x@quiet.test', $taken, qr/^$/);
row('no policy', 'x@nothing.test', $taken, qr/^$/);
row('no author', 'nobody', $taken, qr/^$/);
row('DNS doesn\'t tell', 'x@temp.test', $taken, qr/^$/);
row('nor of SPF', 'x@half.test', $taken, qr/^$/, sender => 'x@half.test');
row('ourselves', 'x@far.test', $taken, qr/^$/, from => '127.0.0.1');

$T->set('dns-defer' => '1h');
row('deferred: not yet', 'x@half.test', qr/^451 /, qr/^$/, sender => 'x@half.test');
row('and when it is taken, once', 'x@half.test', $taken, qr/^at=[^\n]* from=half\.test [^\n]*disposition=pass [^\n]*$/, sender => 'x@half.test', sign => ['half.test']);
$T->set(dmarc => 'refuse');
row('refused', 'x@far.test', qr/^550 5\.7\.1 .*\(dmarc\)$/, qr/ disposition=reject dkim=fail spf=fail spf-domain/, from => '127.0.0.3');
row('refuse, but of a list', 'x@far.test', $taken, qr/ disposition=quarantine dkim=fail spf=fail reason=mailing_list /, from => '127.0.0.3', head => "List-Id: <l.test>\r\n");
$T->set(dmarc => 'mark');
row('only marked', 'x@far.test', $taken, qr/ disposition=none dkim=fail spf=fail reason=local_policy /, from => '127.0.0.3');
$T->set(dmarc => 'off');
row('off: nothing', 'x@far.test', $taken, qr/^$/, from => '127.0.0.3');
$T->set;

# It stops nobody.
rename "$T->{spool}/dmarc-results", "$T->{spool}/aside" or die;
$T->spew("$T->{spool}/dmarc-results", 'no folder');
like +(recorded('x@far.test'))[0], $taken, 'a message is taken where nothing can be recorded';
like $T->log, qr/event=not-recorded what=dmarc why=/, 'of which the log tells';
unlink "$T->{spool}/dmarc-results";
row('and the folder is made anew', 'x@far.test', $taken, qr/^at=\d+ ip=127\.0\.0\.2 /);
unlike $T->log, qr/event=process-(died|killed)|event=session-lied|event=guard-ended/, 'no process came to harm';
done_testing;
