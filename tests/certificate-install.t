#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern certificate install: finds what ACME clients leave, by what is in the files; refuses what is no good, and says why; puts
# certificate and key in place at once, so that connections made meanwhile, and those that began before and come to STARTTLS later,
# have a pair that fits; and whatever call fails on the way, or ends it, such a pair is there (tests/crash/shim.c).
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use IO::Socket::INET;
use IO::Socket::SSL;
use POSIX ();
use Test::More;

my $T = QrunTest->new(domain => 'here.test', 'connection-rate' => 0);
my ($d, $server) = ($T->{dir}, $T->{server});
my ($OK, $USAGE, $DATA, $NOINPUT) = (0, 64, 65, 66);
my $home = "$d/home";
my $build = $ENV{BUILD} || 'build';
$ENV{HOME} = $home;

# --- making certificates, and folders as clients write them

my $serial = time;
sub make {
    my ($name, %o) = @_;
    my $ca = $o{ca} // 'ca';
    my $template = "cn = $name\n" . ($o{is_ca} ? "ca\ncert_signing_key\n" : "signing_key\ntls_www_server\n") . "serial = " . $serial++ . "\n" .
        join('', map { "dns_name = $_\n" } @{ $o{names} // [] }) . ($o{lines} // "expiration_days = 90\n");
    $T->spew("$d/template", $template);
    system("certtool --generate-privkey --key-type=" . ($o{kind} // 'ecdsa') . " --outfile $d/$name.key >/dev/null 2>&1") == 0 or die if !$o{key};
    system("cp $d/$o{key}.key $d/$name.key") if $o{key};
    my $how = $o{is_ca} && !$o{ca} ? '--generate-self-signed' : "--generate-certificate --load-ca-certificate $d/$ca.pem --load-ca-privkey $d/$ca.key";
    $how = '--generate-self-signed' if $o{self};
    system("certtool $how --load-privkey $d/$name.key --template $d/template --outfile $d/$name.pem >/dev/null 2>$d/certtool.log") == 0 or die $T->slurp("$d/certtool.log");
    $T->spew("$d/$name.full", $T->slurp("$d/$name.pem") . $T->slurp("$d/middle.pem")) if -e "$d/middle.pem";
}
sub hostname { my ($name, %o) = @_; make($name, names => ['mail.here.test'], ca => 'middle', %o); }

# certbot: archive/NAME/*N.pem, and links to them in live/NAME.
my %issue;
sub certbot {
    my ($folder, $name) = @_;
    my $n = ++$issue{$folder};
    my ($live, $archive) = map { "$home/letsencrypt/$_/$folder" } 'live', 'archive';
    system("mkdir -p $live $archive");
    $T->spew("$archive/$_->[0]$n.pem", $T->slurp("$d/$name.$_->[1]")) for [ cert => 'pem' ], [ fullchain => 'full' ], [ privkey => 'key' ];
    $T->spew("$archive/chain$n.pem", $T->slurp("$d/middle.pem"));
    for my $part (qw(cert chain fullchain privkey)) {
        unlink "$live/$part.pem";
        symlink "../../archive/$folder/$part$n.pem", "$live/$part.pem" or die;
    }
    $T->spew("$live/README", "This directory contains your keys and certificates.\n");
    $T->own;
    return $live;
}
# lego: NAME.crt with the chain, NAME.key, NAME.issuer.crt, NAME.json.
sub lego {
    my ($base, $name) = @_;
    my $folder = "$home/.lego/certificates";
    system("mkdir -p $folder");
    $T->spew("$folder/$base.$_->[0]", $T->slurp($_->[1])) for [ crt => "$d/$name.full" ], [ key => "$d/$name.key" ], [ 'issuer.crt' => "$d/middle.pem" ];
    $T->spew("$folder/$base.json", "{}");
    $T->own;
    return $folder;
}

make('ca', is_ca => 1);
make('middle', is_ca => 1, ca => 'ca');
$T->settings('ca-file' => "$d/ca.pem");

sub install { return $T->postern('certificate', 'install', @_); }
sub installed { my ($name) = @_; return $T->slurp("$server/cert.pem") eq $T->slurp("$d/$name.full") && $T->slurp("$server/key.pem") eq $T->slurp("$d/$name.key"); }
sub says {
    my ($status, $pattern, $what, @arguments) = @_;
    my ($is, $said) = install(@arguments);
    ok $is == $status && $said =~ $pattern, $what or diag "$is: $said";
}
sub pairs { my @all = glob "$server/certificates/mail.here.test/[0-9]*"; return @all; }
sub mode { return sprintf '%o', (stat shift)[2] & 07777; }

# --- nothing there
my $before = $T->slurp("$server/cert.pem");
says $NOINPUT, qr/^postern: no certificate for mail\.here\.test where ACME clients leave them/, 'where no client left one';
hostname('one');
make('foreign', names => ['www.here.test'], ca => 'middle');
my $live = certbot('www.here.test', 'foreign');
says $NOINPUT, qr/^postern: no certificate for mail\.here\.test in \Q$home\E/, 'nor in a folder with another\'s', $home;

# --- as certbot leaves it
certbot('here.test-0001', 'one'); # the folder's name tells nothing
says $OK, qr/^mail\.here\.test: installed \S+live\/here\.test-0001\/fullchain\.pem, good for (89|90) days$/m, 'what certbot left, by the name in it', $home;
ok installed('one'), 'the whole chain, and the key';
is mode("$server/key.pem"), '600', 'which others can\'t read';
is mode("$server/cert.pem"), '644', 'as they can the certificate';
says $OK, qr/is installed already/, 'once more changes nothing', $home;
is scalar(pairs()), 2, 'the pair before is kept';
is $T->slurp((pairs())[0] . '/cert.pem'), $before, '... as it was';

# --- renewed, in lego's way
hostname('two', lines => "expiration_days = 91\n", key => 'one');
lego('mail.here.test', 'two');
says $OK, qr/installed \S+\.lego\/certificates\/mail\.here\.test\.crt, good for/, 'what lego left, in its usual place';
ok installed('two'), '... is installed';
hostname('three', lines => "expiration_days = 92\n");
certbot('here.test-0001', 'three');
my @older = pairs();
utime time - 3700, time - 3700, @older or die;
my ($is, $said) = install($home);
ok $said =~ /installed .*fullchain\.pem/ && $said =~ /its key is another than before.*TLSA/, 'a renewal with another key says so' or diag $said;
my @now = pairs();
ok @older == 3 && @now == 2 && $T->slurp("$now[0]/cert.pem") eq $T->slurp("$d/two.full"), 'the one that it took the place of is kept for an hour, those before are gone' or diag "@now";
my ($tlsa) = ($T->postern('dns'))[1] =~ /TLSA 3 1 1 ([0-9a-f]+)/;
my ($wanted) = `danetool --tlsa-rr --host mail.here.test --port 25 --load-certificate $d/three.pem 2>/dev/null` =~ /TLSA \( 03 01 01 ([0-9a-f]+) \)/;
is $tlsa, $wanted, 'and postern dns has it';

# --- hooks
sub hook {
    my ($status, $pattern, $what, %env) = @_;
    local @ENV{ keys %env } = values %env;
    says $status, $pattern, $what;
}
hostname('four', kind => 'rsa');
certbot('here.test-0001', 'four'); # valid for less long than what is there: the hook is believed
hook($OK, qr/installed .*here\.test-0001\/fullchain/, 'certbot\'s hook', RENEWED_LINEAGE => "$home/letsencrypt/live/here.test-0001", RENEWED_DOMAINS => 'mail.here.test');
ok installed('four'), '... is that lineage\'s';
hook($OK, qr/^\S+www\.here\.test\S+: is for none of this server's names, so it is left alone$/, 'of a lineage for others', RENEWED_LINEAGE => $live);
my $lego = lego('mail.here.test', 'one');
hook($OK, qr/installed/, 'lego\'s hook', LEGO_CERT_PATH => "$lego/mail.here.test.crt", LEGO_CERT_KEY_PATH => "$lego/mail.here.test.key");
ok installed('one'), '... is its own';
hook($OK, qr/installed/, 'acme.sh\'s', CERT_FULLCHAIN_PATH => "$d/two.full", CERT_KEY_PATH => "$d/two.key");
hook($DATA, qr/No such file/, 'a hook whose files are gone', RENEWED_LINEAGE => "$home/nowhere");

# --- other layouts, by folder
for my $layout ([ 'acme.sh', '.acme.sh/mail.here.test_ecc', 'fullchain.cer', 'mail.here.test.key' ],
                [ 'Caddy', 'certificates/acme-v02.api.letsencrypt.org-directory/mail.here.test', 'mail.here.test.crt', 'mail.here.test.key' ],
                [ 'dehydrated', 'certs/mail.here.test', 'fullchain-1764.pem', 'privkey-1764.pem' ],
                [ 'uacme', 'uacme/mail.here.test', 'cert.pem', '../private/mail.here.test/key.pem' ]) {
    my ($client, $folder, $certificate, $key) = @$layout;
    my $base = "$d/layout-$client";
    hostname('layout');
    system("mkdir -p $base/$folder \$(dirname $base/$folder/$key)");
    $T->spew("$base/$folder/$certificate", $T->slurp("$d/layout.full"));
    $T->spew("$base/$folder/$key", $T->slurp("$d/layout.key"));
    $T->own;
    says $OK, qr/installed \Q$base\E/, "as $client leaves it", $base;
    ok installed('layout'), '... certificate and key';
}

# --- which of several
hostname('long', lines => "expiration_days = 400\n", ca => 'own', self => 1);
hostname('short', lines => "expiration_days = 30\n");
system("rm -rf $d/several && mkdir -p $d/several/a $d/several/b $d/several/old");
for (map { [ @$_ ] } [ 'long', 'a' ], [ 'short', 'b' ], [ 'one', 'old' ]) {
    my ($name, $folder) = @$_;
    $T->spew("$d/several/$folder/cert.pem", $T->slurp("$d/$name.pem"));
    $T->spew("$d/several/$folder/fullchain.pem", $T->slurp("$d/$name.full")) if $name ne 'long';
    $T->spew("$d/several/$folder/key.pem", $T->slurp("$d/$name.key"));
}
$T->own;
says $OK, qr/installed .*old\/fullchain\.pem/, 'the one that is valid for longest and leads to a root, with its chain', "$d/several";

# --- what is refused
my $kept = $T->slurp("$server/cert.pem") . $T->slurp("$server/key.pem");
hostname('expired', lines => qq(activation_date = "2020-01-01 00:00:00"\nexpiration_date = "2021-01-01 00:00:00"\n));
hostname('future', lines => qq(activation_date = "2055-01-01 00:00:00"\nexpiration_date = "2056-01-01 00:00:00"\n));
$T->spew("$d/reversed.full", $T->slurp("$d/one.pem") . $T->slurp("$d/ca.pem"));
$T->spew("$d/long.full", $T->slurp("$d/one.full") . $T->slurp("$d/ca.pem") x 8);
system("certtool --generate-privkey --key-type=ed448 --outfile $d/odd.key >/dev/null 2>&1; openssl pkcs8 -topk8 -v2 aes256 -passout pass:x -in $d/one.key -out $d/locked.key");
$T->spew("$d/empty", '');
mkdir "$d/folder";
$T->own;
for ([ 'a key of another', $DATA, qr/two\.key: isn't the key of \S*one\.full|four\.key: isn't the key/, "$d/one.full", "$d/four.key" ],
     [ 'an expired one', $DATA, qr/expired\.full: has expired/, "$d/expired.full", "$d/expired.key" ],
     [ 'one of the future', $DATA, qr/isn't valid yet/, "$d/future.full", "$d/future.key" ],
     [ 'one for another name', $DATA, qr/is for none of this server's names \(mail\.here\.test\)/, "$d/foreign.full", "$d/foreign.key" ],
     [ 'a chain of others', $DATA, qr/its second certificate didn't sign the first/, "$d/reversed.full", "$d/one.key" ],
     [ 'too long a chain', $DATA, qr/more certificates than the server sends/, "$d/long.full", "$d/one.key" ],
     [ 'a key as certificate', $DATA, qr/holds no certificate/, "$d/one.key", "$d/one.key" ],
     [ 'a certificate as key', $DATA, qr/holds no private key/, "$d/one.full", "$d/one.pem" ],
     [ 'a key with a password', $DATA, qr/holds no private key in PEM without a password/, "$d/one.full", "$d/locked.key" ],
     [ 'a key of an odd kind', $DATA, qr/may be RSA, ECDSA or Ed25519/, "$d/one.full", "$d/odd.key" ],
     [ 'nothing in it', $DATA, qr/holds no certificate/, "$d/empty", "$d/one.key" ],
     [ 'a file that isn\'t there', $DATA, qr/nowhere: No such file/, "$d/nowhere", "$d/one.key" ],
     [ 'a folder', $DATA, qr/folder: Invalid argument/, "$d/folder", "$d/one.key" ],
     [ 'a certificate alone', $USAGE, qr/is no folder; of a certificate its key is wanted too/, "$d/one.full" ]) {
    my ($what, $status, $pattern, @files) = @$_;
    says $status, $pattern, "refused: $what", @files;
}
system("mkdir -p $d/poor && cp $d/expired.full $d/poor/fullchain.pem && cp $d/expired.key $d/poor/privkey.pem");
$T->own;
says $NOINPUT, qr/fullchain\.pem: has expired\npostern: no certificate/, 'refused: expired, in a folder', "$d/poor";
system("cp $d/one.full $d/poor/fullchain.pem");
says $NOINPUT, qr/fullchain\.pem: no key that fits it lies there/, 'refused: without its key, in a folder', "$d/poor";
POSIX::mkfifo("$d/poor/trap.pem", 0666) or die;
says $NOINPUT, qr/no key that fits/, 'a FIFO in it holds nobody up', "$d/poor";
is $T->slurp("$server/cert.pem") . $T->slurp("$server/key.pem"), $kept, 'after all that it is as it was';
hostname('unchained');
$T->own;
says $OK, qr/nobody that is trusted here vouches for it; is it the whole chain/, 'taken, but told: without its chain', "$d/unchained.pem", "$d/unchained.key";

# --- other names of the server
$T->settings(certificate => '*.wild.test wild.pem wild.key');
make('both', names => [ 'mail.here.test', '*.wild.test' ], ca => 'middle');
$T->own;
($is, $said) = install("$d/both.full", "$d/both.key");
ok $is == 0 && $said =~ /^mail\.here\.test: installed/m && $said =~ /^\*\.wild\.test: installed/m, 'one for two names of the server' or diag $said;
is $T->slurp("$server/wild.pem"), $T->slurp("$d/both.full"), '... goes to the place of each';
make('wild', names => ['*.wild.test'], ca => 'middle');
$T->own;
says $OK, qr/\A\*\.wild\.test: installed \S+wild\.full, [^\n]*\n(\*\.wild\.test: its key[^\n]*\n)?\z/, 'one for the second alone', "$d/wild.full", "$d/wild.key";
is $T->slurp("$server/cert.pem"), $T->slurp("$d/both.full"), '... leaves the first';

# --- setup finds it
unlink "$server/cert.pem", "$server/key.pem";
lego('mail.here.test', 'three');
($is, $said) = $T->postern('setup', 'mail.here.test', 'here.test');
ok $is == 0 && $said =~ /^mail\.here\.test: installed \S+\.lego\S+crt/m && $said !~ /self-signed/ && installed('three'), 'setup finds one' or diag $said;
lego('mail.here.test', 'two');
($is, $said) = $T->postern('setup', 'mail.here.test', 'here.test');
ok $is == 0 && installed('three'), 'run again it leaves a good one' or diag $said;

# --- connections meanwhile

my $conf = $T->{conf};
my %port;
for my $how ([ 'warm' ], [ 'cold', '--accept', '--inetd' ]) {
    my ($name, @options) = @$how;
    $port{$name} = QrunTest::free_port();
    $T->start($T->command('systemd-socket-activate', @options, '-l', "127.0.0.1:$port{$name}", "$T->{bin}/smtpd", '-c', $conf));
    $T->eventually(60, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port{$name}) }) or die;
}
sub hear { my ($s, $code) = @_; my $line = ''; do { $line = <$s> // return 0 } while $line =~ /^\d+-/; return $line =~ /^$code/; }
sub greet {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => shift, Timeout => 60) or return;
    return hear($s, 220) && print($s "EHLO x\r\n") && hear($s, 250) ? $s : undef;
}
# The certificate's serial number.
sub tls {
    my $s = shift or return 'no connection';
    print $s "STARTTLS\r\n";
    hear($s, 220) or return 'no STARTTLS';
    my $t = IO::Socket::SSL->start_SSL($s, SSL_verify_mode => 0, Timeout => 60) or return "no handshake: $IO::Socket::SSL::SSL_ERROR";
    my $number = Net::SSLeay::P_ASN1_INTEGER_get_hex(Net::SSLeay::X509_get_serialNumber($t->peer_certificate));
    close $t;
    return $number;
}
sub serial { my ($name) = @_; my ($n) = `openssl x509 -noout -serial -in $d/$name.pem` =~ /=([0-9A-F]+)/; return $n; }
hostname($_, kind => $_ eq 'rsa' ? 'rsa' : 'ecdsa') for qw(rsa ecdsa);
$T->own;
for my $how (sort keys %port) {
    install("$d/rsa.full", "$d/rsa.key");
    is tls(greet($port{$how})), serial('rsa'), "$how: what was installed is sent";
    my $early = greet($port{$how});
    install("$d/ecdsa.full", "$d/ecdsa.key");
    is tls(greet($port{$how})), serial('ecdsa'), "$how: and the next at the next connection";
    is tls($early), serial('rsa'), "$how: a connection that had begun goes on with the one before";
}
my %known = map { serial($_) => $_ } qw(rsa ecdsa);
# One process replaces it until it is told to stop, or its parent is gone; this one shakes hands until either server has sent either
# pair, and often enough, however slow the one or the other is.
my ($parent, $failed) = ($$, 0);
my $pid = fork // die;
if (!$pid) {
    until (-e "$d/enough" || getppid != $parent) { $failed += (install("$d/$_.full", "$d/$_.key"))[0] != 0 for qw(rsa ecdsa); }
    POSIX::_exit($failed != 0);
}
my (%seen, @unfit);
my $handshakes = 0;
my $enough = sub { return $handshakes >= 24 && 4 == grep { $seen{$_} } map { ("$_ rsa", "$_ ecdsa") } keys %port };
my $until = time + 180;
until (@unfit || $enough->() || time > $until) {
    for my $how (sort keys %port) {
        my $number = tls(greet($port{$how}));
        $known{$number} ? $seen{"$how $known{$number}"}++ : push @unfit, "$how: $number";
        $handshakes++;
    }
}
$T->spew("$d/enough", '');
waitpid $pid, 0;
is $?, 0, 'it can be replaced again and again';
is "@unfit", '', '... and each handshake meanwhile has a pair that fits';
ok @unfit || $enough->(), '... of either kind, from either server' or diag "$handshakes handshakes: ", explain \%seen;

# --- the Nth call ends it, or fails
system("cp $build/tests/crash/shim.so $T->{bin}/ && chmod -R a+rX $T->{bin}") == 0 or die;
my $pairs = 0;
sub fits {
    my $digest = sub { my ($how) = @_; my $o = `certtool --pubkey-info $how --outder 2>/dev/null | sha256sum`; return $o; };
    return $digest->("--load-certificate $server/cert.pem") eq $digest->("--load-privkey $server/key.pem") && -s "$server/cert.pem";
}
sub shimmed {
    my ($name, @shim) = @_;
    $T->spew("$d/count", "\0" x 262144);
    chmod 0666, "$d/count";
    my ($end) = $T->output($T->command('env', "LD_PRELOAD=$T->{bin}/shim.so", "SHIM_COUNT=$d/count", 'ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0', @shim,
                           "$T->{bin}/postern", '-c', $conf, 'certificate', 'install', "$d/$name.full", "$d/$name.key"));
    return ($end, unpack 'q', $T->slurp("$d/count"));
}
for my $action ('exit', 'fail') {
    for my $start ('plain files', 'links') {
        my (@bad, $n, $calls);
        for ($n = 1; $n < 200; $n++) {
            if ($start eq 'plain files') {
                system("rm -rf $server/certificates; rm -f $server/cert.pem $server/key.pem; cp $d/ecdsa.full $server/cert.pem; cp $d/ecdsa.key $server/key.pem");
                $T->own;
            } else {
                shimmed('ecdsa');
            }
            (my $end, $calls) = shimmed('rsa', "SHIM_AT=$n", "SHIM_ACTION=$action", 'SHIM_ERRNO=ENOSPC');
            push @bad, "$n: $end, " . (fits() ? 'a pair' : 'none') if !fits() || ($end == 0 && !installed('rsa'));
            last if $calls < $n;
            my ($again) = install("$d/rsa.full", "$d/rsa.key");
            push @bad, "$n: not mended" if $again != 0 || !installed('rsa');
        }
        is "@bad", '', "$action, from $start: there is always a pair that fits, and the next run mends all ($calls calls)";
        ok $calls > 5 && $n < 200, '... up to the last call' or diag "$n: $calls";
    }
}
done_testing;
