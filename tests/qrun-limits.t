#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The queue runner and servers that say how much they take (LIMITS, RFC 9422): how many recipients of a message, how many messages and
# domains of a connection. tests/lib/smtp-sink says so, and refuses what is beyond; that never happens here. And this tree's own smtpd.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use IO::Socket::INET;
use Test::More;

my $T = QrunTest->new(timeout => 60, 'retry-first' => '5m');
system("cp $T->{server}/cert.pem $T->{server}/key.pem $T->{sink}/ && chmod 644 $T->{sink}/*.pem") == 0 or die;
my $port = QrunTest::free_port();
my $socket = "$T->{sink}/lmtp";
my %behaviour = (
    good => 'accept', rcpts => 'limits=RCPTMAX=3', rcptsslow => 'limits=RCPTMAX=3,nopipe', one => 'limits=RCPTMAX=1', mails => 'limits=MAILMAX=2,bye=0.1',
    both => 'limits=RCPTMAX=2+MAILMAX=3', single => 'limits=MAILMAX=1,wait=0.05', quick => 'limits=MAILMAX=1', nomails => 'limits=MAILMAX=2,mail5', alone => 'limits=MAILMAX=2,most=1',
    early => 'tls,early=RCPTMAX=1+MAILMAX=1', late => 'tls,early=RCPTMAX=50,limits=RCPTMAX=2', few => 'limits=RCPTMAX=4,few=3',
    wrong => 'limits=RCPTMAX=0+MAILMAX=x', large => 'limits=RCPTMAX=999999+MAILMAX=999999+RCPTDOMAINMAX=999999',
    domain => 'limits=RCPTDOMAINMAX=1', domains => 'limits=RCPTDOMAINMAX=2+RCPTMAX=5',
);
my ($n, %ip, @dns) = (1);
for (sort(keys %behaviour), 'gone') {
    $ip{$_} = '127.0.5.' . ++$n;
    push @dns, "--mx-host=$_.test,mx.$_.test,10", "--host-record=mx.$_.test,$ip{$_}";
}
push @dns, '--mx-host=second.test,mx.gone.test,5', '--mx-host=second.test,mx.good.test,10', '--mx-host=far.test,mail.far.test,10',
    '--host-record=mail.far.test,127.0.5.200';
$T->dns(@dns);
$T->sinks((map { "$ip{$_}=$behaviour{$_}" } sort keys %behaviour), "unix:$socket=lmtp,limits=RCPTMAX=2+MAILMAX=2");

sub drop { $T->run_as('postern', '-c', $T->{conf}, 'queue', 'drop', $_) for grep { $T->queued($_) } @_ }

# Sends messages, each given as its recipients. Of them: ids; taken, by the sinks; sizes, how many recipients each of those has, in the order
# in which they were taken; connections, how many there were; beyond, what was refused because it was too much.
sub send_all {
    my ($most, @messages) = @_; # connections at a time
    $T->forget;
    $T->settings('destination-connections' => $most);
    my @ids = map { $T->put('alice@here.test', $_) } @messages;
    $T->qrun;
    my @events = $T->events;
    my @order = map { / message from <.*> to (.*)/ ? [ split / /, $1 ] : () } @events;
    return { ids => \@ids, taken => [ $T->taken ], order => \@order, sizes => [ map { scalar @$_ } @order ],
             connections => scalar(grep { / open$/ } @events), beyond => [ grep { / beyond / } @events ] };
}

# Everybody once, nothing refused because it was too much, and nothing left in the queue.
sub all_once {
    my ($r, $count, $name) = @_;
    my %seen;
    $seen{$_}++ for map { @{ $_->{to} } } @{ $r->{taken} };
    is scalar(keys %seen) . ' ' . scalar(grep { $_ > 1 } values %seen), "$count 0", "$name: everybody has it, once";
    is_deeply $r->{beyond}, [], "$name: within the limits" or diag join "\n", $T->events;
    is scalar(grep { $T->queued($_) } @{ $r->{ids} }), 0, "$name: nobody waits" or diag map { $T->why($_) } @{ $r->{ids} };
}

