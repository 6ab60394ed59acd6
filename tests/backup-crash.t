#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern backup and restore end, or a call of theirs fails, at the Nth call that changes a file, for every N until the last
# (tests/crash/shim.c counts). Whatever happens, every backup that has a name is whole, the one before is what it was, and
# the next run makes one and leaves nothing behind. A restore that said that all went well has brought everything; done
# again, whatever ended it, everything is there once, under the UIDs that it had.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Launch qw(calls clear copy_tree remove_tree);
use Test::More;

my $t = ImapTest->new;
my $d = "$t->{dir}/crash";
my $build = $ENV{BUILD} || 'build';
my $limit = 1000; # more calls than any of these makes
mkdir $d;

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f; }
sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return scalar <$f>; }

system("cp $build/tests/crash/shim.so $t->{bin}/ && chmod -R a+rX $t->{bin}") == 0 or die;
$t->own;

# Runs postern as the mail's owner, with what the shim is to do: (status, how many calls it made, what it said).
sub postern {
    my ($shim, $conf, @arguments) = @_;
    clear("$d/count");
    my @env = $shim ? ("LD_PRELOAD=$t->{bin}/shim.so", "SHIM_COUNT=$d/count", 'ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0', @$shim) : ();
    my $pid = fork // die;
    if (!$pid) {
        open STDOUT, '>', "$t->{dir}/out";
        open STDERR, '>&', \*STDOUT;
        Launch::in_place(ImapTest::as_owner('env', @env, "$t->{bin}/postern", '-c', $conf, @arguments));
    }
    waitpid $pid, 0;
    return ($?, calls("$d/count"), slurp("$t->{dir}/out"));
}

# A server with little in it: what there is more of is done by the same calls.
for my $folder (qw(.Archive .Drafts .Junk .Sent)) {
    system('rm', '-rf', "$t->{mail}/$folder");
}
unlink glob "$t->{server}/dkim/example.test/*";
sub message { my ($subject) = @_; return "Subject: $subject\n\ntext\n"; }
my $s = $t->session;
$t->deliver('', message("m$_")) for 1 .. 3;
$s->ok('SELECT INBOX');
$s->ok('STORE 1 +FLAGS (\Seen Word)');
$s->ok('CLOSE');
system(ImapTest::as_owner('cp', '-a', $t->{mail}, "$d/earlier")) == 0 or do { $t->own; system(ImapTest::as_owner('cp', '-a', $t->{mail}, "$d/earlier")) == 0 or die; };
my ($status, undef, $said) = postern(undef, $t->{conf}, 'backup', "$d/base");
die "$status $said" if $status;
$s->ok('SELECT INBOX');
$s->ok('MOVE 2 Trash');
$s->ok('STORE 1 +FLAGS (\Flagged)');
$s->ok('LOGOUT');
$t->deliver('', message('m4'));

sub places { my ($top) = @_; return grep { !m{/\.\.?$} } glob "$top/* $top/.*"; }
# "FOLDER SUBJECT NAME" of all messages below a Maildir; dies where one isn't whole.
sub messages {
    my ($mail) = @_;
    my @found;
    for my $file (glob("$mail/cur/* $mail/new/*"), glob "$mail/.Trash/cur/* $mail/.Trash/new/*") {
        my ($subject) = slurp($file) =~ /^Subject: (\S+)\n\ntext\n\z/ or die "$file is not whole\n";
        push @found, substr($file, length $mail) . " $subject";
    }
    return join "\n", sort @found;
}
sub verify {
    my ($backup) = @_;
    my ($status, undef, $said) = postern(undef, $t->{conf}, 'backup', 'verify', $backup);
    return $status == 0;
}

my $wanted = messages($t->{mail});
my ($before) = glob "$d/base/2*";
my $list = slurp("$before/manifest");
my $mails = messages("$before/mail/example.test/alice");

