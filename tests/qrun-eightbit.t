#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# 8-bit mail to servers without 8BITMIME (RFC 6152): converted, so that Python's email parser reads what was sent, or bounced with
# 5.6.3; the same bytes to a server that offers it. Reports of ours among them.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;
use JSON::PP;

my $T = QrunTest->new(timeout => 60);
my %ip = (eight => '127.0.5.2', seven => '127.0.5.3', old => '127.0.5.4', small => '127.0.5.5', tiny => '127.0.5.6');
$T->dns((map { ("--mx-host=$_.test,mx.$_.test,10", "--host-record=mx.$_.test,$ip{$_}") } sort keys %ip));
$T->sinks("$ip{eight}=accept", "$ip{seven}=no8bit", "$ip{old}=helo", "$ip{small}=no8bit,size=4000", "$ip{tiny}=size=4000");
$T->spew("$T->{dir}/read.py", <<'END');
import email, email.policy, json, sys
def leaves(m):
    if m.get_content_type() == 'message/delivery-status':
        return []
    if m.get_content_maintype() == 'multipart' or m.get_content_type() == 'message/rfc822':
        return [x for p in m.get_payload() for x in leaves(p)]
    return [[m.get_content_type(), m.get_filename(), m.get_payload(decode=True).decode('latin-1')]]
def fields(m):
    return [[str(m['Subject']), str(m['From']), str(m['To'])]] + [f for p in m.walk() if p.get_content_type() == 'message/rfc822' for f in fields(p.get_payload()[0])]
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
print(json.dumps({'leaves': leaves(m), 'fields': fields(m), 'defects': [str(d) for p in m.walk() for d in p.defects if p.get_content_maintype() != 'multipart'],
                  'labels': [[p.get_content_type(), p['Content-Transfer-Encoding'] and str(p['Content-Transfer-Encoding'])] for p in m.walk()]}))
END
sub parsed {
    my ($text) = @_;
    $T->spew("$T->{dir}/in", $text);
    return decode_json(scalar `python3 $T->{dir}/read.py <$T->{dir}/in`);
}
my $plain = "From: \"J\xc3\xb6rg M\xc3\xbcller\" <alice\@here.test>\r\nTo: B\xc3\xb6b <bob\@x.test>\r\nSubject: Gr\xc3\xbc\xc3\x9fe aus K\xc3\xb6ln\r\nMIME-Version: 1.0\r\n"
    . "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nna\xc3\xafve text = and more\r\n.dot\r\ntrailing \r\n";
my $nested = "From: a\@here.test\r\nTo: b\@x.test\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    . "--out\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe2\x82\xac 100 and some words\r\n"
    . "--out\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"\xc3\xa4.bin\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" . ("\xff\xfe\xc0" x 300) . "\r\n"
    . "--out\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n$plain"
    . "--out\r\nContent-Type: text/plain\r\n\r\nASCII = as it is  \r\n--out--\r\n";

