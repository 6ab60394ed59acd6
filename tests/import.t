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
