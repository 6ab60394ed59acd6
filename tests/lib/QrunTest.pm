# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the tests of the queue runner share: a server folder, a DNS server, smtp-sink, and messages put into the queue.
# Everything lies below $T->{dir}, belongs to whom qrun runs as (nobody, where the test is root), and is ended and removed at exit.
package QrunTest;
use strict;
use warnings;
use File::Temp;
use FreePort;
use IO::Socket::INET;
use Launch;
use POSIX ();
use Time::HiRes qw(time sleep);

$ENV{PATH} .= ':/usr/sbin'; # where Debian has servers, and doesn't look for anybody but root

my ($owner, %started); # pid => directory of the object that started it

sub new {
    my ($class, %settings) = @_;
    my $build = $ENV{BUILD} || 'build';
    my $domain = delete $settings{domain} // 'here.test';
    my $dir = File::Temp::tempdir('postern-qrun-XXXXXX', TMPDIR => 1);
    my $self = bless { dir => $dir, server => "$dir/server", spool => "$dir/server/spool", bin => "$dir/bin", conf => "$dir/server/postern.conf",
                       sink => "$dir/sink", count => 0, domain => $domain }, $class;
    $owner = $$;
    $SIG{INT} = $SIG{TERM} = sub { exit 1 };
    mkdir "$dir/$_" for qw(server bin sink);
    chmod 0755, $dir;
    system("cp $build/bin/* $dir/bin/") == 0 or die;
    $self->own;
    $self->{dns_port} = free_port();
    $self->{smtp_port} = free_port();
    $self->run_as('postern', '-c', $self->{conf}, 'setup', "mail.$domain", $domain) == 0 or die $self->slurp("$dir/log");
    $self->{spool} = ($self->slurp($self->{conf}) =~ /^spool (\S+)/m) ? $1 : 'spool';
    $self->{spool} = "$dir/server/$self->{spool}" if $self->{spool} !~ m{^/};
    my %all = (resolver => "127.0.0.1:$self->{dns_port}", 'smtp-port' => $self->{smtp_port},
               $ENV{SANDBOX} ? (sandbox => $ENV{SANDBOX}) : (), %settings);
    $self->settings(%all);
    $self->run_as('sh', '-c', 'echo alice-secret | "$0" -c "$1" user add "alice@$2"', "$dir/bin/postern", $self->{conf}, $domain) == 0
        or die $self->slurp("$dir/log");
    return $self;
}

sub own {
    my $self = shift;
    system("chown -R nobody:nogroup $self->{dir}") if $> == 0;
}

sub settings {
    my ($self, %s) = @_;
    open my $f, '>>', $self->{conf} or die;
    print $f "$_ $s{$_}\n" for sort keys %s;
    close $f;
}

# The table of routes.
sub routes {
    my ($self, $text) = @_;
    $self->spew("$self->{server}/routes", $text);
    $self->own;
    $self->run_as('postern', '-c', $self->{conf}, 'tables') == 0 or die $self->log;
}

sub slurp {
    my ($self, $path) = @_;
    open my $f, '<', $path or return '';
    local $/;
    return scalar(<$f>) // '';
}

sub spew {
    my ($self, $path, $text) = @_;
    open my $f, '>', $path or die "$path: $!";
    print $f $text;
    close $f or die "$path: $!";
}

sub command {
    my ($self, $name, @rest) = @_;
    $name = "$self->{bin}/$name" if -x "$self->{bin}/$name";
    return Launch::as_owner($name, @rest);
}

# Starts a program in the background: its pid. Output goes to DIR/log.
sub start {
    my ($self, @command) = @_;
    my $pid = fork // die;
    if (!$pid) {
        POSIX::setpgid(0, 0);
        # Who answers for DNS has but a second or two, on a busy machine too: first, where root may say so.
        setpriority 0, 0, -10 if grep { m{(?:^|/)(?:dnsmasq|knotd|odd-dns)$} } @command;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/log";
        open STDERR, '>&', \*STDOUT;
        Launch::in_place(@command);
    }
    $started{$pid} = $self->{dir};
    return $pid;
}

sub finish {
    my ($self, $pid) = @_;
    waitpid $pid, 0;
    delete $started{$pid};
    return $?;
}

sub end {
    my ($self, $pid) = @_;
    kill 'KILL', $pid;
    return $self->finish($pid);
}

