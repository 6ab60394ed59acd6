#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# How standing guards end: with their listener, when it executes itself anew for settings, certificate or executable, when that fails,
# and when any process is killed. Held connections go on, the next client is served or told, and no process is left.
use strict;
use warnings;
use lib 'tests/lib';
use File::Copy ();
use IO::Socket::SSL;
use QrunTest;
use Standing;
use Test::More;
use Time::HiRes qw(time sleep);

$SIG{PIPE} = 'IGNORE';
my $accepted = qr/^250 2\.\d\.\d Accepted as /;
my $T = QrunTest->new('idle-exit' => '60s', networks => '127.0.0.1', 'dns-defer' => 0);

sub set { return Standing::set($T, @_) }
# A connection in the middle of a message.
sub hold {
    my ($l, %o) = @_;
    my $s = $l->client(%o);
    say($s, $_) for 'MAIL FROM:<x@far.test>', 'RCPT TO:<alice@here.test>';
    say($s, 'DATA') =~ /^354/ or die;
    return $s;
}
sub finish { my $s = shift; return say($s, "Subject: held\r\n\r\nheld\r\n.") }
sub renewed { return scalar(() = $T->log =~ /event=renewed/g) }

subtest 'settings, certificate and executable change' => sub {
    my $l = Standing->new($T);
    knows($l) for 1 .. 3;
    for my $what (qw(settings certificate executable)) {
        my ($s, $times) = (hold($l), renewed());
        my @old = below($l->{pid});
        my $tls = $l->client;
        if ($what eq 'settings') {
            set(hostname => 'other.here.test');
        } elsif ($what eq 'certificate') {
            my ($c) = glob "$T->{server}/cert*.pem $T->{server}/tls/cert*.pem";
            File::Copy::copy($c, "$c.new") && rename("$c.new", $c) or die "$c: $!";
            $T->own;
        } else {
            File::Copy::cp("$T->{bin}/smtpd", "$T->{bin}/smtpd.new") && rename("$T->{bin}/smtpd.new", "$T->{bin}/smtpd") or die $!;
        }
        like $l->greeting, $what eq 'settings' ? qr/^220 other\.here\.test / : qr/^220 /, "$what: the next one gets the new";
        is renewed(), $times + 1, '... by a listener that was executed anew';
        like finish($s), $accepted, '... a held connection goes on to its end';
        like say($s, 'MAIL FROM:<x@far.test>'), qr/^250/, '... and to another message';
        say($s, 'QUIT');
        ok ended($s), '... and ends';
        close $tls;
        ok $T->eventually(60, none_lives(@old)), '... and of all that were there nobody is left' or diag join ' ', grep { alive($_) } @old;
        like +($l->mail)[0], $accepted, '... another is served';
    }
    set();
    $l->stop;
};
sub knows { return (shift->mail)[1] }

subtest 'what the new listener knows' => sub {
    set('idle-exit' => '1s', 'connections-per-source' => 2);
    my $l = Standing->new($T);
    my %from = (from => '127.0.0.2');
    my @held = map { $l->client(%from) } 1 .. 2;
    like $l->greeting(%from), qr/^421 4\.7\.0 Too many connections.*\(connections-per-source\)/, 'the third of a source is told so';
    set('idle-exit' => '1s', 'connections-per-source' => 2, hostname => 'other.here.test');
    like $l->greeting, qr/^220 other/, 'executed anew';
    like $l->greeting(%from), qr/^421 4\.7\.0 Too many connections/, 'the two still count';
    like deliver($_), $accepted, 'and go on' for @held;
    say(shift @held, 'QUIT');
    ok $T->eventually(60, sub { $l->greeting(%from) =~ /^220/ }), 'one that leaves makes room';
    ok alive($l->{pid}), 'with a connection left it stays';
    my @all = below($l->{pid});
    say($_, 'QUIT') for @held;
    ok $l->gone, 'without one it ends when idle';
    is $T->finish($l->{pid}), 0, 'with exit status 0';
    ok $T->eventually(60, none_lives(@all)), 'and nobody is left';
    set();
};

subtest 'executing itself anew fails' => sub {
    my $l = Standing->new($T);
    my $s = $l->client;
    my $guard = $l->guard_of(deliver($s));
    ok $guard, 'a held connection';
    File::Copy::cp("$T->{bin}/smtpd", "$T->{bin}/smtpd.good") or die;
    $T->spew("$T->{bin}/smtpd.new", 'no program');
    rename "$T->{bin}/smtpd.new", "$T->{bin}/smtpd" or die;
    like +($l->mail)[0], $accepted, 'it goes on with what is no program';
    like $T->log, qr/event=exec-failed/, 'and says so';
    say($s, 'QUIT');
    ok ended($s), 'the held connection ends';
    ok alive($guard), 'its guard is there';
    File::Copy::cp("$T->{bin}/smtpd.good", "$T->{bin}/smtpd.new") && rename("$T->{bin}/smtpd.new", "$T->{bin}/smtpd") or die;
    like +($l->mail)[0], $accepted, 'when that is put right the next one is served';
    ok $T->eventually(60, none_lives($guard)), 'and the guard is gone, like all of before';
    $l->stop;
};

