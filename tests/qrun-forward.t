#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What is sent on: the sender of mail that an alias leads to another server is rewritten (SRS), that of other mail isn't; mail for a domain
# that is relayed goes to its better mail exchanger, and never back here.
use strict;
use warnings;
use lib 'tests/lib';
use QrunTest;
use Test::More;

my $T = QrunTest->new('retry-first' => '5m');
my $helper = ($ENV{BUILD} || 'build') . '/tests/helpers/srs';
$T->dns('--mx-host=good.test,mx.good.test,10', '--host-record=mx.good.test,127.0.1.2', '--mx-host=backup.test,mx.good.test,5',
        '--mx-host=backup.test,mail.here.test,10', '--host-record=mail.here.test,127.0.1.3', '--mx-host=ours.test,mail.here.test,5',
        '--mx-host=ours.test,mx.good.test,10', '--mx-host=quoted.test,mx.good.test,10', '--mx-host=five.test,mx.five.test,10', '--host-record=mx.five.test,127.0.1.4');
$T->sinks('127.0.1.2=accept', '127.0.1.3=accept', '127.0.1.4=rcpt5');

sub postern { $T->run_as('postern', '-c', $T->{conf}, @_) == 0 or die "postern @_: " . $T->log }

# By SMTP, from a stranger. Returns what the sink has got then.
sub smtp {
    my ($from, @to) = @_;
    $T->forget;
    my $talk = join "\r\n", 'EHLO c.test', "MAIL FROM:<$from>", (map { "RCPT TO:<$_>" } @to), 'DATA', 'Subject: on', '', 'text', '.', 'QUIT', '';
    open my $f, '>', "$T->{dir}/talk" or die;
    print $f $talk;
    close $f;
    chmod 0644, "$T->{dir}/talk";
    system(join(' ', $T->command('smtpd', '-c', $T->{conf})) . " <$T->{dir}/talk >$T->{dir}/said 2>>$T->{dir}/log");
    $T->qrun;
    return $T->taken;
}

sub reverse_of {
    my ($address) = @_;
    my $said = `$helper reverse $T->{server}/srs.key '$address'`;
    chomp $said;
    return $said;
}

postern(qw(alias add away out@good.test alice));
postern(qw(domain add backup.test relay));
postern(qw(relay add joe@backup.test));
postern(qw(domain add ours.test relay all));
postern(qw(domain add quoted.test relay all));

