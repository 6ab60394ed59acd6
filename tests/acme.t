#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Real ACME clients, certbot and lego, at a CA on loopback (pebble): each gets a certificate and renews it, and its hook calls
# `postern certificate install`, as README says. What they got is sent at the next connection, by a listener that was there before.
use strict;
use warnings;
use lib 'tests/lib';
use IO::Socket::SSL;
use QrunTest;
use SignedZones;
use Test::More;

my $T = QrunTest->new(domain => 'here.test', 'connection-rate' => 0, 'ca-file' => 'roots.pem');
my ($d, $server, $home) = ($T->{dir}, $T->{server}, "$T->{dir}/home");
mkdir $home;
$T->own;
$ENV{HOME} = $home;
$ENV{PATH} = "$T->{bin}:/usr/sbin:$ENV{PATH}";
my ($acme, $manage, $http, $tls) = map { QrunTest::free_port() } 1 .. 4;

# --- the CA, which looks at the name by our DNS and at the port where the clients answer
SignedZones::certificate($d, 'api-ca');
SignedZones::certificate($d, 'api', signer => 'api-ca', names => [ 'localhost', '127.0.0.1' ]);
$T->spew("$d/pebble.json", <<"X");
{ "pebble": { "listenAddress": "127.0.0.1:$acme", "managementListenAddress": "127.0.0.1:$manage", "certificate": "$d/api.pem",
    "privateKey": "$d/api.key", "httpPort": $http, "tlsPort": $tls, "ocspResponderURL": "", "externalAccountBindingRequired": false } }
X
$T->dns('--address=/mail.here.test/127.0.0.1', '--address=/www.here.test/127.0.0.1');
$T->own;
$T->start('env', 'PEBBLE_VA_NOSLEEP=1', 'PEBBLE_WFE_NONCEREJECT=0', $T->command('pebble', '-config', "$d/pebble.json", '-dnsserver', "127.0.0.1:$T->{dns_port}"));
sub fetch { my ($what) = @_; return scalar `curl -sS --cacert $d/api-ca.pem https://localhost:$manage/$what 2>>$d/log`; }
ok $T->eventually(60, sub { fetch('roots/0') =~ /BEGIN CERTIFICATE/ }), 'a CA' or diag $T->slurp("$d/log");
$T->spew("$server/roots.pem", fetch('roots/0'));
$T->own;
my $directory = "https://localhost:$acme/dir";
my $hook = "postern -c $T->{conf} certificate install";

sub run_client {
    my ($what, $env, @command) = @_;
    my ($status, $said) = $T->output($T->command('env', @$env, @command));
    ok $status == 0, $what or diag "$status: $said\n" . $T->slurp("$d/log");
    return $said;
}
my @by_certbot = ('certbot', '--config-dir', "$home/le", '--work-dir', "$home/work", '--logs-dir', "$home/logs", '-n');
sub certbot {
    my ($what, @arguments) = @_;
    return run_client($what, [ "REQUESTS_CA_BUNDLE=$d/api-ca.pem" ], @by_certbot, @arguments);
}
sub lego {
    my ($what, @arguments) = @_;
    return run_client($what, [ "LEGO_CA_CERTIFICATES=$d/api-ca.pem" ], 'lego', '--server', $directory, '--accept-tos', '--email', 'x@here.test',
                      '--path', "$home/.lego", '--http', '--http.port', "127.0.0.1:$http", '--dns.resolvers', "127.0.0.1:$T->{dns_port}", @arguments);
}
my @standalone = ('--server', $directory, '--agree-tos', '--register-unsafely-without-email', '--standalone', '--http-01-address', '127.0.0.1',
                  '--http-01-port', $http);

