#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern import and export: boxes that mutt and Dovecot wrote, with messages, flags, keywords and dates; and round trips.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Test::More;

my $t = ImapTest->new;
my $d = "$t->{dir}/import";
mkdir $d;
$t->own;

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f; }
sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return scalar <$f>; }

# (status, what it said)
sub postern {
    my (@arguments) = @_;
    my $out = "$t->{dir}/out";
    my $pid = fork // die;
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $out;
        open STDERR, '>&', \*STDOUT;
        exec "$t->{bin}/postern", '-c', $t->{conf}, @arguments or exit 99;
    }
    waitpid $pid, 0;
    return ($? >> 8, slurp($out));
}

# doveadm without a server, as the mail's owner, with the mail at `location`; standard input is `input`.
mkdir "$d/$_" for qw(home state);
write_file("$d/dovecot.conf", <<"X");
protocols =
base_dir = $d/run
state_dir = $d/state
log_path = $d/log
ssl = no
first_valid_uid = 1
namespace inbox {
  inbox = yes
}
X
$t->own;
sub doveadm {
    my ($location, $input, @arguments) = @_;
    my @command = ImapTest::as_owner('env', "HOME=$d/home", 'USER=nobody', 'doveadm', '-c', "$d/dovecot.conf", '-o', "mail_location=$location", @arguments);
    write_file("$d/input", $input);
    my $pid = fork // die;
    if (!$pid) {
        chdir $d;
        open STDIN, '<', "$d/input";
        open STDERR, '>&', \*STDOUT;
        exec @command or exit 99;
    }
    waitpid $pid, 0;
    die "doveadm @arguments: " . slurp("$d/log") if $?;
}

# What IMAP says of a folder's messages, in order: "FLAGS|DATE|TEXT".
sub view {
    my ($folder) = @_;
    my $s = $t->session;
    my ($status) = $s->command("EXAMINE \"$folder\"");
    my @view;
    if ($status eq 'OK') {
        for ($s->ok('UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])')) {
            my ($uid) = /\bUID (\d+)/ or next;
            my ($flags) = /FLAGS \(([^)]*)\)/;
            my ($date) = /INTERNALDATE "([^"]*)"/;
            my ($text) = /BODY\[\] \{\d+\}\r\n(.*)\)$/s;
            push @view, { uid => $uid, flags => ImapTest::Session::sorted($flags), date => $date, text => $text =~ s/\r//gr };
        }
    }
    $s->logout;
    return @view;
}
sub shown { return join '', map { "$_->{flags}|$_->{date}|$_->{text}=\n" } @_; }

my $one = "From: a\@example.org\nSubject: one\nDate: Fri, 21 Nov 1997 09:55:06 -0600\n\nFrom x\n>From y\n\nFrom z Fri Nov 21 09:55:06 1997\n";
my $two = "From: b\@example.org\nSubject: two\n\ntext\n";

# ---- mbox

write_file("$d/rd", "From a\@example.org  Fri Nov 21 09:55:06 1997\nSubject: one\nStatus: RO\nX-Status: AF\nX-Keywords: \$Forwarded Work\n\n>From x\n>>From y\n\n"
    . "From b\@example.org  Sat Nov 22 09:55:06 1997\nSubject: two\nX-Status: DT\n\ntext\n\n");
is_deeply [ postern('import', 'alice@example.test', "$d/rd") ], [ 0, "INBOX imported 2 present 0 uids new\n" ], 'an mboxrd';
is shown(view('INBOX')), "\$Forwarded Work \\Answered \\Flagged \\Seen|21-Nov-1997 09:55:06 +0000|Subject: one\n\nFrom x\n>From y\n=\n"
    . "\\Deleted \\Draft|22-Nov-1997 09:55:06 +0000|Subject: two\n\ntext\n=\n", 'its messages, flags, keywords and dates';
