#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# DANE (RFC 7672) and REQUIRETLS (RFC 8689) of mail that goes out: against signed zones of Knot's, with servers whose certificates are
# right, and wrong in every way.
use strict;
use warnings;
use lib 'tests/lib';
use OneMessage;
use QrunTest;
use SignedZones;
use Test::More;

my $T = QrunTest->new(timeout => 60, 'retry-first' => '5m');
OneMessage::from($T);
my $sink = $T->{sink};
certificate($sink, 'ca');
certificate($sink, 'inter', signer => 'ca', lines => "ca\ncert_signing_key\nexpiration_days = 9");
my $old = "activation_date = 2020-01-01 00:00:00\nexpiration_date = 2020-02-01 00:00:00";
certificate($sink, $_->[0], signer => 'ca', names => $_->[1], chain => 1, lines => $_->[2])
    for ['ta', ['mx.ta.test']], ['tadomain', ['tadomain.test']], ['taname', ['elsewhere.test']], ['taold', ['mx.taold.test'], $old],
        ['pkix', ['mx.pkix.test']];
certificate($sink, 'self', names => ['nobody.test'], lines => $old);
certificate($sink, 'other', names => ['nobody.test']);
system("cp $T->{server}/cert.pem $T->{server}/key.pem $sink/ && chmod 644 $sink/*.pem") == 0 or die;
$T->settings('ca-file' => "$sink/ca.pem");

