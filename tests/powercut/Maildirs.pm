# SPDX-License-Identifier: GPL-3.0-or-later
#
# Messages into Maildirs: delivered by lib/store/maildir.h itself (tests/crash/deliver.c), or through smtpd (half by SMTP, half by LMTP);
# or copied by imapd into another folder, one at a time, few, and many. Meanwhile a reader moves some of them and removes others,
# so that their blocks are used again. What is due is "N BOX".
package Maildirs;
use strict;
use warnings;
use PowerCut;
use Shared;
use Time::HiRes 'sleep';

my $many = 40; # more than a COPY fsyncs under the lock

sub programs {
    my %read = (check => \&check, beside => [\&read_mail]);
    return (
        deliver => { %read, begin => sub { }, write => \&deliver_by_library, files => sub { mail_files($_[0], 'new', 'cur') }, read => 'new' },
        smtpd => { %read, begin => \&start_smtpd, write => \&deliver_by_smtpd, files => sub { mail_files($_[0], 'new', 'cur') }, read => 'new' },
        copy => { %read, begin => \&make_sources, write => \&copy_by_imapd, files => sub { mail_files($_[0], '.Goal/cur') }, read => '.Goal/cur' },
    );
}

sub check {
    my ($run, $path) = @_;
    my ($n, $wrong) = check_mail("$run->{power}{mount}/$path");
    return ($wrong, defined $n ? "$n " . $path =~ s{/.*}{}r : ());
}

# One to three recipients.
sub recipients {
    my $n = shift;
    my @boxes = boxes();
    return @boxes[map { ($n + $_) % @boxes } 0 .. ($n % 5 == 0 ? 2 : $n % 3 == 0 ? 1 : 0)];
}

# By the library, as the guard does it, in a process for each message: the text goes by a file.
sub deliver_by_library {
    my ($run, $writer, $numbers) = @_;
    my $in = "$run->{dir}/in.$writer";
    local $ENV{LD_PRELOAD} = $run->{fault} ? "$ENV{BUILD}/tests/powercut/wrong.so" : '';
    local $ENV{POWERCUT_FAULT} = $run->{fault} // '';
    for my $n (grep { length crlf(text($_)) < 60000 } @$numbers) {
        open my $f, '>', $in or die;
        print $f crlf(text($n));
        close $f or die;
        my @to = recipients($n);
        my $said = qx($ENV{BUILD}/tests/crash/deliver @{[map { "$run->{power}{mount}/$_" } @to]} <$in);
        $said eq "done\n" or die "deliver: $said\n";
        $run->{power}->mark("accepted $n $_") for @to;
    }
}

sub deliver_by_smtpd {
    my ($run, $writer, $numbers) = @_;
    my $listener = $run->{listeners}[$writer % 2];
    my $client = $listener->client;
    for my $n (@$numbers) {
        my @to = recipients($n);
        my @replies = Standing::deliver($client, sender => 's@sender.test', to => [map { "$_\@here.test" } @to], text => crlf(text($n)));
        push @replies, Standing::read_reply($client) for $listener->{lmtp} ? @to[1 .. $#to] : ();
        /^250 / or die "smtpd: $_\n" for @replies;
        $run->{power}->mark("accepted $n $_") for @to;
    }
    Standing::say($client, 'QUIT');
}

# Two warm listeners.
sub start_smtpd {
    my $run = shift;
    my $t = server($run, mail => "$run->{power}{mount}/%u");
    my $program = program($run, 'smtpd');
    $run->{listeners} = [map { Standing->new($t, program => $program, options => $_) } [], ['-l']];
}

# Each box has its share of the messages, on the disk.
sub make_sources {
    my $run = shift;
    my $t = server($run, mail => "$run->{power}{mount}/%u", 'plaintext-login' => 'yes');
    for my $n (1 .. $run->{messages}) {
        my $box = box_of($n);
        my $text = "Return-Path: <s\@sender.test>\n" . text($n);
        my $dir = "$run->{power}{mount}/$box";
        -d "$dir/.Goal" or system('mkdir', '-p', map { ("$dir/$_", "$dir/.Goal/$_") } qw(cur new tmp)) == 0 or die;
        $t->spew(sprintf('%s/cur/%d.M%dP1.here.test,S=%d:2,S', $dir, 1_600_000_000 + $n, $n, length $text), $text);
    }
    system('chown', '-R', 'nobody:nogroup', map { "$run->{power}{mount}/$_" } boxes()) == 0 or die;
}
sub box_of { my @boxes = boxes(); return $boxes[$_[0] % @boxes] }

# Each message once: one by one, a few together, or most of them.
sub copy_by_imapd {
    my ($run, $writer, $numbers) = @_;
    my $box = box_of($writer);
    my $t = { %{ $run->{t} }, log => "$run->{t}{dir}/log" };
    my $s = ImapTest::Session->connect($t, bare => 1, fragile => 1, env => [fault_env($run)]);
    $s->ok("LOGIN $box\@here.test secret-of-a-box");
    $s->ok('SELECT INBOX');
    my (%at, @left);
    for ($s->ok('FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Powercut)])')) {
        $at{$2} = $1 if /^\* (\d+) FETCH .*\nPowercut: (\d+)/s;
    }
    @left = grep { $at{$_} } @$numbers;
    for (my $i = 0; @left; $i++) {
        my @now = splice @left, 0, (1, 2, 1, 5, $writer < 2 ? $many : 1)[$i % 5];
        $s->ok('COPY ' . join(',', map { $at{$_} } @now) . ' Goal');
        $run->{power}->mark("accepted $_ $box") for @now;
    }
    $s->ok('LOGOUT');
}

# Takes messages away where there are several: some are moved (to cur/, or get another flag), others removed. Before that it says so.
sub read_mail {
    my ($run) = @_;
    srand 5;
    my @boxes = boxes();
    my $from = $run->{scenario}{read};
    while (!-e "$run->{dir}/over") {
        my $box = $boxes[rand @boxes];
        my @files = glob "$run->{power}{mount}/$box/$from/*";
        my $file = $files[rand @files];
        if (@files > 12 && PowerCut::slurp($file) =~ /^Powercut: (\d+)$/m) {
            my $n = $1;
            my ($name, $stays) = ($file =~ s{.*/}{}r, rand() < 0.3);
            $run->{power}->mark("gone $n $box " . ($stays ? '-' : $name));
            my $to = $from eq 'new' ? "$run->{power}{mount}/$box/cur/$name:2,S" : "${file}T";
            $stays ? rename $file, $to : unlink $file;
        }
        sleep 0.01;
    }
}

1;
