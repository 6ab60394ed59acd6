#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# SEARCH, SORT and THREAD beside Debian's Dovecot: both are asked the same of the same messages, and must say the same. The messages are
# made up by rule out of what real ones hold: replies, lists, forwards, encoded words, addresses and dates of every kind, parts,
# charsets. Not asked is where they differ on purpose: a message without a date is earlier than any to Dovecot, and none to us; a circle of
# a message's References to itself; and "ß" finds "SS" here only.
use strict;
use warnings;
use lib 'tests/lib';
use Encode qw(encode);
use ImapTest;
use IPC::Open2;
use MIME::Base64;
use POSIX ();
use Test::More;

my $count = 300;
my $t = ImapTest->new;
my $dir = "$t->{dir}/dovecot";
my ($user, $group) = $> == 0 ? ('nobody', 'nogroup') : (scalar getpwuid $>, scalar getgrgid $));

# ---- messages, by a generator of our own, so that they are the same everywhere

my $state = 20261126;
sub pick { my @from = @_; $state = ($state * 1103515245 + 12345) % 2**31; return $from[($state >> 8) % @from]; }

my @subjects = ('lunch', 'Lunch today', 'the plan', 'PLAN B', "Gr\x{fc}\x{df}e", "gr\x{fc}sse aus K\x{f6}ln", "\x{41f}\x{440}\x{438}\x{432}\x{435}\x{442}", "\x{43f}\x{440}\x{438}\x{432}\x{435}\x{442} \x{43c}\x{438}\x{440}",
    'invoice 17', 'Invoice 17', '[list] invoice', 'a  b   c', '[a] [b]', 'apple_pie', 'applepie', "\x{c9}t\x{e9}", '');
my @before = (('') x 6, 'Re: ', 'RE: ', 'Fwd: ', 'Re: [list] ', '[list] Re: ', 'Fw: Re: ', 'Re[2]: ', 'Re : ');
my @behind = (('') x 9, ' (fwd)', ' (FWD) (fwd)', '  ');
my @people = ('alice@example.org', 'Bob <bob@example.org>', '"Carol, the Great" <carol@example.com>', 'dave@Example.ORG (Dave)', 'Zoe <zoe@example.net>',
    "J\x{fc}rgen <juergen\@example.org>", "\x{c4}nne <anne\@example.org>", 'anna <ANNA@example.org>', 'friends: eve@example.org, mallory@example.org;');

