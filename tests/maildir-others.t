#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Maildir that others change under imapd: mutt (a real one, in a terminal) and delivery agents of several habits. A session
# that has the folder open sees what they do; they see what it does, at the latest when it ends; and nothing is lost or seen
# twice whoever was faster, also while a thousand messages get a flag.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $t = ImapTest->new;
my $box = $t->{mail};
my $home = "$t->{dir}/home";
my $keys = 0;
mkdir $home;
$t->own;

sub message { my ($id) = @_; return "From: a\@example.org\nSubject: $id\nMessage-ID: <$id\@others.test>\n\ntext of $id\n"; }
sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f; chown((getpwnam 'nobody')[2, 3], $path) if $> == 0; }
sub slurp { open my $f, '<', $_[0] or return ''; local $/; return <$f> // ''; }

# The path of the file with this subject: it may be renamed meanwhile.
sub file_of {
    my ($id, $folder) = @_;
    for (1 .. 5) {
        for my $name ($t->files($folder // 'INBOX')) {
            my $path = $box . ($folder && $folder ne 'INBOX' ? "/.$folder" : '') . "/$name";
            return $path if slurp($path) =~ /^Subject: \Q$id\E$/m;
        }
    }
    return '';
}

sub by_id {
    my ($s) = @_;
    my $texts = $s->texts;
    return { map { $texts->{$_} =~ /\nSubject: (\S+)/ ? ($1 => $_) : () } keys %$texts };
}
sub look { my ($s) = @_; $s->ok('NOOP'); $s->learn; }
sub flags_of { my ($s, $id) = @_; look($s); my $uid = by_id($s)->{$id} // return ''; return $s->{flags}{$uid}; }
sub soon { my ($name, $test) = @_; ok ImapTest::eventually(60, $test), $name; }

# ---- mutt

# "\$..." is mutt's own; the terminal ends with it.
sub mutt_start {
    my ($push) = @_;
    write_file("$home/muttrc", <<"X");
set folder="$box" mbox_type=mbox spoolfile="$box" record="" header_cache="" mark_old=no
set delete=yes confirmappend=no confirmcreate=no move=no quit=yes wait_key=no sort=date pager_stop=yes timeout=1 mail_check=1
set from=alice\@example.test mail_check_recent=no check_new=yes
X
    write_file("$home/keys", $push);
    unlink "$home/ended";
    $keys++;
    tmux('new-session', '-d', '-s', 'stays', 'sleep 600') if $keys == 1; # else the server may be about to end
    tmux('new-session', '-d', '-s', "m$keys", '-x', 100, '-y', 30,
        "HOME=$home TERM=screen mutt -F $home/muttrc -f $box -e \"push '\$(cat $home/keys)'\" 2>$home/log; echo \$? >$home/ended");
}
sub mutt_ended { return ImapTest::eventually(60, sub { -s "$home/ended" }) && slurp("$home/ended") eq "0\n"; }
sub mutt { my ($push) = @_; mutt_start($push); return mutt_ended(); }
# With a shell named: where the environment has no SHELL tmux takes the user's, which for nobody is nologin.
sub tmux { system(ImapTest::as_owner('env', 'SHELL=/bin/sh', 'tmux', '-S', "$home/tmux", '-f', '/dev/null', @_)) == 0 or die 'tmux'; }
sub type { my (@what) = @_; tmux('send-keys', '-t', "m$keys", @what); }
sub screen { my $out = join '', map { "$_ " } ImapTest::as_owner('tmux', '-S', "$home/tmux", 'capture-pane', '-p', '-t', "m$keys"); return `$out 2>/dev/null`; }

$t->deliver('INBOX', message($_)) for 'anchor', map { "m$_" } 1 .. 9;
my $s = $t->session;
$s->select('INBOX');
is @{$s->{uids}}, 10, 'ten messages';
my $uid_of = by_id($s);
ok mutt('<search>m2<enter><flag-message><search>m3<enter><display-message><exit><search>m4<enter><set-flag>r<search>m5<enter><delete-message>'
    . '<search>m6<enter><save-message>=.Archive<enter><sync-mailbox><quit>'), 'mutt: reads, flags, replies to, deletes and saves' or diag slurp("$home/log");
soon 'a session sees a flag that mutt sets', sub { flags_of($s, 'm2') =~ /Flagged/ };
soon 'what it has read', sub { flags_of($s, 'm3') =~ /Seen/ };
soon 'replied to', sub { flags_of($s, 'm4') =~ /Answered/ };
soon 'what it deleted is gone', sub { look($s); !by_id($s)->{m5} };
soon 'what it moved is gone', sub { look($s); !by_id($s)->{m6} };
is_deeply by_id($s), { map { $_ => $uid_of->{$_} } qw(anchor m1 m2 m3 m4 m7 m8 m9) }, 'and all others have the UIDs that they had';
my $archive = $t->session;
$archive->select('Archive');
is join(' ', keys %{by_id($archive)}), 'm6', 'what it moved is there';
is $archive->{flags}{by_id($archive)->{m6}}, '', 'without flags, as it was';

# Ours, as mutt sees them: the messages of a kind, and always the anchor, are tagged and copied to a file.
sub mutt_finds {
    my ($pattern) = @_;
    unlink "$home/found";
    mutt("T~s anchor | $pattern<enter>;C$home/found<enter><quit>") or return "mutt failed: " . slurp("$home/log");
    my @all = slurp("$home/found") =~ /^Subject: (\S+)/mg;
    my @found = sort @all;
    return shift @found eq 'anchor' ? "@found" : "no anchor: @found";
}
$s->ok("UID STORE $uid_of->{m7} +FLAGS (\\Flagged)");
$s->ok("UID STORE $uid_of->{m8} +FLAGS (\\Seen \\Answered)");
$s->ok("UID STORE $uid_of->{m9} +FLAGS (\\Draft \\Seen Word)");
$s->ok("UID STORE $uid_of->{m2} -FLAGS (\\Flagged)");
$s->append('INBOX', '\Flagged', message('appended') =~ s/\n/\r\n/gr);
$s->ok("UID MOVE $uid_of->{m1} Archive");
soon 'a flag of ours reaches the file name while the session goes on', sub { file_of('m7') =~ /:2,F/ };
soon 'and a keyword', sub { file_of('m9') =~ /:2,DS[a-z]/ };
$s->logout;
is mutt_finds('~F'), 'appended m7', 'mutt: flagged';
is mutt_finds('~R'), 'm3 m4 m8 m9', 'mutt: read';
is mutt_finds('~Q'), 'm4 m8', 'mutt: replied to';
is mutt_finds('~A'), 'appended m2 m3 m4 m7 m8 m9', 'mutt: all';

# at the end of a session at the latest, whatever was left to do
$s = $t->session;
$s->select('INBOX');
$s->ok('STORE 1:* +FLAGS.SILENT ($Last)');
$s->ok('STORE 1:* -FLAGS.SILENT (\Flagged)');
$s->logout;
is mutt_finds('~F'), '', 'mutt: what the last command of a session changed';

# both have it open
mutt_start('');
ImapTest::eventually(60, sub { screen() =~ /m9/ });
$s = $t->session;
$s->select('INBOX');
$uid_of = by_id($s);
$s->ok("UID STORE $uid_of->{m7} +FLAGS (\\Flagged)");
$s->ok("UID STORE $uid_of->{m8} +FLAGS.SILENT (\\Deleted)");
$s->ok("UID EXPUNGE $uid_of->{m8}");
$s->append('INBOX', '', message('during') =~ s/\n/\r\n/gr);
$t->deliver('INBOX', message('arrived'));
soon 'mutt with the folder open sees a new message of ours', sub { type('j'); screen() =~ /during/ };
soon 'it deletes', sub { type('/', 'm7', 'Enter', 'd'); sleep 0.2; screen() =~ /^ +\d+ *\S*D.* m7$/m };
soon 'and flags', sub { type('/', 'm9', 'Enter', 'w', '!'); sleep 0.2; screen() =~ /^ +\d+ *\S* +! .* m9$/m };
soon 'what it then deletes is gone', sub { type('$'); sleep 0.2; look($s); !by_id($s)->{m7} }; # it looks for new mail first
soon 'what it flags is flagged', sub { flags_of($s, 'm9') =~ /Flagged/ };
type('x');
ok mutt_ended(), 'mutt ends';
look($s);
is join(' ', sort keys %{by_id($s)}), 'anchor appended arrived during m2 m3 m4 m9', 'nothing is lost, nothing twice';
is mutt_finds('~A'), 'appended arrived during m2 m3 m4 m9', 'mutt too';

# ---- delivery agents

my $n = 0;
my %agents = (
    'rename into new/' => sub { my ($id) = @_; $t->deliver('INBOX', message($id)) },
    'link into new/, the name in tmp/ removed later' => sub {
        my ($id) = @_;
        write_file("$box/tmp/$id.agent", message($id));
        link "$box/tmp/$id.agent", "$box/new/170000000$n.$id.agent";
        sleep 0.1;
        unlink "$box/tmp/$id.agent";
    },
    'straight into cur/, with flags' => sub { my ($id) = @_; write_file("$box/tmp/$id", message($id)); rename "$box/tmp/$id", "$box/cur/170000000$n.$id.agent:2,RS" },
    'written in new/ itself, slowly' => sub {
        my ($id) = @_;
        open my $f, '>', "$box/new/170000000$n.$id.agent" or die;
        chown((getpwnam 'nobody')[2, 3], $f) if $> == 0;
        syswrite $f, "From: a\@example.org\n";
        syswrite $f, "Subject: $id\nMessage-ID: <$id>\n\ntext of $id\n";
    },
    'with a size in the name that is wrong' => sub { my ($id) = @_; $t->deliver('INBOX', message($id), "170000000$n.$id,S=1,W=2") },
    'with a UID in the name that another has' => sub {
        my ($id) = @_;
        $t->deliver('INBOX', message($id), sprintf '170000000%d.%s,P=%x.%x', $n, $id, $s->{validity}, by_id($s)->{m2});
    },
    'with a name of spaces and colons' => sub { my ($id) = @_; $t->deliver('INBOX', message($id), "17000000$n.$id: :;,=()[]{}") },
);
for my $how (sort keys %agents) {
    my $id = 'agent' . ++$n;
    my %was = %{by_id($s)};
    $agents{$how}->($id);
    my %is;
    soon "$how: seen", sub { look($s); %is = %{by_id($s)}; $is{$id} };
    is_deeply [ grep { !$is{$_} || $is{$_} != $was{$_} } sort keys %was ], [], "$how: and no other moved";
    cmp_ok $is{$id}, '>', (sort { $b <=> $a } values %was)[0], "$how: under a new UID";
}

# what the file is called doesn't matter, and files may go back and forth
my $file = file_of('m2');
$uid_of = by_id($s);
rename $file, $file =~ s{/cur/}{/new/}r =~ s/:2,.*//r or die;
look($s);
is by_id($s)->{m2}, $uid_of->{m2}, 'a file that is moved back to new/ keeps its UID';
$file = file_of('m3');
(my $to = $file) =~ s/:2,.*/:2,FTz/;
rename $file, $to;
is flags_of($s, 'm3'), '\Deleted \Flagged', 'a file that is renamed at once is seen at once';
unlink file_of('m4');
look($s);
ok !by_id($s)->{m4}, 'one that is removed too';
rename file_of('m3'), "$box/.Archive/cur/1700000000.other.name:2,S";
look($s);
look($archive);
ok !by_id($s)->{m3}, 'one that is moved to another folder is gone here';
is flags_of($archive, 'm3'), '\Seen', 'and there';

# ---- a thousand at once

$s->ok('CREATE Thousand');
$t->deliver('Thousand', message("t$_")) for 1 .. 1000;
$s->select('Thousand');
$uid_of = by_id($s);
my $other = $t->start(sub { # another program sets and removes P on whatever it finds, and removes every 97th
    my $until = time + 900;
    my $count = 0;
    while (time < $until && !-e "$home/stop") {
        for my $name (grep { /:2,/ } $t->files('Thousand')) {
            my $path = "$box/.Thousand/$name";
            if (++$count % 97 == 0 && $count < 20000) {
                open my $f, '>>', "$home/removed";
                my ($id) = slurp($path) =~ /^Subject: (\S+)/m or next;
                print $f "$id\n" if unlink $path;
            } else {
                rename $path, $path =~ /:2,[A-Za-z]*P/ ? $path =~ s/(:2,.*)P/$1/r : $path =~ s/:2,([A-F]*)/:2,${1}P/r;
            }
        }
    }
});
my $began = time;
for my $round (1 .. 12) {
    $s->command('STORE 1:* ' . ($round % 2 ? '+' : '-') . 'FLAGS.SILENT (\Seen)');
    $s->command('STORE 1:500 +FLAGS.SILENT (\Draft $Half)');
    look($s);
}
write_file("$home/stop", '');
$t->finish($other);
cmp_ok time - $began, '<', 300, 'another program renamed and removed during STORE of a thousand, and did not hold it up';
$s->command('STORE 1:* +FLAGS (\Seen)'); # those that are gone are told now
look($s);
$s->ok('STORE 1:* +FLAGS (\Seen)');
look($s);
my %removed = map { $_ => 1 } split /\n/, slurp("$home/removed");
my $is = by_id($s);
is_deeply [ grep { $is->{$_} ? $removed{$_} || $is->{$_} != $uid_of->{$_} : !$removed{$_} } sort keys %$uid_of ], [],
    'each is there under its UID, but for the ' . keys(%removed) . ' that were removed';
is scalar(keys %$is), 1000 - keys %removed, 'and none twice';
is scalar(grep { !/Seen/ } values %{$s->{flags}}), 0, 'and every flag was stored';
$s->logout;
my @names = $t->files('Thousand');
is scalar(grep { !/:2,[A-Z]*S/ } @names), 0, 'also in the names';
my $fresh = $t->session;
$fresh->select('Thousand');
is $fresh->picture, $s->picture, 'as another session sees it';
$fresh->logout;
$archive->logout;

END { local $?; tmux('kill-server') if -S "$home/tmux"; }
done_testing;
