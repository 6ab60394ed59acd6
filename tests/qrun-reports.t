#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the queue runner tells senders (RFC 3461 to 3464, 6533): each action with each NOTIFY, by a server with DSN and by one
# without; what goes along; delays; reports that can't be delivered themselves; read by Python's email parser and by mutt.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;
use JSON::PP;

my $T = QrunTest->new(timeout => 60, 'retry-first' => '5m', 'delay-notice' => '4h');
my %ip = (dsn => '127.0.4.2', old => '127.0.4.3', dsnutf8 => '127.0.4.4');
$T->dns((map { ("--mx-host=$_.test,mx.$_.test,10", "--host-record=mx.$_.test,$ip{$_}") } sort keys %ip));
my $socket = "$T->{sink}/lmtp";
$T->sinks("$ip{dsn}=dsn", "$ip{old}=accept", "$ip{dsnutf8}=dsn,utf8", "unix:$socket=lmtp");
$T->spew("$T->{server}/routes", "box.test lmtp:unix:$socket\n");
$T->own;
sub postern { $T->run_as('postern', '-c', $T->{conf}, @_) == 0 or die $T->log }
postern('tables');
postern('alias', 'add', 'several@here.test', 'alice@here.test', 'out@dsn.test');
postern('alias', 'add', 'away@here.test', 'away@dsn.test');
postern('alias', 'add', 'awayold@here.test', 'away@old.test');