subtest 'the listener ends' => sub {
    my $l = Standing->new($T);
    my @held = (hold($l), hold($l));
    my @all = below($l->{pid});
    $l->stop;
    ok !alive($l->{pid}), 'by SIGTERM, with two connections held';
    like finish($held[0]), $accepted, 'one goes on to its 250';
    say($held[0], 'QUIT');
    ok ended($held[0]), 'and its end';
    close $held[1];
    ok $T->eventually(60, none_lives(@all)), 'and no process is left' or diag join ' ', grep { alive($_) } @all;
};

subtest 'killed' => sub {
    my $l = Standing->new($T);
    my ($idle, $s) = (knows($l), hold($l));
    my $silent = $l->client;
    say($silent, 'RCPT TO:<x@here.test>');
    my $guard = $l->guard_of(deliver($silent));
    my @before = below($l->{pid});
    kill KILL => $guard;
    ok ended($silent), 'whose guard is killed hears of it, though he says nothing';
    ok $T->eventually(60, sub { $T->log =~ /event=process-died process=guard signal=09/ }), 'the log has it';
    like +($l->mail)[0], $accepted, 'the next one is served';
    like finish($s), $accepted, 'another goes on';
    say($s, 'QUIT');
    ok $T->eventually(60, none_lives(@before)), 'and then all that were there are gone' or diag join ' ', grep { alive($_) } @before;
    like +($l->mail)[0], $accepted, 'a next one is served';

    # Who waits: an idle guard is one that logged an acceptance, the session that waits has no other below it and logged none.
    my $waits = sub {
        my %guards = map { $_ => 1 } $T->log =~ /^smtpd\[(\d+)\]: event=accepted/mg;
        my @children = sort { $a <=> $b } $l->children;
        return ([ grep { $guards{$_} } @children ], [ grep { my $pid = $_; !$guards{$pid} && !below($pid) } @children ]);
    };
    for my $order ('guards', 'sessions', 'guards and sessions', 'sessions and guards', 'all at once') {
        like +($l->mail)[0], $accepted, 'a client';
        ok $T->eventually(60, sub { my ($g, $w) = $waits->(); @$g && @$w }), 'some wait' or last;
        my ($guards, $sessions) = $waits->();
        my @killed = $order =~ /^guards/ ? (@$guards, $order =~ /and/ ? @$sessions : ()) : $order =~ /^s/ ? (@$sessions, $order =~ /and/ ? @$guards : ()) : $l->children;
        kill KILL => $_ for @killed;
        my $heard = $l->greeting;
        like $heard, qr/^(?:220|421) |^$/, "$order are killed: the next client is served, told, or hears the end";
        ok $T->eventually(60, none_lives(@killed)), '... they are gone';
        like +($l->mail)[0], $accepted, '... and another is served';
    }
    cmp_ok scalar(() = glob "/proc/$l->{pid}/fd/*"), '<', 40, 'nothing is left open' if $> == 0;
    $l->stop;
};

subtest 'descriptors run out' => sub {
    set('connections-per-source' => 100);
    my $l = Standing->new($T, files => 24);
    my @all = map { $l->open } 1 .. 40;
    my %heard;
    $heard{ substr read_reply($_), 0, 4 }++ for @all;
    ok $heard{'220 '}, 'some are served';
    is +($heard{'220 '} // 0) + ($heard{'421 '} // 0), 40, 'the others are told' or diag explain \%heard;
    close $_ for @all;
    # The first may still be told so: the sessions have to see that their clients left.
    ok $T->eventually(60, sub { (eval { ($l->mail)[0] } // '') =~ $accepted }), 'and afterwards a client is served';
    $l->stop;
    set();
};

subtest 'where none stands' => sub {
    my @login = ("AUTH PLAIN " . do { require MIME::Base64; MIME::Base64::encode_base64("\0alice\@here.test\0alice-secret", '') });
    set('plaintext-login' => 'yes');
    my $l = Standing->new($T, options => ['-s']);
    my (%by, $good);
    for (1 .. 4) {
        my $s = $l->client;
        $good += say($s, $login[0]) =~ /^235/;
        my $reply = deliver($s, sender => 'alice@here.test', text => "From: alice\@here.test\r\nSubject: x\r\n\r\nx\r\n");
        $by{ $l->guard_of($reply) }++;
        say($s, 'QUIT');
        ended($s);
    }
    is $good, 4, 'submission: four logins';
    is join(' ', sort values %by), '1 1 1 1', 'a guard for each';
    $l->stop;

    set('milter' => "inet:127.0.0.1:1 down=accept");
    $l = Standing->new($T);
    my @mails = map { [ $l->mail ] } 1 .. 3;
    is scalar(grep { $_->[0] =~ $accepted } @mails), 3, 'with a milter: three messages' or diag explain \@mails;
    is scalar(keys %{ { map { $_->[1] => 1 } @mails } }), 3, 'a guard for each';
    $l->stop;
    set();
};

done_testing;
