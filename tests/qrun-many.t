#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The queue runner and messages to many recipients: grouped by destination, at the rate that is set, and nothing queued after them
# waits for them. And messages that wait for a time of their own.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $T = QrunTest->new(timeout => 60, 'retry-first' => '5m');
my @domains = map { "many$_.test" } 1 .. 5;
$T->dns(map { ("--mx-host=$domains[$_],mx.$domains[$_],10", "--host-record=mx.$domains[$_],127.0.3." . ($_ + 1)) } 0 .. $#domains);
$T->sinks((map { "127.0.3.$_=wait=0.3" } 1 .. 4), '127.0.3.5=accept');

# The numbers of a host's messages in the order in which they were taken, by recipient of the first.
sub order { my ($host) = @_; return map { / message from .* to (\S+)/ ? $1 : () } $T->events($host) }

subtest 'ten thousand recipients' => sub {
    $T->settings('destination-connections' => 1);
    my $id = $T->put('alice@here.test', [ map { "r$_\@" . $domains[ $_ % 4 ] } 0 .. 9999 ]);
    is scalar($T->in_queue), 1, 'are one file';
    my $begun = time;
    my $pid = $T->start_qrun;
    ok $T->eventually(60, sub { order('127.0.3.1') >= 3 }), 'on their way' or diag $T->log;
    my @new = map { $T->put('alice@here.test', ["new\@$_"]) } @domains;
    $T->wake($_) for @new;
    ok $T->eventually(60, sub { !grep { $T->queued($_) } @new }), 'mail sent after that is gone';
    ok $T->queued($id), 'before all of them have it';
    is $T->finish($pid), 0, 'qrun ends';
    my $took = time - $begun;
    is $T->queued($id), '', 'and then everybody has it';
    for my $host (map { "127.0.3.$_" } 1 .. 4) {
        my @order = order($host);
        my ($at) = grep { $order[$_] =~ /^new/ } 0 .. $#order;
        is scalar @order, 26, "$host: 2,500 recipients in 25 transactions, and the new message" or diag "@order";
        cmp_ok $at // 99, '<', 20, "$host: which didn't wait for them";
    }
    my %seen;
    $seen{$_}++ for map { @{ $_->{to} } } $T->taken;
    is scalar(keys %seen), 10005, 'nobody was left out';
    is scalar(grep { $_ > 1 } values %seen), 0, 'and nobody has it twice';
    note sprintf 'all of it took %.1f s', $took;
};

subtest 'killed in the middle' => sub {
    my $id;
    for (1 .. 5) { # if this process had to wait so long that all was done, again
        $T->forget;
        $id = $T->put('alice@here.test', [ map { "r$_\@" . $domains[ $_ % 4 ] } 0 .. 3999 ]);
        my $pid = $T->start_qrun;
        ok $T->eventually(60, sub { order('127.0.3.2') >= 3 }), 'on their way';
        $T->end($pid);
        last if $T->queued($id);
    }
    ok $T->queued($id), 'the rest is there';
    is $T->qrun, 0, 'another run';
    is $T->queued($id), '', 'sends it';
    my %seen;
    $seen{$_}++ for map { @{ $_->{to} } } $T->taken;
    is scalar(keys %seen), 4000, 'nobody was left out';
    cmp_ok scalar(grep { $_ > 1 } values %seen), '<=', 400, 'one transaction of each connection was repeated at most';
};

subtest 'at a rate' => sub {
    $T->forget;
    $T->settings('destination-rate' => 6000); # a hundred a second
    my $id = $T->put('alice@here.test', [ map { "r$_\@$domains[4]" } 1 .. 1000 ]);
    my $begun = time;
    my $pid = $T->start_qrun;
    ok $T->eventually(60, sub { order('127.0.3.5') >= 1 }), 'the first hundred';
    my $new = $T->put('alice@here.test', ["new\@$domains[4]"]);
    $T->wake($new);
    is $T->finish($pid), 0, 'qrun ends';
    my $took = time - $begun;
    is $T->queued($id), '', 'when everybody has it';
    cmp_ok $took, '>', 8.5, sprintf 'nine hundred more recipients at 6000 a minute took %.1f s', $took;
    my @order = order('127.0.3.5');
    my ($at) = grep { $order[$_] =~ /^new/ } 0 .. $#order;
    cmp_ok $at // 99, '<=', 9, 'a single message went ahead of the last of them' or diag "@order";
    is scalar @order, 11, 'in transactions of a hundred';
    $T->settings('destination-rate' => 0);
};

subtest 'a release time' => sub {
    $T->forget;
    my $begun = time;
    $T->qrun;
    my $release = int(time + 4 + 20 * (time - $begun)); # longer than three more runs take, on a slow machine too
    my $id = $T->put('alice@here.test', ["later\@$domains[4]"], options => "release $release\n");
    is $T->qrun($id), 0, 'asked for by name';
    ok $T->queued($id), 'it stays';
    is $T->due($id), $release, 'under its release time';
    is $T->qrun($id), 0, 'and again';
    is $T->qrun, 0, 'or in a run';
    is scalar($T->taken), 0, 'nothing is sent';
    ok time < $release, '(it is not that time yet)';
    ok $T->eventually($release - time + 60, sub { $T->qrun; !$T->queued($id) }), 'then it is sent';
    cmp_ok time, '>=', $release, 'not earlier';
    is scalar($T->taken), 1, 'once';
    my $old = $T->put('alice@here.test', ["tmp1\@$domains[4]"], age => 6 * 86400, options => 'release ' . (int(time) - 5) . "\n");
    $T->qrun;
    ok $T->queued($old), 'the lifetime of a message begins with its release';
};

done_testing;
