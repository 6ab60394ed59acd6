#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern import ends, or a call of its fails, at the Nth call that changes a file, for every N until the last (tests/crash/shim.c
# counts). When it said that all went well, all messages are there; where a call failed, all of the folder or none; and done
# again, a Maildir is there in whole, with no message twice and no UID twice.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Launch qw(calls clear remove_tree);
use Test::More;

my $t = ImapTest->new;
my $d = "$t->{dir}/import";
my $build = $ENV{BUILD} || 'build';
my $limit = 300; # more calls than any of these makes
mkdir $d;

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f; }
sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return scalar <$f>; }

my @subjects = map { "m$_" } 1 .. 4;
my $tree = "$d/tree";
mkdir $_ for $tree, map { ("$tree/$_", "$tree/.Work/$_") } '', qw(cur new tmp);
mkdir "$tree/.Work/$_" for qw(cur new tmp);
my $list = "3 V1505297600 N30\n";
for (0 .. $#subjects) {
    write_file("$tree/.Work/cur/150529764$_.M1P2.host:2,a", "Subject: $subjects[$_]\n\ntext\n");
    $list .= (4 + 2 * $_) . " :150529764$_.M1P2.host\n";
}
write_file("$tree/.Work/dovecot-uidlist", $list);
write_file("$tree/.Work/dovecot-keywords", "0 Word\n");
write_file("$tree/subscriptions", "Work\n");
write_file("$d/mbox", join '', map { "From a\@example.org  Fri Nov 21 09:55:06 1997\nSubject: $_\nStatus: RO\n\ntext\n\n" } @subjects);
system("cp $build/tests/crash/shim.so $t->{bin}/ && chmod -R a+rX $t->{bin}") == 0 or die;
$t->own;

# Runs postern as the mail's owner, with what the shim is to do: (status, how many calls it made).
sub postern {
    my ($shim, @arguments) = @_;
    clear("$d/count");
    my @env = $shim ? ("LD_PRELOAD=$t->{bin}/shim.so", "SHIM_COUNT=$d/count", 'ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0', @$shim) : ();
    my $pid = fork // die;
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        Launch::in_place(ImapTest::as_owner('env', @env, "$t->{bin}/postern", '-c', $t->{conf}, @arguments));
    }
    waitpid $pid, 0;
    return ($?, calls("$d/count"));
}

# "UID LETTERS SUBJECT" of each message in the folder; dies where one isn't whole.
sub messages {
    my ($folder) = @_;
    my @found;
    for my $file (glob "$t->{mail}/.$folder/{cur,new}/*") {
        my $text = slurp($file);
        my ($subject) = $text =~ /^Subject: (\S+)\n\ntext\n\z/ or die "$file is not whole: $text";
        my ($uid) = $file =~ /,P=[0-9a-f]+\.([0-9a-f]+)/;
        push @found, [ hex($uid // 0), $file =~ /:2,(.*)/, $subject ];
    }
    return sort { $a->[0] <=> $b->[0] } @found;
}
sub shown { return join ' ', map { "$_->[0]$_->[1]$_->[2]" } @_; }
sub is_whole { # all there, none twice, no UID twice
    my (@found) = @_;
    my %uids = map { $_->[0] => 1 } @found;
    return join(' ', sort map { $_->[2] } @found) eq "@subjects" && keys %uids == @found && !$uids{0};
}

for my $case ([ 'a Maildir', 'Work', $tree, '4am1 6am2 8am3 10am4' ], [ 'an mbox', 'Box', "$d/mbox", '1Sm1 2Sm2 3Sm3 4Sm4', '--folder', 'Box' ]) {
    my ($what, $folder, $source, $expected, @options) = @$case;
    for my $how ([ 'ends', 'exit', 0 ], [ 'has an I/O error', 'fail', 5 ], [ 'has a full disk', 'full', 28 ]) {
        my ($name, $action, $errno) = @$how;
        my ($n, $reached, @wrong) = (0, 0);
        while (++$n <= $limit && !$reached) {
            remove_tree($t->{mail});
            my ($status, $calls) = postern([ "SHIM_AT=$n", "SHIM_ACTION=$action", "SHIM_ERRNO=$errno" ], 'import', @options, 'alice@example.test', $source);
            $reached = $calls < $n;
            my @found = messages($folder);
            push @wrong, "$n: it said that all went well: " . shown(@found) if $status == 0 && !is_whole(@found);
            push @wrong, "$n: it failed: " . shown(@found) if $status != 0 && $action eq 'fail' && @found && !is_whole(@found);
            push @wrong, "$n: nothing went wrong, and it failed" if $reached && ($status != 0 || shown(@found) ne $expected);
            next if $what eq 'an mbox';
            ($status) = postern(undef, 'import', 'alice@example.test', $source);
            @found = messages($folder);
            push @wrong, "$n: done again: $status " . shown(@found) if $status != 0 || !is_whole(@found);
        }
        ok $reached && $n > 20, "$what, $name: every call was hit" or diag "$n";
        is join("\n", @wrong), '', "$what, $name: what was promised is kept";
    }
}
done_testing;
