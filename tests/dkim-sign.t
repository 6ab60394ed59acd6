#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Submitted mail is signed: by login, from `networks` and by sendmail(8), as it leaves by qrun, to servers with and without 8BITMIME, and as
# it arrives in a mailbox here. dkimpy and opendkim verify both signatures of each, with the keys as `postern dns` printed them, served on
# loopback. And who may not have a signature gets none.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use SignedZones;
use MIME::Base64 qw(encode_base64);
use Test::More;

my $T = QrunTest->new(domain => 'example.org', 'plaintext-login' => 'yes', 'message-size' => '20M', 'messages-per-account' => 0);
my %ip = (eight => '127.0.9.2', seven => '127.0.9.3', utf8 => '127.0.9.4');
my $DKIM = qr/^DKIM-Signature:/m;

sub postern { my (@words) = @_; $T->run_as('postern', '-c', $T->{conf}, @words) == 0 or die "postern @words: " . $T->log; }
sub printed { return join '', grep { /_domainkey/ } `@{[ map { "'$_'" } $T->command('postern', '-c', $T->{conf}, 'dns') ]}`; }
$T->run_as('sh', '-c', 'for u in ann bob; do echo $u-secret | "$0" -c "$1" user add $u@example.org; done', "$T->{bin}/postern", $T->{conf});
postern('alias', 'add', 's', 'ann');
postern('alias', 'add', 'r', 'ann');
postern('domain', 'add', 'other.org');
postern('alias', 'add', 'both@other.org', 'ann@example.org');
postern('domain', 'add', "b\xc3\xbccher.test", '=', 'example.org');

# DNS: where mail goes, and the keys as they were printed.
my $zone = join '', map { "$_.test. MX 10 mx.$_.test.\nmx.$_.test. A $ip{$_}\n" } sort keys %ip;
my $keys = printed();
my $z = SignedZones->new($T, 'test' => { text => $zone . join('', grep { /\.test\. TXT/ } split /^/, $keys) },
                         'org' => { text => join '', grep { /\.org\. TXT/ } split /^/, $keys });
$T->sinks("$ip{eight}=accept", "$ip{seven}=no8bit", "$ip{utf8}=utf8");
my ($submission, $trusted, $mx) = map { QrunTest::free_port() } 1 .. 3;
$T->serve_smtpd('127.0.0.1', $submission, '-s');

# --- a client