sub words {
    my ($text) = @_;
    return $text if $text !~ /[^\x00-\x7f]/;
    my $charset = pick('utf-8', $text =~ /[^\x00-\xff]/ ? 'koi8-r' : 'iso-8859-1');
    return '=?' . $charset . '?B?' . encode_base64(encode($charset, $text), '') . '?=' if pick(0, 1);
    return '=?' . $charset . '?Q?' . join('', map { /[A-Za-z0-9]/ ? $_ : $_ eq ' ' ? '_' : sprintf '=%02X', ord } split //, encode($charset, $text)) . '?=';
}

sub person {
    my $who = pick(@people);
    return $who =~ s/^([^<]*[^\x00-\x7f][^<]*?) </words($1) . ' <'/er;
}

sub quoted_printable { return join '', map { /[!-<>-~ \n]/ ? $_ : sprintf '=%02X', ord } split //, $_[0]; }

sub text_part {
    my $text = join(' ', map { pick('some', 'words', 'of', 'text', "K\x{f6}ln", 'quokka', "\x{41c}\x{438}\x{440}", 'STRASSE', 'end') } 1 .. pick(3, 10, 40)) . "\n";
    my $charset = $text =~ /[^\x00-\xff]/ ? pick('utf-8', 'utf-8') : pick('utf-8', 'iso-8859-1', 'windows-1252');
    $charset = 'koi8-r' if $text !~ /\x{f6}/ && $text =~ /[^\x00-\xff]/ && pick(0, 1);
    my ($encoding, $body) = @{ pick(['8bit', sub { $_[0] }], ['base64', \&encode_base64], ['quoted-printable', \&quoted_printable]) };
    return "Content-Type: text/plain; charset=$charset\nContent-Transfer-Encoding: $encoding\n\n" . $body->(encode($charset, $text));
}

sub message {
    my ($n) = @_;
    my $known = sub { my $other = 1 + pick(0 .. ($n < 40 ? 39 : $n)); return '<' . ($other == $n ? 'gone' . $other % 5 : $other) . '@test>' };
    my @h = ('From: ' . person(), 'To: ' . join(', ', map { person() } 1 .. pick(1, 1, 2)));
    push @h, 'Cc: ' . person() if pick(0, 0, 1);
    my $subject = pick(@subjects);
    push @h, 'Subject: ' . pick(@before) . words($subject) . pick(@behind) if pick(0 .. 20);
    push @h, 'Date: ' . POSIX::strftime('%a, %d %b %Y %H:%M:%S ', gmtime(1577836800 + 3600 * pick(0 .. 5000))) . pick('+0000', '+0200', '-0730', 'GMT', 'EST') if pick(0 .. 20);
    push @h, 'Date: once upon a time' if !grep { /^Date/ } @h and pick(0, 1);
    push @h, "Message-ID: <$n\@test>" if pick(0 .. 20);
    push @h, 'In-Reply-To: ' . $known->() if pick(0, 0, 1);
    push @h, 'References: ' . join("\n ", map { $known->() } 1 .. pick(1, 2, 4)) if pick(0, 0, 1);
    push @h, 'X-Mark: ' . pick('one', 'Two', 'three four');
    my $head = join("\n", @h) . "\nMIME-Version: 1.0\n";
    return $head . text_part() if pick(0, 1, 1);
    return $head . "Content-Type: multipart/mixed; boundary=b\n\n--b\n" . text_part() . "--b\n" . text_part() . "--b--\n";
}

# The folder as both have it: names of one second each, so that both take them in this order.
sub fill {
    my ($mail) = @_;
    system('mkdir', '-p', map { "$mail/$_" } qw(cur new tmp)) == 0 or die;
    for my $n (1 .. $count) {
        my $time = 1590000000 + 100 * $n;
        my $path = "$mail/cur/$time.M1P1.host:2," . ('', 'S', 'F', 'RS', 'FS')[$n % 5];
        open my $f, '>:raw', $path or die "$path: $!";
        my $text = message($n);
        utf8::encode($text) if utf8::is_utf8($text);
        print $f $text;
        close $f;
        utime $time + 7 * (($n * 37) % $count), $time + 7 * (($n * 37) % $count), $path;
    }
}

# ---- Dovecot's imap, logged in already

my ($out, $in);

sub start_dovecot {
    open my $f, '>', "$dir/conf" or die;
    print $f "ssl = no\nprotocols = imap\nmail_location = maildir:$dir/mail\nbase_dir = $dir/run\nstate_dir = $dir/run\nlog_path = $dir/log\nfirst_valid_uid = 1\n",
        "default_internal_user = $user\ndefault_internal_group = $group\ndefault_login_user = $user\nnamespace inbox {\n inbox = yes\n}\n";
    close $f;
    $t->own;
    local @ENV{qw(USER HOME)} = ('alice', $dir);
    my $pid = open2($out, $in, ImapTest::as_owner('sh', '-c', "exec /usr/lib/dovecot/imap -c '$dir/conf' 2>>'$dir/log'"));
    binmode $_, ':raw' for $out, $in;
    (<$out> // '') =~ /PREAUTH/ or die 'dovecot: ' . `cat $dir/log`;
    return $pid;
}

sub dovecot {
    my ($command) = @_;
    my @lines;
    print $in "d $command\r\n";
    $in->flush;
    while (defined(my $line = <$out>)) {
        $line =~ s/\r\n//;
        return ($line =~ /^d (\S+)/, @lines) if $line =~ /^d /;
        push @lines, $line;
    }
    die "dovecot: gone at $command\n" . `cat $dir/log`;
}

mkdir $dir;
mkdir "$dir/mail";
fill($t->{mail});
system("cp -a '$t->{mail}/cur' '$t->{mail}/new' '$t->{mail}/tmp' '$dir/mail/'") == 0 or die;
my $pid = start_dovecot();
my $s = $t->session;
$s->ok('SELECT INBOX');
(dovecot('SELECT INBOX'))[0] eq 'OK' or die;

sub answers {
    my ($command) = @_;
    my ($status, undef, @ours) = $s->command($command);
    my ($theirs, @lines) = dovecot($command);
    my $line = sub { join "\n", map { s/\(TAG "[^"]*"\)/(TAG)/r } grep { /^\* (?:SEARCH|SORT|THREAD|ESEARCH)/ } @_ };
    return ("$status " . $line->(@ours), "$theirs " . $line->(@lines));
}

sub same {
    my ($command, $name) = @_;
    my ($ours, $theirs) = answers($command);
    is $ours, $theirs, $name // $command;
}

my @ids = map { [map { /Message-ID: (\S*)/i ? $1 : () } @$_] } [$s->ok('FETCH 1:* BODY.PEEK[HEADER.FIELDS (Message-ID)]')], [dovecot('FETCH 1:* BODY.PEEK[HEADER.FIELDS (Message-ID)]')];
is_deeply $ids[0], $ids[1], 'the same messages in the same order';

same("SORT ($_) UTF-8 ALL") for qw(ARRIVAL DATE SIZE SUBJECT FROM TO CC DISPLAYFROM DISPLAYTO), map({ "REVERSE $_" } qw(ARRIVAL DATE SIZE SUBJECT FROM DISPLAYTO)),
    'SUBJECT REVERSE DATE', 'FROM SUBJECT', 'REVERSE FROM REVERSE SUBJECT SIZE', 'TO CC DATE';
same("THREAD $_ UTF-8 ALL") for qw(ORDEREDSUBJECT REFERENCES);
same("THREAD REFERENCES UTF-8 $_") for '1:50', 'SUBJECT invoice', 'SEEN';

sub literal { my $text = encode('utf-8', $_[0]); return sprintf("{%d+}\r\n%s", length $text, $text); }
for my $sought ('lunch', 'LUNCH TO', "GR\x{dc}", "k\x{f6}LN", "\x{43f}\x{420}\x{418}", 'invoice 1', 'e_p', 'nowhere', "\x{e9}t") {
    same("SEARCH CHARSET UTF-8 $_ " . literal($sought), "$_ " . encode('utf-8', $sought)) for 'SUBJECT', 'TEXT';
}
same("SEARCH CHARSET UTF-8 BODY " . literal($_), 'BODY ' . encode('utf-8', $_)) for 'quokka', "k\x{d6}LN", "\x{43c}\x{418}\x{440}", 'strasse', 'text end', 'lunch';
same("SEARCH $_") for 'FROM example.org', 'FROM Great', 'TO "Bob <"', 'CC anna', 'HEADER X-Mark two', 'HEADER Cc ""', 'HEADER X-None ""', 'SENTON 3-Feb-2020', 'SENTBEFORE 1-Mar-2020 SENTSINCE 1-Jan-1980', 'SENTSINCE 1-Mar-2020',
    'BEFORE 22-May-2020', 'SINCE 22-May-2020', 'ON 21-May-2020', 'LARGER 600', 'SMALLER 500', 'OR SUBJECT lunch NOT FROM bob', 'NOT (SEEN FLAGGED) 10:*', 'UID 5:40,100', 'YOUNGER 1000', 'OLDER 100000000';
same("UID SEARCH RETURN ($_) SUBJECT invoice") for 'MIN', 'MAX', 'COUNT', 'ALL', 'MIN MAX', '', 'SAVE', 'SAVE COUNT';
same($_) for 'SEARCH $', 'UID SEARCH RETURN (SAVE MIN MAX) SUBJECT lunch', 'UID SEARCH UID $', 'SORT RETURN (MIN MAX COUNT) (REVERSE DATE) UTF-8 SUBJECT plan', 'UID SORT RETURN (ALL) (SUBJECT) UTF-8 ALL';

$s->logout;
dovecot('LOGOUT');
waitpid $pid, 0;
done_testing;