is((postern('import', '--folder', 'Böxes.mboxo', '--format', 'mboxo', 'alice@example.test', "$d/rd"))[0], 0, 'as mboxo, into a new folder');
like((view('B&APY-xes.mboxo'))[0]{text}, qr/\n\nFrom x\n>>From y\n$/, 'it is read so');
{
    my $s = $t->session;
    ok scalar(grep { /B&APY-xes\.mboxo/ } $s->ok('LSUB "" "*"')), 'the folder is subscribed';
    $s->logout;
}

doveadm("mbox:$d/home/mail:INBOX=$d/home/inbox", $one, 'save', '-m', 'INBOX');
doveadm("mbox:$d/home/mail:INBOX=$d/home/inbox", $two, 'save', '-m', 'INBOX');
doveadm("mbox:$d/home/mail:INBOX=$d/home/inbox", '', 'flags', 'add', '\Flagged \Seen $Forwarded work', 'mailbox', 'INBOX', 'subject', 'one');
my ($status, $said) = postern('import', '--folder', 'FromDovecot', 'alice@example.test', "$d/home/inbox");
is "$status $said", "0 FromDovecot imported 2 present 0 uids new\n", "an mbox that Dovecot wrote";
my @view = view('FromDovecot');
is join('', map { "$_->{flags}|$_->{text}=\n" } @view), "\$Forwarded \\Flagged \\Seen work|$one=\n|$two=\n", 'its messages, flags and keywords';

{
    my $box = "$d/home/cat";
    my $command = "postern=$t->{bin}/postern; cat '$d/rd' | \$postern -c '$t->{conf}' import --folder Pipe alice\@example.test -";
    is `$command 2>&1`, "Pipe imported 2 present 0 uids new\n", 'from standard input';
}