for my $how ([ 'ends', 'exit', 0 ], [ 'has an I/O error', 'fail', 5 ], [ 'has a full disk', 'full', 28 ]) {
    my ($name, $action, $errno) = @$how;
    my ($n, $reached, @wrong) = (0, 0);
    my ($old) = $before =~ m{([^/]+)$};
    while (++$n <= $limit && !$reached) {
        remove_tree("$d/b");
        copy_tree("$d/base", "$d/b");
        my ($status, $calls, $said) = postern([ "SHIM_AT=$n", "SHIM_ACTION=$action", "SHIM_ERRNO=$errno" ], $t->{conf}, 'backup', "$d/b");
        $reached = $calls < $n;
        my @named = glob "$d/b/2*";
        push @wrong, "$n: the one before was changed" if slurp("$d/b/$old/manifest") ne $list || messages("$d/b/$old/mail/example.test/alice") ne $mails;
        for my $new (grep { !m{/$old$} } @named) {
            next if $said =~ /isn't complete/; # the spool couldn't be read, and it says so
            push @wrong, "$n: has a name, and isn't whole: $said" if !verify($new) || ($status == 0 && messages("$new/mail/example.test/alice") ne $wanted);
        }
        push @wrong, "$n: it said that all went well, and there is none" if $status == 0 && @named < 2;
        push @wrong, "$n: nothing went wrong, and it failed: $status $said" if $reached && $status;
        ($status, undef, $said) = postern(undef, $t->{conf}, 'backup', '--keep', 1, "$d/b");
        my @left = places("$d/b");
        push @wrong, "$n: done again: $status $said @left" if $status || @left != 1 || messages("$left[0]/mail/example.test/alice") ne $wanted || ($n % 4 == 0 && !verify($left[0]));
    }
    ok $reached && $n > 40, "backup, $name: every call was hit" or diag $n;
    is join("\n", @wrong), '', "backup, $name: what was promised is kept";
}

($status, undef, $said) = postern(undef, $t->{conf}, 'backup', "$d/base");
die "$status $said" if $status;
($before) = reverse glob "$d/base/2*";
for my $case ([ 'an empty server' ], [ 'an account in use', 'alice' ]) {
    my ($what, @account) = @$case;
    for my $how ([ 'ends', 'exit', 0 ], [ 'has an I/O error', 'fail', 5 ], [ 'has a full disk', 'full', 28 ]) {
        my ($name, $action, $errno) = @$how;
        my ($n, $reached, @wrong) = (0, 0);
        my ($place, $mail) = @account ? ($t->{server}, $t->{mail}) : ("$d/new", "$d/new/mail/example.test/alice");
        while (++$n <= $limit && !$reached) {
            if (@account) {
                remove_tree($t->{mail});
                copy_tree("$d/earlier", $t->{mail});
                unlink glob "$t->{mail}/cur/*,P=*.1:2,*";
            } else {
                remove_tree($place);
                mkdir $place or die;
                chown +(getpwnam 'nobody')[2], (getgrnam 'nogroup')[2], $place if $> == 0;
            }
            my @command = ("$place/postern.conf", 'restore', $before, @account);
            my ($status, $calls, $said) = postern([ "SHIM_AT=$n", "SHIM_ACTION=$action", "SHIM_ERRNO=$errno" ], @command);
            $reached = $calls < $n;
            my $subjects = sub { join ' ', sort map { /(\S+)$/ } split /\n/, messages($mail) };
            my $good = sub { @account ? $subjects->() eq 'm1 m2 m3 m4' : messages($mail) eq $wanted };
            push @wrong, "$n: it said that all went well: " . messages($mail) if $status == 0 && !$good->();
            push @wrong, "$n: nothing went wrong, and it failed: $status $said" if $reached && $status;
            ($status, undef, $said) = postern(undef, @command);
            push @wrong, "$n: done again: $status $said" . messages($mail) if $status || !$good->();
            my @tmp = (glob("$mail/tmp/*"), glob "$mail/.Trash/tmp/*");
            push @wrong, "$n: left in tmp: @tmp" if @tmp && $action ne 'exit';
        }
        ok $reached && $n > 20, "restore of $what, $name: every call was hit" or diag $n;
        is join("\n", @wrong), '', "restore of $what, $name: what was promised is kept";
    }
}
done_testing;
