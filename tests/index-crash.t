#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A mailbox process ends, or one call fails, or the disk is full, at the Nth call that changes a file, while it appends, stores
# flags of few and of many, copies, moves, expunges, opens a folder of foreign files, builds an index anew or works off a journal.
# After that the next process sees every message under its UID with the flags that were promised, with the index that was left
# and without one, and can go on. tests/crash/index.c is the session, tests/crash/shim.c counts. What writes messages is tried as on a
# file system with a journal, too.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Launch qw(calls clear copy_tree remove_tree);
use Test::More;
use Time::HiRes qw(time sleep);

my $more = $ENV{TORTURE};
my $build = $ENV{BUILD} || 'build';
my $dir = ImapTest::place('index-crash');
my $tool = "$dir/index";
system("cp $build/tests/crash/index $build/tests/crash/shim.so $dir/") == 0 or die;
$ENV{ASAN_OPTIONS} = 'verify_asan_link_order=0:detect_leaks=0';

open STDERR, '>>', "$dir/log"; # what the sessions log; diagnostics of the test still go where they went
Test::More->builder->failure_output(\*STDOUT);

sub out {
    my $pid = open(my $f, '-|') // die "fork: $!";
    Launch::in_place(@_) if !$pid;
    local $/;
    my $text = <$f> // '';
    close $f;
    return $text;
}

# What a session says of a folder: { validity, next, uid => { UID => [FLAGS, SUBJECT] }, subject => { SUBJECT => [UIDs] } } by folder.
sub parse {
    my ($text) = @_;
    my %seen;
    for (split /\n/, $text) {
        if (/^(\S+) validity (\d+) next (\d+)$/) {
            $seen{$1} = { validity => $2, next => $3, uid => {}, subject => {} };
        } elsif (/^(\S+) (\d+) ([0-9a-f]+) (\S+)$/ && $seen{$1}) {
            $seen{$1}{uid}{$2} = [ hex $3, $4 ];
            push @{$seen{$1}{subject}{$4}}, $2;
        } elsif (/^(begin|failed)/) {
            last;
        }
    }
    return \%seen;
}

# ---- folders to begin with

my %templates;

