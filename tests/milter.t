#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# smtpd and filters that speak the milter protocol: what they are told, every answer to every command, what they change in a message,
# several in a row, and filters that are down, slow, hang up, or say what isn't the protocol. The filters are tests/lib/Milter.pm's;
# tests/milter-peers.t has those that people use.
use strict;
use warnings;
use lib 'tests/lib';
use Fcntl qw(LOCK_EX);
use IO::Socket::INET;
use IO::Socket::SSL;
use MIME::Base64;
use Milter;
use POSIX ();
use QrunTest;
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);
use SmtpTalk;
use Test::More;
use Time::HiRes qw(time sleep);

$ENV{ASAN_OPTIONS} //= 'detect_leaks=0'; # a handler ends with its connection, and leaves freeing to that
my $T = QrunTest->new(spf => 'off', dmarc => 'off', 'plaintext-login' => 'yes');
my $port = QrunTest::free_port();
my $submission = QrunTest::free_port();
my $alice = 'alice@here.test';
$T->run_as('sh', '-c', 'echo bob-secret | "$0" -c "$1" user add bob@here.test', "$T->{bin}/postern", $T->{conf}) == 0 or die;
$T->serve_smtpd('127.0.0.1', $port);
$T->serve_smtpd('127.0.0.1', $submission, '-s');
my $number = 0;
my %reply = (defer => qr/^451 4\.3\.0 .*\(milter\)$/, refuse => qr/^554 5\.3\.0 .*\(milter\)$/, accept => qr/^250/);

sub filter { return Milter->new($T->{dir}, 'f' . ++$number, @_) }

# The filters from here on, each a Milter or its address, with options behind it.
sub use_filters {
    my @lines = map { my ($f, $options) = ref eq 'ARRAY' ? @$_ : ($_, ''); 'milter ' . (ref $f ? "unix:$f->{path}" : $f) . " timeout=30 $options\n" } @_;
    open my $c, '>>', $T->{conf} or die;
    print $c "milter\n", @lines;
    close $c;
}

my $text = "From: a\@far.test\r\nSubject:  old\r\n\tone\r\nX-Spam: Yes\r\n\r\nbody\r\n";

