#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A new user's first half hour, from README.md alone: the commands of "From DNS to the first mail" are taken from its code blocks, and
# typed on a terminal, on a fresh machine with a real systemd (tests/with-systemd). They lead to a message sent and read over TLS, with a
# certificate that the client verifies, and there are at most ten of them. Then mail goes to another host, and comes from there.
#
# What is played here: the Internet. DNS is knot, on loopback and for the other host, with the lines that `postern setup` printed; the
# certificate authority is pebble, which everybody here trusts; YOUR-COPY is a copy of this tree; the other host is a second Postern in a
# network namespace of its own. What was built already is put beside the clone, so that make has less to do.
use strict;
use warnings;
use Cwd;
use Fcntl qw(:flock);
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'needs root: it boots a systemd in namespaces' if $> != 0;
my $build = Cwd::abs_path($ENV{BUILD} || 'build');
plan skip_all => 'what README builds is without sanitizers' if qx(ldd '$build/bin/imapd') =~ /libasan/;
if (!$ENV{ON_OWN_MACHINE}) {
    $ENV{ON_OWN_MACHINE} = 'yes';
    exec 'tests/with-systemd', 'tests/newuser.t' or die;
}
$ENV{PATH} = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
$ENV{HOME} = '/root';
$ENV{LC_ALL} = 'C.UTF-8';
my $MOST = 10; # commands
my $tree = getcwd();
delete @ENV{qw(BUILD MAKEFLAGS MAKEOVERRIDES MFLAGS)}; # the new user's are not those of who tests
my $d = '/srv/trial';
my ($here, $there) = ('192.0.2.25', '192.0.2.77');
my $password = 'correct horse battery staple';
my @pids;
my $ended = $$;
# The whole machine's: the package sets it, so the last of the tests that install it (deb.t is the other) puts it back.
my ($instances, $instances_before) = ('/proc/sys/fs/inotify/max_user_instances', "$build/tests/inotify-before");
open my $installing, '>>', $instances_before or die "$instances_before: $!";
flock $installing, LOCK_SH or die;
spew($instances_before, slurp($instances)) if !-s $instances_before;

