#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What smtpd has against strangers by DNS: lists that block and allow, the client's reverse name, the name in HELO, the sender's
# domain, lists of domains. With a DNS server of its own (dnsmasq), clients on addresses of 127.0.0.0/8 and ::1, cold and warm.
use strict;
use warnings;
use lib 'tests/lib';
use IO::Socket::INET;
use QrunTest;
use Test::More;
use Time::HiRes qw(time sleep);

$ENV{ASAN_OPTIONS} //= 'detect_leaks=0'; # a handler ends with its connection, and leaves freeing to that
my $T = QrunTest->new;
my $port = QrunTest::free_port();
my ($alice, $postmaster) = ('alice@here.test', 'postmaster@here.test');

sub hex_of { return join '', map { sprintf '%02x', $_ } split /\./, shift }
my @dns = ('--local=/in-addr.arpa/', '--local=/ip6.arpa/');
sub a { push @dns, "--dns-rr=$_[0],1," . hex_of($_[1]) }
sub ptr { push @dns, '--ptr-record=' . join('.', reverse split /\./, $_[0]) . ".in-addr.arpa,$_[1]" }

# Clients: 2 is listed, 3 too, but also allowed; 4 is listed with a code that the filter leaves out; 5 gets an error's code.
a("$_.0.0.127.block.test", '127.0.0.2') for 2, 3;
a('4.0.0.127.block.test', '127.0.0.40');
a('5.0.0.127.block.test', '127.255.255.254');
a('6.0.0.127.block.test', '10.1.1.1');
push @dns, '--txt-record=2.0.0.127.block.test,see https://block.test/127.0.0.2';
push @dns, "--txt-record=3.0.0.127.block.test,x";
a('3.0.0.127.allow.test', '127.0.10.1');
push @dns, '--dns-rr=1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.block.test,1,7f000002';
# Reverse names: 10 is confirmed, 11 leads elsewhere, 12 has two of which the second is right, 13 can't be looked up further.
ptr('127.0.0.10', 'ten.test'); a('ten.test', '127.0.0.10');
ptr('127.0.0.11', 'eleven.test'); a('eleven.test', '127.0.0.99');
ptr('127.0.0.12', 'wrong.test'); ptr('127.0.0.12', 'twelve.test'); a('twelve.test', '127.0.0.12');
ptr('127.0.0.13', 'host.invalid');
# Domains.
push @dns, '--mx-host=mx.test,mail.mx.test,10', '--dns-rr=null.test,15,000000';
a('plain.test', '127.0.0.50');
push @dns, '--dns-rr=six.test,28,' . '0' x 31 . '1', '--dns-rr=xn--bcher-kva.test,1,7f000001';
a('bad.test.domains.test', '127.0.1.2');
a('helo.bad.test.domains.test', '127.0.1.2');
push @dns, '--txt-record=bad.test.domains.test,a bad one';
$T->dns(@dns);

$T->serve_smtpd('127.0.0.1', $port);

