#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The queue runner and its routes: to hosts, ports and LMTP servers of one's choice, with TLS and logins as the table says.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use IO::Socket::INET;
use Test::More;
use MIME::Base64 ();
use Time::HiRes qw(time sleep);

my $T = QrunTest->new(timeout => 60, 'retry-first' => '5m');
my ($other, $smtps, $hub) = map { QrunTest::free_port() } 1 .. 3;
# The hub's certificate is for mail.here.test, and known roots are that alone.
system("cp $T->{server}/cert.pem $T->{server}/key.pem $T->{sink}/ && chmod 644 $T->{sink}/*.pem") == 0 or die;
$T->settings('ca-file' => "$T->{server}/cert.pem");
my %ip = map { $_->[0] => "127.0.4.$_->[1]" } [ direct => 1 ], [ mx => 2 ], [ host => 3 ], [ hub => 4 ], [ plain => 5 ], [ lmtp => 6 ], [ dropped => 7 ],
    [ lie => 8 ], [ never => 12 ], [ noauth => 9 ], [ first => 10 ], [ open => 11 ];
$T->dns('--mx-host=direct.test,mx.direct.test,10', "--host-record=mx.direct.test,$ip{direct}", '--mx-host=gate.test,mx.gate.test,10',
        "--host-record=mx.gate.test,$ip{mx}", "--host-record=gate.test,$ip{host}", "--host-record=mail.here.test,$ip{hub}",
        "--host-record=hub.test,$ip{hub}", '--mx-host=via.test,mx.direct.test,10', '--mx-host=deep.sub.test,mx.direct.test,10',
        "--host-record=first.test,$ip{first}", "--host-record=noauth.test,$ip{noauth}", "--host-record=lie.test,$ip{lie}",
        "--host-record=plain.test,$ip{plain}");
my $socket = "$T->{sink}/lmtp";
$T->sinks("$ip{direct}=accept", "$ip{mx}=accept", "$ip{host}=accept", "$ip{never}=nomail", "$ip{host}:$other=accept", "$ip{hub}:$hub=tls,auth=plain",
          "$ip{plain}=auth=plain", "$ip{lmtp}:$other=lmtp", "unix:$socket=lmtp", "$ip{dropped}:$other=lmtp,hang-reply", "$ip{lie}=auth=lie",
          "$ip{noauth}=auth=noauth", "$ip{first}:$smtps=smtps,auth=login", "$ip{open}=tls");

sub secrets {
    my ($text, $mode) = @_;
    open my $f, '>', "$T->{server}/route-secrets" or die;
    print $f $text;
    close $f;
    chmod $mode // 0600, "$T->{server}/route-secrets";
    $T->own;
}

