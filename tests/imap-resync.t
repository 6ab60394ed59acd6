#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Clients with QRESYNC that come and go while others change their mailbox: after each resynchronisation a client's cache must be what a
# plain FETCH of all flags says (tests/lib/ImapResync.pm). The others are imapd processes that are killed in the middle of what they do, a
# program that knows Maildir and nothing of us, and in the later runs somebody who removes the index and its cache at any moment, and
# keeps others from making one. At the end all agree, also without an index; and no UID was ever seen on two messages, or on another than
# the one that was appended.
#
# SOAK_SECONDS is how long all of it takes (6; `make soak` takes 600), SEED what the random numbers begin with (1; where
# SOAK_SECONDS is given others each time).
use strict;
use warnings;
use lib 'tests/lib';
use File::Copy qw(copy);
use ImapResync;
use ImapTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{SOAK_SECONDS} || 6;
my $LONG = 300; # seconds that nothing takes, on whatever machine
my $seed = $ENV{SEED} // ($ENV{SOAK_SECONDS} ? time % 1000000 : 1);
my $t = ImapTest->new;
note "SEED=$seed";

sub slurp { open my $f, '<', $_[0] or return ''; local $/; return <$f> // ''; }
sub spit { my ($name, $text) = @_; open my $f, '>', "$name.new" or die "$name: $!"; print $f $text; close $f or die; rename "$name.new", $name; }

# Until its time is over, and either client has resynchronised often enough, which on a slow machine takes longer.
my $ENOUGH = 3;
sub goes_on {
    my ($until) = @_;
    return time < $until || time < $until + 180 && 2 > grep { -e "$t->{dir}/run/enough.$_" } 1, 2;
}

sub remove_index { unlink map { glob "$_/postern-index* $_/postern-cache*" } $t->{mail}, "$t->{mail}/.Archive" }

# ---- those who change the mailbox

# Somebody else's imapd: a client that is its own, too, but dies in the middle of things.
sub other {
    my ($n, $until, $dir) = @_;
    srand $seed + 100 + $n;
    my $c = ImapResync->new($t, 'INBOX', name => "other$n");
    while (goes_on($until)) {
        eval {
            $c->connect;
            for (1 .. 1 + rand 12) {
                $c->act;
                last if !goes_on($until);
            }
            $c->leave;
            1;
        } or $@ =~ /^the connection ended/ or die "other client $n: $@", $c->lines;
        $c->end;
    }
    keep_ids($c, "$dir/ids.other$n");
}

# A Maildir program: delivers, sets flags, moves out of new/, removes, takes away and brings back, copies, moves to the other folder. What
# comes back under its old name must not get its old UID back, which only an index can know (`forgets`: it comes with a new name).
sub foreign {
    my ($until, $forgets) = @_;
    srand $seed + 50;
    my ($at, $n) = ($t->{mail}, 0);
    my @away;
    while (goes_on($until)) {
        my @names = $t->files('INBOX');
        my $name = @names ? $names[rand @names] : undef;
        my ($base) = ($name // '') =~ m{^(?:new|cur)/([^:]+)};
        my $what = rand;
        if (@names < 12 || $what < 0.15) {
            my $id = 'foreign-' . ++$n;
            $t->deliver('INBOX', "Subject: $id\nMessage-ID: <$id>\n\ntext of $id\n");
        } elsif ($what < 0.55) { # flags by another name; keyword letters stay as they are
            my ($letters) = $name =~ /:2,[A-Z]*([a-z]*)/;
            my $flags = join '', grep { rand() < 0.4 } qw(D F R S);
            rename "$at/$name", "$at/cur/$base:2,$flags" . ($letters // '');
        } elsif ($what < 0.65) {
            unlink "$at/$name";
        } elsif ($what < 0.75) {
            push @away, $base if rename "$at/$name", "$t->{dir}/away/$base";
        } elsif ($what < 0.85 && @away) {
            my $back = splice @away, rand @away, 1;
            my $new = $forgets ? $back =~ s/,P=[^,]*//r : $back;
            rename "$t->{dir}/away/$back", "$at/cur/$new:2,S";
        } elsif ($what < 0.9) { # the same message and the same UID in its name under a second name: two messages
            copy "$at/$name", "$at/tmp/copy$n" and rename "$at/tmp/copy$n", "$at/cur/copy" . ++$n . ".$base:2,";
        } else {
            rename "$at/$name", "$at/.Archive/$name";
        }
        sleep rand 0.02;
    }
}

# Removes the index, and is in the way of the next one for a while: who has to make it has it in memory then.
sub vandal {
    my ($until) = @_;
    srand $seed + 51;
    while (goes_on($until)) {
        sleep rand 0.05;
        my $in_the_way = "$t->{mail}/postern-index.new";
        mkdir $in_the_way if rand() < 0.5;
        remove_index();
        sleep rand 0.02;
        rmdir $in_the_way;
    }
}

sub keep_ids {
    my ($c, $name) = @_;
    my $ids = $c->ids;
    spit($name, join '', map { "$_ $ids->{$_}\n" } keys %$ids);
}

# ---- the clients that are looked at

# Comes and goes until the time is over, then twice more: when all is quiet, and when the index is gone.
sub client {
    my ($n, $until, $dir, @quiet) = @_;
    srand $seed + $n;
    my $c = ImapResync->new($t, 'INBOX', name => "client$n");
    while (goes_on($until)) {
        spit("$dir/enough.$n", '') if $c->{resyncs} >= $ENOUGH;
        eval {
            $c->connect;
            $c->check;
            $c->identify;
            for (1 .. rand 6) {
                $c->act;
                $c->check if rand() < 0.3;
            }
            $c->leave;
            1;
        } or $@ =~ /^the connection ended/ or die "client $n, after $c->{resyncs} resynchronisations: $@", $c->lines;
        $c->end;
    }
    spit("$dir/quiet.$n", '');
    for (0 .. $#quiet) {
        sysread $quiet[$_], my $none, 1;
        $c->connect;
        $c->check;
        $c->identify;
        $c->ok('LOGOUT');
        $c->end;
        spit("$dir/picture$_.$n", $c->picture);
    }
    keep_ids($c, "$dir/ids.$n");
    spit("$dir/resyncs.$n", $c->{resyncs});
}

sub fresh_picture {
    my $s = $t->session;
    $s->select('INBOX');
    my $picture = $s->picture;
    $s->logout;
    return $picture;
}

sub agrees {
    my ($got, $expected, $name) = @_;
    my %is = map { $_ => 1 } split /\n/, $expected;
    my @wrong = map { $is{$_} ? () : "has $_" } split /\n/, $got;
    my %has = map { $_ => 1 } split /\n/, $got;
    is join(', ', @wrong, map { $has{$_} ? () : "lacks $_" } split /\n/, $expected), '', $name;
}

sub run {
    my ($name, $time, $others, @who) = @_;
    my $dir = "$t->{dir}/run";
    system 'rm', '-rf', $dir, "$t->{dir}/away";
    mkdir $_ for $dir, "$t->{dir}/away";
    $t->own;
    my $until = time + $time;
    my (@hold, @quiet);
    pipe $quiet[$_], $hold[$_] for 0, 1;
    my @clients = map { my $n = $_; $t->start(sub { close $_ for @hold; client($n, $until, $dir, @quiet) }) } 1, 2;
    my @others = map { my $n = $_; $t->start(sub { close $_ for @hold; other($n, $until, $dir) }) } 1 .. $others;
    push @others, map { my $work = $_; $t->start(sub { close $_ for @hold; $work->($until) }) } @who;
    close $_ for @quiet;
    my $well = grep { $t->finish($_) } @others;
    is $well, @others, "$name: those who changed the mailbox got what they were promised" or diag $t->logged;
    for my $n (1, 2) { ImapTest::eventually($LONG, sub { -e "$dir/quiet.$n" || $t->ended($clients[$n - 1]) }) }
    for my $round (0, 1) {
        remove_index() if $round == 1;
        my $picture = fresh_picture();
        close $hold[$round];
        for my $n (1, 2) {
            my $file = "$dir/picture$round.$n";
            ImapTest::eventually($LONG, sub { -e $file || $t->ended($clients[$n - 1]) });
            agrees(slurp($file), $picture, "$name: client $n agrees" . ($round ? ' without an index' : ''));
        }
    }
    $well = grep { $t->finish($_) } @clients;
    is $well, 2, "$name: each resynchronisation was right" or diag $t->logged;
    my (%ids, @twice);
    for (map { split /\n/, slurp($_) } glob "$dir/ids.*") {
        my ($uid, $id) = split / /;
        push @twice, "$uid: $ids{$uid} and $id" if $ids{$uid} && $ids{$uid} ne $id;
        $ids{$uid} = $id;
    }
    is "@twice", '', "$name: no UID was seen on two messages, or promised to another, of " . keys %ids;
    my $resyncs = 0;
    $resyncs += slurp($_) || 0 for glob "$dir/resyncs.*";
    cmp_ok $resyncs, '>=', 2 * $ENOUGH, "$name: $resyncs resynchronisations";
}

my $s = $t->session;
$s->command('CREATE Archive');
$s->logout;
run('three sessions', $seconds * 0.2, 1);
run('a Maildir program', $seconds * 0.2, 2, \&foreign);
run('index removed', $seconds * 0.2, 3, \&vandal);
run('ten sessions, a Maildir program, index removed', $seconds * 0.4, 8, sub { foreign($_[0], 1) }, \&vandal);
done_testing;
