#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# MTA-STS (RFC 8461) of mail that goes out: policies from HTTPS servers, good and bad, against mail servers whose TLS is right, and wrong in
# every way; and what is cached while DNS or the web server is silent.
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
my $https = QrunTest::free_port();
my $web = "$T->{dir}/web";
mkdir $web;
my $old = "activation_date = 2020-01-01 00:00:00\nexpiration_date = 2020-02-01 00:00:00";
certificate($_, 'ca') for $sink;
system("cp $sink/ca.* $web/") == 0 or die;
certificate($sink, 'self', names => ['nobody.test']);
system("cp $T->{server}/cert.pem $T->{server}/key.pem $sink/ && chmod 644 $sink/*.pem") == 0 or die;
$T->settings('ca-file' => "$sink/ca.pem", 'https-port' => $https);

my ($n, %ip, %web, @sinks, @webs, %behaviour) = (1);
my %text = (test => '', 'signed.test' => '');
# NAME.ZONE with its exchanger mx.NAME.ZONE, whose certificate is its own and good but for `cert`, and a web server for its policy.
sub domain {
    my ($name, %o) = @_;
    my $zone = $o{zone} // 'test';
    ($ip{$name}, $web{$name}) = ('127.0.4.' . ++$n, '127.0.5.' . $n);
    my $mx = $o{mx} // "mx.$name.$zone";
    certificate($sink, "mx-$name", signer => 'ca', names => $o{names} // [$mx], lines => $o{lines}) if !$o{cert};
    push @sinks, "$ip{$name}=" . ($o{behaviour} // 'tls') . ',cert=' . ($o{cert} // "mx-$name");
    my $at = $name eq '@' ? '' : ".$name";
    $text{$zone} .= "$name MX 10 $mx.\n" . ($o{mx} ? '' : "mx.$name A $ip{$name}\n");
    return if $o{no_web};
    certificate($web, "web-$name", signer => 'ca', names => [ $o{web_name} // "mta-sts.$name.$zone" ], lines => $o{web_lines});
    push @webs, "$web{$name}=" . ($o{web_cert} // "web-$name");
    $text{$zone} .= "mta-sts.$name A $web{$name}\n" . ($o{record} // "_mta-sts.$name TXT \"v=STSv1; id=one;\"\n");
}
sub policy { # NAME MODE MX...: what its web server says
    my ($name, $mode, @mx) = @_;
    my %o = ref $mx[-1] ? %{ pop @mx } : ();
    response($name, text => join "\n", 'version: STSv1', "mode: $mode", (map { "mx: $_" } @mx), 'max_age: ' . ($o{max_age} // 86400), '');
}
sub response {
    my ($name, %o) = @_;
    my $body = $o{text} // '';
    my $raw = $o{raw} // join "\r\n", 'HTTP/1.1 ' . ($o{status} // '200 OK'), 'Content-Type: ' . ($o{type} // 'text/plain; charset=utf-8'),
        'Content-Length: ' . length($body), @{ $o{fields} // [] }, '', $body;
    open my $f, '>', "$web/$web{$name}.response" or die;
    print $f $raw;
    close $f;
}

domain('good');                              policy('good', 'enforce', 'mx.good.test');
domain('wild');                              policy('wild', 'enforce', 'other.example', '*.wild.test');
domain('crlf');                              response('crlf', raw => "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    . "10\r\nversion: STSv1\r\n\r\n2b\r\nmode: enforce\r\nmx: mx.crlf.test\r\nmax_age:60\r\n0\r\n\r\n");
domain('uncovered');                         policy('uncovered', 'enforce', 'elsewhere.test', '*.mx.uncovered.test');
domain('expired', lines => $old);            policy('expired', 'enforce', 'mx.expired.test');
domain('wrongname', names => ['mx.example']);policy('wrongname', 'enforce', 'mx.wrongname.test');
domain('selfsigned', cert => 'self');        policy('selfsigned', 'enforce', 'mx.selfsigned.test');
domain('stripped', behaviour => 'accept');   policy('stripped', 'enforce', 'mx.stripped.test');
domain('broken', behaviour => 'tlsbroken');  policy('broken', 'enforce', 'mx.broken.test');
domain('never', behaviour => 'nomail');      policy('never', 'enforce', 'mx.never.test');
domain('testnever', behaviour => 'nomail');  policy('testnever', 'testing', 'mx.testnever.test');
domain('testing', cert => 'self');           policy('testing', 'testing', 'mx.testing.test');
domain('testplain', behaviour => 'accept');  policy('testplain', 'testing', 'mx.testplain.test');
domain('testmx');                            policy('testmx', 'testing', 'elsewhere.test');
domain('testgood');                          policy('testgood', 'testing', 'mx.testgood.test');
domain('none', cert => 'self');              policy('none', 'none');
# Policies that are none.
domain('missing', cert => 'self');           response('missing', status => '404 Not Found');
domain('moved', cert => 'self');             response('moved', status => '301 Moved', fields => ["Location: https://mta-sts.good.test:$https/"]);
domain('html', cert => 'self');              response('html', type => 'text/html', text => "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 9\n");
domain('broke', cert => 'self');             response('broke', text => "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: soon\n");
domain('huge', cert => 'self');              response('huge', text => "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 9\n" . "x: y\n" x 15000);
domain('cut', cert => 'self');               response('cut', raw => "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 500\r\n\r\nversion: STSv1\n");
domain('webexpired', cert => 'self', web_lines => $old);      policy('webexpired', 'enforce', 'a.test');
domain('webname', cert => 'self', web_name => 'www.test');    policy('webname', 'enforce', 'a.test');
domain('tworecords', cert => 'self', record => "_mta-sts.tworecords TXT \"v=STSv1; id=one;\"\n_mta-sts.tworecords TXT \"v=STSv1; id=two;\"\n");
policy('tworecords', 'enforce', 'a.test');
domain('norecord', cert => 'self', record => "_mta-sts.norecord TXT \"v=spf1 -all\"\n");
policy('norecord', 'enforce', 'a.test');
domain('splitrecord', record => "_mta-sts.splitrecord TXT \"v=STSv1; \" \"id=a\" \"b;\"\n");
policy('splitrecord', 'enforce', 'mx.splitrecord.test');
# What is cached.
domain('cached');                            policy('cached', 'enforce', 'mx.cached.test', 'mx.uncovered.test');
domain('silent', cert => 'self');
domain('brief', cert => 'self');             policy('brief', 'enforce', 'mx.brief.test', { max_age => 0 });
domain('short');                             policy('short', 'enforce', 'elsewhere.test', { max_age => 2 });
# Two exchangers, the better one not in the policy.
domain('two');                               policy('two', 'enforce', 'mx.two.test');
$text{test} .= "two MX 5 mx.good.test.\n";
# DANE beside MTA-STS.
my $port = "_$T->{smtp_port}._tcp";
domain('both', zone => 'signed.test', cert => 'self');       policy('both', 'enforce', 'elsewhere.test');
$text{'signed.test'} .= "$port.mx.both " . tlsa($sink, 'self', 3, 1, 1) . "\n";
domain('bothbad', zone => 'signed.test');                    policy('bothbad', 'enforce', 'mx.bothbad.signed.test');
$text{'signed.test'} .= "$port.mx.bothbad " . tlsa($sink, 'self', 3, 1, 1) . "\n";
domain('require', behaviour => 'tls,requiretls');            policy('require', 'enforce', 'mx.require.test');
domain('requiretest', behaviour => 'tls,requiretls', cert => 'self'); policy('requiretest', 'testing', 'mx.requiretest.test');
$text{test} .= "signed NS ns\n";

my $zones = SignedZones->new($T, map { $_ => { signed => $_ eq 'signed.test', text => $text{$_} } } keys %text);
$T->settings('trust-anchor' => $zones->anchor('signed.test'));
$T->sinks(@sinks);
my $server;
sub serve_policies {
    unlink "$web/serving";
    $server = $T->start('perl', 'tests/lib/policy-server', $web, $https, @webs);
    $T->eventually(60, sub { -e "$web/serving" }) or die $T->log;
}
serve_policies();

sub requests { my $name = shift; return scalar grep { /^\Q$web{$name}\E / } split /\n/, $T->slurp("$web/requests"); }

sub recorded {
    my ($name, $result, $host) = @_;
    my $all = join '', map { $T->slurp($_) } glob "$T->{spool}/tls-results/*";
    $host = defined $host ? $host : "mx=mx.$name.test ";
    like $all, qr/^at=\d+ domain=\Q$name\E\.test policy=sts $host.*result=$result( |$)/m, "$name: recorded as $result";
}

subtest 'enforce' => sub {
    my $r = delivered('good', 'sts', 'the right certificate');
    like $T->slurp("$web/requests"), qr{^\Q$web{good}\E mta-sts\.good\.test GET /\.well-known/mta-sts\.txt HTTP/1\.1$}m, 'what the web server was asked';
    like $r->{log}, qr/event=delivered .*tls=sts\b/, 'the delivery says how';
    recorded('good', 'success');
    delivered('wild', 'sts', 'a wildcard');
    delivered('crlf', 'sts', 'a policy in chunks');
    delivered('splitrecord', 'sts', 'a record in several strings');
    for (['expired', qr/policy asks: its certificate has expired/, 'certificate-expired'],
         ['wrongname', qr/policy asks: its certificate is for another name/, 'certificate-host-mismatch'],
         ['selfsigned', qr/policy asks: nobody that is trusted/, 'certificate-not-trusted'],
         ['stripped', qr/^0 4\.7\.10 STARTTLS isn't offered, and the domain's MTA-STS policy/m, 'starttls-not-supported'],
         ['broken', qr/^0 4\.7\.5 /m, 'validation-failure'],
         ['uncovered', qr/^0 4\.7\.5 The domain's MTA-STS policy doesn't name mx\.uncovered\.test/m, 'validation-failure']) {
        my $d = deferred($_->[0], $_->[1], $_->[0]);
        recorded($_->[0], $_->[2]);
        like $d->{log}, qr/event=tls-policy domain=$_->[0]\.test .*result=$_->[2]/, "$_->[0]: logged";
    }
    deferred('never', qr/^0 521 5\.3\.2 /m, 'what a host says before its TLS isn\'t for ever');
    $r = send_one('two.test');
    is $r->{state}, 'D', 'of two exchangers the one in the policy' or diag $r->{why};
    is $r->{taken}[0]{host}, $ip{two}, 'not the better one' if @{ $r->{taken} };
};

subtest 'testing and none' => sub {
    my $never = send_one('testnever');
    is $never->{state}, 'B', 'where none is enforced, a host that takes no mail is believed' or diag $never->{why};
    my $r = delivered('testing', 'encrypted', 'a wrong certificate');
    recorded('testing', 'certificate-not-trusted');
    like $r->{log}, qr/event=tls-policy domain=testing\.test .*result=certificate-not-trusted/, 'and logged';
    delivered('testplain', 'none', 'no STARTTLS');
    recorded('testplain', 'starttls-not-supported');
    delivered('testmx', 'encrypted', 'a host that the policy doesn\'t name');
    recorded('testmx', 'validation-failure');
    delivered('testgood', 'sts', 'the right certificate counts');
    delivered('none', 'encrypted', 'mode none: no policy');
};

subtest 'what is no policy' => sub {
    for (['missing', 'sts-policy-fetch-error', 'the server answers 404'], ['moved', 'sts-policy-fetch-error', 'the server answers 301'],
         ['html', 'sts-policy-fetch-error', 'isn\'t plain text'], ['broke', 'sts-policy-invalid', 'isn\'t a policy'],
         ['huge', 'sts-policy-fetch-error', 'too long'], ['cut', 'sts-policy-fetch-error', 'hung up'],
         ['webexpired', 'sts-webpki-invalid', 'has expired'], ['webname', 'sts-webpki-invalid', 'another name']) {
        my $r = delivered($_->[0], 'encrypted', "$_->[0]: none applies");
        recorded($_->[0], $_->[1], '');
        like $r->{log}, qr/event=tls-policy domain=$_->[0]\.test .*text="[^"]*$_->[2]/, "$_->[0]: logged";
    }
    my $before = requests('moved');
    delivered('moved', 'encrypted', 'once more');
    is requests('moved'), $before, 'it isn\'t asked for again so soon';
    $T->settings(timeout => 5);
    my $r = delivered('silent', 'encrypted', 'a web server that never answers');
    $T->settings(timeout => 60);
    like $r->{log}, qr/result=sts-policy-fetch-error text="the server took too long"/, 'is waited for as long as a mail server';
    delivered('tworecords', 'encrypted', 'two records');
    delivered('norecord', 'encrypted', 'no record');
    is requests('tworecords') + requests('norecord'), 0, 'nothing was fetched for either';
};

subtest 'beside DANE and REQUIRETLS' => sub {
    delivered('both.signed.test', 'dane', 'DANE wins: the policy isn\'t asked');
    is requests('both'), 0, 'nor fetched';
    deferred('bothbad.signed.test', qr/as DANE asks/, 'and where it fails nothing else helps');
    my $r = delivered('require', 'sts', 'a policy will do for REQUIRETLS', options => "require-tls\n");
    like $r->{events}, qr/ REQUIRETLS/, 'which is told';
    deferred('requiretest', qr/as the message's REQUIRETLS asks/, 'testing or not', options => "require-tls\n");
    delivered('selfsigned', 'encrypted', 'TLS-Required: no', text => "TLS-Required: no\r\n\r\nx\r\n");
};

subtest 'the cache' => sub {
    delivered('cached', 'sts', 'a policy');
    is requests('cached'), 1, 'is fetched';
    delivered('cached', 'sts', 'the next message');
    is requests('cached'), 1, 'finds it cached';
    $T->end($server);
    delivered('cached', 'sts', 'while the web server is gone');
    my $record = "_mta-sts.cached TXT \"v=STSv1; id=one;\"\n";
    (my $none = $text{test}) =~ s/^\Q$record\E//m;
    $zones->change(test => $none);
    $T->run_as('sh', '-c', "cd $T->{spool} && ls tls-state >/dev/null");
    delivered('cached', 'sts', 'while the record is gone');
    # A man in the middle who also takes STARTTLS away gains nothing: mx.uncovered.test's address is the stripped one's.
    (my $other = $none) =~ s/^mx\.cached A .*\n/mx.cached A $ip{stripped}\n/m;
    $zones->change(test => $other);
    deferred('cached', qr/^0 4\.7\.10 /m, 'while STARTTLS is gone too');
    # Another id, and nobody who says what it stands for: the old policy holds.
    (my $two = $text{test}) =~ s/^(_mta-sts\.cached TXT "v=STSv1; id=)one/${1}two/m;
    $zones->change(test => $two);
    my $r = delivered('cached', 'sts', 'another id, no web server');
    like $r->{log}, qr/result=sts-policy-fetch-error text="mta-sts\.cached\.test can't be reached/, 'which is logged';
    serve_policies();
    delivered('cached', 'sts', 'and not asked for again so soon');
    is requests('cached'), 1, 'though it is back';
    (my $three = $two) =~ s/^(_mta-sts\.cached TXT "v=STSv1; id=)two/${1}three/m;
    policy('cached', 'enforce', 'elsewhere.test');
    $zones->change(test => $three);
    deferred('cached', qr/policy doesn't name mx\.cached\.test/, 'a third id: at once');
    is requests('cached'), 2, 'the new policy counts';
    policy('cached', 'none');
    (my $four = $three) =~ s/^(_mta-sts\.cached TXT "v=STSv1; id=)three/${1}four/m;
    $zones->change(test => $four);
    delivered('cached', 'encrypted', 'the policy is withdrawn');
    deferred('brief', qr/nobody that is trusted/, 'a policy for no time at all: for this message');
    deferred('brief', qr/nobody that is trusted/, 'and for the next, as it is asked for again');
    is requests('brief'), 2, 'each time';
    deferred('short', qr/policy doesn't name/, 'a policy for two seconds');
    $zones->change(test => $none =~ s/^_mta-sts\.short .*\n//mr);
    ok $T->eventually(60, sub { send_one('short.test')->{state} eq 'D' }), 'holds no longer';
};

subtest 'a host that had verified TLS' => sub {
    (my $less = $text{test}) =~ s/^_mta-sts\.testgood .*\n//m;
    policy('testgood', 'none');
    (my $changed = $text{test}) =~ s/^(_mta-sts\.testgood TXT "v=STSv1; id=)one/${1}two/m;
    $zones->change(test => $changed);
    my $r = delivered('testgood', 'encrypted', 'without its policy');
    like $r->{log}, qr/event=tls-no-longer-verified host=mx\.testgood\.test\S+ domain=testgood\.test had=sts has=encrypted/, 'the log says so';
};

subtest 'the file of policies is damaged' => sub {
    open my $f, '>', "$T->{spool}/tls-state" or die;
    print $f 'x' x 5000;
    close $f;
    my $before = requests('good');
    $zones->change(test => $text{test});
    delivered('good', 'sts', 'it is begun anew');
    is requests('good'), $before + 1, 'and filled again';
    like $T->log, qr/event=tls-state-damaged/, 'which is logged';
};

subtest 'nothing can be kept' => sub {
    $T->run_as('sh', '-c', "cd $T->{spool} && rm -r tls-state tls-results && mkdir tls-state && touch tls-results");
    delivered('good', 'sts', 'mail goes out all the same');
    deferred('uncovered', qr/policy doesn't name/, 'and policies apply');
    like $T->log, qr/event=tls-policy-not-kept .*\n(?:.*\n)*.*event=tls-result-not-written/, 'the log says so';
    $T->run_as('sh', '-c', "cd $T->{spool} && rmdir tls-state && rm tls-results");
};

subtest 'who may do what' => sub {
    unlink "$web/$web{good}.response";
    (my $changed = $text{test}) =~ s/^(_mta-sts\.good TXT "v=STSv1; id=)one/${1}new/m;
    $zones->change(test => $changed);
    $T->put('alice@here.test', ['bob@good.test']);
    my $before = requests('good');
    my $pid = $T->start_qrun;
    ok $T->eventually(60, sub { requests('good') > $before }), 'a web server that is silent is waited for';
    my @children = `pgrep -P $pid` =~ /\d+/g;
    is scalar @children, 2, 'by two processes: one that asks DNS, one that asks the web server';
    for my $child (@children) {
        is $T->slurp("/proc/$child/status") =~ /^NoNewPrivs:\s+1\n(?:.*\n)*?Seccomp:\s+(\d)/m ? $1 : -1, $ENV{SANDBOX} ? $1 // 0 : 2,
            'each in its sandbox';
        unlike join(' ', map { readlink($_) // '' } glob "/proc/$child/fd/*"), qr/tls-state|queue/, 'and without a file of the spool';
    }
    unlike join('', map { $T->slurp("/proc/$_/maps") } @children), qr/libcrypto|libssl/, 'and without OpenSSL';
    $T->end($pid);
};

done_testing;