# One message: the last reply.
sub usual { return message('a@far.test', $alice, $_[0] // $text) }
sub send_one { my @r = talk($port, usual(@_)); return $r[-1] }

sub mailbox { my $user = shift // 'alice'; return join '', $T->mailbox($user) }
sub empty {
    my ($mail) = map { "$T->{server}/" . (/^mail (\S+?)\/%d/m)[0] } $T->slurp($T->{conf});
    unlink glob "$mail/here.test/*/new/*";
}

# Until the filter has heard that.
sub heard { my ($f, $what) = @_; $T->eventually(60, sub { $f->heard =~ $what }); return $f->heard }

# --- what they are told

my $f = filter();
use_filters($f);
my @replies = talk($port, 'MAIL FROM:<"a b"@far.test> SIZE=100 BODY=8BITMIME', 'RCPT TO:<nobody@here.test>', "RCPT TO:<$alice> NOTIFY=NEVER", 'DATA',
                   \"$text.\r\n", 'FOO bar', 'MAIL FROM:<>', 'RSET', 'QUIT');
like($replies[4], qr/^250 2\.0\.0 Accepted as (\S+)$/, 'a message goes through a filter');
my ($id) = $replies[4] =~ /as (\S+)/;
my $heard = heard($f, qr/^gone/m);
like($heard, qr/^connected\nO 00000006000001ff001fffff\nD C.*\nC \[127\.0\.0\.1\]\|4..127\.0\.0\.1\|\nH client\.test\|\nD M.*\nM <"a b"\@far\.test>\|SIZE=100\|BODY=8BITMIME\|\nD R.*\nR <alice\@here\.test>\|NOTIFY=NEVER\|\nD T.*\nT \n/s,
     'it hears of connection, HELO, MAIL, RCPT and DATA, and of no recipient that was refused');
like($heard, qr/^L From\|a\@far\.test\|\nL Subject\| old~\tone\|\nL X-Spam\|Yes\|\nD Ni\|\Q$id\E\|\nN \nB body~\nD Ei\|\Q$id\E\|\nE \nU FOO bar\|\n/m,
     'of each field, without the blank behind the colon, of the body, of the end, and of an unknown command');
like($heard, qr/^M <>\|\nA \nQ \ngone\n$/m, 'RSET is ABORT, QUIT is QUIT');
for my $macro ('C.*j\|mail\.here\.test\|', 'C.*_\|\[127\.0\.0\.1\] \[127\.0\.0\.1\]\|', 'C.*v\|Postern', 'C.*\{daemon_name\}\|MTA\|', 'C.*\{client_addr\}\|127\.0\.0\.1\|',
               'C.*\{client_port\}\|\d+\|', 'C.*\{daemon_addr\}\|127\.0\.0\.1\|', "C.*\\{daemon_port\\}\\|$port\\|", "M.*i\\|\Q$id\E\\|",
               'M.*\{mail_addr\}\|"a b"\@far\.test\|', 'M.*\{mail_host\}\|far\.test\|', 'R.*\{rcpt_addr\}\|alice\@here\.test\|', 'R.*\{rcpt_host\}\|here\.test\|') {
    like($heard, qr/^D $macro/m, "macros: $macro");
}
like(mailbox(), qr/^From: a\@far\.test\nSubject:  old\n\tone\nX-Spam: Yes\n\nbody\n\z/m, 'the message is as it was');
like(mailbox(), qr/id \Q$id\E/, 'and has the ID that the filter was told');

# --- negotiation

$f = filter(O => [ 6, 0, 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x100 | 0x200 ]);
use_filters($f);
like(send_one(), qr/^250/, 'steps left out');
is(heard($f, qr/^gone/m) =~ s/^D .*\n//gmr, "connected\nO 00000006000001ff001fffff\nM <a\@far.test>|\nB body~\nE \nQ \ngone\n", 'it hears of no more than it wants');
$f = filter(O => [ 6, 0, 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000 ], map { $_ => undef } qw(C H M R T L N B));
use_filters($f);
like(send_one(), qr/^250/, 'a filter that answers nothing but the end');
like(heard($f, qr/^gone/m), qr/^R .*^T .*^L .*^N .*^B .*^E /ms, 'and hears of all');
$f = filter(O => [ 2, 0, 0 ]);
use_filters($f);
like((talk($port, usual(), 'FOO', 'QUIT'))[3], qr/^250/, 'a filter of version 2');
unlike(heard($f, qr/^gone/m), qr/^[TU] /m, 'hears neither of DATA nor of unknown commands');
$f = filter(O => ['O' . pack('NNN', 6, 0x1ff, 0x100000) . pack('N', 2) . "{mail_addr} daemon_name nonsense\0" . pack('N', 5) . "\0"],
            E => ["hX-A\0 blank\0", "hX-B\0none\0", 'c']);
use_filters($f);
empty();
like(send_one(), qr/^250/, 'a filter with wishes');
$heard = heard($f, qr/^gone/m);
like($heard, qr/^D M\{mail_addr\}\|a\@far\.test\|\{daemon_name\}\|MTA\|\nM /m, 'the macros that it asked for, where it did');
unlike($heard, qr/^D E/m, 'and none where it asked for none');
like($heard, qr/^L Subject\|  old~\tone\|$/m, 'values with the blank behind the colon');
like(mailbox(), qr/^X-A: blank\nX-B:none\n\n/m, 'and so the other way');
for my $bad ([ 7, 0, 0 ], [ 1, 0, 0 ], [ 6, 0x200, 0 ], [ 6, 0, 0x10000000 ], ['c'], ["O\0\0\0\6"]) {
    $f = filter(O => $bad);
    use_filters($f);
    like((talk($port, usual()))[0], $reply{defer}, 'a negotiation that fails: ' . join ',', map { s/\0/|/gr } @$bad);
}

# --- answers

sub answers {
    my ($name, $command, $answer, $at, $expected, @after) = @_;
    my $f = filter($command => $answer);
    use_filters($f);
    empty();
    my @r = talk($port, usual("$text"), usual(), 'QUIT');
    my $i = { MAIL => 0, RCPT => 1, DATA => 2, END => 3 }->{$at};
    ok($r[$i] =~ $expected, "$name to $command") or diag(explain(\@r, $f->heard));
    return ($f, @r);
}
for my $command (qw(C H M R T L N B E)) {
    my $at = { C => 'MAIL', H => 'MAIL', M => 'MAIL', R => 'RCPT', T => 'DATA' }->{$command} // 'END';
    answers('reject', $command, 'r', $at, qr/^550 5\.7\.1 .*\(milter\)$/);
    is(mailbox(), '', '... and no mail');
    answers('tempfail', $command, 't', $at, qr/^451 4\.7\.1 .*\(milter\)$/);
    answers('a reply of its own', $command, "y554-5.7.9 one\r\n554 5.7.9 two 100%%\0", $at, qr/^554-5\.7\.9 one\n554 5\.7\.9 two 100%$/);
    my ($f, @r) = answers('shutdown', $command, '4', $at, qr/^421 4\.7\.0/);
    is($r[-1], '', '... and the connection ended') if $command !~ /T/;
    ($f, @r) = answers('accept', $command, 'a', 'END', qr/^250/);
    like(mailbox(), qr/body\n/, '... and mail');
    $heard = heard($f, qr/^gone/m);
    my $behind = { C => 'H', H => 'M', M => 'R', R => 'T', T => 'L', L => 'N', N => 'B', B => 'E' }->{$command};
    unlike($heard, qr/^$behind /m, '... and the filter hears no more of it') if $behind;
    if ($command =~ /[CH]/) {
        like((answers('discard', $command, 'd', $at, qr/^451 4\.3\.0/))[1], qr/^451/, '... which is no answer there');
    } else {
        answers('discard', $command, 'd', 'END', qr/^250 2\.0\.0 Accepted as/);
        is(mailbox(), '', '... and it is nowhere');
    }
}
like($T->log, qr/event=session-milter .*says="unix:\S+: to RCPT of \S+: 554-5\.7\.9 one/, 'the log has what a filter refused');
like($T->log, qr/event=session-milter .*says="unix:\S+: to the message of \S+: discarded/, 'and what it threw away');

# One of two recipients.
$f = filter(R => sub { $_[0] =~ /bob/ ? "y550 5.7.1 not him\0" : 'c' });
use_filters($f);
empty();
@replies = talk($port, 'MAIL FROM:<a@far.test>', 'RCPT TO:<bob@here.test>', "RCPT TO:<$alice>", 'RCPT TO:<bob@here.test>', 'DATA', \"$text.\r\n");
is("$replies[1], $replies[2], $replies[3]", '550 5.7.1 not him, 250 2.1.5 Recipient OK, 550 5.7.1 not him', 'a recipient is refused by a filter');
ok(mailbox() && !mailbox('bob'), 'and only the other has the message');
@replies = talk($port, 'MAIL FROM:<a@far.test>', 'RCPT TO:<bob@here.test>', 'DATA', 'QUIT');
like($replies[2], qr/^554 5\.5\.1 No valid recipients/, 'where no recipient is left there is no DATA');

# Refused recipients, where a filter wants to know of them.
$f = filter(O => [ 6, 0, 0x800 ], R => 'r');
use_filters([ $f, 'down=accept' ]);
@replies = talk($port, 'MAIL FROM:<a@far.test>', 'RCPT TO:<nobody@here.test>');
is($replies[1], '550 5.1.1 No such user here', 'the reply to a refused recipient is ours');
like(heard($f, qr/^gone/m), qr/^D R.*\{rcpt_addr\}\|550 5\.1\.1 No such user here\|\{rcpt_host\}\|5\.1\.1\|\{rcpt_mailer\}\|error\|\nR <nobody\@here\.test>\|/m, 'the filter hears of it, and why');

# At DATA it may want to know the recipient again: the last one that there is.
$f = filter(O => ['O' . pack('NNN', 6, 0x1ff, 0x800) . pack('N', 4) . "{rcpt_addr} {rcpt_host} {rcpt_mailer}\0"]);
use_filters($f);
talk($port, 'MAIL FROM:<a@far.test>', "RCPT TO:<$alice>", 'RCPT TO:<nobody@here.test>', 'DATA', \"$text.\r\n", 'QUIT');
like(heard($f, qr/^gone/m), qr/^D T\{rcpt_addr\}\|alice\@here\.test\|\{rcpt_host\}\|here\.test\|\{rcpt_mailer\}\|esmtp\|\nT /m, 'behind a refused recipient, the one before it');

# --- the body

my $large = "From: a\@far.test\r\nSubject: large\r\n\r\n" . ('x' x 76 . "\r\n") x 20000;
for my $size (200_000, length $large) {
    my $f = filter();
    use_filters($f);
    empty();
    my $m = substr $large, 0, $size;
    $m =~ s/[^\n]*\z//;
    like(send_one($m), qr/^250/, "a body of $size bytes");
    $heard = heard($f, qr/^gone/m);
    my $sum = 0;
    $sum += $_ for $heard =~ /^B (\d+) bytes/mg;
    my ($body) = $m =~ /\r\n\r\n(.*)/s;
    is($sum, length $body, '... comes in pieces, and whole');
    like($heard, qr/^B 65535 bytes\n(B \d+ bytes\n)*D E/m, '... of 65535 bytes');
    is(length mailbox() =~ s/^.*?\n\n//sr, ($body =~ tr/\n//) * 77, '... and is delivered');
}
$f = filter(B => 's');
use_filters($f);
like(send_one($large), qr/^250/, 'a filter that has seen enough of a body');
is(scalar(() = heard($f, qr/^gone/m) =~ /^B /mg), 1, 'gets no more of it');

# --- changes

sub changed {
    my ($name, $answers, $expected, %o) = @_;
    my $f = filter(E => [ @$answers, 'c' ]);
    use_filters($f);
    empty();
    my @r = talk($o{port} // $port, $o{lines} ? @{ $o{lines} } : usual($o{text}));
    my $box = mailbox($o{user});
    ok($r[-1] =~ /^250/ && $box =~ $expected, $name) or diag(explain(\@r, substr($box, 0, 2000), $f->heard, substr $T->log, -2000));
    return $box;
}
for my $size ('small', 'large') {
    my $t = $size eq 'small' ? $text : $large;
    my $subject = $size eq 'small' ? qr/Subject:  old\n\tone\n/ : qr/Subject: large\n/;
    changed("$size: a field is added", ["hX-New\0a\nb\n c\0"], qr/$subject(?:X-Spam: Yes\n)?X-New: a\n\tb\n c\n\n/, text => $t);
    changed("$size: a field is inserted", [ 'i' . pack('N', 1) . "X-New\0one\0", 'i' . pack('N', 3) . "X-Three\0three\0" ],
            qr/^Received:.*\n(?:\t.*\n)+X-New: one\nFrom: a\@far\.test\nX-Three: three\n$subject/m, text => $t);
    changed("$size: a field is changed", [ 'm' . pack('N', 1) . "Subject\0new\0" ], qr/^From: a\@far\.test\nSubject: new\n/m, text => $t);
    changed("$size: a Message-ID is added", ["hMessage-ID\0<$size\@filter.test>\0"], qr/^Message-ID: <$size\@filter.test>\n/m, text => $t);
    ok($T->eventually(60, sub { $T->log =~ /event=accepted .* message-id=$size\@filter\.test session=/ }), '... which is the one in the log');
    changed("$size: a field is deleted", [ 'm' . pack('N', 1) . "Subject\0\0" ], qr/^From: a\@far\.test\n(?:X-Spam: Yes\n)?\n/m, text => $t);
    changed("$size: another body", [ "bone\n", "btwo\r\nthr", "bee\r", "bfour" ], qr/\n\none\ntwo\nthree\nfour\n\z/, text => $t);
    changed("$size: no body", ['b'], qr/(?:Subject: large|X-Spam: Yes)\n\n\z/, text => $t);
    my $box = changed("$size: a large body", [ ('b' . ('y' x 80 . "\n") x 700) x 40, "hX-New\0x\0" ], qr/^X-New: x\n\n(?:y{80}\n)+\z/m, text => $t);
    is(length $box =~ s/^.*?\n\n//sr, 81 * 28000, '... is whole');
}
changed('a sender', ["e<other\@far.test>\0SIZE=5\0"], qr/^Return-Path: <other\@far\.test>/m);
changed('no sender', ["e<>\0"], qr/^Return-Path: <>/m);
changed('a recipient without brackets', ["+bob\@here.test\0"], qr/^Delivered-To: bob/m, user => 'bob');
changed('a recipient with parameters', ["2<bob\@here.test>\0NOTIFY=NEVER\0"], qr/^Delivered-To: bob/m, user => 'bob');
changed('another recipient', [ "+<bob\@here.test>\0", "-<$alice>\0" ], qr/^Delivered-To: bob/m, user => 'bob');
is(mailbox(), '', '... and not the first');
changed('one of two recipients', ["-<$alice>\0"], qr/^Delivered-To: bob/m, user => 'bob',
        lines => [ 'MAIL FROM:<a@far.test>', "RCPT TO:<$alice>", 'RCPT TO:<bob@here.test>', 'DATA', \"$text.\r\n" ]);
is(mailbox(), '', '... is taken away');
changed('another recipient, when the first is gone', [ "-<$alice>\0", "+<bob\@here.test>\0" ], qr/^Delivered-To: bob/m, user => 'bob');
is(mailbox(), '', '... who gets nothing');
changed('no recipient', ["-<$alice>\0"], qr/^\z/);
changed('one that was named three times', ["-<$alice>\0"], qr/^Delivered-To: bob/m, user => 'bob',
        lines => [ 'MAIL FROM:<a@far.test>', "RCPT TO:<$alice>", "RCPT TO:<$alice>", 'RCPT TO:<bob@here.test>', "RCPT TO:<$alice>", 'DATA', \"$text.\r\n" ]);
is(mailbox(), '', '... is taken away');
changed('a recipient that is none', ["-<bob\@here.test>\0"], qr/body/);
changed('a recipient elsewhere, for a stranger', ["+<x\@far.test>\0"], qr/body/);
like($T->log, qr/event=filtered id=\S+ peer=127\.0\.0\.1 added=x\@far\.test why="a filter may not"/, '... is not to be, and the log says so');
is(scalar $T->in_queue, 0, '... and nothing is sent there');
changed('what is no address', [ "+x\0", "e<x\0", "-\0", "+<>\0" ], qr/body/);
changed('fields in number', [ map { "hX-$_\0v\0" } 1 .. 1000 ], qr/X-1: v\n.*X-1000: v\n\nbody/s);
changed('the same by BDAT', [ "hX-New\0x\0", "bnew\n" ], qr/X-New: x\n\nnew\n\z/,
        lines => [ 'MAIL FROM:<a@far.test>', "RCPT TO:<$alice>", \('BDAT ' . length($text) . " LAST\r\n$text") ]);
changed('a binary message', ["hX-New\0x\0"], qr/X-New: x\n\n/,
        lines => [ 'MAIL FROM:<a@far.test> BODY=BINARYMIME', "RCPT TO:<$alice>", \('BDAT ' . length($large) . " LAST\r\n$large") ]);
changed('a message without fields', ["hX-New\0x\0"], qr/^X-New: x\n\nonly body\n\z/m, text => "only body\r\n");
changed('a message of nothing', [ "hX-New\0x\0" ], qr/^X-New: x\n(?:\n)?\z/m, text => '');
changed('a message of fields alone', ["hX-New\0x\0"], qr/^Subject: x\nX-New: x\n\n?\z/m, text => "Subject: x\r\n");

# --- junk

sub junk { my ($mail) = map { "$T->{server}/" . (/^mail (\S+?)\/%d/m)[0] } $T->slurp($T->{conf}); my @all = glob "$mail/here.test/alice/.Junk/new/*"; return @all }
sub junked {
    my ($name, $answers, $is_junk, $t) = @_;
    my $f = filter(E => [ @$answers, 'c' ]);
    use_filters($f);
    empty();
    unlink junk();
    like(send_one($t), qr/^250/, $name);
    is((mailbox() ? 'inbox' : '') . (junk() ? 'junk' : ''), $is_junk ? 'junk' : 'inbox', '... and where it is');
}
for my $t ($text, $large) {
    junked('a field that says spam', ["hX-Spam\0Yes\0"], 1, $t);
    junked('another', [ 'i' . pack('N', 1) . "X-Spam-Flag\0 YES, very\0" ], 1, $t);
    junked('one that is changed to it', [ 'm' . pack('N', 1) . "x-spam\0yes\0" ], 1, $t);
    junked('quarantine', ["qbad\0"], 1, $t);
    junked('a field that says no', ["hX-Spam\0No\0"], 0, $t);
    junked('one that is only like it', ["hX-Spam-Status\0No, yes\0"], 0, $t);
    junked('nothing: the message says so itself, which counts for nothing', [], 0, "X-Spam: Yes\r\nX-Spam-Flag: YES\r\n$t");
}
$f = filter(E => [ "hX-Spam\0Yes\0", "qbad\0", ['close'] ]);
use_filters([ $f, 'down=accept' ]);
empty();
unlink junk();
send_one();
ok(mailbox() && !junk(), 'and nor does what a filter says that then hangs up');
@replies = talk($port, usual(), usual()) if use_filters(filter(E => do { my $n = 0; sub { $n++ ? 'c' : [ "qbad\0", 'c' ] } }));
is(join(' ', map { scalar @$_ } [ junk() ], [ $T->mailbox('alice') ]), '1 2', 'junk is one message, not a connection');

# An owner who keeps Junk from being made keeps nobody waiting for it.
my ($box) = map { "$T->{server}/" . (/^mail (\S+?)\/%d/m)[0] . '/here.test/alice' } $T->slurp($T->{conf});
$f = filter(E => [ "hX-Spam\0Yes\0", 'c' ]);
use_filters($f);
empty();
system('rm', '-rf', "$box/.Junk");
open my $lock, '>>', "$box/postern-account.lock" or die;
flock $lock, LOCK_EX or die;
my $asked = time;
like(send_one(), qr/^250/, 'junk while the account is locked');
$asked = time - $asked;
ok($asked < 8 && mailbox() && !junk(), sprintf '... is in INBOX without much waiting (%.1f s)', $asked);
close $lock;
send_one();
ok(scalar junk(), '... and in Junk when it is unlocked');

# --- several

my @row = (filter(E => [ "hX-One\0one\0", "bfirst\n", 'c' ]), filter(E => [ "hX-Two\0two\0", 'm' . pack('N', 1) . "X-One\0\0", 'a' ]), filter());
use_filters(@row);
empty();
like(send_one(), qr/^250/, 'three in a row');
like(heard($row[1], qr/^gone/m), qr/^L X-One\|one\|\nD N.*\nN \nB first~\n/m, 'the second sees what the first has changed');
like(heard($row[2], qr/^gone/m), qr/^L X-Spam\|Yes\|\nL X-Two\|two\|\nD N.*\nN \nB first~\n/m, 'and the third what both have');
like(mailbox(), qr/X-Two: two\n\nfirst\n\z/, 'and so it is delivered');
$row[$_]->stop for 0 .. 2;
@row = (filter(M => 'c'), filter(E => 'r'), filter());
use_filters(@row);
like(send_one(), qr/^550/, 'the second refuses');
unlike(heard($row[2], qr/^gone/m), qr/^[LNBE] /m, 'and the third is not asked');
like($row[2]->heard, qr/^T \nA \nQ /m, 'but told that it is over');

# --- down

my $closed = QrunTest::free_port();
my %down = (
    'there is no socket' => ["unix:$T->{dir}/nothing.sock"],
    'nobody listens' => ["inet:127.0.0.1:$closed"],
    'it hangs up at once' => [ O => [ ['close'] ] ],
    'it hangs up at MAIL' => [ M => [ ['close'] ] ],
    'it hangs up at RCPT' => [ R => [ ['close'] ] ],
    'it hangs up at DATA' => [ T => [ ['close'] ] ],
    'it hangs up at a field' => [ L => [ ['close'] ] ],
    'it hangs up at the body' => [ B => [ ['close'] ] ],
    'it hangs up at the end' => [ E => [ "hX-New\0x\0", "bnew\n", "-<$alice>\0", ['close'] ] ],
    'it hangs up in a packet' => [ E => [ [ 'raw', "\0\0\1\0h" ], ['close'] ] ],
    'it speaks HTTP' => [ O => [ [ 'raw', "HTTP/1.1 400 Bad Request\r\n\r\n" ] ] ],
    'an empty packet' => [ M => [ [ 'raw', "\0\0\0\0" ] ] ],
    'a packet of a gigabyte' => [ E => [ [ 'raw', "\x40\0\0\0h" ] ] ],
    'an answer that there is not' => [ R => '?' ],
    'a change before the end' => [ M => ["hX-New\0x\0"] ],
    'a field with a wrong name' => [ E => [ "hX New\0x\0", 'c' ] ],
    'a field without an end' => [ E => [ "hX-New\0x", 'c' ] ],
    'a body with NUL' => [ E => [ "ba\0b\n", 'c' ] ],
    'a body with an endless line' => [ E => [ ('b' . 'x' x 60000) x 2, 'c' ] ],
    'a reply that accepts' => [ E => ["y250 fine\0"] ],
    'too many changes' => [ E => [ ("hX-New\0x\0") x 5001, 'c' ] ],
    'changes that are too large' => [ E => [ ('hX-New' . "\0" . 'x' x 100000 . "\0") x 6, 'c' ] ],
    'skip where nothing can be skipped' => [ N => 's' ],
);
for my $name (sort keys %down) {
    for my $fate (sort keys %reply) {
        my $f = @{ $down{$name} } == 1 ? $down{$name}[0] : filter(@{ $down{$name} });
        use_filters([ $f, "down=$fate" ]);
        empty();
        my @r = talk($port, usual());
        my ($no) = grep { !/^(250|354)/ } @r;
        ok(($no // $r[-1]) =~ $reply{$fate}, "$name: $fate") or diag(explain(\@r, ref $f ? $f->heard : ''));
        like(mailbox(), $fate eq 'accept' ? qr/Subject:  old\n\tone\nX-Spam: Yes\n\nbody\n\z/ : qr/^\z/, '... and the mail');
        $f->stop if ref $f;
    }
}
like($T->log, qr/event=session-milter peer=127\.0\.0\.1 says="inet:127\.0\.0\.1:$closed: it can't be reached, or has hung up"/, 'the log has the filter and the reason');
like($T->log, qr/says="unix:\S+: its answer is none of the milter protocol"/, 'another');

# A filter that goes down in the middle of a message hasn't seen it, whatever came of that meanwhile.
for my $fate (sort keys %reply) {
    for my $row ([ 'at a second recipient', [ R => sub { $_[0] =~ /bob/ ? [ ['close'] ] : 'c' } ], 'bob' ],
                 [ 'at a refused recipient', [ O => [ 6, 0, 0x800 ], R => sub { $_[0] =~ /nobody/ ? [ ['close'] ] : 'c' } ], 'nobody' ]) {
        my ($name, $answers, $second) = @$row;
        my $f = filter(@$answers);
        use_filters([ $f, "down=$fate" ]);
        empty();
        my @r = talk($port, 'MAIL FROM:<a@far.test>', "RCPT TO:<$alice>", "RCPT TO:<$second\@here.test>", 'DATA', \"$text.\r\n");
        my ($no) = grep { !/^(250|354)/ } @r[3 .. $#r];
        ok(($no // $r[-1]) =~ $reply{$fate}, "it hangs up $name: $fate") or diag(explain(\@r, $f->heard));
        is(mailbox() ? 1 : 0, $fate eq 'accept' ? 1 : 0, '... and the mail');
    }
}

# Slow: this one has a second.
sub slow {
    my ($name, $answers, $expected, %o) = @_;
    my $f = filter(@$answers);
    open my $c, '>>', $T->{conf} or die;
    print $c "milter\nmilter unix:$f->{path} timeout=1 $_\n" for $o{options} // ''; # the last one of an option counts
    close $c;
    my $begun = time;
    my @r = talk($port, usual());
    my $took = time - $begun;
    my ($no) = grep { !/^(250|354)/ } @r;
    ok(($no // $r[-1]) =~ $expected && $took < 60, sprintf('%s (%.1f s)', $name, $took)) or diag(explain(\@r));
    kill 'KILL', -$f->{pid};
}
slow('no negotiation in time', [ O => undef ], $reply{defer});
slow('no answer to MAIL in time', [ M => undef ], $reply{defer});
slow('no answer to a field in time', [ L => undef ], $reply{defer});
slow('no answer at the end in ten times that', [ E => undef ], $reply{defer});
slow('it is at work without an end', [ M => sub { sleep(0.3), $_[1]->('p') for 1 .. 200; return } ], $reply{defer});
slow('it wants changes without an end', [ E => sub { $_[1]->(('b') x 1000) for 1 .. 1e9; return } ], $reply{defer});
slow('it says that it is at work', [ M => [ (['sleep', 2], 'p') x 5, 'c' ] ], $reply{accept}, options => 'timeout=9');
slow('an accepted message without it', [ R => undef ], $reply{accept}, options => 'down=accept');
$f = filter();
kill 'STOP', -$f->{pid};
use_filters([ $f, 'timeout=1h' ]);
my $begun = time;
my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die;
like(read_reply($s), qr/^220/, 'a greeting waits for no filter');
print $s "EHLO x.test\r\n";
like(read_reply($s), qr/^250/, 'and nor does EHLO');
cmp_ok(time - $begun, '<', 120, '... or this would take an hour');
close $s;
kill 'CONT', -$f->{pid};

# --- connections

$f = filter();
use_filters($f);
@replies = talk($port, usual(), 'EHLO second.test', usual(), usual(), 'QUIT');
is(scalar(grep { /Accepted/ } @replies), 3, 'three messages of one connection');
$heard = heard($f, qr/^gone/m);
is(join(' ', $heard =~ /^([A-Z]) /mg) =~ s/[DL] //gr, 'O C H M R T N B E H M R T N B E M R T N B E Q', 'one connection to the filter, and HELO again after HELO');
$f = filter(port => my $inet = QrunTest::free_port());
use_filters("inet:127.0.0.1:$inet");
like(send_one(), qr/^250/, 'by TCP');
use_filters("inet:localhost:$inet");
like(send_one(), qr/^250/, 'by TCP and a name');
$T->eventually(60, sub { 2 == (() = $f->heard =~ /^gone/mg) });
$f->forget;
use_filters([ "inet:127.0.0.1:$inet", 'for=submission' ]);
like(send_one(), qr/^250/, 'a filter for submission');
is($f->heard, '', 'hears nothing of port 25');
my $login = 'AUTH PLAIN ' . encode_base64("\0alice\@here.test\0alice-secret", '');
@replies = talk($submission, $login, "MAIL FROM:<$alice>", 'RCPT TO:<bob@here.test>', 'DATA', \"From: $alice\r\nSubject: sent\r\n\r\nx\r\n.\r\n");
like($replies[-1], qr/^250/, 'and a message of a user');
like(heard($f, qr/^gone/m), qr/^D M.*\{auth_type\}\|PLAIN\|\{auth_authen\}\|alice\@here\.test\|.*\n.*^L Message-ID\|/ms, 'which it hears of, with the login and the fields that we add');
like($f->heard, qr/\{daemon_name\}\|MSA\|/, 'and its name for such mail');
$f = filter(E => [ "-<bob\@here.test>\0", 'c' ]);
use_filters($f);
empty();
@replies = talk($submission, $login, "MAIL FROM:<$alice>", 'RCPT TO:<bob@here.test>', 'DATA', \"From: $alice\r\nSubject: sent\r\n\r\nx\r\n.\r\n", 'NOOP');
like("$replies[-2] $replies[-1]", qr/^250 2\.0\.0 Accepted as \S+ 250/, "a user's message of which no recipient is left");
is(mailbox('bob'), '', '... is nowhere');
for my $row ([ 'e<x@far.test>' . "\0", 'alice', 0 ], [ 'e<bounce-1@here.test>' . "\0", 'bounce-1', 1 ], [ "e<>\0", '', 1 ]) {
    my $f = filter(E => [ $row->[0], 'c' ]);
    use_filters($f);
    empty();
    talk($submission, $login, "MAIL FROM:<$alice>", 'RCPT TO:<bob@here.test>', 'DATA', \"From: $alice\r\nSubject: sent\r\n\r\nx\r\n.\r\n");
    like(mailbox('bob'), $row->[1] ? qr/^Return-Path: <\Q$row->[1]\E\@here\.test>/m : qr/^Return-Path: <>/m, "a user's sender: $row->[0]" =~ s/\0//r);
}
$f = filter(E => [ "+<x\@far.test>\0", 'c' ]);
use_filters($f);
talk($submission, $login, "MAIL FROM:<$alice>", 'RCPT TO:<bob@here.test>', 'DATA', \"From: $alice\r\nSubject: sent\r\n\r\nx\r\n.\r\n");
is(scalar $T->in_queue, 1, 'a recipient elsewhere, for a user who may send there');
for my $answers (['d'], [ "-<bob\@here.test>\0", 'c' ]) {
    $f = filter(E => $answers);
    use_filters($f);
    my @m = message($alice, 'bob@here.test', "From: $alice\r\n\r\nx\r\n");
    empty();
    is(join(' ', map { /^(\d+)/ } talk($submission, $login, @m, @m, 'QUIT')), '235 250 250 354 250 250 250 354 250 221',
       "a user's message is thrown away, and then another: $answers->[0]" =~ s/\0//r);
    is(mailbox('bob'), '', '... nobody has either');
}
$f = filter();
use_filters([ $f, 'for=in' ]);
talk($submission, $login, "MAIL FROM:<$alice>", 'RCPT TO:<bob@here.test>', 'DATA', \"From: $alice\r\nSubject: sent\r\n\r\nx\r\n.\r\n");
is($f->heard, '', 'a filter for port 25 hears nothing of users');

# --- TLS, a user of this machine, a warm listener

$f = filter();
use_filters($f);
my $tls = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die;
read_reply($tls);
for my $line ('EHLO client.test', 'STARTTLS') { print $tls "$line\r\n"; read_reply($tls) }
IO::Socket::SSL->start_SSL($tls, SSL_verify_mode => 0) or die 'TLS';
my @under;
for my $line ('EHLO client.test', usual(), 'QUIT') { print $tls ref $line ? $$line : "$line\r\n"; push @under, read_reply($tls) }
close $tls;
like($under[4], qr/^250/, 'under TLS');
like(heard($f, qr/^gone/m), qr/^D H\{tls_version\}\|TLSv1\.3\|\{cipher\}\|TLS_AES_\S+\|\{cipher_bits\}\|(?:128|256)\|$/m, 'a filter is told which');

$f = filter();
use_filters([ $f, 'for=submission' ]);
socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die;
my $pid = fork // die;
if (!$pid) {
    close $ours;
    open STDIN, '<&', $theirs;
    open STDOUT, '>&', $theirs;
    open STDERR, '>>', "$T->{dir}/log";
    close $theirs;
    exec $T->command('smtpd', '-u', '-c', $T->{conf}) or POSIX::_exit(127);
}
close $theirs;
$ours->autoflush;
read_reply($ours);
my @local;
for my $line ('EHLO here', usual(), 'QUIT') { print $ours ref $line ? $$line : "$line\r\n"; push @local, read_reply($ours) }
close $ours;
waitpid $pid, 0;
like($local[4] // '', qr/^250/, 'a user of this machine') or diag(explain(\@local), substr $T->log, -1000);
like(heard($f, qr/^gone/m), qr/^C localhost\|4..127\.0\.0\.1\|\n/ms, 'is localhost to a filter for submission');

$f = filter();
use_filters($f);
my $warm = QrunTest::free_port();
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $warm, Listen => 64, ReuseAddr => 1) or die;
$pid = fork // die;
if (!$pid) {
    POSIX::setpgid(0, 0);
    open STDIN, '<&', $listener;
    open STDOUT, '>', '/dev/null';
    open STDERR, '>>', "$T->{dir}/log";
    close $listener;
    exec $T->command('smtpd', '-c', $T->{conf}) or POSIX::_exit(127);
}
close $listener;
is(join(' ', map { /^(\d+)/ } map { (talk($warm, usual(), 'QUIT'))[3] } 1 .. 3), '250 250 250', 'a warm listener');
ok($T->eventually(60, sub { 3 == (() = $f->heard =~ /^gone/mg) }), 'a connection to the filter for each of its own');
$f->forget;
talk($warm, 'NOOP', 'QUIT');
is($f->heard, '', 'and none where no mail comes');
kill 'TERM', $pid;
waitpid $pid, 0;

done_testing;
