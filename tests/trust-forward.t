#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Mail that is sent on: an author whose domain wants what fails refused, server A, whose alias leads to server B, and B, which sees SPF fail and
# no signature. A seals it (ARC) with the keys that `postern` made; B puts it into the INBOX where it trusts A, and else into Junk.
use strict;
use warnings;
use lib 'tests/lib';
use MIME::Base64 qw(encode_base64);
use Milter;
use Test::More;
use TrustTest;

$ENV{ASAN_OPTIONS} //= 'detect_leaks=0'; # a handler ends with its connection, and leaves freeing to that
my $port = QrunTest::free_port();
my $A = TrustTest->new(domain => 'a.test', 'smtp-port' => $port, 'plaintext-login' => 'yes');
my $B = TrustTest->new(domain => 'b.test', 'smtp-port' => $port);
$A->serve_smtpd('127.0.0.8', $port);
$B->serve_smtpd('127.0.0.9', $port);
my $submission = QrunTest::free_port();
$A->serve_smtpd('127.0.0.1', $submission, '-s');

sub postern { my ($t, @words) = @_; $t->run_as('postern', '-c', $t->{conf}, @words) == 0 or die "postern @words: " . $t->log; }
postern($A, 'domain', 'add', $_) for qw(second.test bare.test);
system('rm', '-rf', "$A->{server}/dkim/bare.test");
postern($A, 'dkim', 'make', 'second.test') if !-d "$A->{server}/dkim/second.test";
postern($A, 'alias', 'add', @$_) for ['fwd', 'bob@b.test'], ['fwd@second.test', 'bob@b.test'], ['fwd@bare.test', 'bob@b.test'], ['hop@bare.test', 'hop@b.test'], ['hop', 'hop@b.test'],
    ['both', 'alice', 'bob@b.test'], ['list', ":include:$A->{server}/members"];
postern($B, 'alias', 'add', 'hop', 'alice@a.test');
$A->spew("$A->{server}/members", "# who reads the list\nbob\@b.test\n");
$A->own;
$B->user('bob');

# DNS, the same for both: the keys as `postern dns` prints them.
my @keys;
for my $t ($A, $B) {
    my $command = join ' ', map { "'$_'" } $t->command('postern', '-c', $t->{conf}, 'dns');
    push @keys, map { /^(\S+_domainkey\S*?)\.\s+(?:\d+\s+)?(?:IN\s+)?TXT\s+(.*)/ ? "$1 TXT " . join '', $2 =~ /"([^"]*)"/g : () } `$command`;
}
is scalar(grep { /_domainkey\.(?:a|b|second)\.test TXT v=DKIM1/ } @keys), 6, 'three domains with two keys each' or diag "@keys";
my @zone = (@keys, 'author.test TXT v=spf1 ip4:127.0.0.2 -all', '_dmarc.author.test TXT v=DMARC1; p=reject', 'a.test MX 10 mail.a.test', 'mail.a.test A 127.0.0.8',
            'b.test MX 10 mail.b.test', 'mail.b.test A 127.0.0.9', 'a.test TXT v=spf1 ip4:127.0.0.1 -all', 'b.test TXT v=spf1 ip4:127.0.0.1 -all');
$_->zone(@zone) for $A, $B;

my $count = 0;
my $taken = qr/^250 2\.0\.0 Accepted as /;
sub large { return join '', map { "line $_ of a message that is larger than what memory keeps of it\r\n" } 1 .. 20000 }

