# SPDX-License-Identifier: GPL-3.0-or-later
#
# Programs started, and trees copied and removed, without a process for each step on the way: what a test does ten thousand times.
#
#     in_place(COMMAND...)         instead of exec, in a child: a command may begin with @AS_OWNER, timeout SECONDS and env
#                                  NAME=VALUE..., in this order, which are then done here. Of timeout, that is an alarm: the program dies by it
#     as_owner(COMMAND...)         the command as the mail's owner runs it: as root that is nobody
#     run(COMMAND...)              system() of it in that way: $?
#     become_owner()               this process, for good
#     copy_tree(FROM, TO, link => sub)   as cp -a does, but for hard links; files for whose path that is true are linked
#     remove_tree(PATH...)         as rm -rf does
#     clear(FILE)                  a file of 8 zeros that all may write, for SHIM_COUNT (tests/crash/shim.c)
#     calls(FILE)                  the number in it
package Launch;
use strict;
use warnings;
use Exporter 'import';
use POSIX ();
use Time::HiRes ();
our @EXPORT_OK = qw(in_place as_owner run become_owner copy_tree remove_tree clear calls);

our @AS_OWNER = qw(setpriv --reuid=nobody --regid=nogroup --clear-groups --);

sub as_owner { return $> == 0 ? (@AS_OWNER, @_) : @_ }

sub become_owner {
    return if $> != 0;
    my ($uid, $gid) = ((getpwnam 'nobody')[2], (getgrnam 'nogroup')[2]);
    $) = "$gid $gid";
    $( = $gid;
    POSIX::setuid($uid) or die "setuid: $!";
    die "could not become nobody\n" if $> == 0 || $< == 0;
}

sub in_place {
    my @command = @_;
    if (@command > @AS_OWNER && "@command[0 .. $#AS_OWNER]" eq "@AS_OWNER") {
        become_owner();
        splice @command, 0, scalar @AS_OWNER;
    }
    if ($command[0] eq 'timeout' && $command[1] =~ /^\d+$/) {
        alarm $command[1];
        splice @command, 0, 2;
    }
    if ($command[0] eq 'env') {
        shift @command;
        while ($command[0] =~ /^(\w+)=(.*)/s) {
            $ENV{$1} = $2;
            shift @command;
        }
    }
    { no warnings 'exec'; exec { $command[0] } @command }
    POSIX::_exit(127);
}

sub run {
    my @command = @_;
    my $pid = fork // die "fork: $!";
    in_place(@command) if !$pid;
    waitpid $pid, 0;
    return $?;
}

sub copy_file {
    my ($from, $to) = @_;
    open my $in, '<', $from or die "$from: $!";
    open my $out, '>', $to or die "$to: $!";
    while (sysread $in, my $data, 1 << 20) { syswrite $out, $data or die "$to: $!" }
    close $out or die "$to: $!";
}

sub copy_tree {
    my ($from, $to, %how) = @_;
    my @st = Time::HiRes::lstat($from) or die "$from: $!";
    if (-d _) {
        mkdir $to, 0700 or die "$to: $!";
        opendir my $d, $from or die "$from: $!";
        copy_tree("$from/$_", "$to/$_", %how) for grep { $_ ne '.' && $_ ne '..' } readdir $d;
    } elsif ($how{link} && $how{link}->($from)) {
        link $from, $to or die "$to: $!";
        return;
    } elsif (-l _) {
        symlink readlink $from, $to or die "$to: $!";
        POSIX::lchown($st[4], $st[5], $to) if $> == 0;
        return;
    } elsif (-p _) {
        POSIX::mkfifo($to, 0600) or die "$to: $!";
    } elsif (-f _) {
        copy_file($from, $to);
    } else {
        die "$from: of a kind that isn't copied\n";
    }
    chown $st[4], $st[5], $to if $> == 0;
    chmod $st[2] & 07777, $to or die "$to: $!";
    Time::HiRes::utime($st[8], $st[9], $to);
}

sub remove_tree {
    for my $path (@_) {
        if (!lstat $path) { next }
        if (-d _) {
            opendir my $d, $path or die "$path: $!";
            remove_tree(map { "$path/$_" } grep { $_ ne '.' && $_ ne '..' } readdir $d);
            closedir $d;
            rmdir $path or die "$path: $!";
        } else {
            unlink $path or die "$path: $!";
        }
    }
}

sub clear {
    my ($file) = @_;
    open my $f, '>', $file or die "$file: $!";
    syswrite $f, "\0" x 8;
    close $f;
    chmod 0666, $file;
}

sub calls {
    my ($file) = @_;
    open my $f, '<', $file or die "$file: $!";
    sysread $f, my $bytes, 8;
    return unpack 'q', $bytes;
}

1;
