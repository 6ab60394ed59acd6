#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The queue runner against a DNS server (dnsmasq) and mail servers that misbehave (tests/lib/smtp-sink).
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $T = QrunTest->new(timeout => '60', 'retry-first' => '5m', destinations => 3);
system("cp $T->{server}/cert.pem $T->{server}/key.pem $T->{sink}/ && chmod 644 $T->{sink}/*.pem") == 0 or die;

# Each domain NAME.test has its mail exchanger at an address of its own.
my $n = 1;
my (%ip, @dns, @sinks);
sub domain {
    my ($name, $behaviour) = @_;
    $ip{$name} = '127.0.1.' . ++$n;
    push @dns, "--mx-host=$name.test,mx.$name.test,10", "--host-record=mx.$name.test,$ip{$name}";
    push @sinks, "$ip{$name}=$behaviour" if defined $behaviour;
}
my %behaviours = (
    good => 'accept', helo => 'helo', nopipe => 'nopipe', small => 'size=100', no8bit => 'no8bit', tls => 'tls', tlsbroken => 'tlsbroken',
    tlsinject => 'tlsinject', silent => 'silent', endless => 'endless', lines => 'lines', drip => 'drip', once => 'once', early => 'quit-early',
    (map { ("${_}four" => "${_}4", "${_}five" => "${_}5", "${_}hang" => "hang-$_") } qw(banner ehlo mail rcpt data end)),
    never => 'nomail', never2 => 'nomail', blocked => 'blocked', sick => 'sick', named => 'name=MAIL.here.test', wordy => 'wordy=1000', wide => 'wide=60000', few => 'few=3', fewer => 'few5=1,nopipe', midhang => 'hang-mid', wait => 'wait=0.1', most => 'most=2,wait=0.1',
    busytls => 'tls,busy=1', brokenonce => 'tlsbroken,once',
);
domain($_, $behaviours{$_}) for sort keys %behaviours;
domain('down', undef);
# Two exchangers, the better one refuses connections; two equal ones; one that is tempfailing at the banner before a good one.
push @dns, '--mx-host=two.test,mx.down.test,5', '--mx-host=two.test,mx.good.test,10';
push @dns, '--mx-host=busy.test,mx.bannerfour.test,5', '--mx-host=busy.test,mx.good.test,10';
push @dns, '--mx-host=equal.test,mx.good.test,10', '--mx-host=equal.test,mx.helo.test,10';
push @dns, '--dns-rr=null.test,15,000000', '--host-record=null.test,127.0.1.2';
push @dns, '--mx-host=loop.test,mail.here.test,10', '--mx-host=backup.test,mx.good.test,5', '--mx-host=backup.test,mail.here.test,10';
push @dns, '--mx-host=worse.test,mail.here.test,5', '--mx-host=worse.test,mx.good.test,10';
push @dns, "--host-record=addressonly.test,$ip{good}", '--host-record=six.test,::1';
push @dns, '--mx-host=nohost.test,gone.test,10', "--cname=alias.test,addressonly.test";
push @dns, '--mx-host=circle.test,ring.test,10', '--mx-host=afterloss.test,mx.datahang.test,5', '--mx-host=afterloss.test,mx.good.test,10';
push @dns, map { ("--mx-host=$_->[0].test,mx.$_->[1].test,5", "--mx-host=$_->[0].test,mx.$_->[2].test,10") }
    ['plainsecond', 'busytls', 'brokenonce'], ['fullspool', 'mailfour', 'good'], ['lookup', 'sick', 'good'], ['bothsick', 'sick', 'down'], ['grey', 'rcptfour', 'good'];
push @dns, map { ("--mx-host=$_->[0].test,mx.$_->[1].test,5", "--mx-host=$_->[0].test,mx.$_->[2].test,10") } ['nevers', 'never', 'never2'],
    ['neverfour', 'never', 'bannerfour'], ['fournever', 'bannerfour', 'never'], ['neverfive', 'never', 'bannerfive'], ['neverdown', 'never', 'down'],
    ['nevergood', 'never', 'good'], ['sicknever', 'sick', 'never'], ['neverblocked', 'never', 'blocked'];
push @dns, '--mx-host=nevernone.test,mx.never.test,5', '--mx-host=nevernone.test,gone.test,10', '--mx-host=neverwhere.test,mx.never.test,5',
    '--mx-host=neverwhere.test,mx.elsewhere.invalid,10';
push @dns, '--mx-host=nat.test,mx.named.test,10', '--mx-host=nat.test,mx.good.test,20';
push @dns, '--mx-host=far.test,mail.far.test,10', '--host-record=mail.far.test,127.0.1.200';
$T->dns(@dns);
$T->sinks(@sinks, map { "127.0.1.$_=silent" } 150 .. 170);

sub one { return $_[0] . '.test' }

