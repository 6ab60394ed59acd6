#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Index and cache are deleted at any moment: while several sessions have the folder open, during a STORE of a thousand, right after
# the highest UID was expunged; and imapd processes are killed while they work. UIDs, flags, keywords and UIDVALIDITY stay, no
# UID is given twice, and whatever was answered with OK is so. A folder that is renamed, swapped or made anew with another's
# index in it is itself. (What QRESYNC clients see is in another test.)
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $more = $ENV{TORTURE} || 1;
my $t = ImapTest->new;

sub message { my ($id) = @_; return "Subject: $id\r\nMessage-ID: <$id\@lost.test>\r\n\r\ntext of $id\r\n"; }
sub at { my ($folder) = @_; return $t->{mail} . ($folder eq 'INBOX' ? '' : "/.$folder"); }
sub lose { my ($folder) = @_; return unlink map { at($folder) . "/postern-$_" } qw(index cache); }
sub look { my ($s) = @_; $s->ok('NOOP'); $s->learn; return $s->picture; }
sub fresh { my ($folder) = @_; my $s = $t->session; $s->select($folder); my $picture = "$s->{validity}\n" . $s->picture; $s->logout; return $picture; }

# ---- several sessions

my @s = map { $t->session } 1 .. 5;
$s[0]->append('INBOX', $_ % 3 ? '\Seen $Word' : 'Other', message("m$_")) for 1 .. 40;
$_->select('INBOX') for @s;
my $validity = $s[0]->{validity};
ok lose('INBOX'), 'there is an index or a cache to lose';
my @changes = (
    'UID STORE 3:9 +FLAGS (\Flagged)', 'UID STORE 5 -FLAGS ($Word)', 'UID STORE 6 FLAGS (\Draft NewWord)', 'UID COPY 1:3 INBOX', 'UID STORE 12 +FLAGS (\Deleted)',
    'EXPUNGE', 'UID FETCH 1:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE)', 'UID SEARCH KEYWORD NewWord',
);
for my $n (0 .. $#changes) {
    lose('INBOX');
    $s[$n % 5]->ok($changes[$n]);
    lose('INBOX') if $n % 2;
    look($_) for @s;
}
my %pictures = map { look($_) => 1 } @s, @s; # everybody's NOOP
is scalar keys %pictures, 1, 'five sessions see the same after each change';
is fresh('INBOX'), "$validity\n" . $s[0]->picture, 'as a fresh one, and UIDVALIDITY stayed';
lose('INBOX');
is fresh('INBOX'), "$validity\n" . $s[0]->picture, 'and one without an index';
like $s[0]->picture, qr/^6 NewWord \\Draft$/m, 'the flags are those that were set';

# ---- the highest UID

my %used = map { $_ => 1 } @{$s[0]->{uids}};
for my $round (1 .. 6) {
    my ($highest) = reverse @{$s[0]->{uids}};
    $s[0]->ok("UID STORE $highest +FLAGS.SILENT (\\Deleted)");
    $s[$round % 2 ? 0 : 1]->ok("UID EXPUNGE $highest");
    lose('INBOX') if $round != 3;
    look($_) for @s;
    lose('INBOX');
    my $uid;
    if ($round % 3 == 0) {
        $t->deliver('INBOX', message("again$round"));
        look($s[2]);
        ($uid) = reverse @{$s[2]->{uids}};
    } else {
        $uid = $s[$round % 5]->append('INBOX', '', message("again$round"));
    }
    ok $uid > $highest && !$used{$uid}++, "round $round: the next UID is $uid, above $highest";
    look($_) for @s;
}
$_->logout for @s;
$_ = $t->session;
$_->select('INBOX');
my ($highest) = reverse @{$_->{uids}};
$_->ok("UID STORE $highest +FLAGS.SILENT (\\Deleted)");
$_->ok('CLOSE');
lose('INBOX');
$_->select('INBOX');
cmp_ok $_->{uid_next}, '>', $highest, 'UIDNEXT too, when no session was there to remember';
$_->logout;

# ---- during a STORE of many

my $many = $t->session;
$many->ok('CREATE Many');
$t->deliver('Many', message("m$_")) for 1 .. 1000;
$many->select('Many');
my $first = $many->picture;
my $texts = $many->texts;
my $vandal = $t->start(sub { while (1) { lose('Many'); sleep 0.001 * rand 5 } });
my %all;
for my $round (1 .. 6 * $more) {
    my ($sign, @flags) = ($round % 2 ? '+' : '-', $round / 2 % 2 ? '\Seen' : ('\Flagged', '$Every'));
    $many->ok("STORE 1:* ${sign}FLAGS.SILENT (@flags)");
    $sign eq '+' ? (@all{@flags} = (1) x 2) : delete @all{@flags};
    $many->ok('STORE 1:500 +FLAGS ($Half)') if $round == 3;
    $many->ok('UID FETCH 1:* (FLAGS ENVELOPE)');
}
kill KILL => $vandal;
$t->finish($vandal);
$many->ok('UID FETCH 1:* (FLAGS)');
my $none = ImapTest::Session::sorted(join ' ', keys %all);
my $half = ImapTest::Session::sorted(join ' ', keys %all, '$Half');
is $many->picture, join('', map { "$_ $half\n" } 1 .. 500) . join('', map { "$_ $none\n" } 501 .. 1000), 'a thousand flags come and go while the index is removed' or diag substr $many->picture, 0, 300;
is_deeply $many->texts, $texts, 'every UID is the message that it was';
my $picture = "$many->{validity}\n" . $many->picture;
$many->logout;
is fresh('Many'), $picture, 'as a fresh session sees it';