sub run_as {
    my ($self, @command) = @_;
    return $self->finish($self->start($self->command(@command)));
}

# The exit status of a command, and all that it said.
sub output {
    my ($self, @command) = @_;
    my $pid = open(my $f, '-|') // die;
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        open STDIN, '<', '/dev/null';
        Launch::in_place(@command);
    }
    local $/;
    my $said = <$f> // '';
    close $f;
    return ($? >> 8, $said);
}
# The same of `postern`, by the owner of the server.
sub postern { my ($self, @words) = @_; return $self->output($self->command('postern', '-c', $self->{conf}, @words)); }

sub qrun { my ($self, @ids) = @_; return $self->run_as('qrun', '-c', $self->{conf}, @ids); }
sub start_qrun { my ($self, @ids) = @_; return $self->start($self->command('qrun', '-c', $self->{conf}, @ids)); }

sub eventually {
    my ($self, $seconds, $test) = @_;
    my $until = time + $seconds;
    until ($test->()) {
        return 0 if time > $until;
        sleep 0.02;
    }
    return 1;
}

# dnsmasq, authoritative for .test and nothing else.
sub dns {
    my ($self, @options) = @_;
    my $pid = $self->start('dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--local=/test/',
                           '--listen-address=127.0.0.1', '--bind-interfaces', "--port=$self->{dns_port}", '--pid-file=',
                           $> == 0 ? '--user=root' : (), @options);
    $self->eventually(60, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{dns_port}) }) or die 'dnsmasq';
    return $pid;
}

sub sinks {
    my ($self, @hosts) = @_;
    unlink "$self->{sink}/ready";
    my $pid = $self->start('perl', 'tests/lib/smtp-sink', $self->{sink}, $self->{smtp_port}, @hosts);
    $self->eventually(60, sub { -e "$self->{sink}/ready" }) or die 'smtp-sink: ' . $self->slurp("$self->{dir}/log");
    return $pid;
}

# A whole Postern of its own on a loopback address: a smtpd for each connection, as inetd starts it.
sub serve_smtpd {
    my ($self, $address, $port, @options) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => $address, LocalPort => $port, Listen => 64, ReuseAddr => 1) or die "$address:$port: $!";
    my $pid = fork // die;
    if ($pid) {
        $started{$pid} = $self->{dir};
        return $pid;
    }
    POSIX::setpgid(0, 0);
    $SIG{CHLD} = 'IGNORE';
    while (1) {
        my $client = $listener->accept or next;
        next if fork;
        open STDERR, '>>', "$self->{dir}/log";
        open STDIN, '<&', $client;
        open STDOUT, '>&', $client;
        close $listener;
        Launch::in_place($self->command('smtpd', '-c', $self->{conf}, @options));
    }
}

