#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# SMTPUTF8 on the way out (RFC 6531 3.2): said where the message needs it, domains looked up as A-labels, and a bounce
# with 5.6.7 where a server doesn't offer it and something but a domain needs it.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;

my $T = QrunTest->new(timeout => 60);
my %ip = (new => '127.0.3.2', old => '127.0.3.3', pipe => '127.0.3.4');
my %domain = (new => 'xn--bcher-kva.test', old => 'xn--mller-kva.test', pipe => 'xn--ktz-qla.test');
$T->dns(map { ("--mx-host=$domain{$_},mx.$_.test,10", "--host-record=mx.$_.test,$ip{$_}") } sort keys %ip);
$T->sinks("$ip{new}=utf8", "$ip{old}=accept", "$ip{pipe}=nopipe");

my $plain = "Subject: x\r\n\r\nbody\r\n";
my $international = "Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nbody\r\n";

sub go {
    my ($from, $to, %o) = @_;
    $T->forget;
    my $before = () = $T->mailbox('alice');
    my $id = $T->put($from, $to, %o);
    is $T->qrun, 0, 'qrun ran';
    ok !$T->queued($id), 'the message left the queue';
    my @boxes = $T->mailbox('alice');
    my ($bounce) = @boxes > $before ? grep { /\QX-Postern-Queue-ID: $id\E/ } @boxes : '';
    return ([ grep { / (MAIL|RCPT)/ } $T->events ], [ $T->taken ], $bounce // '');
}

subtest 'offered: addresses go as they are, and MAIL says so' => sub {
    my ($said, $taken, $bounce) = go('alice@here.test', ["j\xc3\xb6rg\@b\xc3\xbccher.test"], options => "utf8\n", text => $plain);
    is scalar @$taken, 1, 'taken';
    like $said->[0], qr/MAIL FROM:<alice\@here\.test> SIZE=\d+ SMTPUTF8$/, 'MAIL';
    like $said->[1], qr/RCPT TO:<j\xc3\xb6rg\@b\xc3\xbccher\.test>$/, 'RCPT';
    is $bounce, '', 'no bounce';
};
subtest 'offered and not needed: not said' => sub {
    my ($said) = go('alice@here.test', ['joe@xn--bcher-kva.test'], options => "utf8\n", text => $plain);
    unlike $said->[0], qr/SMTPUTF8/, 'MAIL';
};
subtest 'a header section alone needs it' => sub {
    my ($said, $taken) = go('alice@here.test', ['joe@xn--bcher-kva.test'], options => "utf8\n", eight_bit => 1, text => $international);
    like $said->[0], qr/ BODY=8BITMIME SMTPUTF8$/, 'MAIL';
    like $taken->[0]{text}, qr/Gr\xc3\xbc\xc3\x9fe/, 'and arrives as it is';
};
subtest 'what came without SMTPUTF8 needs none for its header' => sub {
    my ($said, $taken) = go('alice@here.test', ['joe@xn--mller-kva.test'], eight_bit => 1, text => $international);
    is scalar @$taken, 1, 'taken';
};
for my $host ([ old => "m\xc3\xbcller.test" ], [ pipe => "k\xc3\xa4tz.test" ]) {
    my ($name, $domain) = @$host;
    subtest "$name, not offered: a domain becomes its A-labels" => sub {
        my ($said, $taken, $bounce) = go('alice@here.test', ["joe\@$domain"], options => "utf8\n", text => $plain);
        is scalar @$taken, 1, 'taken';
        is $taken->[0]{to}[0], "joe\@$domain{$name}", 'RCPT';
        is $bounce, '', 'no bounce';
    };
    subtest "$name, not offered: a local part bounces, the others are sent" => sub {
        my ($said, $taken, $bounce) = go('alice@here.test', ["joe\@$domain", "j\xc3\xb6rg\@$domain", "jim\@$domain"], options => "utf8\n", text => $plain);
        is_deeply $taken->[0]{to}, [ "joe\@$domain{$name}", "jim\@$domain{$name}" ], 'taken for two';
        like $bounce, qr/^Status: 5\.6\.7\r?$/m, 'bounced for one';
        is scalar(() = $bounce =~ /^Final-Recipient/mg), 1, 'and no more';
    };
    subtest "$name, not offered: with such a header section nobody gets it" => sub {
        my ($said, $taken, $bounce) = go('alice@here.test', ["joe\@$domain", "jim\@$domain"], options => "utf8\n", eight_bit => 1, text => $international);
        is scalar @$taken, 0, 'nothing sent';
        is scalar @$said, 0, 'nor said';
        is scalar(() = $bounce =~ /^Status: 5\.6\.7\r?$/mg), 2, 'both bounced';
    };
}
subtest 'not offered: such a sender' => sub {
    my ($said, $taken) = go("k\xc3\xa4se\@here.test", ["joe\@m\xc3\xbcller.test"], options => "utf8\n", text => $plain);
    is scalar @$taken, 0, 'nothing sent';
};
done_testing;