sub read_reply {
    my $s = shift;
    my $line;
    do { $line = <$s> // return '' } while $line =~ /^\d\d\d-/;
    $line =~ s/\r\n//;
    return $line;
}

# A client that asks for one recipient, or several: the replies to RCPT. `data`: and sends a message.
sub client {
    my (%o) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => $o{to} // '127.0.0.1', PeerPort => $o{port} // $port, LocalAddr => $o{from} // '127.0.0.1', Timeout => 60)
        or die "connect: $!";
    local $SIG{ALRM} = sub { die "no reply\n" };
    alarm 120;
    my @replies;
    read_reply($s) =~ /^220/ or die;
    for my $line ('EHLO ' . ($o{helo} // 'client.test'), 'MAIL FROM:<' . ($o{sender} // 'x@far.test') . '>' . ($o{options} // '')) {
        print $s "$line\r\n";
        my $reply = read_reply($s);
        $reply =~ /^250/ or die "$line: $reply";
    }
    for my $to (ref $o{rcpt} ? @{ $o{rcpt} } : $o{rcpt} // $alice) {
        print $s "RCPT TO:<$to>\r\n";
        push @replies, read_reply($s);
    }
    if ($o{data}) {
        print $s "DATA\r\n";
        push @replies, read_reply($s);
        print $s "Subject: x\r\n\r\nx\r\n.\r\n";
        push @replies, read_reply($s);
    }
    print $s "QUIT\r\n";
    read_reply($s);
    alarm 0;
    return wantarray ? @replies : $replies[0];
}

# The settings of one subtest, from the same beginning.
my $begin = $T->slurp($T->{conf});
sub settings {
    my (%s) = @_;
    open my $f, '>', $T->{conf} or die;
    print $f $begin, map { "$_ $s{$_}\n" } sort keys %s;
    close $f;
}
sub logged { my $what = shift; return scalar grep { /$what/ } split /\n/, $T->log }
my $ok = qr/^250 2\.1\.5 /;

subtest 'dns-block and dns-allow' => sub {
    settings('dns-block' => 'none.test block.test', 'dns-allow' => 'allow.test');
    is client(from => '127.0.0.2'), '554 5.7.1 Client [127.0.0.2] is listed by block.test: see https://block.test/127.0.0.2 (dns-block)', 'one that is listed';
    ok logged(qr/event=refused peer=127\.0\.0\.2 .*why="the client is listed" setting=dns-block list=block\.test/), 'the log says by which list';
    like client(from => '127.0.0.1'), $ok, 'one that is not';
    like client(from => '127.0.0.3'), $ok, 'one that is allowed too';
    like client(from => '127.0.0.5'), $ok, 'one for whom the list answers with an error';
    ok logged(qr/event=dns-list-unusable list=block\.test/), 'of which the log tells';
    like client(from => '127.0.0.6'), $ok, 'one for whom the list answers no address of lists';
    my @r = client(from => '127.0.0.2', rcpt => [$postmaster, 'nobody@here.test', 'x@far.test', $alice]);
    like $r[0], $ok, 'postmaster takes mail of the listed';
    like $r[1], qr/^550 5\.1\.1/, 'who doesn\'t exist doesn\'t';
    like $r[2], qr/^550 5\.7\.1 Relaying denied/, 'nor is there relaying';
    like $r[3], qr/^554 5\.7\.1 Client/, 'after these too';
    like client(from => '127.0.0.4'), qr/^554/, 'any answer counts without a filter';
    settings('dns-block' => 'block.test=127.0.0.2-11');
    like client(from => '127.0.0.4'), $ok, 'but not with one';
    like client(from => '127.0.0.2'), qr/^554/, 'and those of the filter do';
    settings('dns-block' => 'block.test', networks => '127.0.0.2');
    like client(from => '127.0.0.2', rcpt => 'x@far.test'), $ok, 'networks aren\'t concerned';
    settings('dns-block' => 'block.invalid block.test');
    like client(from => '127.0.0.2'), qr/^554/, 'a list that can\'t be asked does not hide another';
    settings('dns-block' => 'block.invalid');
    my $begun = time;
    like client(from => '127.0.0.2'), $ok, 'and alone lists nobody';
    cmp_ok time - $begun, '<', 60, 'soon, where DNS says that it can\'t';
};

subtest 'DNS that is silent' => sub {
    my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp') or die;
    settings('dns-block' => 'block.test', resolver => '127.0.0.1:' . $silent->sockport);
    my $begun = time;
    like client(from => '127.0.0.2'), $ok, 'the mail is taken';
    cmp_ok time - $begun, '<', 60, 'after a while';
    settings('sender-domain' => 'refuse', resolver => '127.0.0.1:' . $silent->sockport);
    like client(from => '127.0.0.2'), qr/^450 4\.1\.8 .* \(sender-domain\)$/, 'where the answer decides, later';
};

subtest 'IPv6' => sub {
    plan skip_all => 'no IPv6 here' unless eval { require IO::Socket::IP; IO::Socket::IP->new(LocalHost => '::1', Listen => 1) };
    settings('dns-block' => 'block.test');
    my $listener = IO::Socket::IP->new(LocalHost => '::1', Listen => 5) or die;
    my $pid = fork // die;
    if (!$pid) {
        my $c = $listener->accept;
        open STDERR, '>>', "$T->{dir}/log";
        open STDIN, '<&', $c;
        open STDOUT, '>&', $c;
        exec $T->command('smtpd', '-c', $T->{conf}) or POSIX::_exit(127);
    }
    my $c = IO::Socket::IP->new(PeerHost => '::1', PeerPort => $listener->sockport) or die;
    print $c "EHLO x.test\r\nMAIL FROM:<x\@far.test>\r\nRCPT TO:<$alice>\r\nQUIT\r\n";
    my @all = <$c>;
    waitpid $pid, 0;
    like "@all", qr/554 5\.7\.1 Client \[::1\] is listed by block\.test \(dns-block\)/, 'its nibbles are asked for';
};

subtest 'reverse-dns' => sub {
    settings('reverse-dns' => 'refuse');
    like client(from => '127.0.0.10'), $ok, 'refuse: confirmed';
    like client(from => '127.0.0.11'), $ok, 'refuse: leads elsewhere';
    is client(from => '127.0.0.20'), '550 5.7.25 Your address has no name (PTR record) (reverse-dns)', 'refuse: none';
    like client(from => '127.0.0.13'), $ok, 'refuse: one that can\'t be looked up further';
    settings('reverse-dns' => 'strict');
    like client(from => '127.0.0.10'), $ok, 'strict: confirmed';
    is client(from => '127.0.0.11'), '550 5.7.25 The name of your address doesn\'t lead back to it (reverse-dns)', 'strict: leads elsewhere';
    like client(from => '127.0.0.12'), $ok, 'strict: one of two is right';
    like client(from => '127.0.0.13'), qr/^450 4\.7\.25 .*\(reverse-dns\)/, 'strict: can\'t be looked up';
    settings('reverse-dns' => 'mark');
    like client(from => '127.0.0.20', data => 1), $ok, 'mark: none';
    my ($text) = grep { /127\.0\.0\.20/ } $T->mailbox('alice');
    like $text, qr/^Received: from client\.test \(unknown \[127\.0\.0\.20\]\)/m, 'what it is stands in Received';
    like $text, qr/^X-Postern-Marked: reverse-dns \(no reverse name\)$/m, 'and in a field of its own';
    like $text, qr/^Authentication-Results: [^\n]*;\n\tiprev=permerror policy\.iprev=127\.0\.0\.20$/m, 'and in Authentication-Results';
    like client(from => '127.0.0.12', data => 1), $ok, 'mark: confirmed';
    ($text) = grep { /127\.0\.0\.12/ } $T->mailbox('alice');
    like $text, qr/^Received: from client\.test \(twelve\.test \[127\.0\.0\.12\]\)/m, 'the name that is confirmed';
    unlike $text, qr/X-Postern-Marked/, 'is no mark';
    like $text, qr/\tiprev=pass \(twelve\.test\) policy\.iprev=127\.0\.0\.12$/m, 'and a result';
    for (['11', 'fail \(eleven\.test\)'], ['13', 'temperror \(host\.invalid\)']) {
        client(from => "127.0.0.$_->[0]", data => 1);
        my ($address, $result) = @$_;
        ($text) = grep { /\[127\.0\.0\.$address\]/ } $T->mailbox('alice');
        like $text, qr/\tiprev=$result policy\.iprev=127\.0\.0\.$address$/m, "$address: $result";
    }
    settings();
    client(from => '127.0.0.14', data => 1);
    ($text) = grep { /127\.0\.0\.14/ } $T->mailbox('alice');
    like $text, qr/^Received: from client\.test \(\[127\.0\.0\.14\]\)/m, 'without the setting nobody asks';
    unlike $text, qr/iprev=/, 'and there is no result';
};

subtest 'helo-check' => sub {
    settings('helo-check' => 'refuse');
    for (['mail.far.test', 1], ['far', 0], ['mail.far.test.', 1], ['127.0.0.1', 0], ['[127.0.0.9]', 1], ['[IPv6:::2]', 1], ['[1.2.3]', 0], ['a..b', 0],
         ['1.2.3.4.5', 0], ['under_score.test', 1], ['x!y.test', 0]) {
        my ($helo, $good) = @$_;
        my $reply = client(helo => $helo);
        $good ? like $reply, $ok, "refuse: $helo" : is $reply, '504 5.5.2 HELO needs a whole host name, or an address in brackets (helo-check)', "refuse: $helo";
    }
    settings('helo-check' => 'strict');
    for (['plain.test', $ok], ['mx.test', $ok], ['six.test', $ok], ['nosuch.test', qr/^550 5\.7\.1 .*exist \(helo-check\)/], ['host.invalid', qr/^450 4\.7\.1 /],
         ['[127.0.0.9]', qr/^550 5\.7\.1 The address/], ['[127.0.0.1]', $ok]) {
        like client(helo => $_->[0]), $_->[1], "strict: $_->[0]";
    }
    settings('helo-check' => 'mark');
    like client(helo => 'nosuch', from => '127.0.0.15', data => 1), $ok, 'mark: no whole name';
    like +(grep { /127\.0\.0\.15/ } $T->mailbox('alice'))[0], qr/^X-Postern-Marked: helo-check \(no whole name\)$/m, 'marks it';
    settings('helo-check' => 'off');
    like client(helo => 'x!y'), $ok, 'off';
    settings();
    like client(helo => 'mail.here.test'), $ok, 'own, the default: on this machine our name may be said';
};

subtest 'sender-domain' => sub {
    settings('sender-domain' => 'refuse');
    for (['x@mx.test', $ok], ['x@plain.test', $ok], ['x@six.test', $ok], ['', $ok], ['x@[127.0.0.1]', $ok], ['x@MX.test', $ok],
         ['x@nosuch.test', qr/^550 5\.1\.8 .*\(sender-domain\)$/], ['x@null.test', qr/^550 5\.7\.27 .*null MX\) \(sender-domain\)$/],
         ['x@there.invalid', qr/^450 4\.1\.8 /]) {
        like client(sender => $_->[0]), $_->[1], "<$_->[0]>";
    }
    like client(sender => "x\@b\xc3\xbccher.test", options => ' SMTPUTF8'), $ok, 'a domain in UTF-8 by its A-label';
    settings('sender-domain' => 'mark', 'helo-check' => 'mark');
    my @r = client(sender => 'x@nosuch.test', from => '127.0.0.16', rcpt => [$alice, $postmaster], data => 1);
    like $r[-1], qr/^250/, 'mark takes it';
    my ($text) = grep { /127\.0\.0\.16/ } $T->mailbox('alice');
    like $text, qr/^X-Postern-Marked: helo-check \(no such host\), sender-domain \(no such domain\)$/m, 'and marks it, once';
};

subtest 'domain-block' => sub {
    settings('domain-block' => 'domains.test');
    is client(sender => 'x@bad.test'), '554 5.7.1 Domain bad.test is listed by domains.test: a bad one (domain-block)', 'the sender\'s domain';
    is client(helo => 'helo.bad.test', rcpt => [$alice, $alice]), '554 5.7.1 Domain helo.bad.test is listed by domains.test (domain-block)', 'the name in HELO';
    like client(sender => 'x@good.test'), $ok, 'neither';
    like client(helo => '[127.0.0.1]', sender => ''), $ok, 'nothing to ask for';
};

subtest 'names and client together' => sub {
    settings('helo-check' => 'strict', 'dns-block' => 'block.test', 'reverse-dns' => 'refuse', 'sender-domain' => 'refuse');
    my %good = (from => '127.0.0.10', helo => 'plain.test', sender => 'x@mx.test');
    like client(%good), $ok, 'nothing against any of them';
    like client(%good, helo => 'nosuch.test'), qr/\(helo-check\)$/, 'the name in HELO';
    like client(%good, from => '127.0.0.2'), qr/^554 .*block\.test: see .*\(dns-block\)$/, 'the address';
    like client(%good, from => '127.0.0.20'), qr/\(reverse-dns\)$/, 'its name';
    is client(%good, sender => 'x@null.test'), "550 5.7.27 The sender's domain takes no mail (null MX) (sender-domain)", 'the sender';
    settings('helo-check' => 'mark', 'dns-block' => 'block.test');
    like client(%good, helo => 'nosuch.test', from => '127.0.0.2'), qr/\(dns-block\)$/, 'what is only marked hides nothing';
};

subtest 'several transactions' => sub {
    settings('sender-domain' => 'refuse');
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 60) or die;
    print $s join "\r\n", 'EHLO x.test', (map { ("MAIL FROM:<x\@$_.test>", "RCPT TO:<$alice>", "RCPT TO:<$alice>", 'RSET') } qw(mx nosuch plain nosuch)), 'QUIT', '';
    my @replies = grep { /^\d\d\d / } <$s>;
    is join(' ', map { substr $_, 0, 3 } grep { /2\.1\.5|5\.1\.8/ } @replies), '250 250 550 550 250 250 550 550', 'each is judged by its own sender';
};

