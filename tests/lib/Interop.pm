# SPDX-License-Identifier: GPL-3.0-or-later
#
# Mail to and from another mail server that Debian has, each way, with one side killed in between.
#
# Debian's mail servers exclude each other and want ports 25 and 53, so each test runs on loopback in namespaces of its own, where the
# peer's packages (which tests/deps has fetched) are unpacked over /usr, /etc and /var; what it writes there stays in memory.
# Ours is us.test, at 127.0.0.10; the peer is peer.test, at 127.0.0.20; dnsmasq says so. INTEROP_MESSAGES (100) go each way.
#
# The kills are SIGKILL, after a SIGSTOP that makes the connections countable: each of them may cost one duplicate, and nothing else may.
package Interop;
use strict;
use warnings;
use lib 'tests/lib';
use IO::Socket::INET;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(time sleep);

my $messages = $ENV{INTEROP_MESSAGES} || 100;
my ($ours, $theirs) = ('127.0.0.10', '127.0.0.20');

sub run {
    my ($class, %peer) = @_;
    enter(\%peer);
    require QrunTest;
    my $self = bless { %peer, inbox => '' }, $class;
    my $t = $self->{t} = QrunTest->new(domain => 'us.test', resolver => '127.0.0.1:53', 'smtp-port' => 25, 'retry-first' => 1, timeout => 60);
    $self->{dir} = "$t->{dir}/peer";
    $self->{inbox} = "$self->{dir}/inbox";
    mkdir $self->{dir} or die;
    system('cp', "$t->{server}/cert.pem", "$t->{server}/key.pem", $self->{dir}) == 0 or die;
    system("chown root:root $self->{dir}/*.pem; chmod 600 $self->{dir}/key.pem; chmod 755 $self->{dir}");
    mkdir $self->{inbox};
    chown 5000, 5000, $self->{inbox};
    $t->{dns_port} = 53;
    $t->dns(map { my ($name, $ip) = @$_; ("--mx-host=$name,mail.$name,10", "--host-record=mail.$name,$ip", "--host-record=$name,$ip") }
            ['us.test', $ours], ['peer.test', $theirs]);
    $t->run_as('postern', '-c', $t->{conf}, 'route', 'add', 'peer.test', 'smtp:peer.test', "tls=$peer{receives_tls}") == 0 or die $t->log;
    $t->serve_smtpd($ours, 25);
    $self->{setup}->($self);
    $self->start or do { fail "$peer{name} starts"; diag $self->log; done_testing; return };
    my $begun = time;
    subtest "$messages messages from $peer{name} to us" => sub { $self->from_peer };
    subtest "$messages messages from us to $peer{name}" => sub { $self->to_peer };
    diag sprintf '%s: %d messages each way in %.0f s', $peer{name}, $messages, time - $begun;
    $self->kill_peer($theirs);
    done_testing;
}

