#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Who sent a stranger's message, with the whole smtpd and a DNS of its own: each result of SPF, DKIM and DMARC, aligned and not; by DATA,
# BDAT and BINARYMIME, small and over what memory keeps; what the settings make of it, in mailboxes, aliases and the queue.
use strict;
use warnings;
use lib 'tests/lib';
use Test::More;
use Time::HiRes qw(time sleep);
use TrustTest;

$ENV{ASAN_OPTIONS} //= 'detect_leaks=0'; # a handler ends with its connection, and leaves freeing to that
my $T = TrustTest->new;
my $count = 0;
my $taken = qr/^250 2\.0\.0 Accepted as /;

# A message with a word of its own in it: both.
sub text {
    my (%o) = @_;
    my $word = 'word' . ++$count . 'x';
    my $from = exists $o{from} ? $o{from} : 'x@far.test';
    my $text = ($from ? "From: $from\r\n" : '') . ($o{head} // '') . "Subject: $word\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\n\r\n";
    $text .= $o{body} // "Good morning,\r\n.\r\n..and good night.\r\n";
    return ($word, $text);
}
sub large { return join '', map { "line $_ of a message that is larger than what memory keeps of it\r\n" } 1 .. 20000 }

# Sends one, and where it then lies: (reply, folder, results, text).
sub go {
    my (%o) = @_;
    my ($word, $text) = text(%{ $o{text} // {} });
    $text = $T->sign($_, $text, $o{canon}) for @{ $o{sign} // [] };
    $text = $o{change}->($text) if $o{change};
    my $reply = $T->send(%o, message => $text);
    my ($folder, $found) = $T->found('alice', $word);
    return ($reply, $folder, $T->results($found), $found);
}

# One row: what the results must look like, and in which folder.
sub row {
    my ($name, $folder, $results, %o) = @_;
    my ($reply, $in, $got) = go(%o);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $reply =~ $taken && $in eq $folder && $got =~ $results, $name or diag "$reply\n$in\n$got\n", $T->log =~ /(.*\n.*\n)\z/;
}

subtest 'SPF' => sub {
    $T->zone('pass.test TXT v=spf1 ip4:127.0.0.2 -all', 'fail.test TXT v=spf1 -all', 'soft.test TXT v=spf1 ~all', 'neutral.test TXT v=spf1 ?all',
             'none.test TXT something else', 'temp.test fail', 'refused.test refused', 'perm.test TXT v=spf1 nonsense:', 'two.test TXT v=spf1 -all',
             'two.test TXT v=spf1 +all', 'deep.test TXT v=spf1 include:pass.test -all', 'mx.test TXT v=spf1 mx -all', 'mx.test MX 10 a.mx.test',
             'a.mx.test A 127.0.0.2', 'late.test TXT v=spf1 include:temp.test -all', 'helo.test TXT v=spf1 ip4:127.0.0.2 -all');
    for (['pass', 'pass'], ['fail', 'fail'], ['soft', 'softfail'], ['neutral', 'neutral'], ['none', 'none'], ['gone', 'none'], ['temp', 'temperror'],
         ['refused', 'temperror'], ['perm', 'permerror'], ['two', 'permerror'], ['deep', 'pass'], ['mx', 'pass'], ['late', 'temperror']) {
        my ($domain, $result) = @$_;
        row("$domain.test: $result", 'INBOX', qr/; spf=$result(?: \(.*?\))? smtp\.mailfrom=x\@\Q$domain\E\.test;/, sender => "x\@$domain.test");
    }
    row('another address: fail', 'INBOX', qr/; spf=fail /, sender => 'x@pass.test', from => '127.0.0.3');
    row('<>: by the name in HELO', 'INBOX', qr/; spf=pass(?: \(.*?\))? smtp\.helo=helo\.test;/, sender => '', helo => 'helo.test');
    row('<>: from elsewhere', 'INBOX', qr/; spf=fail(?: \(.*?\))? smtp\.helo=helo\.test;/, sender => '', helo => 'helo.test', from => '127.0.0.3');
    row('<>: a HELO that is no domain', 'INBOX', qr/; spf=none .*smtp\.helo=/, sender => '', helo => '[127.0.0.2]');
    like $T->log, qr/event=checked peer=127\.0\.0\.2 helo=client\.test from=x\@soft\.test to=alice\@here\.test spf="softfail soft\.test" dkim=none dmarc="none far\.test" outcome=accept/,
        'the log has a line of it';
};

my @sizes = (['DATA', undef], ['BDAT', undef], ['BINARY', undef], ['DATA', large()], ['BDAT', large()], ['BINARY', large()]);
subtest 'DKIM' => sub {
    $T->zone('rsa._domainkey.temp.test fail', 'ed25519._domainkey.temp.test fail', 'rsa._domainkey.revoked.test TXT v=DKIM1; p=',
             'ed25519._domainkey.revoked.test TXT v=DKIM1; k=ed25519; p=');
    for (@sizes) {
        my ($by, $body) = @$_;
        my %o = (by => $by, sign => ['sign.test'], text => { defined $body ? (body => $body) : () });
        my $name = ($body ? 'large' : 'small') . " by $by";
        row("$name: pass, by both keys", 'INBOX', qr/; dkim=pass \(\d+-bit key\) header\.d=sign\.test header\.i=\@sign\.test header\.s=rsa header\.a=rsa-sha256 header\.b=\S{8,10}; dkim=pass \(\d+-bit key\) header\.d=sign\.test header\.i=\@sign\.test header\.s=ed25519 header\.a=ed25519-sha256 header\.b=\S{8,10}$/,
            %o);
        row("$name: pass, simple", 'INBOX', qr/; dkim=pass .*; dkim=pass /, %o, canon => 'simple/simple');
        row("$name: one byte of the body is another", 'INBOX', qr/; dkim=fail .*; dkim=fail /, %o, change => sub { $_[0] =~ s/\A(.*\S)\r\n\z/$1x\r\n/sr });
        row("$name: one byte of the header is another", 'INBOX', qr/; dkim=fail .*; dkim=fail /, %o, change => sub { $_[0] =~ s/^Subject: w/Subject: v w/mr });
    }
    row('none', 'INBOX', qr/; dkim=none$/);
    for my $domain (qw(temp revoked gone)) {
        # signed by sign.test, and said to be by others
        my $result = $domain eq 'temp' ? 'temperror' : 'permerror';
        row("the key of $domain.test: $result", 'INBOX', qr/; dkim=$result .*header\.d=\Q$domain\E\.test/, sign => ['sign.test'],
            change => sub { $_[0] =~ s/d=sign\.test/d=$domain.test/gr });
    }
    row('a signature that can\'t be read: neutral', 'INBOX', qr/; dkim=neutral /, text => { head => "DKIM-Signature: v=1; =\r\n" });
    row('one of a part: policy', 'INBOX', qr/; dkim=policy /, sign => ['sign.test'], change => sub { $_[0] =~ s/d=sign\.test/l=1; d=sign.test/gr });
    row('two domains', 'INBOX', qr/; dkim=pass \(\d+-bit key\) header\.d=other\.test .*; dkim=pass .*; dkim=pass \(\d+-bit key\) header\.d=sign\.test .*; dkim=pass /, sign => ['sign.test', 'other.test']);
};

subtest 'DMARC' => sub {
    $T->zone('far.test TXT v=spf1 ip4:127.0.0.2 -all', '_dmarc.far.test TXT v=DMARC1; p=reject', '_dmarc.quarantine.test TXT v=DMARC1; p=quarantine',
             '_dmarc.open.test TXT v=DMARC1; p=none', '_dmarc.strict.test TXT v=DMARC1; p=reject; adkim=s; aspf=s', 'sub.strict.test TXT v=spf1 ip4:127.0.0.2 -all',
             '_dmarc.temp.test fail', '_dmarc.broken.test TXT v=DMARC1; p=whatever', '_dmarc.testing.test TXT v=DMARC1; p=reject; t=y',
             '_dmarc.half.test TXT v=DMARC1; p=reject', 'half.test fail', '_dmarc.subs.test TXT v=DMARC1; p=none; sp=reject', 'x.subs.test A 127.0.0.2',
             'sub.far.test TXT v=spf1 ip4:127.0.0.2 -all', 'other.test TXT v=spf1 ip4:127.0.0.2 -all');
    my $from = sub { return (text => { from => "somebody <x\@$_[0]>" }) };
    row('by SPF', 'INBOX', qr/; dmarc=pass .*header\.from=far\.test/, $from->('far.test'));
    row('by SPF of a domain below', 'INBOX', qr/; dmarc=pass /, $from->('far.test'), sender => 'x@sub.far.test');
    row('by DKIM, where SPF fails', 'INBOX', qr/; dmarc=pass .*; spf=fail/, $from->('far.test'), from => '127.0.0.3', sign => ['far.test']);
    row('by DKIM of a domain below', 'INBOX', qr/; dmarc=pass /, $from->('far.test'), from => '127.0.0.3', sign => ['mail.far.test']);
    for (@sizes) {
        my ($by, $body) = @$_;
        my $name = ($body ? 'large' : 'small') . " by $by";
        row("$name: neither, reject", 'Junk', qr/; dmarc=fail .*header\.from=far\.test policy\.dmarc=reject; spf=fail .*; dkim=none$/, from => '127.0.0.3', by => $by,
            text => { $body ? (body => $body) : () });
    }
    row('pass, but for others', 'Junk', qr/; dmarc=fail .*; spf=pass .*; dkim=pass \(\d+-bit key\) header\.d=else\.test/, $from->('quarantine.test'), sender => 'x@other.test', sign => ['else.test']);
    row('quarantine', 'Junk', qr/; dmarc=fail .* policy\.dmarc=quarantine/, $from->('quarantine.test'), sender => 'x@nowhere.test');
    row('none', 'INBOX', qr/; dmarc=fail .* policy\.dmarc=none/, $from->('open.test'));
    row('no policy', 'INBOX', qr/; dmarc=none .*header\.from=nothing\.test/, $from->('nothing.test'));
    row('strict: exactly that domain', 'INBOX', qr/; dmarc=pass /, $from->('strict.test'), sign => ['strict.test'], from => '127.0.0.3');
    row('strict: one below', 'Junk', qr/; dmarc=fail .*; spf=pass .*; dkim=pass /, $from->('strict.test'), sender => 'x@sub.strict.test', sign => ['mail.strict.test']);
    row('test mode', 'Junk', qr/; dmarc=fail .* policy\.dmarc=quarantine/, $from->('testing.test'));
    row('a policy for what is below', 'Junk', qr/; dmarc=fail .*header\.from=x\.subs\.test policy\.dmarc=reject/, $from->('x.subs.test'));
    row('permerror: one that can\'t be read', 'INBOX', qr/; dmarc=permerror /, $from->('broken.test'));
    row('temperror', 'INBOX', qr/; dmarc=temperror .*header\.from=temp\.test/, $from->('temp.test'));
    row('temperror of SPF that would decide', 'INBOX', qr/; dmarc=temperror .*; spf=temperror /, $from->('half.test'), sender => 'x@half.test');
    row('and doesn\'t, where DKIM passes', 'INBOX', qr/; dmarc=pass .*; spf=temperror /, $from->('half.test'), sender => 'x@half.test', sign => ['half.test']);
    row('two From fields', 'Junk', qr/; dmarc=(?:permerror|fail) /, text => { from => "a\@nothing.test\r\nFrom: b\@far.test" }, from => '127.0.0.3');
    row('none at all', 'INBOX', qr/; dmarc=none /, text => { from => '' }, sender => 'x@other.test');
    row('nothing but a body', 'INBOX', qr/; dmarc=none .*; dkim=none$/, change => sub { $_[0] =~ s/.*^Subject: (\S+).*\z/no header, $1\r\n/msr }, sender => 'x@other.test');
};

subtest 'what the settings make of it' => sub {
    $T->zone('far.test TXT v=spf1 exp=why.far.test -all', 'why.far.test TXT go away, %{i}', '_dmarc.far.test TXT v=DMARC1; p=reject', 'temp.test fail',
             '_dmarc.quarantine.test TXT v=DMARC1; p=quarantine');
    my %quarantine = (text => { from => 'x@quarantine.test' });
    $T->set(dmarc => 'refuse');
    is +(go())[0], '550 5.7.1 Neither SPF nor DKIM vouches for the author\'s domain far.test, which wants that refused (dmarc)', 'dmarc refuse: reject';
    like $T->log, qr/event=checked .* dmarc="fail far\.test" outcome=refuse reply="550 5\.7\.1 Neither[^"]*\(dmarc\)"/, 'of which the log tells';
    is +(go(by => 'BDAT', text => { body => large() }))[0] =~ /^(...)/, 1, 'by BDAT, large, too';
    row('dmarc refuse: quarantine', 'Junk', qr/; dmarc=fail /, %quarantine);
    row('dmarc refuse: what says that it is a list\'s', 'Junk', qr/; dmarc=fail /, text => { head => "List-Id: <l.far.test>\r\n" });
    $T->set(dmarc => 'mark');
    row('dmarc mark', 'INBOX', qr/; dmarc=fail .* policy\.dmarc=reject/);
    $T->set(dmarc => 'off');
    row('dmarc off: SPF and DKIM only', 'INBOX', qr/^mail\.here\.test; spf=fail .*; dkim=none$/);
    $T->asked;
    $T->set(dmarc => 'off', spf => 'off');
    row('both off: nothing', 'INBOX', qr/^$/);
    is join(' ', $T->asked), '', 'and nothing is asked';
    $T->set(spf => 'refuse');
    is +(go())[0], '550 5.7.23 far.test says that 127.0.0.2 may not send its mail; it says: go away, 127.0.0.2 (spf)', 'spf refuse';
    my $s = $T->connect;
    TrustTest::say($s, $_) for 'MAIL FROM:<x@far.test>', 'RCPT TO:<alice@here.test>';
    like TrustTest::say($s, 'DATA'), qr/^550 5\.7\.23 /, 'at DATA, before the message';
    TrustTest::say($s, $_) for 'MAIL FROM:<x@far.test>', 'RCPT TO:<alice@here.test>';
    like TrustTest::say($s, "BDAT 3\r\na"), qr/^550 5\.7\.23 /, 'and at the first BDAT';
    like TrustTest::say($s, "BDAT 3 LAST\r\na"), qr/^550 5\.7\.23 /, 'and the last';
    like $T->message($s, sender => 'x@else.test', message => "From: x\@else.test\r\n\r\nx\r\n"), $taken, 'another message is taken';
    row('spf refuse: no domain, none', 'INBOX', qr/; spf=none /, sender => 'x@else.test', text => { from => 'x@else.test' });
    # those to whom one may always write, and from whom all is taken
    my %all = (dmarc => 'refuse', spf => 'refuse', 'dns-defer' => '1h');
    my @zone = @{ $T->{zone} };
    $T->zone(@zone, '3.0.0.127.allow.test A 127.0.0.1');
    $T->set(%all, 'dns-allow' => 'allow.test');
    row('postmaster takes all of it', 'Junk', qr/; dmarc=fail .*; spf=fail /, rcpt => 'postmaster@here.test');
    row('also what DNS hides', 'INBOX', qr/; spf=temperror /, rcpt => 'postmaster@here.test', sender => 'x@temp.test', text => { from => 'x@else.test' });
    like +(go(rcpt => ['postmaster@here.test', 'alice@here.test']))[0], qr/^550 5\.7\.23 /, 'but not with others';
    row('a client in dns-allow', 'Junk', qr/; dmarc=fail .*; spf=fail /, from => '127.0.0.3');
    like +(go())[0], qr/^550 5\.7\.23 /, 'one that isn\'t';
    $T->zone(@zone);
    $T->set(spf => 'refuse', 'dns-defer' => '1h');
    is +(go(sender => 'x@temp.test'))[0], '451 4.4.3 DNS can\'t tell now who sent this, try again later (dns-defer)', 'what DNS hides comes again';
    $T->set;
};

subtest 'temporary failures' => sub {
    $T->zone('_dmarc.temp.test fail', 'far.test fail', '_dmarc.far.test TXT v=DMARC1; p=reject', '_dmarc.open.test TXT v=DMARC1; p=none', 'open.test fail');
    my %temp = (text => { from => 'x@temp.test' }, sender => 'a@temp.test');
    $T->set('dns-defer' => '4s');
    is +(go(%temp))[0], '451 4.4.3 DNS can\'t tell now who sent this, try again later (dns-defer)', 'first';
    my $seen = time;
    like $T->log, qr/ dmarc="temperror temp\.test" outcome=defer reply="451 /, 'in the log';
    like +(go())[0], qr/^451 4\.4\.3 /, 'where it hides whether SPF vouches for it';
    row('but not where nothing hangs on it', 'INBOX', qr/; dmarc=temperror .*; spf=temperror/, sender => 'x@open.test', text => { from => 'x@open.test' });
    like +(go(%temp, from => '127.0.0.77'))[0], $taken, 'taken once its time is over, from the same network' if ok $T->eventually(60, sub { time > $seen + 5 }), 'wait';
    row('and then at once', 'INBOX', qr/; dmarc=temperror /, %temp);
    like +(go(%temp, sender => 'another@temp.test'))[0], qr/^451 4\.4\.3 /, 'each sender for himself';
    $T->set(dmarc => 'mark', 'dns-defer' => '1h');
    row('what is only marked isn\'t put off', 'INBOX', qr/; dmarc=temperror /, %temp, sender => 'third@temp.test');
    $T->set;
};

subtest 'whom it concerns' => sub {
    $T->zone('far.test TXT v=spf1 -all', '_dmarc.far.test TXT v=DMARC1; p=reject');
    my $forged = "Authentication-Results: mail.here.test; dmarc=pass header.from=far.test\r\n";
    $T->asked;
    row('this machine', 'INBOX', qr/^$/, from => '127.0.0.1');
    $T->set(networks => '127.0.0.2/32');
    row('networks', 'INBOX', qr/^$/);
    row('who are believed', 'INBOX', qr/^mail\.here\.test; dmarc=pass/, text => { head => $forged });
    $T->set;
    is join(' ', $T->asked), '', 'nothing is asked for them';
    row('a stranger', 'Junk', qr/; dmarc=fail/);
    is_deeply [ sort $T->asked ], [ '_dmarc.far.test TXT', 'far.test TXT' ], 'whose questions are asked once';
    my @lies = ($forged, "authentication-results: (x) Mail.HERE.test. 1;\r\n\tdmarc=pass\r\n", "Authentication-Results: \"mail.here.test\" ; spf=pass\r\n",
                "Authentication-Results: ;=\r\n");
    for my $by (@sizes) {
        my ($reply, $folder, $results, $found) = go(by => $by->[0], text => { head => join('', @lies) . "Authentication-Results: else.test; spf=pass\r\n", $by->[1] ? (body => $by->[1]) : () });
        my @all = $found =~ /^(authentication-results:.*)/mig;
        ok $reply =~ $taken && @all == 2 && $results =~ /dmarc=fail/ && $all[1] =~ / else\.test;/, "results that claim to be ours are removed, others aren't ($by->[0])" or diag "@all";
    }
    # one connection, many messages: names are asked for once
    $T->zone('far.test TXT v=spf1 ip4:127.0.0.2 -all', '_dmarc.far.test TXT v=DMARC1; p=reject');
    $T->asked;
    my $s = $T->connect;
    like $T->message($s), $taken, "message $_" for 1 .. 5;
    is scalar($T->asked), 2, 'the questions of the first are enough';
};

subtest 'several recipients, aliases, the queue' => sub {
    $T->zone('far.test TXT v=spf1 -all', '_dmarc.far.test TXT v=DMARC1; p=reject');
    ok $T->user('bob') && $T->run_as('postern', '-c', $T->{conf}, 'alias', 'add', 'team@here.test', 'alice@here.test', 'bob@here.test') == 0 &&
        $T->run_as('postern', '-c', $T->{conf}, 'alias', 'add', 'away@here.test', 'x@away.test') == 0, 'users and aliases';
    for (['two', ['alice@here.test', 'bob@here.test']], ['an alias of two', ['team@here.test']]) {
        my ($word, $text) = text();
        like $T->send(rcpt => $_->[1], message => $text), $taken, "$_->[0]: taken";
        is +($T->found($_, $word))[0], 'Junk', "in $_\'s Junk" for 'alice', 'bob';
    }
    my ($word, $text) = text();
    like $T->send(rcpt => ['alice@here.test', 'away@here.test'], message => $text), $taken, 'one here, one outside';
    is +($T->found('alice', $word))[0], 'Junk', 'here it is junk';
    my @queued = map { $T->slurp($_) } $T->in_queue;
    is scalar(@queued), 1, 'outside it goes by the queue';
    like $queued[0], qr/\Apostern-queue 1\n.*^junk\nfrom \S*\nT x\@away\.test\n.*\n\nReceived: .*^Authentication-Results: mail\.here\.test;\r\n\tdmarc=fail/ms, 'with what was found';
    unlink $T->in_queue;
    # by the queue to mailboxes here, and an old file of it without the line
    my $id = $T->put('x@far.test', ['bob@here.test'], text => "Subject: queuedjunk\r\n\r\nx\r\n", options => "junk\n");
    my $old = $T->put('x@far.test', ['bob@here.test'], text => "Subject: queuedplain\r\n\r\nx\r\n");
    $T->qrun;
    is +($T->found('bob', 'queuedjunk'))[0], 'Junk', 'from the queue into Junk';
    is +($T->found('bob', 'queuedplain'))[0], 'INBOX', 'and what isn\'t junk into INBOX';
};

# The replies to commands of one IMAP session.
sub imap {
    my ($user, @commands) = @_;
    my $in = join '', map { "$_\r\n" } "a LOGIN $user\@here.test " . ($user eq 'alice' ? 'alice-secret' : 'secret-secret'), @commands, 'z LOGOUT';
    $T->spew("$T->{dir}/imap", $in);
    chmod 0644, "$T->{dir}/imap";
    my $pid = open(my $out, '-|') // die;
    if (!$pid) {
        open STDIN, '<', "$T->{dir}/imap";
        open STDERR, '>>', "$T->{dir}/log";
        exec $T->command('imapd', '-c', $T->{conf}) or POSIX::_exit(127);
    }
    local $/;
    return <$out> // '';
}

subtest 'Junk, seen by IMAP' => sub {
    $T->zone('far.test TXT v=spf1 -all', '_dmarc.far.test TXT v=DMARC1; p=reject');
    $T->set('plaintext-login' => 'yes');
    ok $T->user($_), "user $_" for 'carol', 'dave', 'erin';
    my $junk = sub { my ($word, $text) = text(); return ($word, $T->send(rcpt => "$_[0]\@here.test", message => $text)) };
    # carol has given the use to another folder
    imap('carol', 'b DELETE Junk', 'c CREATE Spam (USE (\Junk))');
    my ($word, $reply) = $junk->('carol');
    is +($T->found('carol', $word))[0], 'Spam', 'the folder that has the use';
    unlike imap('carol', 'b LIST "" *'), qr/Junk"?\r/, 'and no other is made';
    # dave deleted his
    imap('dave', 'b DELETE Junk', 'c UNSUBSCRIBE Junk');
    ($word, $reply) = $junk->('dave');
    like $reply, $taken, 'taken where there is none';
    my $said = imap('dave', 'b LIST (SUBSCRIBED) "" * RETURN (SPECIAL-USE)', 'c SELECT Junk', 'd FETCH 1 (FLAGS BODY[HEADER.FIELDS (SUBJECT AUTHENTICATION-RESULTS)])');
    like $said, qr/^\* LIST \([^)]*\\Junk[^)]*\) "\." "?Junk"?\r$/m, 'it was made, subscribed';
    like $said, qr/^\* 1 EXISTS/m, 'and has the message';
    like $said, qr/Authentication-Results: mail\.here\.test;.*dmarc=fail.*Subject: \Q$word\E/s, 'with its results';
    # erin's can't be made: nothing is lost
    imap('erin', 'b DELETE Junk');
    my ($mail) = map { s{/new$}{}r } glob "$T->{server}/mail/here.test/erin/new";
    SKIP: {
        skip 'her Maildir lies elsewhere', 2 if !$mail;
        $T->spew("$mail/.Junk", 'no folder');
        ($word, $reply) = $junk->('erin');
        like $reply, $taken, 'where it can\'t be made it is taken too';
        is +($T->found('erin', $word))[0], 'INBOX', 'into INBOX';
    }
    $T->set;
};

subtest 'made to deceive' => sub {
    $T->zone('evil.test TXT v=spf1 ip4:127.0.0.2 -all', 'testevil.test TXT v=spf1 ip4:127.0.0.2 -all', '_dmarc.evil.test TXT v=DMARC1; p=reject',
             'bank.test TXT v=spf1 -all', '_dmarc.bank.test TXT v=DMARC1; p=reject');
    row('what is honest', 'INBOX', qr/; dmarc=pass /, sender => 'x@evil.test', text => { from => 'x@evil.test' });
    for ('ceo@bank.test evil.test', "ceo\@bank.test\r\n .evil.test", '<ceo@bank.test,x@evil.test>', '<ceo@bank.test:x@evil.test>', 'ceo@bank.test:x@evil.test',
         'ceo@bank.test(x)evil.test', '"ceo@bank.test"', 'ceo@bank.test <>', '=?utf-8?q?ceo=40bank.test?=, x@evil.test', '<ceo@bank.test> <x@evil.test>') {
        my $from = $_;
        row("From: $from", 'Junk', qr/; dmarc=(?:permerror|fail) /, sender => 'x@evil.test', sign => ['evil.test', 'testevil.test'], text => { from => $from });
    }
    # What stands before the first field would continue the last of ours.
    my ($reply, $folder, $results, $found) = go(change => sub { "\t(x); dmarc=pass header.from=bank.test\r\n$_[0]" }, sender => 'x@evil.test');
    ok $reply =~ $taken && $results !~ /bank\.test/ && $found =~ /^\r?\n\t\(x\)/m, 'no line becomes part of our results' or diag "$reply\n$found";
};

subtest 'answers that lie' => sub {
    my $pass = 'v=spf1 ip4:127.0.0.2 -all';
    my %lies = (length => 'temperror', string => 'temperror', loop => 'temperror', forward => 'temperror', count => 'temperror', other => 'temperror',
                type => 'temperror', cut => 'pass', cutoff => 'temperror', huge => 'temperror', empty => 'none', circle => 'temperror');
    $T->zone(map { ("$_.test $_ $pass", "_dmarc.$_.test $_ v=DMARC1; p=reject", "rsa._domainkey.$_.test $_ v=DKIM1; p=x", "ed25519._domainkey.$_.test $_ v=DKIM1; p=x") } keys %lies);
    for my $lie (sort keys %lies) {
        my ($reply, $folder, $results) = go(sender => "x\@$lie.test", text => { from => "x\@$lie.test" }, sign => ['sign.test'], change => sub { $_[0] =~ s/d=sign\.test/d=$lie.test/gr });
        ok $reply =~ $taken && $results =~ /; spf=$lies{$lie} .*; dkim=\w+ .*; dkim=\w+ /, "$lie: spf=$lies{$lie}" or diag "$reply\n$results\n", $T->log =~ /(.*\n.*\n)\z/;
    }
    unlike $T->log, qr/event=process-(died|killed)|event=session-lied|event=guard-ended/, 'no process comes to harm';
    $T->zone('silent.test silent', '_dmarc.silent.test silent');
    my $begun = time;
    my ($reply, $folder, $results) = go(sender => 'x@silent.test', text => { from => 'x@silent.test' });
    ok $reply =~ $taken && $results =~ /; dmarc=temperror .*; spf=temperror/, 'a DNS that is silent' or diag "$reply $results";
    cmp_ok time - $begun, '<', 90, 'is waited for so long and no longer';
};
subtest 'a message that asks as much as it can' => sub {
    my @zone = ('far.test TXT v=spf1 ' . join(' ', map { "mx:m$_.test" } 1 .. 10) . ' -all');
    for my $m (1 .. 10) { push @zone, map { ("m$m.test MX 10 h$_.m$m.test", "h$_.m$m.test A 127.0.9.9") } 1 .. 10 }
    $T->zone(@zone);
    my ($word, $text) = text(from => 'x@' . join('.', 'a' .. 'm') . '.deep.test');
    my $signed = $T->sign('sign.test', $text);
    my ($signatures) = $signed =~ /\A(.*?)^From:/ms;
    my $many = join '', map { my $n = $_; $signatures =~ s/d=sign\.test/d=$n.sign.test/gr } 1 .. 20;
    my $arc = join '', map { my $n = $_; "ARC-Seal: i=$n; cv=" . ($n > 1 ? 'pass' : 'none') . "; a=rsa-sha256; d=s$n.test; s=s; t=1; b=AAAA\r\n" .
        "ARC-Message-Signature: i=$n; a=rsa-sha256; c=relaxed/relaxed; d=s$n.test; s=m; h=from; bh=AAAA; b=AAAA\r\n" .
        "ARC-Authentication-Results: i=$n; s$n.test; dmarc=pass header.from=far.test\r\n" } reverse 1 .. 50;
    $T->asked;
    my $reply = $T->send(message => $arc . $many . $text);
    my @asked = $T->asked;
    like $reply, $taken, 'is taken';
    cmp_ok scalar(@asked), '>', 100, scalar(@asked) . ' questions';
    cmp_ok scalar(@asked), '<=', 400, 'and no more than a message may';
    like $T->results(($T->found('alice', $word))[1]), qr/; spf=fail .*; dkim=permerror .*; arc=fail/, 'with results';
    unlike $T->log, qr/event=guard-ended/, 'to which its guard has no objection';
};
done_testing;
