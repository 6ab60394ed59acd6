#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The queue runner ends, or a call of its fails, at the Nth call that changes a file, for every N; it is killed at random moments;
# the disk is full. Nothing is ever lost, and what was interrupted is done twice at most. tests/crash/shim.c does the counting.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $build = $ENV{BUILD} || 'build';
$ENV{ASAN_OPTIONS} = 'verify_asan_link_order=0:detect_leaks=0';
# In memory where programs may be started from there: fsyncs are counted here, not waited for.
if (!$ENV{TMPDIR} && system("cp /bin/true /dev/shm/postern-try.$$ 2>/dev/null && /dev/shm/postern-try.$$ 2>/dev/null") == 0) {
    $ENV{TMPDIR} = '/dev/shm';
}
unlink "/dev/shm/postern-try.$$";
my $connections = 3; # to each of two destinations
my $T = QrunTest->new(timeout => 10, 'retry-first' => '5m', 'destination-connections' => $connections);
system("cp $build/tests/crash/shim.so $T->{bin}/ && chmod 755 $T->{bin}/shim.so") == 0 or die;
$T->dns('--mx-host=good.test,mx.good.test,10', '--host-record=mx.good.test,127.0.2.1', '--mx-host=other.test,mx.other.test,10',
        '--host-record=mx.other.test,127.0.2.2');
$T->sinks('127.0.2.1=accept', '127.0.2.2=accept');

sub clean {
    $T->forget;
    unlink $T->in_queue, glob("$T->{spool}/queue/deferred/*/*"), glob("$T->{spool}/queue/tmp/*");
    my ($mail) = $T->slurp($T->{conf}) =~ /^mail (\S+)/m;
    $mail = "$T->{server}/$mail" if $mail !~ m{^/};
    system "rm -rf '" . ($mail =~ s/%d.*//r) . "here.test/alice/new'/*";
}

# What reached whom: a hash of words and how often.
sub outcome {
    my %seen;
    for my $m ($T->taken) {
        $seen{ $m->{from} eq '' ? "bounce to $_" : $_ }++ for @{ $m->{to} };
    }
    for my $m ($T->mailbox('alice')) {
        $seen{ $m =~ /^Return-Path: <>/ ? ($m =~ /rej1\@good/ ? 'bounce to alice' : 'strange bounce') : 'alice' }++;
    }
    return %seen;
}

sub finish_queue {
    for (1 .. 5) {
        my @left = $T->in_queue or return 1;
        m{deferred/.*/([^/]+)$} && $T->make_due($1) for @left;
        $T->qrun;
    }
    return !$T->in_queue;
}

my @expected = sort 'alice', 'bounce to alice', 'bounce to carol@good.test', 'ok1@good.test', 'ok2@other.test';
my $pages = "$T->{dir}/count";
for my $action ([ 'exit', 0 ], [ 'fail', 5 ], [ 'full', 28 ]) {
    my ($what, $errno) = @$action;
    my ($calls, $n, $bad) = (0, 0, 0);
    do {
        $n++;
        clean();
        $T->put('alice@here.test', [ 'ok1@good.test', 'rej1@good.test', 'alice@here.test', 'ok2@other.test' ]);
        $T->put('carol@good.test', ['rej2@other.test']);
        open my $f, '>', $pages or die;
        print $f "\0" x 8;
        close $f;
        chmod 0666, $pages;
        my @command = $T->command('env', "LD_PRELOAD=$T->{bin}/shim.so", "SHIM_COUNT=$pages", "SHIM_AT=$n", "SHIM_ACTION=$what",
                                  "SHIM_ERRNO=$errno", "$T->{bin}/qrun", '-c', $T->{conf});
        $T->finish($T->start(@command));
        $calls = unpack 'q', $T->slurp($pages);
        my $finished = finish_queue();
        my %seen = outcome();
        if (!$finished || "@{[ sort keys %seen ]}" ne "@expected" || grep { $_ > 2 } values %seen) {
            diag "$what at call $n of $calls: ", explain \%seen;
            diag explain [ map { $T->slurp($_) } $T->in_queue ];
            $bad++;
        }
    } while ($n <= $calls && $n < 300 && $bad < 3);
    ok !$bad && $n > 20 && $n > $calls, "$what: nothing lost at any of $calls calls";
}

# kill -9 at random moments.
clean();
my $count = 1000;
my @ids = map { $T->put('alice@here.test', ["k$_\@" . ($_ % 2 ? 'good.test' : 'other.test')]) } 1 .. $count;
my ($kills, $rounds) = (0, 0);
while ($T->in_queue && $rounds++ < 1000) {
    my $pid = $T->start_qrun;
    sleep 0.01 + rand 0.04;
    $kills++ if $T->end($pid);
}
finish_queue();
my %seen;
$seen{ $_->{to}[0] }++ for $T->taken;
is scalar keys %seen, $count, "after $kills kills every message has arrived";
my $twice = 0;
$twice += $_ - 1 for values %seen;
cmp_ok $twice, '<=', 2 * $connections * $kills, "$twice were sent twice, at most one a connection";
cmp_ok +(sort { $b <=> $a } values %seen)[0] - 1, '<=', $kills, 'and none more often than there were kills';
cmp_ok $kills, '>', 3, 'and it was really killed';
is scalar($T->in_queue), 0, 'the queue is empty';

done_testing;
