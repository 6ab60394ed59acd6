# SPDX-License-Identifier: GPL-3.0-or-later
#
# A disconnected IMAP client with QRESYNC (RFC 7162 6): a cache of one mailbox's UIDs and flags that outlives its connections.
#
#     my $c = ImapResync->new($t, 'INBOX', seed => 1);  $t is an ImapTest
#     $c->connect;      logs in, enables QRESYNC, selects, and puts the cache right from what is told since the last time, in one of
#                       five ways; the server may die at any moment: all functions die then with "the connection ended"
#     $c->check;        asks for all flags, plainly, and dies unless the cache had them
#     $c->act;          does something at random, and keeps the cache from the answers
#     $c->leave;        logs out, hangs up, or kills the server in the middle of something
#     $c->picture       the cache as "UID flags" lines        $c->ids   message ids by UID, of all that it ever saw or appended
#
# What it never believes: that HIGHESTMODSEQ, UIDNEXT or a message's mod-sequence goes back, that flags change under the same
# mod-sequence, that UIDVALIDITY changes, that a UID comes back or becomes another message, that VANISHED (not EARLIER) names what was
# not there. A message whose mod-sequence is not above what the client takes for HIGHESTMODSEQ must be in the cache as it is.
package ImapResync;
use strict;
use warnings;
use lib 'tests/lib';
use ImapTest;
use Time::HiRes qw(time sleep);

my @flags = (qw(\Seen \Answered \Flagged \Draft $W1 $W2 $W3));
my $KEPT = 40; # messages; more are removed

sub new {
    my ($class, $t, $folder, %how) = @_;
    return bless {
        t => $t, folder => $folder, name => $how{name} // 'client', validity => 0, modseq => 0, next => 1, uid_next => 0, flags => {}, at => {},
        ids => {}, promised => {}, gone => {}, count => 0, resyncs => 0, %how
    }, $class;
}

