#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern import of a mailbox that Courier's own imapd made and kept, by IMAP commands: messages, flags, keywords, dates, gaps in the UIDs,
# folders within folders, names beyond ASCII, subscriptions. What Courier says of each message Postern says afterwards, UIDs included; what
# comes later comes with its UID too. (Courier's package conflicts with others: it is unpacked, not installed, and needs no daemon.)
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use IPC::Open2;
use Test::More;

my $packages = '/var/cache/postern-tests/courier-imap';
plan skip_all => "$packages is made as root, by make deps" if $> != 0 && !glob "$packages/courier-imap_*.deb";

my $t = ImapTest->new;
my $d = "$t->{dir}/courier";
mkdir $_ for $d, "$d/tree", "$d/home";
system('dpkg-deb', '-x', $_, "$d/tree") == 0 or die for glob "$packages/*.deb";
$t->own;
my $maildir = "$d/home/Maildir";
my ($libraries) = map { s{/[^/]*$}{}r } glob "$d/tree/usr/lib/libcourierauth.so.0 $d/tree/usr/lib/*/courier-authlib/libcourierauth.so.0";
# Nobody watches files here: without this each session waits for the daemon that isn't there.
open my $stub, '|-', "gcc -xc -shared -fPIC -o $d/libfam.so.0 -" or die;
print $stub map { "int FAM$_(void) { return -1; }\n" } qw(CancelMonitor Close MonitorDirectory MonitorFile NextEvent Open Pending);
close $stub or die;
my @multiarch = glob "$d/tree/usr/lib/*-linux-gnu";
my @env = ('env', "LD_LIBRARY_PATH=" . join(':', $d, grep { defined } $libraries, @multiarch), 'LC_ALL=C', "HOME=$d/home", 'IMAP_CAPABILITY=IMAP4rev1 UIDPLUS', 'IMAP_KEYWORDS=1');

sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return scalar <$f>; }
system(ImapTest::as_owner(@env, "$d/tree/usr/bin/maildirmake.courier", $maildir)) == 0 or die 'maildirmake.courier';

# One session with Courier, that is logged in from the start: the untagged lines of each command. "{}" in it is a literal.
sub courier {
    my @commands = @_;
    my $pid = fork_courier(my $out, my $in);
    my (@answers, $n);
    my $line = sub { my $l = <$out> // die "Courier hung up\n" . slurp("$d/log"); $l =~ s/\r?\n$//; return $l };
    1 until $line->() =~ /^\* PREAUTH/;
    for (@commands) {
        my ($text, $literal) = ref $_ ? @$_ : $_;
        my $tag = 'c' . ++$n;
        my @untagged;
        $text =~ s/\{\}/'{' . length($literal) . '}'/e if defined $literal;
        print $in "$tag $text\r\n";
        if (defined $literal) {
            my $l = $line->();
            $l = $line->() while $l =~ /^\* /;
            $l =~ /^\+/ or die "$text: $l\n";
            print $in "$literal\r\n";
        }
        while (1) {
            my $l = $line->();
            last if $l =~ /^$tag OK/;
            die "$text: $l\n" if $l =~ /^$tag /;
            push @untagged, $l;
        }
        push @answers, \@untagged;
    }
    print $in "bye LOGOUT\r\n";
    close $in;
    while (defined(my $rest = <$out>)) { }
    waitpid $pid, 0;
    return @answers;
}
sub fork_courier {
    open my $log, '>>', "$d/log" or die;
    open my $saved, '>&', \*STDERR or die;
    open STDERR, '>&', $log or die;
    my $pid = open2($_[0], $_[1], ImapTest::as_owner(@env, "$d/tree/usr/bin/imapd", $maildir));
    open STDERR, '>&', $saved or die;
    binmode $_ for @_;
    return $pid;
}

# "UIDVALIDITY UIDNEXT" and a line "UID FLAGS|DATE|SUBJECT" for each message; of lines that FETCH answered.
sub view {
    my ($validity, @lines) = @_;
    my @messages;
    for (@lines) {
        my ($uid) = /\bUID (\d+)/ or next;
        my ($flags) = /FLAGS \(([^)]*)\)/;
        my ($date) = /INTERNALDATE "([^"]*)"/;
        push @messages, [ $uid, ImapTest::Session::sorted($flags), $date ];
    }
    return join '', "$validity\n", map { "@$_\n" } @messages;
}
my $fetch = 'UID FETCH 1:* (UID FLAGS INTERNALDATE)';
sub theirs {
    my ($folder) = @_;
    my ($selected, $fetched) = courier("EXAMINE \"$folder\"", $fetch);
    my ($validity) = join("\n", @$selected) =~ /UIDVALIDITY (\d+)/;
    return view($validity, @$fetched);
}
sub ours {
    my ($folder, $user) = @_;
    my $s = $t->session(user => $user);
    my ($validity) = join("\n", $s->ok("EXAMINE \"$folder\"")) =~ /UIDVALIDITY (\d+)/;
    my $view = view($validity, $s->ok($fetch));
    $s->logout;
    return $view;
}
sub subjects {
    my ($folder, $user) = @_;
    my $s = $t->session(user => $user);
    $s->ok("EXAMINE \"$folder\"");
    my @subjects = map { /Subject: (\S+)/ ? $1 : () } $s->ok('UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])');
    $s->logout;
    return "@subjects";
}
sub import { # ADDRESS: (status, what it said)
    my ($address) = @_;
    my $said = `$t->{bin}/postern -c $t->{conf} import $address $maildir 2>&1`;
    return ($? >> 8, $said);
}
sub message { my ($subject) = @_; return "From: a\@example.org\r\nSubject: $subject\r\n\r\nof Courier\r\n"; }
sub append { my ($folder, $flags, $date, $subject) = @_; return [ "APPEND \"$folder\" ($flags) \"$date\" {}", message($subject) ]; }