my ($n, %ip, @sinks) = (1);
my $port = "_$T->{smtp_port}._tcp";
my %text = (test => '', 'insecure.test' => '', 'bogus.test' => '');
sub host { # NAME BEHAVIOUR ZONE: mx.NAME.ZONE has an address of its own
    my ($name, $behaviour, $zone) = @_;
    $ip{$name} = '127.0.3.' . ++$n;
    push @sinks, "$ip{$name}=$behaviour" if $behaviour;
    $text{ $zone // 'test' } .= "mx.$name A $ip{$name}\n";
}
sub domain { # NAME BEHAVIOUR TLSA...: NAME.test with its mail exchanger mx.NAME.test
    my ($name, $behaviour, @tlsa) = @_;
    host($name, $behaviour);
    $text{test} .= "$name MX 10 mx.$name\n" . join '', map { "$port.mx.$name $_\n" } @tlsa;
}
my $self = tlsa($sink, 'self', 3, 1, 1);
my $other = tlsa($sink, 'other', 3, 1, 1);
my $ta = tlsa($sink, 'ca', 2, 0, 1);
domain('ee', 'tls,cert=self', $self);
domain('ee512', 'tls,cert=self', tlsa($sink, 'self', 3, 0, 2), $other);
domain('full', 'tls,cert=self', tlsa($sink, 'self', 3, 0, 0));
domain('two', 'tls,cert=self', $other, $self);
domain('mismatch', 'tls,cert=self', $other);
domain('stripped', 'accept', $self);
domain('broken', 'tlsbroken', $self);
domain('inject', 'tlsinject', $self);
domain('ta', 'tls,cert=ta', $ta);
domain('tadomain', 'tls,cert=tadomain', $ta);
domain('taname', 'tls,cert=taname', $ta);
domain('taold', 'tls,cert=taold', $ta);
domain('tafake', 'tls,cert=self', $ta);
domain('unusable', 'tls,cert=self', tlsa($sink, 'other', 1, 1, 1));
domain('unusableplain', 'accept', tlsa($sink, 'other', 1, 1, 1));
domain('plain', 'accept');
domain('opportunistic', 'tls,cert=self');
domain('pkix', 'tls,cert=pkix,requiretls');
domain('require', 'tls,cert=self,requiretls', $self);
# More than a datagram holds: by TCP.
domain('many', 'tls,cert=self', map { tlsa($sink, $_, 3, 0, 0) } qw(other ta tadomain taname taold pkix inter self));
# The TLSA records lie in a zone whose delegation nobody's key fits: their look-up fails.
my $wrong = 'DS 12345 13 2 ' . '00' x 32;
domain('lookup', 'tls,cert=self');
$text{test} .= "_tcp.mx.lookup NS ns\n_tcp.mx.lookup $wrong\n";
$text{test} .= "bogus NS ns\nbogus $wrong\ninsecure NS ns\n";
host('a', 'tls,cert=self', 'bogus.test');
$text{'bogus.test'} .= "a MX 10 mx.a\n";
# An insecure MX to a host with records that don't fit; a secure one to a host in an insecure zone.
host('inmx', 'tls,cert=self', 'insecure.test');
$text{'insecure.test'} .= "inmx MX 10 mx.mismatch.test.\n" . "$port.mx.inmx $other\n";
$text{test} .= "outmx MX 10 mx.inmx.insecure\n";
# Aliases: records where it leads; only at its own name; it leads to an insecure zone, with records at its own name.
$text{test} .= "alias MX 10 mx.alias\nmx.alias CNAME mx.ee\n";
$text{test} .= "aliasown MX 10 mx.aliasown\nmx.aliasown CNAME mx.opportunistic\n$port.mx.aliasown $other\n";
$text{test} .= "aliasout MX 10 mx.aliasout\nmx.aliasout CNAME mx.inmx.insecure\n$port.mx.aliasout $other\n";
# Two exchangers, the better one with the wrong certificate; no MX at all.
$text{test} .= "fallback MX 5 mx.mismatch\nfallback MX 10 mx.ee\n";
$text{test} .= "direct A $ip{ee}\n$port.direct $self\n";
$text{test} .= "_$T->{smtp_port}._tcp.mx.chain CNAME $port.mx.ee\nchain MX 10 mx.chain\nmx.chain A $ip{ee}\n";
$text{test} .= "down MX 10 mx.down\nmx.down A 127.0.3.250\n$port.mx.down $self\n";

# Another Postern, with the certificate that its setup made.
my $far = QrunTest->new(domain => 'far.test', resolver => "127.0.0.1:$T->{dns_port}"); # which knows who may send for here.test
system("cp $far->{server}/cert.pem $sink/far.pem") == 0 or die;
$text{test} .= "far MX 10 mx.far\nmx.far A 127.0.3.200\n$port.mx.far " . tlsa($sink, 'far', 3, 1, 1) . "\n";
$far->serve_smtpd('127.0.3.200', $T->{smtp_port});

my $zones = SignedZones->new($T, map { $_ => { signed => $_ eq 'test', text => $text{$_} } } keys %text);
$T->settings('trust-anchor' => $zones->anchor('test'));
$T->sinks(@sinks);

subtest 'DANE-EE' => sub {
    my $r = delivered('ee.test', 'dane', 'a record that fits an expired certificate for another name');
    like $r->{events}, qr/sni mx\.ee\.test/, 'with SNI';
    delivered('ee512.test', 'dane', 'SHA-512 of the certificate');
    delivered('full.test', 'dane', 'the whole certificate');
    delivered('two.test', 'dane', 'one of two records fits');
    my $size = length $zones->dig("$port.mx.many.test", 'TLSA');
    cmp_ok $size, '>', 4 * 1232, 'eight records';
    delivered('many.test', 'dane', 'that take TCP to be asked for');
    delivered('direct.test', 'dane', 'a domain without MX');
    delivered('chain.test', 'dane', 'an alias at the records\' name');
    deferred('mismatch.test', qr/^0 4\.7\.5 TLS isn't verified, as DANE asks: its certificate fits none/m, 'no record fits');
    deferred('stripped.test', qr/^0 4\.7\.10 STARTTLS isn't offered, and DANE asks for it/m, 'STARTTLS is stripped');
    deferred('broken.test', qr/^0 4\.7\.5 /m, 'a handshake that breaks');
    deferred('inject.test', qr/^0 4\.[47]\.\d /m, 'plaintext behind the reply to STARTTLS');
    my $two = send_one('fallback.test');
    is $two->{state}, 'D', 'the next exchanger takes it' or diag $two->{why};
    is $two->{taken}[0]{host}, $ip{ee}, 'the one whose certificate fits';
};

subtest 'DANE-TA' => sub {
    delivered('ta.test', 'dane', 'a chain to the record\'s anchor, for the host');
    delivered('tadomain.test', 'dane', 'for the domain');
    deferred('taname.test', qr/as DANE asks: its certificate is for another name/, 'for another name');
    deferred('taold.test', qr/as DANE asks: its certificate has expired/, 'an expired one');
    deferred('tafake.test', qr/as DANE asks: its certificate fits none/, 'one that another has signed');
};

subtest 'records that say nothing usable' => sub {
    delivered('unusable.test', 'encrypted', 'PKIX-EE: TLS without verification');
    deferred('unusableplain.test', qr/^0 4\.7\.10 /m, 'but never without TLS');
};

subtest 'what DNSSEC vouches for' => sub {
    deferred('lookup.test', qr/^0 4\.7\.5 DNS has no valid answer for the TLSA records of mx\.lookup\.test/m, 'TLSA records with forged signatures');
    deferred('a.bogus.test', qr/^0 4\.4\.3 DNS has forged signatures/m, 'an MX with forged signatures');
    delivered('inmx.insecure.test', 'encrypted', 'an insecure MX: no DANE');
    delivered('outmx.test', 'encrypted', 'a host in an insecure zone: no DANE');
    delivered('alias.test', 'dane', 'an alias: records where it leads');
    deferred('aliasown.test', qr/as DANE asks/, 'else at its own name');
    deferred('aliasout.test', qr/as DANE asks/, 'also where it leads to an insecure zone');
    delivered('plain.test', 'none', 'no records, no TLS');
    delivered('opportunistic.test', 'encrypted', 'no records: opportunistic TLS');
};

subtest 'REQUIRETLS' => sub {
    my $r = delivered('require.test', 'dane', 'verified by DANE', options => "require-tls\n");
    like $r->{events}, qr/MAIL FROM:<[^>]*>.* REQUIRETLS/, 'and the next server is told';
    $r = delivered('pkix.test', 'pkix', 'by roots, where the MX is signed', options => "require-tls\n");
    like $r->{events}, qr/ REQUIRETLS/, 'told too';
    $r = delivered('require.test', 'dane', 'a message without');
    unlike $r->{events}, qr/REQUIRETLS/, 'isn\'t passed on with it';
    for (['ee.test', '5\.7\.30', 'REQUIRETLS isn\'t offered'], ['plain.test', '5\.7\.10', 'STARTTLS isn\'t offered'],
         ['inmx.insecure.test', '5\.7\.30', 'nobody vouches for the host']) {
        my ($domain, $status, $name) = @$_;
        my $b = send_one($domain, options => "require-tls\n");
        is $b->{state}, 'B', "$name: it bounces" or diag $b->{why}, $b->{log};
        like $b->{bounce}, qr/^Status: $status$/m, "$name: with its status";
        unlike $b->{events}, qr/MAIL FROM/, "$name: no address was said";
    }
    deferred('opportunistic.test', qr/^0 4\.7\.5 TLS isn't verified, as the message's REQUIRETLS asks/m, 'a certificate that nobody vouches for',
             options => "require-tls\n");
    deferred('mismatch.test', qr/^0 4\.7\.5 /m, 'a record that doesn\'t fit', options => "require-tls\n");
    is send_one('down.test', options => "require-tls\n")->{state}, 'T', 'a host that is down may come back';
};

subtest 'TLS-Required: no' => sub {
    my $text = "Subject: x\r\nTLS-Required: No\r\n\r\ntext\r\n";
    delivered('mismatch.test', 'encrypted', 'no policy applies', text => $text);
    delivered('stripped.test', 'none', 'nor is TLS needed', text => $text);
    deferred('mismatch.test', qr/4\.7\.5/, 'in the body it means nothing', text => "Subject: x\r\n\r\nTLS-Required: No\r\n");
    deferred('mismatch.test', qr/4\.7\.5/, 'nor beside REQUIRETLS', text => $text, options => "require-tls\n");
    my $id = $T->put('alice@here.test', ['a@mismatch.test']);
    $T->put('alice@here.test', ['b@mismatch.test'], text => $text);
    $T->forget;
    $T->qrun;
    is_deeply [ map { @{ $_->{to} } } $T->taken ], ['b@mismatch.test'], 'two messages in one run don\'t share a connection';
    $T->run_as('rm', $T->queued($id));
};

subtest 'what is recorded and remembered' => sub {
    my $all = join '', map { $T->slurp($_) } glob "$T->{spool}/tls-results/*";
    like $all, qr/^at=\d+ domain=ee\.test policy=tlsa mx=mx\.ee\.test from=127\.\S+ to=\Q$ip{ee}\E result=success$/m, 'a success';
    for (['mismatch', 'validation-failure'], ['stripped', 'starttls-not-supported'], ['broken', 'validation-failure'],
         ['taname', 'certificate-host-mismatch'], ['taold', 'certificate-expired'], ['lookup', 'dnssec-invalid']) {
        like $all, qr/^at=\d+ domain=$_->[0]\.test policy=tlsa mx=mx\.$_->[0]\.test .*result=$_->[1] text="/m, "$_->[1] of $_->[0]";
    }
    like $all, qr/^at=\d+ domain=unusable\.test policy=tlsa mx=mx\.unusable\.test result=tlsa-invalid text="/m, 'records that are unusable';
    like $all, qr/^at=\d+ domain=a\.bogus\.test policy=tlsa result=dnssec-invalid text="/m, 'an MX with forged signatures';
    like $all, qr/^at=\d+ domain=opportunistic\.test policy=no-policy-found .*result=success$/m, 'TLS without a policy';
    like $all, qr/^at=\d+ domain=plain\.test policy=no-policy-found .*result=starttls-not-supported/m, 'none at all';
    (my $record = $self) =~ s/^TLSA //;
    like $all, qr/^policy domain=ee\.test policy=tlsa text="$record"$/m, 'the records that applied';
    # The domain gives up DANE.
    (my $less = $text{test}) =~ s/^\Q$port\E\.mx\.ee .*\n//m;
    $zones->change(test => $less);
    my $r = delivered('ee.test', 'encrypted', 'a host that had DANE');
    like $r->{log}, qr/event=tls-no-longer-verified host=mx\.ee\.test\S+ domain=ee\.test had=dane has=encrypted/, 'and has it no more: the log says so';
    unlike send_one('ee.test')->{log}, qr/no-longer/, 'once';
    $zones->change(test => $text{test});
    delivered('ee.test', 'dane', 'it has it again');
};

subtest 'another Postern' => sub {
    for my $options ('', "require-tls\n") {
        my $before = () = $far->mailbox('alice');
        my $log = length $T->log;
        my $id = $T->put('alice@here.test', ['alice@far.test'], options => $options);
        $T->qrun;
        is $T->queued($id), '', 'sent' . ($options ? ' with REQUIRETLS' : '') or diag $T->why($id), $far->log;
        like substr($T->log, $log), qr/event=delivered .*tls=dane/, 'verified by DANE';
        my @mail = $far->mailbox('alice');
        is scalar @mail, $before + 1, 'and it arrived';
        like $mail[-1], qr/^Received: from mail\.here\.test.*with ESMTPS/ms, 'over TLS';
    }
};

subtest 'a resolver that passes no signatures on' => sub {
    $T->settings('trust-anchor' => ''); # the system's: Knot knows nothing of the root
    my $before = () = $T->log =~ /event=no-dnssec/g;
    delivered('mismatch.test', 'encrypted', 'without an anchor of one\'s own DANE isn\'t used');
    delivered('mismatch.test', 'encrypted', 'nor in the next run');
    is scalar(() = $T->log =~ /event=no-dnssec/g), $before + 1, 'the log says so once';
    is send_one('ee.test', options => "require-tls\n")->{state}, 'B', 'what must be verified isn\'t sent';
    $T->settings('trust-anchor' => "$T->{dir}/anchor-test");
    deferred('mismatch.test', qr/as DANE asks/, 'with one it is asked for');
};

subtest 'keys that don\'t fit' => sub {
    open my $f, '>', "$T->{dir}/wrong" or die;
    print $f "test. IN $wrong\n";
    close $f;
    $T->settings('trust-anchor' => "$T->{dir}/wrong");
    deferred('plain.test', qr/^0 4\.4\.3 /m, 'another trust anchor: nothing is believed');
    $T->settings('dnssec-exempt' => 'elsewhere.test plain.test');
    delivered('plain.test', 'none', 'but for what is exempt');
    $T->settings('trust-anchor' => "$T->{dir}/missing");
    isnt $T->qrun, 0, 'a file that isn\'t there: qrun doesn\'t start';
    like $T->log, qr/event=cannot-start text="trust-anchor: \S+missing: /, 'and says why';
};

done_testing;
