#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern backup and restore: what is in a backup, that what didn't change is neither read nor kept twice, and that what comes
# back is what mail programs knew: UIDs, flags, keywords, MAILBOXID, and nothing that they saw since is given again.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Digest::SHA;
use Fcntl;
use Test::More;

my $t = ImapTest->new;
my $d = "$t->{dir}/backups";
my $other = "$t->{dir}/other";
mkdir $other;
$t->own;

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f; $t->own; }
sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return scalar <$f>; }

# (status, what it said), with the settings of this server, or of that in $other.
my $conf = $t->{conf};
my @env;
sub postern {
    my (@arguments) = @_;
    my $out = "$t->{dir}/out";
    my $pid = fork // die;
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $out;
        open STDERR, '>&', \*STDOUT;
        exec @env, "$t->{bin}/postern", '-c', $conf, @arguments or exit 99;
    }
    waitpid $pid, 0;
    return ($? >> 8, slurp($out));
}
sub backup {
    my ($status, $said) = postern('backup', @_, $d);
    die "backup: $status $said" if $status;
    my ($name) = $said =~ /^(\S+Z) messages/ or die $said;
    return wantarray ? ("$d/$name", $said) : "$d/$name";
}

# "UID FLAGS SUBJECT EMAILID" of a folder, in order, and what SELECT says of it.
sub view {
    my ($folder) = @_;
    my $s = $t->session;
    my @said = $s->ok("SELECT \"$folder\" (CONDSTORE)");
    my %numbers;
    for (@said) {
        $numbers{$1} = $2 if /\[(UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ|MAILBOXID) \(?([^\])]+)/;
    }
    my @view;
    for ($s->ok("UID FETCH 1:* (UID FLAGS EMAILID INTERNALDATE BODY.PEEK[])")) {
        my ($uid) = /\bUID (\d+)/ or next;
        my ($flags) = /FLAGS \(([^)]*)\)/;
        my ($date) = /INTERNALDATE "([^"]*)"/;
        my ($subject) = /Subject: (\S+)/;
        my ($id) = /EMAILID \(([^)]*)\)/;
        push @view, join ' ', $uid, ImapTest::Session::sorted($flags), $date, $subject, $id;
    }
    $s->logout;
    return (join("\n", @view), \%numbers);
}
sub use_other { ($conf, $t->{conf}, $t->{mail}) = ("$other/postern.conf", "$other/postern.conf", "$other/mail/example.test/alice"); }
my @first = ($conf, $t->{conf}, $t->{mail});
sub use_first { ($conf, $t->{conf}, $t->{mail}) = @first; }

sub message { my ($subject) = @_; return "From: a\@example.org\nSubject: $subject\n\ntext of $subject\n"; }

# --- something to be kept
my $s = $t->session;
$t->deliver('', message("in$_")) for 1 .. 5;
$s->ok('SELECT INBOX');
$s->ok('STORE 1 +FLAGS (\Seen $Work)');
$s->ok('STORE 2 +FLAGS (\Flagged)');
$s->ok('CREATE "Work.B&APw-ro"');
$s->ok('SUBSCRIBE "Work.B&APw-ro"');
$s->ok('COPY 3 "Work.B&APw-ro"');
$s->ok('STORE 3 +FLAGS (\Deleted)');
$s->ok('EXPUNGE');
$s->ok('CLOSE');
$t->deliver('', message('new1'));
write_file("$t->{mail}/.dovecot.sieve", "keep;\n");
write_file("$t->{server}/extra", "an include\n");
my $queued = '063f5a3b2c1d00-0123456789abcdef';
my $text = "Subject: x\r\n\r\nx\r\n";
write_file("$t->{dir}/server/spool/queue/$queued", "postern-queue 1\ntime 1763752345\nsize " . length($text) .
    "\nbody 7bit\nfrom a\@example.test\nT b\@elsewhere.test\nD c\@elsewhere.test\n\n$text");