# Each connection says QUIT before the next one opens; where the server hangs up late, and says so, it is waited for.
sub one_by_one {
    my ($r, $name, $late) = @_;
    my $said = join '', map { / open$/ ? 'o' : / QUIT$/ ? 'q' : / gone$/ ? 'g' : '' } $T->events;
    my $each = $late ? 'oqg' : 'oq';
    $said =~ s/q\z/qg/ if $late; # the last one isn't
    is $said, $each x $r->{connections}, "$name: one connection after the other, each with its QUIT";
}

subtest 'recipients of a message' => sub {
    for my $name (qw(rcpts rcptsslow)) {
        my $r = send_all(4, [ map { "r$_\@$name.test" } 1 .. 10 ]);
        all_once($r, 10, $name);
        is_deeply $r->{sizes}, [ 3, 3, 3, 1 ], "$name: in pieces";
        is $r->{connections}, 1, "$name: over one connection";
    }
    my $r = send_all(4, [ map { "$_\@rcpts.test" } qw(rej1 rej2 rej3 r1 tmp1 r2 r3 rej4) ]);
    is_deeply $r->{order}, [ map { [ map { "$_\@rcpts.test" } @$_ ] } [qw(r1 r2)], ['r3'] ], 'those who are refused count, and keep nobody from it';
    is_deeply $r->{beyond}, [], 'within the limits';
    is scalar(my @asked = grep { /RCPT/ } $T->events), 8, 'nobody is asked for twice';
    like $T->slurp($T->queued($r->{ids}[0])), qr/^(?:B rej\d.*\n){3}D r1.*\nT tmp1.*\nD r2.*\nD r3.*\nB rej4/m, 'each has an outcome of its own';
    like $T->why($r->{ids}[0]), qr/^attempts 1\n(?:.*\n)*4 451 4\.2\.1 greylisted/m, 'who waits has his own reply';
    drop(@{ $r->{ids} });
    all_once(send_all(4, [ map { "r$_\@few.test" } 1 .. 9 ]), 9, 'a server that takes fewer than it says');
};

subtest 'a message in many pieces' => sub {
    my $r = send_all(1, [ map { "r$_\@one.test" } 1 .. 30 ], map { ["new$_\@one.test"] } 1 .. 3);
    all_once($r, 33, 'RCPTMAX=1');
    my @new = grep { $r->{order}[$_][0] =~ /^new/ } 0 .. $#{ $r->{order} };
    cmp_ok $new[-1] // 99, '<=', 6, 'doesn\'t hold up the others' or diag join ' ', map { "@$_" } @{ $r->{order} };
    is $r->{connections}, 1, 'over one connection';
    $T->settings('destination-rate' => 6000); # a hundred a second
    $r = send_all(1, [ map { "r$_\@rcpts.test" } 1 .. 100 ]);
    $T->settings('destination-rate' => 0);
    all_once($r, 100, 'at a rate');
};

