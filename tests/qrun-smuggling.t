#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# SMTP smuggling on the way out: a message in the queue with any malformed end of data in it, and commands behind that,
# leaves as one message in which no server, however it reads line ends, can find another end than ours.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;

my $T = QrunTest->new(timeout => 60);
$T->dns('--mx-host=raw.test,mx.raw.test,10', '--host-record=mx.raw.test,127.0.4.2');
$T->sinks('127.0.4.2=raw');

my @ends = ("\n", "\r", "\r\r\n", "\n\r", "\r\n\0", "\0\r\n", "\r\0\n", "\n\0", "\r\n");
my %ids;
for my $before (@ends) {
    for my $behind (@ends) {
        my $text = "Subject: x\r\n\r\ntext$before.${behind}MAIL FROM:<smuggler\@here.test>\r\nRCPT TO:<x\@raw.test>\r\nDATA\r\nsmuggled$before.$behind";
        (my $shown = "$before.$behind") =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
        $ids{$T->put('alice@here.test', ['bob@raw.test'], text => $text)} = $shown;
    }
}
is $T->qrun, 0, 'qrun ran';
my %raw = map { $_->{number} . '/' . $_->{connection} => $_->{text} } $T->taken;
is scalar keys %raw, scalar keys %ids, 'as many messages as were queued';
my (%lines, $strange);
for my $text (values %raw) {
    $strange++ if $text =~ /\0|\r(?!\n)|(?<!\r)\n/;
    # What a reader sees who takes any of CR, LF and CRLF for a line's end, and drops NULs.
    (my $lenient = $text) =~ s/\0//g;
    my @found = grep { $_ eq '.' } split /\r\n|\r|\n/, $lenient, -1;
    $lines{scalar @found}++;
}
is $strange, undef, 'no bare CR or LF, and no NUL';
is_deeply \%lines, { 1 => scalar keys %ids }, 'one dot alone in each, at its end';
is scalar(grep { !/\r\n\.\r\n\z/ } values %raw), 0, 'which is CRLF.CRLF';
is scalar(grep { $T->queued($_) } keys %ids), 0, 'none is left';
done_testing;
