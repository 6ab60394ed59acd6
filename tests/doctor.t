#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern doctor: a good installation passes, then each thing it looks at is broken and seen. DNS is on loopback (odd-dns), with what
# `postern dns` prints; systemctl, /proc and the clock are the test's own.
use strict;
use warnings;
use lib 'tests/lib';
use JSON::PP;
use QrunTest;
use SignedZones;
use Test::More;

my $T = QrunTest->new(domain => 'here.test', addresses => '203.0.113.7 2001:db8::7', 'ca-file' => 'ca.pem');
my ($dir, $server, $proc) = ($T->{dir}, $T->{server}, "$T->{dir}/proc");
my ($OK, $WARNING, $ERROR) = (0, 1, 2);

# --- a clock, a systemctl and a /proc of our own
system("mkdir -p $dir/path $dir/dns $proc/net $proc/sys/fs/inotify $proc/777/fd") == 0 or die;
$T->spew("$dir/clock.c", "#include <sys/timex.h>\n#include <unistd.h>\nint adjtimex(struct timex *t) { t->status = 0;"
    . " return access(\"$dir/clock-wrong\", F_OK) == 0 ? TIME_ERROR : TIME_OK; }\n");
system("gcc -shared -fPIC -o $dir/clock.so $dir/clock.c") == 0 or die;
$T->spew("$dir/path/systemctl", "#!/bin/sh\ncat $dir/\$1\n");
chmod 0755, "$dir/path/systemctl";
my $units = join '', map { "postern-$_ loaded active listening x\n" } qw(smtp.socket qrun.timer qrun.socket submissions-warm.socket imaps.socket submit.socket);
$T->spew("$dir/list-units", $units);
my $files = $units =~ s/ .*/ enabled enabled/gr;
$T->spew("$dir/list-unit-files", $files);
$T->spew("$proc/sys/fs/inotify/max_user_instances", "4096\n");
my $head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
sub listener { return sprintf "   0: 00000000:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100 0 0 10 0\n", shift }
$T->spew("$proc/net/tcp", $head . listener(25));
symlink 'socket:[4711]', "$proc/777/fd/3";
sub held_by { unlink "$proc/777/exe"; symlink shift, "$proc/777/exe" or die }
held_by('/usr/lib/systemd/systemd');
$ENV{PATH} = "$dir/path:$ENV{PATH}";

# --- a certificate
sub make_certificate {
    my (%o) = @_;
    certificate($server, 'mx', signer => 'ca', names => ['mail.here.test'], lines => 'expiration_days = 90', %o);
    rename "$server/mx.pem", "$server/cert.pem" or die;
    rename "$server/mx.key", "$server/key.pem" or die;
    chmod 0600, "$server/key.pem";
    $T->own;
}
certificate($server, 'ca');
make_certificate();

# --- DNS: what `postern dns` prints, the way back, and a place to send to
my @zone = ('7.113.0.203.in-addr.arpa PTR mail.here.test', join('.', reverse split //, '20010db8' . '0' x 23 . '7') . '.ip6.arpa PTR mail.here.test',
            'signed.test ad', 'signed.test TXT x', 'out.test A 127.0.0.1');
for ((split /\n/, ($T->postern('dns'))[1])) {
    my ($name, $type, $value) = split / /, $_, 3;
    next if /^;/;
    $value = join '', $value =~ /"([^"]*)"/g if $type eq 'TXT';
    push @zone, join ' ', $name =~ s/\.$//r, $type, $type eq 'TXT' ? $value : $value =~ s/\.$//r;
}
sub zone { $T->spew("$dir/dns/new", join '', map { "$_\n" } @_); rename "$dir/dns/new", "$dir/dns/zone" or die }
zone(@zone);
$T->own;
$T->start('perl', 'tests/lib/odd-dns', "$dir/dns", $T->{dns_port});
$T->eventually(60, sub { -e "$dir/dns/ready" }) or die $T->log;
$T->sinks('127.0.0.1=accept');

# --- asking
sub command { return $T->command('env', "LD_PRELOAD=$dir/clock.so", 'ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0', "$dir/bin/postern", '-c', $T->{conf}, 'doctor',
                                 '--proc', $proc, '--outside', 'out.test', '--signed', 'signed.test', @_) }