# A message in the queue, written as queue_write.c does: its ID. Options: age (seconds), text, eight_bit, marks, options (lines),
# rcpt (by address: what stands below it, as "notify=never").
sub put {
    my ($self, $from, $to, %o) = @_;
    my $when = time - ($o{age} // 0);
    my $id = sprintf '%014x-%08x%08x', $when * 1e6, rand(2**32), ++$self->{count};
    my $message = $o{text} // "From: $from\r\nTo: someone\r\nSubject: test $self->{count}\r\nMessage-ID: <$self->{count}\@here.test>\r\n\r\n"
        . "Line one\r\n.a dot\r\n..two\r\n.\r\nlast line of $self->{count}\r\n";
    my ($n, $marks) = (0, ($o{marks} // '') . 'T' x @$to);
    my $envelope = sprintf "postern-queue 1\ntime %d\nsize %d\nbody %s\n%sfrom %s\n", $when, length $message, $o{eight_bit} ? '8bit' : '7bit',
        $o{options} // '', $from;
    for (@$to) {
        $envelope .= substr($marks, $n++, 1) . " $_\n";
        $envelope .= " $o{rcpt}{$_}\n" if $o{rcpt}{$_};
    }
    mkdir "$self->{spool}/queue";
    mkdir "$self->{spool}/queue/tmp";
    my $tmp = "$self->{spool}/queue/tmp/$id";
    open my $f, '>', $tmp or die "$tmp: $!";
    print $f $envelope, "\n", $message;
    close $f or die;
    chmod 0600, $tmp;
    chown +(getpwnam 'nobody')[2], (getgrnam 'nogroup')[2], $tmp, "$self->{spool}/queue", "$self->{spool}/queue/tmp" if $> == 0;
    rename $tmp, "$self->{spool}/queue/$id" or die;
    return $id;
}

sub wake {
    my ($self, $id) = @_;
    open my $f, '+<', "$self->{spool}/wake" or die "wake: $!";
    syswrite $f, "$id\n";
}

# The file of a queued message, '' if it is gone; its .why; its due time (0: now).
sub queued {
    my ($self, $id) = @_;
    my @all = grep { -e } "$self->{spool}/queue/$id", glob "$self->{spool}/queue/deferred/*/$id";
    return $all[0] // '';
}
sub why { my ($self, $id) = @_; my $f = $self->queued($id); return $f ? $self->slurp("$f.why") : ''; }
sub due { my ($self, $id) = @_; return $self->queued($id) =~ m{deferred/(\d+)/} ? $1 : 0; }
sub in_queue { my $self = shift; return grep { m{/[0-9a-f]{14}-[0-9a-f]{16}$} } glob("$self->{spool}/queue/*"), glob "$self->{spool}/queue/deferred/*/*"; }

# Makes a deferred message due now; with `until`, which must stand there, this one in place of its own.
sub make_due {
    my ($self, $id, %o) = @_;
    my $f = $self->queued($id);
    my $why = $self->slurp("$f.why");
    $why =~ s/^next \d+/next 1/;
    $why =~ s/^until \K\d+$/$o{until}/m or die "no until: $why" if $o{until};
    mkdir "$self->{spool}/queue/deferred/1";
    open my $out, '>', "$self->{spool}/queue/deferred/1/$id.why" or die;
    print $out $why;
    close $out;
    rename $f, "$self->{spool}/queue/deferred/1/$id" or die;
    system("chown -R nobody:nogroup $self->{spool}/queue/deferred") if $> == 0;
}

# What the sinks took: a list of { host, connection, number, from, to, text }.
sub taken {
    my ($self, $host) = @_;
    my @all;
    for my $path (sort glob "$self->{sink}/*.*.*.*-*-*") {
        next if $path =~ /\.tmp$/ || $path !~ m{/([\d.]+)-(\d+)-(\d+)$};
        my %m = (host => $1, connection => $2, number => $3);
        next if defined $host && $m{host} ne $host;
        my ($head, $text) = split /\n\n/, $self->slurp($path), 2;
        $m{text} = $text;
        ($m{from}) = $head =~ /^from (.*)$/m;
        $m{to} = [ $head =~ /^to (.*)$/mg ];
        push @all, \%m;
    }
    return @all;
}
sub events { my ($self, $host) = @_; return grep { !defined $host || /^\Q$host\E / } split /\n/, $self->slurp("$self->{sink}/log"); }
# Also what the queue runner has learnt of hosts.
sub forget { my $self = shift; unlink "$self->{spool}/hosts", "$self->{sink}/log", grep { !/tmp$/ } glob "$self->{sink}/*.*.*.*-*-*"; }
sub log { my $self = shift; return $self->slurp("$self->{dir}/log"); }

# Messages in a Maildir of ours, as texts.
sub mailbox {
    my ($self, $user) = @_;
    my ($mail) = $self->slurp($self->{conf}) =~ /^mail (\S+)/m;
    $mail = "$self->{server}/$mail" if $mail !~ m{^/};
    $mail =~ s/%d/$self->{domain}/;
    $mail =~ s/%u/$user/;
    return map { $self->slurp($_) } sort glob "$mail/new/* $mail/cur/*";
}

END {
    my $status = $?;
    end_all(undef) if $owner && $owner == $$;
    $? = $status;
}

sub end_all {
    my $dir = shift;
    my @pids = grep { !defined $dir || $started{$_} eq $dir } keys %started;
    kill 'KILL', map { ($_, -$_) } @pids; # and the groups they lead
    waitpid $_, 0 for @pids;
    delete @started{@pids};
}

sub DESTROY {
    my $self = shift;
    return if !$owner || $owner != $$;
    local $?;
    end_all($self->{dir});
    system 'rm', '-rf', $self->{dir} if !$ENV{KEEP};
}

1;
