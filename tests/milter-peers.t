#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# smtpd and filters that people use, on Unix sockets: rspamd, which scans by itself and asks nobody; opendkim, which signs what users
# send and verifies what comes in; and one made with Sendmail's libmilter, which does whatever its messages say.
use strict;
use warnings;
use lib 'tests/lib';
use IO::Socket::UNIX;
use MIME::Base64;
use Milter;
use QrunTest;
use SmtpTalk;
use Test::More;
use Time::HiRes qw(time sleep);

$ENV{ASAN_OPTIONS} //= 'detect_leaks=0'; # a handler ends with its connection, and leaves freeing to that
my $T = QrunTest->new(spf => 'off', dmarc => 'off', 'plaintext-login' => 'yes');
my ($port, $submission) = (QrunTest::free_port(), QrunTest::free_port());
my ($alice, $bob) = ('alice@here.test', 'bob@here.test');
$T->run_as('sh', '-c', 'echo bob-secret | "$0" -c "$1" user add bob@here.test', "$T->{bin}/postern", $T->{conf}) == 0 or die;
$T->serve_smtpd('127.0.0.1', $port);
$T->serve_smtpd('127.0.0.1', $submission, '-s');
my ($mail) = map { "$T->{server}/" . (/^mail (\S+?)\/%d/m)[0] } $T->slurp($T->{conf});
my $dir = "$T->{dir}/filters";
mkdir $dir;
chmod 0777, $dir;

