# SPDX-License-Identifier: GPL-3.0-or-later
#
# Messages through the queue: smtpd accepts them for others, qrun sends them on to a server (here), which refuses some recipients, whose
# senders get a report by the queue too, and defers others once. What is due is "N ADDRESS": from the reply to its sender on until
# that server, before it says 250, marks that it is gone: for a refused one, with the report. It is found where a message waits in
# which it is marked to be tried, or to be told of, or in a report that waits. Every file of the queue that isn't a beginning must be
# whole: its size is what it says, the text is as it was sent, a report has its end.
package Queue;
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();
use PowerCut;
use Shared;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time sleep);

my $sender = 's@far.test';
my $id = qr/[0-9a-f]{14}-[0-9a-f]{16}/;
my $patience = 60; # seconds for what is left in the queue at the end

sub programs {
    return (queue => { begin => \&start, write => \&send_by_smtpd, beside => [\&serve, \&run_queue], files => \&files, check => \&check });
}

sub start {
    my $run = shift;
    my $spool = "$run->{power}{mount}/spool";
    system('install', '-d', $> == 0 ? qw(-o nobody -g nogroup) : (), $spool) == 0 or die;
    my $t = server($run, spool => $spool, 'retry-first' => '1s', timeout => 20);
    $t->{spool} = $spool;
    $t->dns('--mx-host=far.test,mx.far.test,10', '--host-record=mx.far.test,127.0.2.1');
    my $program = program($run, 'qrun'); # before it is asked for in parallel
    $run->{listeners} = [Standing->new($t, program => program($run, 'smtpd'))];
    $run->{qrun} = $program;
}

# One or two recipients; each eighth is refused, each fifth deferred at first.
sub recipients {
    my $n = shift;
    return map { ($n % 8 == 3 && !$_ ? 'no' : $n % 5 == 1 ? 'later' : 'ok') . "$n-$_\@far.test" } 0 .. ($n % 3 == 0);
}

sub send_by_smtpd {
    my ($run, $writer, $numbers) = @_;
    my $client = $run->{listeners}[0]->client;
    for my $n (@$numbers) {
        my @to = recipients($n);
        my $said = Standing::deliver($client, sender => $sender, to => \@to, text => crlf(text($n)));
        $said =~ /^250 / or die "smtpd: $said\n";
        $run->{power}->mark("accepted $n $_") for @to;
        sleep 0.02 if $n % 2; # for qrun to come in between
    }
    Standing::say($client, 'QUIT');
}

# The runner, again and again, until all have written and the queue is empty.
sub run_queue {
    my ($run) = @_;
    my ($t, $until) = ($run->{t});
    while (1) {
        my $over = -e "$run->{dir}/over";
        $until //= time + $patience if $over;
        $t->run_as($run->{qrun}, '-c', $t->{conf});
        last if $over && !$t->in_queue;
        die "the queue isn't emptied\n" if $until && time > $until;
        sleep 0.05;
    }
}

# ---- where it goes

# Until all have written and qrun needs it no more.
sub serve {
    my ($run) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.2.1', LocalPort => $run->{t}{smtp_port}, Listen => 64, ReuseAddr => 1)
        or die "sink: $!";
    $listener->timeout(0.2);
    local $SIG{CHLD} = 'IGNORE';
    until (-e "$run->{dir}/over" && !$run->{t}->in_queue) {
        my $client = $listener->accept or next;
        defined(my $pid = fork) or die;
        next if $pid;
        eval { talk($run, $client) };
        POSIX::_exit(0);
    }
}

sub talk {
    my ($run, $c) = @_;
    my ($from, @to);
    my $say = sub { print $c "$_[0]\r\n" };
    $c->autoflush(1);
    setsockopt $c, IPPROTO_TCP, TCP_NODELAY, 1;
    $say->('220 sink');
    while (defined(my $line = <$c>)) {
        $line =~ s/\r\n\z//;
        if ($line =~ /^MAIL FROM:<(.*?)>/) {
            ($from, @to) = ($1);
            $say->('250 ok');
        } elsif ($line =~ /^RCPT TO:<(.*?)>/) {
            my $refused = refuses($run, $1);
            push @to, $1 if !$refused;
            $say->($refused // '250 ok');
        } elsif ($line eq 'DATA') {
            $say->(@to ? '354 go on' : '554 no recipients');
            take($run, $from, \@to, $c) if @to;
            $say->('250 taken') if @to;
        } else {
            $say->($line =~ /^EHLO/ ? '250 8BITMIME' : '250 ok');
        }
        last if $line eq 'QUIT';
    }
}

sub refuses {
    my ($run, $to) = @_;
    return '550 5.1.1 no such user' if $to =~ /^no/;
    return undef if $to !~ /^later/ || -e "$run->{dir}/$to";
    open my $seen, '>', "$run->{dir}/$to" or die;
    return '451 4.2.0 later';
}

# The whole message; it says which recipients are gone with it, and which files go now.
sub take {
    my ($run, $from, $to, $c) = @_;
    my $text = '';
    while (defined(my $line = <$c>)) {
        last if $line eq ".\r\n";
        $text .= $line =~ s/^\.//r;
    }
    my ($n) = $text =~ /^Powercut: (\d+)\r$/m or die "no number\n";
    my @gone = $from eq $sender ? @$to : told($text);
    my ($first, @ids) = $text =~ /($id)/g;
    $run->{power}->mark("gone $n $_ " . ($first // '-')) for @gone;
    $run->{power}->mark("gone $n file $_") for @ids;
}

sub told { return $_[0] =~ /^Final-Recipient: rfc822; *(\S+?)\r?$/mg }

# ---- what is there

sub files {
    my ($run) = @_;
    my $queue = "$run->{power}{mount}/spool/queue";
    return map { substr $_, 1 + length $run->{power}{mount} } grep { m{/$id$} } glob("$queue/*"), glob("$queue/deferred/*/*");
}

sub check {
    my ($run, $path) = @_;
    my $is = PowerCut::slurp("$run->{power}{mount}/$path");
    my ($envelope, $message) = split /\n\n/, $is, 2;
    my ($size, $from) = ($envelope // '') =~ /\Apostern-queue 1\ntime \d+\nsize (\d+)\n(?:.*\n)*?from (.*)\n/;
    return length $is ? 'no envelope' : 'empty' if !defined $from;
    return 'not as long as it says' if length($message // '') != $size;
    my ($n) = $message =~ /^Powercut: (\d+)\r$/m or return 'no message';
    if ($from eq '') {
        my ($boundary) = $message =~ /boundary="(.*?)"/ or return 'no report';
        return $message =~ /\r\n--\Q$boundary\E--\r\n\z/ ? (undef, map { "$n $_" } told($message)) : 'a report without its end';
    }
    return 'not as it was sent' if $message !~ /\AReceived: (?:.*\r\n)+?(?=Powercut: )/ || substr($message, $+[0]) ne crlf(text($n));
    return (undef, map { "$n $_" } $envelope =~ /^[TF] (\S+)$/mg);
}

1;