# Sends to NAME.test: what was taken, and what bounced.
sub go {
    my ($name, $text, %o) = @_;
    $T->forget;
    my $before = () = $T->mailbox('alice');
    my $id = $T->put('alice@here.test', ["bob\@$name.test"], text => $text, eight_bit => 1, %o);
    is $T->qrun, 0, 'qrun ran';
    ok !$T->queued($id), 'the message left the queue' or diag $T->why($id), $T->log;
    my @bounces = grep { /^X-Postern-Queue-ID: $id$/m } $T->mailbox('alice');
    my ($taken) = $T->taken;
    return ($taken, $bounces[0] // '');
}

for my $name (qw(seven old)) {
    for (['a text', $plain], ['parts within parts', $nested]) {
        my ($what, $text) = @$_;
        subtest "$what to a server " . ($name eq 'old' ? 'that knows only HELO' : 'without 8BITMIME') => sub {
            my ($m, $bounce) = go($name, $text);
            is $bounce, '', 'no bounce';
            unlike $m->{text}, qr/[\x80-\xff]/, 'it came in 7 bits';
            my ($was, $is) = (parsed($text), parsed($m->{text}));
            is_deeply $is->{leaves}, $was->{leaves}, 'each part says what it said' or diag explain $is;
            is_deeply $is->{fields}, $was->{fields}, 'and the header fields';
            is_deeply $is->{defects}, [], 'nothing that a parser minds';
            is scalar(grep { ($_->[1] // '') =~ /8bit|binary/ } @{ $is->{labels} }), 0, 'no label says 8bit';
            is scalar(grep { /^multipart|^message/ && ($_->[1] // '7bit') ne '7bit' } @{ $is->{labels} }), 0, 'what holds others isn\'t encoded';
            like $m->{text}, qr/^ASCII = as it is  \r$/m, 'what was ASCII is as it was' if $text eq $nested;
            unlike join("\n", $T->events), qr/BODY=/, 'BODY isn\'t said';
            if ($name eq 'seven') {
                my ($size) = join("\n", $T->events) =~ /SIZE=(\d+)/;
                is $size, length $m->{text}, 'SIZE is that of what was sent';
            }
        };
    }
}
subtest 'a server with 8BITMIME gets it as it was' => sub {
    my ($m) = go('eight', $nested);
    is $m->{text}, $nested, 'byte by byte';
};
my $signed = "From: a\@here.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha1; boundary=s\r\n\r\n"
        . "--s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n";
subtest 'what can\'t be converted' => sub {
    my $address = "From: J <j\xc3\xb6rg\@here.test>\r\n\r\nx\r\n";
    for (['a signature', $signed, '5.6.3'], ['an address', $address, '5.6.7'], ['a fragment', "Content-Type: message/partial; id=1; number=1\r\n\r\n\xc3\xa4\r\n", '5.6.3']) {
        my ($what, $text, $status) = @$_;
        my ($m, $bounce) = go('seven', $text);
        ok !$m, "$what: not sent";
        like $bounce, qr/^Status: \Q$status\E$/m, "$what: bounced with $status";
        is scalar(grep { /MAIL/ } $T->events), 0, "$what: not a word of it was said";
        ($m) = go('eight', $text);
        is $m->{text}, $text, "$what: to another server as it is";
    }
};
subtest 'the size that counts is that of what is sent' => sub {
    my $text = "Subject: x\r\n\r\n" . ("\xe2\x82\xac" x 20 . "\r\n") x 55; # 3.4 KB, and a third more in base64
    my ($m, $bounce) = go('tiny', $text);
    ok $m, 'it fits as it is';
    ($m, $bounce) = go('small', $text);
    like $bounce, qr/^Status: 5\.3\.4$/m, 'and doesn\'t when it is converted';
};
subtest 'a large one doesn\'t grow the sender' => sub {
    my $line = "na\xc3\xafve " x 12 . "\r\n";
    my $text = "Subject: large\r\n\r\n" . $line x 300000; # 29 MB
    my ($m) = go('seven', $text);
    unlike $m->{text}, qr/[\x80-\xff]/, 'converted';
    cmp_ok length $m->{text}, '>', length $text, 'all of it';
};
subtest 'a report of ours' => sub {
    $T->forget;
    $T->put('bob@seven.test', ['rej@eight.test'], text => $plain, eight_bit => 1, options => "return full\n");
    $T->qrun;
    my ($m) = $T->taken($ip{seven});
    unlike $m->{text}, qr/[\x80-\xff]/, 'in 7 bits';
    my $is = parsed($m->{text});
    is $is->{fields}[1][0], parsed($plain)->{fields}[0][0], 'with the subject of the message';
    is_deeply $is->{leaves}[-1], parsed($plain)->{leaves}[0], 'and its text';
    is_deeply $is->{defects}, [], 'nothing that a parser minds';
    $T->forget;
    $T->put('bob@seven.test', ['rej@eight.test'], text => $signed, eight_bit => 1, options => "return full\n");
    $T->qrun;
    ($m) = $T->taken($ip{seven});
    like $m->{text}, qr/^Action: failed\r$/m, 'also about a message that couldn\'t be converted itself';
    unlike $m->{text}, qr/[\x80-\xff]/, 'in 7 bits';
};
done_testing;