sub use_filters { $T->settings(milter => ''); open my $c, '>>', $T->{conf} or die; print $c "milter $_\n" for @_; close $c }
sub start_filter {
    my ($socket, @command) = @_;
    my $pid = $T->start($T->command(@command));
    ok($T->eventually(60, sub { IO::Socket::UNIX->new(Peer => $socket) }), "$command[0] starts");
    return $pid;
}
# What filters write into their logs they write when they have answered, or later.
sub logged { my ($file, $what) = @_; $T->eventually(60, sub { $T->slurp($file) =~ $what }) or do { diag(substr $T->slurp($file), -2000); 0 } }
# By SIGTERM, so that what it has started ends too.
sub end_filter { my $pid = shift; kill 'TERM', $pid; $T->finish($pid) }
sub empty { unlink glob "$mail/here.test/*/new/* $mail/here.test/*/.Junk/new/*" }
sub junk { return join '', map { $T->slurp($_) } glob "$mail/here.test/alice/.Junk/new/*" }
sub inbox { return join '', $T->mailbox(shift // 'alice') }
# The reply that matters: the first that refuses, or the last.
sub outcome { my ($no) = grep { !/^[23]/ } @_; return $no // $_[-1] }
sub send_in { return outcome(talk($port, message('a@far.test', $alice, @_))) }
my $login = 'AUTH PLAIN ' . encode_base64("\0$alice\0alice-secret", '');
sub send_out { return outcome(talk($submission, $login, message($alice, $bob, @_))) }
sub text { my ($subject, $body, $fields) = @_; return "From: a\@far.test\r\nTo: $alice\r\nSubject: $subject\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\n"
    . "Message-ID: <" . rand() . "\@far.test>\r\n" . ($fields // '') . "\r\n$body\r\n" }

# --- rspamd

my $gtube = 'JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'; # with X refused, with Y marked, with Z renamed
$T->spew("$dir/tld", "com\ntest\n");
$T->spew("$dir/rspamd.conf", <<"END");
options {
    pidfile = "$dir/rspamd.pid";
    control_socket = "$dir/rspamd.control mode=0600";
    hs_cache_dir = "$dir";
    url_tld = "$dir/tld";
    filters = "";
    enable_test_patterns = true;
    dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
}
logging { type = "file"; filename = "$dir/rspamd.log"; level = "info"; }
actions { reject = 15; add_header = 6; rewrite_subject = 8; }
worker "rspamd_proxy" {
    bind_socket = "$dir/rspamd.sock mode=0666";
    milter = yes;
    count = 1;
    timeout = 60s;
    upstream "local" { default = yes; self_scan = yes; }
}
END
$T->own;
my $rspamd = start_filter("$dir/rspamd.sock", 'rspamd', '-f', '-i', '-c', "$dir/rspamd.conf");
use_filters("unix:$dir/rspamd.sock");
like(send_in(text('good', 'Hello')), qr/^250/, 'rspamd: mail');
ok(inbox() =~ /^Subject: good$/m && !junk(), '... is in the inbox');
empty();
like(send_in(text('bad', "X$gtube")), qr/^55\d 5\.7\.1 Gtube pattern/, 'rspamd: spam is refused, in its words');
is(inbox() . junk(), '', '... and is nowhere');
like(send_in(text('doubtful', "Y$gtube")), qr/^250/, 'rspamd: what may be spam');
ok(junk() =~ /^X-Spam: Yes$/m && !inbox(), '... is in Junk') or diag(inbox(), junk(), $T->slurp("$dir/rspamd.log"));
empty();
like(send_in(text('doubtful', "Z$gtube")), qr/^250/, 'rspamd: a subject that is changed');
like(inbox() . junk(), qr/^Subject: \S.*doubtful$/m, '... is');
empty();
like(send_in(text('claims', 'Hello', "X-Spam: Yes\r\n")), qr/^250/, 'rspamd: who calls himself spam');
ok(inbox() =~ /^Subject: claims$/m, '... is in the inbox');
empty();
my $large = ('x' x 76 . "\r\n") x 30000;
like(send_in(text('large', $large)), qr/^250/, 'rspamd: 2 MB');
like(inbox(), qr/^Subject: large$/m, '... are in the inbox');
empty();
my $attached = "--b\r\n\r\nY$gtube\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n$large\r\n--b--\r\n"; # it looks at texts that are small only
like(send_in(text('large and doubtful', $attached, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n")), qr/^250/, 'rspamd: 2 MB that may be spam');
ok(junk() =~ /^X-Spam: Yes$/m && length junk() > 2_300_000, '... are in Junk, whole') or diag(length inbox(), ' ', length junk(), substr $T->slurp("$dir/rspamd.log"), -2000);
empty();
like(send_out(text('from a user', 'Hello') =~ s/a\@far/alice\@here/r), qr/^250/, 'rspamd: a user sends');
ok(logged("$dir/rspamd.log", qr/user: alice\@here\.test|\balice\@here\.test\b/), '... of whom it is told');
my @replies = talk($port, (map { message('a@far.test', $alice, text("number $_", $_ == 2 ? "Y$gtube" : 'Hello')) } 1 .. 3), 'QUIT');
is(scalar(grep { /Accepted/ } @replies), 3, 'rspamd: three messages of one connection');
ok(inbox() =~ /number 1/ && inbox() =~ /number 3/ && junk() =~ /number 2/ && junk() !~ /number [13]/, '... each where it belongs');
my ($id) = $replies[3] =~ /as (\S+)/;
ok(logged("$dir/rspamd.log", qr/qid: <\Q$id\E>/), '... and its log has our IDs');
end_filter($rspamd);
like(send_in(text('gone', 'Hello')), qr/^451 4\.3\.0/, 'rspamd has ended: later');

# --- opendkim

system("certtool --generate-privkey --key-type rsa --bits 2048 --no-text --outfile $dir/dkim.key >/dev/null 2>&1") == 0 or die;
my $public = join '', grep { !/-/ } split /\n/, `certtool --load-privkey $dir/dkim.key --pubkey-info 2>/dev/null | sed -n '/BEGIN/,/END/p'`;
$T->run_as('postern', '-c', $T->{conf}, 'dns');
my %ours = $T->log =~ /^(\S+?_domainkey\.here\.test)\. TXT (".*")$/mg;
s/^"|" "|"$//g for values %ours; # as they are wanted beside it
$T->spew("$dir/keys", "sel._domainkey.here.test v=DKIM1; k=rsa; p=$public\n" . join '', map { "$_ $ours{$_}\n" } sort keys %ours);
$T->spew("$dir/nobody-inside", "192.0.2.1\n");
for my $row ([ sign => 's', "Domain here.test\nSelector sel\nKeyFile $dir/dkim.key\n" ], [ verify => 'v', "InternalHosts $dir/nobody-inside\nTestPublicKeys $dir/keys\n" ]) {
    my ($name, $mode, $more) = @$row;
    $T->spew("$dir/$name.conf", "Socket local:$dir/$name.sock\nMode $mode\nUMask 000\nRequireSafeKeys no\nCanonicalization relaxed/simple\nSyslog no\n$more");
}
$T->own;
my @dkim = map { start_filter("$dir/$_.sock", 'opendkim', '-f', '-x', "$dir/$_.conf") } qw(sign verify);
use_filters("unix:$dir/sign.sock for=submission", "unix:$dir/verify.sock for=in");
for my $row ([ small => 'Hello' ], [ large => $large ]) {
    my ($name, $body) = @$row;
    empty();
    my $sent = "From: $alice\r\nTo: $bob\r\nSubject: signed\r\n  and folded\r\n\r\n$body\r\n";
    like(send_out($sent), qr/^250/, "opendkim: a user sends, $name");
    my $got = inbox('bob');
    like($got, qr/^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/simple; d=here\.test; s=sel;\n\t/m, '... and is signed');
    like($got, qr/^\th=Date:From:/m, '... with the Date that we added');
    $got =~ s/^.*?^(?=DKIM-Signature)//ms;
    $got =~ s/\n/\r\n/g;
    empty();
    like(send_in($got), qr/^250/, '... it comes back from outside');
    my ($results) = inbox() =~ /^Authentication-Results: mail\.here\.test;\n?((?:\s.*\n)+)/m;
    is(scalar(() = $results =~ /dkim=pass/g), 1 + keys %ours, '... and its signature verifies, and ours over what it made') or diag(substr inbox(), 0, 2000);
    empty();
    my $body_at = index($got, "\r\n\r\n"); # above it signatures are of letters that may be anything
    like(send_in(substr($got, 0, $body_at) . substr($got, $body_at) =~ s/Hello|xxx/changed/r), qr/^250/, '... changed on its way');
    like(inbox(), qr/^Authentication-Results: mail\.here\.test;\n?\s+dkim=fail/m, '... it does not');
}
end_filter($_) for @dkim;

# --- libmilter

my $log = "$dir/libmilter.log";
my $library = start_filter("$dir/libmilter.sock", '/usr/bin/python3', 'tests/lib/milter-libmilter', "$dir/libmilter.sock", $log);
chmod 0777, "$dir/libmilter.sock";
use_filters("unix:$dir/libmilter.sock timeout=60");

sub wished {
    my ($name, $wishes, $reply, $expected, %o) = @_;
    empty();
    unlink $log;
    my @r = talk($port, message('a@far.test', $alice, text('asked', $o{body} // 'Hello', join '', map { "X-Do: $_\r\n" } @$wishes)), 'QUIT');
    ok($r[-2] =~ $reply, "libmilter: $name") or diag(explain(\@r, $T->slurp($log), substr $T->log, -1000));
    ok($o{where} ? $o{where}->() : inbox() =~ $expected, '... and the mail') or diag(substr inbox(), 0, 2000);
}
wished('nothing', [], qr/^250/, qr/^Subject: asked$/m);
my $heard = $T->slurp($log);
like($heard, qr/^connect \[127\.0\.0\.1\] \('127\.0\.0\.1', \d+\) mail\.here\.test 127\.0\.0\.1 MTA\nhelo client\.test None None None\nfrom <a\@far\.test> None\nrcpt <alice\@here\.test> alice\@here\.test\ndata [0-9a-f]{14}-\S+\nfields 5 From To Subject Date Message-ID\nbody 7\n/m,
     '... it hears all of it');
for my $body ('Hello', $large) {
    wished('a field', ['add|X-New|one two'], qr/^250/, qr/^X-Do: .*\nX-New: one two\n\n/m, body => $body);
    wished('a field before the others', ['insert|X-New|one|0'], qr/^250/, qr/^X-New: one\nFrom: /m, body => $body);
    wished('another subject', ['change|Subject|new|1'], qr/^250/, qr/^Subject: new$/m, body => $body);
    wished('no subject', ['delete|Subject|1'], qr/^250/, qr/^To: .*\nDate: /m, body => $body);
    wished('another body', ['body|y|2000'], qr/^250/, qr/\n\n(?:y{600}\n){2000}\z/, body => $body);
    wished('skipping the body', [ 'skip', 'add|X-New|x' ], qr/^250/, qr/^X-New: x$/m, body => $body);
}
wished('a sender', ['from|<new@far.test>'], qr/^250/, qr/^Return-Path: <new\@far\.test>$/m);
wished('one more recipient', ["to|<$bob>"], qr/^250/, undef, where => sub { inbox() && inbox('bob') });
wished('another recipient', [ "to|<$bob>", "not-to|<$alice>" ], qr/^250/, undef, where => sub { !inbox() && inbox('bob') });
wished('quarantine', ['quarantine'], qr/^250/, undef, where => sub { junk() && !inbox() });
wished('progress', [ ('progress') x 3, 'accept' ], qr/^250/, qr/asked/);
wished('reject', ['reject'], qr/^550 5\.7\.1 .*\(milter\)$/, qr/^\z/);
wished('tempfail', ['tempfail'], qr/^451 4\.7\.1 .*\(milter\)$/, qr/^\z/);
wished('discard', ['discard'], qr/^250/, qr/^\z/);
wished('a reply', ['reply|550|5.7.9|not this'], qr/^550 5\.7\.9 not this$/, qr/^\z/);
wished('a reply of several lines', ['reply|451|4.7.9|not|now, please'], qr/^451-4\.7\.9 not\n451 4\.7\.9 now, please$/, qr/^\z/);
wished('421', ['reply|421|4.7.0|go away'], qr/^421 4\.7\.0 go away$/, qr/^\z/);
unlink $log;
@replies = talk($port, 'MAIL FROM:<a@far.test>', 'RCPT TO:<nobody@here.test>', "RCPT TO:<$alice>", 'RSET', 'NONSENSE here', message('a@far.test', $alice, text('second', 'x')), 'QUIT');
like($replies[-2], qr/^250/, 'libmilter: RSET, and a message');
ok(logged($log, qr/^rcpt <alice.*\nabort\nunknown NONSENSE here\nfrom .*\nrcpt .*\ndata .*\n.*\nbody 3\nclose\n\z/ms), '... and the end, are what it is told');
end_filter($library);

done_testing;
