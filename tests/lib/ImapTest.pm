# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the tests that drive many IMAP sessions share: a server folder, imapd processes on socket pairs as inetd starts them, and
# for each session a model of its selected mailbox, kept from untagged responses alone as a client keeps it.
#
#     my $t = ImapTest->new(SETTING => VALUE, ...);   $t->{mail} is the folder of alice's Maildir; all is removed at exit
#     my $s = $t->session;                            logged in as alice; $t->session(env => [...]) starts it under env(1),
#                                                     $t->session(port => N) connects to what listens there
#     $s->ok('SELECT INBOX');                         dies unless the answer is OK; the lines of the answer
#     $s->command(TEXT, LITERAL...)                   ($status, $text, @untagged); each LITERAL goes behind a "{N+}" of TEXT
#     $s->{uids}, $s->{flags}                         the model: UIDs by sequence number - 1, sorted flags by UID
#
# Everything that the server says must be possible: an EXPUNGE or FETCH of a number that there isn't, an EXISTS that takes
# away, a UID that moves or comes again, is the end of the test.
package ImapTest;
use strict;
use warnings;
use File::Temp;
use FreePort;
use IO::Socket::INET;
use Launch;
use POSIX ();
use Socket;
use Time::HiRes qw(time sleep);

$ENV{PATH} .= ':/usr/sbin'; # where Debian has servers, and doesn't look for anybody but root

my ($owner, %started, %ended, @places);

# In memory where programs may be started from there: thousands of fsyncs are not what is tested.
sub place {
    my ($name) = @_;
    my $root = $ENV{TMPDIR} // '/tmp';
    if (!$ENV{TMPDIR} && open my $f, '>', "/dev/shm/postern-try.$$") {
        print $f "#!/bin/sh\n";
        close $f;
        chmod 0755, "/dev/shm/postern-try.$$";
        $root = '/dev/shm' if system("/dev/shm/postern-try.$$ 2>/dev/null") == 0;
        unlink "/dev/shm/postern-try.$$";
    }
    my $dir = File::Temp::tempdir("postern-$name-XXXXXX", DIR => $root);
    chmod 0755, $dir;
    $owner //= $$;
    push @places, $dir;
    return $dir;
}

sub new {
    my ($class, %settings) = @_;
    my $build = $ENV{BUILD} || 'build';
    my $dir = place('imap');
    my $self = bless { dir => $dir, bin => "$dir/bin", server => "$dir/server", conf => "$dir/server/postern.conf", log => "$dir/log" }, $class;
    $SIG{INT} = $SIG{TERM} = sub { exit 1 };
    $SIG{PIPE} = 'IGNORE';
    mkdir "$dir/$_" for qw(bin server);
    system("cp $build/bin/* $dir/bin/ && : >$dir/log") == 0 or die;
    $self->own;
    $self->run("'$dir/bin/postern' -c '$self->{conf}' setup mail.example.test example.test") or die $self->logged;
    $settings{'plaintext-login'} = 'yes';
    $settings{sandbox} = $ENV{SANDBOX} if $ENV{SANDBOX};
    open my $f, '>>', $self->{conf} or die;
    print $f "$_ $settings{$_}\n" for sort keys %settings;
    close $f;
    $self->run("echo alice-secret | '$dir/bin/postern' -c '$self->{conf}' user add alice\@example.test") or die $self->logged;
    # Sessions come and go by the hundred, and it is not the hash that is tested.
    $self->run("sed -i 's/^alice.*/alice\@example.test:{PLAIN}alice-secret/' '$dir/server/secrets' && '$dir/bin/postern' -c '$self->{conf}' tables") or die $self->logged;
    my ($mail) = `'$dir/bin/postern' -c '$self->{conf}' config` =~ /^mail (.*)$/m;
    $mail =~ s/%d/example.test/;
    $mail =~ s/%u/alice/;
    $self->{mail} = $mail;
    return $self;
}

sub own { my $self = shift; system("chown -R nobody:nogroup $self->{dir}") if $> == 0; }

# Starts a program in the background, as the owner of the mail, in a process group of its own: its pid.
sub daemon {
    my ($self, @command) = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        POSIX::setpgid(0, 0);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $self->{log};
        open STDERR, '>&', \*STDOUT;
        Launch::in_place(as_owner(@command));
    }
    $started{$pid} = 1;
    return $pid;
}

