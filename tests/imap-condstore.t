#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Mod-sequences over several sessions (RFC 7162): they outlive the session, never go back, also when the index is removed, and what
# HIGHESTMODSEQ promises holds: after each step here a client that vanished without a word learns by QRESYNC what it missed.
use strict;
use warnings;
use lib 'tests/lib';
use ImapResync;
use ImapTest;
use Test::More;

my $t = ImapTest->new;
my $folder = 0;

sub remove_index { unlink map { glob "$_/postern-index* $_/postern-cache*" } $t->{mail}, glob "$t->{mail}/.*[a-z0-9]" }

# A folder of its own with messages 1 to $count, and a client that has seen them.
sub start {
    my ($count) = @_;
    my $s = $t->session;
    my $name = 'box' . ++$folder;
    $s->ok("CREATE $name");
    $s->append($name, '', "Subject: number $_\r\nMessage-ID: <$name-$_>\r\n\r\n") == $_ or die for 1 .. $count;
    $s->logout;
    my $c = ImapResync->new($t, $name, writes => 1);
    $c->connect(0);
    return ($c, other($name));
}

sub other {
    my ($name) = @_;
    my $s = $t->session;
    $s->select($name);
    return $s;
}

# Without a word: what the client knows then is what it has been told.
sub vanish { $_[0]->end }