subtest 'refusals count' => sub {
    settings('dns-block' => 'block.test');
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, LocalAddr => '127.0.0.2', Timeout => 60) or die;
    print $s join "\r\n", 'EHLO x.test', 'MAIL FROM:<x@far.test>', ("RCPT TO:<$alice>") x 60, '';
    my @replies = grep { /^\d\d\d / } <$s>;
    is scalar(grep { /^554/ } @replies), 50, 'fifty are answered';
    like $replies[-1], qr/^421 /, 'and then the connection ends';
};

# The replies to one connection's RCPTs, of which each is behind a MAIL of its own, pipelined.
sub transactions {
    my @senders = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 60) or die;
    local $SIG{ALRM} = sub { die "no reply\n" };
    alarm 300;
    print $s join "\r\n", 'EHLO plain.test', (map { ("MAIL FROM:<$_>", "RCPT TO:<$alice>", 'RSET') } @senders), 'QUIT', '';
    my @replies = grep { !/^2\d\d[- ]/ || /2\.1\.5/ } <$s>;
    alarm 0;
    return map { s/\r\n//r } @replies;
}

subtest 'delays count' => sub {
    settings(greylist => '5m');
    my @replies = transactions(map { "x$_\@far.test" } 1 .. 110);
    is scalar(grep { /^451 .*\(greylist\)$/ } @replies), 100, 'a hundred are told to come again';
    is $replies[-1], '421 4.7.0 Too many refusals', 'and then the connection ends';
    is scalar @replies, 101, 'with that';
};