subtest 'a stranger\'s message through an alias' => sub {
    my @t = smtp('Joe@other.test', 'away@here.test');
    is scalar @t, 1, 'goes out once' or diag $T->log;
    like $t[0]{from}, qr/^SRS0=[A-Za-z0-9+\/]{4}=[A-Z2-7]{2}=other\.test=Joe\@here\.test$/, 'with a sender of ours';
    is_deeply $t[0]{to}, ['out@good.test'], 'to whom the alias names';
    is reverse_of($t[0]{from}), 'Joe@other.test', 'from which a bounce finds back';
    my @back = smtp('', $t[0]{from});
    like $T->slurp("$T->{dir}/said"), qr/^250 2\.1\.5/m, 'as smtpd takes it';
    @t = smtp('joe@elsewhere.test', $t[0]{from});
    like $T->slurp("$T->{dir}/said"), qr/^550 5\.7\.1/m, 'and nothing but bounces';
};
subtest 'one that was rewritten before' => sub {
    my @t = smtp('SRS0=abcd=TT=far.test=joe@first.test', 'away@here.test');
    like $t[0]{from}, qr/^SRS1=[A-Za-z0-9+\/]{4}=first\.test==abcd=TT=far\.test=joe\@here\.test$/, 'names who rewrote it first';
};
subtest 'a sender whose dots need quotes' => sub {
    my @t = smtp('a..b.@phone.test', 'away@here.test');
    like $t[0]{from}, qr/^"SRS0=[A-Za-z0-9+\/]{4}=[A-Z2-7]{2}=phone\.test=a\.\.b\."\@here\.test$/, 'is rewritten';
    is reverse_of($t[0]{from}), '"a..b."@phone.test', 'and found back to';
    smtp('', $t[0]{from} =~ tr/"//dr);
    like $T->slurp("$T->{dir}/said"), qr/^250 2\.1\.5/m, 'also where a bounce comes without quotes';
};
subtest 'recipients that need quotes' => sub {
    my @t = smtp('joe@other.test', 'a..b@quoted.test', '"c.."@quoted.test', '"d e"@quoted.test', '"plain"@quoted.test');
    is_deeply $t[0]{to}, [ '"a..b"@quoted.test', '"c.."@quoted.test', '"d e"@quoted.test', 'plain@quoted.test' ], 'leave in them, and others without'
        or diag $T->log;
    is scalar($T->in_queue), 0, 'and all of them have it';
    postern(qw(alias add phone a..b@good.test));
    @t = smtp('alice@here.test', 'phone@here.test');
    is_deeply $t[0]{to}, ['"a..b"@good.test'], 'so does one that an alias names';
};
subtest 'senders that stay' => sub {
    my @t = smtp('alice@here.test', 'away@here.test');
    is $t[0]{from}, 'alice@here.test', 'ours';
    @t = smtp('', 'away@here.test');
    is $t[0]{from}, '', 'nobody';
};
subtest 'others of the same message' => sub {
    $T->forget;
    my $id = $T->put('joe@other.test', ['a@good.test', "b\@good.test\n forwarded=yes", 'c@good.test', "d\@good.test\n forwarded=yes"]);
    $T->qrun;
    my @t = sort { @{ $a->{to} } <=> @{ $b->{to} } || $a->{to}[0] cmp $b->{to}[0] } $T->taken;
    is scalar @t, 2, 'two transactions';
    is_deeply [ map { "@{ $_->{to} }" } @t ], ['a@good.test c@good.test', 'b@good.test d@good.test'], 'each with its recipients';
    is $t[0]{from}, 'joe@other.test', 'whom the sender named, he writes to';
    is reverse_of($t[1]{from}), 'joe@other.test', 'the others we do';
    ok !$T->queued($id), 'and it is done';
};
subtest 'a relayed domain' => sub {
    my @t = smtp('joe@other.test', 'joe@backup.test');
    is scalar @t, 1, 'sent on' or diag $T->log;
    is $t[0]{from}, 'joe@other.test', 'with its own sender';
    is_deeply $t[0]{to}, ['joe@backup.test'], 'and recipient';
    @t = smtp('joe@other.test', 'anne@backup.test');
    like $T->slurp("$T->{dir}/said"), qr/^550 5\.1\.1/m, 'not for whom nobody named';
    @t = smtp('alice@here.test', 'joe@ours.test');
    is scalar @t, 0, 'never to a host no better than ourselves';
    like join('', map { $T->slurp($_) } glob "$T->{server}/mail/here.test/alice/new/*"), qr/5\.4\.6 The domain's mail exchanger is this server/, 'which the sender is told';
};
subtest 'a mailbox that was left to the queue' => sub {
    postern(qw(alias add alice@here.test alice@here.test keep@good.test));
    $T->forget;
    my $before = () = $T->mailbox('alice');
    my $id = $T->put('joe@other.test', ["alice+x\@here.test\n account=yes", "keep\@good.test\n forwarded=yes"]);
    $T->qrun;
    is scalar(() = $T->mailbox('alice')), $before + 1, 'has the message once';
    my @t = $T->taken;
    is scalar @t, 1, 'and its alias, which was followed before, sends no second copy' or diag $T->log;
    like join('', map { $T->slurp($_) } glob "$T->{server}/mail/here.test/alice/new/*"), qr/^Delivered-To: alice\+x\@here\.test\r?$/m, 'with its detail';
    postern(qw(alias remove alice@here.test));
};
subtest 'copies' => sub {
    my $before = () = $T->mailbox('alice');
    postern(qw(bcc add from alice@here.test gone@five.test archive@good.test full));
    postern(qw(alias add full bob));
    $T->run_as('sh', '-c', "echo bob-secret | $T->{bin}/postern -c $T->{conf} user add bob\@here.test");
    postern(qw(user quota bob@here.test storage=1));
    my @t = smtp('alice@here.test', 'alice@here.test');
    is_deeply [ map { @{ $_->{to} } } @t ], ['archive@good.test'], 'one goes out' or diag $T->log;
    like $T->log, qr/event=failed [^\n]*to=gone\@five\.test/, 'one fails over there';
    like $T->log, qr/event=failed [^\n]*to=bob\@here\.test/, 'one here';
    is scalar(() = $T->mailbox('alice')), $before + 1, 'and the sender hears of neither';
    postern(qw(bcc remove from alice@here.test));
};
subtest 'copies of what came back' => sub {
    my @t = smtp('Joe@other.test', 'away@here.test');
    my $ours = $t[0]{from};
    postern(qw(bcc add all archive@good.test));
    @t = smtp($ours, 'alice@here.test');
    is scalar @t, 0, 'none, as a copy would be copied again';
    @t = smtp($ours =~ s/^SRS0=[^=]*/SRS0=AAAA/r, 'alice@here.test');
    is_deeply [ map { @{ $_->{to} } } @t ], ['archive@good.test'], 'but where the sender only looks so';
    postern(qw(bcc remove all));
};
subtest 'srs no' => sub {
    $T->settings(srs => 'no');
    my @t = smtp('joe@other.test', 'away@here.test');
    is $t[0]{from}, 'joe@other.test', 'the sender stays';
    $T->settings(srs => 'yes');
    unlink "$T->{server}/srs.key";
    @t = smtp('joe@other.test', 'away@here.test');
    is $t[0]{from}, 'joe@other.test', 'and without a key';
    like $T->log, qr/sender-not-rewritten.*postern setup/, 'of which the log says what to do';
};
done_testing;
