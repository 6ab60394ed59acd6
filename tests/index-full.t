#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A disk that really is full, or becomes full within a command: a small tmpfs, in a mount namespace of the test's own, holds the
# mail; a file leaves so many pages free. Whatever a client asks then is answered, with OK or a clear NO; what was answered
# with OK is so, no message is lost, and mailboxes open; when there is room again, so is the index. (tests/index-crash.t does
# the same call by call. Stores into a mapped file are seen only here.)
use strict;
use warnings;
use lib 'tests/lib';

my $disk;
BEGIN {
    if (!$ENV{POSTERN_INDEX_DISK}) {
        require File::Temp;
        my $dir = File::Temp::tempdir('postern-disk-XXXXXX', TMPDIR => 1);
        chmod 0755, $dir;
        $ENV{POSTERN_INDEX_DISK} = $dir;
        my $mounted = 'mount -t tmpfs -o size=12m,mode=777 disk "$POSTERN_INDEX_DISK" && exec "$@"';
        my @self = ($^X, $0);
        my $status = system($> == 0 ? ('unshare', '--mount', '--', 'sh', '-c', $mounted, 'sh', @self)
            : ('unshare', '--user', '--map-root-user', '--mount', '--', 'sh', '-c', $mounted, 'sh',
                'unshare', '--user', "--map-user=$>", '--map-group=' . (split / /, $))[0], '--', @self));
        rmdir $dir;
        exit $status >> 8;
    }
    $disk = $ENV{POSTERN_INDEX_DISK};
}
use ImapTest;
use Test::More;

my $t = ImapTest->new(mail => "$disk/%u");
my $PAGE = 4096;
my $COUNT = 700; # so many that names are written later than the reply

sub message { my ($id) = @_; return "Subject: $id\r\nFrom: a\@example.org\r\nMessage-ID: <$id\@full.test>\r\n\r\ntext of $id\r\n"; }
sub at { my ($folder) = @_; return $t->{mail} . ($folder eq 'INBOX' ? '' : "/.$folder"); }

# Fills the disk but for so many pages.
sub fill {
    my ($pages) = @_;
    open my $f, '>>', "$disk/filler" or die;
    my $block = 'x' x $PAGE;
    1 while syswrite $f, $block;
    my $size = -s $f;
    truncate $f, $size - $size % $PAGE - $pages * $PAGE;
    close $f;
}
sub empty { unlink "$disk/filler"; }

sub picture {
    my ($folder) = @_;
    my $s = $t->session;
    $s->select($folder);
    my $texts = $s->texts;
    my %seen = (validity => $s->{validity}, flags => $s->{flags}, id => { map { $_ => $texts->{$_} =~ /^Subject: (\S+)/ } keys %$texts });
    $s->logout;
    return \%seen;
}

my %commands = (
    'SELECT' => sub { },
    'STORE of all' => sub { my ($s) = @_; return $s->command('STORE 1:* +FLAGS.SILENT (\Flagged $Known)') },
    'STORE of one' => sub { my ($s) = @_; return $s->command('STORE 7 +FLAGS (\Flagged $Known)') },
    'STORE of a new keyword' => sub { my ($s) = @_; return $s->command('STORE 1:9 +FLAGS ($New)') },
    'APPEND' => sub { my ($s) = @_; return $s->command('APPEND Box (\Seen $Known) {}', message('appended')) },
    'COPY' => sub { my ($s) = @_; return $s->command('COPY 1:600 Goal') },
    'MOVE' => sub { my ($s) = @_; return $s->command('MOVE 1:600 Goal') },
    'EXPUNGE' => sub { my ($s) = @_; return $s->command('EXPUNGE') },
    'FETCH of envelopes' => sub { my ($s) = @_; return $s->command('FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)') },
    'SEARCH' => sub { my ($s) = @_; return $s->command('SEARCH SUBJECT m5') },
);