subtest 'questions count' => sub {
    settings('domain-block' => join(' ', 'domains.test', map { "list$_.test" } 2 .. 8));
    my @replies = transactions((map { "x\@good$_.test" } 1 .. 20), 'x@bad.test');
    is scalar(grep { /^250/ } @replies), 20, 'some senders are looked up';
    like $replies[-1], qr/^554 .*\(domain-block\)$/, 'and one after them';
    my @more = transactions((map { "x\@good$_.test" } 1 .. 40), 'x@bad.test');
    is scalar(grep { /^250/ } @more), 31, 'of many senders, as many as there are questions for';
    is $more[-1], '421 4.7.0 Too many names for one connection, please connect again', 'and then nobody passes unasked';
    ok logged(qr/event=refused .*why="too many questions to DNS/), 'of which the log tells';
};

subtest 'warm' => sub {
    settings('dns-block' => 'block.test', 'reverse-dns' => 'mark', 'idle-exit' => 6);
    my $warm = QrunTest::free_port();
    my $pid = $T->start($T->command('systemd-socket-activate', '-E', 'ASAN_OPTIONS=detect_leaks=0', '-l', "127.0.0.1:$warm", "$T->{bin}/smtpd", '-c', $T->{conf}));
    $T->eventually(60, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $warm) }) or die;
    like client(port => $warm, from => '127.0.0.2'), qr/^554 5\.7\.1 Client/, 'one that is listed' for 1 .. 3;
    like client(port => $warm, from => '127.0.0.10', data => 1), $ok, 'one that is not';
    ok $T->eventually(60, sub { waitpid($pid, POSIX::WNOHANG()) == $pid }), 'nothing keeps it from ending when idle';
};

subtest 'the process that asks' => sub {
    settings('dns-block' => 'block.test');
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, LocalAddr => '127.0.0.2', Timeout => 60) or die;
    read_reply($s);
    # The session greets while the others are being made.
    my (@pids, $boxed);
    my $unboxed = ($ENV{SANDBOX} // '') eq 'none';
    my $all = $T->eventually(60, sub {
        @pids = grep { $T->slurp("/proc/$_/cmdline") =~ /smtpd\0-c\0\Q$T->{conf}\E/ } map { m{/(\d+)$} } glob '/proc/[0-9]*';
        $boxed = grep { $T->slurp("/proc/$_/status") =~ /^Seccomp:\s*2$/m } @pids;
        @pids == 3 && ($unboxed || $boxed == 3);
    });
    ok $all, 'session, guard, and one that asks DNS, each in a sandbox' or diag "@pids, $boxed in a sandbox";
    close $s;
    ok $T->eventually(60, sub { !grep { -e "/proc/$_" && $T->slurp("/proc/$_/cmdline") =~ /smtpd/ } @pids }), 'and nothing is left when the client hangs up';
};

done_testing;