# mutt copies two messages of a Maildir into an mbox, and flags one there
{
    my $home = "$d/home/mutt";
    mkdir $_ for $home, map { "$home/box$_" } '', qw(/cur /new /tmp);
    write_file("$home/box/cur/1505297645.1.host:2,S", $one);
    write_file("$home/box/cur/1505297646.2.host:2,", "From: b\@example.org\nSubject: two\nDate: Sat, 22 Nov 1997 09:55:06 +0000\n\n>From y\n");
    write_file("$home/rc", "set mbox_type=mbox confirmappend=no confirmcreate=no copy=no move=no delete=yes quit=yes\nset record='' folder=$home\nset header_cache='' sleep_time=0\n");
    $t->own;
    for ([ "$home/box", "<tag-pattern>~A<enter><tag-prefix><copy-message>$home/mbox<enter><quit>" ], [ "$home/mbox", '<search>two<enter><flag-message><sync-mailbox><quit>' ]) {
        my ($box, $keys) = @$_;
        my $command = join ' ', map { "'$_'" } ImapTest::as_owner('env', "HOME=$home", 'TERM=vt100', 'LC_ALL=C', 'timeout', '--foreground', '60', 'mutt', '-n', '-F', "$home/rc", '-f', $box, '-e', "push \"$keys\"");
        write_file("$d/keys", "$command\n");
        system("cd $d && script -qec 'sh $d/keys' /dev/null </dev/null >>'$t->{log}' 2>&1");
    }
    like slurp("$home/mbox"), qr/^From .*^X-Status: F$/ms, 'mutt wrote an mbox';
    ($status, $said) = postern('import', '--folder', 'FromMutt', 'alice@example.test', "$home/mbox");
    is "$status $said", "0 FromMutt imported 2 present 0 uids new\n", 'it is imported';
    is join('', map { "$_->{flags}|" . $_->{text} =~ s/^Lines: \d+\n//mr . "=\n" } view('FromMutt')),
        "\\Seen|$one=\n\\Flagged|From: b\@example.org\nSubject: two\nDate: Sat, 22 Nov 1997 09:55:06 +0000\n\n>From y\n=\n", 'its messages and flags';
}

# ---- a Maildir that Dovecot kept, with UIDs that have gaps

# Its UIDVALIDITY is a time, and so is ours, or a number behind it: it isn't to be ours by chance.
my ($ours) = our_view('INBOX') =~ /^(\d+)/;
ok ImapTest::eventually(60, sub { time > $ours }), 'our UIDVALIDITY is one of the past';

my $tree = "$d/home/Maildir";
my $maildir = "maildir:$tree";
doveadm($maildir, '', 'mailbox', 'create', '-s', $_) for 'Work', 'Work.2026', "Entw\xc3\xbcrfe";
doveadm($maildir, '', 'mailbox', 'create', 'Unsubscribed');
doveadm($maildir, "Subject: m$_\n\ntext $_\n", 'save', '-m', $_ % 2 ? 'INBOX' : 'Work.2026') for 1 .. 8;
doveadm($maildir, '', 'expunge', 'mailbox', 'INBOX', 'subject', 'm3');
doveadm($maildir, '', 'expunge', 'mailbox', 'Work.2026', 'subject', 'm8');
doveadm($maildir, '', 'flags', 'add', '\Flagged \Answered $Forwarded work', 'mailbox', 'INBOX', 'subject', 'm5');
doveadm($maildir, '', 'flags', 'add', '\Seen work', 'mailbox', 'Work.2026', 'subject', 'm2');
doveadm($maildir, $one, 'save', '-m', 'Unsubscribed');
utime(880106106, 880106106, glob "$tree/{new,cur}/*") == 3 or die;

# "UIDVALIDITY UIDNEXT" and "UID FLAGS SUBJECT" of each message, from Dovecot and from us
sub dovecot_view {
    my ($folder) = @_;
    my $run = sub { join ' ', ImapTest::as_owner('env', "HOME=$d/home", 'USER=nobody', 'doveadm', '-c', "$d/dovecot.conf", '-o', "mail_location=$maildir", @_) };
    my ($next, $validity) = `cd $d; @{[$run->('-f', 'tab', 'mailbox', 'status', q('uidvalidity uidnext'), $folder)]}` =~ /\t(\d+)\t(\d+)$/m;
    my @lines = map { my ($uid, $flags, $subject) = split /\t/; chomp $subject; "$uid " . ImapTest::Session::sorted($flags) . " $subject\n" }
        grep { /^\d/ } `cd $d; @{[$run->('-f', 'tab', 'fetch', q('uid flags hdr.subject'), 'mailbox', $folder, 'all')]}`;
    return join '', "$validity $next\n", sort @lines;
}
sub our_view {
    my ($folder, $user) = @_;
    my $s = $t->session($user ? (user => $user) : ());
    my @answer = $s->ok("EXAMINE \"$folder\"");
    my ($validity) = "@answer" =~ /UIDVALIDITY (\d+)/;
    my ($next) = "@answer" =~ /UIDNEXT (\d+)/;
    my @lines;
    for ($s->ok('UID FETCH 1:* (UID FLAGS BODY.PEEK[])')) {
        my ($uid) = /\bUID (\d+)/ or next;
        my ($flags) = /FLAGS \(([^)]*)\)/;
        my ($subject) = /\nSubject: (\S+)/;
        push @lines, "$uid " . ImapTest::Session::sorted($flags) . " $subject\n";
    }
    $s->logout;
    return join '', "$validity $next\n", sort @lines;
}
sub subscriptions {
    my ($user) = @_;
    my $s = $t->session(user => $user);
    my @names = sort map { /^\* LSUB \((?![^)]*\\No)[^)]*\) "\." (.*)/ ? $1 =~ s/"//gr : () } $s->ok('LSUB "" "*"');
    $s->logout;
    return "@names";
}
sub add_user {
    my ($name) = @_;
    $t->run("echo $name-secret | '$t->{bin}/postern' -c '$t->{conf}' user add $name\@example.test") or die $t->logged;
}