# Starts the test again in namespaces, or (there) builds the peer's machine.
sub enter {
    my $peer = shift;
    my $packages = "/var/cache/postern-tests/$peer->{package}";
    if ($> != 0) {
        print "1..0 # SKIP needs root: the peer has users of its own, and changes to them\n";
        exit 0;
    }
    if (!$ENV{INTEROP_INSIDE}) {
        $ENV{INTEROP_INSIDE} = 1;
        exec 'unshare', qw(--mount --net --ipc --uts --pid --fork --kill-child --mount-proc --), $^X, $0 or die "unshare: $!";
    }
    glob "$packages/$peer->{package}_*.deb" or die "$packages has no package: run make deps\n";
    my $script = <<'X';
set -e
mount --make-rprivate /
ip link set lo up
ip address add 127.0.0.20/8 dev lo # Postfix binds to none but an interface's
ip address add 192.0.2.1/32 dev lo # with none but loopback addresses AI_ADDRCONFIG finds nothing
mount -t tmpfs -o mode=0755 peer /run
mkdir -p /run/peer/tree
for deb in "$1"/*.deb; do
    dpkg-deb -x "$deb" /run/peer/tree
done
shift
for d in bin sbin lib; do
    [ ! -d "/run/peer/tree/$d" ] || { mkdir -p "/run/peer/tree/usr/$d" && cp -a "/run/peer/tree/$d/." "/run/peer/tree/usr/$d/"; }
done
for d in usr etc var; do
    mkdir -p "/run/peer/tree/$d"
    mkdir -p "/run/peer/changes/$d" "/run/peer/overlay/$d"
    mount -t overlay -o "lowerdir=/run/peer/tree/$d:/$d,upperdir=/run/peer/changes/$d,workdir=/run/peer/overlay/$d" peer "/$d"
done
hostname mail.peer.test
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
echo '127.0.0.1 localhost' >/etc/hosts
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n' >/etc/nsswitch.conf
id=5000
for user; do
    grep -q "^$user:" /etc/group || echo "$user:x:$id:" >>/etc/group
    grep -q "^$user:" /etc/passwd || echo "$user:x:$id:$id::/nonexistent:/usr/sbin/nologin" >>/etc/passwd
    id=$((id + 1))
done
X
    system('sh', '-c', $script, 'sh', $packages, 'vmail', @{ $peer->{users} }) == 0 or die "the peer's machine can't be made\n";
}

# ---- the peer's processes, and ours

# Those that run one of these programs, by path.
sub processes {
    my $programs = shift;
    return grep { my $exe = readlink "/proc/$_/exe"; defined $exe && $exe =~ $programs } map { m{/proc/(\d+)$} ? $1 : () } glob '/proc/[0-9]*';
}

# Is that so of all of them, by their states? Waited for.
sub wait_for_state {
    my ($states, @pids) = @_;
    my $until = time + 60;
    my $is = sub { open my $f, '<', "/proc/$_[0]/stat" or return 1; return (readline($f) // '') !~ /^.*\) [^$states] / };
    sleep 0.01 while grep({ !$is->($_) } @pids) && time < $until;
}

# Kills them all; how many SMTP connections to this address they cut, or transmissions they had not noted yet.
sub kill_all {
    my ($programs, $address, $unnoted) = @_;
    my %stopped;
    while (my @new = grep { !$stopped{$_} } processes($programs)) {
        kill 'STOP', @new;
        @stopped{@new} = (1) x @new;
        wait_for_state('TZX', @new); # one that is just making another does so before it stops
    }
    my $cut = max(connections($address), $unnoted ? qx($unnoted) : 0);
    kill 'KILL', keys %stopped;
    wait_for_state('ZX', keys %stopped); # one that ends has no program any more while it still has its sockets: only then are they closed too
    return $cut;
}

# Connections to port 25 of this address that are established, as its clients have them.
sub connections {
    my $hex = sprintf '%08X:0019', unpack 'V', pack 'C4', split /\./, shift;
    open my $f, '<', '/proc/net/tcp' or die;
    return scalar grep { /^\s*\d+: \S+ $hex 01 / } <$f>;
}

# As a client it may have closed a connection and not noted yet what it brought: `sending` prints how many messages it is about.
sub kill_peer {
    my ($self, $address) = @_;
    return kill_all($self->{programs}, $address, $address eq $ours && $self->{sending});
}
sub kill_ours { my ($self, $program, $address) = @_; return kill_all(qr{^\Q$self->{t}{bin}\E/$program\b}, $address) }

# Exim waits for half a minute where the port isn't free.
sub start {
    my $self = shift;
    $self->command($_) for @{ $self->{start_commands} };
    return $self->{t}->eventually(100, sub { IO::Socket::INET->new(PeerAddr => $theirs, PeerPort => 25) });
}

# Runs one as root; its output goes to a log.
sub command {
    my ($self, $command) = @_;
    return system "( $command ) </dev/null >>$self->{dir}/log 2>&1";
}
sub log {
    my $self = shift;
    return join '', map { my $text = $self->{t}->slurp($_); length $text > 3000 ? substr $text, -3000 : $text }
        "$self->{dir}/log", $self->{log}, "$self->{t}{dir}/log";
}
# Who runs, and what they wait for.
sub state { return scalar qx(ps -eo pid,ppid,stat,etimes,wchan:20,args | grep -v defunct; ss -tnpo) }

sub peer_queue { my $self = shift; my $n = `$self->{queue_length}`; return $n =~ /(\d+)/ ? $1 : 1e9 }

# ---- messages

sub body { my $n = shift; return "number $n\n.\n..\n.dots\nGr\xc3\xbc\xc3\x9fe\n" . 'x' x 900 . "\n" . "line of $n\n" x (10 + $n % 100) . "end\n" }
sub text {
    my ($n, $from, $to) = @_;
    my $text = "From: $from\nTo: $to\nSubject: number $n\nMessage-ID: <$n\@interop.test>\nX-Number: $n\nMIME-Version: 1.0\n"
        . "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" . body($n);
    $text =~ s/\n/\r\n/g;
    return $text;
}

# Hands messages to the peer as a client of its own host would, 50 a connection.
sub inject {
    my ($self, @numbers) = @_;
    while (my @some = splice @numbers, 0, 50) {
        my $s = IO::Socket::INET->new(PeerAddr => $theirs, PeerPort => 25, LocalAddr => '127.0.0.1', Timeout => 60) or return 0;
        my $say = sub {
            my ($line, $code) = @_;
            print $s "$line\r\n" if defined $line;
            my $reply;
            do { $reply = <$s> // return 0 } while $reply =~ /^\d\d\d-/;
            diag "$line: $reply" if $reply !~ /^$code/;
            return $reply =~ /^$code/;
        };
        $say->(undef, 220) && $say->('EHLO client.test', 250) or return 0;
        for my $n (@some) {
            my $text = text($n, 'sender@peer.test', 'alice@us.test');
            $text =~ s/^\./../mg;
            $say->('MAIL FROM:<sender@peer.test>', 250) && $say->('RCPT TO:<alice@us.test>', 250) && $say->('DATA', 354) &&
                $say->("$text.", 250) or return 0;
        }
        $say->('QUIT', 221);
    }
    return 1;
}

sub our_inbox {
    my $self = shift;
    my ($mail) = $self->{t}->slurp($self->{t}{conf}) =~ /^mail (\S+)/m;
    $mail = "$self->{t}{server}/$mail" if $mail !~ m{^/};
    return $mail =~ s/%d/us.test/r =~ s/%u/alice/r;
}

sub files { my @f = glob "$_[0]/new/* $_[0]/cur/*"; return @f }

# What lies in a Maildir, against what was sent: each whole, none missing; how many more there are. `id` finds what makes two of one
# number two transmissions.
sub compare {
    my ($self, $maildir, $id, $tls) = @_;
    my (%seen, %transmissions, $damaged, $plain);
    for my $file (files($maildir)) {
        my $m = $self->{t}->slurp($file);
        my ($n) = $m =~ /^X-Number: (\d+)/m or next;
        my ($header, $body) = split /\n\n/, $m, 2;
        $header =~ s/\n[ \t]+/ /g;
        $seen{$n}++;
        $transmissions{ "$n " . ($header =~ $id ? $1 : $file) }++;
        $damaged .= " $n" if $body !~ /^\Q${\ body($n)}\E\n?\z/; # mbox habits may add a line
        $plain .= " $n" if $header !~ $tls;
    }
    is join(' ', grep { !$seen{$_} } 1 .. $messages), '', 'none is missing';
    is $damaged, undef, 'none is damaged';
    is $plain, undef, 'all came as they should, by TLS' or diag $self->{t}->slurp((files($maildir))[0]);
    return keys(%transmissions) - $messages;
}

# Until so many have come; false after a minute and more.
sub wait_for {
    my ($self, $maildir, $count) = @_;
    my $next = time + 1;
    return $self->{t}->eventually(60 + $messages / 5, sub {
        return 1 if files($maildir) >= $count;
        ($self->{flush} && $self->command($self->{flush})), $next = time + 1 if time > $next;
        return 0;
    });
}

sub idle {
    my ($self, $what) = @_;
    my ($next, $empty) = (0, 0); # twice in a row: a message may be moving from one directory to the next
    ok $self->{t}->eventually(60 + $messages / 5, sub {
        ($self->{flush} && $self->command($self->{flush})), $next = time + 1 if time > $next;
        $empty = $self->peer_queue == 0 ? $empty + 1 : 0;
        return $empty == 2;
    }), $what or diag $self->log, $self->state;
}

sub from_peer {
    my $self = shift;
    my $inbox = $self->our_inbox;
    my $third = int($messages / 3);
    my $injector = fork // die;
    if (!$injector) {
        POSIX::_exit($self->inject(1 .. 2 * $third) ? 0 : 1);
    }
    ok $self->wait_for($inbox, $third), 'a third has come' or diag $self->log;
    my $cut = $self->kill_ours('smtpd', $ours);
    waitpid $injector, 0;
    is $?, 0, 'the peer took them';
    ok $self->inject(2 * $third + 1 .. $messages), 'and the rest';
    ok $self->wait_for($inbox, int($messages / 2)), 'half of them have come' or diag $self->log;
    $cut += $self->kill_peer($ours);
    ok $self->start, 'the peer starts again' or diag $self->log;
    $self->idle('the peer has sent all');
    my $more = $self->compare($inbox, qr/^Received: from \S+ \(\S+\) by mail\.us\.test \S* ?with \S+ id (\S+)/m, qr/by mail\.us\.test .*?with (?:ESMTPS|UTF8SMTPS) id/);
    cmp_ok $more, '<=', $cut, "$more came twice, where $cut connections were cut";
}

sub run_queue {
    my $self = shift;
    $self->{t}->run_as('postern', '-c', $self->{t}{conf}, 'queue', 'retry', 'all');
    return $self->{t}->start_qrun;
}

sub to_peer {
    my $self = shift;
    my $t = $self->{t};
    $t->put('alice@us.test', ['bob@peer.test'], text => text($_, 'alice@us.test', 'bob@peer.test'), eight_bit => 1) for 1 .. $messages;
    my $run = $t->start_qrun;
    ok $t->eventually(60, sub { $t->in_queue <= $messages * 3 / 4 }), 'a quarter has gone' or diag $self->log;
    my $cut = $self->kill_ours('qrun', $theirs);
    $t->finish($run);
    ok scalar($t->in_queue), 'some are left';
    $run = $self->run_queue;
    ok $t->eventually(60, sub { $t->in_queue <= $messages / 2 }), 'half of them have gone' or diag $self->log;
    $cut += $self->kill_peer($theirs);
    ok $self->start, 'the peer starts again' or diag $self->log;
    $t->finish($run);
    for (1 .. 60) {
        last if !$t->in_queue;
        $t->finish($self->run_queue);
    }
    is scalar($t->in_queue), 0, 'our queue is empty' or diag $self->log;
    $self->idle('the peer has delivered all');
    my $more = $self->compare($self->{inbox}, $self->{received}, $self->{received_tls});
    cmp_ok $more, '<=', $cut, "$more were sent twice, where $cut connections were cut";
}

1;
