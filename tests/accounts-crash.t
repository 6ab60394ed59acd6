#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Commands that change accounts, and the record of a login, end or have a call fail at the Nth call that changes a file, for every
# N until the last (tests/crash/shim.c counts). What said that all went well is there; what didn't leaves every other account as
# it was and can be done again; and the record is of whole lines, or none.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Launch qw(calls clear copy_tree remove_tree);
use Test::More;

my $t = ImapTest->new('login-failures' => 0);
my $d = "$t->{dir}/crash";
my $build = $ENV{BUILD} || 'build';
my $limit = 200;    # more calls than any of these makes
mkdir $d;
sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f; }
sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return scalar <$f>; }

my $ssha = '{SSHA}3PfCKtNQe/q8kcqU8oofyt5lxhW4tDHx';
write_file("$d/users", "alice:{PLAIN}alice-secret\ndave:${ssha}::::::userdb_quota_rule=*:storage=1G\n");
system("cp $build/tests/crash/shim.so $t->{bin}/ && chmod -R a+rX $t->{bin}") == 0 or die;
$t->own;
# Dave has a Maildir already: how one is made is crash.t's matter.
system("echo dave-secret | " . join(' ', ImapTest::as_owner("$t->{bin}/postern", '-c', $t->{conf}, 'user', 'add', 'dave')) .
       ' >/dev/null && ' . join(' ', ImapTest::as_owner("$t->{bin}/postern", '-c', $t->{conf}, 'user', 'remove', 'dave')) . ' >/dev/null') == 0 or die;
# Where every round begins: settings, tables and spool as they are now.
system("cp -a $t->{server} $d/first") == 0 or die;
sub begin { remove_tree($t->{server}); copy_tree("$d/first", $t->{server}) }

# Runs a program as the mail's owner, with what the shim is to do: (status, how many calls it made, what it printed).
sub run {
    my ($shim, $input, @command) = @_;
    clear("$d/count");
    write_file("$d/input", $input);
    my @env = $shim ? ("LD_PRELOAD=$t->{bin}/shim.so", "SHIM_COUNT=$d/count", 'ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0', @$shim) : ();
    my $pid = fork // die;
    if (!$pid) {
        open STDIN, '<', "$d/input";
        open STDOUT, '>', "$d/output";
        open STDERR, '>', '/dev/null';
        Launch::in_place(ImapTest::as_owner('timeout', 60, 'env', @env, @command));
    }
    waitpid $pid, 0;
    return ($?, calls("$d/count"), slurp("$d/output"));
}
sub postern { my ($shim, @arguments) = @_; return run($shim, '', "$t->{bin}/postern", '-c', $t->{conf}, @arguments) }
sub in_table { my ($table, $start) = @_; return scalar grep { /^\Q$start\E/ } split /\n/, slurp("$t->{server}/$table") }
sub log_in { my ($shim, $name, $password) = @_;
    return run($shim, "USER $name\r\nPASS $password\r\nQUIT\r\n", "$t->{bin}/pop3d", '-c', $t->{conf}) }
sub logs_in { return (log_in(undef, @_))[2] =~ /\A(?:\+OK.*\n){4}/ }

# Lines of the record that can be read, or a string that says what is wrong with it.
sub record {
    my $text = slurp("$t->{server}/spool/last-login/alice\@example.test");
    my @lines = unpack '(a256)*', $text;
    pop @lines if @lines && length $lines[-1] < 256;
    return scalar grep { /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ - pop3d \S+ *\n\z/ } @lines;
}

my %cases = (
    'user import' => {
        run => sub { postern($_[0], 'user', 'import', "$d/users") },
        done => sub { in_table('accounts', 'dave@example.test storage=') && logs_in('dave', 'Grüße, World') },
        again => sub { (postern(undef, 'user', 'import', "$d/users"))[0] == 0 },
    },
    'user apppass add' => {
        run => sub { postern($_[0], 'user', 'apppass', 'add', 'alice', 'phone') },
        done => sub { $_[0] =~ /\A\S{24}\n\z/ && logs_in('alice', substr $_[0], 0, 24) },
        # It may be there without having been seen: then it is taken back first.
        again => sub { postern(undef, 'user', 'apppass', 'remove', 'alice', 'phone'); (postern(undef, 'user', 'apppass', 'add', 'alice', 'phone'))[0] == 0 },
    },
    'user disable' => {
        run => sub { postern($_[0], 'user', 'disable', 'alice') },
        done => sub { slurp("$t->{server}/secrets.gdbm") =~ /nologin/ },
        again => sub { (postern(undef, 'user', 'disable', 'alice'))[0] == 0 && (postern(undef, 'user', 'enable', 'alice'))[0] == 0 },
    },
    'a login' => {
        run => sub { log_in($_[0], 'alice', 'alice-secret') },
        status => sub { $_[0] =~ /\A(?:\+OK.*\n){3}/ },
        done => sub { 1 },
        again => sub { logs_in('alice', 'alice-secret') && record() == 1 },
    },
);

for my $what (sort keys %cases) {
    my $case = $cases{$what};
    for my $how ([ 'ends', 'exit', 0 ], [ 'has an I/O error', 'fail', 5 ], [ 'has a full disk', 'full', 28 ]) {
        my ($name, $action, $errno) = @$how;
        my ($n, $reached, @wrong) = (0, 0);
        while (++$n <= $limit && !$reached) {
            begin();
            my ($status, $calls, $output) = $case->{run}->([ "SHIM_AT=$n", "SHIM_ACTION=$action", "SHIM_ERRNO=$errno" ]);
            $reached = $calls < $n;
            my $good = $case->{status} ? $case->{status}->($output) : $status == 0;
            push @wrong, "$n: it said that all went well" if $good && !$case->{done}->($output);
            push @wrong, "$n: nothing went wrong, and it failed: $output" if $reached && !$good;
            push @wrong, "$n: alice's password is gone" if !in_table('secrets', 'alice@example.test:{PLAIN}alice-secret');
            next if $action eq 'full';    # leaves what one failed call does
            push @wrong, "$n: it can't be done again" if !$case->{again}->();
            push @wrong, "$n: she can't log in" if $action eq 'exit' && !logs_in('alice', 'alice-secret');
        }
        ok $reached && $n > 3, "$what, $name: every call was hit" or diag "$n";
        is join("\n", @wrong), '', "$what, $name: what was promised is kept";
    }
}
done_testing;