sub template {
    my ($name, $count, @how) = @_;
    my $at = "$dir/template-$name";
    out($tool, $how[0], $count, $at);
    out($tool, 'look', $at) if $how[0] eq 'make'; # summaries in the cache
    out($tool, $_, $at) for @how[1 .. $#how];
    my $copy = copy($at, "$dir/look");
    my $seen = parse(out($tool, 'look', $copy));
    is scalar keys %{$seen->{INBOX}{subject}}, $count, "$name: a folder of $count" or diag explain $seen;
    remove_tree($copy);
    $templates{$name} = { at => $at, seen => $seen, foreign => $how[0] eq 'foreign' };
}

# Messages are linked, what is ours is copied, times of directories stay.
sub copy {
    my ($from, $to) = @_;
    remove_tree($to);
    copy_tree($from, $to, link => sub { $_[0] !~ m{/postern[^/]*$} });
    return $to;
}

# ---- one run

my $journal;

sub run {
    my ($at, $what, $n, $action, $errno) = @_;
    clear("$dir/count");
    my $said = out('timeout', 60, 'env', "LD_PRELOAD=$dir/shim.so", "SHIM_COUNT=$dir/count", "SHIM_AT=$n", "SHIM_ACTION=$action", "SHIM_ERRNO=$errno",
        $journal ? 'SHIM_JOURNAL=1' : (), $tool, $what, $at);
    my $status = $?;
    return ($said, calls("$dir/count"), $status & 127 || $status >> 8);
}

# What must be so afterwards; a list of what is wrong.
sub wrong {
    my ($t, $said, $seen, $action) = @_;
    my (@wrong, %begun, %done, %flags_may, %flags_must, %new);
    my $was = parse($said)->{INBOX};
    my ($is, $goal) = ($seen->{INBOX}, $seen->{Goal});
    return 'it does not open' if !$is || !$goal;
    my $base = $t->{seen}{INBOX};
    my %uid_of = $t->{foreign} ? () : map { $_ => $base->{subject}{$_}[0] } keys %{$base->{subject}};
    my @order = map { $base->{uid}{$_}[1] } sort { $a <=> $b } keys %{$base->{uid}}; # by index
    if ($was) {
        $uid_of{$_} = $was->{subject}{$_}[0] for keys %{$was->{subject}};
        push @wrong, "UIDVALIDITY $is->{validity}, not $was->{validity}" if $is->{validity} != $was->{validity};
        push @wrong, "UIDNEXT $is->{next} after $was->{next}" if $is->{next} < $was->{next};
    }
    push @wrong, "UIDVALIDITY $is->{validity}, not $base->{validity}" if !$t->{foreign} && $is->{validity} != $base->{validity};
    for (split /\n/, $said) {
        if (/^(begin|done) (\w+) (\d+) (\d+) (\w+)/) {
            my ($to, $what, $first, $count, $flags) = ($1 eq 'done' ? \%done : \%begun, $2, $3, $4, hex $5);
            for my $subject (@order[$first .. $first + $count - 1]) {
                $to->{$what}{$subject} = 1;
                ($1 eq 'done' ? \%flags_must : \%flags_may)->{$subject} |= $flags if $what eq 'store';
            }
            $to->{$what}{''} = 1;
        }
        $new{$1} = $2 if /^appended (\S+) (\d+)/;
        if (/^copied (\S+) (\d+)/) {
            push @wrong, "the copy of $1 is not UID $2" if ($goal->{uid}{$2}[1] // '') ne $1;
        }
    }
    for my $subject (@order) {
        my ($uid, $twice) = @{$is->{subject}{$subject} // []};
        my $copies = @{$goal->{subject}{$subject} // []};
        push @wrong, "$subject is there twice" if $twice || $copies > 1;
        if (!$uid) {
            push @wrong, "$subject is lost" if !$begun{expunge}{$subject} && !($begun{move}{$subject} && $copies);
            next;
        }
        push @wrong, "$subject was UID $uid_of{$subject} and is $uid" if $uid_of{$subject} && $uid_of{$subject} != $uid;
        push @wrong, "$subject came back" if $done{expunge}{$subject} || $done{move}{$subject};
        push @wrong, "$subject was not to be copied" if $copies && !$begun{copy}{$subject} && !$begun{move}{$subject};
        my $flags = $is->{uid}{$uid}[0];
        my ($least, $most) = ($base->{uid}{$base->{subject}{$subject}[0]}[0], 0);
        $least |= $flags_must{$subject} // 0;
        $most = $least | ($flags_may{$subject} // 0);
        push @wrong, sprintf '%s has flags %x, not between %x and %x', $subject, $flags, $least, $most if ($flags & $least) != $least || $flags & ~$most;
    }
    my $uid = $is->{subject}{new}[0];
    push @wrong, "what was appended is lost" if $new{new} && ($uid // 0) != $new{new};
    push @wrong, "what was refused is there" if $uid && !$new{new} && ($action ne 'exit' || !$begun{append}{''}) && $said =~ /^failed append/m;
    push @wrong, "what was appended has no flags" if $uid && $new{new} && !($is->{uid}{$uid}[0] & 1 << 26);
    push @wrong, "nobody knows $_" for grep { !/^(new|arrived\d+)$/ && !$base->{subject}{$_} } keys %{$is->{subject}};
    push @wrong, 'a part of what could not be copied is there' if $action ne 'exit' && !$done{copy}{''} && !$done{move}{''} && $said =~ /^failed copy/m && %{$goal->{uid}};
    push @wrong, "no 'end'" if $action eq 'none' && $said !~ /^end$/m;
    return @wrong;
}

sub check_one {
    my ($t, $at, $what, $n, $action, $errno) = @_;
    my ($said, $calls, $status) = run($at, $what, $n, $action, $errno);
    my $untouched = $what =~ /^(append|beside)$/ || $t->{arrive} ? copy($at, "$at-first") : undef;
    my $seen = out($tool, 'look', $at);
    my @wrong = wrong($t, $said, parse($seen), $action);
    push @wrong, "it ended with $status" if $status && $status != 98 && $status != 75;
    push @wrong, 'something is left in tmp/' if $action eq 'full' && glob "$at/tmp/* $at/.Goal/tmp/*";
    unlink map { ("$at/$_", "$at/.Goal/$_") } 'postern-index', 'postern-cache';
    my $again = out($tool, 'look', $at);
    # Without the index UIDNEXT is what was reserved; the rest is the same.
    my ($was, $is) = map { parse($_) } $seen, $again;
    push @wrong, "UIDNEXT of $_ went back without index and cache" for grep { ($is->{$_}{next} // 0) < $was->{$_}{next} } keys %$was;
    s/ next \d+$//mg for my ($with, $without) = ($seen, $again);
    push @wrong, 'it is another without index and cache' if $with ne $without;
    my $used = out($tool, 'use', $at);
    push @wrong, "it cannot be used: $used" if $used ne "works\n";
    if ($untouched) { # the next message before anybody has looked
        push @wrong, "the next message: $used" if ($used = out($tool, 'use', $untouched)) ne "works\n";
        remove_tree($untouched);
    }
    return (\@wrong, $said, $calls);
}

# Some N of 1 to $calls: all of a few, else the first and the last and some between.
sub samples {
    my ($calls, $most) = @_;
    return 1 .. $calls if $more || $calls <= $most;
    my %some = map { $_ => 1 } 1 .. $most / 4, $calls - $most / 4 .. $calls;
    $some{1 + int(($calls - 1) * $_ / ($most / 2))} = 1 for 1 .. $most / 2 - 1;
    return sort { $a <=> $b } keys %some;
}

# Messages that another program brings, of which the index doesn't know.
sub arrive {
    my ($t, $at) = @_;
    for my $n (1 .. $t->{arrive} // 0) {
        open my $f, '>', "$at/new/100000010$n.M${n}P1.other" or die "$at: $!";
        print $f "Subject: arrived$n\n\ntext\n";
    }
    return $at;
}

sub every {
    my ($what, $name, $most) = @_;
    my $t = $templates{$name};
    my (undef, undef, $calls) = check_one($t, arrive($t, copy($t->{at}, "$dir/all")), $what, 1e9, 'none', 0);
    my $how = $journal ? ', with a journal' : '';
    cmp_ok $calls, '>', 0, "$what of $name$how: $calls calls";
    my @n = samples($calls, $most);
    my @actions = ([ exit => 0 ], [ fail => 5 ], [ full => 28 ]);
    my %at = map { my $action = $_->[0]; map { my $key = "$action-$_"; $key => copy($t->{at}, "$dir/run-$key") } @n } @actions;
    if (!$t->{foreign} && !$t->{raw}) { # an index that fits these copies, of a time that can be trusted
        out($tool, 'open', $_) for values %at;
        sleep 1.1;
        out($tool, 'open', $_) for values %at;
        arrive($t, $_) for values %at;
    }
    for (@actions) {
        my ($action, $errno) = @$_;
        my @failed;
        for my $n (@n) {
            my ($wrong) = check_one($t, $at{"$action-$n"}, $what, $n, $action, $errno);
            push @failed, "at call $n: " . join('; ', @$wrong[0 .. ($#$wrong > 4 ? 4 : $#$wrong)]) . "\n" if @$wrong;
            remove_tree($at{"$action-$n"});
        }
        is scalar @failed, 0, "$what of $name, $action$how: " . @n . " of $calls places" or diag @failed[0 .. ($#failed > 9 ? 9 : $#failed)];
    }
}

template(small => 12, 'make');
template(large => 1000, 'make'); # so many that names are written later
template(foreign => 1000, 'foreign');
template(journal => 1000, 'make', 'abrupt');
ok -s "$templates{journal}{at}/postern-journal", 'a session that ended at once left a journal';
$templates{journal}{raw} = 1; # opened once, it would be worked off
template(bare => 40, 'make');
unlink glob "$templates{bare}{at}/postern-{index,cache}";
$templates{bare}{raw} = 1;
template(arrival => 12, 'make');
$templates{arrival}{arrive} = 3;
every('open', 'arrival', 40);
every('pair', 'small', 80);
every('append', 'small', 40);
every('beside', 'small', 40);
every('few', 'small', 30);
every('many', 'small', 40);
every('many', 'large', 6);
every('copy', 'small', 40);
every('move', 'small', 60);
every('expunge', 'small', 30);
every('expunge', 'large', 4);
every('open', 'foreign', 6);
every('open', 'journal', 8);
every('open', 'bare', 24);
every('many', 'bare', 24);
$journal = 1;
every('append', 'small', 40);
every('copy', 'small', 60);
every('copy', 'large', 12); # more than are fsynced under the lock
every('move', 'small', 60);
done_testing;
