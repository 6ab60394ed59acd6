#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Hosts that are dead are remembered: by all domains that have them, and by the next run.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $T = QrunTest->new(timeout => 4, 'retry-first' => '5m', destinations => 1);
my @domains = map { "d$_.test" } 1 .. 12;
# All of them have the same two exchangers: one that nobody listens at, or that takes connections and says nothing, and one that works.
my %mute = map { ("mute$_.test" => 1) } 1 .. 8;
$T->dns((map { ("--mx-host=$_,dead.test,5", "--mx-host=$_,good.test,10") } @domains), (map { "--mx-host=$_,mute.test,5" } sort keys %mute),
        '--mx-host=lost.test,dead.test,5', '--mx-host=lone.test,dead.test,5', '--host-record=dead.test,127.0.6.1', '--host-record=good.test,127.0.6.2',
        '--host-record=mute.test,127.0.6.3');
$T->sinks('127.0.6.2=accept', '127.0.6.3=silent');

sub remembered { return $T->slurp("$T->{spool}/hosts") }

subtest 'an exchanger that refuses connections' => sub {
    my @ids = map { $T->put('alice@here.test', ["a\@$_"]) } @domains;
    my $begun = time;
    $T->qrun;
    is scalar(grep { $T->queued($_) } @ids), 0, 'mail takes the other one';
    like remembered(), qr/^127\.0\.6\.1 \d+ 1\n\z/, 'it is remembered, once' or diag remembered();
    my ($until) = remembered() =~ /^\S+ (\d+)/;
    ok $until > $begun + 200 && $until < time + 230, 'for three quarters of the first retry';
    my $id = $T->put('alice@here.test', ['a@lost.test']);
    $T->qrun;
    like $T->why($id), qr/^0 4\.4\.1 dead\.test\[127\.0\.6\.1\] couldn't be reached a short while ago; it is tried again in \d+ s$/m, 'also by the next run';
    is +(remembered() =~ /^\S+ \d+ (\d+)/)[0], 1, 'which hasn\'t tried it';
    $T->qrun($id);
    like $T->why($id), qr/^0 4\.4\.1 Can't connect to dead\.test\[127\.0\.6\.1\]: Connection refused/m, 'but for a message that somebody asks for';
    my $text = remembered();
    $text =~ s/ \d+ 1$/ 1 1/m;
    open my $f, '>', "$T->{spool}/hosts" or die;
    print $f $text;
    close $f;
    my $other = $T->put('alice@here.test', ['a@lone.test']);
    $T->qrun;
    like $T->why($other), qr/Can't connect/, 'what was too long ago isn\'t believed';
    $T->run_as('postern', '-c', $T->{conf}, 'queue', 'drop', $_) for $id, $other;
};

subtest 'one that takes connections and says nothing' => sub {
    $T->forget;
    my @ids = map { $T->put('alice@here.test', ["a\@$_"]) } sort keys %mute;
    my $begun = time;
    $T->qrun;
    my $took = time - $begun;
    is scalar(grep { $T->due($_) } @ids), 8, 'eight domains wait';
    my $asked = () = grep { /^127\.0\.6\.3 \d+ open/ } $T->events;
    cmp_ok $asked, '<', 8, "$asked connections for eight domains";
    note sprintf 'they waited %.1f s together', $took;
    like remembered(), qr/^127\.0\.6\.3 \d+ 1$/m, 'and it is remembered';
};

subtest 'one that is back' => sub {
    open my $f, '>', "$T->{spool}/hosts" or die;
    printf $f "127.0.6.2 %d 3\nnonsense\n127.0.6.9 x y\n", time - 5;
    close $f;
    $T->own;
    my $id = $T->put('alice@here.test', ['a@d1.test']);
    $T->qrun;
    is $T->queued($id), '', 'takes mail';
    unlike remembered(), qr/^127\.0\.6\.2 /m, 'and is forgotten';
};

done_testing;