# Comes back by QRESYNC: what was told, without the mailbox's own lines; and then the whole cache must be right.
sub back {
    my ($c) = @_;
    $c->connect(0);
    my @told = map { s/ MODSEQ \(\d+\)//r =~ s/ ?\\Recent//r } grep { /VANISHED|FETCH/ } @{$c->{answer}};
    $c->check;
    return join ' ', @told;
}

sub highest { my ($s, $name) = @_; return join(' ', $s->ok("STATUS $name (HIGHESTMODSEQ)")) =~ /STATUS \S+ \(HIGHESTMODSEQ (\d+)/ ? $1 : 0; }

# The number in a tagged reply, or 0.
sub told { my ($status, $text) = @_; return $text =~ /\[HIGHESTMODSEQ (\d+)\]/ ? $1 : 0; }

# ---- a session's own changes

my ($c, $other) = start(5);
vanish($c);
is back($c), '', 'nothing has changed: nothing is told';
my $before = $c->{modseq};
$c->ok('STORE 2 +FLAGS (\Seen)');
cmp_ok $c->{modseq}, '>', $before, 'a change raises HIGHESTMODSEQ';
vanish($c);
is back($c), '', 'what the session itself changed isn\'t told again';
$before = $c->{modseq};
my $at = $c->{at}{2};
$c->ok('STORE 2 +FLAGS (\Seen)');
is "$c->{at}{2} $c->{modseq}", "$at $before", 'a change that changes nothing has no mod-sequence of its own';
$c->ok('STORE 1:3 +FLAGS.SILENT (\Flagged)');
is scalar(grep { $c->{at}{$_} == $c->{modseq} } 1 .. 3), 3, 'messages that are changed at once share one mod-sequence';
$c->{flags}{$_} = ImapResync::changed($c->{flags}{$_}, '+', '\Flagged') for 1 .. 3;
$c->check;
is highest($other, $c->{folder}), $c->{modseq}, 'STATUS says the same to others';

# ---- UNCHANGEDSINCE

$other->ok('NOOP');
$other->ok('STORE 2 +FLAGS (\Answered)');
my ($status, $text, @lines) = $c->command("STORE 1:3 (UNCHANGEDSINCE $c->{modseq}) +FLAGS.SILENT (\\Draft)");
is "$status $text", 'OK [MODIFIED 2] Conditional STORE failed', 'UNCHANGEDSINCE: what another session changed is not stored';
like join(' ', @lines), qr/\* 2 FETCH \(UID 2 FLAGS \([^)]*\\Answered/, 'and is told';
is scalar(grep { /^\* [13] FETCH \(UID [13] MODSEQ/ } @lines), 2, 'the others are stored';
$c->{flags}{$_} = ImapResync::changed($c->{flags}{$_}, '+', '\Draft') for 1, 3;
$c->check;
($status, $text) = $c->command("UID STORE 1:* (UNCHANGEDSINCE $c->{modseq}) -FLAGS (\\Draft)");
is $status, 'OK', 'with the new mod-sequence it is stored';
$c->check;

# ---- what others do while the client is away, and while it may not be told

$other->ok('STORE 4 +FLAGS (\Flagged)');
vanish($c);
is back($c), '* 4 FETCH (UID 4 FLAGS (\Flagged))', 'a flag that another session set is told';
$other->ok('STORE 1 +FLAGS (\Deleted)');
$other->ok('EXPUNGE');
$other->ok('STORE 3 +FLAGS ($Later)');
$c->ok('FETCH 2 (UID FLAGS)'); # hears of the flag, and must not hear of the expunge
is $c->{flags}{4}, '$Later \Flagged', 'FETCH tells flags and no EXPUNGE';
is join(' ', $c->uids), '1 2 3 4 5', 'and keeps the message';
vanish($c);
is back($c), '* VANISHED (EARLIER) 1 * 3 FETCH (UID 4 FLAGS (\Flagged $Later))', 'HIGHESTMODSEQ did not pass the expunge that was kept back';
$other->ok('STORE 1 +FLAGS.SILENT (\Deleted)');
$other->ok('EXPUNGE');
$c->ok('STORE 2 +FLAGS (\Answered)'); # its own, above the expunge
vanish($c);
is back($c) =~ s/ \* \d FETCH.*//r, '* VANISHED (EARLIER) 2', 'neither did a change of its own';
$other->ok('STORE 1 +FLAGS.SILENT (\Deleted)');
$other->ok('EXPUNGE');
($status, $text, @lines) = $c->command('NOOP');
is join(' ', @lines), '* VANISHED 3', 'NOOP tells it';
is told($status, $text), $c->{modseq}, 'with HIGHESTMODSEQ';
vanish($c);
is back($c), '', 'once';

# ---- a keyword that is new

$other->ok('STORE 1 +FLAGS ($Newest)');
(undef, undef, @lines) = $c->command('UID FETCH 4 (FLAGS)');
is scalar(grep { /FETCH/ && !/\$Newest/ } @lines), 0, 'flags and mod-sequence are of one moment, also where the keyword was made just now';
$other->ok('STORE 1 -FLAGS ($Newest)');
$c->ok('NOOP');

# ---- EXPUNGE, CLOSE, MOVE, COPY, APPEND

$other->append($c->{folder}, '\Seen', "Subject: number 6\r\n\r\n");
$other->ok('NOOP');
$before = highest($other, $c->{folder});
cmp_ok $before, '>', $c->{modseq}, 'APPEND raises HIGHESTMODSEQ';
vanish($c);
is back($c), '* 3 FETCH (UID 6 FLAGS (\Seen))', 'a new message is told';
$c->ok('STORE 3 +FLAGS.SILENT (\Deleted)');
($status, $text) = $c->command('EXPUNGE');
cmp_ok told($status, $text), '>', $before, 'EXPUNGE\'s reply has a higher HIGHESTMODSEQ';
vanish($c);
is back($c), '', 'what it expunged itself isn\'t told again';
$before = $c->{modseq};
$c->ok('STORE 2 +FLAGS (\Deleted)');
($status, $text, @lines) = $c->command('CLOSE');
is "$text @lines", 'Closed ', 'CLOSE tells neither VANISHED nor HIGHESTMODSEQ';
cmp_ok highest($other, $c->{folder}), '>', $before, 'and raises it';
vanish($c);
is back($c), '* VANISHED (EARLIER) 5', 'then it is told';
my ($target, $third) = start(1);
my $highest = $target->{modseq};
($status, $text, @lines) = $c->command("MOVE 1 $target->{folder}");
is join(' ', map { s/COPYUID \d+/COPYUID v/r } @lines), '* OK [COPYUID v 4 2] Done * VANISHED 4', 'MOVE: COPYUID, then VANISHED';
cmp_ok told($status, $text), '>', $before, 'MOVE\'s reply has a higher HIGHESTMODSEQ';
vanish($target);
is back($target), '* 2 FETCH (UID 2 FLAGS (\Flagged $Later))', 'what was moved here is told';
cmp_ok $target->{at}{2}, '>', $highest, 'under a mod-sequence above all before';
$_->logout for $other, $third;

# ---- without an index

($c, $other) = start(6);
$other->ok('STORE 6 +FLAGS (\Deleted)');
$other->ok('EXPUNGE');
$highest = highest($other, $c->{folder});
remove_index();
is $other->append($c->{folder}, '', "Subject: number 7\r\n\r\n"), 7, 'the highest UID was expunged, the index removed: it isn\'t used again';
cmp_ok highest($other, $c->{folder}), '>', $highest, 'HIGHESTMODSEQ doesn\'t go back';
vanish($c);
like back($c), qr/^\* VANISHED \(EARLIER\) (\S*,)?6 /, 'what vanished before is told';
remove_index();
$c->ok('STORE 1:5 +FLAGS (\Seen)'); # while the mailbox is open
$other->ok('NOOP');
remove_index();
vanish($c);
back($c);
is $c->picture, join('', map { "$_ \\Seen\n" } 1 .. 5) . "7 \n", 'flags that were set while there was no index are kept';
remove_index();
($status, $text) = $c->command("STORE 1:2 (UNCHANGEDSINCE $c->{modseq}) +FLAGS (\\Flagged)");
is $status, 'OK', 'UNCHANGEDSINCE without an index is answered';
$other->ok('NOOP');
$c->check;
vanish($c);
back($c);
my $picture = $c->picture;
remove_index();
vanish($c);
back($c);
is $c->picture, $picture, 'what UNCHANGEDSINCE stored or not is so afterwards';

# ---- another mailbox of the same name

$_->ok('UNSELECT') for $c, $other;
$other->ok("DELETE $c->{folder}");
$other->ok("CREATE $c->{folder}");
$other->append($c->{folder}, '\Draft', "Subject: new\r\n\r\n");
my ($validity, $modseq) = @{$c}{qw(validity modseq)};
$c->{validity} = $c->{count} = $c->{uid_next} = 0;
$c->{next} = 1;
@lines = grep { /VANISHED|FETCH/ } $c->ok("SELECT $c->{folder} (QRESYNC ($validity $modseq 1:10))");
is "@lines", '', 'another UIDVALIDITY: what the client knows is passed over';
done_testing;