my ($socket, $said);
sub hear { my $line; do { $line = <$socket> // die "hung up behind $said" } while $line =~ /^\d\d\d-/; return $line; }
sub say { ($said) = @_; print $socket "$said\r\n"; return hear(); }
sub expect { my ($code, $words) = @_; my $is = say($words); $is =~ /^$code/ or die "$words: $is"; }
sub enter {
    my ($port, $user) = @_;
    $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die;
    binmode $socket;
    hear();
    expect(250, 'EHLO client.test');
    expect(235, 'AUTH PLAIN ' . encode_base64("\0$user\0" . ($user =~ /^(\w+)/)[0] . '-secret', '')) if $user;
}
# The reply to the message. o: bdat (chunk size), options of MAIL.
sub submit {
    my ($from, $to, $text, %o) = @_;
    my $is = say("MAIL FROM:<$from>" . ($o{options} ? " $o{options}" : ''));
    return $is if $is !~ /^250/;
    for (ref $to ? @$to : $to) {
        $is = say("RCPT TO:<$_>");
        return $is if $is !~ /^250/;
    }
    if ($o{bdat}) {
        for (my $at = 0; $at < length $text || !$at; $at += $o{bdat}) {
            my $piece = substr $text, $at, $o{bdat};
            print $socket "BDAT ", length $piece, $at + $o{bdat} >= length $text ? ' LAST' : '', "\r\n$piece";
            $is = hear();
        }
        return $is;
    }
    expect(354, 'DATA');
    $text =~ s/^\./../mg;
    $text .= "\r\n" if $text !~ /\r\n\z/;
    print $socket "$text.\r\n";
    return hear();
}

# --- verifiers

my $zone_file = "$T->{dir}/keys";
# What DNS says for each name that was printed: "name text".
sub fetch_keys {
    my ($records) = @_;
    my $all = '';
    for my $name ($records =~ /^(\S+)\. TXT/mg) {
        my $text = $z->dig($name, 'TXT');
        $all .= "$name " . join('', $text =~ /"([^"]*)"/g) . "\n";
    }
    $T->spew($zone_file, $all);
}
fetch_keys($keys);
is scalar(split /^/, $T->slurp($zone_file)), 6, 'the keys of three domains are in DNS';

# Verifies texts by both peers: NAME => results. Each message has its name in X-Number.
sub verify {
    my ($texts) = @_;
    my $folder = "$T->{dir}/verify";
    mkdir $folder;
    unlink glob "$folder/*";
    $T->spew("$folder/$_", $texts->{$_}) for keys %$texts;
    my %results;
    for my $peer (qw(dkimpy opendkim)) {
        for (`tests/lib/dkim-peers $peer verify $zone_file $folder 2>&1`) {
            /^# / and do { $results{remarks} .= "$peer $_"; next };
            my ($name, $result) = /^(\S+) ?(.*)$/;
            $results{$name} .= "$peer $result; ";
        }
    }
    return \%results;
}
my $GOOD = 'dkimpy pass pass; opendkim pass pass; ';
my $NONE = 'dkimpy ; opendkim ; ';
sub all_verify {
    my ($name, $texts, $wanted) = @_;
    my $is = verify($texts);
    my $remarks = delete $is->{remarks};
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply $is, { map { $_ => $wanted // $GOOD } keys %$texts }, $name or diag $remarks // '';
}

# As it was sent from here: without what stands above the signatures.
sub own { my ($text) = @_; return $text =~ s/\A(?:(?!DKIM-Signature:)[^\r\n]+\r\n)+//r; }
# What each sink took and who has in the mailbox, by X-Case.
sub case_of { my ($text) = @_; return $text =~ /^X-Case: (\S+)\r?$/m ? $1 : die "no case: $text"; }
sub sent { my ($host) = @_; return { map { case_of($_->{text}) => $_->{text} } $T->taken($ip{$host}) }; }
sub delivered { my ($user) = @_; return { map { case_of($_) => s/\n/\r\n/gr } $T->mailbox($user) }; }
sub run_queue {
    $T->qrun;
    is join(' ', map { $T->slurp($_) =~ s/\n\n.*//sr } $T->in_queue), '', 'all has left the queue';
}
sub clean { $T->forget; my ($mail) = "$T->{server}/mail/example.org"; unlink glob "$mail/*/new/* $mail/*/cur/*"; }

# --- messages of every shape, by login, to all three

my (%shape, %options);
my $folder = "$T->{dir}/messages";
mkdir $folder;
system('tests/lib/dkim-peers', 'messages', $folder, 200) == 0 or die;
for (glob "$folder/*") {
    my $number = s{.*/}{}r;
    $shape{$number} = "X-Case: $number\r\n" . $T->slurp($_);
}
my $head = "From: ann\@example.org\r\nTo: bob\@example.org\r\n";
my $utf8 = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
%shape = (%shape,
    bcc => "X-Case: bcc\r\nBcc: secret\@example.org\r\nReturn-Path: <x\@y>\r\n${head}Subject: x\r\n\r\nx\r\n",
    parts => "X-Case: parts\r\n${head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        . "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\xf6\r\n--b\r\n"
        . "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" . "\xff\xfe\xfd" x 200 . "\r\n--b--\r\n",
    group => "X-Case: group\r\nFrom: Team: Ann <ann\@example.org>, s\@example.org;\r\nSubject: x\r\n\r\nx\r\n",
    twice => "X-Case: twice\r\nDKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.test; s=x; h=from; bh=AA==; b=AA==\r\n${head}\r\nx\r\n",
    wide => "X-Case: wide\r\n${head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        . '<p>no line end, ' x 500 . "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x\@y.test\r\n\r\n" . 'z' x 2000 . "\r\n--b--\r\n",
    large => "X-Case: large\r\n${head}Subject: large\r\n\r\n" . "a line of sixty-four bytes with its end, and so on, to the end\r\n" x 60000,
    large8 => "X-Case: large8\r\n${head}${utf8}Subject: gr\xc3\xb6\xc3\x9fer\r\n\r\n" . "na\xc3\xafve \xe2\x82\xac \xe2\x82\xac caf\xc3\xa9\r\n" x 100000,
    growing => "X-Case: growing\r\n${head}${utf8}\r\n" . "\xc3\xa4\xc3\xb6\xc3\xbc\r\n" x 100000, # in memory as it comes, in a file once encoded
);
my %bdat = (chunks => "X-Case: chunks\r\n${head}${utf8}\r\nna\xc3\xafve\r\n.\r\nno line end",
            chunked => "X-Case: chunked\r\n$head\r\n" . "chunk after chunk\r\n" x 100000);
my $binary = "X-Case: %s\r\n${head}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\n"
    . "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\r\n--b\r\n"
    . "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n%s\r\n--b--\r\n";
my %binary = (binary => sprintf($binary, 'binary', "\0\r\n\n\xff"), binlarge => sprintf($binary, 'binlarge', "\0\n\xff" x 600000));

enter($submission, 'ann@example.org');
my @to = qw(bob@example.org x@eight.test x@seven.test);
my %refused;
for (sort keys %shape) {
    my $is = submit('ann@example.org', \@to, $shape{$_});
    $refused{$_} = $is if $is !~ /^250/;
}
for (sort keys %bdat) {
    my $is = submit('ann@example.org', \@to, $bdat{$_}, bdat => 777777);
    $refused{$_} = $is if $is !~ /^250/;
}
for (sort keys %binary) {
    my $is = submit('ann@example.org', \@to, $binary{$_}, bdat => 500000, options => 'BODY=BINARYMIME');
    $refused{$_} = $is if $is !~ /^250/;
}
is_deeply \%refused, {}, 'all messages are taken';
run_queue();
my %all = (%shape, %bdat, %binary);
my ($eight, $seven, $local) = (sent('eight'), sent('seven'), delivered('bob'));
is_deeply [ sort keys %$_ ], [ sort keys %all ], 'all arrived' for $eight, $seven, $local;
delete $eight->{twice}; # another's signature fails
all_verify('with 8BITMIME, both signatures verify', $eight);
is join(' ', sort grep { own($seven->{$_}) ne own($eight->{$_}) } keys %$eight), '', 'without it, the same bytes come';
is join(' ', sort grep { own($local->{$_}) ne own($eight->{$_}) } keys %$eight), '', 'and to who is here';
is join(' ', sort grep { $seven->{$_} =~ /[\x80-\xff]/ } keys %$seven), '', 'all in 7 bits';
is join(' ', sort grep { $seven->{$_} =~ /^(?!z)[^\r\n]{999}/m } keys %$seven), '', 'and without lines that others would break';
like $seven->{wide}, qr/^z{2000}\r$/m, 'but for those of attached messages';
all_verify('another\'s signature stays, below ours', { twice => $seven->{twice} }, 'dkimpy pass pass fail; opendkim pass pass fail; ');
unlike $eight->{bcc}, qr/^(?:Bcc|Return-Path):/m, 'without what is nobody else\'s business';
like $eight->{binlarge}, qr/^Content-Transfer-Encoding: base64\r$/m, 'binary parts are base64';
like substr($eight->{$_}, 0, 5000), qr/\A(?:(?!DKIM)[^\r]*\r\n)*DKIM-Signature:.*?\bd=example\.org;.*?\bs=\S+-rsa;.*?\r\nDKIM-Signature:.*?\bs=\S+-ed25519;/s, "$_: below our Received"
    for '000', 'large';
like $eight->{'000'} =~ s/\r\n[\t ]+//gr, qr/\bh=(?=[^;]*\bfrom:(?:[^;]*:)?from\b)(?=[^;]*subject:(?:[^;]*:)?subject\b)(?=[^;]*\bto:(?:[^;]*:)?to\b)/i, 'From, To and Subject are signed once too often';
{
    my %more = map { $_ => $eight->{$_} =~ s/^(Subject: )/Subject: forged\r\n$1/mr } grep { $eight->{$_} =~ /^Subject: /m } sort keys %$eight;
    my $some = { map { $_ => $more{$_} } (sort keys %more)[0 .. 4] };
    all_verify('so that a second one above it is seen', $some, 'dkimpy fail fail; opendkim fail fail; ');
}
clean();

# --- what stays in 8 bits

my %stays = (
    address8 => "X-Case: address8\r\n${head}Cc: J <J\xc3\xb6rg\@example.org>\r\nSubject: \xff\r\n\r\n\xc3\xa4\r\n",
    signed => "X-Case: signed\r\n${head}MIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha1; boundary=s\r\n\r\n"
        . "--s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\r\n--s\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--s--\r\n",
    toobig => "X-Case: toobig\r\n${head}${utf8}\r\n" . "\xc3\xa4\xc3\xb6\xc3\xbc \xc3\xa4\xc3\xb6\xc3\xbc\r\n" x 1200000);
for (sort keys %stays) {
    like submit('ann@example.org', [ 'bob@example.org', 'x@eight.test' ], $stays{$_}), qr/^250/, "$_: taken";
}
my $utf8_text = "X-Case: utf8\r\nFrom: Ann <ann\@b\xc3\xbccher.test>\r\nTo: \xc3\xa4\@utf8.test\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\nna\xc3\xafve\r\n";
like submit("ann\@b\xc3\xbccher.test", [ 'bob@example.org', "\xc3\xa4\@utf8.test" ], $utf8_text, options => 'SMTPUTF8 BODY=8BITMIME'), qr/^250/, 'utf8: taken';
like submit('ann@example.org', 'x@eight.test', "X-Case: ascii\r\n$head$utf8\r\nna\xc3\xafve\r\n", options => 'SMTPUTF8 BODY=8BITMIME'), qr/^250/, 'ascii header: taken';
like submit('ann@example.org', 'bob@example.org', "X-Case: here\r\n$head$utf8\r\nna\xc3\xafve\r\n", options => 'BODY=8BITMIME'), qr/^250/, 'here: taken';
run_queue();
($eight, $local) = (sent('eight'), delivered('bob'));
all_verify('signed as it is', { address8 => $eight->{address8}, signed => $eight->{signed}, toobig => $eight->{toobig}, utf8 => sent('utf8')->{utf8}, here => $local->{here} });
ok index($eight->{$_}, $stays{$_} =~ s/.*?\r\n\r\n//sr) > 0, "$_: not a byte is changed" for sort keys %stays;
like sent('utf8')->{utf8}, qr/^DKIM-Signature:(?:(?!^\S).)*\bd=xn--bcher-kva\.test;/ms, 'by the A-labels of From\'s domain';
like sent('utf8')->{utf8}, qr/^Subject: gr\xc3\xbc\xc3\x9fe\r$/m, 'what came with SMTPUTF8 keeps its header';
like $local->{here}, qr/na\xc3\xafve/, 'what stays here stays as it is';
unlike $eight->{ascii}, qr/[\x80-\xff]/, 'where SMTPUTF8 was said for nothing, it is encoded';
all_verify('and signed', { ascii => $eight->{ascii} });
clean();

# --- which domain

like submit('ann@example.org', 'x@eight.test', "X-Case: by\r\nFrom: both\@other.org\r\n\r\nx\r\n"), qr/^250/, 'an address in another domain that is ann\'s';
like submit('ann@example.org', 'x@eight.test', "X-Case: none\r\n\r\nx\r\n"), qr/^250/, 'no From';
like submit('', 'x@eight.test', "X-Case: null\r\nFrom: ann\@example.org\r\n\r\nx\r\n"), qr/^250/, 'the null sender';
like submit('ann@example.org', 'x@eight.test', "X-Case: not\r\nFrom: bob\@other.org\r\n\r\nx\r\n"), qr/^550 5\.7\.1/, 'one that isn\'t hers is refused';
run_queue();
$eight = sent('eight');
all_verify('all are signed', $eight);
is_deeply { map { my ($d) = $eight->{$_} =~ /\bd=([^;]+)/; $_ => $d } keys %$eight }, { by => 'other.org', none => 'example.org', null => 'example.org' }, 'by the domain in From';
clean();

# --- strangers, `networks`, and programs of this machine

$T->serve_smtpd('127.0.0.1', $mx);
enter($mx);
like submit('ann@example.org', 'bob@example.org', "X-Case: stranger\r\n${head}\r\nx\r\n"), qr/^250/, 'a stranger who says that he is ann';
unlike delivered('bob')->{stranger}, $DKIM, 'is not signed for';
clean();
$T->settings(networks => '127.0.0.1');
enter($mx);
like submit('printer@elsewhere.test', 'x@eight.test', "X-Case: ours\r\n${head}\r\nx\r\n"), qr/^250/, 'from networks, for a domain of ours';
like submit('printer@elsewhere.test', 'x@eight.test', "X-Case: theirs\r\nFrom: x\@elsewhere.test\r\n\r\nx\r\n"), qr/^250/, 'and for another\'s';
$T->spew("$T->{dir}/mail", "X-Case: sendmail\nFrom: Cron <ann\@example.org>\nTo: x\@eight.test\n\nna\xc3\xafve\n");
is $T->run_as('sh', '-c', '"$0" -c "$1" -t <"$2"', "$T->{bin}/sendmail", $T->{conf}, "$T->{dir}/mail"), 0, 'by sendmail';
run_queue();
$eight = sent('eight');
all_verify('what comes from there is signed', { map { $_ => $eight->{$_} } qw(ours sendmail) });
unlike $eight->{theirs}, $DKIM, 'if the domain has keys';
clean();

# --- keys that can't be used, and none

my @pem = glob "$T->{server}/dkim/example.org/*";
my ($rsa) = grep { /rsa/ } @pem;
chmod 0644, $rsa;
enter($submission, 'ann@example.org');
like submit('ann@example.org', 'x@eight.test', "X-Case: one\r\n${head}\r\nx\r\n"), qr/^250/, 'a key that others can read';
like $T->log, qr/event=dkim-key-unusable file=\Q$rsa\E/, 'is told in the log';
chmod 0600, $rsa;
postern('dkim', 'remove', '--now', 'other.org', map { s{.*/|[.]pem\z}{}gr } glob "$T->{server}/dkim/other.org/*");
enter($submission, 'ann@example.org');
like submit('ann@example.org', 'x@eight.test', "X-Case: without\r\nFrom: both\@other.org\r\n\r\nna\xc3\xafve\r\n"), qr/^250/, 'a domain without keys';
run_queue();
$eight = sent('eight');
all_verify('and not used: the other one is', { one => $eight->{one} }, 'dkimpy pass; opendkim pass; ');
unlike $eight->{without}, $DKIM, 'is as it was before';
like $eight->{without}, qr/na\xc3\xafve/, 'in its 8 bits too';
clean();

# --- reports of ours: of qrun, and of what smtpd delivered

postern('dkim', 'make', 'Mail.example.org');
my $host_keys = join '', grep { /\.mail\.example\.org\. TXT/ } split /^/, printed();
$z->change('org', $host_keys . join '', grep { /\.org\. TXT/ } split /^/, $keys);
fetch_keys($keys . $host_keys);
enter($mx);
like submit('x@eight.test', 'rej@eight.test', "X-Case: bounce\r\nFrom: x\@eight.test\r\n\r\nx\r\n"), qr/^250/, 'mail that will bounce';
expect(250, 'MAIL FROM:<x@eight.test>');
expect(250, 'RCPT TO:<ann@example.org> NOTIFY=SUCCESS');
expect(354, 'DATA');
like say("X-Case: success\r\nFrom: x\@eight.test\r\n\r\nx\r\n."), qr/^250/, 'and such of whose delivery is to be told';
$T->qrun;
run_queue();
my @reports = sort { $a->{text} =~ /^X-Case: (\S+)/m; my $x = $1; $b->{text} =~ /^X-Case: (\S+)/m; $x cmp $1 } $T->taken($ip{eight});
is_deeply [ map { $_->{from} } @reports ], [ '', '' ], 'two reports leave';
all_verify('both are signed', { map { $_ => $reports[$_]{text} } 0, 1 });
is join(' ', map { $_->{text} =~ /\bd=([^;]+)/ } @reports), 'mail.example.org mail.example.org', 'by the name of the host';
clean();

# --- new keys while mail flows, which has begun before they are made

my $writer = fork // die;
if (!$writer) {
    for my $n (1 .. 60) {
        enter($submission, 'ann@example.org');
        my $is = submit('ann@example.org', 'x@eight.test', "X-Case: $n\r\n${head}\r\nx\r\n");
        $is =~ /^250/ or do { diag $is; POSIX::_exit(1) };
        $socket->close;
    }
    POSIX::_exit(0);
}
$T->eventually(60, sub { $T->in_queue }) or diag 'no mail';
postern('dkim', 'rotate', 'example.org');
$keys = printed();
$z->change('org', join '', grep { /\.org\. TXT/ } split /^/, $keys);
postern('dkim', 'rotate', 'example.org');
waitpid $writer, 0;
is $?, 0, 'mail was taken all the while';
enter($submission, 'ann@example.org');
submit('ann@example.org', 'x@eight.test', "X-Case: last\r\n${head}\r\nx\r\n");
run_queue();
fetch_keys($keys);
$eight = sent('eight');
all_verify('whichever key it was signed with, it verifies', $eight);
my %selectors = map { $_ => 1 } map { $_ =~ /\bs=([^;]+-rsa)/ } values %$eight;
is scalar(keys %selectors), 2, 'old and new ones';
done_testing;