sub doctor {
    my (@words) = @_;
    my ($status, $said) = $T->output(command('--json', @words));
    return ($status, [ map { eval { decode_json($_) } // { severity => 'none', check => 'none', text => $_ } } split /\n/, $said ]);
}
sub told { my ($f) = @_; return join "\n", map { "$_->{severity} $_->{check}: $_->{text}" } @$f }

# finds NAME SEVERITY CHECK TEXT: while something is broken; the exit status fits, and there is something to do.
my %status = (note => $OK, warning => $WARNING, error => $ERROR);
sub finds {
    my ($severity, $check, $text, $name) = @_;
    my ($status, $found) = doctor($check);
    my @them = grep { $_->{severity} eq $severity && $_->{check} eq $check && $_->{text} =~ $text && length $_->{todo} } @$found;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok @them && $status == (sort { $b <=> $a } map { $status{ $_->{severity} } // -1 } @$found)[0], "$check: $name"
        or diag "$status\n" . told($found);
}
sub fine {
    my ($check) = @_;
    my ($status, $found) = doctor($check);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $status == $OK && !@$found, "$check: and mended again" or diag told($found);
}
my $conf = $T->slurp($T->{conf});
sub with_settings { my ($s, @rest) = @_; $T->settings(%$s); finds(@rest); $T->spew($T->{conf}, $conf) }
# Without the records that match, and with others.
sub with_zone { my ($without, $more, @rest) = @_; zone((grep { !/$without/ } @zone), @$more); finds(@rest); zone(@zone) }
my $NEVER = qr/(?!)/;

# --- a good installation
# The machine's disks and kernel are what they are.
my ($status, $found) = doctor();
my @bad = grep { $_->{check} !~ /^(disk|inodes|sandbox)$/ && "$_->{check} $_->{text}" !~ /^settings smtp-port/ } @$found;
ok !@bad, 'a good installation passes' or diag told(\@bad);
ok scalar(grep { "$_->{check} $_->{text}" =~ /^settings smtp-port/ } @$found), 'but for the port of this test\'s mail servers';
my @names = map { (split)[0] } split /\n/, ($T->postern('doctor', '--list'))[1];
cmp_ok scalar @names, '>=', 28, '--list names the checks';
is +($T->postern('doctor', 'nonsense'))[0], 64, 'a check that isn\'t there is a mistake';

# --- the machine
SKIP: {
    skip 'told that there is no sandbox here', 2 if $ENV{SANDBOX};
    fine('sandbox');
    with_settings({ sandbox => 'try' }, 'warning', 'sandbox', qr/sandbox try/, 'not insisted on');
}
{
    my $build = $ENV{BUILD} || 'build';
    system("cp $build/tests/helpers/without-landlock $dir/bin/") == 0 or die;
    my @command = command('--json', 'sandbox');
    splice @command, (grep { $command[$_] eq "$dir/bin/postern" } 0 .. $#command)[0], 0, "$dir/bin/without-landlock";
    my ($is, $said) = $T->output(@command);
    ok $ENV{SANDBOX} || ($is == $ERROR && $said =~ /"error","check":"sandbox".*Landlock/), 'sandbox: a kernel without Landlock' or diag $said;
}
$T->spew("$proc/sys/fs/inotify/max_user_instances", "128\n");
finds('warning', 'inotify', qr/is 128/, 'few instances');
$T->spew("$proc/sys/fs/inotify/max_user_instances", "4096\n");
fine('inotify');
$T->spew("$dir/clock-wrong", '');
finds('warning', 'clock', qr/nothing keeps/, 'nobody keeps it');
unlink "$dir/clock-wrong";
fine('clock');
# A small disk over the spool, in a mount namespace.
for my $row ([ 'disk', 'size=1m', qr/MiB of 1 are left/ ], [ 'inodes', 'size=200m,nr_inodes=50', qr/inodes of \d+ are left/ ]) {
    my ($check, $how, $text) = @$row;
    my $mount = "mount -t tmpfs -o $how,mode=700 none $server/spool";
    my @as = map { "'$_'" } command('--json', $check);
    my @command = $> == 0 ? ('unshare', '--mount', 'sh', '-c', "$mount && chown nobody $server/spool && exec @as")
        : ('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', "$mount && exec unshare --user --map-user=$> --map-group=" . ($) + 0) . " -- @as");
    my ($is, $said) = $T->output(@command);
    ok $is == $ERROR && $said =~ /"error","check":"$check".*spool.*$text/, "$check: full" or diag "$is $said";
}

# --- units and ports
$T->spew("$dir/list-units", $units . "postern-imap\@7.service loaded failed failed x\n");
finds('error', 'units', qr/postern-imap\@7\.service has failed/, 'one that failed');
for my $row ([ 'smtp.socket', 'error' ], [ 'qrun.timer', 'error' ], [ 'qrun.socket', 'warning' ], [ 'submissions-warm.socket', 'warning' ],
             [ 'imaps.socket', 'warning' ], [ 'submit.socket', 'warning' ]) {
    my ($unit, $severity) = @$row;
    $T->spew("$dir/list-units", $units =~ s/(\Q$unit\E loaded) active/$1 inactive/r);
    my $cold = $unit =~ s/-warm//r;
    finds($severity, 'units', qr/postern-\Q$cold\E isn't active/, "$unit isn't open");
}
$T->spew("$dir/list-units", $units);
fine('units');
$T->spew("$dir/list-unit-files", $files =~ s/(qrun\.timer) enabled/$1 disabled/r);
finds('warning', 'units', qr/postern-qrun\.timer isn't enabled/, 'one that is closed after a new start');
$T->spew("$dir/list-unit-files", $files);
$T->spew("$dir/list-units", '');
finds('error', 'units', qr/postern-smtp\.socket isn't active/, 'all of them');
$T->spew("$dir/list-unit-files", '');
fine('units');
$T->spew("$dir/list-units", $units);
$T->spew("$dir/list-unit-files", $files);
for my $row ([ 25, '/usr/lib/postfix/sbin/master' ], [ 993, '/usr/sbin/dovecot' ], [ 25, '/usr/sbin/smtpd' ]) {
    my ($port, $program) = @$row;
    $T->spew("$proc/net/tcp", $head . listener($port));
    held_by($program);
    finds('error', 'ports', qr/port $port is held by \Q$program\E/, "$program");
}
for my $program ('/usr/sbin/inetd', '/usr/local/libexec/postern/smtpd', '/usr/lib/systemd/systemd') {
    held_by($program);
    fine('ports');
}
$T->spew("$proc/net/tcp6", $head . "   0: 00000000000000000000000000000000:0019 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1 0\n");
held_by("/usr/bin/\x1b[31mevil");
my ($is, $said) = $T->output(command('ports'));
ok $is == $ERROR && $said =~ /held by \S*\\x1b\[31mevil/ && $said !~ /\x1b/, 'what is foreign is escaped' or diag $said;
held_by('/usr/lib/systemd/systemd');

# --- out
my $unused = QrunTest::free_port();
with_settings({ 'smtp-port' => $unused }, 'error', 'port-25-out', qr/out\.test can't be reached: Connection refused/, 'closed');
with_zone(qr/^out\.test/, [], 'warning', 'port-25-out', qr/no address now/, 'nobody to try');
$T->settings('smtp-port' => $unused);
$T->postern('route', 'add', '*', 'smtp:[relay.test]');
fine('port-25-out');
$T->postern('route', 'remove', '*');
$T->spew($T->{conf}, $conf);

# --- files
for my $row ([ 'postern.conf', 0666, 0644 ], [ '', 0777, 0755 ], [ 'aliases', 0662, 0644 ], [ 'accounts', 0666, 0644 ], [ 'secrets', 0640, 0600 ],
             [ 'secrets.gdbm', 0604, 0600 ], [ 'srs.key', 0644, 0600 ], [ 'dkim', 0750, 0700 ], [ 'spool', 0755, 0700 ],
             [ 'spool/queue', 0701, 0700 ], [ 'mail', 0755, 0700 ]) {
    my ($name, $wrong, $right) = @$row;
    $T->postern('queue') if $name eq 'spool/queue';
    chmod $wrong, "$server/$name" or die $name;
    finds('error', 'permissions', qr/^\Q$server\E\/?\Q$name\E: others .*\(\d+\)/, sprintf '%s with %o', $name || 'the folder', $wrong);
    chmod $right, "$server/$name";
}
fine('permissions');
SKIP: {
    skip 'files of others: as root only', 1 if $> != 0;
    chown 12345, -1, "$server/secrets";
    finds('error', 'permissions', qr/secrets: belongs to user 12345/, 'another\'s');
    $T->own;
}
my $aliases = $T->slurp("$server/aliases");
$T->spew("$server/aliases", $aliases . "new: alice\n");
finds('warning', 'tables', qr/aliases: was changed/, 'a text that is newer');
$T->spew("$server/aliases", $aliases);
unlink "$server/accounts.gdbm";
finds('error', 'tables', qr/accounts: was never compiled/, 'none');
$T->spew("$server/accounts.gdbm", 'x' x 5000);
finds('error', 'tables', qr/accounts\.gdbm: can't be read/, 'a damaged one');
unlink "$server/accounts.gdbm";
$T->postern('tables');
fine('tables');

# --- passwords
my $secrets = $T->slurp("$server/secrets");
fine('passwords');
for my $row ([ 'error', '{ARGON2ID}$argon2id$v=19$x', qr/secrets: passwords that can't be checked.*: 1, the first is alice\@/, 'a scheme that can\'t be checked' ],
             [ 'warning', '{PLAIN}secret', qr/stand there as they are: 1/, 'plain text' ],
             [ 'note', '{SSHA}3PfCKtNQe/q8kcqU8oofyt5lxhW4tDHx', qr/guesses fast: 1/, 'a weak scheme' ]) {
    my ($severity, $hash, $text, $what) = @$row;
    $T->spew("$server/secrets", $secrets =~ s/^(alice\@[^:]*:)[^:]*/$1$hash/mr);
    finds($severity, 'passwords', $text, $what);
}
$T->spew("$server/secrets", $secrets);
$T->spew("$server/masters", "admin:{PLAIN}secret\n");
finds('warning', 'passwords', qr/masters: passwords that stand there/, 'a master user\'s');
unlink "$server/masters";
fine('passwords');
for my $row ([ networks => '0.0.0.0/0', 'error' ], [ networks => '10.0.0.0/8 ::/0', 'error' ], [ 'plaintext-login' => 'yes' ], [ 'https-port' => 8443 ],
             [ 'learn-spam' => 'x' ], [ 'dns-allow' => 'list.test' ], [ 'retry-first' => '5h' ], [ 'delay-notice' => '6d' ]) {
    my ($key, $value, $severity) = @$row;
    with_settings({ $key => $value }, $severity // 'warning', 'settings', qr/^\Q$key\E\b/, "$key $value");
}
$T->settings('no-such' => 'x');
finds('error', 'settings', qr/postern\.conf:\d+: no-such: no such setting/, 'a mistake in the settings');
$T->spew($T->{conf}, $conf);

# --- upkeep
my $long = qr/for 3 hours nothing has expired/;
sub aged { utime time, time - 3 * 3600 - 60, $T->{conf} or die }
$T->settings(expire => 'Trash 30d');
fine('upkeep'); # settings of this moment
aged();
finds('warning', 'upkeep', $long, 'nobody ran it');
$T->spew("$server/spool/upkeep", time - 3 * 3600 - 60 . "\n");
finds('warning', 'upkeep', $long, 'it ran, and does no longer');
$T->postern('upkeep');
fine('upkeep');
unlink "$server/spool/upkeep";
$T->spew($T->{conf}, $conf);
aged();
fine('upkeep'); # there is nothing to do
my $accounts = $T->slurp("$server/accounts");
$T->spew("$server/accounts", "$accounts# one\nalice storage=1G\n");
finds('warning', 'upkeep', $long, 'an account has a quota');
$T->settings('quota-warning' => 'off');
aged();
fine('upkeep');
$T->spew("$server/accounts", $accounts);
with_settings({ expire => 'a..b 30d' }, 'error', 'upkeep', qr/expire a\.\.b: that can't be/, 'no folder\'s name');

# --- the queue
fine('queue');
my $old = $T->put('a@here.test', ['b@far.test'], age => 100_000);
finds('warning', 'queue', qr/1 messages wait for more than a day, the oldest for 27 hours/, 'an old message');
finds('error', 'queue', qr/1 messages .* half an hour ago/, 'and nobody tried it');
$T->spew("$T->{spool}/queue/$old", "nonsense\n");
finds('error', 'queue', qr/1 messages of the queue are damaged/, 'a damaged one');
unlink "$T->{spool}/queue/$old";
$T->put('a@here.test', ['b@far.test']);
$T->put('a@here.test', ['b@far.test'], age => 100_000, options => 'release ' . (time + 3600) . "\n");
fine('queue');
$T->postern('queue', 'hold', 'all');
finds('note', 'queue', qr/2 messages of the queue are held/, 'some that are held');
$T->postern('queue', 'drop', 'all');

# --- certificates
my %pem = map { $_ => $T->slurp("$server/$_.pem") } qw(cert key);
sub as_before { $T->spew("$server/$_.pem", $pem{$_}) for qw(cert key) }
{
    local $ENV{HOME} = "$dir/home"; # as root's: nothing else of the machine may lie where ACME clients leave theirs
    system("mkdir -p $dir/home/.lego/certificates");
    certificate("$dir/home/.lego/certificates", 'lego', signer => "$server/ca", names => ['mail.here.test'], lines => 'expiration_days = 95');
    $T->own;
    finds('warning', 'certificate-found', qr{/lego\.pem: is better than \S+cert\.pem, which is in use}, 'a newer one of an ACME client');
    my ($status, $said) = $T->postern('certificate', 'install');
    is $status, 0, 'it is installed' or diag $said;
    fine($_) for 'certificate-found', 'certificate', 'certificate-chain', 'permissions';
    system("rm -r $server/certificates $server/cert.pem $server/key.pem $dir/home");
    as_before();
    $T->own;
    chmod 0600, "$server/key.pem";
}
make_certificate();
$T->spew("$server/cert.pem", $pem{cert});
finds('error', 'certificate', qr/key\.pem isn't the key of/, 'another key');
$T->spew("$server/key.pem", "no key\n");
finds('error', 'certificate', qr/key\.pem: holds no private key/, 'no key');
$T->spew("$server/cert.pem", "nothing\n");
finds('error', 'certificate', qr/cert\.pem: holds no certificate/, 'no certificate');
unlink "$server/cert.pem";
finds('error', 'certificate', qr/cert\.pem: No such file/, 'none at all');
as_before();
fine('certificate');
chmod 0644, "$server/key.pem";
finds('error', 'certificate-key', qr/key\.pem: others than its owner may read it \(644\)/, 'readable by all');
chmod 0600, "$server/key.pem";
make_certificate(names => ['other.test']);
finds('error', 'certificate-name', qr/cert\.pem: isn't for mail\.here\.test/, 'another\'s name');
make_certificate(lines => 'expiration_days = 5');
fine('certificate-days');
make_certificate(lines => 'activation_date = "2020-01-01 00:00:00"' . "\nexpiration_date = \"" . POSIX::strftime('%Y-%m-%d %H:%M:%S', gmtime(time + 3 * 86400)) . '"');
finds('warning', 'certificate-days', qr/expires in [23] days/, 'soon');
make_certificate(lines => qq(activation_date = "2020-01-01 00:00:00"\nexpiration_date = "2021-01-01 00:00:00"));
finds('error', 'certificate-days', qr/has expired/, 'in the past');
make_certificate(lines => qq(activation_date = "2101-01-01 00:00:00"\nexpiration_date = "2102-01-01 00:00:00"));
finds('error', 'certificate-days', qr/isn't valid yet/, 'in the future');
as_before();
fine('certificate-days');
with_settings({ 'ca-file' => '' }, 'warning', 'certificate-chain', qr/leads to nobody/, 'an unknown authority');
certificate($server, 'self', names => ['mail.here.test']);
with_settings({ 'tls-certificate' => 'self.pem', 'tls-key' => 'self.key' }, 'warning', 'certificate-chain', qr/self\.pem: signed itself/, 'self-signed');
with_settings({ certificate => 'www.here.test cert.pem key.pem' }, 'error', 'certificate-name', qr/isn't for www\.here\.test/, 'one of several');

# --- DNS of the host
with_zone(qr/^mail\.here\.test A /, [], 'error', 'dns-host', qr/no A record with this host's 203\.0\.113\.7/, 'no address');
with_zone($NEVER, ['mail.here.test A 198.51.100.9'], 'error', 'dns-host', qr/leads to 198\.51\.100\.9, which isn't/, 'a foreign address');
with_zone(qr/^mail\.here\.test A /, ['mail.here.test A 198.51.100.9'], 'warning', 'dns-host', qr/no A record/, 'instead of ours');
with_zone(qr/^mail\.here\.test (A|AAAA) /, [ 'mail.here.test CNAME real.test', 'real.test A 203.0.113.7', 'real.test AAAA 2001:db8::7' ], 'warning', 'dns-host',
          qr/alias \(CNAME\) of real\.test/, 'an alias');
with_zone(qr/^7\.113/, [], 'error', 'dns-reverse', qr/203\.0\.113\.7 has no name/, 'no way back');
with_zone(qr/^7\.0\./, [], 'error', 'dns-reverse', qr/2001:db8::7 has no name/, 'nor of IPv6');
with_zone(qr/^7\.113/, ['7.113.0.203.in-addr.arpa PTR host7.provider.test'], 'error', 'dns-reverse', qr/host7\.provider\.test, which doesn't lead back/, 'a name that doesn\'t lead back');
with_zone(qr/^7\.113/, [ '7.113.0.203.in-addr.arpa PTR host7.provider.test', 'host7.provider.test A 203.0.113.7' ], 'warning', 'dns-reverse', qr/host7\.provider\.test, not mail/, 'another name');
my $wrong = '_25._tcp.mail.here.test TLSA 3 1 1 ' . '00' x 32;
with_zone(qr/ TLSA /, [$wrong], 'warning', 'dns-tlsa', qr/no TLSA record .* fits/, 'of another key');
with_zone(qr/ TLSA /, [ $wrong, '_25._tcp.mail.here.test ad' ], 'error', 'dns-tlsa', qr/no TLSA record .* fits/, 'of another key, in a signed zone');
with_zone(qr/ TLSA /, [], 'note', 'dns-tlsa', qr/has no TLSA record/, 'none');
with_zone(qr/^signed\.test ad/, [], 'warning', 'dnssec', qr/doesn't verify DNSSEC/, 'a resolver that verifies nothing');

# --- DNS of the domain
with_zone(qr/^here\.test MX/, [], 'error', 'dns-mx', qr/here\.test has no MX/, 'none');
with_zone(qr/^here\.test MX/, ['here.test MX 10 elsewhere.test'], 'error', 'dns-mx', qr/goes to elsewhere\.test/, 'another\'s');
zone((grep { !/^here\.test MX/ } @zone), 'here.test MX 10 mx.here.test', 'mx.here.test A 203.0.113.7');
fine('dns-mx');
zone(@zone);
with_zone(qr/^here\.test TXT v=spf1/, [], 'error', 'dns-spf', qr/no SPF record/, 'none');
with_zone(qr/^here\.test TXT v=spf1/, ['here.test TXT v=spf1 ip4:198.51.100.0/24 -all'], 'error', 'dns-spf', qr/says fail .*203\.0\.113\.7/, 'one that leaves us out');
with_zone(qr/^here\.test TXT v=spf1/, ['here.test TXT v=spf1 ip4:203.0.113.7 -all'], 'error', 'dns-spf', qr/says fail .*2001:db8::7/, 'or our other address');
with_zone(qr/^here\.test TXT v=spf1/, ['here.test TXT v=spf1 nonsense'], 'error', 'dns-spf', qr/permerror/, 'one that can\'t be read');
with_zone(qr/^mail\.here\.test TXT/, [], 'note', 'dns-spf', qr/mail\.here\.test has no SPF record/, 'none of the host, whose name counts for bounces');
with_zone(qr/^mail\.here\.test TXT/, ['mail.here.test TXT v=spf1 -all'], 'error', 'dns-spf', qr/SPF of mail\.here\.test says fail/, 'one of the host that leaves it out');
with_zone(qr/-rsa\._domainkey/, [], 'error', 'dns-dkim', qr/-rsa, whose record in DNS is missing/, 'a key that isn\'t there');
my ($ed) = grep { /ed25519\._domainkey/ } @zone;
with_zone(qr/ed25519\._domainkey/, [ $ed =~ s/p=.*/p=/r ], 'error', 'dns-dkim', qr/ed25519, whose record in DNS is revoked/, 'one that is revoked');
with_zone(qr/ed25519\._domainkey/, [ $ed =~ s/p=..../p=AAAA/r ], 'error', 'dns-dkim', qr/ed25519, whose record in DNS is different/, 'another one');
my ($file) = glob "$server/dkim/here.test/*-rsa.pem";
chmod 0644, $file;
finds('error', 'dns-dkim', qr/-rsa of here\.test can't be used/, 'one that others can read');
chmod 0600, $file;
$T->postern('domain', 'add', 'plain.test', '=', 'here.test');
system('rm', '-rf', "$server/dkim/plain.test");
finds('warning', 'dns-dkim', qr/plain\.test isn't signed/, 'no keys');
$T->postern('domain', 'remove', 'plain.test');
fine('dns-dkim');
with_zone(qr/^_dmarc/, [], 'warning', 'dns-dmarc', qr/no DMARC record/, 'none');
with_zone($NEVER, ['_dmarc.here.test TXT v=DMARC1; p=reject'], 'error', 'dns-dmarc', qr/has 2 DMARC records/, 'two');
with_zone(qr/^_dmarc/, ["_dmarc.here.test TXT v=DMARC1; p=\x1b[31mred"], 'error', 'dns-dmarc', qr/can't be read: v=DMARC1/, 'one that can\'t be read');
zone((grep { !/^_dmarc/ } @zone), "_dmarc.here.test TXT v=DMARC1; p=\x1b[31mred");
($is, $said) = $T->output(command('dns-dmarc'));
ok $said =~ /p=\\x1b\[31mred/ && $said !~ /\x1b/, 'and what it says is escaped' or diag $said;
with_zone(qr/^_smtp\._tls/, [], 'note', 'dns-tls-reports', qr/no record for reports/, 'none');
with_zone(qr/^_smtp\._tls/, ['_smtp._tls.here.test TXT v=TLSRPTv1'], 'warning', 'dns-tls-reports', qr/can't be read/, 'one without a place');
with_zone(qr/^_imaps/, [], 'note', 'dns-services', qr/_imaps\._tcp\.here\.test has no SRV/, 'none');
with_zone(qr/^_imaps/, ['_imaps._tcp.here.test SRV 0 1 993 elsewhere.test'], 'warning', 'dns-services', qr/leads elsewhere/, 'another\'s');
with_zone(qr/^_imaps/, ['_imaps._tcp.here.test SRV 0 1 143 mail.here.test'], 'warning', 'dns-services', qr/leads elsewhere/, 'another port');
with_zone($NEVER, ['_pop3s._tcp.here.test SRV 0 1 995 mail.here.test'], 'warning', 'dns-services', qr/_pop3s\S+ leads to port 995 here, where nothing listens/, 'one of a port that is closed');
$T->spew("$proc/net/tcp", $head . listener(25) . listener(995));
zone(@zone, '_pop3s._tcp.here.test SRV 0 1 995 mail.here.test');
fine('dns-services');
$T->spew("$proc/net/tcp", $head . listener(25));
zone(@zone);
# --- a policy of MTA-STS, which another web server of this host serves
my $https = QrunTest::free_port();
my $web = "$dir/web";
mkdir $web;
system("cp $server/ca.* $web/") == 0 or die;
certificate($web, 'web', signer => 'ca', names => [ 'mta-sts.here.test', 'autoconfig.here.test' ]);
$T->own;
$T->settings('https-port' => $https);
my @sts = ('_mta-sts.here.test TXT v=STSv1; id=1;', 'mta-sts.here.test A 127.0.0.1');
sub policy {
    my $body = join "\n", 'version: STSv1', "mode: $_[0]", (map { "mx: $_" } @_[ 1 .. $#_ ]), 'max_age: 86400', '';
    $T->spew("$web/127.0.0.1.response", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
}
fine('dns-sts');
with_zone($NEVER, [ $sts[0] ], 'warning', 'dns-sts', qr/can't read: mta-sts\.here\.test has no address/, 'a record, and no server');
with_zone($NEVER, \@sts, 'warning', 'dns-sts', qr/can't read: mta-sts\.here\.test can't be reached/, 'nobody serves it');
policy('enforce', 'mail.here.test');
$T->start('perl', 'tests/lib/policy-server', $web, $https, '127.0.0.1=web');
$T->eventually(60, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $https) }) or die 'policy-server: ' . $T->log;
zone(@zone, @sts);
fine('dns-sts');
policy('enforce', 'other.here.test');
finds('error', 'dns-sts', qr/doesn't name mail\.here\.test/, 'one that leaves us out');
policy('testing', 'other.here.test');
finds('warning', 'dns-sts', qr/doesn't name mail\.here\.test/, 'and only tests');
policy('none');
fine('dns-sts');
policy('nonsense', 'mail.here.test');
finds('warning', 'dns-sts', qr/is no policy/, 'what is none');
policy('enforce', 'mail.here.test');
$T->settings('tls-certificate' => 'self.pem', 'tls-key' => 'self.key');
finds('error', 'dns-sts', qr/this host has none/, 'with a certificate that nobody vouches for');

# --- and settings for mail programs
my $autoconfig = 'autoconfig.here.test A 127.0.0.1';
sub serves { my ($head, $body) = @_; $T->spew("$web/127.0.0.1.response", "HTTP/1.1 $head\r\nContent-Type: text/xml\r\nContent-Length: " . length($body) . "\r\n\r\n$body") }
fine('dns-autoconfig');
with_zone($NEVER, ['autoconfig.here.test CNAME nowhere.here.test'], 'warning', 'dns-autoconfig', qr/get no settings: autoconfig\.here\.test has no address/, 'an alias that leads nowhere');
zone(@zone, $autoconfig);
serves('404 Not Found', '');
finds('warning', 'dns-autoconfig', qr/get no settings: the server answers 404/, 'a web server that has none');
serves('200 OK', '<clientConfig><hostname>imap.elsewhere.test</hostname></clientConfig>');
finds('warning', 'dns-autoconfig', qr/don't name mail\.here\.test/, 'those of another host');
serves('200 OK', '<clientConfig><hostname>Mail.Here.Test</hostname></clientConfig>');
fine('dns-autoconfig');
$T->settings('https-port' => QrunTest::free_port());
finds('warning', 'dns-autoconfig', qr/autoconfig\.here\.test can't be reached/, 'nobody serves them');
$T->spew($T->{conf}, $conf);
zone(@zone);

with_zone(qr/^here\.test MX/, ['here.test fail'], 'warning', 'dns-mx', qr/can't tell about here\.test/, 'a failure isn\'t "not there"');
fine($_) for qw(dns-host dns-reverse dns-tlsa dns-mx dns-spf dns-dmarc dns-tls-reports dns-services dnssec);
my $dead = QrunTest::free_port();
with_settings({ resolver => "127.0.0.1:$dead" }, 'error', 'resolver', qr/doesn't answer/, 'that is down');
# In a network where there is nothing, not even the resolver.
$T->settings(addresses => '');
my @bare = map { "'$_'" } command('addresses');
($is, $said) = $T->output($> == 0 ? ('unshare', '--net', 'sh', '-c', "exec @bare")
    : ('unshare', '--user', '--map-root-user', '--net', 'sh', '-c', "exec unshare --user --map-user=$> --map-group=" . ($) + 0) . " -- @bare"));
like $said, qr/^warning addresses: no interface .* public address.*; .*`addresses`/m, 'addresses: none, and which setting is for that';
$T->spew($T->{conf}, $conf);

# --- the whole report
zone(grep { !/^(_dmarc|_imaps|here\.test MX)/ } @zone);
($is, $said) = $T->output(command(qw(dns-mx dns-dmarc dns-services)));
is $is, $ERROR, 'the worst is the exit status';
like $said, qr/\Aerror   dns-mx: .*; .*\nwarning dns-dmarc: .*; .*\nnote    dns-services: .*; .*\n\z/, 'a line each, worst first';
($is, $said) = $T->output(command('dns-services'));
ok $is == $OK && $said =~ /all is well/, 'notes alone are well' or diag $said;
zone(@zone);
done_testing;