sub text {
    my ($body) = @_;
    my $word = 'word' . ++$count . 'x';
    return ($word, "From: Author <x\@author.test>\r\nTo: somebody\r\nSubject: $word\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\n\r\n" . ($body // "Good morning,\r\n.\r\nand good night.\r\n"));
}

# To A by its author, on by A's queue: where B then has it, and what it looks like there.
sub forwarded {
    my ($to, %o) = @_;
    my ($word, $text) = text($o{body});
    $text = $o{change}->($text) if $o{change};
    my $reply = $A->send(sender => 'x@author.test', rcpt => $to, message => $text, %o);
    die "$reply\n" . $A->log if $reply !~ $taken;
    $A->qrun;
    my ($folder, $found) = $B->found('bob', $word);
    return ($folder, $found, $B->results($found), $word);
}
# What others make of the chain of a message in a mailbox.
sub others {
    my ($text) = @_;
    mkdir "$A->{dir}/one";
    $A->spew("$A->{dir}/one/m", $text =~ s/\r?\n/\r\n/gr);
    $A->spew("$A->{dir}/keys-of-all", join '', map { s/ TXT / /r . "\n" } @keys);
    return join '', map { my $out = `$_ verify $A->{dir}/keys-of-all $A->{dir}/one`; $out } 'tests/lib/arc-peers', 'tests/lib/arc-mail-dkim';
}
sub fields { my ($text, $name) = @_; my ($head) = $text =~ /\A(.*?)\r?\n\r?\n/s; return map { s/\r?\n[ \t]+/ /gr } $head =~ /^(\Q$name\E: (?:.*\n[ \t])*.*)/mg; }

my $failed = qr/; dmarc=fail .*header\.from=author\.test policy\.dmarc=reject; spf=pass .*smtp\.mailfrom=SRS0=\S+\@a\.test; /;
my $overruled = qr/; dmarc=fail .*header\.from=author\.test policy\.dmarc=none; .*; arc=pass \(i=1; a\.test, who is trusted, saw dmarc pass\)/;

subtest 'B trusts nobody' => sub {
    my ($folder, $text, $results) = forwarded('fwd@a.test');
    is $folder, 'Junk', 'a message goes to Junk' or diag $text, $A->log, $B->log;
    like $results, qr/$failed.*; arc=pass \(i=1\) header\.oldest-pass=0 smtp\.remote-ip=127\.0\.0\.1/, 'though its chain is good';
    like +(fields($text, 'ARC-Seal'))[0], qr/^ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a\.test; s=\S+; t=\d+; b=/, 'A sealed it';
    like +(fields($text, 'ARC-Authentication-Results'))[0],
        qr/^ARC-Authentication-Results: i=1; mail\.a\.test; dmarc=pass .*header\.from=author\.test; spf=pass .*smtp\.mailfrom=x\@author\.test; /, 'and says what it saw';
    my ($signature) = fields($text, 'ARC-Message-Signature');
    like $signature, qr/^ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed\/relaxed; d=a\.test; .*h=From:From:/, 'over what was written';
    unlike $signature =~ /h=(.*?);/ ? $1 : '', qr/authentication-results|received|arc-|return-path/i, 'and nothing that servers add';
    like $text, qr/^Return-Path: <SRS0=\S+\@a\.test>/m, 'with a sender of A\'s';
    is others($text), "m pass 1\nm pass 1\n", 'dkimpy and Mail::DKIM find its chain good';
};

subtest 'B trusts A' => sub {
    $B->set('arc-trust' => 'a.test');
    for (['an alias', 'fwd@a.test'], ['an alias that is a mailbox too', 'both@a.test'], ['a list in a file', 'list@a.test']) {
        my ($folder, $text, $results, $word) = forwarded($_->[1]);
        ok $folder eq 'INBOX' && $results =~ $overruled, "$_->[0]: the INBOX" or diag "$folder\n$results\n";
    }
    for my $by (qw(DATA BDAT BINARY)) {
        my ($folder, $text, $results) = forwarded('fwd@a.test', by => $by, body => large());
        ok $folder eq 'INBOX' && $results =~ $overruled, "a large one by $by" or diag "$folder\n$results\n";
    }
    my ($folder, $text, $results) = forwarded('fwd@a.test', from => '127.0.0.3');
    ok $folder eq 'Junk' && $results =~ /$failed.*; arc=pass \(i=1\)/, 'but what failed with A is Junk' or diag "$folder\n$results\n";
    ($folder, $text, $results) = forwarded('fwd@a.test', by => 'BINARY', body => "by BINARYMIME\r\n\xe4\r\n");
    ok $folder eq 'INBOX' && $results =~ $overruled, '8-bit bytes' or diag "$folder\n$results\n";
    ($folder, $text, $results) = forwarded(['fwd@a.test', 'alice@a.test']);
    ok $folder eq 'INBOX' && $results =~ $overruled, 'of several recipients' or diag "$folder\n$results\n";
};

subtest 'by which domain' => sub {
    $B->set('arc-trust' => 'second.test');
    my ($folder, $text, $results) = forwarded('fwd@second.test');
    ok $folder eq 'INBOX' && $results =~ /second\.test, who is trusted/, 'the one of the address it came for' or diag "$folder\n$results\n";
    ($folder, $text) = forwarded('fwd@bare.test');
    ok $folder eq 'Junk' && $text !~ /^ARC-/m, 'none where that has no keys' or diag "$folder\n$text\n";
    ($folder, $text) = forwarded(['hop@bare.test', 'fwd@second.test']);
    like +(fields($text, 'ARC-Seal'))[-1], qr/ i=1; .* d=second\.test; /, 'the first that has some';
};

subtest 'what isn\'t sealed' => sub {
    my ($word, $text) = text();
    $A->send(sender => 'x@author.test', rcpt => 'alice@a.test', message => $text);
    my ($folder, $found) = $A->found('alice', $word);
    ok $folder eq 'INBOX' && $found !~ /^ARC-/m, 'what stays here';
    $A->set(dmarc => 'off', spf => 'off');
    ($folder, $found) = forwarded('fwd@a.test');
    unlike $found, qr/^ARC-/m, 'what wasn\'t checked';
    $A->set;
    ($word, $text) = text();
    $text =~ s/x\@author\.test/alice\@a.test/;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $submission) or die;
    TrustTest::read_reply($s);
    TrustTest::say($s, $_) for 'EHLO client.test', 'AUTH PLAIN ' . encode_base64("\0alice\@a.test\0alice-secret", ''), 'MAIL FROM:<alice@a.test>', 'RCPT TO:<fwd@a.test>', 'DATA';
    like TrustTest::say($s, $text =~ s/^\./../mgr . '.'), $taken, 'what is submitted';
    $A->qrun;
    ($folder, $found) = $B->found('bob', $word);
    ok $found =~ /^DKIM-Signature:/m && $found !~ /^ARC-/m, 'is signed' or diag $found;
};

subtest 'what filters change' => sub {
    $B->set('arc-trust' => 'a.test');
    my $number = 0;
    my $filtered = sub {
        my ($wishes, %o) = @_;
        my $filter = Milter->new($A->{dir}, 'f' . ++$number, E => [ @$wishes, 'c' ]);
        $A->set(milter => "unix:$filter->{path}");
        my @all = forwarded('fwd@a.test', %o);
        $filter->stop;
        $A->set;
        return @all;
    };
    for my $size (['small', undef], ['large', large()]) {
        my ($name, $body) = @$size;
        my ($folder, $text, $results) = $filtered->([ "bAnother body\r\n", "hX-Filter\0seen\0", pack('aNZ*Z*', 'm', 1, 'To', 'another') ], body => $body);
        ok $folder eq 'INBOX' && $results =~ $overruled && $text =~ /^To: another\r?$/m && $text =~ /Another body/, "$name: is sealed as they left it"
            or diag "$folder\n$text\n";
    }
    my ($folder, $text) = $filtered->(["hARC-Seal\0i=1; a=rsa-sha256; cv=none\0"]);
    ok $folder eq 'Junk' && scalar(fields($text, 'ARC-Seal')) == 1, 'a chain that they made isn\'t ours to seal' or diag $text;
    like $A->log, qr/event=session-not-sealed /, 'which the log tells';
};

# On from B to a mailbox of A's: two seals.
sub hop {
    my ($trusted, %o) = @_;
    my ($word, $text) = text();
    $text = $o{change}->($text) if $o{change};
    $A->send(sender => 'x@author.test', rcpt => 'hop@a.test', message => $text) =~ $taken or die;
    $A->set('arc-trust' => $trusted);
    $A->qrun;
    $B->qrun;
    my ($folder, $found) = $A->found('alice', $word);
    $A->set;
    return ($folder, $found, $A->results($found));
}
subtest 'sent on twice' => sub {
    $B->set('arc-trust' => 'a.test');
    my ($folder, $text, $results) = hop('a.test b.test');
    ok $folder eq 'INBOX' && $results =~ /; arc=pass \(i=1; a\.test, who is trusted, saw dmarc pass\) header\.oldest-pass=0/, 'by two who are trusted' or diag "$folder\n$text", $B->log;
    my @seals = fields($text, 'ARC-Seal');
    ok @seals == 2 && $seals[0] =~ /i=2; .*cv=pass; d=b\.test; / && $seals[1] =~ /i=1; .*cv=none; d=a\.test; /, 'each sealed it' or diag "@seals";
    is others($text), "m pass 2\nm pass 2\n", 'dkimpy and Mail::DKIM say so too';
    like +(fields($text, 'ARC-Authentication-Results'))[0], qr/i=2; mail\.b\.test; dmarc=fail .*; arc=pass \(i=1; a\.test, who is trusted/, 'B says by whom it was told';
    ($folder, $text, $results) = hop('a.test');
    ok $folder eq 'Junk' && $results =~ /; arc=pass \(i=2\)/, 'by two of whom the last isn\'t' or diag "$folder\n$results";
};

subtest 'a chain that is broken' => sub {
    my $break = sub { $A->seal('old.test', $_[0], 'dmarc=pass header.from=author.test') =~ s/^Subject: w/Subject: [changed] w/mr };
    my ($folder, $text, $results) = hop('a.test b.test', change => $break);
    my @seals = fields($text, 'ARC-Seal');
    ok @seals == 2 && $seals[0] =~ /^ARC-Seal: i=2; .*cv=fail; d=a\.test; /, 'is sealed as such, and not once more' or diag "@seals\n", $A->log;
    ok $folder eq 'Junk' && $results =~ /; arc=fail \(i=2\) reason="the newest seal says cv=fail"/, 'and counts as none' or diag "$folder\n$results";
};
subtest 'a chain that DNS doesn\'t let us check' => sub {
    my ($word, $text) = text();
    $text = $A->seal('old.test', $text, 'dmarc=pass header.from=author.test');
    $B->zone(@zone, @{ $A->{keys}{'old.test'} });
    $B->set('arc-trust' => 'old.test');
    s/^(\S+).*/$1 fail/ for @{ $A->{keys}{'old.test'} };
    $A->zone(@zone);
    $A->send(sender => 'x@author.test', rcpt => 'fwd@a.test', message => $text) =~ $taken or die;
    $A->qrun;
    my ($folder, $found) = $B->found('bob', $word);
    is scalar(fields($found, 'ARC-Seal')), 1, 'isn\'t called failed for ever';
    ok $folder eq 'INBOX' && $B->results($found) =~ /arc=pass \(i=1; old\.test, who is trusted/, 'and who can check it sees that it is good' or diag "$folder\n$found";
};
unlike $_->log, qr/event=process-(died|killed)|event=session-lied|event=guard-ended/, 'no process came to harm' for $A, $B;
done_testing;