sub slurp { my ($file) = @_; open my $f, '<', $file or return ''; local $/; return scalar(<$f>) // ''; }
sub spew { my ($file, $text) = @_; open my $f, '>', $file or die "$file: $!"; print $f $text; close $f or die "$file: $!"; }
sub eventually {
    my ($seconds, $test) = @_;
    my $until = time + $seconds;
    until ($test->()) { return 0 if time > $until; sleep 0.1; }
    return 1;
}
# The status, and what it said.
sub output {
    my @command = @_;
    my $pid = open(my $f, '-|') // die;
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        open STDIN, '<', '/dev/null';
        exec @command or POSIX::_exit(127);
    }
    local $/;
    my $said = <$f> // '';
    close $f;
    return ($? >> 8, $said);
}
sub runs {
    my ($what, @command) = @_;
    my ($status, $said) = output(@command);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $status == 0, $what or diag "$status: $said";
    return $said;
}
sub start {
    my @command = @_;
    my $pid = fork // die;
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$d/log";
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }
    push @pids, $pid;
    return $pid;
}
sub give_up { diag(@_, slurp("$d/log")); done_testing; exit 1; }
END {
    if ($$ == ($ended // 0)) {
        my $status = $?;
        kill 'TERM', @pids if @pids;
        if (flock $installing, LOCK_EX | LOCK_NB) {
            spew($instances, slurp($instances_before));
            spew($instances_before, '');
        }
        $? = $status;
    }
}

# --- README

# Its code blocks, by step: each a list of lines.
sub steps {
    my ($text) = slurp('README.md') =~ /^## From DNS to the first mail\n(.*?)^## /ms or die 'README has no such section';
    my ($step, %blocks) = (0);
    for (split /\n/, $text) {
        if (/^(\d+)\. /) { $step = $1 }
        elsif (/^\S/) { $step = 0 } # behind the steps
        if ($step && /^ {7}(\S.*)/) { push @{ $blocks{$step}[-1] }, $1 }
        elsif ($step) { push @{ $blocks{$step} }, [] if !$blocks{$step} || @{ $blocks{$step}[-1] } }
    }
    return map { my $n = $_; $n => [ grep { @$_ } @{ $blocks{$n} } ] } keys %blocks;
}
my %step = steps();
my @names = map { scalar @{ $step{$_} // [] } } 1 .. 6;
is_deeply \@names, [ 0, 2, 1, 1, 1, 2 ], 'README has the code blocks that are expected of its steps' or give_up(explain \%step);
my @lines = map { @$_ } $step{2}[0], $step{3}[0], $step{4}[0], $step{5}[0], $step{6}[0];
my @commands = map { split / && / } @lines;
cmp_ok scalar(@commands), '<=', $MOST, "no more than $MOST commands to the first mail" or diag join "\n", @commands;
note join "\n", @commands;

# --- the Internet

mkdir $d;
my $ip = sub { system("ip $_[0] >>$d/log 2>&1") == 0 or give_up("ip $_[0]\n") };
mkdir '/run/netns';
$ip->($_) for 'netns add outside', 'link add wire type veth peer name wire0 netns outside', "address add $here/24 dev wire", 'link set wire up',
    "-n outside address add $there/24 dev wire0", '-n outside link set wire0 up', '-n outside link set lo up';
my @there = ('ip', 'netns', 'exec', 'outside');
system('hostname', 'mail.example.org');
spew('/etc/resolv.conf', "nameserver $here\n");
spew('/etc/hosts', "127.0.0.1 localhost\n");
spew('/etc/nsswitch.conf', "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n");

my %zone = ('2.0.192.in-addr.arpa' => "25.2.0.192.in-addr.arpa. PTR mail.example.org.\n77.2.0.192.in-addr.arpa. PTR mx.outside.test.\n",
            'google.com' => "gmail-smtp-in.l.google.com. A $there\n", # to which doctor looks whether port 25 leads out
            org => "example.org. NS ns.example.org.\nns.example.org. A $here\n", 'example.org' => '', 'outside.test' => '');
sub write_zone {
    my ($name) = @_;
    my $serial = int(time * 10) & 0x7fffffff;
    spew("$d/$name.zone", "\$TTL 60\n$name. SOA ns.$name. x.$name. $serial 60 60 60 1\n$name. NS ns.$name.\nns.$name. A $here\n$zone{$name}");
}
sub publish {
    my ($name, @records) = @_;
    $zone{$name} = join '', map { "$_\n" } @records;
    write_zone($name);
    return output('knotc', '-s', "$d/knot.sock", '-b', 'zone-reload', $name);
}
write_zone($_) for keys %zone;
spew("$d/knot.conf", "server:\n    listen: [ 127.0.0.1\@53, $here\@53 ]\n    rundir: $d\n    user: root\ncontrol:\n    listen: $d/knot.sock\ndatabase:\n    storage: $d\n"
    . "template:\n  - id: default\n    storage: $d\n    file: \"%s.zone\"\n    zonefile-load: whole\nzone:\n" . join '', map { "  - domain: $_\n" } sort keys %zone);
start('knotd', '-c', "$d/knot.conf");
ok eventually(60, sub { !system("getent ahosts ns.example.org >/dev/null") }), 'DNS answers' or give_up();

# An authority that everybody here trusts.
sub make_api {
    my $sh = "cd $d && certtool --generate-privkey --key-type=ecdsa --outfile api.key && printf 'cn = localhost\\ndns_name = localhost\\n"
        . "expiration_days = 2\\nca\\ncert_signing_key\\ntls_www_server\\nsigning_key\\n' >api.template && certtool --generate-self-signed --load-privkey api.key"
        . " --template api.template --outfile api.pem";
    return runs('an authority\'s own certificate', 'sh', '-c', $sh);
}
make_api();
spew("$d/pebble.json", qq({ "pebble": { "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": "$d/api.pem",
    "privateKey": "$d/api.key", "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": false } }));
start('env', 'PEBBLE_VA_NOSLEEP=1', 'PEBBLE_WFE_NONCEREJECT=0', 'pebble', '-config', "$d/pebble.json", '-dnsserver', "$here:53");
my $root = '';
ok eventually(60, sub { $root = `curl -sS --cacert $d/api.pem https://localhost:15000/roots/0 2>>$d/log`; $root =~ /BEGIN CERTIFICATE/ }), 'the authority is there' or give_up();
spew('/usr/local/share/ca-certificates/trial.crt', $root);
spew('/usr/local/share/ca-certificates/trial-api.crt', slurp("$d/api.pem"));
runs('everybody trusts it', 'update-ca-certificates');
system('mkdir', '-p', '/etc/letsencrypt/renewal-hooks/deploy');
spew('/etc/letsencrypt/cli.ini', "server = https://localhost:14000/dir\n");
$ENV{REQUESTS_CA_BUNDLE} = '/etc/ssl/certs/ca-certificates.crt';

# A copy to clone.
runs('YOUR-COPY', 'sh', '-c', "mkdir /srv/copy && tar -C '$tree' --exclude=./build --exclude=./.git -cf - . | tar -C /srv/copy -xf - && cd /srv/copy && git init -q && git add -A && "
    . "git -c user.name=x -c user.email=x\@example.org commit -qm copy && git config --system url./srv/copy.insteadOf https://YOUR-COPY/postern && git config --system safe.directory '*'");

# --- the commands

mkdir "$d/home";
spew("$d/where", "$d/home");
# What a person answers: apt's questions, ours, certbot's, curl's.
my @answers = ('\[Y/n\] ?$' => 'Y', 'The same again for [^\n]*: ?$' => $password, '[Pp]assword[^\n]*: ?$' => $password, 'to cancel\): ?$' => 'you@example.org',
               '(?s)share your e-?mail.*\(Y\)es/\(N\)o: ?$' => 'N', '\(Y\)es/\(N\)o: ?$' => 'Y');
# Types a line, in the folder where the last one ended.
sub types {
    my ($line) = @_;
    my $where = slurp("$d/where");
    my ($status, $said) = output("$tree/tests/lib/typing", "cd '$where' && { $line\n} && pwd >$d/now", @answers);
    spew("$d/where", slurp("$d/now") =~ s/\n//r) if $status == 0;
    $said =~ s/\r+\n/\n/g;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $status == 0, $line or give_up("$status: $said\n");
    return $said;
}
sub take_build { system("mkdir -p $d/home/postern/build && cp -a '$build/obj' '$build/bin' '$build/libpostern.a' $d/home/postern/build/ && find $d/home/postern/build -exec touch {} +"); }

my ($read, $records);
for my $line (@lines) {
    spew(slurp("$d/where") . '/first.txt', "From: you\@example.org\nSubject: first\n\nIt works.\n") if $line =~ /^curl.*first\.txt/; # as README asks for
    my $said = types($line);
    take_build() if $line =~ /^git clone/;
    if ($line =~ /^postern setup/) {
        ($records) = $said =~ /^The records, [^\n]*\n\n(.*)/ms;
        my @all = grep { !/^_25\._tcp/ } split /\n/, $records // '';
        cmp_ok scalar(@all), '>', 10, '... prints the records' or give_up($said);
        like $said, qr{/etc/letsencrypt/renewal-hooks/deploy/postern was written}, '... and certbot will call it';
        my ($status, $why) = publish('example.org', @all);
        ok $status == 0 && eventually(60, sub { !system('getent ahosts mail.example.org >/dev/null') }), 'they are published, as they are' or give_up($why);
        spew('/etc/postern/postern.conf', slurp('/etc/postern/postern.conf') . "sandbox $ENV{SANDBOX}\n") if $ENV{SANDBOX};
        system('chown', 'postern:', '/etc/postern/postern.conf');
    }
    $read = $said if $line =~ /imaps:/;
}
like $read, qr/^Subject: first\n.*^It works\./ms, 'what was sent has been read' or give_up();
like $read, qr/^Received: .*\bwith ESMTPSA\b/ms, '... and came by a login over TLS';
sub as_you { my @more = @_; return output('curl', '-sS', '--max-time', 60, '-u', "you\@example.org:$password", @more); }
my ($status, $said) = output('curl', '-sS', '-u', "you\@example.org:$password", '--capath', "$d/home", '--cacert', "$d/api.pem", 'imaps://mail.example.org/INBOX');
is $status, 60, 'who doesn\'t trust the authority reads nothing: the certificate is looked at';
ok -x '/etc/letsencrypt/renewal-hooks/deploy/postern', 'certbot\'s hook is there';
runs('certbot renews by it', 'certbot', 'renew', '-n', '--force-renewal', '--no-random-sleep-on-renew');
is slurp('/etc/postern/cert.pem'), slurp('/etc/letsencrypt/live/mail.example.org/fullchain.pem'), '... and the new one is in place';

# --- another host

my $outside = "$d/outside/postern.conf";
my $setup = runs('a host outside', @there, 'postern', '-c', $outside, 'setup', 'mx.outside.test', 'outside.test', 'carol@outside.test');
publish('outside.test', grep { !/^;/ } split /\n/, $setup =~ s/.*^The records, [^\n]*\n\n//msr);
runs('... with carol', 'sh', '-c', "echo carol-secret | ip netns exec outside postern -c $outside user add carol\@outside.test");
spew($outside, slurp($outside) . "sandbox $ENV{SANDBOX}\n") if $ENV{SANDBOX};
start(@there, 'systemd-socket-activate', '--accept', '--inetd', '-l', 25, '/usr/libexec/postern/smtpd', '-c', $outside);
my $mailbox = "$d/outside/mail/outside.test/carol";
spew("$d/home/second.txt", "From: you\@example.org\nTo: carol\@outside.test\nSubject: second\n\nTo somebody else.\n");
($status, $said) = as_you('--crlf', 'smtps://mail.example.org', '--mail-from', 'you@example.org', '--mail-rcpt', 'carol@outside.test', '-T', "$d/home/second.txt");
is $status, 0, 'a message to somebody else' or diag $said;
my $got = '';
ok eventually(60, sub { $got = join '', map { slurp($_) } glob "$mailbox/{new,.*/new}/*"; $got =~ /^Subject: second/m }), '... reaches another host' or diag `postern queue; journalctl -n 40 --no-pager`;
like $got, qr/^Received: from mail\.example\.org .*\bwith ESMTPS\b/ms, '... by TLS';
like $got, qr/^Authentication-Results: mx\.outside\.test;.*\bspf=pass\b/ms, '... which its records vouch for: SPF';
like $got, qr/^Authentication-Results: mx\.outside\.test;.*\bdkim=pass\b/ms, '... DKIM';
like $got, qr/^Authentication-Results: mx\.outside\.test;.*\bdmarc=pass\b/ms, '... and DMARC';
runs('an answer by STARTTLS, with the certificate verified', @there, 'swaks', '--server', 'mail.example.org', '--tls', '--tls-verify', '--tls-ca-path', '/etc/ssl/certs/ca-certificates.crt',
     '--helo', 'mx.outside.test', '--from', 'carol@outside.test', '--to', 'you@example.org', '--header', 'Subject: third', '--timeout', 60);
($status, $said) = as_you('imaps://mail.example.org/INBOX;MAILINDEX=2');
like $said, qr/^Subject: third/m, '... is read too';

# --- what README names where it gets stuck; there is nothing
publish('example.org', split /\n/, (output('postern', 'dns'))[1]);
my %explained = (dnssec => 'this resolver verifies nothing', clock => 'nobody keeps this machine\'s clock', disk => 'it is the host\'s', inodes => 'it is the host\'s');
my @diagnoses = map { s/ {3,}.*//r } @{ $step{6}[1] };
for my $command (grep { /^postern/ } @diagnoses) {
    ($status, $said) = output('bash', '-c', $command);
    note $said;
    if ($command eq 'postern doctor') {
        my @findings = grep { my ($check) = /^(?:error|warning)\s+([a-z-]+):/; $check && !$explained{$check} } split /\n/, $said;
        is "@findings", '', "$command finds nothing that this machine doesn't explain" or diag $said;
    } else {
        is $status, 0, $command or diag $said;
    }
}
is((output('systemctl', '--failed', '--plain', '--no-legend', 'list-units', 'postern*'))[1], '', 'no unit has failed');

# --- and away with it
runs('it is purged', 'apt-get', '-y', 'purge', 'postern');
ok !-e '/etc/letsencrypt/renewal-hooks/deploy/postern', '... and certbot no more calls it';

# --- and back again, where certbot has its certificate by now
runs('it is installed again', 'sh', '-c', "dpkg -i $d/home/postern/build/postern_*.deb");
$said = runs('set up again', 'postern', 'setup', 'mail.example.org', 'example.org');
like $said, qr{^mail\.example\.org: installed /etc/letsencrypt/live/mail\.example\.org/fullchain\.pem}m, '... with what root alone may read';
is slurp('/etc/postern/cert.pem'), slurp('/etc/letsencrypt/live/mail.example.org/fullchain.pem'), '... as it is there';
is sprintf('%s %o', scalar getpwuid((stat '/etc/postern/key.pem')[4]), (stat _)[2] & 07777), 'postern 600', '... and its key is the server\'s alone';
done_testing;
