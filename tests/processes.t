#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The processes of a connection: when one of them is killed, all others end, whatever the client does; each holds open
# only what it needs. Before and after the login, with and without TLS, cold, under inetd and warm.
. tests/tap.sh
. tests/server.sh

prepare() {
    server_place "$work/place" && server_setup one mail.example.test example.test &&
        { [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>"$place/one/postern.conf"; } &&
        echo 'plaintext-login yes' >>"$place/one/postern.conf" && server_user one alice@example.test alice-secret
}

cat >"$work/play" <<'X'
# play kill|hold PLACE PROGRAM cold|inetd|warm plain|tls before|after|stranger|asked, or play inherit PLACE PROGRAM
use strict;
use lib 'tests/lib';
use FreePort;
use IO::Socket::INET;
use IO::Socket::SSL;
use POSIX ();
use Socket;
use Time::HiRes qw(sleep time);

my $PATIENCE = 60; # seconds
my ($what, $place, $program, $mode, $tls, $state) = (@ARGV, '', '', '');
my %talk = (
    smtpd => { hello => '220 ', before => ['EHLO x', '250 '], stranger => ['EHLO x', '250 '],
               asked => ["EHLO x\r\nMAIL FROM:<a\@far.test>", '250 2\.1\.0'] },
    imapd => { hello => '\* OK', before => ['a NOOP', 'a OK'], after => ['a LOGIN alice@example.test alice-secret', 'a OK'] },
    pop3d => { hello => '\+OK', before => ['CAPA', '\.\r'],
               after => ["USER alice\@example.test\r\nPASS alice-secret", '\+OK.*\n\+OK'] },
);
my %modes = (cold => ['--accept'], inetd => ['--accept', '--inetd'], warm => []);
my @drop = $> ? () : qw(setpriv --reuid=nobody --regid=nogroup --clear-groups --);

sub stat_of { open my $f, '<', "/proc/$_[0]/stat" or return; <$f> =~ /^\d+ \(.*\) (\S) (\d+)/ ? ($1, $2) : () }
sub alive { my ($is) = stat_of($_[0]); $is && $is ne 'Z' }
sub below {
    my %children;
    for (glob '/proc/[0-9]*') {
        my ($pid) = /(\d+)/;
        my ($is, $parent) = stat_of($pid) or next;
        push @{$children{$parent}}, $pid if $is ne 'Z';
    }
    my @found = @{$children{$_[0]} || []};
    for (my $i = 0; $i < @found; $i++) { push @found, @{$children{$found[$i]} || []} }
    return @found;
}

sub talk {
    my ($client, $line, $wanted) = @_;
    my ($got, $until) = ('', time + $PATIENCE);
    syswrite $client, "$line\r\n" if defined $line;
    while ($got !~ /^$wanted.*\n/m) {
        die "no '$wanted' but '$got'\n" if time > $until || !sysread $client, my $more, 4096;
        $got .= $more;
    }
}

sub children {
    my ($pid, @all) = @_;
    my @children = sort { $a <=> $b } grep { ((stat_of($_))[1] // 0) == $pid } @all;
    return @children;
}

# Of a warm listener of smtpd: its guards, which have resolvers below them, and the sessions, oldest first.
sub guards_and_sessions {
    my ($activator, @all) = @_;
    my (@guards, @sessions);
    push @{ children($_, @all) ? \@guards : \@sessions }, $_ for children($activator, @all);
    return (\@guards, \@sessions);
}

# The younger session waits for the next connection. The guards are one that was idle before this connection and was taken, and
# one made since; or the connection before had not ended when this one's was made, and is idle now.
sub connected_standing {
    my ($activator, @all) = @_;
    my ($guards, $sessions) = guards_and_sessions($activator, @all);
    return if @$guards != 2 || @$sessions != 2;
    my $guard = $guards->[$guards->[1] > $sessions->[1] ? 0 : 1];
    return ($guard, $sessions->[0], children($guard, @all));
}

# A connection's processes, the first one first, among those below the activator. A warm listener has two children: the
# younger one waits, with its own child, for the next connection.
sub connected {
    my ($activator) = @_;
    my @all = below($activator);
    return @all if $mode ne 'warm';
    return connected_standing($activator, @all) if $program eq 'smtpd';
    my @children = children($activator, @all);
    my @waiting = @children == 2 ? ($children[1], below($children[1])) : return;
    return @waiting == 2 ? grep { my $pid = $_; !grep { $_ == $pid } @waiting } @all : ();
}

# Does a warm listener wait for its next connection, and has the one before ended, of which these were there?
sub waits {
    my ($activator, @before) = @_;
    my @all = below($activator);
    return @all == 2 if $program ne 'smtpd';
    my ($guards, $sessions) = guards_and_sessions($activator, @all);
    return @$guards && @$sessions == 1 && $sessions->[0] != $before[0];
}

sub greeted {
    my ($at) = @_;
    my $client;
    my $until = time + $PATIENCE;
    while (!$client && time < $until) {
        my %from = $state =~ /^(stranger|asked)$/ ? (LocalAddr => '127.0.0.2') : ();
        $client = $tls eq 'tls' ? IO::Socket::SSL->new(PeerAddr => $at, %from, SSL_verify_mode => 0)
                                : IO::Socket::INET->new(PeerAddr => $at, %from);
        sleep 0.05 if !$client;
    }
    $client or die "can't connect\n";
    talk($client, undef, $talk{$program}{hello});
    return $client;
}

# A third guard is made where the one before was not yet through when this connection began: which of them serves it can't be told.
sub too_many_guards {
    my ($activator) = @_;
    return if $mode ne 'warm' || $program ne 'smtpd';
    my ($guards) = guards_and_sessions($activator, below($activator));
    return @$guards > 2;
}

# The activator, the client, and the connection's processes.
sub begin {
    my ($tries) = @_;
    my $at = '127.0.0.1:' . free_port();
    my $activator = fork;
    if (!$activator) {
        POSIX::setsid();
        open STDOUT, '>>', "$place/log";
        open STDERR, '>>', "$place/log";
        exec @drop, 'systemd-socket-activate', @{$modes{$mode}}, '-l', $at, "$place/bin/$program", '-c',
            "$place/one/postern.conf", $tls eq 'tls' ? '-t' : ();
    }
    my $client = greeted($at);
    if ($mode eq 'warm') { # whom processes have waited for
        my @before = children($activator, below($activator)); # of smtpd the session first
        close $client;
        my $until = time + $PATIENCE;
        sleep 0.02 while !waits($activator, @before) && time < $until;
        $client = greeted($at);
    }
    talk($client, @{$talk{$program}{$state}});
    # Before a login the guard (smtpd: a stranger's resolver) is there only if it has been asked for something: a signature, MAIL.
    my $asked = $state eq 'asked' || $state eq 'stranger' && $tls eq 'tls';
    my $wanted = $program eq 'smtpd' ? 2 + ($asked || $mode eq 'warm') : $state eq 'before' ? ($tls eq 'tls' ? 3 : 2) : $tls eq 'tls' ? 2 : 1;
    my (@processes, $until);
    for ($until = time + $PATIENCE; time < $until; sleep 0.05) {
        @processes = connected($activator);
        last if @processes == $wanted || too_many_guards($activator);
    }
    if (@processes != $wanted && too_many_guards($activator) && ($tries // 0) < 4) {
        end($activator, $client, below($activator));
        return begin(($tries // 0) + 1);
    }
    my @there = map { my ($pid) = $_; "$pid of " . ((stat_of($pid))[1] // 0) } below($activator);
    @processes == $wanted or die @processes . " processes, not $wanted: @there\n";
    return ($activator, $client, @processes);
}

sub end {
    my ($activator, $client, @processes) = @_;
    close $client;
    kill KILL => $activator, grep { alive($_) } @processes;
    waitpid $activator, 0;
}

sub kill_each {
    my $count = 1;
    for (my $victim = 0; $victim < $count; $victim++) {
        my ($activator, $client, @processes) = begin();
        $count = $program eq 'smtpd' ? 2 : @processes; # without its resolver smtpd goes on, and can look up nothing
        kill KILL => $processes[$victim];
        my $until = time + $PATIENCE;
        my @left;
        do { sleep 0.02; @left = grep { alive($_) } @processes } while @left && time < $until;
        end($activator, $client, @processes);
        die "process $victim of $count was killed, and " . @left . " live on\n" if @left;
    }
}

# The session's processor time is bounded. Sockets, but no other file than the mailbox's and what holds a place among a source's connections; and no more of them than a client and two ends to the others.
sub wrong {
    my ($activator, @processes) = @_;
    my ($wrong, $listening) = ('', $mode eq 'warm' ? readlink "/proc/$activator/fd/3" : '');
    my $bounded = grep { open my $f, '<', "/proc/$_/limits"; grep { /^Max cpu time +3600 +3600/ } <$f> } @processes;
    $wrong .= "$bounded processes with bounded processor time\n" if $bounded != ($tls eq 'tls' || $state ne 'after');
    for my $i (0 .. $#processes) {
        my ($sockets, $files) = (0, 0);
        # Until something is asked: the guard's two ends, and the rulesets of those that are made then.
        my $waits = $i == 0 && $tls ne 'tls' && !($program eq 'smtpd' && $mode eq 'warm') && $state eq ($program eq 'smtpd' ? 'stranger' : 'before');
        for (glob "/proc/$processes[$i]/fd/*") {
            my $to = readlink $_;
            my ($fd) = /(\d+)$/;
            next if $to eq '/dev/null' || ($fd == 2 && $to eq "$place/log");
            next if $waits && $to eq 'anon_inode:[landlock-ruleset]';
            $files++ if $to =~ m(^\Q$place\E/one/mail/example.test/alice(/|$)) || $to eq 'anon_inode:inotify';
            $sockets++ if $to =~ /^socket:/;
            next if $i == 0 && $mode ne 'warm' && $to =~ m{/spool/slots/places$}; # its place among its source's connections
            $wrong .= "process $i: $fd is $to\n" unless $to =~ /^socket:/ || ($files && $i == 0 && $state eq 'after');
            $wrong .= "process $i: $fd is the listening socket\n" if $to eq $listening;
        }
        my $most = $waits ? 5 : $state eq 'after' ? ($i == 0 && $program ne 'smtpd' ? 1 : 2) : 3;
        $most++ if $i == 0 && $program eq 'smtpd' && $mode eq 'warm'; # by which it says that it waits for the disk
        $wrong .= "process $i: $sockets sockets, not $most\n" if $sockets > $most;
    }
    return $wrong;
}

sub look {
    my ($activator, $client, @processes) = begin();
    my ($wrong, $until) = ('', time + $PATIENCE);
    do { $wrong = wrong($activator, @processes); $wrong and sleep 0.02 } while $wrong && time < $until; # it may just have begun
    end($activator, $client, @processes);
    die $wrong if $wrong;
}

# Started as by a web server or cron, with a file of theirs open.
sub inherit {
    socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0 or die;
    my $first = fork;
    if (!$first) {
        open my $file, '<', "$place/one/accounts" or die;
        POSIX::dup2(fileno $file, 9);
        POSIX::dup2(fileno $theirs, $_) for 0, 1;
        exec @drop, "$place/bin/$program", '-c', "$place/one/postern.conf";
    }
    close $theirs;
    talk($ours, undef, $talk{$program}{hello});
    my @kept = map { "process $_ has it\n" } grep { (readlink "/proc/$_/fd/9" // '') =~ /accounts$/ } $first, below($first);
    kill KILL => $first;
    die @kept if @kept;
}

$what eq 'kill' ? kill_each() : $what eq 'hold' ? look() : inherit();
X

play() { timeout 400 perl "$work/play" "$1" "$place" "$2" ${3:+"$3" "$4" "$5"} || { tail -n 5 "$place/log"; return 1; }; }

when() { case $1 in stranger) echo 'a stranger' ;; asked) echo 'a stranger behind MAIL' ;; *) echo "$1 a login" ;; esac; }

check "a server" prepare
for program in smtpd imapd pop3d; do
    for tls in plain tls; do
        for state in before after stranger asked; do
            case $program$state in smtpdafter | imapdstranger | imapdasked | pop3dstranger | pop3dasked) continue ;; esac
            for mode in cold inetd warm; do
                [ $mode = inetd ] || check "none outlives another: $program, $mode, $tls, $(when $state)" \
                    play kill $program $mode $tls $state
                [ "$(id -u)" != 0 ] || [ "${SANDBOX:-}" = none ] || # only root can look into them
                    check "each holds what it needs: $program, $mode, $tls, $(when $state)" \
                        play hold $program $mode $tls $state
            done
        done
    done
done

[ "$(id -u)" != 0 ] || for program in smtpd imapd pop3d; do
    check "none keeps a file of whoever started them: $program" play inherit $program
done

# Where no process can be made, the client is told.
alone() { # PROGRAM REPLY
    as_server prlimit --nproc=1 "$place/bin/$1" -c "$place/one/postern.conf" </dev/null 2>/dev/null | grep -qe "^$2"
}
check 'smtpd says so where it can make no process' alone smtpd 421
check 'imapd' alone imapd '\* BYE'
check 'pop3d' alone pop3d -ERR

done_testing