sub as_owner { return Launch::as_owner(@_) }
# As the owner of the mail.
sub run { my ($self, $shell) = @_; return system(as_owner('sh', '-c', "{ $shell\n} >>'$self->{log}' 2>&1")) == 0; }

sub logged {
    my ($self) = @_;
    open my $f, '<', $self->{log} or return '';
    my @lines = <$f>;
    return join '', @lines > 30 ? @lines[-30 .. -1] : @lines;
}

# Runs the function in a child, as the mail's owner; its pid.
sub start {
    my ($self, $work) = @_;
    my $pid = fork // die "fork: $!";
    if ($pid) {
        $started{$pid} = 1;
        delete $ended{$pid};
        return $pid;
    }
    %started = %ended = ();
    Launch::become_owner();
    my $right = eval { $work->(); 1 };
    print STDERR "A process of this test died: $@" unless $right; # no comment: tests/run repeats it at its end
    POSIX::_exit($right ? 0 : 1);
}

# Waits for its end: did it end well?
sub finish {
    my ($self, $pid) = @_;
    return delete($ended{$pid}) == 0 if exists $ended{$pid};
    waitpid $pid, 0;
    delete $started{$pid};
    return $? == 0;
}

# Has it ended by itself? How is for finish() to tell.
sub ended {
    my ($self, $pid) = @_;
    return 1 if exists $ended{$pid};
    waitpid($pid, POSIX::WNOHANG) == $pid or return 0;
    $ended{$pid} = $?;
    delete $started{$pid};
    return 1;
}

