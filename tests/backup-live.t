#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Backups are made while LMTP brings mail and IMAP clients move, copy, flag and expunge, as fast as they can, and rename and make
# folders. In each backup is every message that was there when it began and that nobody expunged, once, whole, and in
# one folder; each UID once, and below what the folder's own file in the backup has as the next. The last one is
# restored on an empty server: the same again, as IMAP tells it.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Test::More;
use Socket;
use Time::HiRes qw(time sleep);

my $BACKUPS = 6 * ($ENV{TORTURE} || 1);
my $STAY = 600;
my @folders = ('INBOX', 'A', 'B', 'C', 'D.E');

my $t = ImapTest->new;
my $d = "$t->{dir}/backups";
my $other = "$t->{dir}/other";
mkdir $other;
mkdir "$t->{dir}/say";
chmod 0777, "$t->{dir}/say";
$t->own;

sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return scalar <$f>; }
my @slowly;
sub postern {
    my ($conf, @arguments) = @_;
    my $out = "$t->{dir}/out";
    my $pid = fork // die;
    if (!$pid) {
        open STDOUT, '>', $out;
        open STDERR, '>&', \*STDOUT;
        exec ImapTest::as_owner(@slowly, "$t->{bin}/postern", '-c', $conf, @arguments) or exit 99;
    }
    waitpid $pid, 0;
    return ($? >> 8, slurp($out));
}

sub message { my ($subject) = @_; return "From: a\@example.org\nSubject: $subject\n\n" . "text of $subject\n" x 20 . "end\n"; }

