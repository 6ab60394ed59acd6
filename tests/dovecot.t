#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A Maildir that Debian's Dovecot kept: Postern takes it over with UIDs, UIDVALIDITY, flags, keywords, subscriptions and
# POP3 UIDLs; Dovecot, started again, finds every message with the flags and keywords that Postern gave it (under UIDs of its own:
# Postern writes its own into file names); mutt too; and both at once on one Maildir lose nothing. Dovecot runs here as a
# plain process of the mail's owner, on loopback.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use POSIX ();
use Socket;
use Test::More;
use Time::HiRes qw(time sleep);

my $more = $ENV{TORTURE} || 1;
my $t = ImapTest->new;
my $dir = "$t->{dir}/dovecot";
my ($port, $pop3) = (ImapTest::free_port(), ImapTest::free_port());
my ($user, $group) = $> == 0 ? ('nobody', 'nogroup') : (scalar getpwuid $>, scalar getgrgid $));
my $dovecot;

sub write_file { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f; }

sub configure {
    mkdir $_ for $dir, "$dir/state", "$dir/home";
    my $service = sub { my ($name, $port) = @_; my $login = "$name-login"; return "service $login {\n chroot =\n inet_listener $name {\n  port = $port\n }\n inet_listener ${name}s {\n  port = 0\n }\n}\n" };
    write_file("$dir/conf", <<"X" . $service->('imap', $port) . $service->('pop3', $pop3));
protocols = imap pop3
listen = 127.0.0.1
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:$t->{mail}
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
first_valid_uid = 1
mail_max_userip_connections = 100
passdb {
  driver = static
  args = password=alice-secret
}
userdb {
  driver = static
  args = uid=$user gid=$group home=$dir/home
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
namespace inbox {
  inbox = yes
}
X
    $t->own;
}

sub start_dovecot {
    $dovecot = $t->daemon('dovecot', '-F', '-c', "$dir/conf");
    ImapTest::eventually(60, sub { my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or return 0; defined <$s> })
        or die 'dovecot: ' . `tail -n 5 $dir/log $t->{log}`;
}

sub stop_dovecot {
    kill TERM => $dovecot;
    $t->finish($dovecot);
}

my $said = 0;
sub message { my ($id, $size) = @_; $said++; return "From: a\@example.org\r\nSubject: $id\r\nMessage-ID: <$id\@dovecot.test>\r\n\r\n" . "line of $id\r\n" x ($size // 3); }

sub sorted { return ImapTest::Session::sorted($_[0]); }

# "UID FLAGS" of a folder, with UIDVALIDITY, UIDNEXT, sizes, dates and what a message says of itself.
sub view {
    my ($s, $folder, $examine) = @_;
    $s->select($folder, $examine);
    my %view = (validity => $s->{validity}, next => $s->{uid_next}, picture => $s->picture, ids => '', facts => '');
    my (@ids, @facts);
    for ($s->ok('UID FETCH 1:* (UID RFC822.SIZE INTERNALDATE BODY.PEEK[])')) {
        my ($uid) = /\bUID (\d+)/ or next;
        my ($id) = /\nSubject: (\S+)/;
        push @ids, "$id: " . ($s->{flags}{$uid} // '?') . "\n";
        my ($size) = /RFC822.SIZE (\d+)/;
        my ($date) = /INTERNALDATE "([^"]*)"/;
        push @facts, "$uid $id $size $date\n";
    }
    $view{ids} = join '', sort @ids;
    $view{facts} = join '', @facts;
    return \%view;
}

sub system_flags { return $_[0] =~ s/(?<=[: ])[^\\:\s]\S*(?: |$)//mgr =~ s/ $//mgr; }
sub with_keywords {
    my ($got, $expected, $name) = @_;
    is $got, $expected, $name;
}

sub folders {
    my ($s, $command) = @_;
    return join "\n", sort map { /^\* \w+ \((?![^)]*\\No)[^)]*\) "\." (.*)/ ? $1 =~ s/^"(.*)"$/$1/r : () } $s->ok("$command \"\" \"*\"");
}

# UIDLs by number, from either server.
sub uidls {
    my ($from) = @_;
    my ($socket, $pid);
    if ($from) {
        $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $from) or die;
    } else {
        socketpair $socket, my $theirs, AF_UNIX, SOCK_STREAM, 0 or die;
        $pid = fork // die;
        if (!$pid) {
            POSIX::dup2(fileno $theirs, $_) for 0, 1;
            open STDERR, '>>', $t->{log};
            exec ImapTest::as_owner("$t->{bin}/pop3d", '-c', $t->{conf}) or POSIX::_exit(127);
        }
    }
    my $text = '';
    for my $line ('', 'USER alice@example.test', 'PASS alice-secret', 'UIDL') {
        syswrite $socket, "$line\r\n" if $line;
        $text = <$socket>;
        $text =~ /^\+OK/ or die "$line: $text";
    }
    my @all;
    while (($text = <$socket>) !~ /^\./) { push @all, $text =~ s/\r\n//r }
    syswrite $socket, "QUIT\r\n";
    $text = <$socket>;
    close $socket;
    waitpid $pid, 0 if $pid;
    return join "\n", @all;
}

# ---- what Dovecot leaves

my @names = ('INBOX', 'Work', 'Work.2026', 'Entw&APw-rfe', '&ZeVnLIqe-.Sub', 'Many', 'Empty', 'Gaps');
configure();
start_dovecot();
my $d = $t->session(port => $port);
$d->ok("CREATE \"$_\"") for @names[1 .. $#names], 'No.Longer';
$d->ok("SUBSCRIBE \"$_\"") for 'INBOX', 'Work', 'Entw&APw-rfe', '&ZeVnLIqe-.Sub', 'No.Longer';
$d->ok('DELETE No.Longer');
my @flags = ('\Seen', '\Deleted', '\Draft', '\Answered \Flagged', '$Forwarded', '$Label1 NonJunk', '', 'Junk \Seen \Draft', '$MDNSent');
$d->append($_ % 3 ? 'INBOX' : 'Work', $flags[$_ % @flags], message("m$_", $_ * 3)) for 1 .. 30;
$d->command('APPEND Work.2026 (\Seen) " 3-Feb-1999 04:05:06 -0700" {}', message('dated'));
$d->append('Entw&APw-rfe', '\Draft', message('draft'));
$d->append('&ZeVnLIqe-.Sub', '$Forwarded', message('sub'));
$d->append('Many', "Word$_", message("word$_")) for 1 .. 35;
$d->append('Gaps', '', message("gap$_")) for 1 .. 20;
$d->select('Gaps');
$d->ok('STORE 2,5:9,14,20 +FLAGS.SILENT (\Deleted)');
$d->ok('EXPUNGE');
$d->select('INBOX');
$d->ok('STORE 3,7:8 +FLAGS.SILENT (\Deleted)');
$d->ok('UID EXPUNGE 7:8');
$d->ok('UNSELECT');
$t->deliver('INBOX', message("agent$_") =~ s/\r//gr) for 1 .. 3;
my %before = map { $_ => view($d, $_) } @names;
my ($lsub, $list) = (folders($d, 'LSUB'), folders($d, 'LIST'));
$d->logout;
my $uidls = uidls($pop3);
$t->deliver('INBOX', message('unseen') =~ s/\r//gr); # Dovecot has not seen this one
stop_dovecot();
cmp_ok $before{Gaps}{next}, '==', 21, "Dovecot's folder has had UIDs beyond those there";
like $uidls, qr/^1 [0-9a-f]{16}$/m, 'Dovecot gave UIDLs';

# ---- taken over

my $p = $t->session;
is folders($p, 'LSUB'), $lsub, 'subscriptions, also of what no longer exists';
is folders($p, 'LIST'), $list, 'folders';
is uidls(0) =~ s/\n\d+ \S+$//r, $uidls, 'UIDLs';
for my $name (@names) {
    my $after = view($p, $name);
    my $b = $before{$name};
    if ($name eq 'INBOX') { # and one more, which is the last
        s/^.*unseen.*\n//m for $after->{ids}, $after->{facts};
        is $after->{picture} =~ s/\n(\d+) \n\z/\n/ ? $1 : 0, $b->{next}, "$name: what Dovecot hadn't seen has its next UID";
    }
    is $after->{validity}, $b->{validity}, "$name: UIDVALIDITY";
    cmp_ok $after->{next}, '>=', $b->{next}, "$name: UIDNEXT";
    is $after->{facts}, $b->{facts}, "$name: sizes and dates by UID";
    if ($name eq 'Many') { # Dovecot kept only 26 of them where anybody else can read them
        my %has = map { /^(\d+) (.*)/ ? ($1 => $2) : () } split /\n/, $b->{picture};
        my @wrong = grep { my ($uid, $f) = /^(\d+) (.*)/; $f ne $has{$uid} && $f ne '' } split /\n/, $after->{picture};
        is "@wrong", '', "$name: keywords, none wrong";
        my $kept = grep { /Word/ } split /\n/, $after->{picture};
        cmp_ok $kept, '>=', 22, "$name: and none missing that a file name has";
    } else {
        is $after->{picture}, $b->{picture}, "$name: UIDs, flags and keywords";
    }
}
my $uid = $p->append('Gaps', '', message('behind the gap'));
cmp_ok $uid, '>=', 21, 'no UID of Dovecot is given again';
$p->logout;
unlink glob("$t->{mail}/postern-{index,cache}"), glob("$t->{mail}/.*/postern-{index,cache}");
$p = $t->session;
for my $name (grep { $_ !~ /Many|INBOX|Gaps/ } @names) {
    is view($p, $name)->{picture}, $before{$name}{picture}, "$name: the same without index and cache";
}

# ---- what Postern writes, Dovecot reads

$p->select('INBOX');
$p->ok('UID STORE 1:4 +FLAGS (\Flagged $Forwarded)');
$p->ok('UID STORE 3:6 -FLAGS (\Seen \Draft $Label1)');
$p->ok('UID STORE 2 +FLAGS (NewWord Another)');
$p->ok('UID STORE 5 FLAGS (\Deleted \Draft Junk)');
$p->append('INBOX', '\Seen $Forwarded NewWord', message('appended', 5));
$p->append('Entw&APw-rfe', '\Draft FirstWord', message('draft2', 5));
$p->ok('UID COPY 1:6 Work.2026');
$p->ok('UID MOVE 9:10 Empty');
$p->ok('UID STORE 11 +FLAGS.SILENT (\Deleted)');
$p->ok('UID EXPUNGE 11');
$p->ok('CREATE "New.&AMQ-"');
$p->append('New.&AMQ-', '$Fresh \Answered', message('fresh'));
$p->ok('RENAME Gaps Renamed');
$p->ok('SUBSCRIBE Renamed');
$p->ok('UNSUBSCRIBE Work');
$p->ok('NOOP');
my @now = ((grep { !/Gaps|Many/ } @names), 'Renamed', 'New.&AMQ-');
my %ours = map { $_ => view($p, $_) } @now;
($lsub, $list) = (folders($p, 'LSUB'), folders($p, 'LIST'));
$p->logout;
start_dovecot();
$d = $t->session(port => $port);
is folders($d, 'LSUB'), $lsub, 'Dovecot: subscriptions';
is folders($d, 'LIST'), $list, 'Dovecot: folders';
for my $name (@now) {
    my $view = view($d, $name);
    is system_flags($view->{ids}), system_flags($ours{$name}{ids}), "Dovecot: $name: messages and flags";
    with_keywords($view->{ids}, $ours{$name}{ids}, "Dovecot: $name: keywords too");
    my $sizes = sub { join "\n", sort map { s/^\d+ //r } split /\n/, $_[0] };
    is $sizes->($view->{facts}), $sizes->($ours{$name}{facts}), "Dovecot: $name: sizes and dates";
}

# ---- both at once

$p = $t->session;
$p->select('INBOX');
$d->select('INBOX');
sub by_id {
    my ($s) = @_;
    my $texts = $s->texts;
    return { map { $texts->{$_} =~ /\nSubject: (\S+)/ ? ($1 => $_) : () } keys %$texts };
}
sub soon { my ($name, $test) = @_; ok ImapTest::eventually(60, $test), $name; }
sub has_flag { my ($s, $id, $flag) = @_; $s->ok('NOOP'); $s->learn; my $u = by_id($s)->{$id} or return 0; return " $s->{flags}{$u} " =~ / \Q$flag\E /; }
$p->ok('UID STORE ' . by_id($p)->{m1} . ' +FLAGS (\Answered Beside)');
soon "Dovecot beside us sees a flag of ours", sub { has_flag($d, 'm1', '\Answered') };
soon "and a new keyword", sub { has_flag($d, 'm1', 'Beside') };
$d->ok('UID STORE ' . by_id($d)->{m2} . ' +FLAGS (\Draft ByDovecot)');
soon "we see a flag of Dovecot's", sub { has_flag($p, 'm2', '\Draft') };
soon "and a new keyword", sub { has_flag($p, 'm2', 'ByDovecot') };
$d->append('INBOX', '\Seen', message('beside-d'));
soon "a message that Dovecot appends", sub { has_flag($p, 'beside-d', '\Seen') };
$p->append('INBOX', '\Seen', message('beside-p'));
soon "and one of ours", sub { has_flag($d, 'beside-p', '\Seen') };
my $u = by_id($d)->{m1};
$d->ok("UID STORE $u +FLAGS.SILENT (\\Deleted)");
$d->ok("UID EXPUNGE $u");
soon "what Dovecot expunges is gone", sub { $p->ok('NOOP'); !by_id($p)->{m1} };
$u = by_id($p)->{m2};
$p->ok("UID STORE $u +FLAGS.SILENT (\\Deleted)");
$p->ok("UID EXPUNGE $u");
soon "and what we expunge", sub { $d->ok('NOOP'); !by_id($d)->{m2} };

sub client { # of either server
    my ($w, $rounds, @how) = @_;
    srand $w;
    my $s = $t->session(@how);
    $s->select('INBOX');
    open my $events, '>', "$dir/home/events.$w" or die;
    for my $n (1 .. $rounds) {
        if ($n % 3 == 0) {
            my $id = "beside-$w-$n";
            my ($status) = $s->command('APPEND INBOX ($Beside) {}', message($id));
            print $events "$id\n" if $status eq 'OK';
        } elsif ($n % 7 == 0) { # one of mine
            my $known = by_id($s);
            my ($mine) = grep { /^beside-$w-/ } sort keys %$known;
            $mine or next;
            my $mine_uid = $known->{$mine};
            $s->command("UID STORE $mine_uid +FLAGS.SILENT (\\Deleted)");
            $s->command("UID EXPUNGE $mine_uid");
            $s->ok('NOOP'); # it stays where Dovecot gave it another UID meanwhile
            print $events "-$mine\n" if !by_id($s)->{$mine};
        } else {
            my $number = 1 + int rand @{$s->{uids}};
            $s->command("STORE $number " . (rand() < 0.5 ? '+' : '-') . 'FLAGS (' . ('\Seen', '\Flagged', '$Beside', 'NonJunk')[rand 4] . ')');
        }
        $s->ok('NOOP');
        $s->learn;
    }
    close $events;
    $s->logout;
}
my $known = by_id($p);
my @clients = map { my $w = $_; $t->start(sub { client($w, 20 * $more, $w % 2 ? (port => $port) : ()) }) } 1 .. 6;
my $ended = grep { $t->finish($_) } @clients;
is $ended, 6, 'three sessions of ours and three of Dovecot on one folder';
my %wanted = map { $_ => 1 } keys %$known;
for my $w (1 .. 6) {
    open my $f, '<', "$dir/home/events.$w" or next;
    while (<$f>) { chomp; s/^-// ? delete $wanted{$_} : ($wanted{$_} = 1) }
}
for ([ ours => $p ], [ Dovecot => $d ]) {
    my ($whose, $s) = @$_;
    my %count;
    my $look = sub { $s->ok('NOOP'); %count = (); $count{/\nSubject: (\S+)/ && $1}++ for values %{$s->texts}; };
    $look->();
    # Dovecot looks again after a second or two.
    ImapTest::eventually(60, sub { $look->(); join(' ', map { "$_ 1" } sort keys %wanted) eq join ' ', map { "$_ $count{$_}" } sort keys %count }) if $s == $d;
    is join(' ', sort grep { !$count{$_} } keys %wanted), '', "nothing is lost: $whose";
    is join(' ', sort grep { !$wanted{$_} || $count{$_} != 1 } keys %count), '', "nothing is there twice, or again: $whose";
}
my ($ours, $theirs);
ImapTest::eventually(60, sub { # Dovecot looks again after a second or two
    ($ours, $theirs) = (view($p, 'INBOX')->{ids}, view($d, 'INBOX')->{ids});
    $ours eq $theirs;
});
is system_flags($ours), system_flags($theirs), 'and flags agree';
with_keywords($ours, $theirs, 'and keywords');
$p->logout;
$d->logout;
stop_dovecot();
done_testing;
