#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Two, ten and fifty imapd processes that set flags, append, copy, move and expunge at once, with a delivery agent, and with somebody
# who removes index and cache all the while. Each client says what it was promised. At the end all sessions, a fresh one, one that
# has no index and the file names agree; every message that was promised is there once, under the UID that was told, and no other;
# flags are those that were set last. Ten movers of one message bring it over once.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $more = $ENV{TORTURE} || 1; # how many times as long
my @folders = ('INBOX', 'Archive', 'Lists');
my @flags = (qw(\Seen \Answered \Flagged \Draft), map { "\$W$_" } 1 .. 12);
my $STAY = 24; # messages that stay, so that their flags can be told

my $t = ImapTest->new;

# ---- one client

sub note_event { my ($s, @what) = @_; syswrite $s->{events}, join("\t", @what) . "\n"; }

sub unique { my ($w) = @_; our $n; return sprintf 'w%d-%d', $w, ++$n; }

sub message { my ($id) = @_; return "Subject: $id\r\nMessage-ID: <$id\@many.test>\r\n\r\n" . "text of $id\r\n" x (1 + length($id) * 37 % 50); }

sub some { my ($s) = @_; my @known = grep { defined && !$s->{stay}{$_} } @{$s->{uids}}; return @known ? $known[rand @known] : undef; }

sub expand { return map { /(\d+):(\d+)/ ? $1 .. $2 : $_ } split /,/, $_[0]; }

sub copied {
    my ($s, $to, $text) = @_;
    my ($from, $new) = $text =~ /\[COPYUID \d+ ([\d:,]+) ([\d:,]+)\]/ or return;
    my @from = expand($from);
    my @new = expand($new);
    die "COPYUID $from $new\n" if @from != @new;
    note_event($s, 'copied', $s->{folder}, $from[$_], $to, $new[$_]) for 0 .. $#from;
    return @from;
}

