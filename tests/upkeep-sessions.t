#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Mail expires while sessions have its folder open, one of them with QRESYNC, one in IDLE, one that goes on working: each hears of it as
# of a client's EXPUNGE, and who comes back later is told what vanished. With EXPIRE_MESSAGES (20,000) of them, of which every tenth is
# young: nobody waits for long meanwhile.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time sleep);

my $count = $ENV{EXPIRE_MESSAGES} || 20000;
my $patience = 5 * ($ENV{DIALOGUE_SLOW} || 1);
my $t = ImapTest->new('expire' => 'Trash 30d');
my $at = "$t->{mail}/.Trash";

sub upkeep { return ImapTest::as_owner("$t->{bin}/postern", '-c', $t->{conf}, 'upkeep') }

# Files as a delivery agent names them.
sub fill {
    my ($n) = @_;
    my $now = int time;
    for my $i (1 .. $n) {
        my $name = sprintf '%d.M%06dP7.host,S=22:2,%s', $i % 10 ? $now - 40 * 86400 : $now - 86400, $i, $i % 3 ? 'S' : '';
        open my $f, '>', "$at/cur/$name" or die;
        print $f "Subject: x$i\n\ntext\n" . 'x' x (22 - length "Subject: x$i\n\ntext\n");
        close $f;
    }
    $t->own;
}

sub model { my ($s, @untagged) = @_; $s->{uids} = [ map { /^\* SEARCH ?(.*)/ ? split / /, $1 : () } @untagged ]; $s->{flags} = {}; }

# Opens Trash and knows all its UIDs; those that are to stay.
sub opened {
    my ($enable) = @_;
    my $s = $t->session;
    $s->ok("ENABLE $enable") if $enable;
    my @select = $s->ok('SELECT Trash');
    model($s, grep { !/^\* ESEARCH/ } $s->ok('UID SEARCH ALL'));
    ($s->{$_->[0]}) = "@select" =~ /$_->[1] (\d+)/ for [ modseq => 'HIGHESTMODSEQ' ], [ validity => 'UIDVALIDITY' ];
    my ($saved) = $s->ok('UID SEARCH SAVEDSINCE ' . day(35));
    my @young = $saved =~ /\d+/g;
    return ($s, join ',', @young);
}

sub day {
    my ($ago) = @_;
    my @now = gmtime(time - $ago * 86400);
    return sprintf '%d-%s-%d', $now[3], (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[$now[4]], $now[5] + 1900;
}

fill($count);
my ($plain, $young) = opened('');
my ($qresync) = opened('QRESYNC');
my ($worker) = opened('');
my ($idle) = opened('QRESYNC');
is scalar @{$plain->{uids}}, $count, 'sessions have a folder open';
is scalar(split /,/, $young), $count / 10, 'of whose messages every tenth is young';

$idle->begin('IDLE');
$idle->line =~ /^\+/ or die;
my $begun = time;
my $pid = $t->start(sub { open STDERR, '>>', $t->{log}; exec upkeep() or POSIX::_exit(1) });
my (@waits, $ended);
for (my $n = 1; !$ended; $n++) {
    my $before = time;
    my ($uid) = (split /,/, $young)[$n % 7];
    $worker->ok("UID STORE $uid " . ($n % 2 ? '+' : '-') . 'FLAGS (\Flagged)');
    $worker->ok('NOOP');
    push @waits, time - $before;
    $ended = $t->ended($pid);
    sleep 0.01;
}
ok $t->finish($pid), 'upkeep ends';
my $seconds = time - $begun;
note sprintf '%d of %d messages in %.2f s; %d commands meanwhile, the longest waited %.2f s', $count * 0.9, $count, $seconds, 2 * @waits, max @waits;
ok max(@waits) < $patience, 'who works on meanwhile never waits for long' or diag max @waits;
is scalar @{[ glob "$at/{cur,new}/*" ]}, $count / 10, 'what is old has gone from the disk';

for (my $heard = 0; !$heard;) { # or it dies of impatience
    my $line = $idle->line;
    $idle->untagged($line);
    $heard = $line =~ /^\* VANISHED /;
}
pass 'who waits in IDLE hears of it at once';
$idle->send_bytes("DONE\r\n");
$idle->reply('a' . $idle->{tag});
$_->ok('NOOP') for $plain, $qresync, $worker, $idle;
is join(',', @{$plain->{uids}}), $young, 'a session hears of each by EXPUNGE';
is join(',', @{$worker->{uids}}), $young, 'the one that worked on, too';
is join(',', @{$qresync->{uids}}), $young, 'one with QRESYNC by VANISHED';
is join(',', @{$idle->{uids}}), $young, 'and the one that waited';
is join(',', sort { $a <=> $b } map { /\d+/g } $plain->ok('UID SEARCH ALL')), $young, 'the young ones are there';

my $late = $t->session;
$late->ok('ENABLE QRESYNC');
my @told = $late->ok("SELECT Trash (QRESYNC ($qresync->{validity} $qresync->{modseq}))");
my %vanished = map { $_ => 1 } map { /(\d+):(\d+)/ ? $1 .. $2 : $_ } map { /^\* VANISHED \(EARLIER\) ([\d:,]+)/ ? split /,/, $1 : () } @told;
my %stays = map { $_ => 1 } split /,/, $young;
is_deeply [ grep { !$vanished{$_} == !$stays{$_} } 1 .. $count ], [], 'who comes back is told which vanished, and no other';

system(upkeep()) == 0 or die;
my @again = $qresync->ok('NOOP');
is join(' ', @again), '', 'a second run changes nothing';
$_->logout for $plain, $qresync, $worker, $idle, $late;

# --- an owner who holds the locks of all his folders keeps others waiting as long as with one
open my $conf, '>>', $t->{conf} or die;
print $conf "expire Trash.* 30d\n";
close $conf;
my @held;
for my $path (map { "$t->{mail}/.Trash.$_" } 'A' .. 'D') {
    mkdir $_ or die for $path, map { "$path/$_" } qw(cur new tmp);
    open my $old, '>', "$path/cur/" . (int(time) - 40 * 86400) . '.M1P1.host:2,S' or die;
    open my $lock, '>', "$path/postern.lock" or die;
    flock $lock, 2 or die;
    push @held, $lock;
}
$t->own;
$begun = time;
open STDERR, '>>', $t->{log};
is system(upkeep()) >> 8, 75, 'folders whose locks are held are left for the next run';
cmp_ok time - $begun, '<', 35 * ($ENV{DIALOGUE_SLOW} || 1), 'and waited for but once'; # 10 s, where for each it would be 40
done_testing;
