#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern upkeep ends, or a call of its fails, or the disk is full, at the Nth call that changes a file, for every N until the last
# (tests/crash/shim.c counts), while mail expires and a warning is due. What is young or lies elsewhere is there after that, whole and
# under its UIDs; the next run does what was left, and there is one warning, no more and no less.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Launch qw(calls clear copy_tree remove_tree);
use Test::More;

my $t = ImapTest->new('quota-storage' => 1000, 'quota-warning' => 80, 'expire' => 'Trash 30d');
my $d = "$t->{dir}/crash";
my $build = $ENV{BUILD} || 'build';
my $limit = 400; # more calls than it makes
mkdir $d;
system("cp $build/tests/crash/shim.so $t->{bin}/ && chmod -R a+rX $t->{bin}") == 0 or die;
$t->own;

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f; }
sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return scalar <$f>; }

# Runs postern upkeep as the mail's owner, with what the shim is to do: (status, how many calls it made).
sub upkeep {
    my (@shim) = @_;
    clear("$d/count");
    truncate "$d/count", 262144 if grep { /^SHIM_TRACE/ } @shim;
    my @env = @shim ? ("LD_PRELOAD=$t->{bin}/shim.so", "SHIM_COUNT=$d/count", 'ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0', @shim) : ();
    my $pid = fork // die;
    if (!$pid) {
        open STDOUT, '>>', $t->{log};
        open STDERR, '>&', \*STDOUT;
        Launch::in_place(ImapTest::as_owner('env', @env, "$t->{bin}/postern", '-c', $t->{conf}, 'upkeep'));
    }
    waitpid $pid, 0;
    return ($?, calls("$d/count"));
}

sub text_of { return "Subject: $_[0]\n\n" . 'x' x 200 . "\n" }

# The folders as they are at first, with UIDs; copied for each run.
sub prepare {
    my $now = time;
    my $old = $now - 40 * 86400;
    $t->deliver('Trash', text_of("old$_"), "$old.M${_}P1.host") for 1 .. 3;
    $t->deliver('Trash', text_of("young$_"), "$now.M${_}P2.host") for 1 .. 2;
    $t->deliver('INBOX', text_of("inbox$_"), "$old.M${_}P3.host") for 1 .. 2;
    my $s = $t->session;
    $s->ok("SELECT $_") for qw(Trash INBOX);
    $s->ok('LOGOUT');
    system('cp', '-a', $t->{mail}, "$d/template") == 0 or die;
}

# SUBJECT => its UID, in a folder; those that aren't whole, and those that are there twice, are wrong.
sub messages {
    my ($folder, $wrong) = @_;
    my (%found, $warnings);
    my $at = $folder eq 'INBOX' ? $t->{mail} : "$t->{mail}/.$folder";
    for my $file (glob "$at/{cur,new}/*") {
        my $text = slurp($file);
        my ($subject) = $text =~ /^Subject: (.*)$/m;
        $warnings++, next if $subject =~ /^Your mailbox is /;
        my ($uid) = $file =~ /,P=[0-9a-f]+\.([0-9a-f]+)/;
        push @$wrong, "$file is not whole" if $text ne text_of($subject);
        push @$wrong, "$subject is there twice" if $found{$subject};
        $found{$subject} = hex($uid // 0);
    }
    return (\%found, $warnings // 0);
}
sub shown { my ($found) = @_; return join ' ', map { "$_=$found->{$_}" } sort keys %$found }

prepare();
my @wrong;
my ($first_trash) = messages('Trash', \@wrong);
my ($first_inbox) = messages('INBOX', \@wrong);
is shown($first_trash), 'old1=1 old2=2 old3=3 young1=4 young2=5', 'a folder';
my $young = 'young1=4 young2=5';

for my $how ([ 'ends', 'exit', 0 ], [ 'has an I/O error', 'fail', 5 ], [ 'has a full disk', 'full', 28 ]) {
    my ($name, $action, $errno) = @$how;
    my ($n, $reached, $failed) = (0, 0, 0);
    @wrong = ();
    while (++$n <= $limit && !$reached) {
        remove_tree($t->{mail}, "$t->{server}/spool/upkeep");
        copy_tree("$d/template", $t->{mail});
        my ($status, $calls) = upkeep("SHIM_AT=$n", "SHIM_ACTION=$action", "SHIM_ERRNO=$errno");
        $reached = $calls < $n;
        $failed++ if $status;
        for my $run (0, 1) {
            my @seen;
            my ($trash, $none) = messages('Trash', \@seen);
            my ($inbox, $warnings) = messages('INBOX', \@seen);
            push @wrong, map { "$n, run $run: $_" } @seen;
            my %left = map { $_ => $trash->{$_} } grep { /^young/ } keys %$trash;
            push @wrong, "$n, run $run: young ones: " . shown(\%left) if shown(\%left) ne $young;
            push @wrong, "$n, run $run: INBOX: " . shown($inbox) if shown($inbox) ne shown($first_inbox);
            push @wrong, "$n, run $run: $warnings warnings" if $warnings > 1;
            push @wrong, "$n: it said that all went well: " . shown($trash) . ", $warnings warnings"
                if $status == 0 && ($warnings != 1 || shown($trash) ne $young);
            ($status) = upkeep() if $run == 0;
            push @wrong, "$n: the next run fails" if $run == 0 && $status;
        }
        my ($last) = upkeep();
        my (undef, $warnings) = messages('INBOX', \@wrong);
        push @wrong, "$n: the third run: $last, $warnings warnings" if $last || $warnings != 1;
    }
    ok $reached && $n > 20 && $failed > 10, "it $name: every call was hit" or diag "$n calls, $failed failed";
    is join("\n", @wrong), '', "it $name: nothing is lost, and what was left is done";
}

# A warning whose fsync failed is no warning: another fsync would say that it is there, and a power cut take it. The trace says how often
# one got its name; nothing expires meanwhile, as how much is written to an index depends on the clock.
sub trace { return split /\n/, substr(slurp("$d/count"), 16) =~ tr/\0//dr }
my ($named, $fsynced) = (qr{^rename \S+/tmp/\S+ \S+/new/\S+$}, qr{^fsync \S+/new$});
for my $journal (0, 1) {
    my ($n, $status, @trace) = 0;
    my @shim = ('SHIM_TRACE=1', 'SHIM_ACTION=fail', 'SHIM_ERRNO=5', $journal ? 'SHIM_JOURNAL=1' : ());
    do {
        remove_tree($t->{mail}, "$t->{server}/spool/upkeep");
        copy_tree("$d/template", $t->{mail});
        remove_tree("$t->{mail}/.Trash");
        write_file("$t->{mail}/cur/1700000000.M1P4.host:2,S", text_of('x' x 500));
        ($status) = upkeep('SHIM_AT=' . ++$n, @shim);
        @trace = trace();
    } until $n == $limit || (grep { /$named/ } @trace) && !grep { /$fsynced/ } @trace;
    my (undef, $left) = messages('INBOX', []);
    upkeep('SHIM_AT=100000', @shim);
    push @trace, trace();
    my (undef, $warnings) = messages('INBOX', []);
    my $names = grep { /$named/ } @trace;
    is "$left, $names, $warnings", '0, 2, 1', 'a warning whose fsync failed is withdrawn, and written anew' . ($journal ? ', with a journal' : '')
        or diag explain [ $n, \@trace ];
    isnt $status, 0, 'as the run said';
}
done_testing;