my @folders = ('INBOX', 'Work', 'Work.2026', 'Unsubscribed', 'Entw&APw-rfe');
my %theirs = map { my $n = $_ eq 'Entw&APw-rfe' ? "Entw\xc3\xbcrfe" : $_; $_ => dovecot_view($n) } @folders;
like $theirs{'Work.2026'}, qr/^\d+ 5\n1 \\Seen work m2\n/, 'Dovecot has what it was told';
add_user('bob');
($status, $said) = postern('import', 'bob@example.test', $tree);
is "$status $said", "0 INBOX imported 3 present 0 uids kept\nEntwürfe imported 0 present 0 uids kept\nUnsubscribed imported 1 present 0 uids kept\n"
    . "Work imported 0 present 0 uids kept\nWork.2026 imported 3 present 0 uids kept\n", 'a Maildir of Dovecot';
is our_view($_, 'bob'), $theirs{$_}, "$_: UIDVALIDITY, UIDs, flags and keywords" for @folders;
is subscriptions('bob'), 'Archive Drafts Entw&APw-rfe Junk Sent Trash Work Work.2026', 'subscriptions, beside those of every account';
{
    my $s = $t->session(user => 'bob');
    $s->ok('EXAMINE INBOX');
    my ($dates) = join '|', map { /INTERNALDATE "([^"]*)"/ ? $1 : () } $s->ok('FETCH 1:* INTERNALDATE');
    is $dates, join('|', ('21-Nov-1997 09:55:06 +0000') x 3), 'dates';
    $s->logout;
}
($status, $said) = postern('import', 'bob@example.test', $tree);
like "$status $said", qr/^0 INBOX imported 0 present 3 uids kept\n.*Work\.2026 imported 0 present 3 uids kept\n$/s, 'again: nothing comes twice';
doveadm($maildir, "Subject: late\n\n", 'save', '-m', 'Work.2026');
$theirs{'Work.2026'} = dovecot_view('Work.2026');
is((postern('import', 'bob@example.test', $tree))[0], 0, 'again, when another message came');
is our_view('Work.2026', 'bob'), $theirs{'Work.2026'}, 'it comes with its UID';
is((postern('import', '--folder', 'Old', 'alice@example.test', $tree))[0], 0, 'below a folder of a name');
is our_view($_->[0], 'alice'), $theirs{$_->[1]}, "$_->[0]" for [ 'Old', 'INBOX' ], [ 'Old.Work.2026', 'Work.2026' ];
($status, $said) = postern('import', 'alice@example.test', $tree);
like "$status $said", qr/^0 INBOX imported 3 present 0 uids new\n/, 'into a folder in use: new UIDs';
like our_view('INBOX'), qr/\n1 .*one\n2 .*two\n3 .*m1\n/s, 'behind those that are there';

# ---- Courier's

my $courier = "$d/home/courier";
mkdir $_ for $courier, map { ("$courier/$_", "$courier/.Sent.2020/$_") } '', qw(cur new tmp courierimapkeywords);
mkdir "$courier/.Sent.2020/$_" for qw(cur new tmp);
my $base = '1505297645.M902486P6469V000000000000FC00I0000000000043284_';
for (0 .. 3) {
    my $text = "Subject: c$_\n\n";
    write_file("$courier/" . ($_ < 3 ? 'cur' : 'new') . "/$base$_.ubuntu,S=13" . ('', ':2,', ':2,FS', '')[$_], $text);
}
write_file("$courier/courierimapuiddb", "1 1505297600 9\n" . join('', map { (7, 3, 5)[$_] . " $base$_.ubuntu,S=13\n" } 0 .. 2));
write_file("$courier/courierimapkeywords/:list", "\$Forwarded\nJunk\n\n${base}0.ubuntu,S=13:0 1\n${base}1.ubuntu,S=13:1\n${base}2.ubuntu,S=13:0\n");
write_file("$courier/courierimapkeywords/.5017661.${base}1.ubuntu,S=13", "older\n");
write_file("$courier/courierimapkeywords/.5017662.${base}1.ubuntu,S=13", "newer\n\$Forwarded\n");
write_file("$courier/courierimapkeywords/${base}2.ubuntu,S=13", '');
write_file("$courier/.Sent.2020/cur/${base}9.ubuntu,S=13:2,S", "Subject: s\n\n");
write_file("$courier/.Sent.2020/courierimapuiddb", "1 1505297700 30\n29 ${base}9.ubuntu,S=13\n");
write_file("$courier/courierimapsubscribed", "INBOX\nINBOX.Sent.2020\nINBOX.Gone\n");
$t->own;
add_user('carol');
is_deeply [ postern('import', 'carol@example.test', $courier) ],
    [ 0, "INBOX imported 4 present 0 uids kept\nSent.2020 imported 1 present 0 uids kept\n" ], "a tree of Courier";