# --- a mailbox, by Courier
my $umlaut = 'INBOX.Entw&APw-rfe';
courier((map { append('INBOX', $_->[0], $_->[1], $_->[2]) } [ '', '21-Nov-1997 09:55:06 +0000', 'one' ], [ '\Seen \Flagged', '22-Nov-1997 10:00:00 +0000', 'two' ],
         [ '\Answered', '23-Nov-1997 10:00:00 +0000', 'three' ], [ '\Deleted', ' 4-Jan-2020 00:00:00 +0000', 'gone' ], [ '\Draft', '24-Nov-1997 10:00:00 +0000', 'four' ]),
        'SELECT INBOX', 'EXPUNGE', 'UID STORE 2 +FLAGS ($Forwarded Work)', 'UID STORE 3 +FLAGS (Work)', 'UID STORE 3 -FLAGS (\Answered)',
        'CREATE INBOX.Work', 'CREATE INBOX.Work.Deep', "CREATE \"$umlaut\"", 'UID COPY 2:3 INBOX.Work.Deep', append($umlaut, '\Seen', '25-Nov-1997 10:00:00 +0000', 'draft'),
        append('INBOX.Work', '', '26-Nov-1997 10:00:00 +0000', 'w1'), append('INBOX.Work', '\Deleted', '26-Nov-1997 10:00:00 +0000', 'w2'),
        'SELECT INBOX.Work', 'EXPUNGE', 'RENAME INBOX.Work.Deep INBOX.Work.Renamed', 'SUBSCRIBE INBOX.Work', "SUBSCRIBE \"$umlaut\"", 'SUBSCRIBE INBOX.Work.Renamed');
my %folders = ('INBOX' => 'INBOX', 'INBOX.Work' => 'Work', 'INBOX.Work.Renamed' => 'Work.Renamed', $umlaut => 'Entw&APw-rfe');
ok -s "$maildir/courierimapuiddb" && -d "$maildir/courierimapkeywords", 'it is Courier\'s';
my %theirs = map { $_ => theirs($_) } keys %folders;
like $theirs{INBOX}, qr/\n2 \$Forwarded Work \\Flagged \\Seen 22-Nov-1997 .*\n3 Work .*\n5 \\Draft 24-Nov-1997 [^\n]*\n$/s, 'with flags, keywords and a gap in the UIDs';

# --- and by Postern
sub add_user { my ($user) = @_; system("echo $user-secret | $t->{bin}/postern -c $t->{conf} user add $user\@example.test >/dev/null 2>&1") == 0 or die; }
add_user('erin');
my ($status, $said) = import('erin@example.test');
ok $status == 0 && $said =~ /^INBOX imported 4 present 0 uids kept$/m, 'imported, with its UIDs' or diag "$status: $said";
is ours($folders{$_}, 'erin'), $theirs{$_}, "$folders{$_}: UIDVALIDITY, UIDs, flags, keywords and dates" for sort keys %folders;
is subjects('INBOX', 'erin'), 'one two three four', 'in the right messages';
my $s = $t->session(user => 'erin');
my $subscribed = join ' ', sort map { m{"\." "?([^"]*)"?$} ? $1 : () } $s->ok('LSUB "" "*"');
$s->logout;
like $subscribed, qr/\bEntw&APw-rfe\b.*\bWork Work\.Renamed\b/, 'subscriptions' or diag $subscribed;

# --- while it is still in use
courier(append('INBOX', '\Seen', '27-Nov-1997 10:00:00 +0000', 'late'), append('INBOX.Work', '', '27-Nov-1997 10:00:00 +0000', 'later'));
%theirs = map { $_ => theirs($_) } keys %folders;
($status, $said) = import('erin@example.test');
ok $status == 0 && $said =~ /^INBOX imported 1 present 4 uids kept$/m, 'again, when more has come' or diag "$status: $said";
is ours($folders{$_}, 'erin'), $theirs{$_}, "$folders{$_} is as it is there" for sort keys %folders;
done_testing;