my $s = $t->session;
$s->ok("CREATE $_") for @folders[1 .. $#folders];
$t->deliver($folders[$_ % @folders], message("stay$_")) for 1 .. $STAY;
$s->ok('LOGOUT');

# Says what it was promised, a line each.
sub promise { my ($name, $text) = @_; open my $f, '>>', "$t->{dir}/say/$name" or die; syswrite $f, "$text\n"; }
sub said { my ($name) = @_; return split /\n/, slurp("$t->{dir}/say/$name"); }
my $over = "$t->{dir}/say/over";

sub lmtp_reply {
    my ($in) = @_;
    while (my $line = <$in>) { return $line if $line =~ /^\d\d\d / }
    die "LMTP ended\n";
}

# Mail comes.
my @workers;
push @workers, $t->start(sub {
    for (my $n = 1; !-e $over; $n++) {
        socketpair my $in, my $theirs, AF_UNIX, SOCK_STREAM, 0 or die;
        $in->autoflush(1);
        my $pid = fork // die;
        if (!$pid) {
            POSIX::dup2(fileno $theirs, $_) for 0, 1;
            open STDERR, '>>', $t->{log};
            exec "$t->{bin}/smtpd", '-c', $t->{conf}, '-l' or POSIX::_exit(127);
        }
        close $theirs;
        lmtp_reply($in);
        print $in "LHLO here\r\n";
        lmtp_reply($in);
        for my $k (1 .. 20) {
            print $in "MAIL FROM:<a\@example.org>\r\nRCPT TO:<alice\@example.test>\r\nDATA\r\n";
            lmtp_reply($in) for 1 .. 3;
            print $in message("came$n-$k") =~ s/\n/\r\n/gr, ".\r\n";
            promise('came', "came$n-$k") if lmtp_reply($in) =~ /^250/;
        }
        print $in "QUIT\r\n";
        close $in;
        waitpid $pid, 0;
        sleep 0.3;
    }
});

# Mail moves, gets flags, and is copied and expunged: only what is a copy is.
sub client {
    my ($w) = @_;
    srand $w;
    my $c = $t->session;
    while (!-e $over) {
        my $from = $folders[rand @folders];
        my $to = $folders[rand @folders];
        $c->{uids} = [];
        $c->ok("SELECT $from");
        for (1 .. 10) {
            $c->ok('NOOP');
            my $count = @{$c->{uids} // []} or next;
            my $n = 1 + int rand $count;
            my $m = $n + int rand 4;
            $m = $count if $m > $count;
            my ($status) = $from ne $to ? $c->command("MOVE $n:$m $to") : 'NO';
            promise('moved', "$n:$m") if $status eq 'OK';
            $c->ok('NOOP');
            $count = @{$c->{uids} // []} or next;
            $n = 1 + int rand $count;
            $c->command("STORE $n " . (rand() < 0.5 ? '+' : '-') . 'FLAGS (\Seen \Flagged)');
        }
        if ($w == 1) { # a folder comes, goes under another name, and goes with its copies
            my $count = @{$c->{uids} // []};
            $c->command('CREATE Gone');
            $c->command("COPY 1 Gone") if $count;
            $c->command('RENAME Gone Gone2');
            $c->command('DELETE Gone2');
        }
    }
    $c->logout;
}
for my $w (1 .. 3) {
    push @workers, $t->start(sub { client($w) });
}

# All of a backup's messages: subject to the places where it is.
sub look {
    my ($backup, $wrong) = @_;
    my (%where, %uids);
    my $mail = "$backup/mail/example.test/alice";
    for my $dir ($mail, grep { -d "$_/cur" && !m{/\.\.?$} } glob "$mail/.*") {
        my $own = slurp("$dir/postern-folder");
        my ($next) = $own =~ /^uidnext 0*(\d+)$/m;
        my ($validity) = $own =~ /^uidvalidity (\d+)$/m;
        for my $file (glob "$dir/cur/* $dir/new/*") {
            my $text = slurp($file);
            my ($subject) = $text =~ /^Subject: (\S+)$/m;
            push @$wrong, "$file isn't whole" if !$subject || $text !~ /^end\n\z/m;
            push @{$where{$subject // ''}}, $file if $dir !~ /Gone2?$/;
            my ($v, $uid) = $file =~ /,P=([0-9a-f]+)\.([0-9a-f]+)/ or next;
            next if hex $v != $validity;
            push @$wrong, "$file: above $next" if hex $uid >= $next;
            push @$wrong, "$file: its UID is $uids{$dir}{$uid}'s" if $uids{$dir}{$uid};
            $uids{$dir}{$uid} = $file;
        }
    }
    return \%where;
}

my (@wrong, $last, @linked);
ok ImapTest::eventually(60, sub { said('came') > 20 }), 'mail comes';
# As many as there are to be, and then, where clients are slower than backups, until enough was moved meanwhile.
my ($MOVES, $until) = (200, time + 300);
for (my $n = 1; $n <= $BACKUPS || said('moved') <= $MOVES && time < $until; $n++) {
    my @came = said('came');
    # Some take their time, so that much isn't any more where it was seen.
    @slowly = $n % 2 || $n > 4 ? () : qw(strace -E ASAN_OPTIONS=detect_leaks=0 -f -o /dev/null -e trace=linkat -e inject=linkat:delay_exit=1000);
    my ($status, $text) = postern($t->{conf}, 'backup', $d);
    @slowly = ();
    my ($name, $messages, $new) = $text =~ /^(\S+Z) messages (\d+) bytes \d+ new (\d+) /;
    push @wrong, "backup $n: $status $text" if $status || !$name;
    last if !$name;
    $last = "$d/$name";
    push @linked, $messages - $new if $n > 1;
    my $where = look($last, \@wrong);
    for my $subject ((map { "stay$_" } 1 .. $STAY), @came) {
        my @at = @{$where->{$subject} // []};
        push @wrong, "backup $n: $subject is there " . @at . " times: @at" if @at != 1;
    }
}
promise('over', 'now');
cmp_ok scalar(said('moved')), '>', $MOVES, 'mail was moved all the while';
ok $t->finish($_), 'a worker was told nothing wrong' for @workers;
is join("\n", @wrong[0 .. ($#wrong < 20 ? $#wrong : 20)]), '', 'every message is in every backup, once, and whole';
cmp_ok scalar(grep { $_ > $STAY / 2 } @linked), '==', @linked, 'and most weren\'t read again' or diag "@linked";
my ($status, $text) = postern($t->{conf}, 'backup', 'verify', $last);
is $status, 0, 'the last is what its list says' or diag $text;
is((postern("$other/postern.conf", 'restore', $last))[0], 0, 'and is restored');
my $where = look($last, []);
($t->{conf}, $t->{mail}) = ("$other/postern.conf", "$other/mail/example.test/alice");
my %told;
$s = $t->session;
for my $folder (@folders) {
    $s->ok("SELECT $folder");
    for ($s->ok('UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])')) {
        $told{$1}++ if /Subject: (\S+)/;
    }
}
is_deeply [ sort map { "$_ $told{$_}" } keys %told ], [ sort map { "$_ " . @{$where->{$_}} } keys %$where ], 'with all that was in it';
done_testing;