# The last lines of its dialogue, for whoever has to find out what went wrong.
sub note { my ($c, $line) = @_; push @{$c->{lines}}, substr $line, 0, 300; shift @{$c->{lines}} if @{$c->{lines}} > 100; }
sub lines { return map { "    $_\n" } @{$_[0]{lines} // []}; }

sub picture { my ($c) = @_; return join '', map { "$_ $c->{flags}{$_}\n" } $c->uids; }
sub uids { my ($c) = @_; return sort { $a <=> $b } keys %{$c->{flags}}; }
sub ids { my ($c) = @_; return { %{$c->{promised}}, %{$c->{ids}} }; }

# "1:3,7" of ascending numbers.
sub compact {
    my @ranges;
    for (@_) {
        if (@ranges && $ranges[-1][1] == $_ - 1) { $ranges[-1][1] = $_ }
        else { push @ranges, [ $_, $_ ] }
    }
    return join ',', map { $_->[0] == $_->[1] ? $_->[0] : "$_->[0]:$_->[1]" } @ranges;
}

# ---- what the server says

sub vanished {
    my ($c, $set, $earlier) = @_;
    for (split /,/, $set) {
        my ($low, $high) = /^(\d+)(?::(\d+))?$/ or die "VANISHED $set\n";
        $high //= $low;
        die "VANISHED $set\n" if $high < $low || $low < 1;
        my @mine = grep { $_ >= $low && $_ <= $high } keys %{$c->{flags}};
        if (!$earlier) {
            die "VANISHED names $low:$high and $c->{count} are there\n" if ($c->{count} -= $high - $low + 1) < 0;
            $c->{gone}{$_} = 1 for $low .. $high;
        }
        $c->{gone}{$_} = 1 for @mine;
        delete @{$c->{flags}}{@mine};
    }
}

sub fetched {
    my ($c, $n, $items) = @_;
    my %row;
    $row{$1} = $2 while $items =~ /\b(UID|FLAGS|MODSEQ) (\d+|\([^)]*\))/g;
    my ($uid, $modseq) = ($row{UID}, ($row{MODSEQ} // '') =~ /^\((\d+)\)$/);
    die "FETCH $n of $c->{count}\n" if $n < 1 || $n > $c->{count};
    return if $items =~ /BODY/;
    die "FETCH without UID and MODSEQ: $items\n" if !$uid || !$modseq;
    die "UID $uid came back\n" if $c->{gone}{$uid};
    $c->{seen} = $modseq if $modseq > ($c->{seen} // 0);
    my $flags = defined $row{FLAGS} ? ImapTest::Session::sorted($row{FLAGS} =~ s/[()]//gr) : undef;
    return push @{$c->{rows}}, [ $uid, $flags, $modseq ] if $c->{rows};
    $c->{fetched}{$uid} = defined $flags ? 'flags' : 'modseq';
    $c->{next} = $uid + 1 if $n <= ($c->{solid} // 0) && $uid >= $c->{next};
    $c->learn($uid, $flags, $modseq);
}

sub learn {
    my ($c, $uid, $flags, $modseq) = @_;
    my $at = $c->{at}{$uid} // 0;
    die "the mod-sequence of UID $uid was $at and is $modseq\n" if $modseq < $at;
    if (defined $flags) {
        my $old = $c->{flags}{$uid};
        die "UID $uid was '$old' and is '$flags' under the same mod-sequence $modseq\n"
            if defined $old && $old ne $flags && $modseq == $at && !$c->{bare}{$uid};
        $c->{flags}{$uid} = $flags;
    }
    $c->{bare}{$uid} = 1 if !defined $flags; # flags under this mod-sequence aren't known yet
    $c->{at}{$uid} = $modseq;
}

sub untagged {
    my ($c, $line) = @_;
    if ($line =~ /^\* VANISHED (\(EARLIER\) )?(\S+)$/) { $c->vanished($2, $1) }
    elsif ($line =~ /^\* (\d+) FETCH \((.*)\)$/s) { $c->fetched($1, $2) }
    elsif ($line =~ /^\* (\d+) EXISTS$/) {
        die "EXISTS $1 where there were $c->{count}\n" if $1 < $c->{count};
        $c->{count} = $1;
    }
    elsif ($line =~ /^\* \d+ EXPUNGE/) { die "EXPUNGE\n" }
    elsif ($line =~ /^\* OK \[UIDVALIDITY (\d+)\]/) {
        die "UIDVALIDITY was $c->{validity} and is $1\n" if $c->{validity} && $c->{validity} != $1;
        $c->{validity} = $1;
    }
    elsif ($line =~ /^\* OK \[UIDNEXT (\d+)\]/) {
        die "UIDNEXT was $c->{uid_next} and is $1\n" if $1 < $c->{uid_next} || $1 < $c->{next};
        $c->{uid_next} = $1;
    }
    elsif ($line =~ /^\* OK \[NOMODSEQ\]/) { die "NOMODSEQ\n" }
    elsif ($line =~ /^\* (?:OK|NO|BYE) \[(?:UNAVAILABLE|SERVERBUG)/) { die "$line\n" }
    if ($line =~ /^\* OK \[HIGHESTMODSEQ (\d+)\]/) { $c->{told} = $1 }
}

# The client's HIGHESTMODSEQ changes with tagged replies only: to what it was told, else to the highest that it saw.
sub tagged {
    my ($c, $text) = @_;
    my $told = $text =~ /^\[HIGHESTMODSEQ (\d+)\]/ ? $1 : $c->{told};
    my $seen = $c->{seen} // 0;
    delete @{$c}{qw(told seen bare)};
    $c->{modseq} = $told // ($seen > $c->{modseq} ? $seen : $c->{modseq}) if !$c->{holds};
    $c->{pending} = $told // ($seen > ($c->{pending} // 0) ? $seen : $c->{pending}) if $c->{holds};
}

sub command { my ($c, @text) = @_; return $c->{session}->command(@text); }
sub ok { my ($c, @text) = @_; return $c->{session}->ok(@text); }

# FETCH: where a message has gone meanwhile, the answer is NO and the others are told.
sub fetch {
    my ($c, $text) = @_;
    my ($status, $answer) = $c->command($text);
    die "$text: $status $answer\n" if $status ne 'OK' && $answer !~ /^\[EXPUNGEISSUED\]/;
}

# ---- coming and going

sub match_data {
    my ($c) = @_;
    my @uids = $c->uids;
    my @numbers = grep { rand() < 0.3 } 1 .. @uids;
    return @numbers ? ' (' . compact(@numbers) . ' ' . join(',', map { $uids[$_ - 1] } @numbers) . ')' : '';
}

# Puts the cache right, in one of the ways that there are. HIGHESTMODSEQ is kept only when all is done.
sub resync {
    my ($c, $how) = @_;
    my $quoted = "\"$c->{folder}\"";
    $how //= int rand 5;
    my $known = $c->{known} = $c->{modseq};
    my @uids = $c->uids;
    $c->{holds} = 1;
    $c->{count} = 0;
    delete @{$c}{qw(pending rows)};
    my $of = $how == 1 && @uids ? ' ' . compact(@uids) : ($how == 2 || $how == 3) && @uids ? " 1:$uids[-1]" : '';
    $of .= $c->match_data if $how == 3;
    my $parameter = !$known ? '' : $how == 4 ? ' (CONDSTORE)' : " (QRESYNC ($c->{validity} $known$of))";
    $c->{answer} = [ $c->ok((rand() < 0.8 || $c->{writes} ? 'SELECT' : 'EXAMINE') . " $quoted$parameter") ];
    die "HIGHESTMODSEQ was $known and is $c->{pending}\n" if $c->{pending} < $known;
    $c->fetch("UID FETCH 1:* (FLAGS) (CHANGEDSINCE $known VANISHED)") if $known && $how == 4;
    $c->fetch_tail;
    $c->fetch_new;
    $c->{holds} = 0;
    $c->{modseq} = $c->{pending};
    $c->{resyncs}++;
}

sub connect {
    my ($c, $how) = @_;
    my $s = $c->{session} = ImapResync::Session->connect($c->{t}, fragile => 1);
    $s->{client} = undef;
    $s->ok('LOGIN alice@example.test alice-secret');
    $s->ok('ENABLE QRESYNC');
    $s->{client} = $c;
    $c->resync($how);
}

sub compare {
    my ($c, $before, $known, $rows) = @_;
    my %there;
    for (@$rows) {
        my ($uid, $flags, $modseq) = @$_;
        next if $there{$uid}++;
        next if $modseq > $known;
        die "UID $uid, '$flags', mod-sequence $modseq: not told, known is all up to $known\n" if !defined $before->{$uid};
        die "UID $uid was '$before->{$uid}', and is '$flags', mod-sequence $modseq: not told, known is all up to $known\n"
            if $before->{$uid} ne $flags;
    }
    for (keys %$before) { die "UID $_ isn't there: not told, known is all up to $known\n" if !$there{$_} && !$c->{gone}{$_} }
}

# Flags of what EXISTS has announced. What more comes in the answer may come without those before it: all below `next` is had.
sub fetch_tail {
    my ($c) = @_;
    $c->{solid} = $c->{count};
    $c->fetch("UID FETCH $c->{next}:* (FLAGS)");
    delete $c->{solid};
}

sub fetch_new {
    my ($c) = @_;
    for (1 .. 20) {
        my $known = keys %{$c->{flags}};
        die "$c->{count} messages are there, and $known are known\n" if $c->{count} < $known;
        return if $c->{count} == $known;
        $c->fetch_tail;
    }
    die "EXISTS says $c->{count}, and only " . keys(%{$c->{flags}}) . " can be had, from $c->{next} on\n";
}

# All flags by a plain FETCH, held against the cache. What changes meanwhile comes behind, or with a higher mod-sequence.
sub check {
    my ($c) = @_;
    $c->fetch_new;
    my ($before, $known) = ({ %{$c->{flags}} }, $c->{modseq});
    $c->{rows} = [];
    $c->fetch('UID FETCH 1:* (FLAGS)');
    my $rows = delete $c->{rows};
    $c->compare($before, $known, $rows);
    for (@$rows) { $c->learn(@$_) if !$c->{gone}{$_->[0]} }
}

# Message ids of what has come.
sub identify {
    my ($c) = @_;
    my @new = grep { !$c->{ids}{$_} } $c->uids or return;
    my (undef, undef, @answers) = $c->command('UID FETCH ' . compact(@new) . ' (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])'); # NO: some are gone
    for (@answers) {
        my ($uid) = /\bUID (\d+)/ or next;
        my ($id) = /^Message-ID: <([^>]+)>/m or next;
        my $was = $c->{ids}{$uid} // $c->{promised}{$uid} // $id;
        die "UID $uid was $was and is $id\n" if $was ne $id;
        $c->{ids}{$uid} = $id;
    }
}

sub leave {
    my ($c) = @_;
    my $s = $c->{session};
    my $how = rand;
    if ($how < 0.4) { $s->ok('LOGOUT') }
    elsif ($how < 0.7) {
        $c->begin_anything;
        sleep rand 0.004;
        $s->kill;
    }
    $c->end;
}

sub end {
    my ($c) = @_;
    my $s = delete $c->{session} or return;
    $s->kill if $s->{pid};
}

# ---- what a user does

sub some { my ($c) = @_; my @uids = $c->uids; return @uids ? $uids[rand @uids] : undef; }

sub message {
    my ($id) = @_;
    return "Subject: $id\r\nMessage-ID: <$id>\r\n\r\n" . "text of $id\r\n" x (1 + rand 20);
}

sub changed {
    my ($flags, $way, @list) = @_;
    my %is = map { $_ => 1 } split / /, $flags;
    %is = () if $way eq '';
    $way eq '-' ? delete $is{$_} : ($is{$_} = 1) for @list;
    return ImapTest::Session::sorted(join ' ', keys %is);
}

sub numbers { return map { /(\d+):(\d+)/ ? $1 .. $2 : $_ } split /,/, $_[0] // ''; }

# A STORE, by UID or by message number; where it was silent, the cache is changed as the client knows by itself, but for messages of which flags were told.
sub store {
    my ($c) = @_;
    my @uids = grep { rand() < (rand() < 0.1 ? 1 : 0.2) } $c->uids or return;
    my $way = ('+', '-', '')[int rand 3];
    my @list = grep { rand() < 0.3 } @flags;
    my $silent = rand() < 0.6 ? '.SILENT' : '';
    my $unless = rand() < 0.4 ? rand() < 0.3 ? ' (UNCHANGEDSINCE 1)' : " (UNCHANGEDSINCE $c->{modseq})" : '';
    my @all = $c->uids;
    my %number = map { $all[$_] => $_ + 1 } 0 .. $#all;
    my $by_number = @all == $c->{count} && rand() < 0.5;
    my $set = $by_number ? 'STORE ' . compact(map { $number{$_} } @uids) : 'UID STORE ' . compact(@uids);
    $c->{fetched} = {};
    my ($status, $text) = $c->command("$set$unless ${way}FLAGS$silent (@list)");
    die "STORE: $status $text\n" if $status eq 'BAD';
    my $fetched = delete $c->{fetched};
    if ($status eq 'NO') { # some are gone, or the mailbox is read-only: those with a new mod-sequence were stored, and the others?
        for (grep { ($fetched->{$_} // '') eq 'modseq' && defined $c->{flags}{$_} } @uids) { $c->{flags}{$_} = changed($c->{flags}{$_}, $way, @list) }
        $c->fetch('UID FETCH ' . compact(@uids) . ' (FLAGS)');
        return;
    }
    my %failed = map { ($by_number ? $all[$_ - 1] : $_) => 1 } numbers($text =~ /^\[MODIFIED ([\d:,]+)\]/);
    for (@uids) {
        next if $failed{$_} || ($fetched->{$_} // '') eq 'flags' || !defined $c->{flags}{$_};
        die "STORE of $_ was not answered\n" if !$silent;
        $c->{flags}{$_} = changed($c->{flags}{$_}, $way, @list);
    }
}

sub expunge {
    my ($c, $uid) = @_;
    $uid //= $c->some // return;
    $c->command("UID STORE $uid +FLAGS (\\Deleted)");
    $c->command(rand() < 0.7 ? "UID EXPUNGE $uid" : 'EXPUNGE');
}

my $appended = 0;
sub append {
    my ($c) = @_;
    my $id = "$c->{name}-$$-" . ++$appended;
    my ($status, $text) = $c->command("APPEND \"$c->{folder}\" (\\Seen) {}", message($id));
    my ($uid) = $text =~ /^\[APPENDUID \d+ (\d+)\]/ or die "APPEND: $status $text\n";
    die "UID $uid was $c->{ids}{$uid} and is promised to $id\n" if $c->{ids}{$uid};
    die "UID $uid was promised to $c->{promised}{$uid} and is to $id\n" if $c->{promised}{$uid};
    $c->{promised}{$uid} = $id;
}

sub idle {
    my ($c) = @_;
    my $s = $c->{session};
    my $tag = $s->begin('IDLE');
    my $until = time + rand 0.1;
    while ((my $left = $until - time) > 0) {
        vec(my $bits = '', fileno $s->{socket}, 1) = 1;
        if ($s->{buffer} =~ /\r\n/ || select $bits, undef, undef, $left) {
            my $line = $s->line;
            $s->untagged($line) if $line =~ /^\*/;
        }
    }
    $s->send_bytes("DONE\r\n");
    $s->reply($tag);
}

my @does = (
    (\&store) x 8,
    \&idle, \&idle,
    \&append,
    \&expunge,
    sub { $_[0]->ok('NOOP') },
    sub { $_[0]->ok('CHECK') },
    (sub { $_[0]->fetch('FETCH 1:* (UID FLAGS)') if $_[0]{count} }) x 2, # which keeps expunges back, and so does SEARCH
    sub { my ($c) = @_; $c->expunge(($c->uids)[-1]) },
    sub { my ($c) = @_; my $uid = $c->some // return; $c->command("UID COPY $uid \"$c->{folder}\"") },
    sub { my ($c) = @_; my $uid = $c->some // return; $c->command("UID MOVE $uid Archive") },
    sub { my ($c) = @_; my $uid = $c->some // return; $c->command("UID FETCH $uid (BODY[TEXT])"); $c->command("UID FETCH $uid (FLAGS)") },
    sub { my ($c) = @_; $c->ok("SEARCH MODSEQ $c->{modseq}") },
);

sub act {
    my ($c) = @_;
    my @uids = $c->uids;
    if (@uids > $KEPT && rand() < 0.3) { $c->expunge($uids[rand @uids]) }
    else { $does[rand @does]->($c) }
    $c->fetch_new;
}

# A change of which the answer won't be read.
sub begin_anything {
    my ($c) = @_;
    my ($s, $uid) = ($c->{session}, $c->some // 1);
    my @texts = ('STORE 1:* +FLAGS (\Seen $W2)', "UID STORE $uid FLAGS.SILENT (\\Flagged)", "UID STORE $uid +FLAGS (\\Deleted)", 'EXPUNGE',
                 "UID MOVE $uid Archive", "UID COPY $uid \"$c->{folder}\"", 'STORE 1:* -FLAGS.SILENT ($W2)');
    $s->begin($texts[rand @texts]);
}

package ImapResync::Session;
our @ISA = 'ImapTest::Session';

sub begin {
    my ($s, @text) = @_;
    $s->{client}->note("C: $text[0]") if $s->{client};
    return $s->SUPER::begin(@text);
}

sub untagged {
    my ($s, $line) = @_;
    $s->{client}->note("S: $line") if $s->{client};
    $s->{client}->untagged($line) if $s->{client};
}

sub reply {
    my ($s, $tag) = @_;
    my @answer = $s->SUPER::reply($tag);
    $s->{client}->note("S: $tag $answer[0] $answer[1]") if $s->{client};
    $s->{client}->tagged($answer[1]) if $s->{client};
    return @answer;
}

1;