my %does = (
    append => sub {
        my ($s, $w) = @_;
        my $to = $folders[rand @folders];
        my $id = unique($w);
        my $uid = $s->append($to, rand() < 0.5 ? '\Seen' : '$W1 \Flagged', message($id)) or die "APPEND\n";
        note_event($s, 'given', $to, $uid, $id);
    },
    copy => sub {
        my ($s) = @_;
        my $uid = some($s) // return;
        my $to = $folders[rand @folders];
        my ($status, $text) = $s->command("UID COPY $uid \"$to\"");
        copied($s, $to, $text) if $status eq 'OK';
    },
    move => sub {
        my ($s, $w) = @_;
        my $uid = some($s) // return;
        my ($to) = grep { $_ ne $s->{folder} } rand() < 0.5 ? @folders : reverse @folders;
        my ($status, $text, @untagged) = $s->command("UID MOVE $uid \"$to\"");
        for (@untagged) {
            my @from = /^\* OK (\[COPYUID .*)/ ? copied($s, $to, $1) : ();
            note_event($s, 'gone', $s->{folder}, $_) for @from;
        }
    },
    expunge => sub {
        my ($s) = @_;
        my $uid = some($s) // return;
        $s->command("UID STORE $uid +FLAGS.SILENT (\\Deleted)");
        my ($status) = $s->command("UID EXPUNGE $uid");
        note_event($s, 'gone', $s->{folder}, $uid) if $status eq 'OK';
    },
    store => sub { # of a message and a flag that are mine to change
        my ($s, $w, $count) = @_;
        my @mine = grep { ($_->[0] * 7 + $_->[1]) % $count == $w } map { my $m = $_; map { [ $m, $_ ] } 0 .. $#flags } 1 .. $STAY;
        my ($uid, $f) = @{$mine[rand @mine] // return};
        my $way = rand() < 0.6 ? '+' : '-';
        $s->ok("UID STORE $uid ${way}FLAGS ($flags[$f])");
        note_event($s, 'flag', $uid, $flags[$f], $way, time) if $s->{folder} eq 'INBOX';
    },
    all => sub { # many at once, with a flag that everybody sets
        my ($s) = @_;
        return if !@{$s->{uids}};
        my ($way, $silent) = (rand() < 0.5 ? '+' : '-', rand() < 0.5 ? '.SILENT' : '');
        my ($status) = $s->command("STORE 1:* ${way}FLAGS$silent (\$All)");
        if ($status ne 'OK') { # some were gone
            $s->command('FETCH 1:* (UID FLAGS)') if $silent;
        } elsif ($silent) { # then the client knows by itself, but where it was told of a change by others
            for my $uid (grep { !$s->{told}{$_} } keys %{$s->{flags}}) {
                my %is = map { $_ => 1 } split / /, $s->{flags}{$uid};
                $way eq '+' ? ($is{'$All'} = 1) : delete $is{'$All'};
                $s->{flags}{$uid} = ImapTest::Session::sorted(join ' ', keys %is);
            }
        }
    },
    noop => sub { my ($s) = @_; $s->ok('NOOP'); $s->learn; },
    fetch => sub { my ($s) = @_; my $uid = some($s) // return; $s->command("UID FETCH $uid (FLAGS ENVELOPE BODY.PEEK[])"); },
);
my @mix = ((qw(append) x 4), (qw(store) x 6), qw(copy copy move move expunge expunge all noop noop fetch));

sub client {
    my ($w, $count, $rounds, $dir, $barrier) = @_;
    srand $w * 1000 + $count;
    my $s = $t->session;
    open $s->{events}, '>', "$dir/events.$w" or die;
    $s->{folder} = $w % 5 == 4 ? 'Archive' : 'INBOX';
    $s->select($s->{folder});
    $s->{stay} = { map { $_ => 1 } $s->{folder} eq 'INBOX' ? 1 .. $STAY : () };
    for (1 .. $rounds) {
        my $what = $s->{folder} eq 'INBOX' ? $mix[rand @mix] : (grep { $_ ne 'store' } @mix)[rand(@mix - 6)];
        $does{$what}->($s, $w, $count);
        $s->learn;
    }
    open my $f, '>', "$dir/done.$w";
    sysread $barrier, my $none, 1;
    $s->ok('NOOP');
    $s->learn;
    open $f, '>', "$dir/picture.$w" or die;
    print $f "$s->{folder} $s->{validity}\n", $s->picture;
    close $f;
    $s->logout;
    die "imapd ended with $s->{status}\n" if $s->{status};
}

sub agent { # delivers and says what, also of the last one
    my ($dir, $barrier) = @_;
    my $over;
    local $SIG{TERM} = sub { $over = 1 };
    open my $events, '>', "$dir/events.agent" or die;
    for my $n (1 .. 1e6) {
        my $ready = '';
        vec($ready, fileno $barrier, 1) = 1;
        last if $over || select $ready, undef, undef, 0.05;
        $t->deliver($folders[$n % 3], message("agent-$n"));
        syswrite $events, "delivered\t$folders[$n % 3]\tagent-$n\n";
    }
}

sub vandal { # the index is only a cache
    my ($barrier) = @_;
    while (1) {
        my $ready = '';
        vec($ready, fileno $barrier, 1) = 1;
        last if select $ready, undef, undef, 0.003;
        for my $at ($t->{mail}, "$t->{mail}/.Archive", "$t->{mail}/.Lists") {
            unlink "$at/postern-index" if rand() < 0.5;
            unlink "$at/postern-cache" if rand() < 0.3;
        }
    }
}

# ---- what must be so at the end

sub slurp { open my $f, '<', $_[0] or return ''; local $/; return <$f> // ''; }

# "UID flags" lines out of file names and the durable file.
sub picture_of_files {
    my ($folder) = @_;
    my $at = $t->{mail} . ($folder eq 'INBOX' ? '' : "/.$folder");
    my %word = (S => '\Seen', R => '\Answered', F => '\Flagged', T => '\Deleted', D => '\Draft', slurp("$at/postern-folder") =~ /^keyword (\w) (.*)$/mg);
    my ($validity) = slurp("$at/postern-folder") =~ /^uidvalidity (\d+)/m;
    my %lines;
    for my $name ($t->files($folder)) {
        my ($v, $uid) = $name =~ /,P=([0-9a-f]+)\.([0-9a-f]+)/ or return "a name without a UID: $name";
        return "of another validity: $name" if hex $v != $validity;
        return "twice: $name" if $lines{hex $uid};
        my ($letters) = $name =~ /:2,([A-Za-z]*)/;
        $lines{hex $uid} = hex($uid) . ' ' . ImapTest::Session::sorted(join ' ', map { $word{$_} // "?$_" } split //, $letters // '') . "\n";
    }
    return join '', map { $lines{$_} } sort { $a <=> $b } keys %lines;
}

# What the clients were promised: UIDs given (folder, uid => id), and what is gone.
sub promises {
    my ($dir) = @_;
    my (%given, %gone, @copies, %flag, %delivered, @wrong);
    for my $file (glob "$dir/events.*") {
        for (split /\n/, slurp($file)) {
            my ($what, @w) = split /\t/;
            if ($what eq 'given') {
                push @wrong, "given twice: @w" if $given{"$w[0] $w[1]"}++;
                $given{"$w[0] $w[1]"} = $w[2];
            } elsif ($what eq 'copied') {
                push @copies, [ "$w[0] $w[1]", "$w[2] $w[3]" ];
            } elsif ($what eq 'gone') {
                $gone{"$w[0] $w[1]"} = 1;
            } elsif ($what eq 'delivered') {
                $delivered{"$w[0] $w[1]"} = 1;
            } else {
                my $old = $flag{"$w[0] $w[1]"};
                $flag{"$w[0] $w[1]"} = [ $w[2], $w[3] ] if !$old || $old->[1] < $w[3];
            }
        }
    }
    return (\%given, \%gone, \@copies, \%flag, \%delivered, @wrong);
}

sub accounts {
    my ($dir, $there) = @_; # $there: "folder uid" => id
    my ($given, $gone, $copies, $flag, $delivered, @wrong) = promises($dir);
    my %copied = map { $_->[1] => $_->[0] } @$copies;
    push @wrong, "a UID was given to two: $_" for grep { $given->{$_} } keys %copied;
    push @wrong, @$copies - keys(%copied) . ' UIDs were given to two copies' if @$copies != keys %copied;
    for my $new (keys %copied) { # what it is a copy of
        my $from = $copied{$new};
        my %seen;
        $from = $copied{$from} while $copied{$from} && !$seen{$from}++;
        my $id = $given->{$from} // $there->{$from};
        push @wrong, "$new is not what was copied: $there->{$new}, not $id" if $there->{$new} && $id && $there->{$new} ne $id;
        push @wrong, "the copy $new is lost" if !$there->{$new} && !$gone->{$new};
    }
    for (keys %$given) {
        push @wrong, "$_ ($given->{$_}) is lost" if !$there->{$_} && !$gone->{$_};
        push @wrong, "$_ is $there->{$_}, not $given->{$_}" if $there->{$_} && $there->{$_} ne $given->{$_};
    }
    push @wrong, "$_ came back" for grep { $there->{$_} } keys %$gone;
    for (keys %$there) {
        next if $given->{$_} || $copied{$_};
        my ($folder) = /^(\S+)/;
        push @wrong, "nobody was told of $_ $there->{$_}" if $there->{$_} !~ /^first/ && !delete $delivered->{"$folder $there->{$_}"};
    }
    my %ids = map { $_ => 1 } values %$there; # of those delivered, what was moved or removed has its story above
    my %moved = map { $_->[0] => 1 } @$copies;
    for (keys %$delivered) {
        my ($folder, $id) = split / /;
        push @wrong, "delivered $_ is lost" if !$ids{$id} && !grep { /^\Q$folder\E / && !$given->{$_} } keys %$gone;
    }
    return ($flag, @wrong);
}

sub many {
    my ($count, $rounds, $with_vandal) = @_;
    my $name = "$count sessions" . ($with_vandal ? ', index and cache removed all the while' : '');
    my $dir = "$t->{dir}/many";
    system 'rm', '-rf', $dir;
    mkdir $dir;
    $t->own;
    my $s = $t->session;
    for my $f (@folders) {
        $s->command("CREATE $f");
        $s->select($f);
        $s->ok('STORE 1:* +FLAGS.SILENT (\Deleted)'), $s->ok('EXPUNGE') if @{$s->{uids}};
        $s->ok('UNSELECT');
        $s->ok("DELETE $f"), $s->ok("CREATE $f") if $f ne 'INBOX';
    }
    unlink "$t->{mail}/postern-folder", "$t->{mail}/postern-index", "$t->{mail}/postern-cache", "$t->{mail}/postern-journal"; # UIDs from 1 on
    $s->append('INBOX', $flags[$_ % 4], message("first-$_")) == $_ or die "the $_. UID\n" for 1 .. $STAY + 10;
    $s->logout;
    pipe my $barrier, my $open;
    my @clients = map { my $w = $_; $t->start(sub { close $open; client($w, $count, $rounds, $dir, $barrier) }) } 0 .. $count - 1;
    my @others = $t->start(sub { close $open; agent($dir, $barrier) });
    push @others, $t->start(sub { close $open; vandal($barrier) }) if $with_vandal;
    close $barrier;
    my $ended = 0; # too soon: those that were not promised what they got
    my %left = map { $_ => 1 } @clients;
    ImapTest::eventually(300, sub {
        $t->ended($_) and delete $left{$_}, $ended++ for keys %left;
        my @done = glob "$dir/done.*";
        return @done + $ended >= $count;
    });
    # The agent and the vandal end first.
    kill TERM => @others;
    $t->finish($_) for @others;
    close $open;
    my $well = grep { $t->finish($_) } keys %left;
    is $well, $count, "$name: every client got what it was promised" or diag $t->logged;

    my (%there, %pictures);
    for my $f (@folders) {
        my $fresh = $t->session;
        $fresh->select($f);
        $pictures{$f} = $fresh->picture;
        my $texts = $fresh->texts;
        is scalar keys %$texts, scalar @{$fresh->{uids}}, "$name: $f: every message has its text";
        for (keys %$texts) {
            my ($id) = $texts->{$_} =~ /^Subject: (\S+)/;
            $there{"$f $_"} = $id;
            is $texts->{$_} =~ s/\r\n/\n/gr, message($id) =~ s/\r\n/\n/gr, "$name: $f: $id is whole" if $texts->{$_} ne message($id) && $id !~ /^agent/;
        }
        $fresh->logout;
        is picture_of_files($f), $pictures{$f}, "$name: $f: file names agree";
        my @wrong;
        for my $w (0 .. $count - 1) {
            my ($head, $picture) = split /\n/, slurp("$dir/picture.$w"), 2;
            next if ($head // '') ne "$f $fresh->{validity}";
            push @wrong, "session $w" if $picture ne $pictures{$f};
        }
        is "@wrong", '', "$name: $f: all sessions agree" or diag $pictures{$f}, slurp("$dir/picture." . ($wrong[0] =~ /(\d+)/)[0]);
    }
    my ($flag, @wrong) = accounts($dir, \%there);
    is join("\n", @wrong), '', "$name: nothing lost, nothing twice";
    my %flags = map { /^(\d+) (.*)/ ? ($1 => " $2 ") : () } split /\n/, $pictures{INBOX};
    my @unlike = grep { my ($uid, $f) = split / /; (($flags{$uid} // '') =~ /\s\Q$f\E\s/ ? '+' : '-') ne $flag->{$_}[0] } sort keys %$flag;
    is join("\n", map { "$_ $flag->{$_}[0]" } @unlike), '', "$name: flags are as last set, " . keys(%$flag) . ' of them';
    cmp_ok scalar(keys %$flag), '>', $count / 2, "$name: flags were set";
    unlink map { ("$_/postern-index", "$_/postern-cache") } $t->{mail}, "$t->{mail}/.Archive", "$t->{mail}/.Lists";
    for my $f (@folders) {
        my $fresh = $t->session;
        $fresh->select($f);
        is $fresh->picture, $pictures{$f}, "$name: $f: the same without index and cache";
        $fresh->logout;
    }
}

# Everybody moves the same messages at the same moment.
sub movers {
    my ($count) = @_;
    my $s = $t->session;
    $s->command("CREATE Race");
    $s->command("CREATE Goal");
    $s->append('Race', '', message("race-$_")) for 1 .. 20;
    my @all = map { my $m = $t->session; $m->select('Race'); $m } 1 .. $count;
    kill STOP => -$_->{pid} for @all;
    my @tags = map { $_->begin('MOVE 1:20 Goal') } @all;
    kill CONT => -$_->{pid} for @all;
    my $answered = 0;
    for my $n (0 .. $#all) {
        my ($status) = $all[$n]->reply($tags[$n]);
        $answered++ if $status eq 'OK' || $status eq 'NO';
        $all[$n]->ok('NOOP');
        $all[$n]->logout;
    }
    $s->select('Race');
    my $left = @{$s->{uids}};
    $s->select('Goal');
    my %ids;
    $ids{/^Subject: (\S+)/ && $1}++ for values %{$s->texts};
    is $answered, $count, "$count movers of the same messages are answered";
    is join(' ', $left, scalar(keys %ids), grep { $ids{$_} != 1 } sort keys %ids), '0 20', 'each message came over once';
    $s->logout;
}

many(2, 60 * $more, 0);
many(10, 24 * $more, 0);
many(10, 16 * $more, 1);
many(50, 5 * $more, 0);
movers(10);
done_testing;