# Sends to addresses; the message, whether it is gone (D) or waits (T), and what was taken.
sub send_to {
    my ($to, %o) = @_;
    $T->forget;
    my $id = $T->put($o{from} // 'alice@here.test', ref $to ? $to : [$to]);
    my $status = $T->qrun;
    return { id => $id, status => $status, state => $T->queued($id) ? 'T' : 'D', why => $T->why($id), taken => [ $T->taken ] };
}
sub drop { my $id = shift; $T->run_as('postern', '-c', $T->{conf}, 'queue', 'drop', $id) if $T->queued($id) }
sub hosts { my $r = shift; return join ' ', map { $_->{host} } @{ $r->{taken} } }

subtest 'where mail goes' => sub {
    is hosts(send_to('a@direct.test')), $ip{direct}, 'without a table to the domain\'s exchanger';
    $T->routes("via.test smtp:gate.test\nother.test smtp:[gate.test]:$other\n.sub.test [gate.test]\nboss\@via.test direct\nlit.test smtp:[$ip{host}]\n");
    is hosts(send_to('a@via.test')), $ip{mx}, 'to the exchanger of another domain';
    is hosts(send_to('boss@via.test')), $ip{direct}, 'but for one address';
    is hosts(send_to('a@other.test')), $ip{host}, 'to a host, on a port';
    is hosts(send_to('a@deep.sub.test')), $ip{host}, 'what is below a domain';
    is hosts(send_to('a@lit.test')), $ip{host}, 'to an address';
    is hosts(send_to('a@direct.test')), $ip{direct}, 'what has no route goes directly';
    $T->routes("* smtp:[gate.test]\ndirect.test direct\n");
    my $r = send_to([ 'a@nowhere.test', 'b@anywhere.test', 'c@via.test', 'd@direct.test' ]);
    is hosts($r), "$ip{direct} $ip{host}", 'everything but one domain to one host';
    is scalar(grep { @{ $_->{to} } == 3 } @{ $r->{taken} }), 1, 'in one transaction, whatever the domains are';
    $T->routes("* smtp:[nosuch.test]\n");
    $r = send_to('a@direct.test');
    is $r->{state} . @{ $r->{taken} }, 'T0', 'a host that DNS doesn\'t know is a mistake of ours: mail waits';
    like $r->{why}, qr/^0 4\.4\.4 nosuch\.test has no address/m, 'and says why';
    drop($r->{id});
    $T->routes("* smtp:[$ip{never}]\n");
    $r = send_to('a@direct.test');
    is $r->{state}, 'T', 'a host that takes no mail is one too';
    like $r->{why}, qr/^0 521 5\.3\.2 /m, 'and has said so';
    drop($r->{id});
    unlink "$T->{server}/routes.gdbm";
    $r = send_to('a@direct.test');
    isnt $r->{status}, 0, 'without its table a text is no reason to send directly';
    is $r->{state} . @{ $r->{taken} }, 'T0', 'mail waits';
    drop($r->{id});
};

subtest 'LMTP' => sub {
    $T->routes("tcp.test lmtp:[$ip{lmtp}]:$other\nunix.test lmtp:unix:$socket\ngone.test lmtp:unix:$socket.not\ndropped.test lmtp:[$ip{dropped}]:$other\n");
    for (['tcp.test', $ip{lmtp}], ['unix.test', '0.0.0.0']) {
        my ($domain, $host) = @$_;
        my $r = send_to([ map { "$_\@$domain" } qw(one late1 rej1 never1 two) ]);
        is hosts($r), $host, "$domain: taken" or diag $T->log;
        ok +(grep { /LHLO mail\.here\.test/ } $T->events) && !(grep { /EHLO/ } $T->events), "$domain: in LMTP";
        like $T->slurp($T->queued($r->{id})), qr/^D one.*^T late1.*^B rej1.*^B never1.*^D two/ms, "$domain: each recipient has a reply of its own";
        like $r->{why}, qr/^1 452 4\.2\.2 full$/m, "$domain: the late one's";
        is scalar(grep { /never1\@$domain/ && /rej1\@$domain/ && !/late1/ } $T->mailbox('alice')), 1, "$domain: the others bounced";
        drop($r->{id});
    }
    my $r = send_to('a@gone.test');
    is $r->{state}, 'T', 'a socket that nobody listens on';
    like $r->{why}, qr/^0 4\.4\.1 Can't connect to \Q$socket\E\.not: No such file/m, 'is said';
    drop($r->{id});
    $r = send_to([ map { "$_\@dropped.test" } qw(one two three) ]);
    like $T->slurp($T->queued($r->{id})), qr/^D one.*^D two.*^T three/ms, 'whose reply didn\'t come is tried again, and nobody else';
    drop($r->{id});
    $T->forget;
    my @ids = map { $T->put('alice@here.test', ["m$_\@unix.test"]) } 1 .. 30;
    $T->qrun;
    is scalar($T->taken), 30, 'thirty messages by the socket';
    is scalar(grep { $T->queued($_) } @ids), 0, 'all gone';
};

subtest 'TLS that a route asks for' => sub {
    $T->routes("may.test [$ip{direct}]\nenc.test [$ip{direct}] tls=encrypt\nnone.test smtp:[mail.here.test]:$hub tls=none\n"
         . "good.test [mail.here.test]:$hub tls=verify auth\nname.test [hub.test]:$hub tls=verify auth\nopen.test [$ip{open}]\nopennone.test [$ip{open}] tls=none\n");
    secrets("hub.test alice alice-secret\nmail.here.test alice alice-secret\n");
    is send_to('a@may.test')->{state}, 'D', 'none, where none is offered and none needed';
    my $r = send_to('a@enc.test');
    is $r->{state} . @{ $r->{taken} }, 'T0', 'none, where it is needed: nothing is sent';
    like $r->{why}, qr/^0 4\.7\.10 STARTTLS isn't offered, and the route asks for it/m, 'and the reason is said' or diag $r->{why};
    drop($r->{id});
    $r = send_to('a@good.test');
    is $r->{state} . @{ $r->{taken} }, 'D1', 'verified' or diag $r->{why};
    ok +(grep { / tls$/ } $T->events) && (grep { / known$/ } $T->events), 'with a login inside';
    like $T->log, qr/event=delivered id=$r->{id} .* tls=pkix /, 'which the log says';
    $r = send_to('a@name.test');
    is $r->{state} . @{ $r->{taken} }, 'T0', 'a certificate for another name';
    like $r->{why}, qr/^0 4\.7\.5 TLS isn't verified, as the route asks/m, 'is said';
    is scalar(grep { /AUTH/ } $T->events), 0, 'before the login is';
    drop($r->{id});
    is send_to('a@open.test')->{state}, 'D', 'opportunistic';
    ok +(grep { / tls$/ } $T->events), 'is TLS where it is offered';
    is send_to('a@opennone.test')->{state}, 'D', 'tls=none';
    is scalar(grep { /STARTTLS/ } $T->events), 0, 'is none';
};

subtest 'logins' => sub {
    $T->routes("plain.test [plain.test] auth tls=none\nshy.test [plain.test] auth tls=encrypt\nmay.test [plain.test] auth tls=may\nfirst.test smtps:[first.test]:$smtps auth tls=encrypt\n"
         . "lie.test [lie.test] auth tls=may\nnoauth.test [noauth.test] auth tls=none\nwithout.test [$ip{direct}] auth tls=none\n");
    secrets("# logins\nplain.test alice alice-secret\n[first.test]:$smtps alice alice-secret\nlie.test alice alice-secret\nnoauth.test alice alice-secret\n");
    my $r = send_to('a@plain.test');
    is $r->{state} . @{ $r->{taken} }, 'D1', 'AUTH PLAIN, where the route says that TLS isn\'t needed' or diag $r->{why};
    ok +(grep { / known$/ } $T->events), 'logged in';
    $r = send_to('a@may.test');
    is $r->{state} . @{ $r->{taken} }, 'T0', 'no TLS to be had, and nobody said that it isn\'t needed';
    like $r->{why}, qr/^0 4\.7\.11 AUTH: no TLS/m, 'the password isn\'t shown';
    is scalar(grep { /AUTH/ } $T->events), 0, 'not even begun';
    drop($r->{id});
    $r = send_to('a@first.test');
    is $r->{state} . @{ $r->{taken} }, 'D1', 'AUTH LOGIN, with TLS from the first byte' or diag $r->{why};
    is +($T->events)[1] =~ / tls$/, 1, 'before anything else';
    $r = send_to('a@lie.test');
    is $r->{state} . @{ $r->{taken} }, 'T0', 'SCRAM with a server that doesn\'t know the password';
    like $r->{why}, qr/^0 4\.7\.8 AUTH: the server didn't show that it knows the password/m, 'isn\'t believed' or diag $r->{why};
    drop($r->{id});
    $r = send_to('a@noauth.test');
    is $r->{state}, 'T', 'a wrong password keeps mail waiting';
    like $r->{why}, qr/^0 4\.7\.8 AUTH was refused: 535 5\.7\.8 who\?/m, 'and says so';
    drop($r->{id});
    $r = send_to('a@without.test');
    like $r->{why}, qr/^0 4\.7\.0 No login for \[127\.0\.4\.1\]: route-secrets has none/m, 'no line in the file' or diag $r->{why};
    drop($r->{id});
    secrets("plain.test alice alice-secret\n", 0644);
    $r = send_to('a@plain.test');
    is $r->{state} . @{ $r->{taken} }, 'T0', 'a file that others can read isn\'t used';
    like $r->{why}, qr/^0 4\.7\.0 No login for plain\.test: route-secrets must be .* mode 0600/m, 'and that is said';
    drop($r->{id});
    unlike $T->log, qr/alice-secret|@{[ MIME::Base64::encode_base64("\0alice\0alice-secret", '') ]}/, 'no password in the log';
    secrets("plain.test alice alice-secret\n");
    $T->put('alice@here.test', ['a@plain.test']);
    $T->run_as('qrun', '-v', '-c', $T->{conf});
    like $T->log, qr/AUTH PLAIN \(secret\)/, 'nor with the dialogue in it';
    unlike $T->log, qr/@{[ MIME::Base64::encode_base64("\0alice\0alice-secret", '') ]}/, 'in no form';
};

subtest 'an address needs no DNS' => sub {
    my $silent = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1') or die $!;
    my $other = QrunTest->new(resolver => '127.0.0.1:' . $silent->sockport, 'smtp-port' => $T->{smtp_port});
    $other->routes("* [$ip{direct}] tls=none\n");
    $other->put('alice@here.test', ['x@direct.test']);
    $other->qrun;
    like $other->log, qr/event=delivered/, 'and gets its mail';
    $silent->blocking(0);
    my $question;
    is $silent->recv($question, 512), undef, 'with no question asked' or diag unpack 'H*', $question;
};

subtest 'another Postern\'s submission' => sub {
    my $far = QrunTest->new(domain => 'far.test', resolver => "127.0.0.1:$T->{dns_port}", 'smtp-port' => $T->{smtp_port});
    my $port = QrunTest::free_port();
    $far->serve_smtpd('127.0.4.20', $port, '-s');
    $T->routes("* [127.0.4.20]:$port auth tls=encrypt\n");
    secrets("[127.0.4.20] alice\@far.test alice-secret\n");
    my $r = send_to('someone@elsewhere.test', from => 'alice@far.test');
    is $r->{state}, 'D', 'takes mail for elsewhere' or diag $r->{why}, $far->log;
    like $far->log, qr/mechanism=SCRAM-SHA-256|SCRAM/, 'after a login by SCRAM' or diag $far->log;
    my @there = $far->in_queue;
    is scalar @there, 1, 'and has it in its queue';
    secrets("[127.0.4.20] alice\@far.test wrong\n");
    $r = send_to('someone@elsewhere.test', from => 'alice@far.test');
    is $r->{state}, 'T', 'with a wrong password it waits here';
    like $r->{why}, qr/^0 4\.7\.8 AUTH was refused: 535/m, 'and says why' or diag $r->{why};
    drop($r->{id});
};

done_testing;
