# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the tests of standing guards share: warm listeners of smtpd for a QrunTest's server, their processes, and clients that stay.
#
#     my $l = Standing->new($t, @options)     a listener; $l->{program} may be another than smtpd
#     $l->client(from => ADDRESS, helo =>)    a connection behind EHLO (LHLO), a socket; dies without a greeting of 220
#     $l->greeting(from =>)                   the first line that one hears, '' for none
#     say($s, LINE)                           the reply's last line, '' where the connection ended
#     deliver($s, from =>, to =>)             a message: the reply to its end, or the first that was no good
#     $l->mail(...)                           both and QUIT: (reply, pid of the guard that logged the acceptance)
#     ended($s)                               has the server closed it, within a minute?
#     $l->children, below(PID), alive(PID)    processes; none_lives(PID...) is a function that tells that
#     Standing::set($t, KEY => VALUE, ...)    the settings from now on beside those that it began with, in a new file
package Standing;
use strict;
use warnings;
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY SOCK_STREAM);
use Time::HiRes qw(time sleep);
our @EXPORT = qw(say read_reply deliver ended below alive none_lives);

sub new {
    my ($class, $t, %o) = @_;
    my $self = bless { t => $t, port => QrunTest::free_port(), lmtp => scalar(grep { $_ eq '-l' } @{ $o{options} // [] }) }, $class;
    my $program = $o{program} // "$t->{bin}/smtpd";
    my @limit = $o{files} ? ('prlimit', "--nofile=$o{files}", '--') : ();
    # setpriv and systemd-socket-activate execute in place: its pid is the listener's.
    $self->{pid} = $t->start($t->command(@limit, 'systemd-socket-activate', '-E', 'ASAN_OPTIONS=detect_leaks=0', '-l', "127.0.0.1:$self->{port}",
                                         $program, '-c', $t->{conf}, @{ $o{options} // [] }));
    $t->eventually(60, sub { $t->log =~ /^Listening on 127\.0\.0\.1:$self->{port}/m }) or die 'no listener: ' . $t->log;
    return $self;
}

sub read_reply {
    my $s = shift;
    my $line;
    local $SIG{ALRM} = sub { die "no reply\n" };
    alarm 60;
    do { $line = <$s> // '' } while $line =~ /^\d\d\d-/;
    alarm 0;
    return $line =~ s/\r\n//r;
}
sub say {
    my ($s, $line) = @_;
    local $SIG{PIPE} = 'IGNORE';
    print $s "$line\r\n";
    return read_reply($s);
}

sub open {
    my ($self, %o) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, LocalAddr => $o{from} // '127.0.0.1', Timeout => 60)
        or die "connect: $!";
    setsockopt $s, IPPROTO_TCP, TCP_NODELAY, 1;
    return $s;
}
sub greeting { my ($self, %o) = @_; return read_reply($self->open(%o)) }
sub client {
    my ($self, %o) = @_;
    my $s = $self->open(%o);
    my $hello = read_reply($s);
    $hello =~ /^220/ or die "greeted by '$hello'\n";
    say($s, ($self->{lmtp} ? 'LHLO ' : 'EHLO ') . ($o{helo} // 'client.test')) =~ /^250/ or die "no EHLO\n";
    return $s;
}

sub deliver {
    my ($s, %o) = @_;
    my $text = $o{text} // "From: x\@far.test\r\nSubject: x\r\n\r\nx\r\n";
    my $from = $o{sender} // 'x@far.test';
    for ("MAIL FROM:<$from>", (map { "RCPT TO:<$_>" } ref $o{to} ? @{ $o{to} } : $o{to} // 'alice@here.test'), 'DATA') {
        my $reply = say($s, $_);
        return $reply if $reply !~ /^[23]5/;
    }
    return say($s, "$text.");
}

# The one who accepted the message, by its ID.
sub guard_of {
    my ($self, $reply) = @_;
    my ($id) = $reply =~ /Accepted as (\S+)/ or return 0;
    my $pid = 0;
    $self->{t}->eventually(60, sub { $self->{t}->log =~ /^smtpd\[(\d+)\]: event=accepted id=\Q$id\E /m and $pid = $1 });
    return $pid;
}
sub mail {
    my ($self, %o) = @_;
    my $s = $self->client(%o);
    my $reply = deliver($s, %o);
    say($s, 'QUIT');
    ended($s);
    return ($reply, $self->guard_of($reply));
}

sub ended {
    my ($s, $seconds) = @_;
    my $until = time + ($seconds // 60);
    my $select = IO::Select->new($s);
    while ((my $left = $until - time) > 0) {
        next if !$select->can_read($left);
        return 1 if !sysread $s, my $more, 4096; # its end, or a reset
    }
    return 0;
}

sub stat_of { CORE::open(my $f, '<', "/proc/$_[0]/stat") or return; my $line = <$f> // ''; return $line =~ /^\d+ \(.*\) (\S) (\d+)/ ? ($1, $2) : () }
sub alive { my ($is) = stat_of($_[0]); return $is && $is ne 'Z' }
sub none_lives { my @pids = @_; return sub { !grep { alive($_) } @pids } }
sub below {
    my ($top) = @_;
    my (%children, @found);
    for (glob '/proc/[0-9]*') {
        my ($pid) = /(\d+)/;
        my ($is, $parent) = stat_of($pid) or next;
        push @{ $children{$parent} }, $pid if $is ne 'Z';
    }
    @found = @{ $children{$top} // [] };
    for (my $i = 0; $i < @found; $i++) { push @found, @{ $children{ $found[$i] } // [] } }
    return @found;
}
sub children { my $self = shift; return grep { ((stat_of($_))[1] // 0) == $self->{pid} } below($self->{pid}) }

sub set {
    my ($t, %s) = @_;
    my $begin = $t->{begin} //= $t->slurp($t->{conf});
    $t->spew("$t->{conf}.new", join '', $begin, map { "$_ $s{$_}\n" } sort keys %s);
    rename "$t->{conf}.new", $t->{conf} or die;
}

# It ends by itself, or by a signal, and is waited for.
sub gone { my ($self, $seconds) = @_; return $self->{t}->eventually($seconds // 60, sub { !alive($self->{pid}) }) }
sub stop { my ($self, $signal) = @_; kill $signal // 'TERM', $self->{pid}; return $self->{t}->finish($self->{pid}) }

1;
