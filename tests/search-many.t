#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# SORT and THREAD of a folder whose subjects are longer together than SORT keeps, and whose messages are one thread: the order is right
# where it can be, the thread is whole, and imapd stays under 64 MiB.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Test::More;

my $count = 20000;
my $t = ImapTest->new;
my @order = map { ($_ * 7919) % $count } 0 .. $count - 1;    # 7919 is a prime: each number once

# Subjects differ within the first eight bytes, or in the middle.
sub subject {
    my ($n) = @_;
    my $key = sprintf '%05d', $order[$n - 1];
    return $n % 2 ? $key . 'x' x 1100 : ('Re: ' . 'm' x 200) . $key . 'x' x 900;
}

sub fill {
    system('mkdir', '-p', map { "$t->{mail}/$_" } qw(cur new tmp)) == 0 or die;
    for my $n (1 .. $count) {
        my $time = 1590000000 + $n;
        open my $f, '>', "$t->{mail}/cur/$time.M1P1.host:2,S" or die;
        my $parent = $n - 1;
        print $f 'Subject: ', subject($n), "\nDate: Thu, 21 May 2020 12:00:00 +0000\nMessage-ID: <$n\@test>\nIn-Reply-To: <$parent\@test>\n\ntext $n\n";
        close $f;
    }
    $t->own;
}

sub peak {
    my ($most) = 0;
    for my $status (glob '/proc/[0-9]*/status') {
        open my $c, '<', $status =~ s/status$/cmdline/r or next; # exe is root's to read
        next if (<$c> // '') !~ m{^\Q$t->{bin}/imapd\E};
        open my $f, '<', $status or next;
        my ($kib) = join('', <$f>) =~ /^VmHWM:\s+(\d+) kB/m;
        $most = $kib if $kib && $kib > $most;
    }
    return $most;
}

fill();
my $s = $t->session;
$s->ok('SELECT INBOX');
my @expected = sort { my ($x, $y) = map { substr subject($_) =~ s/^Re: //r, 0, 256 } $a, $b; $x cmp $y || $a <=> $b } 1 .. $count;
my ($sorted) = map { /^\* SORT (.*)/ ? $1 : () } $s->ok('SORT (SUBJECT) UTF-8 ALL');
ok $sorted eq join(' ', @expected), 'sorted by subjects of which a part is kept';
my ($reversed) = map { /^\* SORT (.*)/ ? $1 : () } $s->ok('SORT (REVERSE SUBJECT) UTF-8 ALL');
ok $reversed eq join(' ', reverse @expected), 'and the other way round';
my ($thread) = map { /^\* THREAD (.*)/ ? $1 : () } $s->ok('THREAD REFERENCES UTF-8 ALL');
ok $thread eq '(' . join(' ', 1 .. $count) . ')', "one thread of $count";
my ($found) = map { /^\* ESEARCH .*(COUNT.*)/ ? $1 : () } $s->ok('SEARCH RETURN (COUNT) SUBJECT xxx BODY "text 1"');
is $found, 'COUNT 11111', 'those that hold both';
my $peak = peak();
ok $peak > 1000 && $peak < 65536, "no process took more than 64 MiB: $peak KiB";
$s->logout;
done_testing;