# Sends to a domain; what became of it: D (gone, taken), T (deferred), B (bounced).
sub send_one {
    my ($domain, %o) = @_;
    $T->forget;
    my $before = () = $T->mailbox('alice');
    my $id = $T->put('alice@here.test', [ ($o{local} // 'bob') . "\@$domain" ], %o);
    my $begun = time;
    my $status = $T->qrun;
    return { id => $id, took => time - $begun, status => $status, why => $T->why($id), taken => [ $T->taken ],
             state => $T->queued($id) ? 'T' : ($T->mailbox('alice')) > $before ? 'B' : 'D' };
}

subtest 'one message, accepted' => sub {
    my $r = send_one('good.test');
    is $r->{state}, 'D', 'gone from the queue';
    is scalar @{ $r->{taken} }, 1, 'taken once' or diag $T->log;
    is $r->{taken}[0]{from}, 'alice@here.test', 'its sender';
    is_deeply $r->{taken}[0]{to}, ['bob@good.test'], 'its recipient';
    like $r->{taken}[0]{text}, qr/^From: alice.*\r\n\r\nLine one\r\n\.a dot\r\n\.\.two\r\n\.\r\nlast line of \d+\r\n\z/s, 'dots and line ends as they were';
    my @events = $T->events;
    like "@events", qr/EHLO mail\.here\.test.*MAIL FROM:<alice\@here\.test> SIZE=\d+ .*RCPT TO.*DATA.*QUIT/, 'the dialogue';
};

subtest 'line ends that servers disagree about' => sub {
    my $head = "Subject: x\r\n\r\n";
    my $r = send_one('good.test', text => "${head}a\n.\nMAIL FROM:<b>\r.\rRSET\n.\r\nc\r\r\n.\r\n\rd");
    is $r->{taken}[0]{text}, "${head}a\r\n.\r\nMAIL FROM:<b>\r\n.\r\nRSET\r\n.\r\nc\r\n\r\n.\r\n\r\nd\r\n",
        'leave as CRLF, and the dots behind them stuffed';
    my $long = $head . 'x' x (32767 - length $head);
    $r = send_one('good.test', text => "$long\r\n.\r\ny\r");
    is $r->{taken}[0]{text}, "$long\r\n.\r\ny\r\n", 'and where a piece ends between CR and LF';
};

subtest 'where a domain\'s mail goes' => sub {
    is send_one('two.test')->{taken}[0]{host}, $ip{good}, 'the second exchanger when the first is down';
    is send_one('busy.test')->{taken}[0]{host}, $ip{good}, 'the second exchanger when the first says 4xx';
    is send_one('addressonly.test')->{taken}[0]{host}, $ip{good}, 'no MX: the domain\'s address';
    is send_one('alias.test')->{taken}[0]{host}, $ip{good}, 'an alias';
    is send_one("[$ip{good}]")->{taken}[0]{host}, $ip{good}, 'an address literal';
    is send_one('backup.test')->{taken}[0]{host}, $ip{good}, 'a better exchanger than ourselves';
    is send_one('afterloss.test')->{taken}[0]{host}, $ip{good}, 'the next exchanger after a connection that broke';
    is send_one('fullspool.test')->{taken}[0]{host}, $ip{good}, 'the next exchanger when one says 4xx to MAIL';
    is send_one('lookup.test')->{taken}[0]{host}, $ip{good}, 'or that its system has trouble';
    like send_one('bothsick.test')->{why}, qr/^0 451 4\.3\.0 lookup failure$/m, 'where no other can be reached, that is the reply';
    is scalar @{ send_one('grey.test')->{taken} }, 0, 'not where a recipient is deferred';
    $T->forget;
    my @sick = map { $T->put('alice@here.test', ['bob@sick.test']) } 1 .. 3;
    $T->settings('destination-connections' => 1);
    $T->qrun;
    is scalar(grep { /RCPT/ } $T->events($ip{sick})), 3, 'each message has its attempt';
    is scalar(grep { / open/ } $T->events($ip{sick})), 1, 'over one connection, where there is no other host';
    $T->settings('destination-connections' => 10);
    my %seen;
    for (1 .. 24) {
        $seen{ send_one('equal.test')->{taken}[0]{host} // 'none' }++;
        last if keys %seen == 2;
    }
    is_deeply [ sort keys %seen ], [ sort @ip{qw(good helo)} ], 'equal exchangers share the work';
    for (['null.test', qr/Status: 5\.1\.10/, 'null MX'], ['nosuch.test', qr/Status: 5\.1\.2/, 'no such domain'],
         ['loop.test', qr/Status: 5\.4\.6/, 'an exchanger that is ourselves'], ['worse.test', qr/Status: 5\.4\.6/, 'only worse exchangers than ourselves'],
         ['nohost.test', qr/Status: 5\.4\.4/, 'an exchanger without an address']) {
        my ($domain, $status, $name) = @$_;
        my $r = send_one($domain);
        is $r->{state}, 'B', "$name bounces" or diag $r->{why};
        like +($T->mailbox('alice'))[-1], $status, "$name: its status";
    }
    my $own = send_one('nat.test');
    is $own->{state}, 'T', 'an exchanger with our own name';
    like $own->{why}, qr/^0 4\.4\.6 The mail exchanger has this server's own name/m, 'is ourselves';
    is scalar @{ $own->{taken} }, 0, 'and a worse one isn\'t asked';
    my $r = send_one('elsewhere.invalid');
    is $r->{state}, 'T', 'a DNS failure defers';
    like $r->{why}, qr/^0 4\.4\.3 /m, 'and says so';
};

# RFC 7504: 521 as a greeting is for ever, and of that host.
subtest 'hosts that take no mail' => sub {
    for ('never.test', 'nevers.test', 'nevernone.test', '[127.0.1.' . ($ip{never} =~ s/.*\.//r) . ']') {
        my $r = send_one($_);
        is $r->{state}, 'B', "$_: bounces at once" or diag $r->{why};
        like +($T->mailbox('alice'))[-1], qr/^Status: 5\.3\.2\n(?:Remote-MTA: .*\n)?Diagnostic-Code: smtp; 521 5\.3\.2 127\.\S+ takes no mail$/m, "$_: with what it said";
    }
    is scalar(grep { /EHLO|MAIL/ } $T->events), 0, 'nothing is asked of them';
    is send_one('nevergood.test')->{taken}[0]{host}, $ip{good}, 'another host may';
    for (['neverfour.test', '451 4\.7\.1 banner'], ['fournever.test', '521 5\.3\.2'], ['neverfive.test', '554 5\.7\.1 banner'], ['neverdown.test', '521 5\.3\.2'],
         ['sicknever.test', '521 5\.3\.2'], ['neverwhere.test', '521 5\.3\.2'],
         ['blocked.test', '521 5\.7\.1 Service unavailable; client'], ['neverblocked.test', '521 5\.7\.1']) {
        my ($domain, $reply) = @$_;
        my $r = send_one($domain);
        is $r->{state}, 'T', "$domain: where one may yet, the message waits" or diag +($T->mailbox('alice'))[-1];
        like $r->{why}, qr/^0 $reply/m, "$domain: with the last reply";
    }
};

subtest 'IPv6' => sub {
    my $listener = eval { require IO::Socket::IP; IO::Socket::IP->new(LocalHost => '::1', LocalPort => $T->{smtp_port}, Listen => 5, ReuseAddr => 1, Timeout => 60) };
    ok $listener, 'a listener on ::1' or return;
    my $id = $T->put('alice@here.test', ['bob@six.test']);
    my $pid = $T->start_qrun;
    my $c = $listener->accept;
    ok $c, 'a connection by IPv6' or return;
    print $c "421 4.3.2 that is all\r\n";
    close $c;
    close $listener;
    is $T->finish($pid), 0, 'qrun ends';
    like $T->why($id), qr/^0 421 4\.3\.2/m, 'and has the reply';
    $T->run_as('postern', '-c', $T->{conf}, 'queue', 'drop', $id);
};

subtest 'what a server may say' => sub {
    for (['helo', 'D'], ['nopipe', 'D'], ['no8bit', 'D'], ['early', 'D'], ['wordy', 'D'], ['wide', 'D'], ['tls', 'D'], ['tlsbroken', 'D'], ['tlsinject', 'D']) {
        my $r = send_one("$_->[0].test");
        is $r->{state}, $_->[1], $_->[0] or diag $r->{why};
        is scalar @{ $r->{taken} }, $_->[1] eq 'D' ? 1 : 0, "$_->[0]: taken once";
    }
    ok +(grep { / tls$/ } send_one('tls.test') && $T->events), 'TLS where it works';
    $T->forget;
    $T->put('alice@here.test', ["$_\@plainsecond.test"]) for qw(a b);
    $T->qrun;
    my @words = map { /^(\S+) \d+ (open|STARTTLS|tls|message|too many)/ ? ($1 eq $ip{busytls} ? 'first' : 'second') . " $2" : () } $T->events;
    is_deeply \@words, [ 'first open', 'first too many', 'second open', 'second STARTTLS', 'second open', 'second message', 'first open', 'first STARTTLS',
                         'first tls', 'first message' ], 'a host whose TLS is broken has mail without: it alone' or diag explain \@words;
    for my $stage (qw(banner ehlo mail rcpt data end)) {
        my $r = send_one("${stage}four.test");
        is $r->{state}, 'T', "4xx at $stage defers";
        like $r->{why}, qr/^0 451 4\.7\.1 $stage/m, "4xx at $stage is kept";
        my $expected = { banner => 'T', ehlo => 'D' }->{$stage} // 'B'; # HELO stands in for EHLO
        $r = send_one("${stage}five.test");
        is $r->{state}, $expected, "5xx at $stage: $expected" or diag $r->{why};
        $r = send_one("${stage}hang.test");
        is $r->{state}, 'T', "a server that hangs up at $stage" or diag $r->{why};
        like $r->{why}, qr/^0 4\.4\.2 /m, "hung up at $stage: said so";
    }
    my $r = send_one('midhang.test');
    is $r->{state}, 'T', 'a server that hangs up in the middle of the message';
    is scalar(grep { /DATA/ } $T->events), 1, 'is not asked again at once: it may have it';
    $r = send_one('small.test');
    is $r->{state}, 'B', 'too big for the server';
    like +($T->mailbox('alice'))[-1], qr/Status: 5\.3\.4/, 'too big: its status';
    is scalar(grep { /MAIL/ } $T->events), 0, 'and not even tried';
    $T->settings(timeout => 4);
    for my $slow (qw(silent endless lines drip down)) {
        $r = send_one("$slow.test");
        is $r->{state}, 'T', "$slow defers";
        cmp_ok $r->{took}, '<', 120, "$slow: ended in time"; # rather than after the ten minutes for which the longest ones go on
    }
    $T->settings(timeout => 60);
    $r = send_one('good.test', eight_bit => 1, text => "Subject: \xc3\xa4\r\n\r\n\xc3\xa4\r\n");
    ok +(grep { /BODY=8BITMIME/ } $T->events), '8BITMIME is said where it is offered';
    $r = send_one('good.test', text => "Subject: x\r\n\r\nno line end");
    like $r->{taken}[0]{text}, qr/no line end\r\n\z/, 'a last line without an end gets one';
};

subtest 'several recipients and messages' => sub {
    $T->forget;
    my $id = $T->put('alice@here.test', [ 'a@good.test', 'rej1@good.test', 'tmp1@good.test', 'b@GOOD.test', 'c@helo.test', 'alice@here.test' ]);
    $T->qrun;
    my @taken = $T->taken;
    is scalar @taken, 2, 'one transaction a destination';
    is_deeply [ sort map { @{ $_->{to} } } @taken ], [qw(a@good.test b@GOOD.test c@helo.test)], 'recipients grouped by destination'
        or diag explain \@taken;
    like $T->slurp($T->queued($id)), qr/^D a\@.*^B rej1\@.*^T tmp1\@.*^D b\@.*^D c\@.*^D alice\@/ms, 'each has its mark';
    like $T->why($id), qr/^attempts 1\n2 451 4\.2\.1 greylisted$/m, 'the reply to the deferred one';
    my @mail = $T->mailbox('alice');
    ok +(grep { /^Return-Path: <alice\@here\.test>\n.*last line of/s } @mail), 'the local recipient has it, with LF line ends';
    my ($bounce) = grep { /rej1\@good\.test/ } @mail;
    like $bounce, qr/Status: 5\.1\.1/, 'the refused one bounced';
    unlike $bounce, qr/tmp1/, 'and only it';
    $T->forget;
    $T->make_due($id);
    $T->qrun;
    is scalar(grep { /RCPT/ } $T->events), 1, 'the next run asks for the deferred one alone';
    like $T->why($id), qr/^attempts 2$/m, 'its second attempt';
    my $wait = $T->due($id) - time;
    ok $wait > 500 && $wait < 720, "the wait doubled: $wait s";
    $T->forget;
    $T->put('alice@here.test', ["m$_\@good.test"]) for 1 .. 12;
    $T->put('alice@here.test', ["o$_\@once.test"]) for 1 .. 4;
    $T->settings('destination-connections' => 1);
    $T->qrun;
    $T->settings('destination-connections' => 4);
    my %connections;
    $connections{"$_->{host} $_->{connection}"}++ for $T->taken;
    is scalar(grep { /^$ip{good} / } keys %connections), 1, 'twelve messages over one connection';
    is scalar($T->taken($ip{once})), 4, 'a server that takes one a connection gets all four' or diag join "\n", $T->events($ip{once});
    $T->forget;
    $T->put('alice@here.test', [ map { "r$_\@nopipe.test" } 1 .. 250 ]);
    $T->qrun;
    is_deeply [ sort { $a <=> $b } map { scalar @{ $_->{to} } } $T->taken ], [ 50, 100, 100 ], '250 recipients in three transactions';
};

subtest 'servers that take few recipients at a time' => sub {
    for (['few.test', [ 1, 3, 3 ], '452'], ['fewer.test', [ (1) x 7 ], '552']) {
        my ($domain, $sizes, $code) = @$_;
        $T->forget;
        my $id = $T->put('alice@here.test', [ (map { "r$_\@$domain" } 1 .. 7), "tmp\@$domain" ]);
        $T->qrun;
        is_deeply [ sort { $a <=> $b } map { scalar @{ $_->{to} } } $T->taken ], $sizes, "$code: all of them get it at once" or diag $T->why($id);
        is scalar(keys %{ { map { ($_->{connection} => 1) } $T->taken } }), 1, "$code: over one connection";
        is scalar(my @rcpt = grep { /RCPT TO:<tmp/ } $T->events), 1, "$code: who is deferred for another reason isn't asked for again";
        like $T->slurp($T->queued($id)), qr/^(?:D r\d\@.*\n){7}T tmp\@/m, "$code: and waits";
        $T->run_as('postern', '-c', $T->{conf}, 'queue', 'drop', $id);
    }
    $T->forget;
    my $id = $T->put('alice@here.test', [ 'full@good.test', 'bob@good.test' ]);
    $T->qrun;
    is $T->queued($id), '', 'a mailbox that is full';
    like +($T->mailbox('alice'))[-1], qr/full\@good\.test.*Status: 5\.2\.2/s, 'is no matter of how many: it bounces';
};

subtest 'several connections to one destination' => sub {
    $T->settings(destinations => 20);
    for (['wait.test', 4, 'the setting'], ['most.test', 2, 'the host']) {
        my ($domain, $most, $who) = @$_;
        $T->forget;
        my @ids = map { $T->put('alice@here.test', ["c$_\@$domain"]) } 1 .. 40;
        $T->qrun;
        is scalar(grep { $T->queued($_) } @ids), 0, "$domain: everything is sent";
        my ($now, %first, %last) = (0);
        for ($T->events) { # a connection is there from its first event to its last one
            my ($c) = /^\S+ (\d+) / or next;
            $first{$c} //= ++$now;
            $last{$c} = ++$now;
        }
        my @refused = map { /^\S+ (\d+) too many/ } $T->events;
        delete @last{@refused};
        my $widest = 0;
        for my $t (1 .. $now) {
            my $n = grep { $first{$_} <= $t && $t <= $last{$_} } keys %last;
            $widest = $n if $n > $widest;
        }
        is $widest, $most, "as many connections at a time as $who allows";
        cmp_ok scalar(@refused), '<=', 1, 'a host that has enough is not asked again and again';
        my %seen;
        $seen{ $_->{to}[0] }++ for $T->taken;
        is scalar(keys %seen) . ' ' . scalar($T->taken), '40 40', 'each message once';
    }
    $T->settings(destinations => 3);
};

subtest 'bounces' => sub {
    my $before = () = $T->mailbox('alice');
    my $id = $T->put('alice@here.test', ['rej9@good.test'], text => "From: a\r\nSubject: about \xc3\xa4\r\nX-Odd: 1\r\n\r\nsecret body\r\n");
    $T->qrun;
    my @mail = $T->mailbox('alice');
    is scalar @mail, $before + 1, 'one bounce in the sender\'s mailbox';
    my ($b) = grep { /rej9/ } @mail;
    like $b, qr/^Return-Path: <>\n/, 'from <>';
    like $b, qr{^Content-Type: multipart/report; report-type=delivery-status;}m, 'a report';
    like $b, qr/^Auto-Submitted: auto-replied/m, 'that asks for no answer';
    my $host = 'mx\.good\.test';
    like $b, qr/^Reporting-MTA: dns; mail\.here\.test\n/m, 'Reporting-MTA';
    like $b, qr/^Final-Recipient: rfc822; rej9\@good\.test\nAction: failed\nStatus: 5\.1\.1\nRemote-MTA: dns; $host\nDiagnostic-Code: smtp; 550 5\.1\.1 no such user\n/m,
        'what programs read' or diag $b;
    like $b, qr/<rej9\@good\.test>\n\s+$host\[.*\]: 550 5\.1\.1 no such user/, 'what people read';
    like $b, qr/^Subject: about \xc3\xa4\nX-Odd: 1\n/m, 'the headers of the message';
    unlike $b, qr/secret body/, 'and not its body';
    $T->forget;
    $T->put('carol@good.test', ['rej2@helo.test']);
    $T->qrun;
    my ($away) = $T->taken($ip{good});
    is $away->{from}, '', 'a sender elsewhere gets the bounce from <>' or diag $T->log;
    is_deeply $away->{to}, ['carol@good.test'], 'by the queue';
    $T->forget;
    my $double = $T->put('', ['rej3@good.test']);
    $T->qrun;
    is $T->queued($double), '', 'a message from <> that fails is gone';
    is scalar($T->taken), 0, 'and nothing is sent about it';
    like $T->log, qr/event=undeliverable id=$double/, 'it is logged';
    is scalar(grep { /rej3\@good/ && /^Subject: A bounce could not be delivered$/m } $T->mailbox('alice')), 1, 'and postmaster has the report';
    my $ghost = $T->put('ghost@here.test', ['rej4@good.test']);
    $T->qrun;
    is $T->queued($ghost), '', 'a sender who doesn\'t exist here';
    is scalar(grep { /rej4\@good/ } $T->mailbox('alice')), 1, 'postmaster has that report too';
    my $old = $T->put('alice@here.test', ['tmp2@good.test'], age => 6 * 86400);
    $T->qrun;
    $T->make_due($old, until => int time);
    $T->qrun;
    is $T->queued($old), '', 'after the queue\'s lifetime it is given up';
    my ($late) = grep { /tmp2\@good/ && /^Action: failed/m } $T->mailbox('alice');
    like $late, qr/Status: 4\.4\.7\n.*Diagnostic-Code: smtp; 451 4\.2\.1 greylisted/s, 'and bounces with the last reply';
    my $owed = $T->put('alice@here.test', [ 'x@good.test', 'y@good.test' ], marks => 'DF');
    $T->qrun;
    is $T->queued($owed), '', 'a bounce that a crash prevented is made';
    ok +(grep { /y\@good\.test/ && !/x\@good\.test/ } $T->mailbox('alice')), 'about the failed recipient';
    is scalar($T->taken), 0, 'and nothing is sent again';
    is $T->qrun('no-id') >> 8, 64, 'what is no ID is a usage error';
    my $held = $T->put('alice@here.test', ['z@good.test'], marks => 'H');
    $T->qrun;
    ok $T->queued($held) && !$T->taken, 'a held message stays';
    my $damaged = $T->put('alice@here.test', ['z@good.test']);
    truncate $T->queued($damaged), 150;
    $T->qrun;
    ok $T->queued($damaged) && !$T->taken, 'a damaged file is left alone';
    like $T->log, qr/event=damaged id=$damaged/, 'and logged';
    $T->run_as('rm', $T->queued($damaged), $T->queued($held));
};

subtest 'wake-ups from systemd and on stdin' => sub {
    for my $where (3, 0) {
        my $id = $T->put('alice@here.test', ['tmp5@good.test']);
        $T->qrun;
        ok $T->due($id) > time, 'a deferred message';
        $T->forget;
        open my $fifo, '+<', "$T->{spool}/wake" or die;
        syswrite $fifo, "$id\n";
        my $to = $where ? '3' : '0';
        my $command = "exec $to<>$T->{spool}/wake; " . ($where ? 'LISTEN_FDS=1 LISTEN_PID=$$ ' : '') . "exec $T->{bin}/qrun -c $T->{conf}";
        is $T->run_as('sh', '-c', $command), 0, "qrun with the FIFO as fd $where";
        is scalar(grep { /RCPT TO:<tmp5/ } $T->events), 1, 'tries the message that was named, though it isn\'t due';
        vec(my $bits = '', fileno $fifo, 1) = 1;
        is select($bits, undef, undef, 0), 0, 'and has emptied the FIFO';
        $T->run_as('rm', $T->queued($id));
    }
};

subtest 'another Postern' => sub {
    my $far = QrunTest->new(domain => 'far.test', resolver => "127.0.0.1:$T->{dns_port}", 'smtp-port' => $T->{smtp_port});
    $far->serve_smtpd('127.0.1.200', $T->{smtp_port});
    my $before = () = $T->mailbox('alice');
    my $text = "Subject: far\r\n\r\n.\r\n..\r\n" . ("0123456789" x 90 . "\r\n") x 3000;
    my @ids = map { $T->put('alice@here.test', ['alice@far.test'], text => $text) } 1 .. 2;
    push @ids, $T->put('alice@here.test', [ 'alice@far.test', 'nobody@far.test' ]);
    $T->qrun;
    is scalar(grep { $T->queued($_) } @ids), 0, 'everything left the queue' or diag $T->log, $far->log;
    my @mail = $far->mailbox('alice');
    is scalar @mail, 3, 'three messages arrived there' or diag $far->log;
    my ($big) = grep { /^Subject: far\n/m } @mail;
    (my $body = $big) =~ s/.*?\n\n//s;
    (my $sent = $text) =~ s/.*?\r\n\r\n//s;
    $sent =~ s/\r\n/\n/g;
    ok $body eq $sent, 'as they were sent, dots and 2.7 MB';
    like $big, qr/^Received: from mail\.here\.test.*with ESMTPS/ms, 'over TLS, though its certificate is its own';
    my ($bounce) = grep { /nobody\@far\.test/ } $T->mailbox('alice');
    like $bounce, qr/^Status: 5\.1\.1$/m, 'the unknown user bounced';
    is scalar($T->mailbox('alice')), $before + 1, 'once';
    my $id = $T->put('alice@far.test', ['nobody@nosuch.test']);
    $T->qrun;
    is scalar(grep { /nobody\@nosuch\.test/ } $far->mailbox('alice')), 1, 'a bounce to the other Postern arrives there';
};

subtest 'a server that goes away' => sub {
    $T->settings('destination-connections' => 1); # else both may be under way to the one that is taken
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.1.201', LocalPort => $T->{smtp_port}, Listen => 5, ReuseAddr => 1, Timeout => 60);
    my @ids = map { $T->put('alice@here.test', ["$_\@[127.0.1.201]"]) } qw(first second);
    my $pid = $T->start_qrun;
    my $c = $listener->accept;
    ok $c, 'a connection' or return;
    close $listener;
    print $c "220 hello\r\n";
    while (defined(my $line = <$c>)) {
        last if $line =~ /^MAIL.*second/;
        print $c $line eq ".\r\n" ? "250 2.0.0 taken\r\n" : $line =~ /^DATA/ ? "354 go on\r\n" : $line =~ /^(EHLO|MAIL|RCPT)/ ? "250 ok\r\n" : '';
        last if $line eq ".\r\n";
    }
    close $c;
    is $T->finish($pid), 0, 'qrun ends';
    is $T->queued($ids[0]), '', 'the first message was sent';
    like $T->why($ids[1]), qr/^0 4\.4\.\d .*\[127\.0\.1\.201\]|^0 4\.4\.2 /m, 'the second waits, and says why';
    $T->run_as('rm', $T->queued($ids[1]));
    $T->settings('destination-connections' => 4);
};

subtest 'retries by themselves' => sub {
    $T->settings('retry-first' => 1, 'retry-max' => 1);
    $T->forget;
    my $id = $T->put('alice@here.test', ['tmp6@good.test']);
    ok $T->eventually(60, sub { $T->qrun; (() = grep { /RCPT TO:<tmp6/ } $T->events) >= 3 }), 'three attempts';
    my $attempts = grep { /RCPT TO:<tmp6/ } $T->events;
    like $T->why($id), qr/^attempts $attempts$/m, 'are counted';
    $T->settings('queue-lifetime' => 1);
    ok $T->eventually(60, sub { $T->qrun; !$T->queued($id) }), 'and come to an end';
    is scalar(grep { /tmp6\@good/ } $T->mailbox('alice')), 1, 'with one bounce';
    $T->settings('retry-first' => '5m', 'retry-max' => '4h', 'queue-lifetime' => '5d');
};

subtest 'a lifetime that ran out while nothing was tried' => sub {
    my $until = sub { $T->why(shift) =~ /^until (\d+)$/m ? $1 : 0 };
    my $bounces = sub { my $to = shift; scalar grep { /^Final-Recipient: rfc822; \Q$to\E\nAction: failed$/m } $T->mailbox('alice') };
    my ($day, $begun) = (86400, int time);

    my $off = $T->put('alice@here.test', ['tmp7@good.test'], age => 6 * $day);
    $T->qrun;
    my $end = $until->($off);
    cmp_ok $end, '>=', $begun + 4 * 3600, 'a machine that was off for six days: tried for four hours';
    cmp_ok $end, '<=', time + 4 * 3600, '... and no longer';
    like $T->why($off), qr/^attempts 1$/m, '... the first attempt is counted';
    like $T->log, qr/event=overdue id=$off /, '... and logged';
    my ($late) = grep { /tmp7\@good/ } $T->mailbox('alice');
    my @date = gmtime $end;
    my $written = sprintf '%d %s %d %02d:%02d:%02d', $date[3], (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[ $date[4] ], 1900 + $date[5], @date[ 2, 1, 0 ];
    like $late, qr/^Action: delayed\n(?:.+\n)*Will-Retry-Until: \w+, $written /m, '... which the sender is told';
    $T->make_due($off);
    $T->qrun;
    is $until->($off), $end, 'one that comes late again has no more time';
    is $bounces->('tmp7@good.test'), 0, '... and what it has';
    $T->make_due($off, until => int time);
    $T->qrun;
    is $T->queued($off), '', '... and then goes back';
    is $bounces->('tmp7@good.test'), 1, '... once';

    my $young = $T->put('alice@here.test', ['tmp8@good.test'], age => 3 * $day);
    $T->qrun;
    is $until->($young), 0, 'what has days left gets no more';
    $T->run_as('rm', $T->queued($young));

    my $held = $T->put('alice@here.test', ['tmp9@good.test'], age => 6 * $day, marks => 'H');
    $T->qrun;
    $T->make_due($held, until => 1000);
    $T->qrun;
    $T->postern('queue', 'release', $held);
    cmp_ok $until->($held), '>=', $begun + 4 * 3600, 'one that was held for six days and is released is tried for four hours';
    $T->qrun;
    ok $T->queued($held), '... not once';
    $T->make_due($held, until => int time);
    $T->qrun;
    is $bounces->('tmp9@good.test'), 1, '... and then goes back';

    my $ahead = $T->put('alice@here.test', ['tmp10@good.test'], age => -400 * $day);
    $T->qrun;
    cmp_ok abs($until->($ahead) - 5 * $day - $begun), '<', 600, 'one that was queued while the clock was ahead has its lifetime from now on';
    $T->make_due($ahead, until => int(time) + 4 * $day);
    $T->qrun;
    ok +(grep { /tmp10\@good/ && /^Action: delayed/m } $T->mailbox('alice')), '... its sender is told when it is late';
    $T->make_due($ahead, until => int time);
    $T->qrun;
    is $T->queued($ahead), '', '... and it ends';
    is $bounces->('tmp10@good.test'), 1, '... with a bounce';
};

subtest 'children that die' => sub {
    $T->settings(timeout => 120);
    $T->forget;
    my $id = $T->put('alice@here.test', ['s@silent.test']);
    my $pid = $T->start_qrun;
    ok $T->eventually(60, sub { grep { /open/ } $T->events($ip{silent}) }), 'a connector and a sender are at work';
    ok $T->eventually(60, sub { (() = `pgrep -P $pid` =~ /\d+/g) == 2 }), 'two processes';
    my @children = `pgrep -P $pid` =~ /\d+/g;
    for my $child (@children) {
        is $T->slurp("/proc/$child/status") =~ /^NoNewPrivs:\s+1\n(?:.*\n)*?Seccomp:\s+(\d)/m ? $1 : -1, $ENV{SANDBOX} ? $1 // 0 : 2,
            'each in its sandbox';
    }
    kill 'KILL', @children;
    is $T->finish($pid), 0, 'both killed: qrun ends';
    ok $T->due($id) > time, 'and the message is deferred';
    like $T->why($id), qr/^0 4\.3\.0 .*died/m, 'with the reason';
    $T->settings(timeout => 60);
    $T->run_as('rm', $T->queued($id));
};

sub cpu { my @t = times; return $t[0] + $t[1] + $t[2] + $t[3] } # ours, and of those that we waited for
subtest 'ten thousand deferred messages' => sub {
    my @left = $T->in_queue;
    my $id = $T->put('alice@here.test', ['later@good.test']);
    $T->forget;
    my $text = $T->slurp($T->queued($id));
    $T->qrun;
    my $base = int(time) + 3600;
    for my $i (0 .. 9999) {
        my $dir = "$T->{spool}/queue/deferred/" . ($base + 128 * ($i % 100));
        mkdir $dir;
        open my $f, '>', sprintf('%s/%014x-%016x', $dir, 1e15 + $i, $i) or die;
        print $f $text;
    }
    $T->own;
    my $runs = 10;
    my $begun = cpu();
    $T->qrun for 1 .. $runs;
    my $each = (cpu() - $begun) / $runs;
    my $most = qx(ldd '$T->{bin}/qrun') =~ /libasan/ ? 0.5 : 0.05; # a sanitizer takes its time to start
    cmp_ok $each, '<', $most, sprintf 'a run with nothing due takes %.0f ms of CPU time, fork and exec included', $each * 1000;
    is scalar($T->in_queue), 10000 + @left, 'and they are all there';
    $T->run_as('sh', '-c', "cd $T->{spool}/queue/deferred && rm -rf " . join ' ', map { $base + 128 * $_ } 0 .. 99);
};

subtest 'a slow destination holds up nobody' => sub {
    $T->settings(timeout => 120);
    $T->forget;
    my @stuck = map { $T->put('alice@here.test', ["s$_\@silent.test"]) } 1 .. 30;
    $T->put('alice@here.test', ["s\@[$_]"]) for map { "127.0.1.$_" } 150 .. 170; # silent too
    $T->put('alice@here.test', ["s\@$_.test"]) for qw(endless drip bannerhang);
    my $pid = $T->start_qrun;
    ok $T->eventually(60, sub { grep { /open/ } $T->events($ip{silent}) }), 'the silent one is waited for';
    my $begun = time;
    my $id = $T->put('alice@here.test', ['new@good.test']);
    $T->wake($id);
    ok $T->eventually(60, sub { $T->taken($ip{good}) }), 'new mail goes out meanwhile';
    cmp_ok time - $begun, '<', 60, 'at once, and not when the silent ones are given up';
    $T->forget;
    my $later = $T->put('alice@here.test', ['later@good.test']);
    is $T->qrun($later), 0, 'a second qrun exits with 0';
    ok $T->eventually(60, sub { $T->taken($ip{good}) }), 'and has passed its wake-up on';
    is scalar(grep { /open/ } $T->events($ip{silent})), 0, 'without another connection to the silent one';
    $T->end($pid);
    is scalar(grep { $T->queued($_) } @stuck), 30, 'what waited is still there after kill -9';
    ok $T->eventually(60, sub { `ps -eo args` !~ /^\Q$T->{bin}\E\/qrun/m }), 'its children went with it';
    $T->run_as('postern', '-c', $T->{conf}, 'queue', 'drop', m{([^/]+)$}) for $T->in_queue;
    $T->settings(timeout => 60);
};

done_testing;
