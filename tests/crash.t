#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The process ends, or a call fails, at the Nth call that changes a file, for every N until the last: then what was promised
# ("250", "done", a UID) can be read, nothing half is visible, and every mailbox opens. tests/crash/shim.c does the counting.
#
# Some thousand runs, each on files as they were before the first: all of it is done by the mail's owner, and nothing starts a process but
# the programs that are tested.
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Launch qw(calls clear copy_tree remove_tree);
use Test::More;

my $limit = 300; # more calls than any of these makes
my $t = ImapTest->new;
my $build = $ENV{BUILD} || 'build';
$ENV{ASAN_OPTIONS} = 'verify_asan_link_order=0:detect_leaks=0';
my ($bin, $server) = @$t{qw(bin server)};
my ($boxes, $first, $count, $input) = map { "$t->{dir}/$_" } qw(boxes first count input);
my ($said, $out) = ('', ''); # of what is hit; of what looks at what it left
my @why;                     # what is wrong, or tells more

sub slurp { my ($path) = @_; open my $f, '<', $path or return ''; local $/; return scalar(<$f>) // ''; }
sub spew { my ($path, $text) = @_; open my $f, '>', $path or die "$path: $!"; print $f $text; close $f or die "$path: $!"; return $path; }
sub message { my ($word) = @_; return "Subject: x\r\n\r\n$word\r\n" }

# Runs a command: all that it says, without CRs, to a pipe, so that its words aren't counted.
sub output {
    my ($from, @command) = @_;
    my $pid = open(my $f, '-|') // die "fork: $!";
    if (!$pid) {
        open STDIN, '<', $from or die;
        open STDERR, '>&', \*STDOUT;
        Launch::in_place(@command);
    }
    local $/;
    my $text = <$f> // '';
    close $f;
    return $text =~ s/\r//gr;
}
sub hit {
    my ($how, $from, $program, @arguments) = @_;
    my ($n, $action, $errno) = @$how;
    $ENV{SHIM_TRACE} ? spew($count, "\0" x 262144) : clear($count);
    $said = output($from, 'timeout', 60, 'env', "LD_PRELOAD=$bin/shim.so", "SHIM_COUNT=$count", "SHIM_AT=$n", "SHIM_ACTION=$action",
                   "SHIM_ERRNO=$errno", "$bin/$program", @arguments);
}
# A tool that nothing hits: did it go well? What it said is $out.
sub tool {
    my ($from, $program, @arguments) = @_;
    $out = output($from, "$bin/$program", @arguments);
    return $? == 0;
}

sub files {
    my (@tops) = @_;
    my @found;
    for my $top (@tops) {
        opendir my $d, $top or next;
        for my $path (map { "$top/$_" } grep { !/^\.\.?$/ } readdir $d) {
            lstat $path;
            -d _ ? push @tops, $path : -f _ ? push @found, $path : ();
        }
    }
    return @found;
}
# Every visible message is as large as its name says.
sub whole {
    my @bad = grep { my ($size) = m{/[^,/]*,S=(\d+)[,:][^/]*$}; m{/(?:new|cur)/} && (!defined $size || $size != -s $_) } files(@_);
    push @why, map { "not whole: $_" } @bad;
    return !@bad;
}
sub nothing_in_tmp { my @left = grep { m{/tmp/} } files(@_); push @why, map { "left: $_" } @left; return !@left }
sub looks { my ($box) = @_; return tool('/dev/null', 'session', 'look', $box) && $out !~ /damaged|failed/ }
sub has_last { my ($folder) = @_; return $out =~ /^$folder has \d* last$/m }
sub queued { my ($who) = @_; return grep { slurp($_) =~ /^T \Q$who\E$/m } glob "$server/spool/queue/*-*" }

# ---- scenarios: what is run; `tree` is what of it is put back before; whether all promises hold; whether one that nothing hit went through

sub delivery_done { $said =~ /^done$/m }
sub delivery_kept {
    my ($action) = @_;
    whole($boxes) or return 0;
    $action ne 'full' || nothing_in_tmp($boxes) or return 0;
    for (qw(old a b)) {
        looks("$boxes/$_") && (!delivery_done() || has_last('INBOX')) or return 0;
    }
    return 1;
}
sub junk_kept {
    my ($action) = @_;
    whole($boxes) or return 0;
    $action ne 'full' || nothing_in_tmp($boxes) or return 0;
    for (qw(old a)) {
        looks("$boxes/$_") && (!delivery_done() || has_last('(?:INBOX|Junk)')) or return 0;
    }
    return 1;
}

sub session_kept {
    my ($action) = @_;
    looks("$boxes/old") && whole($boxes) && tool(spew($input, message('after')), 'deliver', "$boxes/old") && looks("$boxes/old") or return 0;
    $action ne 'full' || nothing_in_tmp($boxes) or return 0;
    my (%validity, %has, %text, %id, %gone, %there, @bad);
    my $failed = '';
    for (split /\n/, $said) {
        my ($folder, $what, $one, $two) = split ' ';
        $what //= '';
        $validity{$folder} = $one if $what eq 'validity';
        ($has{"$folder $one"}, $text{"$folder $two"}) = ($two, 1) if $what eq 'has';
        $id{$folder} = $one if $what eq 'is';
        $gone{"$folder $one"} = 1 if $what eq 'gone';
        $failed = $what if $folder eq 'failed';
    }
    for (split /\n/, $out) {
        my ($folder, $what, $one, $two) = split ' ';
        $what //= '';
        push @bad, "UIDVALIDITY of $folder changed" if $what eq 'validity' && defined $validity{$folder} && $validity{$folder} ne $one;
        push @bad, "MAILBOXID of $folder changed" if $what eq 'is' && defined $id{$folder} && $id{$folder} ne $one;
        push @bad, 'Archive lost the use that it was made for' if $what eq 'for' && $folder eq 'Archive' && $one != 16;
        next if $what ne 'has';
        $there{"$folder $one"} = $two;
        push @bad, "a UID came back: $_" if $gone{"$folder $one"};
        push @bad, "a UID was used twice: $_" if defined $has{"$folder $one"} && $has{"$folder $one"} ne $two;
        push @bad, "refused and yet there: $_"
            if $action eq 'fail' && $failed eq 'append' && $folder eq 'INBOX' && $two ne 'after' && !$text{"$folder $two"};
    }
    push @bad, map { "lost: $_ $has{$_}" } grep { !exists $there{$_} && !$gone{$_} && !(/^INBOX/ && $text{"Archive $has{$_}"}) } keys %has;
    push @why, @bad;
    return !@bad;
}

sub queue_kept {
    tool('/dev/null', 'enqueue', 'look', "$boxes/queue") && $out !~ /damaged|failed/ or return 0;
    my @said = split /\n/, $said;
    my %there = map { $_ => 1 } split /\n/, $out;
    my %removed = map { /^removed (\S+)/ ? ($1 => 1) : () } @said;
    my ($last) = reverse map { /^queued (\S+)/ ? $1 : () } @said;
    my @bad;
    for (@said) {
        my ($what, $id) = split ' ';
        next if !defined $id || $what eq 'failed';
        if ($what eq 'removed') {
            push @bad, "is there again: $id" if $there{"queued $id"};
            next;
        }
        next if $what eq 'queued' && ($removed{$id} || $there{$_});
        next if $what eq 'queued' && $id eq $last && @said >= 4; # its removal may have begun
        push @bad, "lost: $_" if !$there{$_};
    }
    push @why, @bad;
    return !@bad;
}

sub smtpd_done { $said =~ /^250 2\.0\.0 /m }
sub smtpd_kept {
    my ($action) = @_;
    whole("$server/mail") or return 0;
    $action ne 'full' || nothing_in_tmp("$server/mail", "$server/spool") && $said =~ /^(?:250 2\.0\.0|452) /m or return 0;
    for (qw(alice bob)) {
        looks("$server/mail/example.test/$_") && (!smtpd_done() || has_last('INBOX') || queued("$_\@example.test")) or return 0;
    }
    for (glob "$server/spool/queue/*-*") {
        push @why, "not whole: $_" and return 0 if substr(slurp($_), -6) =~ s/[\r\n]//gr ne 'last';
    }
    return !smtpd_done() || queued('x@outside.test');
}

# Each reply behind the message is one recipient's: bob's, x@outside's and alice's.
sub lmtp_replies { my ($behind) = $said =~ /^354 .*?\n(.*)/ms or return; return grep { /^[245]/ } split /\n/, $behind }
sub accepted { my ($n) = @_; return ((lmtp_replies())[$n] // '') =~ /^250 2\.0\.0 Accepted / }
sub lmtp_has { my ($user) = @_; return looks("$server/mail/example.test/$user") && has_last('INBOX') }
sub lmtp_kept {
    my ($action) = @_;
    whole("$server/mail") or return 0;
    $action ne 'full' || nothing_in_tmp("$server/mail", "$server/spool") && ((lmtp_replies())[2] // '') =~ /^(?:250 2\.0\.0|452) / or return 0;
    return 0 if $action eq 'fail' && grep({ /^4/ } lmtp_replies()) > 1; # one call that fails is one recipient's failure
    return (!accepted(0) || lmtp_has('bob') || queued('bob@example.test')) && (!accepted(1) || queued('x@outside.test')) &&
        (!accepted(2) || lmtp_has('alice') || queued('alice@example.test'));
}

my %scenario = (
    # One message to three Maildirs, two of which aren't there yet.
    delivery => { tree => 'boxes', kept => \&delivery_kept, done => \&delivery_done,
                  run => sub { hit($_[0], "$first/last", 'deliver', map { "$boxes/$_" } qw(old a b)) } },
    # Junk to two, of which none has a folder for it: there, or in INBOX where it can't be made.
    junk => { tree => 'boxes', kept => \&junk_kept, done => sub { delivery_done() && $out =~ /^Junk for 4$/m && has_last('Junk') },
              run => sub { hit($_[0], "$first/last", 'deliver', '-j', map { "$boxes/$_" } qw(old a)) } },
    # A session that appends, flags, makes a folder, copies, expunges.
    session => { tree => 'boxes', kept => \&session_kept, done => \&delivery_done, run => sub { hit($_[0], '/dev/null', 'session', 'work', "$boxes/old") } },
    # Into the queue, marked, deferred, removed.
    queue => { tree => 'boxes', kept => \&queue_kept, done => \&delivery_done, run => sub { hit($_[0], '/dev/null', 'enqueue', 'work', "$boxes/queue") } },
    # A whole smtpd, session and guard, with two recipients here and one outside.
    smtpd => { tree => 'server', kept => \&smtpd_kept, done => \&smtpd_done, run => sub { hit($_[0], "$first/dialogue", 'smtpd', '-c', $t->{conf}) } },
    # The same by LMTP.
    lmtp => { tree => 'server', kept => \&lmtp_kept, done => sub { accepted(0) && accepted(1) && accepted(2) },
              run => sub { hit($_[0], "$first/lmtp", 'smtpd', '-l', '-c', $t->{conf}) } },
);

sub fresh {
    my ($scenario) = @_;
    my $tree = $scenario{$scenario}{tree};
    remove_tree("$t->{dir}/$tree");
    copy_tree("$first/$tree", "$t->{dir}/$tree");
}

# For each N. At least $least calls must have been made.
sub every {
    my ($least, $action, $errno, $name) = @_;
    my $s = $scenario{$name};
    for my $n (1 .. $limit) {
        fresh($name);
        $s->{run}->([ $n, $action, $errno ]);
        @why = ();
        if (!$s->{kept}->($action)) {
            push @why, "$action at call $n of " . calls($count) . ":\n$said", "found:\n$out";
            return 0;
        }
        next if calls($count) >= $n;
        @why = ("only $n calls: $said");
        return $n > $least && $s->{done}->();
    }
    @why = ("more than $limit calls");
    return 0;
}

# Before it is given its name, a file is on disk, or (in a journal) written out; before a word of it is said, file and name are.
my $trace;
sub in_order {
    my ($name, $least) = @_;
    fresh($name);
    local $ENV{SHIM_TRACE} = 1;
    $scenario{$name}{run}->([ 100000, 'exit', 0 ]);
    ($trace = substr slurp($count), 16) =~ tr/\0//d;
    @why = ($said);
   
    ($name eq 'junk' ? delivery_done() : $scenario{$name}{done}->()) or return 0;
    my (%dirty, %out, %waiting, %synced, @bad);
    my ($renames, $words) = (0, 0);
    for (split /\n/, $trace) {
        my ($what, $one, $two) = split ' ';
        $one //= '';
        my $directory = ($two // '') =~ s{/[^/]*$}{}r;
        if ($what eq 'write') { $dirty{$one} = 1; delete $out{$one} }
        elsif ($what eq 'out') { $out{$one} = 1 }
        elsif ($what eq 'fsync') { delete $dirty{$one}; delete $waiting{$one}; $synced{$one} = 1 }
        elsif ($what eq 'rename' && $one =~ m{/tmp/[^/]*$|\.tmp$}) {
            $renames++;
            if ($out{$one} && !$synced{$one}) { $waiting{$two} = 1 }
            elsif ($dirty{$one} || !$synced{$one}) { push @bad, "renamed before fsync: $_" }
            $waiting{$directory} = 1;
        }
        elsif ($what eq 'rename' && $one =~ m{/new/[^/]*$}) { $waiting{$directory} = 1 }
        elsif ($what eq 'say') {
            push @bad, "said $one " . ($two // '') . " before fsync of $_" for keys %waiting;
            $words++;
        }
    }
    push @bad, "$renames renames, $words words" if $renames < $least || !$words;
    push @why, @bad;
    return !@bad;
}

sub prepare {
    mkdir $_ or die "$_: $!" for $boxes, "$boxes/queue", $first;
    $t->run("echo bob-secret | '$bin/postern' -c '$t->{conf}' user add bob\@example.test") &&
        $t->run("'$bin/postern' -c '$t->{conf}' alias add team\@example.test alice\@example.test bob\@example.test x\@outside.test") &&
        $t->run("'$bin/postern' -c '$t->{conf}' alias add out\@example.test x\@outside.test") or return 0;
    tool(spew($input, message($_)), 'deliver', "$boxes/old") or return 0 for qw(one two);
    spew("$first/last", message('last'));
    my $end = message('last') . ".\r\nQUIT\r\n";
    spew("$first/dialogue", "EHLO c.test\r\nMAIL FROM:<s\@sender.test>\r\nRCPT TO:<team\@example.test>\r\nDATA\r\n$end");
    spew("$first/lmtp", "LHLO c.test\r\nMAIL FROM:<s\@sender.test>\r\nRCPT TO:<bob\@example.test>\r\nRCPT TO:<out\@example.test>\r\n"
        . "RCPT TO:<alice\@example.test>\r\nDATA\r\n$end");
    copy_tree($boxes, "$first/boxes");
    copy_tree($server, "$first/server");
    return 1;
}

sub point { my ($right, $name) = @_; ok $right, $name or diag @why ? () : $t->logged, map { substr($_, 0, 4000) . "\n" } @why }

sub all {
    point(prepare(), 'a server and mailboxes') or return done_testing;
    point(in_order('delivery', 3), 'delivery says done after fsync of file and directory');
    point(in_order('session', 6), 'a session says what is on disk');
    point(in_order('queue', 2), 'the queue too');
    point(in_order('smtpd', 3), 'smtpd says 250 after fsync of every file and directory');
    point(in_order('lmtp', 3), 'in LMTP too');
    {
        local $ENV{SHIM_JOURNAL} = 1;
        for ([ delivery => 3, 'the same of a delivery where the file system has a journal' ], [ session => 6, 'the same of a session' ],
             [ smtpd => 3, 'the same of smtpd' ], [ lmtp => 3, 'the same of LMTP' ]) {
            my ($name, $least, $what) = @$_;
            point(in_order($name, $least), $what);
            point($trace =~ /^out /m, $name eq 'session' ? 'what it appends is written out there' : 'it is written out there');
        }
    }
    for my $how ([ 'exit', 0 ], [ 'fail', 5 ], [ 'full', 28 ]) {
        my $name = join ' ', @$how;
        point(every(20, @$how, 'delivery'), "delivery to three Maildirs, $name");
        point(every(30, @$how, 'junk'), "junk to two, $name");
        point(every(40, @$how, 'session'), "a session, $name");
        point(every(20, @$how, 'queue'), "the queue, $name");
        point(every(18, @$how, 'smtpd'), "smtpd with recipients here and outside, $name");
        point(every(20, @$how, 'lmtp'), "LMTP for three recipients, $name");
        local $ENV{SHIM_JOURNAL} = 1;
        point(every(20, @$how, 'delivery'), "delivery where the file system has a journal, $name");
        point(every(40, @$how, 'session'), "a session there, $name");
        point(every(18, @$how, 'smtpd'), "smtpd there, $name");
        point(every(20, @$how, 'lmtp'), "LMTP there, $name");
    }
    done_testing;
}

system("cp $build/tests/crash/* $bin/ && chmod 755 $bin/*") == 0 or die;
$t->own;
exit($t->finish($t->start(\&all)) ? 0 : 1);