# --- who serves all the while
my $port = QrunTest::free_port();
$T->start($T->command('systemd-socket-activate', '-l', "127.0.0.1:$port", "$T->{bin}/imapd", '-c', $T->{conf}, '-t'));
sub key_digest { my ($file) = @_; return scalar `openssl x509 -in $file -noout -pubkey | sha256sum`; }
# The certificate that comes, and whether a client that trusts the CA takes it.
sub sent {
    my ($name) = (@_, 'mail.here.test');
    my $s;
    $T->eventually(60, sub { $s = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $port, SSL_hostname => $name, SSL_verifycn_name => $name,
                             SSL_verifycn_scheme => 'imap', SSL_ca_file => "$server/roots.pem", Timeout => 60) || $IO::Socket::SSL::SSL_ERROR !~ /refused/i }) or return 'nothing';
    return ref $s ? Net::SSLeay::PEM_get_string_X509($s->peer_certificate) : "no handshake: $IO::Socket::SSL::SSL_ERROR";
}
sub first { my ($file) = @_; my ($pem) = $T->slurp($file) =~ /(-----BEGIN.*?-----END CERTIFICATE-----\n)/s; return $pem; }
like sent(), qr/^no handshake/, 'at first there is one that signed itself';

# --- certbot
my $live = "$home/le/live/mail.here.test";
certbot('certbot gets a certificate', 'certonly', @standalone, '-d', 'mail.here.test', '--deploy-hook', $hook);
ok -l "$live/fullchain.pem", '... and leaves it as it does';
is sent(), first("$live/fullchain.pem"), '... it is sent at the next connection, with its chain';
my ($tlsa) = ($T->postern('dns'))[1] =~ /TLSA 3 1 1 (\w+)/;
my $before = key_digest("$live/cert.pem");
certbot('certbot renews it, and keeps the key', 'renew', '--force-renewal', '--no-random-sleep-on-renew', '--reuse-key');
is key_digest("$live/cert.pem"), $before, '... it is the same';
is sent(), first("$live/fullchain.pem"), '... by the hook that it remembers the new one is sent';
is((($T->postern('dns'))[1] =~ /TLSA 3 1 1 (\w+)/)[0], $tlsa, '... and the TLSA record stays');
certbot('without that it makes another key', 'renew', '--force-renewal', '--no-random-sleep-on-renew', '--new-key');
isnt key_digest("$live/cert.pem"), $before, '... it does';
is sent(), first("$live/fullchain.pem"), '... which is used with its certificate';
my $now = sent();
certbot('one for another name', 'certonly', @standalone, '-d', 'www.here.test', '--deploy-hook', $hook);
is sent(), $now, '... is left alone';

# --- lego
lego('lego gets a certificate', '-d', 'mail.here.test', 'run', '--run-hook', $hook);
my $crt = "$home/.lego/certificates/mail.here.test.crt";
is sent(), first($crt), '... by its hook it is sent at the next connection';
$before = first($crt);
lego('lego renews it', '-d', 'mail.here.test', 'renew', '--days', 9999, '--no-random-sleep', '--renew-hook', $hook);
ok first($crt) ne $before && sent() eq first($crt), '... and the new one is sent';

# --- their own files, where the settings name these: links of certbot's that lead elsewhere, files of lego's that are written over
my $www = "$home/le/live/www.here.test";
$T->settings(certificate => "www.here.test $www/fullchain.pem $www/privkey.pem");
is sent('www.here.test'), first("$www/fullchain.pem"), 'certbot\'s own files, for another name';
$before = sent('www.here.test');
certbot('... renewed', 'renew', '--cert-name', 'www.here.test', '--force-renewal', '--no-random-sleep-on-renew', '--new-key');
ok sent('www.here.test') eq first("$www/fullchain.pem") && sent('www.here.test') ne $before, '... are sent at the next connection';
my @www = map { "$home/.lego/certificates/www.here.test.$_" } 'crt', 'key';
lego('lego gets one for it', '-d', 'www.here.test', 'run');
$T->settings(certificate => "www.here.test @www");
is sent('www.here.test'), first($www[0]), '... whose own files are used';
$before = sent('www.here.test');
lego('... renewed', '-d', 'www.here.test', 'renew', '--days', 9999, '--no-random-sleep');
ok sent('www.here.test') eq first($www[0]) && sent('www.here.test') ne $before, '... are sent at the next connection';

# --- setup, for a server that comes after them
mkdir "$d/other";
$T->own;
my ($status, $said) = $T->output($T->command('postern', '-c', "$d/other/postern.conf", 'setup', 'mail.here.test', 'here.test'));
ok $status == 0 && $said =~ /^mail\.here\.test: installed \S+\.lego/m && $T->slurp("$d/other/cert.pem") eq $T->slurp($crt), 'setup finds what is there' or diag $said;
done_testing;