is our_view('INBOX', 'carol'), "1505297600 10\n3 \$Forwarded newer c1\n5 \\Flagged \\Seen c2\n7 \$Forwarded Junk c0\n9  c3\n",
    'UIDVALIDITY, UIDs, flags and keywords';
is our_view('Sent.2020', 'carol'), "1505297700 30\n29 \\Seen s\n", 'of a folder';
is subscriptions('carol'), 'Archive Drafts Gone INBOX Junk Sent Sent.2020 Trash', 'subscriptions';

# ---- a tree whose owner is not to be trusted

write_file("$d/secret", "Subject: secret\n\n");
my $evil = "$d/home/evil";
mkdir $_ for $evil, map { "$evil/$_" } qw(cur new tmp .a);
symlink "$d/secret", "$evil/cur/1.link:2," or die;
symlink $tree, "$evil/.b" or die;
symlink "$tree/cur", "$evil/.a/cur" or die;
write_file("$evil/cur/2.\e[31mred:2,", "Subject: red\n\n");
mkdir "$evil/.\e[31m" and mkdir "$evil/.\e[31m/cur";
POSIX::mkfifo("$evil/new/3.fifo", 0600);
$t->own;
add_user('dave');
($status, $said) = postern('import', 'dave@example.test', $evil);
is $status, 65, 'a folder that can have no name here';
unlike $said, qr/\e/, 'is told without its control characters';
like $said, qr/^INBOX imported 1 present 0 uids new$/m, 'links and FIFOs are passed over';
like our_view('INBOX', 'dave'), qr/^\d+ 2\n1  red\n$/, 'what is left comes';
SKIP: {
    skip 'as root only', 3 if $> != 0;
    chmod 0700, $evil;
    system("chown -R daemon '$evil'");
    write_file("$evil/cur/4.other:2,", "Subject: other\n\n");
    ($status, $said) = postern('import', '--folder', 'R', 'dave@example.test', $evil);
    ok $status == 74 && $said =~ /4\.other:2,: Operation not permitted/, "as root: a file in somebody's tree that isn't theirs" or diag $said;
    unlink "$evil/cur/4.other:2,";
    ($status, $said) = postern('import', '--folder', 'R', 'dave@example.test', $evil);
    like $said, qr/^R imported 1 present 0 /, "as root: a tree that only they can read";
    is join(' ', sort map { (stat $_)[4] } glob "$t->{server}/mail/example.test/dave/.R/*/*"), (getpwnam 'nobody')[2], "what comes is the mail owner's";
}

# ---- export, and round trips