my ($inbox, $numbers) = view('INBOX');
my ($work) = view('Work.B&APw-ro');
my $first = backup();
is scalar(grep { -l || -p || -S } glob "$first/*"), 0, 'a backup holds files';
is slurp("$first/settings/$_"), slurp("$t->{server}/$_"), "$_ is in it" for qw(postern.conf accounts secrets key.pem cert.pem srs.key extra);
ok !-e "$first/settings/accounts.gdbm", 'a compiled table is not';
is_deeply [ map { s/.*\///r } glob "$first/settings/dkim/example.test/*.pem" ], [ map { s/.*\///r } glob "$t->{server}/dkim/example.test/*.pem" ], 'DKIM keys are';
is slurp("$first/mail/example.test/alice/.dovecot.sieve"), "keep;\n", "and what lies beside an account's messages";
ok !-e "$first/mail/example.test/alice/postern-index", 'but not the index';
is((stat $first)[2] & 0777, 0700, 'nobody else can look into it');
my @names = map { s/.*\///r } glob "$first/mail/example.test/alice/{new,cur}/*";
is_deeply [ sort @names ], [ sort map { s/.*\///r } $t->files('INBOX') ], 'messages have the names that they had';
my $sums = `cd '$first' && awk '\$1 == "file" { print \$2 "  " \$5 }' manifest | sha256sum -c --quiet 2>&1`;
is $sums, '', 'its list is one that sha256sum reads';

# --- incremental
$s = $t->session;
$s->ok('SELECT INBOX');
$s->ok('STORE 1 -FLAGS (\Seen)');
$s->ok('MOVE 2 Archive');
$s->ok('CLOSE');
$t->deliver('', message('new2'));
my $trace = "$t->{dir}/trace";
@env = ('strace', '-E', 'ASAN_OPTIONS=detect_leaks=0', '-f', '-o', $trace, '-e', 'trace=openat,openat2,linkat');
my ($second, $said) = backup();
@env = ();
like $said, qr/ messages 7 bytes \d+ new 1 /, 'the second backup reads what is new';
my $opened = () = slurp($trace) =~ m{^\d+ +openat2?\([^\n]*"[^"\n]*\.agent[^"\n]*", (?:\{flags=)?O_RDONLY}gm;
is $opened, 1, 'and opens no other message';
my $third = backup();
my @linked = grep { (stat)[3] == 3 } split /\n/, `find '$third/mail' -name '*.agent*' -o -path '*/cur/*'`;
is scalar(@linked), 6, 'what three backups hold is one file: renamed, moved and copied ones too';
my ($status, $list) = postern('backup', 'list', $d);
is scalar(() = $list =~ /^\S+Z messages \d+ bytes \d+$/mg), 3, 'backup list tells all';
my $fourth = backup('--keep', 2);
is_deeply [ glob "$d/*" ], [ $third, $fourth ], '--keep 2 keeps two';
is_deeply [ map { s/.*\///r } glob "$d/.[a-z]*" ], [], 'and nothing else is left';
($status, $said) = postern('backup', 'verify', $d);
is $status, 0, 'verify finds it whole';
like $said, qr/^alice\@example\.test Work\.B\xc3\xbcro messages 1 bytes \d+ present 0 damaged 0 missing 0$/m, 'and tells of each folder';

# --- the whole server on an empty one
$s = $t->session;
$s->ok('SELECT INBOX');
$t->deliver('', message('later'));
$s->ok('NOOP');
my ($seen) = map { /UIDNEXT (\d+)/ } $s->ok('STATUS Archive (UIDNEXT)');
$s->ok('LOGOUT') if 0;
($inbox, $numbers) = view('INBOX');
my $later = (split /\n/, $inbox)[-1];
my ($archive) = view('Archive');
($work) = view('Work.B&APw-ro');
use_other();
($status, $said) = postern('restore', $d);
is $status, 0, 'a whole server is restored' or diag $said;
like $said, qr/^total messages 7 bytes \d+ present 0 damaged 0 missing 0$/m, 'with all that was in it';
like slurp("$other/spool/queue/$queued"), qr/^H b\@elsewhere\.test\nD c\@elsewhere\.test\n\n\Q$text\E\z/m, 'a queued message is held, for whom it was not sent to';
my ($inbox2, $numbers2) = view('INBOX');
my @before = grep { $_ ne $later } split /\n/, $inbox;
my @after = split /\n/, $inbox2;
is_deeply [ @after[0 .. 2] ], [ @before[0 .. 2] ], 'UIDs, flags, keywords, dates and EMAILIDs are what they were';
is $numbers2->{$_}, $numbers->{$_}, "so is $_" for qw(UIDVALIDITY MAILBOXID);
cmp_ok $numbers2->{UIDNEXT}, '>', $numbers->{UIDNEXT}, 'no UID that a client may have seen is given again';
cmp_ok $numbers2->{HIGHESTMODSEQ}, '>', $numbers->{HIGHESTMODSEQ}, 'and mod-sequences are higher than any';
is((view('Archive'))[0], $archive, 'a moved message is where it was');
is((view('Work.B&APw-ro'))[0], $work, 'and a copied one');
$s = $t->session;
like join("\n", $s->ok('LSUB "" *')), qr/Work\.B&APw-ro/, 'and subscriptions';
$s->ok('ENABLE QRESYNC');
my @told = $s->ok("SELECT INBOX (QRESYNC ($numbers->{UIDVALIDITY} $numbers->{HIGHESTMODSEQ}))");
my ($later_uid) = $later =~ /^(\d+)/;
my %vanished = map { $_ => 1 } map { /VANISHED \(EARLIER\) (\S+)/ ? map { /(\d+):(\d+)/ ? $1 .. ($2 > 100 ? 100 : $2) : $_ } split /,/, $1 : () } @told;
ok $vanished{$later_uid}, 'a client that saw more is told what is gone';
is slurp("$other/mail/example.test/alice/.dovecot.sieve"), "keep;\n", 'other files are back';
is((stat "$other/postern.conf")[2] & 0777, (stat "$t->{server}/postern.conf")[2] & 0777, 'with their modes');
($status, $said) = postern('restore', $d);
is $status, 0, 'run again it does nothing';
like $said, qr/^total messages 0 bytes 0 present 7 damaged 0 missing 0$/m, 'as all is there';
is((view('INBOX'))[0], $inbox2, 'and changes nothing');
write_file("$other/accounts", "alice\@example.test\nbob\@example.test\n");
($status, $said) = postern('restore', $d);
is $status, 73, 'where settings are others, nothing is done';
like $said, qr/accounts.*--replace/, 'and it says why';
($status) = postern('restore', '--replace', $d);
is $status, 0, '--replace puts them back';
is slurp("$other/accounts"), slurp("$t->{server}/accounts"), 'as they were';
use_first();

# --- an account, a folder
$s = $t->session;
$s->ok('SELECT INBOX');
my ($uid) = map { /SEARCH (\d+)/ } $s->ok('SEARCH SUBJECT in4');
$s->ok("STORE $uid +FLAGS (\\Deleted)");
$s->ok('EXPUNGE');
($uid) = map { /SEARCH (\d+)/ } $s->ok('SEARCH SUBJECT in5');
$s->ok("MOVE $uid Trash");
$s->ok('DELETE "Work.B&APw-ro"');
my ($next) = map { /UIDNEXT (\d+)/ } $s->ok('STATUS INBOX (UIDNEXT)');
($status, $said) = postern('restore', $d, 'alice');
is $status, 0, 'an account that is in use is restored' or diag $said;
like $said, qr/^alice\@example\.test INBOX messages 1 bytes \d+ present [34] /m, 'what was expunged comes back, and what was moved does not';
$s->ok('NOOP');
my @back = $s->ok("UID FETCH $next:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
like join('', @back), qr/Subject: in4/, 'under a UID that is new, in a session that goes on';
is((view('Work.B&APw-ro'))[0], $work, 'a folder that was removed is what it was');
($status, $said) = postern('restore', $d, 'alice', 'INBOX');
like $said, qr/^alice\@example\.test INBOX messages 1 /m, 'a folder by itself gets back what was moved out of it';
($status, $said) = postern('restore', '--to', 'Old.Mail', $d, 'alice', 'INBOX');
is $status, 0, 'a folder under another name';
my ($old) = view('Old.Mail');
is scalar(() = $old =~ /^\d+ /mg), 5, 'has its messages';
like $old, qr/^\d+ .*\$Work.* in1 /m, 'and their keywords';
($status, $said) = postern('restore', '--to', 'Old.Mail', $d, 'alice', 'INBOX');
like $said, qr/^alice\@example\.test Old\.Mail messages 0 bytes 0 present 5 /m, 'done again, none comes twice';
is((postern('restore', $d, 'alice', 'None'))[0], 66, 'a folder that there is none of');
is((postern('restore', $d, 'carol'))[0], 67, 'an account that there is none of');
is((postern('restore', "$d/../none", 'alice'))[0], 66, 'a backup that there is none of');

# --- damage
my $dear = (glob "$fourth/mail/example.test/alice/cur/*")[0];
chmod 0600, $dear;
open my $f, '+<', $dear or die;
seek $f, 3, 0;
print $f 'X';
close $f;
unlink +(glob "$fourth/mail/example.test/alice/.Archive/cur/*")[0] or die;
($status, $said) = postern('backup', 'verify', $d);
is $status, 65, 'a flipped byte and a missing file are found';
like $said, qr/^damaged mail\/example\.test\/alice\/cur\//m, 'the one by its name';
like $said, qr/^missing mail\/example\.test\/alice\/\.Archive\/cur\//m, 'and the other';
($status, $said) = postern('restore', '--check', '--json', $fourth);
is $status, 65, 'restore --check finds them too';
ok eval { require JSON::PP; my $all = JSON::PP::decode_json($said =~ s/^postern: .*\n//mr); @{$all->{wrong}} == 2 && !$all->{whole} }, 'and tells it as JSON' or diag $said;
use_other();
system('rm', '-rf', "$other/mail");
($status, $said) = postern('restore', $fourth);
is $status, 65, 'so does the restore';
like $said, qr/^total messages 5 bytes \d+ present 0 damaged 1 missing 1$/m, 'which brings all else' or diag $said;
use_first();
my $manifest = slurp("$third/manifest");
write_file("$third/manifest", $manifest =~ s/uidvalidity|accounts/accountz/r);
is((postern('backup', 'verify', $third))[0], 65, 'a list that was changed is found');
# --- one that ended early
sub one_of { my ($top) = @_; return (glob "$top/2*")[-1]; }
my $e = "$t->{dir}/early";
is((postern('backup', $e))[0], 0, 'a backup elsewhere');
for my $case ([ 'what it had brought to disk', "synced\n", 0 ], [ 'what it had not', '', undef ]) {
    my ($what, $mark, $new) = @$case;
    my $done = one_of($e);
    my $list = slurp("$done/manifest") =~ s/^end .*\n\z/$mark/mr;
    rename $done, "$e/.part" or die;
    write_file("$e/.part/manifest", $list);
    (undef, $said) = postern('backup', $e);
    my ($messages, $read) = $said =~ /messages (\d+) bytes \d+ new (\d+)/;
    is $read, $new // $messages, "$what is " . (defined $new ? 'linked' : 'read again');
    is_deeply [ map { s/.*\///r } grep { !m{/\.\.?$} } glob("$e/* $e/.*") ], [ one_of($e) =~ s/.*\///r ], 'and nothing is left of it';
}
write_file("$e/.part", '');
is((postern('backup', $e))[0], 0, 'what else has that name is in nobody\'s way');
is_deeply [ map { s/.*\///r } grep { !m{/(2[^/]*|\.\.?)$} } glob("$e/* $e/.*") ], [], 'and goes';

# --- one at a time; without hard links; everything anew
sysopen my $held, $e, Fcntl::O_RDONLY() | Fcntl::O_DIRECTORY() or die;
flock $held, 2 or die;
is((postern('backup', $e))[0], 75, 'one backup at a time');
close $held;
@env = ('strace', '-E', 'ASAN_OPTIONS=detect_leaks=0', '-f', '-o', '/dev/null', '-e', 'trace=linkat', '-e', 'inject=linkat:error=EPERM');
($status, $said) = postern('backup', $e);
@env = ();
is $status, 0, 'a file system without hard links';
like $said, qr/no hard links/, 'is told of';
is((postern('backup', 'verify', $e))[0], 0, 'and gets whole copies');
my $bad = (glob one_of($e) . '/mail/example.test/alice/cur/*')[0];
open $f, '+<', $bad or die;
print $f 'X';
close $f;
postern('backup', $e);
is((postern('backup', 'verify', $e))[0], 65, 'a damaged file is linked, as it is not read');
postern('backup', '--full', $e);
is((postern('backup', 'verify', $e))[0], 0, 'but by --full');

# --- a mailbox whose owner is up to something
sub truncate_to { my ($file, $size) = @_; open my $f, '>', $file or die "$file: $!"; truncate $f, $size or die "$file: $!" }
sub hold { my ($file) = @_; open my $f, '>>', $file or die "$file: $!"; flock $f, 2 or die; return $f }
my $secret = "$t->{dir}/secret";
mkdir $secret;
write_file("$secret/key", "Subject: a secret\n\nsecret\n");
$t->own;
chmod 0644, "$secret/key";
my $mail = $t->{mail};
symlink "$secret/key", "$mail/cur/1.link:2,S";
symlink "$secret/key", "$mail/script";
symlink $secret, "$mail/.Evil";
POSIX::mkfifo("$mail/cur/1.fifo:2,S", 0600);
POSIX::mkfifo("$mail/fifo", 0600);
mkdir "$mail/$_" for '.Trap', '.Trap/new', '.Trap/tmp', 'cur/1.dir:2,';
mkdir "$secret/cur";
write_file("$secret/cur/1.other", "Subject: a secret\n\nsecret\n");
symlink "$secret/cur", "$mail/.Trap/cur";
my @locks = map { hold("$mail$_/postern.lock") } '', '/.Trash', '/.Sent', '/.Drafts';
my $odd = "1000000001.M1P1.h\n\e[31m\\x41 \xff:2,S";
write_file("$mail/cur/$odd", message('odd'));
$t->own;
alarm 300;
my $begun = time;
is((postern('backup', $e))[0], 0, 'a hostile Maildir is backed up');
cmp_ok time - $begun, '<', 30, 'its owner, who holds all locks, delays that for a moment only';
close $_ for @locks;
truncate_to("$mail/cur/1.huge:2,S", 1 << 50);
truncate_to("$mail/cur/1.zeros:2,S", 200 << 20);
$t->own;
($status, $said) = postern('backup', $e);
is $status, 0, 'with files as large as he likes, too';
alarm 0;
my $now = one_of($e);
is `grep -rl secret '$now/mail'`, '', 'without what links lead to';
is scalar(grep { -p || -l } glob "$now/mail/example.test/alice/* $now/mail/example.test/alice/cur/*"), 0, 'and without FIFOs';
like $said, qr/1\.huge:2,S: passed over/, 'a file that nobody could ever read to its end is passed over';
is_deeply [ map { -s, $_ } glob "$now/mail/example.test/alice/cur/1.huge*" ], [], '... and not there';
my @zeros = stat "$now/mail/example.test/alice/cur/1.zeros:2,S";
is_deeply [ $zeros[7], $zeros[12] < 1000 ], [ 200 << 20, 1 ], 'and one of nothing takes no room';
unlink "$mail/cur/1.huge:2,S", "$mail/cur/1.zeros:2,S";
ok -e "$now/mail/example.test/alice/cur/$odd", 'a name of odd bytes is kept';
($status, $said) = postern('backup', 'verify', $e);
is $status, 0, 'and found again';
unlink "$now/mail/example.test/alice/cur/$odd";
($status, $said) = postern('backup', 'verify', $e);
like $said, qr/^missing \S+M1P1\.h\\x0a\\x1b\[31m\\x5cx41\\x20\\xff:2,S$/m, 'or missed, by a name without such bytes';
unlink "$mail/cur/1.link:2,S", "$mail/cur/1.fifo:2,S", "$mail/.Evil", "$mail/.Trap/cur", "$mail/script", "$mail/fifo";
$s = $t->session;
$s->ok('CREATE Later');
$s->ok('APPEND Later {}', message('later') =~ s/\n/\r\n/gr);
$s->logout;
$now = backup();
system('rm', '-rf', "$mail/.Later");
symlink $secret, "$mail/.Later";
($status, $said) = postern('restore', $now, 'alice');
cmp_ok $status, '>', 0, 'a link in the place of a folder';
is_deeply [ sort map { s/.*\///r } glob "$secret/* $secret/cur/*" ], [ '1.other', 'cur', 'key' ], 'and nothing is written there';
unlink "$mail/.Later";
my ($unreadable) = grep { -f } glob "$mail/cur/*";
$t->own;
chmod 0000, $unreadable;
my $kept = () = glob "$d/2*";
($status, $said) = postern('backup', '--keep', 1, '--full', $d);
is $status, 74, 'a message that can not be read';
like $said, qr/unread 1$/m, 'is counted';
is scalar(() = glob "$d/2*"), $kept + 1, 'and no older backup is removed for that one';
is((postern('backup', 'verify', $d))[0], 65, 'which verify knows, too');
chmod 0600, $unreadable;

# --- a backup whose settings, or list, were written by somebody else
if ($> == 0) {
    my $settings = one_of($e) . '/settings/postern.conf';
    my $before = slurp($settings);
    for my $key (qw(spool mail)) {
        my $place = "$t->{dir}/systems/$key";
        mkdir "$t->{dir}/systems";
        write_file($settings, "$before\n$key $place" . ($key eq 'mail' ? '/%d/%u' : '') . "\n");
        my $conf = "$t->{dir}/nowhere/postern.conf";
        system("$t->{bin}/postern -c $conf restore " . one_of($e) . " >$t->{dir}/out 2>&1");
        is $? >> 8, 77, "root makes no folder for a backup's $key";
        like slurp("$t->{dir}/out"), qr{\Q$place\E.*install -d}, '... and says what to do';
        ok !-e $place, '... nor has it';
    }
    write_file($settings, $before);
}

$now = one_of($e);
$manifest = slurp("$now/manifest");
for my $path ('../../../secret/key', '/etc/passwd', 'mail/../../secret/key', 'mail//x', '\x2e\x2e/x', 'mail/example.test/alice/cur/\x00', 'x/') {
    my $sum = '0' x 64;
    my $lines = $manifest =~ s/^(account alice.*\n)/$1file $sum 5 1.000000000 $path\n/mr =~ s/^end .*\n\z//mr;
    write_file("$now/manifest", "${lines}end 1 1 " . Digest::SHA::sha256_hex($lines) . "\n");
    ($status, $said) = postern('backup', 'verify', $now);
    is $status, 65, "'$path' is no path";
    ($status, $said) = postern('restore', $now, 'alice');
    is $status, 65, 'nor for restore' or diag $said;
}
write_file("$now/manifest", substr $manifest =~ s/^file (?=.*subscriptions)/filf /mr, 0, -300);
use_other();
system('rm', '-rf', "$other/mail");
($status, $said) = postern('restore', '--replace', $now);
is $status, 65, 'a list that is cut off, and has a line that is none, is told of';
like $said, qr/^total messages 14 /m, 'but all that it does say is restored' or diag $said;
use_first();
write_file("$now/manifest", "postern-backup 2\n");
is((postern('backup', 'verify', $now))[0], 65, 'a later form is not read');
write_file("$now/manifest", '');
is((postern('backup', 'verify', $now))[0], 65, 'nor an empty list');
# --- an account that was removed
use_first();
my $carol = $t->{mail} =~ s/alice$/carol/r;
$t->run("echo carol-secret | '$t->{bin}/postern' -c '$conf' user add carol\@example.test") or die $t->logged;
write_file("$carol/new/1.M1P1.h", message('hers'));
is((postern('user', 'remove', 'carol@example.test'))[0], 0, 'an account is removed');
postern('backup', $e);
is slurp(one_of($e) . '/mail/example.test/carol/new/1.M1P1.h'), message('hers'), 'its mail is in a backup, as it stays';
($status, $said) = postern('backup', $e);
like $said, qr/ new 0 /, 'and is known again';

# --- what Dovecot kept and no Postern has opened; settings that lead elsewhere; a backup in the server's own folder
use_first();
system('rm', '-rf', "$t->{mail}/$_") for '.Trap', 'cur/1.dir:2,';
mkdir $_ for "$t->{mail}/.Dove", map { "$t->{mail}/.Dove/$_" } qw(cur new tmp);
write_file("$t->{mail}/.Dove/cur/1505297641.M1P2.host:2,Sa", message('dove'));
write_file("$t->{mail}/.Dove/dovecot-uidlist", "3 V1505297600 N30\n17 :1505297641.M1P2.host\n");
write_file("$t->{mail}/.Dove/dovecot-keywords", "0 Word\n");
mkdir "$t->{dir}/acme";
system('cp', "$t->{server}/cert.pem", "$t->{server}/key.pem", "$t->{dir}/acme/") == 0 or die;
symlink "$t->{dir}/acme/cert.pem", "$t->{server}/link.pem";
write_file($conf, slurp($conf) . "certificate www.example.test link.pem $t->{dir}/acme/key.pem\n");
my $own = "$t->{server}/own";
postern('backup', $own);
is((postern('backup', $own))[0], 0, 'a backup in the folder of the settings');
$now = one_of($own);
is_deeply [ grep { m{/(own|mail|spool)$} } glob "$now/settings/*" ], [], "isn't in itself, nor is what is taken elsewhere";
is readlink("$now/settings/link.pem"), "$t->{dir}/acme/cert.pem", 'a link among settings is one';
is slurp("$now/outside$t->{dir}/acme/key.pem"), slurp("$t->{dir}/acme/key.pem"), 'what lies elsewhere is taken along';
is slurp("$now/outside$t->{server}/link.pem"), slurp("$t->{dir}/acme/cert.pem"), 'and what a link leads to';
my $third_server = "$t->{dir}/third";
mkdir $third_server;
$t->own;
rename "$t->{dir}/acme", "$t->{dir}/gone";
($conf, $t->{conf}, $t->{mail}) = ("$third_server/postern.conf", "$third_server/postern.conf", "$third_server/mail/example.test/alice");
($status, $said) = postern('restore', $now);
is $status, 0, 'all of it is restored' or diag $said;
like $said, qr/^- outside files 0 bytes 0 present 2 /m, 'but for what is others\' to bring back';
ok !-e "$t->{dir}/acme", 'which is not touched';
is readlink("$third_server/link.pem"), "$t->{dir}/acme/cert.pem", 'the link is back';
like((view('Dove'))[0], qr/^17 Word \\Seen .* dove /, 'Dovecot\'s UIDs, flags and keywords are taken over');
is((view('Dove'))[1]{UIDVALIDITY}, 1505297600, 'with its UIDVALIDITY');
use_first();
done_testing;
