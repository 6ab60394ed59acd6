# SPDX-License-Identifier: GPL-3.0-or-later
#
# A file system on a disk whose power can be cut afterwards, at any moment that it has had: tests/powercut/disk.c is the disk.
#
#     PowerCut::enter()              the test starts anew in namespaces of its own: with it go its mounts, loop devices, temporary files
#                                    and processes
#     my $p = PowerCut->new($dir, mkfs => [WORD...], type =>, options =>, mib =>, sector =>)
#                                    made, and mounted at $p->{mount}, where all may write; $dir is empty
#         journal => MiB, prepare => [[WORD...]...]
#                                    with a second disk, of which these commands are told (and mkfs and options: JOURNAL is its name there)
#     $p->record                     what is there now is on disk for good; what happens from here on is kept
#     $p->mark(TEXT)                 an event too
#     $p->stop                       and no more; unmounts
#     $p->events                     the lines of the disk's log
#     $p->cut(END, SEED)             the disk after its first END events: is it mounted (journals are played back)? END only grows
#     $p->last                       of that cut: writes that weren't safe yet, of them lost, and torn
#     $p->keep(FILE)                 that disk, before it was mounted
#     $p->unmount, $p->end
package PowerCut;
use strict;
use warnings;
use Errno;
use POSIX ();
use Time::HiRes qw(time sleep);

my $delay = 800; # microseconds, at most, that an answer of the disk takes

sub enter {
    if ($> != 0) {
        print "1..0 # SKIP needs root: it mounts file systems\n";
        exit 0;
    }
    if (!$ENV{POWERCUT_INSIDE}) {
        $ENV{POWERCUT_INSIDE} = 1;
        exec 'unshare', qw(--mount --pid --fork --kill-child --mount-proc --), $^X, $0, @ARGV or die "unshare: $!";
    }
    my @missing = grep { !-e } '/dev/fuse', '/dev/loop-control';
    die "there is no @missing: this needs FUSE and loop devices (modprobe fuse loop)\n" if @missing;
    system('mount -t tmpfs -o mode=0755 powercut /run && mkdir -m 1777 /run/tmp') == 0 or die "/run: no tmpfs\n";
    $ENV{TMPDIR} = '/run/tmp';
    $SIG{INT} = $SIG{TERM} = sub { exit 1 }; # as the first process of its namespace it would outlive them
}

sub new {
    my ($class, $dir, %kind) = @_;
    my $self = bless { %kind, dir => $dir, files => "$dir/fuse", mount => "$dir/mount" }, $class;
    my $build = $ENV{BUILD} || 'build';
    mkdir $_ or die "$_: $!" for $self->{files}, $self->{mount};
    $self->{pid} = fork // die;
    if (!$self->{pid}) {
        open STDOUT, '>>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        exec "$build/tests/powercut/disk", $self->{files}, $kind{mib} << 20, ($kind{journal} // 0) << 20, $kind{sector}, $delay or POSIX::_exit(127);
    }
    for (my $until = time + 60; !-e "$self->{files}/disk"; sleep 0.01) {
        time < $until && !waitpid($self->{pid}, POSIX::WNOHANG()) or die 'the disk does not start: ' . $self->log;
    }
    $self->make;
    $self->mount or die 'a new file system that can not be mounted: ' . $self->log;
    chmod 0777, $self->{mount} or die "$self->{mount}: $!";
    return $self;
}

sub log { my $self = shift; return slurp("$self->{dir}/log") }

sub slurp {
    open my $f, '<', $_[0] or return '';
    local $/;
    return readline($f) // '';
}

# Has it succeeded? What it says goes to the log.
sub run {
    my ($self, @command) = @_;
    my $pid = fork // die;
    if (!$pid) {
        open STDOUT, '>>', "$self->{dir}/log";
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return $? == 0;
}

# A loop device of one of the files: its name, and a handle. It goes by itself as soon as that is closed and it isn't mounted, which
# losetup(8) can't arrange from the beginning. loop(4) has the calls.
sub attach {
    my ($self, $name) = @_;
    my ($get_free, $configure, $autoclear, $direct_io) = (0x4c82, 0x4c0a, 4, 16);
    open my $control, '+<', '/dev/loop-control' or die "/dev/loop-control: $!";
    open my $file, '+<', "$self->{files}/$name" or die "$name: $!";
    my $config = pack 'L L x52 L x176 x64', fileno $file, 0, $autoclear | $direct_io; # struct loop_config: file, sector, flags
    for (1 .. 50) { # another may take it first
        my $number = ioctl $control, $get_free, 0 or die "no loop device: $!";
        my $device = '/dev/loop' . ($number + 0);
        open my $held, '+<', $device or die "$device: $!";
        return ($device, $held) if ioctl $held, $configure, $config;
        $!{EBUSY} or die "$device: $!";
    }
    die "no loop device is free for long\n";
}

sub make {
    my $self = shift;
    my ($journal, $held) = $self->{journal} ? $self->attach('journal') : ();
    for my $command (@{ $self->{prepare} // [] }, [@{ $self->{mkfs} }, "$self->{files}/disk"]) {
        $self->run(map { s/JOURNAL/$journal/r } @$command) or die 'no file system: ' . $self->log;
    }
}

sub mount {
    my $self = shift;
    my ($disk, $held) = $self->attach('disk');
    my ($journal, $held_too) = $self->{journal} ? $self->attach('journal') : ();
    return $self->run('mount', '-t', $self->{type}, '-o', $self->{options} =~ s/JOURNAL/$journal/r, $disk, $self->{mount});
}

# A process that has just been told to end may still be there.
sub unmount {
    my $self = shift;
    for (my $until = time + 60; !$self->run('umount', $self->{mount}); sleep 0.1) {
        time < $until or die "$self->{mount}: " . $self->log;
    }
}

# One write(2).
sub control {
    my ($self, $command) = @_;
    open my $f, '>', "$self->{files}/control" or die "control: $!";
    syswrite($f, $command) // die "$command: $!";
}

sub record { my $self = shift; $self->run('sync', '--file-system', $self->{mount}) or die $self->log; $self->control('record') }
sub mark { my ($self, $text) = @_; $self->control("note $text") }
sub stop { my $self = shift; $self->control('stop'); $self->unmount }
sub events { my $self = shift; return split /\n/, slurp("$self->{files}/log") }
sub last { my $self = shift; return split ' ', slurp("$self->{files}/last") }

sub cut {
    my ($self, $end, $seed) = @_;
    $self->{cut} = "cut $end $seed";
    $self->control($self->{cut});
    return $self->mount;
}

sub keep {
    my ($self, $file) = @_;
    $self->control($self->{cut});
    $self->run('cp', '--sparse=always', "$self->{files}/disk", $file) or die "$file: " . $self->log;
}

sub end {
    my $self = shift;
    $self->run('umount', $self->{files}) or die $self->log;
    waitpid $self->{pid}, 0;
}

1;
