#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The dialogue player against a program of a few lines that stands for a server: what is right passes in every mode, and
# whatever is wrong with a server is seen.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use Test::More;

my $work = tempdir(CLEANUP => 1);
mkdir "$work/$_" for 'bin', 'fake';

sub write_file {
    my ($file, $text) = @_;
    open my $f, '>', $file or die "$file: $!\n";
    print $f $text;
    close $f;
    chmod 0755, $file;
}

write_file("$work/bin/postern", <<'END');
#!/bin/sh
conf=$2
dir=${conf%/*}
case $3 in
setup) mkdir -p "$dir/mail/example.test/alice/new" "$dir/spool" && echo hostname x >"$conf" ;;
user) cat >/dev/null ;;
config) printf 'mail %s/mail/%%d/%%u\nspool %s/spool\n' "$dir" "$dir" ;;
esac
END
write_file("$work/bin/fake", <<'END');
#!/usr/bin/perl
my ($in, $out) = (\*STDIN, \*STDOUT);
if ($ENV{LISTEN_FDS}) { open my $l, '+<&=3'; accept my $c, $l; $in = $out = $c }
select $out;
$| = 1;
$SIG{PIPE} = 'IGNORE';
print STDERR "a line of the log\n";
print "+OK hi\r\n";
while (my $line = <$in>) {
    $line =~ s/\r\n$//;
    if ($line eq 'QUIT') { print "+OK bye\r\n"; exit }
    elsif ($line eq 'LIST') { print "250-a\r\n250-b\r\n250 c\r\n" }
    elsif ($line eq 'BARE') { print "+OK\n" }
    elsif ($line eq 'HALF') { print '+OK'; exit }
    elsif ($line eq 'CRASH') { kill 11, $$; sleep 9 }
    elsif ($line eq 'DEFLATE') { print "+OK now\r\n"; deflated(); exit }
    elsif ($line eq 'BIG') { print 'x' x 100000, "\r\n" for 1 .. 30 }
    else { print length $line, " $line\r\n" }
}

# Tells, compressed, how long each line is.
sub deflated {
    require Compress::Raw::Zlib;
    my ($i) = Compress::Raw::Zlib::Inflate->new(-WindowBits => -15, -AppendOutput => 1);
    my ($d) = Compress::Raw::Zlib::Deflate->new(-WindowBits => -15, -AppendOutput => 1);
    my $text = '';
    while (sysread $in, my $come, 4096) {
        my $answer = '';
        $i->inflate($come, $text);
        $d->deflate(length($1) . "\r\n", $answer) while $text =~ s/^(.*)\r\n//;
        $d->flush($answer, Compress::Raw::Zlib::Z_SYNC_FLUSH());
        print $answer;
    }
}
END

# Plays it; returns exit status and output.
my $patience = 1;
sub play {
    my ($text, @options) = @_;
    write_file("$work/fake/x.txt", $text);
    local $ENV{BUILD} = $work;
    local $ENV{DIALOGUE_SLOW} = $patience;
    local $ENV{SANDBOX} = '';
    chdir "$FindBin::Bin/..";
    my $out = qx(tests/dialogue @options $work/fake/x.txt 2>&1);
    return ($? >> 8, $out);
}

sub passes {
    my ($name, $text, $count) = @_;
    my ($status, $out) = play("# shown\n$text");
    ok($status == 0 && $out =~ /^1\.\.$count$/m && $out !~ /^not ok/m, "passes: $name") or diag $out;
}

sub fails {
    my ($name, $text, $why, @options) = @_;
    my ($status, $out) = play("# shown\n$text", @options);
    ok($status != 0 && $out !~ /^ok/m && $out =~ $why, "fails: $name") or diag $out;
}

passes('all kinds of lines', <<'END', 3);
$ test -d $MAIL/alice/new && test -x $BIN/postern && grep -q '^hostname' $D/postern.conf && test -d $SPOOL
! settings one two
S: +OK hi
$ grep -q '^one two$' $D/postern.conf
C: LIST
S* 250-
S: 250 c
C- LI
C- ST\r\nLIST\r\n
S: 250-a
S: ...b
S: 250...
S: 250-...
S* 250-
S: 250 c
C: a\x00\t\\\{3*x\x79}
S: 10 a\x00\t\\xyxyxy
C: \{70000*z}
S: 70000 zzz...zzz
C: QUIT
S: +OK bye
S! close
END
passes('compressed', "S: +OK hi\nC- DEFLATE\\r\\n\nS: +OK now\n! deflate\nC: abc\nS: 3\nC- \nC- \\{5000*x}\nC: y\nS- 5000\nS: 5001\n", 3);
passes('modes', "! modes warm cold\nS: +OK hi\n", 2);
passes('a client that hangs up in the middle', "S: +OK hi\nC: BIG\nC! close\n", 3);

fails('another line', "S: +OK ho\n", qr/x\.txt:2\n.*expected: \+OK ho\n.*got: \+OK hi.*a line of the log/s);
fails('a line that must not come', "S: +OK hi\nC: LIST\nS- 250 c\nS: 250-a\nS- ...-b\nS: 250-b\n", qr/x\.txt:6\n.*expected: not \.\.\.-b.*got: 250-b/s);
fails('what is not compressed', "! deflate\nS: +OK hi\n", qr/broken deflate stream/);
fails('a line more', "S: +OK hi\nC: LIST\nS: 250-a\nS: 250-b\n\$ sleep 0.1\nC: QUIT\nS: +OK bye\n", qr/got: 250 c/);
fails('a line that nobody expects at the end', "S: +OK hi\nC: LIST\nS: 250-a\n", qr/after the last step.*250-b/);
fails('a bare LF', "S: +OK hi\nC: BARE\nS: +OK\n", qr/bare LF/);
fails('half a line', "S: +OK hi\nC: HALF\nS: +OK\n", qr/closed within a line/);
fails('a close that nobody expects', "S: +OK hi\nC: QUIT\nS: +OK bye\nS: more\n", qr/got: the server closed/);
fails('a line instead of the close', "S: +OK hi\nC: QUIT\nS! close\n", qr/got: \+OK bye/);
fails('a crash in a pipe', "! modes pipe\nS: +OK hi\nC: CRASH\nS! close\n", qr/died by signal 11/);
fails('a crash when cold', "! modes cold\nS: +OK hi\nC: CRASH\nS! close\n", qr/died with code 11/);
fails('a line of no kind', "S; +OK\n", qr/x\.txt:2: no such kind of line/);
fails('no program', "! program none\nS: +OK hi\n", qr/no program/);

# These wait in vain until patience ends, which is more the next time if it was too little for what comes before that.
sub fails_in_vain {
    my ($name, $text, $why) = @_;
    my ($status, $out);
    for my $more (0.1, 0.5, 2) {
        $patience = $more;
        ($status, $out) = play("# shown\n$text");
        last if $out =~ $why;
    }
    ok($status != 0 && $out !~ /^ok/m && $out =~ $why, "fails: $name") or diag $out;
}
fails_in_vain('no answer', "S: +OK hi\nS: +OK\n", qr/:3\n.*nothing came within \d+ s/);
fails_in_vain('no close', "S: +OK hi\nS! close\n", qr/expected: the server closes/);
fails_in_vain('a command', "S: +OK hi\n\$ echo why; false\n", qr/exit status 1.*output: why/s);
fails_in_vain('no TLS there', "! modes cold warm\nS: +OK hi\nC: LEN\nS: 3 LEN\n! tls\n", qr/TLS handshake/);
done_testing();
