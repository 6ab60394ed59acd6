#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The queue runner ends, or a call of its fails, at the Nth call that changes a file, for every N; it is killed at random moments;
# the disk is full. Nothing is ever lost, and what was interrupted is done twice at most;
# a report is made once. tests/crash/shim.c does the counting. All of that also as it is where the file system has a journal, and new
# files are fsynced when they have their names.
use strict;
use warnings;
use lib 'tests/lib';
use Launch qw(calls clear);
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
my $T = QrunTest->new(timeout => 60, 'retry-first' => '5m', 'destination-connections' => $connections);
system("cp $build/tests/crash/shim.so $T->{bin}/ && chmod 755 $T->{bin}/shim.so") == 0 or die;
$T->dns('--mx-host=good.test,mx.good.test,10', '--host-record=mx.good.test,127.0.2.1', '--mx-host=other.test,mx.other.test,10',
        '--host-record=mx.other.test,127.0.2.2');
$T->sinks('127.0.2.1=accept', '127.0.2.2=accept');

sub clean {
    $T->forget;
    unlink $T->in_queue, glob("$T->{spool}/queue/deferred/*/*"), glob("$T->{spool}/queue/tmp/*");
    my ($mail) = $T->slurp($T->{conf}) =~ /^mail (\S+)/m;
    $mail = "$T->{server}/$mail" if $mail !~ m{^/};
    unlink glob(($mail =~ s/%d.*//r) . 'here.test/alice/new/*');
}

# What a report tells: "ACTION RECIPIENT", each.
sub told { my ($text) = @_; return map { s/\r//gr } $text =~ /^Final-Recipient: rfc822; (\S+\r?\nAction: \w+)/mg }

# What reached whom: a hash of words and how often.
sub outcome {
    my (%seen, %same);
    for my $m ($T->taken) {
        # Each report has a boundary of its own: one that was sent twice, as any message may be, was made once.
        next if $m->{from} eq '' && $m->{text} =~ /boundary="(.*?)"/ && $same{$1}++;
        my @words = $m->{from} ne '' ? @{ $m->{to} } : map { "@{ $m->{to} } is told: $_" } told($m->{text});
        $seen{ s/\n/ /r }++ for @words;
    }
    for my $m ($T->mailbox('alice')) {
        my @words = $m =~ /^Return-Path: <>/ ? map { "alice is told: $_" } told($m) : 'alice';
        $seen{ s/\n/ /r }++ for @words;
    }
    delete @seen{ grep { /Action: delayed/ && !/told: tmp/ } keys %seen }; # a delivery that failed for now is late, too
    return %seen;
}

# Until nothing waits but for tmp...: two runs more, at least.
sub finish_queue {
    for my $round (1 .. 6) {
        my @left = $T->in_queue;
        return 1 if $round > 2 && !grep { my $text = $T->slurp($_); $text =~ /^[FRLX] /m || $text =~ /^T (?!tmp)/m } @left;
        m{deferred/.*/([^/]+)$} && $T->make_due($1) for @left;
        $T->qrun;
    }
    return 0;
}

my %reports = map { $_ => 1 } 'alice is told: rej1@good.test Action: failed', 'alice is told: ok1@good.test Action: relayed',
    'alice is told: alice@here.test Action: delivered', 'alice is told: tmp1@other.test Action: delayed',
    'carol@good.test is told: rej2@other.test Action: failed', 'carol@good.test is told: tmp2@good.test Action: delayed';
my @expected = sort 'alice', 'ok1@good.test', 'ok2@other.test', keys %reports;
my $pages = "$T->{dir}/count";
for my $action (map { my $journal = $_; map { [ @$_, $journal ] } [ 'exit', 0 ], [ 'fail', 5 ], [ 'full', 28 ] } 0, 1) {
    my ($what, $errno, $journal) = @$action;
    my ($calls, $n, $bad) = (0, 0, 0);
    do {
        $n++;
        clean();
        $T->put('alice@here.test', [ 'ok1@good.test', 'rej1@good.test', 'alice@here.test', 'ok2@other.test', 'tmp1@other.test' ], age => 5 * 3600,
                rcpt => { map { $_ => 'notify=success,failure,delay' } 'ok1@good.test', 'alice@here.test', 'tmp1@other.test' });
        $T->put('carol@good.test', [ 'rej2@other.test', 'tmp2@good.test' ], age => 5 * 3600);
        clear($pages);
        my @command = $T->command('env', "LD_PRELOAD=$T->{bin}/shim.so", "SHIM_COUNT=$pages", "SHIM_AT=$n", "SHIM_ACTION=$what",
                                  "SHIM_ERRNO=$errno", $journal ? 'SHIM_JOURNAL=1' : (), "$T->{bin}/qrun", '-c', $T->{conf});
        $T->finish($T->start(@command));
        $calls = calls($pages);
        my $finished = finish_queue();
        my %seen = outcome();
        my @often = grep { $seen{$_} > ($what ne 'full' && $reports{$_} ? 1 : 2) } keys %seen;
        if (!$finished || "@{[ sort keys %seen ]}" ne "@expected" || @often) {
            diag "$what at call $n of $calls: ", explain \%seen;
            diag explain [ map { $T->slurp($_) } $T->in_queue ];
            $bad++;
        }
    } while ($n <= $calls && $n < 300 && $bad < 3);
    ok !$bad && $n > 40 && $n > $calls, $what . ($journal ? ' with a journal' : '') . ": nothing lost at any of $calls calls"
        . ($what ne 'full' && ', and no report made twice');
}

# What was given its name, and not yet fsynced, when a run ended, or whose fsync failed, isn't counted as done before it is on disk.
# SHIM_AT of the first call behind the name is found by ending there; the trace says what came before the mark.
$T->run_as('postern', '-c', $T->{conf}, 'alias', 'add', 'away@here.test', 'ok3@good.test') == 0 or die $T->log;
sub traced {
    my ($n, $action, $journal) = @_;
    $T->spew($pages, "\0" x 262144);
    chmod 0666, $pages;
    my @command = $T->command('env', "LD_PRELOAD=$T->{bin}/shim.so", "SHIM_COUNT=$pages", "SHIM_AT=$n", "SHIM_ACTION=$action", 'SHIM_TRACE=1', 'SHIM_ERRNO=5',
                              $journal ? 'SHIM_JOURNAL=1' : (), "$T->{bin}/qrun", '-c', $T->{conf});
    $T->finish($T->start(@command));
    return split /\n/, substr($T->slurp($pages), 16) =~ tr/\0//dr;
}
# The lines up to the last one that is like this; none if there is none.
sub before { my ($like, @lines) = @_; pop @lines while @lines && $lines[-1] !~ $like; return @lines }
my $in_queue = qr{^rename \S+/queue/tmp/(\S+) \S+/queue/\1$};
for my $row (['a report in the queue', 'carol@good.test', 'rej5@other.test', $in_queue, qr{^fsync \S+/queue$}],
             ['a report in a mailbox', 'alice@here.test', 'rej6@other.test', qr{^rename \S+ \S+/new/\S+$}, qr{^fsync \S+/new$}],
             ['a report that an alias leads elsewhere', 'away@here.test', 'rej7@other.test', $in_queue, qr{^fsync \S+/queue$}]) {
    my ($name, $from, $to, $named, $fsynced) = @$row;
    for my $journal (0, 1) {
        my ($where, $n, $id, @trace) = ($name . ($journal ? ' with a journal' : ''), 0);
        my $first = sub { clean(); $id = $T->put($from, [$to]); @trace = traced(@_, $journal) };
        do { $first->(++$n, 'exit') } until $n == 100 || grep { /$named/ } @trace;
        @trace = before(qr{^write \S+/queue/$id$}, traced(100000, 'exit', $journal));
        ok +(grep { /$fsynced/ } @trace) && !(grep { /$named/ } @trace), "$where: the next run fsyncs it, and marks it then"
            or diag explain [ $n, \@trace ];
        $first->($n, 'fail');
        if ($T->queued($id)) {
            $T->make_due($id);
            push @trace, traced(100000, 'exit', $journal);
        }
        is scalar(grep { /$named/ } @trace), 2, "$where: if its fsync fails it is written anew, as another fsync isn't enough" or diag explain [ $n, \@trace ];
    }
}
clean();

# A full disk where overwriting needs room, too: what was sent couldn't be marked, and would be sent at each attempt.
my $id = $T->put('carol@good.test', [ 'ok4@good.test', 'rej4@other.test', 'tmp4@other.test' ]);
for (1 .. 3) {
    clear($pages);
    $T->finish($T->start($T->command('env', "LD_PRELOAD=$T->{bin}/shim.so", "SHIM_COUNT=$pages", 'SHIM_AT=1', 'SHIM_ACTION=cow', 'SHIM_ERRNO=28',
                                     "$T->{bin}/qrun", '-c', $T->{conf})));
    $T->make_due($id);
}
is scalar($T->taken), 0, 'where no mark can be written nothing is sent';
finish_queue();
is_deeply { outcome() }, { 'ok4@good.test' => 1, 'carol@good.test is told: rej4@other.test Action: failed' => 1 }, 'until it can';

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