subtest 'messages of a connection' => sub {
    my $r = send_all(1, map { ["m$_\@mails.test"] } 1 .. 7);
    all_once($r, 7, 'MAILMAX=2');
    is $r->{connections}, 4, 'two on each connection';
    one_by_one($r, 'MAILMAX=2', 1);
    like $T->log, qr/event=connected host="?mx\.mails\.test.* limits="MAILMAX=2"$/m, 'which the log explains';
    $r = send_all(1, [ map { "r$_\@both.test" } 1 .. 11 ], ['last@both.test']);
    all_once($r, 12, 'both');
    is_deeply [ sort @{ $r->{sizes} } ], [ 1, 1, 2, 2, 2, 2, 2 ], 'both: one message in six pieces, and another';
    is $r->{connections}, 3, 'both: three on each connection';
    $r = send_all(1, map { ["m$_\@nomails.test"] } 1 .. 5);
    is_deeply $r->{beyond}, [], 'those that are refused count';
    is $r->{connections}, 3, 'two on each connection';
    $r = send_all(4, map { ["m$_\@single.test"] } 1 .. 30);
    all_once($r, 30, 'MAILMAX=1');
    cmp_ok $r->{connections}, '<=', 33, 'a connection for each, and hardly another';
    my ($now, $widest) = (0, 0);
    for ($T->events) {
        $now++ if / open$/;
        $now-- if / QUIT$/;
        $widest = $now if $now > $widest;
    }
    cmp_ok $widest, '>', 1, 'several at a time';
    cmp_ok $widest, '<=', 4, 'as many as the setting allows';
    $r = send_all(4, map { ["m$_\@alone.test"] } 1 .. 20);
    all_once($r, 20, 'a host that takes one connection at a time');
    $r = send_all(1, map { ["m$_\@quick.test"] } 1 .. 110);
    all_once($r, 110, 'more than a turn of a hundred');
    one_by_one($r, 'more than a turn');
};

subtest 'others meanwhile' => sub {
    $T->settings(destinations => 1);
    my $r = send_all(1, (map { ["m$_\@single.test"] } 1 .. 10), ['other@good.test'], ['other@one.test']);
    $T->settings(destinations => 20);
    all_once($r, 12, 'one destination at a time');
    is scalar(grep { / open$/ } $T->events($ip{$_})), 1, "$_: has its turn" for qw(good one);
};

subtest 'what counts is said last' => sub {
    my $r = send_all(1, [ map { "r$_\@early.test" } 1 .. 5 ], ['x@early.test']);
    all_once($r, 6, 'limits before STARTTLS, and none behind it');
    is_deeply [ sort @{ $r->{sizes} } ], [ 1, 5 ], 'none hold';
    is $r->{connections}, 1, 'on one connection';
    $r = send_all(1, [ map { "r$_\@late.test" } 1 .. 5 ]);
    all_once($r, 5, 'lower ones behind STARTTLS');
    is_deeply $r->{sizes}, [ 2, 2, 1 ], 'hold';
    for my $name (qw(wrong large)) {
        $r = send_all(1, [ map { "r$_\@$name.test" } 1 .. 120 ]);
        all_once($r, 120, $name);
        is_deeply $r->{sizes}, [ 100, 20 ], "$name: as without";
        is $r->{connections}, 1, "$name: over one connection";
    }
};

subtest 'domains of a connection' => sub {
    $T->routes("* smtp:[$ip{domain}]\n");
    my $r = send_all(1, [ map { "r$_\@d" . $_ % 3 . '.test' } 1 .. 9 ]);
    all_once($r, 9, 'RCPTDOMAINMAX=1');
    is_deeply $r->{sizes}, [ 3, 3, 3 ], 'a domain each';
    is $r->{connections}, 3, 'on a connection each';
    one_by_one($r, 'RCPTDOMAINMAX=1');
    $r = send_all(1, map { ["m$_\@" . ($_ % 2 ? 'ODD' : 'even') . '.test'] } 1 .. 8);
    all_once($r, 8, 'messages to two domains by turns');
    is $r->{connections}, 2, 'those to one go over one connection';
    $r = send_all(4, map { [ "m$_\@e$_.test", "n$_\@f.test" ] } 1 .. 12);
    all_once($r, 24, 'several connections');
    $T->routes("* smtp:[$ip{domains}]\n");
    $r = send_all(1, [ map { my $d = $_; map { "r$_\@d$d.test" } 1 .. 4 } 1 .. 5 ]);
    all_once($r, 20, 'RCPTDOMAINMAX=2 and RCPTMAX=5');
    is $r->{connections}, 3, 'two domains on each';
    $T->routes("* smtp:[$ip{large}]\n");
    $r = send_all(1, map { my $m = $_; [ map { "r$_\@m$m-$_.test" } 1 .. 60 ] } 1 .. 4);
    all_once($r, 240, 'more domains than are told apart');
};

