# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the tests of power cuts share: the messages, a server whose files are on the disk, and what is looked at afterwards.
#
#     text(N), crlf(TEXT)            message N with LF, the same each time; with CRLF
#     server($run, KEY => VALUE...)  a QrunTest's server, $run->{t}; its users are boxes()
#     program($run, NAME)            one of its programs; one that leaves out what $run->{fault} says (tests/powercut/wrong.c)
#     fault_env($run)                the same for env(1)
#     check_mail(FILE)               of a Maildir: the message's number; or undef, and what is wrong
#     mail_files($run, FOLDER...)    the files in these folders of every box, as paths below the disk
package Shared;
use strict;
use warnings;
use Digest::MD5 'md5_hex';
use Exporter 'import';
use PowerCut;
our @EXPORT = qw(text crlf boxes server program fault_env check_mail mail_files);

my @boxes = map { "box$_" } 1 .. 4;
sub boxes { return @boxes }

my %texts;

# The text of message N, the same each time.
sub text {
    my $n = shift;
    return $texts{$n} if $texts{$n};
    my $roll = hex substr md5_hex("message $n"), 0, 6;
    my $lines = (12, 12, 120, 120, 840)[$roll % 5];
    $lines = 17000 if $n % 100 == 50; # over 1 MiB, which smtpd doesn't keep in memory
    $lines = int $roll / 5 % $lines;
    return $texts{$n} = join '', "Powercut: $n\nSubject: message $n\n\n", map { md5_hex("$n $_") . md5_hex("$_ $n") . "\n" } 1 .. $lines;
}
sub crlf { return $_[0] =~ s/\n/\r\n/gr }

sub server {
    my ($run, %settings) = @_;
    my $t = $run->{t} = QrunTest->new(networks => '127.0.0.1', %settings);
    for (@boxes) {
        $t->run_as('sh', '-c', 'echo secret-of-a-box | "$0" -c "$1" user add "$2@here.test"', "$t->{bin}/postern", $t->{conf}, $_) == 0
            or die $t->log;
    }
    my $build = $ENV{BUILD} || 'build';
    system('cp', "$build/tests/powercut/wrong.so", $t->{bin}) == 0 or die;
    return $t;
}

sub fault_env {
    my ($run) = @_;
    return $run->{fault} ? ("LD_PRELOAD=$run->{t}{bin}/wrong.so", "POWERCUT_FAULT=$run->{fault}") : ();
}

sub program {
    my ($run, $name) = @_;
    my $t = $run->{t};
    return "$t->{bin}/$name" if !$run->{fault};
    my $program = "$t->{bin}/wrong-$name";
    $t->spew($program, join(' ', "#!/bin/sh\n", fault_env($run), "exec $t->{bin}/$name") . " \"\$@\"\n");
    chmod 0755, $program;
    return $program;
}

sub check_mail {
    my ($path) = @_;
    my $is = PowerCut::slurp($path);
    my ($trace, $n) = $is =~ /\A((?:.*\n)*?)Powercut: (\d+)\n/ or return (undef, length $is ? 'no message' : 'empty');
    my $header = qr/[!-9;-~]+:[ \t][\t -~]*\n(?:[ \t][\t -~]*\n)*/;
    return (undef, 'not as it was sent') if substr($is, length $trace) ne text($n);
    return (undef, 'no trace header') if $trace !~ /\AReturn-Path: <\S+>\n(?:$header)*\z/;
    return (undef, 'not as long as its name says') if $path !~ /,S=(\d+),/ || $1 != length $is;
    return ($n);
}

sub mail_files {
    my ($run, @folders) = @_;
    my @files;
    for my $folder (map { my $box = $_; map { "$box/$_" } @folders } @boxes) {
        opendir my $dir, "$run->{power}{mount}/$folder" or $!{ENOENT} ? next : die "$folder: $!";
        push @files, map { "$folder/$_" } grep { !/^\./ } readdir $dir;
    }
    return @files;
}

1;
