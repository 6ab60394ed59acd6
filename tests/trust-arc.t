#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Chains of seals (ARC) on strangers' mail: what is said of them, and whose word is taken where DMARC fails.
use strict;
use warnings;
use lib 'tests/lib';
use Test::More;
use TrustTest;

$ENV{ASAN_OPTIONS} //= 'detect_leaks=0'; # a handler ends with its connection, and leaves freeing to that
my $T = TrustTest->new;
my $count = 0;
my $taken = qr/^250 2\.0\.0 Accepted as /;
my $passed = 'dmarc=pass header.from=far.test';

sub large { return join '', map { "line $_ of a message that is larger than what memory keeps of it\r\n" } 1 .. 20000 }

# A message by x@far.test, which would be refused or filed as junk, with these seals: [DOMAIN, RESULTS], the oldest first.
sub sealed {
    my ($seals, $body) = @_;
    my $word = 'word' . ++$count . 'x';
    my $text = "From: Far <x\@far.test>\r\nSubject: $word\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\n\r\n" . ($body // "Good morning,\r\n.\r\nand good night.\r\n");
    $text = $T->seal($_->[0], $text, $_->[1]) for @$seals;
    return ($word, $text);
}

sub row {
    my ($name, $folder, $results, %o) = @_;
    my ($word, $text) = sealed($o{seals} // [['forward.test', $passed]], $o{body});
    $text = $o{change}->($text) if $o{change};
    my $reply = $T->send(sender => 'x@forward.test', from => '127.0.0.3', %o, message => $text);
    $T->settle($reply);
    my ($in, $found) = $T->found('alice', $word);
    my $got = $T->results($found);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $reply =~ $taken && $in eq $folder && $got =~ $results, $name or diag "$reply\n$in\n$got\n", $T->log =~ /(.*\n.*\n)\z/;
}

my $fail = qr/; dmarc=fail .*policy\.dmarc=reject; .*/;
my $overruled = qr/; dmarc=fail .*policy\.dmarc=none; .*/;
my @zone = ('far.test TXT v=spf1 -all', '_dmarc.far.test TXT v=DMARC1; p=reject; rua=mailto:reports@far.test');
$T->zone(@zone);

subtest 'nobody is trusted' => sub {
    row('no chain: nothing is said of one', 'Junk', qr/; dmarc=fail .*; dkim=none$/, seals => []);
    for my $size (['small', undef], ['large', large()]) {
        my ($name, $body) = @$size;
        for my $by (qw(DATA BDAT BINARY)) {
            row("$name by $by: a good chain", 'Junk', qr/$fail; arc=pass \(i=1\) header\.oldest-pass=0 smtp\.remote-ip=127\.0\.0\.3$/, by => $by, body => $body);
            row("$name by $by: the body is another", 'Junk', qr/$fail; arc=fail \(i=1\) reason="?i=1: the message signature: .*" smtp\.remote-ip=127\.0\.0\.3$/,
                by => $by, body => $body, change => sub { $_[0] =~ s/\A(.*\S)\r\n\z/$1x\r\n/sr });
        }
    }
    row('one of two', 'Junk', qr/$fail; arc=pass \(i=2\) header\.oldest-pass=0 /, seals => [['forward.test', $passed], ['list.test', 'none']]);
    row('a key that isn\'t there', 'Junk', qr/$fail; arc=fail .*the message signature: /, change => sub { $_[0] =~ s/d=forward\.test/d=gone.test/gr });
};

subtest 'who is trusted' => sub {
    $T->set('arc-trust' => 'forward.test other.test');
    row('has seen it pass', 'INBOX', qr/$overruled; arc=pass \(i=1; forward\.test, who is trusted, saw dmarc pass\) header\.oldest-pass=0 smtp\.remote-ip=127\.0\.0\.3$/);
    like $T->log, qr/event=checked .* dmarc="fail far\.test" arc="pass forward\.test, forward\.test saw dmarc pass" outcome=accept/, 'and the log says so';
    like join('', map { $T->slurp($_) } glob "$T->{spool}/dmarc-results/*"), qr/ from=far\.test .* disposition=none dkim=fail spf=fail reason=trusted_forwarder .* comment="arc=pass as\[1\]\.d=forward\.test as\[1\]\.s=\w+" .*\n\z/,
        'and what the author\'s domain is to be told';
    row('large, by BDAT', 'INBOX', qr/$overruled; arc=pass /, by => 'BDAT', body => large());
    row('has seen it signed by the author', 'INBOX', qr/$overruled; arc=pass \(i=1; forward\.test, who is trusted, saw dkim pass\)/,
        seals => [['forward.test', 'spf=fail smtp.mailfrom=x@other.test; dkim=pass header.d=far.test']]);
    row('has seen it fail', 'Junk', qr/$fail; arc=pass \(i=1\)/, seals => [['forward.test', 'dmarc=fail header.from=far.test']]);
    row('has seen another author\'s pass', 'Junk', qr/$fail; arc=pass \(i=1\)/, seals => [['forward.test', 'dmarc=pass header.from=near.test']]);
    row('didn\'t seal this body', 'Junk', qr/$fail; arc=fail /, change => sub { $_[0] =~ s/\A(.*\S)\r\n\z/$1x\r\n/sr });
    row('another sealed it last', 'Junk', qr/$fail; arc=pass \(i=2\)/, seals => [['forward.test', $passed], ['stranger.test', $passed]]);
    row('both are', 'INBOX', qr/$overruled; arc=pass \(i=1; forward\.test, /, seals => [['forward.test', $passed], ['other.test', 'arc=pass; dmarc=fail header.from=far.test']]);
    like join('', map { $T->slurp($_) } glob "$T->{spool}/dmarc-results/*"), qr/ comment="arc=pass as\[2\]\.d=other\.test as\[2\]\.s=\w+ as\[1\]\.d=forward\.test" .*\n\z/,
        'of which that tells too';
    $T->set('arc-trust' => 'stranger.test');
    row('another is', 'Junk', qr/$fail; arc=pass \(i=1\)/);
};

subtest 'with the other settings' => sub {
    my ($word, $text) = sealed([['forward.test', $passed]]);
    $T->set(dmarc => 'refuse');
    like $T->send(from => '127.0.0.3', message => $text), qr/^550 5\.7\.1 .*\(dmarc\)/, 'dmarc refuse: refused';
    $T->set(dmarc => 'refuse', 'arc-trust' => 'forward.test');
    row('and not where who is trusted saw it pass', 'INBOX', qr/$overruled; arc=pass /);
    $T->set(dmarc => 'off', 'arc-trust' => 'forward.test');
    row('dmarc off: the chain is checked', 'INBOX', qr/^mail\.here\.test; spf=.*; arc=pass \(i=1\)/);
    $T->set(spf => 'off', dmarc => 'off', 'arc-trust' => 'forward.test');
    row('nothing is', 'INBOX', qr/^$/);
};

subtest 'DNS can\'t tell' => sub {
    my ($word, $text) = sealed([['later.test', $passed]]);
    $T->zone(@zone);
    @{ $T->{keys}{'later.test'} } = ('rsa._domainkey.later.test fail', 'ed25519._domainkey.later.test fail');
    $T->zone(@zone);
    $T->set('arc-trust' => 'forward.test');
    row('of a sealer who isn\'t trusted: his chain fails', 'Junk', qr/$fail; arc=fail /, change => sub { $_[0] =~ s/d=forward\.test/d=later.test/gr });
    $T->set('arc-trust' => 'later.test', 'dns-defer' => '1h');
    like $T->send(from => '127.0.0.3', message => $text), qr/^451 4\.4\.3 .*\(dns-defer\)/, 'of one who is: the message comes again';
    $T->set('arc-trust' => 'later.test');
    like $T->send(from => '127.0.0.3', message => $text), $taken, 'not for ever';
    is +($T->found('alice', $word))[0], 'Junk', 'and then it is what it looks like';
};
done_testing;
