#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern dns, and the end of postern setup: every line is good in a zone file, the values are what the server's files and interfaces
# say, and whatever isn't to be published is a comment.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use SignedZones;
use Test::More;

my $T = QrunTest->new(domain => 'here.test');
my ($OK, $NOHOST) = (0, 68);
my $cert = "$T->{server}/cert.pem";

sub run_it { return $T->output(@_); }
sub postern { return $T->postern(@_); }
sub records { return grep { !/^;/ } split /\n/, shift; }

# --- where the addresses come from
# In a network of its own, whose only interface has these.
my @addresses = qw(192.0.2.25/32 10.1.2.3/32 100.64.0.1/32 2001:db8::25/128 fd00::1/128);
my $net = join ' && ', 'ip link set lo up', map { "ip addr add $_ dev lo" } @addresses;
my @as = map { "'$_'" } $T->command('postern', '-c', $T->{conf}, 'dns');
my @unshare = $> == 0 ? ('unshare', '--net', 'sh', '-c', "$net && exec @as")
                      : ('unshare', '--user', '--map-root-user', '--net', 'sh', '-c', "$net && exec unshare --user --map-user=$> --map-group=" . ($) + 0) . " -- @as");
my ($status, $said) = run_it(@unshare);
is $status, $OK, 'in a network of its own';
is_deeply [ sort grep { / (A|AAAA) / } records($said) ], [ 'mail.here.test. A 192.0.2.25', 'mail.here.test. AAAA 2001:db8::25' ],
    'public addresses of interfaces are the host\'s, and no others' or diag $said;
my $bare = $net =~ s/ && ip addr.*//r;
($status, $said) = run_it(map { s/\Q$net\E/$bare/r } @unshare);
like $said, qr/^; mail\.here\.test\. A \.\.\.: this host has no public address.*\n.*`addresses`/m, 'where there is none it says which setting is for that';

$T->settings(addresses => '203.0.113.7 2001:db8::7');
my ($end, $all) = postern('dns');
is $end, $OK, 'with addresses';
my @records = records($all);
is_deeply [ grep { / (A|AAAA) / } @records ], [ 'mail.here.test. A 203.0.113.7', 'mail.here.test. AAAA 2001:db8::7' ], 'the setting `addresses` says which';

# --- the rest
for my $line ('here.test. MX 10 mail.here.test.', 'here.test. TXT "v=spf1 mx -all"', 'mail.here.test. TXT "v=spf1 a -all"',
              '_dmarc.here.test. TXT "v=DMARC1; p=none; rua=mailto:postmaster@here.test"',
              '_smtp._tls.here.test. TXT "v=TLSRPTv1; rua=mailto:postmaster@here.test"',
              '_submissions._tcp.here.test. SRV 0 1 465 mail.here.test.', '_imaps._tcp.here.test. SRV 0 1 993 mail.here.test.',
              '_submission._tcp.here.test. SRV 10 1 587 mail.here.test.', '_imap._tcp.here.test. SRV 10 1 143 mail.here.test.') {
    ok scalar(grep { $_ eq $line } @records), $line;
}
is scalar(grep { /^\S+\._domainkey\.here\.test\. TXT "v=DKIM1/ } @records), 2, 'both keys';
my ($wanted) = `danetool --tlsa-rr --host mail.here.test --port 25 --load-certificate $cert 2>/dev/null` =~ /TLSA \( 03 01 01 ([0-9a-f]+) \)/;
ok defined $wanted && grep({ $_ eq "_25._tcp.mail.here.test. TLSA 3 1 1 $wanted" } @records), 'TLSA as danetool makes it of the certificate';
like $all, qr/^; .*--reuse-key/m, 'and what certbot needs to keep the key';
like $all, qr/^; waiting .*mta-sts.*autoconfig/m, 'MTA-STS and autoconfig wait';
ok !grep({ /mta-sts|autoconfig|pop3/ } @records), 'as comments, as POP3 does';

# --- the whole in a zone
my $z = SignedZones->new($T, 'here.test' => { text => join '', map { "$_\n" } grep { /^;/ || /^\S*here\.test\./ } split /\n/, $all });
for (@records) {
    my ($name, $type, $value) = split / /, $_, 3;
    my %answers = map { s/(?<=[0-9a-fA-F]{56}) (?=[0-9a-fA-F]+$)//r => 1 } map { lc } split /\n/, $z->dig($name, $type);
    ok $answers{ lc $value }, "Knot serves $name $type" or diag "$value\n", %answers;
}

# --- other domains
postern(@$_) for [ 'domain', 'add', 'other.test' ], [ 'domain', 'add', 'also.test', '=', 'here.test' ], [ 'domain', 'add', 'relayed.test', 'relay', 'all' ];
($end, $all) = postern('dns');
@records = records($all);
for my $domain (qw(other also)) {
    is scalar(grep { /^\S*\b$domain\.test\. / } @records), 10, "$domain.test has all of them";
}
is_deeply [ grep { /relayed/ } @records ], ['relayed.test. MX 20 mail.here.test.'], 'one that is relayed comes behind its own server';
($end, $all) = postern('dns', 'Other.Test');
ok $end == $OK && $all =~ /^other\.test\. MX/m && $all !~ /^also/m && $all =~ /^mail\.here\.test\. A/m, 'of one domain, and the host' or diag $all;
($end, $all) = postern('dns', 'foreign.test');
is $end, $NOHOST, 'not of others';

# --- setup ends with them, each time
for my $time (1, 2) {
    my ($made, $text) = postern('setup', 'mail.here.test', 'here.test');
    ok $made == 0 && $text =~ /\nNext:.*\nThe records.*^here\.test\. MX 10 mail\.here\.test\.\n.*^_imaps\._tcp/ms, 'setup ends with them' or diag $text;
    my ($one, $again) = postern('dns', 'here.test');
    is substr($text, -length $again), $again, 'exactly these';
}
unlink $cert;
($end, $all) = postern('dns');
ok $end == 0 && $all =~ /^; _25\._tcp\.mail\.here\.test\. TLSA \.\.\.: .*cert\.pem: No such file/m, 'without a certificate that one is missing' or diag $all;
done_testing;