# ---- killed while it works

$many = $t->session;
$many->select('Many');
my %flags = %{$many->{flags}};
my %id = map { $_ => $texts->{$_} =~ /^Subject: (\S+)/ } keys %$texts;
my %may_go;    # what somebody began to expunge
my $kills = 0;
my (@lost, @wrong, $appended);
my %by_id = reverse %id;
for my $round (1 .. 25 * $more) {
    my $victim = $t->session;
    $victim->select('Many');
    my @there = @{$victim->{uids}};
    my ($from, $to) = sort { $a <=> $b } int rand @there, int rand @there;
    my $set = join ',', @there[$from .. $to];
    my %before = %{$victim->{flags}};
    my $what = $round % 5;
    my $flag = ('\Answered', '$Killed')[$round % 2];
    my $sign = $round % 3 ? '+' : '-';
    lose('Many') if $round % 4 == 0;
    my $tag = $victim->begin(
        $what == 0 ? ("UID EXPUNGE $set")
        : $what == 1 ? ('APPEND Many (\Seen) {}', message("killed$round"))
        : $what == 2 ? ("UID COPY $set Many")
        : ("UID STORE $set ${sign}FLAGS.SILENT ($flag)"));
    sleep 0.0005 * rand 40;
    $victim->kill;
    $kills++;
    lose('Many') if $round % 4 == 1;
    my $s = $t->session;
    $s->select('Many');
    push @wrong, "round $round: UIDVALIDITY" if $s->{validity} != $many->{validity};
    my $now = $s->texts;
    for my $uid (keys %$now) {
        my ($subject) = $now->{$uid} =~ /^Subject: (\S+)/;
        $id{$uid} //= $subject;
        push @wrong, "round $round: UID $uid was $id{$uid} and is $subject" if $id{$uid} ne $subject;
        my ($was, $is) = ($before{$uid}, $s->{flags}{$uid});
        next if !defined $was || $was eq $is || $what < 3;
        my %was = map { $_ => 1 } split / /, $was;
        $sign eq '+' ? ($was{$flag} = 1) : delete $was{$flag};
        push @wrong, "round $round: UID $uid: from '$was' to '$is'" if ImapTest::Session::sorted(join ' ', keys %was) ne $is;
    }
    push @lost, grep { !$now->{$_} } @there;
    $s->ok("UID STORE $there[0],$there[-1] +FLAGS (\\Draft)"); # it goes on
    $s->logout;
    lose('Many') if $round % 4 == 2;
    push @wrong, "round $round: another without an index" if $round % 4 == 2 && do { my $p = $s->picture; fresh('Many') ne "$s->{validity}\n$p" };
}
is "@lost", '', "$kills imapd killed while they worked: no message is lost" or diag scalar @lost;
is join("\n", @wrong), '', 'no UID is another, no flag is another';
look($many);
is "$many->{validity}\n" . $many->picture, fresh('Many'), 'and a session that was there all the while sees the same';
$many->logout;

# ---- whose index is it?

my $s = $t->session;
for my $folder (qw(One Two)) {
    $s->ok("CREATE $folder");
    $s->append($folder, $folder eq 'One' ? '\Seen $One' : '\Flagged $Two', message("$folder$_")) for 1 .. 5;
    fresh($folder);
}
sleep 1.2; # their times can be trusted from now on
my %was = map { $_ => fresh($_) } qw(One Two);
my %subjects = map { $_ => envelopes($_) } qw(One Two);
sub envelopes {
    my ($folder) = @_;
    my $e = $t->session;
    $e->select($folder);
    my $all = join "\n", $e->ok('FETCH 1:* (UID ENVELOPE BODYSTRUCTURE)');
    $e->logout;
    return $all;
}
for my $file (qw(index cache)) {
    rename at('One') . "/postern-$file", at('One') . '/kept';
    rename at('Two') . "/postern-$file", at('One') . "/postern-$file";
    rename at('One') . '/kept', at('Two') . "/postern-$file";
    for (qw(One Two)) {
        is fresh($_), $was{$_}, "$_ with the $file of another folder";
        is envelopes($_), $subjects{$_}, "$_: what it says of its messages too";
    }
}
$s->ok('RENAME One Three');
$s->ok('RENAME Two One');
$s->ok('RENAME Three Two');
is fresh('Two'), $was{One}, 'renamed, a folder is itself';
is fresh('One'), $was{Two}, 'and that which has its name now is another';
my ($old) = $was{One} =~ /^(\d+)/;
system('cp', at('Two') . "/postern-$_", "$t->{dir}/$_.kept") for qw(index cache);
$s->ok('DELETE Two');
$s->ok('CREATE Two');
is $s->append('Two', '', message('anew')), 1, 'made anew, its UIDs begin anew';
system('cp', "$t->{dir}/$_.kept", at('Two') . "/postern-$_") for qw(index cache);
$t->own;
my $anew = fresh('Two');
isnt +($anew =~ /^(\d+)/)[0], $old, 'under another UIDVALIDITY';
is $anew =~ s/^\d+\n//r, "1 \n", 'also with the index of that which was there before';
$s->logout;
done_testing;