sub reports { my ($id) = @_; return grep { /^X-Postern-Queue-ID: \Q$id\E$/m && /^Return-Path: <>$/m } $T->mailbox('alice') }
sub actions { my ($id) = @_; return join ' ', sort map { /^Action: (\w+)$/mg } reports($id) }
sub empty {
    my ($mail) = $T->slurp($T->{conf}) =~ /^mail (\S+)/m;
    $mail = "$T->{server}/$mail" if $mail !~ m{^/};
    system 'sh', '-c', "rm -f '" . ($mail =~ s/%d.*//r) . "here.test/alice/new/'*";
    $T->run_as('rm', '-rf', $T->in_queue) if $T->in_queue;
    $T->forget;
}

# What a message comes to, and what is told with NOTIFY= these: success, failure, delay.
my %outcomes = (
    'alice@here.test' => { success => 'delivered' },
    'several@here.test' => { success => 'expanded' },
    'away@here.test' => {},
    'awayold@here.test' => { success => 'relayed' },
    'ok@old.test' => { success => 'relayed' },
    'ok@dsn.test' => {},
    'ok@box.test' => { success => 'delivered' },
    'rej1@box.test' => { failure => 'failed' },
    'rej1@old.test' => { failure => 'failed' },
    'rej1@dsn.test' => { failure => 'failed' },
    'nobody@here.test' => { failure => 'failed' },
    'tmp1@old.test' => { delay => 'delayed' },
    'tmp1@dsn.test' => { delay => 'delayed' },
);
subtest 'each action with each NOTIFY' => sub {
    my (@cases, %moved);
    for my $words ('', 'never', 'success', 'failure', 'delay', 'success,failure', 'success,delay', 'failure,delay', 'success,failure,delay') {
        my %asked = map { $_ => 1 } $words ? split /,/, $words : qw(failure delay);
        for my $to (sort keys %outcomes) {
            my $told = join ' ', map { $outcomes{$to}{$_} // () } grep { $asked{$_} } qw(success failure delay);
            my $id = $T->put('alice@here.test', [$to], age => 5 * 3600, $words ? (rcpt => { $to => "notify=$words" }) : ());
            push @cases, [ $id, $to, $words, $told ];
        }
    }
    is $T->qrun, 0, 'one run';
    my %by_id;
    for my $m ($T->mailbox('alice')) { # a forwarded copy has an ID of its own
        push @{ $by_id{$1} }, $m =~ /^Action: (\w+)$/mg if $m =~ /^Return-Path: <>$/m && $m =~ /^X-Postern-Queue-ID: (\S+)$/m;
    }
    my %by_alias;
    for my $m ($T->mailbox('alice')) {
        push @{ $by_alias{$1} }, $m =~ /^Action: (\w+)$/mg if $m =~ /^Original-Recipient: rfc822; (awayold\@here\.test)$/m;
    }
    for (@cases) {
        my ($id, $to, $words, $told) = @$_;
        next if $to =~ /^awayold/;
        is join(' ', @{ $by_id{$id} // [] }), $told, ($words || 'nothing said') . ": $to: " . ($told || 'not a word');
    }
    my $expected = grep { $_->[1] =~ /^awayold/ && $_->[3] } @cases;
    is join(' ', @{ $by_alias{'awayold@here.test'} // [] }), join(' ', ('relayed') x $expected), 'an alias for one address elsewhere: told from there';
    my %said = map { /RCPT TO:<(\S+?)>(.*)/ ? ("$1$2" => 1) : () } $T->events($ip{dsn});
    for my $words (split / /, "NEVER SUCCESS FAILURE DELAY SUCCESS,FAILURE SUCCESS,DELAY FAILURE,DELAY SUCCESS,FAILURE,DELAY") {
        ok $said{"ok\@dsn.test NOTIFY=$words"}, "NOTIFY=$words is passed on";
        ok $said{"away\@dsn.test NOTIFY=$words ORCPT=rfc822;away\@here.test"}, "NOTIFY=$words through an alias, with its ORCPT";
        my $without = join ',', grep { $_ ne 'SUCCESS' } split /,/, $words;
        $without ||= 'NEVER';
        ok $said{"out\@dsn.test NOTIFY=$without ORCPT=rfc822;several\@here.test"}, "NOTIFY=$words of one that was expanded: without SUCCESS";
    }
    ok $said{'ok@dsn.test'}, 'nothing where nothing was said';
    is scalar(grep { /NOTIFY|ORCPT|RET=|ENVID/ } $T->events($ip{old})), 0, 'a server without DSN hears nothing of it';
    my @waiting = map { $_->[0] } grep { $_->[1] =~ /^tmp/ } @cases;
    my $before = $T->mailbox('alice');
    $T->make_due($_) for @waiting;
    $T->qrun;
    is scalar($T->mailbox('alice')), $before, 'the next attempt tells of no delay again';
    empty();
};

subtest 'RET, ENVID and ORCPT' => sub {
    my $text = "Subject: with a body\r\n\r\nthe body\r\n.dot\r\n";
    my %o = (text => $text, options => "return full\nenvid QQ+2B31\n",
             rcpt => { map { $_ => 'notify=success,failure orcpt=rfc822;Bob+2Bx@else.test' } 'rej1@old.test', 'ok@dsn.test', 'ok@old.test', 'rej1@dsn.test' });
    my $id = $T->put('alice@here.test', [ 'rej1@old.test', 'ok@dsn.test', 'ok@old.test' ], %o);
    $T->qrun;
    my ($mail) = grep { /MAIL FROM/ } $T->events($ip{dsn});
    like $mail, qr/MAIL FROM:<alice\@here\.test> SIZE=\d+ RET=FULL ENVID=QQ\+2B31$/, 'MAIL';
    ok +(grep { /RCPT TO:<ok\@dsn\.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob\+2Bx\@else\.test$/ } $T->events($ip{dsn})), 'RCPT';
    my @all = reports($id);
    is scalar @all, 2, 'a bounce and a success';
    my ($failed) = grep { /^Action: failed$/m } @all;
    my ($relayed) = grep { /^Action: relayed$/m } @all;
    like $_, qr/^Original-Envelope-Id: QQ\+31\nReporting-MTA: dns; mail\.here\.test\nX-Postern-Queue-ID: $id\nArrival-Date: \w{3}, /m, 'the message' for @all;
    like $_, qr/^Original-Recipient: rfc822; Bob\+x\@else\.test\nFinal-Recipient: rfc822; \w+\@old\.test\nAction: /m, 'the recipient' for @all;
    like $failed, qr/^Action: failed\nStatus: 5\.1\.1\nRemote-MTA: dns; mx\.old\.test\nDiagnostic-Code: smtp; 550 5\.1\.1 no such user\nLast-Attempt-Date: \w{3}, .*\n\n/m, 'failed';
    like $relayed, qr/^Action: relayed\nStatus: 2\.0\.0\nRemote-MTA: dns; mx\.old\.test\nDiagnostic-Code: smtp; 250 2\.0\.0 taken\nLast-Attempt-Date: \w{3}, .*\n\n/m, 'relayed';
    unlike $_, qr/Will-Retry-Until/, 'nothing is tried again' for @all;
    like $failed, qr{^Content-Type: message/rfc822\n\nSubject: with a body\n\nthe body\n\.dot\n\n--}m, 'RET=FULL: the message is in it';
    like $relayed, qr{^Content-Type: text/rfc822-headers\n\nSubject: with a body\n\n--}m, 'of success only the headers';
    for (['headers', 100, 'RET=HDRS'], ['full', 60000, 'RET=FULL over bounce-size'], ['', 100, 'no RET']) {
        my ($ret, $size, $name) = @$_;
        my $other = $T->put('alice@here.test', ['rej1@old.test'], text => $text . "x\r\n" x ($size / 3), options => $ret ? "return $ret\n" : '');
        $T->qrun;
        my ($b) = reports($other);
        like $b, qr{^Content-Type: text/rfc822-headers\n\nSubject: with a body\n\n--}m, "$name: the headers";
    }
    $T->settings('bounce-size' => '100K');
    my $big = $T->put('alice@here.test', ['rej1@old.test'], text => $text . "x\r\n" x 20000, options => "return full\n");
    $T->qrun;
    like +(reports($big))[0], qr{^Content-Type: message/rfc822\n\nSubject: with a body\n\nthe body\n\.dot\n(x\n){20000}\n--}m, 'bounce-size is a setting';
    empty();
};

subtest 'a delay' => sub {
    my $id = $T->put('alice@here.test', [ 'tmp1@old.test', 'tmp2@old.test', 'ok@old.test' ], age => 4 * 3600 - 60, rcpt => { 'tmp2@old.test' => 'notify=failure' });
    $T->qrun;
    is actions($id), '', 'before its time nothing';
    unlike $T->why($id), qr/^told/m, 'and nothing is remembered';
    empty();
    $id = $T->put('alice@here.test', [ 'tmp1@old.test', 'tmp2@old.test', 'ok@old.test' ], age => 4 * 3600 + 60, rcpt => { 'tmp2@old.test' => 'notify=failure' });
    $T->qrun;
    my ($b) = reports($id);
    like $b, qr/^Subject: Your message is delayed$/m, 'after four hours a notice';
    like $b, qr/^Action: delayed\nStatus: 4\.2\.1\nRemote-MTA: dns; mx\.old\.test\nDiagnostic-Code: smtp; 451 4\.2\.1 greylisted\nLast-Attempt-Date: .*\nWill-Retry-Until: \w{3}, .*\n\n/m, 'its fields';
    unlike $b, qr/tmp2|ok\@old/, 'of those that wait and want to hear it';
    like $T->why($id), qr/^attempts 1\ntold \d+\n/m, 'that is remembered';
    for my $damage ('', 'lost') {
        $T->make_due($id);
        $T->run_as('rm', $T->queued($id) . '.why') if $damage;
        $T->qrun;
        is scalar(reports($id)), 1, "once" . ($damage && ', even where ID.why was lost');
    }
    empty();
    my $week = 7 * 86400;
    $id = $T->put('alice@here.test', ['tmp1@old.test'], age => $week, options => 'release ' . (time - 60) . "\n");
    $T->qrun;
    is actions($id), '', 'what was to leave a minute ago isn\'t late, whenever it came';
    empty();
    my $release = time - 5 * 3600;
    $id = $T->put('alice@here.test', ['tmp1@old.test'], age => $week, options => "release $release\n");
    $T->qrun;
    my $until = POSIX::strftime('%d %b %Y %H:%M:%S', localtime($release + 5 * 86400)) =~ s/^0//r;
    like +(reports($id))[0], qr/^The last attempt will be made at about \w{3}, $until .*^Will-Retry-Until: \w{3}, $until /ms,
        'five hours later it is, and will be tried for five days from then';
    empty();
    $T->settings('delay-notice' => 0);
    $id = $T->put('alice@here.test', ['tmp1@old.test'], age => 90000);
    $T->qrun;
    is actions($id), '', 'delay-notice 0: none';
    $T->settings('delay-notice' => '4h');
    my $away = $T->put('bob@old.test', ['tmp1@old.test'], age => 90000);
    my $null = $T->put('', ['tmp1@old.test'], age => 90000);
    $T->qrun;
    is scalar(grep { $_->{text} =~ /^Action: delayed\r$/m } $T->taken), 1, 'a sender elsewhere gets it through the queue; a bounce that is late is told to nobody';
    empty();
};

subtest 'who can\'t be told' => sub {
    for (['', ''], ['ghost@here.test', '']) {
        my ($from) = @$_;
        my $id = $T->put($from, [ 'rej1@old.test', 'ok@old.test', 'rej2@old.test' ],
                         rcpt => { 'ok@old.test' => 'notify=success', 'rej2@old.test' => 'notify=never' });
        $T->qrun;
        my @all = reports($id);
        is scalar @all, 1, 'from <' . $from . '>: postmaster, once';
        is actions($id), 'failed', 'of the failure alone';
        unlike $all[0], qr/rej2/, 'and not of a recipient with NOTIFY=NEVER';
    }
    empty();
    my $id = $T->put('rej1@old.test', ['rej2@old.test']);
    $T->qrun;
    my @all = grep { /^Subject: A bounce could not be delivered$/m } $T->mailbox('alice');
    is scalar @all, 1, 'a bounce that bounces: postmaster';
    like $all[0], qr/^Content-Type: message\/rfc822\n.*^Subject: Your message could.*^Final-Recipient: rfc822; rej2\@old\.test$/ms, 'who sees what it was about';
    is scalar($T->in_queue), 0, 'and that is all';
    is scalar($T->taken), 0, 'nothing was sent';
    empty();
};

# The mark of a failure outlived its run, and the report didn't come to be: ID.why is from the attempt before, or of a later deferral.
subtest 'a report that an earlier run owes' => sub {
    my $owed = sub {
        my ($age, $reply) = @_;
        my $id = $T->put('alice@here.test', ['gone@old.test'], age => $age, marks => 'F');
        $T->make_due($id);
        $T->spew($T->queued($id) . '.why', "next 1\nattempts 2\n0 $reply\n");
        $T->own;
        $T->qrun;
        my ($b) = reports($id);
        empty();
        return $b;
    };
    my $b = $owed->(3600, '450 4.2.1 greylisted');
    unlike $b, qr/greylisted/, 'an answer that made it wait isn\'t why it failed';
    like $b, qr/^Status: 5\.0\.0\n(?!Diagnostic)/m, 'which isn\'t known any more';
    $b = $owed->(6 * 86400, '450 4.2.1 greylisted');
    like $b, qr/^    was tried for as long as mail is kept here\. The last answer was:\n    450 4\.2\.1 greylisted\n/m, 'unless it was given up';
    like $b, qr/^Status: 4\.4\.7\nDiagnostic-Code: smtp; 450 4\.2\.1 greylisted\n/m, 'as the status says';
    $b = $owed->(3600, '550 5.1.1 no such user');
    like $b, qr/^Status: 5\.1\.1\nDiagnostic-Code: smtp; 550 5\.1\.1 no such user\n/m, 'a refusal is one';
};

# Bob has made his mailbox unusable; a message of his to two, one of whom is refused.
subtest 'a mailbox that can\'t be used' => sub {
    $T->run_as('sh', '-c', 'echo bob-secret | "$0" -c "$1" user add bob@here.test', "$T->{bin}/postern", $T->{conf}) == 0 or die $T->log;
    postern('alias', 'add', 'both@here.test', 'alice@here.test', 'bob@here.test');
    my ($mail) = $T->slurp($T->{conf}) =~ /^mail (\S+)/m;
    $mail = "$T->{server}/$mail" if $mail !~ m{^/};
    my $bob = ($mail =~ s/%d.*//r) . 'here.test/bob';
    my $use = sub { my ($part, $mode) = @_; $T->run_as('chmod', $mode, "$bob/$part") == 0 or die };
    for my $part (qw(tmp new)) {
        $T->run_as('sh', '-c', 'for p in tmp new cur; do mkdir -p "$0/$p"; done', $bob);
        $use->($part, '0500');
        my $id = $T->put('bob@here.test', [ 'rej1@old.test', 'tmp1@old.test' ], age => 3600);
        my $both = $T->put('both@here.test', [ 'rej1@old.test', 'tmp1@old.test' ], age => 3600);
        $T->qrun;
        is scalar(reports($both)), 1, "$part: the others whom an alias names have their report";
        $T->forget;
        $T->make_due($_) for $id, $both;
        $T->qrun;
        is scalar(grep { / RCPT TO:<tmp1/ } $T->events), 2, "$part: he who can't be told of one holds up none of his other recipients"
            or diag explain [ $T->events ];
        is scalar(reports($both)), 1, "$part: nobody is told again";
        $use->($part, '0700');
        $T->make_due($_) for map { m{([^/]+)$} } $T->in_queue;
        $T->qrun;
        my @got = map { /^X-Postern-Queue-ID: (\S+)$/m } $T->mailbox('bob');
        is join(' ', sort @got), join(' ', sort $id, $both), "$part: he hears of it when he can, once" or diag $T->log;
        $T->run_as('sh', '-c', 'rm -f "$0"/new/*', $bob);
        empty();
    }
};

subtest 'international' => sub {
    my $sender = "j\xc3\xb6rg\@dsnutf8.test";
    my $id = $T->put('alice@here.test', [ "rej\xc3\xbc\@dsnutf8.test", "ok\@dsnutf8.test" ], eight_bit => 1, options => "utf8\n", text => "Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nx\r\n",
                     rcpt => { "rej\xc3\xbc\@dsnutf8.test" => "orcpt=utf-8;rej\xc3\xbc\@else.test", "ok\@dsnutf8.test" => "orcpt=utf-8;\xc3\xbc\@else.test" });
    $T->qrun;
    my ($b) = reports($id);
    like $b, qr{^Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit$}m, 'the status in its form';
    like $b, qr/^Original-Recipient: utf-8; rej\xc3\xbc\@else\.test\nFinal-Recipient: utf-8; rej\xc3\xbc\@dsnutf8\.test\n/m, 'addresses as they are';
    like $b, qr{^Content-Type: message/global-headers\nContent-Transfer-Encoding: 8bit\n\nSubject: Gr\xc3\xbc\xc3\x9fe\n}m, 'the headers in theirs';
    ok +(grep { /RCPT TO:<ok\@dsnutf8\.test> ORCPT=utf-8;\xc3\xbc\@else\.test$/ } $T->events), 'ORCPT as it is';
    $T->forget;
    $T->put('alice@here.test', ["ok\@dsn.test"], options => "utf8\n", text => "Subject: x\r\n\r\nx\r\n", rcpt => { "ok\@dsn.test" => "orcpt=utf-8;\xc3\xbc\@else.test" });
    $T->qrun;
    ok +(grep { /RCPT TO:<ok\@dsn\.test> ORCPT=utf-8;\\x\{FC\}\@else\.test$/ } $T->events), 'and in ASCII where the server knows no SMTPUTF8';
    $T->forget;
    $T->put($sender, ["rej\@old.test"], options => "utf8\nreturn full\n", eight_bit => 1, text => "Subject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nx\r\n", );
    $T->qrun;
    my ($sent) = $T->taken($ip{dsnutf8});
    is $sent->{to}[0], $sender, 'a sender who isn\'t ASCII gets his report' or diag $T->log;
    ok +(grep { /MAIL FROM:<> .*SMTPUTF8/ } $T->events($ip{dsnutf8})), 'with SMTPUTF8';
    like $sent->{text}, qr{^To: <\Q$sender\E>\r$}m, 'named';
    like $sent->{text}, qr{^Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nx\r$}m, 'with the message';
    empty();
};

subtest 'very many' => sub {
    my @to = map { "rej$_\@old.test" } 1 .. 2500;
    my $id = $T->put('alice@here.test', \@to);
    $T->qrun;
    my @all = reports($id);
    is scalar @all, 2, '2,500 failures in two reports';
    my %seen;
    $seen{$_}++ for map { /^Final-Recipient: rfc822; (\S+)$/mg } @all;
    is_deeply [ sort keys %seen ], [ sort @to ], 'that name all of them';
    is scalar(grep { $_ > 1 } values %seen), 0, 'once';
    empty();
};

# The same reports by two readers that have nothing to do with us.
my $python = <<'END';
import email, email.policy, json, sys
m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
status = [[dict((k, str(v)) for k, v in b.items()) for b in p.get_payload()] for p in m.walk()
          if p.get_content_type() in ('message/delivery-status',)]
print(json.dumps({'type': m.get_content_type(), 'report': m['Content-Type'].params.get('report-type'), 'defects': [str(d) for p in m.walk() for d in p.defects],
                  'parts': [p.get_content_type() for p in m.iter_parts()], 'status': status[0] if status else None}))
END
subtest 'as others read them' => sub {
    my $id = $T->put('alice@here.test', [ 'rej1@old.test', 'ok@old.test', 'tmp1@old.test', 'alice@here.test' ], age => 5 * 3600, eight_bit => 1,
                     text => "From: alice\@here.test\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\nthe b\xc3\xb6dy\r\n",
                     options => "return full\nenvid E1\n", rcpt => { map { $_ => 'notify=success,failure,delay' } 'rej1@old.test', 'ok@old.test', 'tmp1@old.test', 'alice@here.test' });
    $T->qrun;
    my %by;
    for (reports($id)) { $by{ join '+', sort /^Action: (\w+)$/mg } = $_ }
    is join(' ', sort keys %by), 'delayed delivered+relayed failed', 'three reports';
    $T->spew("$T->{dir}/read.py", $python);
    for my $action (sort keys %by) {
        my $file = "$T->{dir}/report";
        $T->spew($file, $by{$action});
        my $r = eval { decode_json(scalar `python3 $T->{dir}/read.py $file`) } // {};
        is_deeply $r->{defects}, [], "$action: Python's parser finds no defect" or diag explain $r;
        is "$r->{type} $r->{report}", 'multipart/report delivery-status', "$action: its kind";
        is_deeply $r->{parts}, [ 'text/plain', 'message/delivery-status', $action eq 'failed' ? 'message/rfc822' : 'text/rfc822-headers' ], "$action: its parts";
        my ($message, @recipients) = @{ $r->{status} // [ {} ] };
        is $message->{'Original-Envelope-Id'}, 'E1', "$action: ENVID";
        is join('+', sort map { $_->{Action} } @recipients), $action, "$action: Action";
        is scalar(grep { $_->{'Final-Recipient'} && $_->{Status} && $_->{'Last-Attempt-Date'} && $_->{'Diagnostic-Code'} } @recipients), scalar @recipients, "$action: the fields";
        # mutt, on a Maildir with it alone, pipes what it shows.
        my $box = "$T->{dir}/box";
        system "rm -rf $box; mkdir -p $box/new $box/cur $box/tmp; cp $file $box/new/1.x";
        my $shown = "$T->{dir}/shown";
        unlink $shown;
        $T->spew("$T->{dir}/muttrc", "set folder=$box spoolfile=$box mbox_type=Maildir pipe_decode=yes wait_key=no sleep_time=0 quit=yes charset=utf-8\n");
        my @tmux = ('env', 'SHELL=/bin/sh', 'tmux', '-S', "$T->{dir}/tmux", '-f', '/dev/null', 'new-session', '-d');
        system @tmux, '-s', 'stays', 'sleep 600' if !-S "$T->{dir}/tmux"; # else the server may be about to end, with the mutt before
        system @tmux, '-x', 100, '-y', 30,
            "HOME=$T->{dir} TERM=screen SHELL=/bin/sh mutt -n -F $T->{dir}/muttrc -e 'push \"<pipe-message>cat > $shown<enter><quit>\"' 2>$T->{dir}/mutt.log; echo >$shown.ended";
        ok $T->eventually(60, sub { -s "$shown.ended" }), "$action: mutt opens it" or diag $T->slurp("$T->{dir}/mutt.log");
        unlink "$shown.ended";
        like $T->slurp($shown), qr/This is the mail server mail\.here\.test/, "$action: mutt shows the words";
        like $T->slurp($shown), qr/Action: $_/, "$action: and the status" for split /\+/, $action;
        like $T->slurp($shown), qr/the b.+dy/, 'and the message' if $action eq 'failed';
    }
    empty();
};

END { local $?; system 'tmux', '-S', "$T->{dir}/tmux", 'kill-server' if $T && -S "$T->{dir}/tmux" }
done_testing;