sub prepare {
    my ($foreign) = @_;
    empty();
    my $s = $t->session;
    $s->command("DELETE $_"), $s->ok("CREATE $_") for qw(Box Goal);
    $t->deliver('Box', message("m$_") =~ s/\r//gr) for 1 .. $COUNT;
    if (!$foreign) {
        $s->select('Box');
        $s->ok('STORE 30:40 +FLAGS.SILENT (\Deleted $Known)');
        $s->ok('FETCH 1:60 (ENVELOPE)');
    }
    $s->logout;
}

# What is wrong after a command that was answered with $status.
sub wrong {
    my ($name, $status, $before, $box, $goal) = @_;
    my %there = map { $_ => 1 } values %{$box->{id}}, values %{$goal->{id}};
    my @wrong = map { "m$_ is lost" } grep { !$there{"m$_"} && !($name eq 'EXPUNGE' && $_ >= 30 && $_ <= 40) } 1 .. $COUNT;
    my %count;
    $count{$_}++ for values %{$box->{id}};
    push @wrong, "$_ is there twice" for grep { $count{$_} > 1 } keys %count;
    if ($before) {
        push @wrong, 'UIDVALIDITY' if $before->{validity} != $box->{validity};
        push @wrong, "UID $_ is another" for grep { $box->{id}{$_} && $before->{id}{$_} ne $box->{id}{$_} } keys %{$before->{id}};
        for my $uid (grep { $box->{flags}{$_} } keys %{$before->{flags}}) {
            my @was = split / /, $before->{flags}{$uid};
            push @wrong, "UID $uid lost a flag" if grep { " $box->{flags}{$uid} " !~ / \Q$_\E / } @was;
        }
    }
    my $flagged = grep { /Flagged/ && /Known/ } values %{$box->{flags}};
    if ($status eq 'OK') {
        push @wrong, "$flagged flagged" if $flagged < ($name eq 'STORE of all' ? $COUNT : $name eq 'STORE of one' ? 1 : 0);
        push @wrong, 'no new keyword' if $name eq 'STORE of a new keyword' && 9 != grep { /New/ } values %{$box->{flags}};
        push @wrong, 'nothing was appended' if $name eq 'APPEND' && !$there{appended};
        push @wrong, 'not all were copied' if $name =~ /COPY|MOVE/ && keys %{$goal->{id}} != 600;
        push @wrong, 'not all were removed' if $name eq 'EXPUNGE' && $before && keys %{$box->{id}} != $COUNT - 11;
    } else {
        push @wrong, 'some were copied' if $name eq 'COPY' && keys %{$goal->{id}};
        push @wrong, 'it was appended' if $name eq 'APPEND' && $there{appended};
    }
    return @wrong;
}

my %answers;

# One command, with so many pages free; without $index there is none. In a folder that nobody has opened yet, where $foreign.
sub try_one {
    my ($name, $pages, $index, $foreign) = @_;
    my @wrong;
    my $before = $foreign ? undef : picture('Box');
    my $s = $t->session;
    if (!$index) {
        unlink at('Box') . "/postern-$_" for qw(index cache);
        fill($pages);
        my ($status, $text) = $s->command('SELECT Box');
        $answers{$status}++;
        push @wrong, "SELECT: $text" if $status ne 'OK' && !$foreign;
        if ($status ne 'OK') {
            empty();
            $s->ok('SELECT Box');
            fill($pages);
        }
    } else {
        $s->select('Box');
        fill($pages);
    }
    my ($status, $text) = eval { $commands{$name}->($s) };
    push @wrong, $@ if $@;
    ($status, $text) = ('OK', '') if $name eq 'SELECT';
    $status //= 'nothing';
    $answers{$status}++;
    push @wrong, "$status $text" if $status ne 'OK' && ($status ne 'NO' || $text !~ /^\[(OVERQUOTA|LIMIT|UNAVAILABLE|INUSE|SERVERBUG|EXPUNGEISSUED)\]/);
    push @wrong, "$status $text" if $status ne 'OK' && $name =~ /FETCH|SEARCH/;
    eval { $s->ok('NOOP'); $s->ok('FETCH 1 (FLAGS BODY.PEEK[])'); 1 } or push @wrong, "then: $@";
    my $other = eval { my $o = $t->session; $o->ok('EXAMINE Box'); $o->ok('FETCH 1:* (FLAGS ENVELOPE)'); $o->logout; 1 };
    push @wrong, "another session: $@" if !$other;
    push @wrong, 'something is left in tmp/' if glob at('Box') . '/tmp/* ' . at('Goal') . '/tmp/*';
    eval { $s->logout; 1 } or push @wrong, "then: $@";
    push @wrong, "imapd ended with $s->{status}" if $s->{status};
    empty();
    push @wrong, wrong($name, $status, $before, picture('Box'), picture('Goal'));
    picture('Box');
    return @wrong;
}

my @pages = $ENV{TORTURE} ? 0 .. 24 : (0, 1, 5);
for my $case ([ 'with an index', 1, 0 ], [ 'whose index was lost', 0, 0 ], [ 'of foreign files', 0, 1 ]) {
    my ($what, $index, $foreign) = @$case;
    for my $name (sort keys %commands) {
        my @failed;
        for my $pages ($foreign && !$ENV{TORTURE} ? 1 : @pages) {
            prepare($foreign);
            my @wrong = eval { try_one($name, $pages, $index, $foreign) };
            push @wrong, $@ if $@;
            empty();
            push @failed, "$pages pages free: " . join('; ', @wrong > 5 ? @wrong[0 .. 4] : @wrong) if @wrong;
        }
        is join("\n", @failed), '', "$name on a full disk, in a folder $what";
    }
}
cmp_ok $answers{NO} // 0, '>', 0, "some were refused, $answers{OK} not";
done_testing;