sub session {
    my ($self, %how) = @_;
    my $s = ImapTest::Session->connect($self, %how);
    return if !$s;
    $s->ok('LOGIN ' . ($how{user} // 'alice') . '@example.test ' . ($how{user} // 'alice') . '-secret') if !$how{bare};
    return $s;
}

# A message as a delivery agent brings it: into new/ of the folder ('' is INBOX), by rename.
my $delivered = 0;
sub deliver {
    my ($self, $folder, $text, $name) = @_;
    my $at = $self->{mail} . ($folder eq '' || $folder eq 'INBOX' ? '' : "/.$folder");
    my $now = time;
    $name //= sprintf '%d.M%06dP%dQ%d.agent', $now, ($now - int $now) * 1e6, $$, ++$delivered;
    open my $f, '>', "$at/tmp/$name" or die "$at/tmp/$name: $!";
    print $f $text;
    close $f or die;
    chown +(getpwnam 'nobody')[2], (getgrnam 'nogroup')[2], "$at/tmp/$name" if $> == 0;
    rename "$at/tmp/$name", "$at/new/$name" or die "$at/new/$name: $!";
    return $name;
}

# The names of the files of a folder, 'new/...' and 'cur/...'.
sub files {
    my ($self, $folder) = @_;
    my $at = $self->{mail} . ($folder eq '' || $folder eq 'INBOX' ? '' : "/.$folder");
    my @names;
    for my $part (qw(new cur)) {
        opendir my $d, "$at/$part" or next;
        push @names, map { "$part/$_" } grep { !/^\./ } readdir $d;
    }
    return @names;
}

sub eventually {
    my ($seconds, $test) = @_;
    my $until = time + $seconds;
    until ($test->()) {
        return 0 if time > $until;
        sleep 0.02;
    }
    return 1;
}

END {
    my $status = $?;
    if ($owner && $owner == $$) {
        kill KILL => keys %started, map { -$_ } keys %started if %started;
        waitpid $_, 0 for keys %started;
        system 'rm', '-rf', @places if !$ENV{KEEP};
    }
    $? = $status;
}

package ImapTest::Session;
use Time::HiRes qw(time sleep);
use Socket;

my $PATIENCE = 60 * ($ENV{DIALOGUE_SLOW} || 1);

sub connect {
    my ($class, $t, %how) = @_;
    my ($ours, $pid) = $how{port} ? (IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $how{port}), 0) : spawn($t, %how);
    return if !$ours;
    my $self = bless { t => $t, pid => $pid, socket => $ours, buffer => '', tag => 0 }, $class;
    my $greeting = eval { $self->line };
    die "no greeting: $@" . $t->logged if !$how{fragile} && ($greeting // '') !~ /^\* OK/;
    return $self;
}

sub spawn {
    my ($t, %how) = @_;
    socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0 or die "socketpair: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        POSIX::setpgid(0, 0);
        POSIX::dup2(fileno $theirs, $_) for 0, 1;
        open STDERR, '>>', $t->{log};
        Launch::in_place(ImapTest::as_owner($how{env} ? ('env', @{$how{env}}) : (), "$t->{bin}/imapd", '-c', $t->{conf}, @{$how{options} // []}));
    }
    close $theirs;
    $started{$pid} = 1;
    return ($ours, $pid);
}

# Waits for more bytes; dies at the end of the connection or of patience.
sub more {
    my ($self) = @_;
    my $bits = '';
    vec($bits, fileno $self->{socket}, 1) = 1;
    select(my $ready = $bits, undef, undef, $PATIENCE) or die "no answer within $PATIENCE s to: $self->{last}\n";
    my $n = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
    if (!$n) {
        $self->{gone} = 1;
        die "the connection ended after: " . ($self->{last} // 'connect') . "\n";
    }
}

# A line, with its literals in it.
sub line {
    my ($self) = @_;
    my ($from, $end) = (0);
    while (1) {
        $end = index $self->{buffer}, "\r\n", $from;
        if ($end < 0) {
            $self->more;
            next;
        }
        my $line = substr $self->{buffer}, $from, $end - $from;
        if ($line !~ /\{(\d+)\}$/) {
            my $all = substr $self->{buffer}, 0, $end + 2, '';
            return substr $all, 0, -2;
        }
        $from = $end + 2 + $1;
        $self->more while length $self->{buffer} < $from;
    }
}

sub send_bytes {
    my ($self, $bytes) = @_;
    while (length $bytes) {
        my $n = syswrite $self->{socket}, $bytes;
        if (!defined $n) {
            $self->{gone} = 1;
            die "the connection ended while sending $self->{last}\n";
        }
        substr $bytes, 0, $n, '';
    }
}

# Sends only; reply() reads the answer.
sub begin {
    my ($self, $text, @literals) = @_;
    my $tag = 'a' . ++$self->{tag};
    $self->{told} = {}; # flags that came since
    $text =~ s/\{\}/'{' . length($literals[0]) . "+}\r\n" . shift @literals/ge;
    $self->{last} = substr $text, 0, 200;
    $self->send_bytes("$tag $text\r\n");
    return $tag;
}

sub reply {
    my ($self, $tag) = @_;
    my @untagged;
    while (1) {
        my $line = $self->line;
        if ($line =~ /^\Q$tag\E (OK|NO|BAD) ?(.*)/s) {
            return ($1, $2, @untagged);
        }
        $line =~ /^[*+] / or die "neither tagged nor untagged: $line\n";
        push @untagged, $line;
        $self->untagged($line);
    }
}

sub command { my ($self, @text) = @_; return $self->reply($self->begin(@text)); }

sub ok {
    my ($self, @text) = @_;
    my ($status, $text, @untagged) = $self->command(@text);
    die "$self->{last}: $status $text\n" if $status ne 'OK';
    return @untagged;
}

sub sorted { return join ' ', sort { $a cmp $b } grep { lc ne '\\recent' } split / /, $_[0]; }

# What the model makes of a line.
sub untagged {
    my ($self, $line) = @_;
    my $uids = $self->{uids} or return;
    if ($line =~ /^\* (\d+) EXISTS/) {
        die "EXISTS $1 where there were " . @$uids . "\n" if $1 < @$uids;
        push @$uids, (undef) x ($1 - @$uids);
    } elsif ($line =~ /^\* (\d+) EXPUNGE/) {
        die "EXPUNGE $1 of " . @$uids . "\n" if $1 < 1 || $1 > @$uids;
        die "EXPUNGE during $self->{last}\n" if $self->{last} =~ /^(FETCH|STORE|SEARCH)/;
        my $uid = splice @$uids, $1 - 1, 1;
        if (defined $uid) {
            delete $self->{flags}{$uid};
            $self->{expunged}{$uid} = 1;
        }
    } elsif ($line =~ /^\* VANISHED (?:\(EARLIER\) )?([\d:,]+)/) {
        my %gone = map { $_ => 1 } map { /(\d+):(\d+)/ ? $1 .. $2 : $_ } split /,/, $1;
        $self->{expunged}{$_} = 1 for keys %gone;
        @$uids = grep { !defined $_ || !$gone{$_} } @$uids;
        delete @{$self->{flags}}{keys %gone};
    } elsif ($line =~ /^\* (\d+) FETCH \((.*)\)$/s) {
        $self->fetched($1, $2);
    } elsif ($line =~ /^\* OK \[UIDVALIDITY (\d+)\]/) {
        $self->{validity} = $1;
    } elsif ($line =~ /^\* OK \[UIDNEXT (\d+)\]/) {
        $self->{uid_next} = $1;
    }
}

sub fetched {
    my ($self, $n, $items) = @_;
    my $uids = $self->{uids};
    die "FETCH $n of " . @$uids . "\n" if $n < 1 || $n > @$uids;
    if ($items =~ /\bUID (\d+)/) {
        die "number $n was UID $uids->[$n - 1] and is $1\n" if defined $uids->[$n - 1] && $uids->[$n - 1] != $1;
        die "UID $1 came back\n" if $self->{expunged}{$1};
        for my $i ($n - 2, $n) {
            next if $i < 0 || $i >= @$uids || !defined $uids->[$i];
            die "UIDs don't ascend at $n\n" if $i < $n - 1 ? $uids->[$i] >= $1 : $uids->[$i] <= $1;
        }
        $uids->[$n - 1] = $1;
    }
    if ($items =~ /\bFLAGS \(([^)]*)\)/) {
        my $uid = $uids->[$n - 1];
        $self->{flags}{$uid} = sorted($1), $self->{told}{$uid} = 1 if defined $uid;
    }
}

# SELECT, and all UIDs and flags.
sub select {
    my ($self, $folder, $how) = @_;
    $self->{uids} = [];
    $self->{flags} = {};
    $self->{expunged} = {};
    $self->{validity} = $self->{uid_next} = 0;
    my @lines = $self->ok(($how // 'SELECT') . " \"$folder\"");
    $self->ok('UID FETCH 1:* (FLAGS)');
    return @lines;
}

# Learns UIDs of what came since. Some of it may be gone again, which is told then.
sub learn {
    my ($self) = @_;
    for (1 .. 50) {
        my $uids = $self->{uids};
        my ($first) = grep { !defined $uids->[$_] } 0 .. $#$uids;
        return if !defined $first;
        my ($status, $text) = $self->command('FETCH ' . ($first + 1) . ':* (UID FLAGS)');
        return if $status eq 'OK';
        die "$self->{last}: $status $text\n" if $text !~ /EXPUNGEISSUED/;
        $self->ok('NOOP');
    }
    die "UIDs that nobody tells\n";
}

# The model as one text: "UID flags" lines.
sub picture {
    my ($self) = @_;
    return join '', map { ($_ // '?') . ' ' . (defined $_ ? $self->{flags}{$_} // '?' : '') . "\n" } @{$self->{uids}};
}

# Texts of all messages by UID. Some may be gone.
sub texts {
    my ($self, $set) = @_;
    my %texts;
    for ($self->command('UID FETCH ' . ($set // '1:*') . ' (UID BODY.PEEK[])')) {
        $texts{$1} = $2 if /^\* \d+ FETCH \(UID (\d+) BODY\[\] \{\d+\}\r\n(.*)\)$/s;
    }
    return \%texts;
}

sub append {
    my ($self, $folder, $flags, $text) = @_;
    my ($status, $answer) = $self->command("APPEND \"$folder\" ($flags) {}", $text);
    return $status eq 'OK' && $answer =~ /^\[APPENDUID (\d+) (\d+)\]/ ? $2 : 0;
}

sub logout {
    my ($self) = @_;
    $self->ok('LOGOUT');
    $self->close;
}

sub close {
    my ($self) = @_;
    close $self->{socket};
    return if !$self->{pid};
    waitpid $self->{pid}, 0;
    $self->{status} = $?;
    delete $started{$self->{pid}};
    $self->{pid} = 0;
}

# Ends the process and whatever it started, at once.
sub kill {
    my ($self) = @_;
    CORE::kill('KILL', -$self->{pid}, $self->{pid});
    $self->close;
}

1;
