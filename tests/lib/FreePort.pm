# SPDX-License-Identifier: GPL-3.0-or-later
#
# free_port(WISH): a port of 127.0.0.1 that nobody uses, by TCP or UDP: WISH if it is free. Between its choice and its use it is safe from
# other tests that run beside this one, and from connections: it is none of those that the kernel gives to clients; and while this
# process (or a child that it had afterwards) is there, an abstract socket has its number, which is what other calls look at.
# Both are as private to a network namespace as the port.
#
# keep(SECONDS): a child that does no more than to be there so long, for a process that ends now.
package FreePort;
use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
our @EXPORT = qw(free_port keep);

my @held;

# Ports below those that clients get, or above where there are few.
sub range {
    my ($least, $most) = (32768, 60999);
    if (open my $f, '<', '/proc/sys/net/ipv4/ip_local_port_range') {
        ($least, $most) = (<$f> // '') =~ /(\d+)\s+(\d+)/;
    }
    return $least > 12000 ? (10000, $least - 1) : $most < 64000 ? ($most + 1, 65535) : (10000, 65535);
}

sub unused {
    my ($port) = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) &&
        IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'udp');
}

sub free_port {
    my ($wish) = @_;
    return $wish if $wish && unused($wish);
    my ($least, $most) = range();
    for (1 .. 1000) {
        my $port = $least + int rand($most - $least + 1);
        my $hold = IO::Socket::UNIX->new(Local => "\0postern-test-port-$port", Listen => 1) or next;
        next if !unused($port);
        push @held, $hold;
        return $port;
    }
    die "no free port\n";
}

sub keep {
    my ($seconds) = @_;
    return if !@held || (fork // return);
    my %ours = map { fileno($_) => 1 } @held;
    POSIX::close($_) for grep { !$ours{$_} } 0 .. 63; # somebody waits for the end of what is written there
    sleep $seconds;
    POSIX::_exit(0);
}

1;
