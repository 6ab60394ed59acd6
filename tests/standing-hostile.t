#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Standing guards, and somebody who has taken a session over, or has DNS answers as he likes: whoever comes next has no less than he would
# have with a guard of his own. Sessions that don't end, or end and leave their guard waiting, count and are ended, also where the listener
# executes itself anew meanwhile; answers for one client are none for the next; without its resolver a guard serves nobody.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Standing;
use Test::More;
use Time::HiRes qw(time sleep);

$SIG{PIPE} = 'IGNORE';
my $accepted = qr/^250 2\.\d\.\d Accepted as /;
my $build = $ENV{BUILD} || 'build';
my $T = QrunTest->new('idle-exit' => '60s', 'dns-defer' => 0, 'connections-per-source' => 3);
system("cp $build/tests/helpers/lying-smtp $T->{bin}/") == 0 or die;
$T->own;

sub set { return Standing::set($T, @_) }
# A session that lies so: a socket, and what it says then.
sub lies {
    my ($l, $lie) = @_;
    my $s = $l->open;
    print $s "$lie\r\n";
    return ($s, read_reply($s));
}
sub liar { return Standing->new($T, program => "$T->{bin}/lying-smtp") }

for my $meanwhile ('', 'new settings', 'settings by which no guard stands', 'the listener is told to end') {
    subtest 'a session that stays behind its guard' . ($meanwhile && ": $meanwhile") => sub {
        my $l = liar();
        my ($s, $heard) = lies($l, 'stay');
        is $heard, 'ended', 'its guard is through with it';
        my @all = below($l->{pid});
        if ($meanwhile =~ /settings/) {
            set($meanwhile =~ /none|no / ? (milter => 'inet:127.0.0.1:1 down=accept') : (hostname => 'other.here.test'));
            is +(lies($l, 'no such'))[1], 'no such lie', 'the listener executes itself anew';
        }
        if ($meanwhile =~ /told/) {
            $l->stop;
            ok !alive($l->{pid}), 'it has';
        }
        ok ended($s), 'it is ended';
        ok $T->eventually(60, none_lives(@all)), 'and no process is left of it' if $meanwhile;
        ok $T->eventually(60, sub { $T->log =~ /event=process-killed process=session why="it didn't end with its connection" session=\S+\n/ }), 'the log has it';
        is +(lies($l, 'no such'))[1], 'no such lie', 'the next client is served' if $meanwhile !~ /told/;
        truncate "$T->{dir}/log", 0;
        $l->stop if $meanwhile !~ /told/;
        set();
    };
}

sub ticks { open my $f, '<', "/proc/$_[0]/stat" or return 0; my @all = split ' ', <$f> =~ s/.*\) //r; return $all[11] + $all[12] }

for my $abuse ([ filled => '127.0.0.8' ], [ 'shut down' => '127.0.0.9' ]) {
    subtest "what guards tell the listener by is $abuse->[0]" => sub {
        my $l = liar();
        for (1 .. 5) {
            my $s = $l->open(from => $abuse->[1]);
            print $s "no such\r\n";
            is read_reply($s), 'no such lie', 'a client of such a guard';
        }
        is +(lies($l, 'no such'))[1], 'no such lie', 'others are served' for 1 .. 3;
        my $before = ticks($l->{pid});
        sleep 0.5;
        cmp_ok ticks($l->{pid}) - $before, '<', 20, 'the listener rests';
        $l->stop;
        ok !alive($l->{pid}), 'and ends when it is told to';
    };
}

# Its session is gone, and in a message that it doesn't read lies the other end of its channel.
subtest 'a guard that is made to wait' => sub {
    my $l = liar();
    my @held = map { [ lies($l, 'hold-reply') ] } 1 .. 3;
    is join(' ', map { $_->[1] } @held), 'held held held', 'three are';
    ok ended($_->[0]), 'their sessions are gone' for @held;
    my @guards = $l->children;
    is $l->greeting, 'busy (connections-per-source)', 'they count among the connections of their source';
    set(hostname => 'other.here.test', 'connections-per-source' => 3);
    is $l->greeting, 'busy (connections-per-source)', 'also when the listener has executed itself anew';
    ok $T->eventually(60, sub { (lies($l, 'no such'))[1] eq 'no such lie' }), 'but not for ever';
    ok $T->eventually(60, none_lives(@guards)), 'and they are gone' or diag join ' ', grep { alive($_) } @guards;
    $l->stop;
    set();
};

# The lists have each client's address backwards.
mkdir "$T->{dir}/dns";
$T->own;
sub zone { $T->spew("$T->{dir}/dns/new", join '', map { "$_\n" } @_); rename "$T->{dir}/dns/new", "$T->{dir}/dns/zone" or die }
zone('2.0.0.127.list.test A 127.0.0.2', '3.0.0.127.list.test silent');
$T->start('perl', 'tests/lib/odd-dns', "$T->{dir}/dns", $T->{dns_port});
$T->eventually(60, sub { -e "$T->{dir}/dns/ready" }) or die;

subtest 'DNS' => sub {
    set('connections-per-source' => 50, 'dns-block' => 'list.test', spf => 'off', dmarc => 'off');
    my $l = Standing->new($T);
    my %from = map { $_ => "127.0.0.$_" } 2 .. 4;
    my ($refused, $taken, @took) = (0, 0);
    for (1 .. 12) {
        $l->open(from => $from{2}); # listed, and gone before anybody asks who he was
        my ($reply) = $l->mail(from => $from{4});
        $taken += $reply =~ $accepted;
        $l->greeting(from => $from{3}); # nobody answers for this one
        my $begun = time;
        ($reply) = $l->mail(from => $from{2});
        $refused += $reply =~ /^554 5\.7\.1 /;
        push @took, time - $begun;
    }
    is $taken, 12, "no client has another's answers";
    is $refused, 12, 'each its own';
    cmp_ok +(sort { $a <=> $b } @took)[6], '<', 3.5, 'and none waits for what another asked'; # but for one or the other, on a busy machine

    my @before = below($l->{pid});
    my @guards = grep { below($_) } $l->children;
    my @resolvers = map { below($_) } @guards;
    ok scalar(@resolvers), 'guards have resolvers';
    kill KILL => @resolvers;
    ok $T->eventually(60, none_lives(@resolvers)), 'which are killed';
    my @heard = map { ($l->open(from => $from{2}), 0)[0] } 1 .. 3;
    my @replies = map { read_reply($_) =~ /^220/ && say($_, 'EHLO client.test') =~ /^250/ ? deliver($_) : 'told' } @heard;
    is scalar(grep { /^250/ } @replies), 0, 'then nobody goes in unasked' or diag explain \@replies;
    close $_ for @heard;
    ok $T->eventually(60, none_lives(@guards)), 'their guards are gone';
    ok $T->eventually(60, sub { $T->log =~ /event=process-died process=resolver signal=09/ }), 'the log has it';
    like +($l->mail(from => $from{2}))[0], qr/^554 5\.7\.1 /, 'the next one is asked about' for 1 .. 3;
    like +($l->mail(from => $from{4}))[0], $accepted, 'and another served';
    ok $T->eventually(60, none_lives(@before)), 'all that were there are gone' or diag join ' ', grep { alive($_) } @before;
    $l->stop;
    set();
};

done_testing;