subtest 'LMTP' => sub {
    $T->routes("* lmtp:unix:$socket\n");
    my $r = send_all(1, [ map { "r$_\@lmtp.test" } 1 .. 7 ], ['last@lmtp.test']);
    all_once($r, 8, 'a socket');
    is_deeply [ sort @{ $r->{sizes} } ], [ 1, 1, 2, 2, 2 ], 'in pieces';
    is $r->{connections}, 3, 'two on each connection';
    one_by_one($r, 'LMTP');
    $r = send_all(4, map { ["m$_\@lmtp.test"] } 1 .. 30);
    all_once($r, 30, 'several connections');
    cmp_ok $r->{connections}, '<=', 18, 'two on most of these';
    $T->routes("# none\n");
};

subtest 'a server that is gone when it is asked again' => sub {
    $T->forget;
    $T->settings('destination-connections' => 1);
    my $listener = IO::Socket::INET->new(LocalAddr => $ip{gone}, LocalPort => $T->{smtp_port}, Listen => 5, ReuseAddr => 1, Timeout => 60);
    my @ids = map { $T->put('alice@here.test', ["$_\@second.test"]) } qw(a b c);
    my $pid = $T->start_qrun;
    my $c = $listener->accept;
    ok $c, 'a connection' or return;
    close $listener;
    print $c "220 hello\r\n";
    my $said = '';
    while (defined(my $line = <$c>)) {
        $said .= $line;
        print $c $line =~ /^EHLO/ ? "250-hello\r\n250 LIMITS MAILMAX=1\r\n" : $line =~ /^DATA/ ? "354 go on\r\n" : $line eq ".\r\n" ? "250 2.0.0 taken\r\n"
            : $line =~ /^(MAIL|RCPT)/ ? "250 ok\r\n" : $line =~ /^QUIT/ ? "221 bye\r\n" : '';
        last if $line =~ /^QUIT/;
    }
    close $c;
    is scalar(my @mails = $said =~ /^MAIL/mg), 1, 'takes one message';
    is $T->finish($pid), 0, 'qrun ends';
    is scalar($T->taken($ip{good})), 2, 'the next host takes the others';
    is scalar(grep { $T->queued($_) } @ids), 0, 'nobody waits' or diag map { $T->why($_) } @ids;
};

subtest 'another Postern' => sub {
    my $far = QrunTest->new(domain => 'far.test', resolver => "127.0.0.1:$T->{dns_port}", 'smtp-port' => $T->{smtp_port}, recipients => 2);
    $far->serve_smtpd('127.0.5.200', $T->{smtp_port}, '-v');
    my $r = send_all(1, [ map { "alice+$_\@far.test" } 1 .. 7 ]);
    is $T->queued($r->{ids}[0]), '', 'has all of it' or diag $T->why($r->{ids}[0]);
    is scalar(my @accepted = $far->log =~ /event=accepted/g), 4, 'in four messages' or diag $far->log;
    like $far->log, qr/LIMITS RCPTMAX=2/, 'as it said';
    unlike $far->log, qr/\b452\b/, 'and had to refuse nobody';
    is scalar(my @hello = $far->log =~ /EHLO mail\.here\.test/g), 2, 'over one connection, one EHLO before STARTTLS and one behind it';
    $far->settings(networks => '127.0.0.0/8');
    $far->serve_smtpd('127.0.5.201', $port, '-l', '-v');
    $T->routes("far.test lmtp:[127.0.5.201]:$port\n");
    $r = send_all(1, [ map { "alice+l$_\@far.test" } 1 .. 5 ]);
    is $T->queued($r->{ids}[0]), '', 'LMTP: has all of it' or diag $T->why($r->{ids}[0]), $far->log;
    is scalar(@accepted = $far->log =~ /event=accepted/g), 7, 'LMTP: in three messages' or diag $far->log;
    unlike $far->log, qr/\b452\b/, 'LMTP: nobody was refused';
    $T->routes("# none\n");
};

done_testing;