add_user($_) for qw(eve frank grace);
{
    my $s = $t->session(user => 'eve');
    $s->ok('CREATE "Round.&AMQ-"');
    $s->ok('SUBSCRIBE "Round.&AMQ-"');
    $s->ok('UNSUBSCRIBE Trash');
    for my $folder ('INBOX', 'Round.&AMQ-') {
        $s->ok("APPEND \"$folder\" (\\Seen \$Forwarded Gr-n) \"21-Nov-1997 09:55:06 +0000\" {}", $one =~ s/\n/\r\n/gr);
        $s->ok("APPEND \"$folder\" (\\Deleted) {}", "Subject: gone\r\n\r\n");
        $s->ok("APPEND \"$folder\" (\\Draft \\Answered \\Flagged \\Deleted other) \"22-Nov-1997 09:55:06 +0000\" {}", "Subject: three\r\nStatus: RO\r\n\r\n>From x\r\n\r\n\r\nend");
        $s->ok("APPEND \"$folder\" () \"23-Nov-1997 09:55:06 +0000\" {}", "Return-Path: <x\@example.org>\r\nSubject: four\r\n\r\nFrom b\@example.org  Sat Nov 22 09:55:06 1997\r\nSubject: five\r\n\r\n");
        $s->select($folder);
        $s->ok('UID EXPUNGE 2');
    }
    $s->logout;
}
sub whole { # of a folder: numbers, then UID, flags, date and text of each message
    my ($user, $folder) = @_;
    my $s = $t->session(user => $user);
    my ($numbers) = join ' ', map { /^\* STATUS \S+ (.*)/ ? $1 : () } $s->ok("STATUS \"$folder\" (UIDVALIDITY UIDNEXT)");
    $s->ok("EXAMINE \"$folder\"");
    my @messages = map { /\bUID (\d+)/ ? s/^\* \d+ FETCH //r : () } $s->ok('UID FETCH 1:* (UID INTERNALDATE BODY.PEEK[])');
    my @flags = map { /UID (\d+)/ ? "$1 " . ImapTest::Session::sorted(/FLAGS \(([^)]*)\)/) : () } $s->ok('UID FETCH 1:* (UID FLAGS)');
    $s->logout;
    return join "\n", $numbers, @flags, @messages;
}
sub made { my $dir = "$t->{dir}/made"; mkdir $dir; chmod 0777, $dir; return "$dir/$_[0]"; }
($status, $said) = postern('export', 'eve@example.test', made('tree'));
is "$status $said", "0 INBOX exported 3\nArchive exported 0\nDrafts exported 0\nJunk exported 0\nRound.Ä exported 3\nSent exported 0\nTrash exported 0\n", 'export of a Maildir';
$tree = made('tree');
$maildir = "maildir:$tree";
my $theirs = whole('eve', 'INBOX');
is((postern('import', 'frank@example.test', $tree))[0], 0, 'imported again');
is whole('frank', $_), whole('eve', $_), "$_: the same messages, UIDs, flags, keywords and dates" for 'INBOX', 'Round.&AMQ-';
is subscriptions('frank'), 'Archive Drafts Junk Round.&AMQ- Sent Trash', 'and subscriptions, beside those that were there';
is dovecot_view('INBOX'), our_view('INBOX', 'eve'), 'Dovecot finds the same in it';
is whole('eve', 'INBOX'), $theirs, 'and nothing changed where it came from';
($status, $said) = postern('export', '--folder', 'Round.Ä', 'eve@example.test', made('one'));
is "$status $said", "0 Round.Ä exported 3\n", 'one folder alone';
is +(postern('import', '--folder', 'Alone', 'frank@example.test', made('one')))[0], 0, 'imported again';
is whole('frank', 'Alone'), whole('eve', 'Round.&AMQ-'), 'it is the same';
ok !glob(made('one') . '/.[A-Z]*'), 'and no other';

($status, $said) = postern('export', '--mbox', 'eve@example.test', made('box'));
is "$status $said", "0 INBOX exported 3\n", 'export of an mbox';
is +(postern('import', 'grace@example.test', made('box')))[0], 0, 'imported again';
# a field of the file's own is gone, and the last line is ended
is whole('grace', 'INBOX') =~ s/^.*?\n//r =~ s/^(?:2|3)(?= )/X/gmr =~ s/UID [23]/UID X/gr,
    whole('eve', 'INBOX') =~ s/^.*?\n//r =~ s/^(?:3|4)(?= )/X/gmr =~ s/UID [34]/UID X/gr =~ s/Status: RO\r\n//r =~ s/\nend\)/\nend\r\n)/r =~ s/\{(\d+)\}(?=\r\nSubject: three)/'{' . ($1 - 10) . '}'/er,
    'the same messages, flags, keywords and dates';
