# SPDX-License-Identifier: GPL-3.0-or-later
#
# A filter for tests: it speaks the milter protocol's bytes by itself, so that it can also say what no library would.
#
#     my $f = Milter->new($dir, NAME, COMMAND => ANSWER, ...);
#
# listens on the Unix socket $f->{path} (or, where `port` is given, there on loopback) and writes what it hears to a log, a line for each
# packet: the command's letter, a blank, its data with '|' for NUL and '~' for line ends. COMMAND is that letter; ANSWER a packet (its
# code and data), a list of them, or a function of the data, and of another that sends packets, that returns one; undef: no answer. A packet may be ['close'], ['sleep',
# SECONDS] or ['raw', BYTES]. The others are answered with `c`, but for those that have no answer. `O` is [version, actions, steps] or
# packets.
package Milter;
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(sleep);

my ($owner, %started);
my %silent = map { $_ => 1 } qw(D A Q K);

sub new {
    my ($class, $dir, $name, %answers) = @_;
    my $self = bless { path => "$dir/$name.sock", log => "$dir/$name.heard", answers => \%answers }, $class;
    $owner = $$;
    my $port = delete $answers{port};
    unlink $self->{path}, $self->{log};
    my $listener = $port ? IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1)
        : IO::Socket::UNIX->new(Local => $self->{path}, Listen => 64);
    $listener or die "$name: $!";
    chmod 0777, $self->{path} if !$port;
    $self->{pid} = fork // die;
    if (!$self->{pid}) {
        POSIX::setpgid(0, 0);
        $SIG{CHLD} = 'IGNORE';
        while (1) {
            my $client = $listener->accept or next;
            next if fork;
            $self->serve($client);
            POSIX::_exit(0);
        }
    }
    POSIX::setpgid($self->{pid}, $self->{pid});
    $started{ $self->{pid} } = 1;
    return $self;
}

sub stop {
    my $self = shift;
    return if !delete $started{ $self->{pid} };
    kill 'KILL', -$self->{pid};
    waitpid $self->{pid}, 0;
    unlink $self->{path};
}

sub heard {
    my $self = shift;
    open my $f, '<', $self->{log} or return '';
    local $/;
    return scalar(<$f>) // '';
}

sub forget { truncate $_[0]{log}, 0 }

sub note {
    my ($self, $line) = @_;
    open my $f, '>>', $self->{log} or die;
    syswrite $f, "$line\n";
}

sub get {
    my ($s, $n) = @_;
    my $bytes = '';
    while (length $bytes < $n) {
        sysread($s, $bytes, $n - length $bytes, length $bytes) or return;
    }
    return $bytes;
}

sub serve {
    my ($self, $s) = @_;
    $self->note('connected');
    while (defined(my $length = get($s, 4))) {
        my $n = unpack 'N', $length;
        my $packet = get($s, $n) // last;
        my ($command, $data) = unpack 'a a*', $packet;
        my $shown = $command eq 'B' && length $data > 200 ? length($data) . ' bytes' : $data;
        $shown =~ s/[\r\n]+/~/g;
        $shown =~ tr/\0/|/;
        $shown = unpack 'H*', $data if $command eq 'O';
        $self->note("$command $shown");
        my $answer = exists $self->{answers}{$command} ? $self->{answers}{$command} : $silent{$command} ? undef : $command eq 'O' ? [ 6, 0x1ff, 0 ] : 'c';
        my $send = sub { syswrite $s, join '', map { pack('N', length) . $_ } @_ };
        $answer = $answer->($data, $send) if ref $answer eq 'CODE';
        next if !defined $answer;
        $answer = [ 'O' . pack 'NNN', @$answer ] if $command eq 'O' && ref $answer && $answer->[0] =~ /^\d+$/;
        for my $one (ref $answer ? @$answer : $answer) {
            my ($do, $what) = ref $one ? @$one : ('', $one);
            return if $do eq 'close';
            sleep $what if $do eq 'sleep';
            next if $do eq 'sleep';
            syswrite $s, $do eq 'raw' ? $what : pack('N', length $what) . $what;
        }
        last if $command eq 'Q';
    }
    $self->note('gone');
}

END {
    my $status = $?;
    if ($owner && $owner == $$) {
        kill 'KILL', -$_ for keys %started;
        waitpid $_, 0 for keys %started;
    }
    $? = $status;
}

1;
