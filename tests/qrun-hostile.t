#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Destinations that mean harm, or don't know better: other mail goes out as without them, and new mail is tried at once. How fast that is
# depends on the machine and on what else it does, so it is measured without them first; who waited for one of them would do so for a minute
# and more.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $messages = 200;
my $T = QrunTest->new(timeout => 120, 'retry-first' => '5m', destinations => 5);
my %hostile = (silent => 'silent', later => 'end4', refusing => 'banner4', greedy => 'mail4', 'cut-in-data' => 'hang-mid', 'cut-at-end' => 'hang-end',
               slow => 'drip', endless => 'endless', lines => 'lines', ehlo => 'lines-ehlo', end => 'lines-end', tardy => 'wait=60');
my ($n, @dns, @sinks, %ip) = (1);
for my $name ('good', sort keys %hostile) {
    $ip{$name} = '127.0.5.' . $n++;
    push @dns, "--mx-host=$name.test,mx.$name.test,10", "--host-record=mx.$name.test,$ip{$name}";
    push @sinks, "$ip{$name}=" . ($hostile{$name} // 'accept');
}
my @more = map { "127.0.5.$_" } 100 .. 119; # silent, each by itself: four times as many as there are places
$T->dns(@dns);
$T->sinks(@sinks, map { "$_=silent" } @more);

sub sent { return scalar grep { / message from / } $T->events($ip{good}) }

# So many messages for the good one, and a wake-up: the seconds until all of them are there.
sub many {
    my ($name) = @_;
    $T->forget;
    my @ids = map { $T->put('alice@here.test', ["$name$_\@good.test"]) } 1 .. $messages;
    my $begun = time;
    $T->wake('*');
    $T->eventually(120, sub { sent() >= $messages }) or diag sent() . ' of them';
    my $took = time - $begun;
    is scalar(grep { $T->queued($_) } @ids), 0, "$name: all of them are sent" if $T->eventually(60, sub { !grep { $T->queued($_) } @ids });
    return $took;
}

# One new message: the seconds until it is there.
sub one {
    my ($name) = @_;
    $T->forget;
    my $id = $T->put('alice@here.test', ["$name\@good.test"]);
    my $begun = time;
    $T->wake($id);
    $T->eventually(60, sub { sent() }) or fail "$name: it didn't come";
    return time - $begun;
}

sub median { my @all = sort { $a <=> $b } @_; return $all[ @all / 2 ] }

# A message that nobody takes keeps the runner running while it is measured without the others.
my $keeps = $T->put('alice@here.test', ["keep\@[$more[0]]"]);
my $pid = $T->start_qrun;
ok $T->eventually(60, sub { grep { /open/ } $T->events($more[0]) }), 'the queue runner is at work';
my $alone = many('alone');
my $alone_one = median(map { one("single$_") } 1 .. 5);
$T->end($pid);

$T->forget;
my @bad;
for my $name (sort keys %hostile) {
    push @bad, map { $T->put('alice@here.test', ["$name$_\@$name.test"]) } 1 .. 12;
}
push @bad, $T->put('alice@here.test', [ "big\@silent.test", map { "x$_\@[$more[$_]]" } 0 .. $#more ]);
push @bad, map { $T->put('alice@here.test', ["y\@[$_]"]) } @more;
$pid = $T->start_qrun;
ok $T->eventually(60, sub { my %open = map { /^(\S+) \d+ open/ ? ($1, 1) : () } $T->events; keys %open >= 12 }), 'hostile servers keep it busy'
    or diag join "\n", $T->events;
my $beside_one = median(map { one("new$_") } 1 .. 5);
my $beside = many('beside');
note sprintf '%d messages: %.2f s alone, %.2f s beside them; a new one: %.3f s and %.3f s', $messages, $alone, $beside, $alone_one, $beside_one;
cmp_ok $beside, '<', 3 * $alone + 30, 'other mail goes out as without them';
cmp_ok $beside_one, '<', 3 * $alone_one + 10, 'and new mail at once';
is kill(0, $pid), 1, 'while it still waits for some of them';

my %said; # by domain
ok $T->eventually(300, sub {
    $T->wake('*');
    %said = map { my $id = $_; my ($why) = $T->why($id) =~ /^0 (.*)/m; my ($to) = $T->slurp($T->queued($id)) =~ /^T \S+\@(\S+)/m; $why && $to ? ($to, $why) : () } @bad;
    return !grep { !$said{"$_.test"} } qw(later cut-in-data cut-at-end endless lines ehlo end);
}), 'what they refused or broke off is deferred';
like $said{'later.test'} // '', qr/^451 4\.7\.1 end/, '4xx to the end of a message: its reply is kept';
like $said{'cut-in-data.test'} // '', qr/^4\.4\.2 /, 'a connection closed in DATA';
like $said{'cut-at-end.test'} // '', qr/^4\.4\.2 /, 'and at its end';
like $said{'endless.test'} // '', qr/^4\.5\.0 /, 'a line without end';
like $said{'lines.test'} // '', qr/^4\.5\.0 /, 'a reply of lines without end';
like $said{'ehlo.test'} // '', qr/^4\.5\.0 /, 'the same to EHLO';
like $said{'end.test'} // '', qr/^4\.5\.0 /, 'and to the end of a message';
is scalar(grep { !$T->queued($_) } @bad), 0, 'and none of it is lost';
$T->end($pid);

done_testing;