is `$t->{bin}/postern -c $t->{conf} export --mbox eve\@example.test -`, slurp(made('box')), 'to standard output: the same, and nothing else';
doveadm("mbox:$d/home/mail2:INBOX=$d/home/inbox2", '', 'mailbox', 'status', 'messages', 'INBOX');
system "cp '" . made('box') . "' '$d/home/inbox2'";
$t->own;
{
    my @command = ImapTest::as_owner('env', "HOME=$d/home", 'USER=nobody', 'doveadm', '-c', "$d/dovecot.conf", '-o', "mail_location=mbox:$d/home/mail2:INBOX=$d/home/inbox2");
    my $found = `cd $d; @command -f tab fetch 'flags hdr.subject' mailbox INBOX all`;
    is join('', map { ImapTest::Session::sorted($_->[0]) . " $_->[1]\n" } map { chomp; [ split /\t/ ] } grep { !/^flags/ } split /^/, $found),
        "\\Seen one\n\\Answered \\Deleted \\Draft \\Flagged three\n four\n", 'Dovecot reads it, but for keywords that it never wrote into the file';
}

for ([ 73, 'File exists', made('box'), '--mbox' ], [ 73, 'File exists', made('tree') ], [ 64, 'needs a directory', '-' ], [ 73, 'No such file', made('none/none') ]) {
    my ($want, $text, $target, @options) = @$_;
    my ($got, $out) = postern('export', @options, 'eve@example.test', $target);
    ok $got == $want && $out =~ /$text/, "export to $target: $text" or diag "$got $out";
}
is((postern('export', '--mbox', 'nobody@example.test', made('none')))[0], 67, 'no account');
ok !-e made('none'), 'and nothing was made';

# ---- on a terminal it says how far it is, and only there; a folder's name is made harmless
{
    add_user('heidi');
    my $many = join '', map { "From a\@example.org  Fri Nov 21 09:55:06 1997\nSubject: m$_\n\n" . "text\n" x 200 . "\n" } 1 .. 2000;
    write_file("$d/many", $many);
    my $shown = `TERM=xterm script -qec '$t->{bin}/postern -c $t->{conf} import --folder Many heidi\@example.test $d/many' /dev/null </dev/null`;
    like $shown, qr/\r\e\[KMany: \d+ messages, \d+%.*\r\e\[KMany imported 2000 /s, 'progress on a terminal';
    my $quiet = `'$t->{bin}/postern' -c '$t->{conf}' import --folder Many2 heidi\@example.test '$d/many' 2>&1`;
    is $quiet, "Many2 imported 2000 present 0 uids new\n", 'and nowhere else';
}

# ---- what is refused

for ([ 65, 'is no mbox', "$d/dovecot.conf" ], [ 66, 'No such file', "$d/none" ], [ 65, 'is no mbox', '/dev/null', 'none' ]) {
    my ($want, $text, $source, $fine) = @$_;
    my ($got, $out) = postern('import', '--folder', 'Refused', 'alice@example.test', $source);
    $fine ? is $got, 0, "$source: nothing is no error" : ok $got == $want && $out =~ /$text/, "$source: $text" || diag "$got $out";
}
is((postern('import', 'nobody@example.test', "$d/rd"))[0], 67, 'no account');
is((postern('import', '--format', 'mbox', 'alice@example.test', "$d/rd"))[0], 64, 'no format');
is((postern('import', '--folder', 'a..b', 'alice@example.test', "$d/rd"))[0], 65, 'no folder');
is((postern('import', '--frob', 'x', 'alice@example.test', "$d/rd"))[0], 64, 'no option');

done_testing;
