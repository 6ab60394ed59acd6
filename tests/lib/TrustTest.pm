# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the tests of who sent a message share: a whole smtpd on loopback, with a DNS server of its own (odd-dns), and clients at
# addresses of 127.0.0.0/8, which are strangers unless they come from where they go to.
#
#     my $t = TrustTest->new(SETTING => VALUE, ...);
#     $t->zone("NAME TYPE VALUE", ...)       what DNS has from now on; keys of sign() are there too
#     $t->set(SETTING => VALUE, ...)         the settings from now on, beside those of new()
#     $t->send(from => ADDRESS, helo =>, sender =>, rcpt => ADDRESS or [ ... ], message => TEXT, by => 'DATA' or 'BDAT' or 'BINARY')
#                                            the last reply, or the first that wasn't right
#     $t->settle(REPLY)                      waits until all is done for the message that was accepted so
#     $t->sign(DOMAIN, TEXT)                 signed with both keys of the domain, selectors rsa and ed25519
#     $t->seal(DOMAIN, TEXT, RESULTS)        with one more ARC set by the domain, for what its chain comes to; RESULTS are what it says
#     $t->found(USER, WORD)                  the one message in all of the user's folders with this word in it: (folder, text)
#     $t->results(TEXT)                      its first Authentication-Results, unfolded
#     $t->asked                              the questions since the last call, "NAME TYPE"
package TrustTest;
use strict;
use warnings;
use parent -norequire, 'QrunTest';
use QrunTest;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

sub new {
    my ($class, %settings) = @_;
    my $self = QrunTest->new('dns-defer' => 0, %settings);
    bless $self, $class;
    mkdir "$self->{dir}/$_" for qw(dns keys);
    $self->{zone} = [];
    $self->own;
    $self->zone;
    $self->{dns} = $self->start('perl', 'tests/lib/odd-dns', "$self->{dir}/dns", $self->{dns_port});
    $self->eventually(60, sub { -e "$self->{dir}/dns/ready" }) or die 'odd-dns: ' . $self->log;
    $self->{port} = QrunTest::free_port();
    $self->serve_smtpd('127.0.0.1', $self->{port});
    $self->{begin} = $self->slurp($self->{conf});
    return $self;
}

sub zone {
    my ($self, @lines) = @_;
    $self->{zone} = \@lines;
    $self->spew("$self->{dir}/dns/new", join '', map { "$_\n" } @lines, map { @$_ } values %{ $self->{keys} });
    rename "$self->{dir}/dns/new", "$self->{dir}/dns/zone" or die;
}

sub set {
    my ($self, %s) = @_;
    $self->spew($self->{conf}, join '', $self->{begin}, map { "$_ $s{$_}\n" } sort keys %s);
}

sub user {
    my ($self, $name) = @_;
    return $self->run_as('sh', '-c', 'echo secret-secret | "$0" -c "$1" user add "$2"', "$self->{bin}/postern", $self->{conf},
                         "$name\@$self->{domain}") == 0;
}

# The folder with its keys, which are made when first asked for.
sub keys_of {
    my ($self, $domain) = @_;
    my $build = $ENV{BUILD} || 'build';
    my $keys = "$self->{dir}/keys/$domain";
    if (!-d $keys) {
        mkdir "$keys";
        mkdir "$keys/$_" for qw(in out);
        system("$build/tests/helpers/dkim", 'keys', $keys, $domain) == 0 or die;
        $self->{keys}{$domain} = [ map { s/ / TXT /r } split /\n/, $self->slurp("$keys/zone") ];
        $self->zone(@{ $self->{zone} });
    }
    return $keys;
}

sub seal {
    my ($self, $domain, $text, $results) = @_;
    my $build = $ENV{BUILD} || 'build';
    my $keys = $self->keys_of($domain);
    $self->spew("$self->{dir}/keys/zone", join '', map { "$_\n" } map { s/ TXT / /r } map { @$_ } values %{ $self->{keys} });
    $self->spew("$keys/in/one", $text);
    system("$build/tests/helpers/arc", 'seal', "$self->{dir}/keys/zone", "$keys/rsa.pem", $domain, 'rsa', $results, "$keys/in/one") == 0 or die;
    return $self->slurp("$keys/in/one.sealed");
}

sub sign {
    my ($self, $domain, $text, $canon) = @_;
    my $build = $ENV{BUILD} || 'build';
    my $keys = $self->keys_of($domain);
    $self->spew("$keys/in/one", $text);
    system("$build/tests/helpers/dkim", 'sign', $keys, $domain, $canon // 'relaxed/relaxed', "$keys/in", "$keys/out") == 0 or die;
    return $self->slurp("$keys/out/one");
}

sub read_reply {
    my $s = shift;
    my $line;
    do { $line = <$s> // return '' } while $line =~ /^\d\d\d-/;
    return $line =~ s/\r\n//r;
}

# Says a line and hears the reply to it.
sub say {
    my ($s, $line) = @_;
    print $s "$line\r\n";
    return read_reply($s);
}

sub connect {
    my ($self, %o) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $o{port} // $self->{port}, LocalAddr => $o{from} // '127.0.0.2') or die "connect: $!";
    setsockopt $s, IPPROTO_TCP, TCP_NODELAY, 1;
    read_reply($s) =~ /^220/ or die 'no greeting';
    say($s, 'EHLO ' . ($o{helo} // 'client.test')) =~ /^250/ or die;
    return $s;
}

# One message on a connection.
sub message {
    my ($self, $s, %o) = @_;
    my $text = $o{message} // "From: x\@far.test\r\nSubject: x\r\n\r\nx\r\n";
    my $by = $o{by} // 'DATA';
    my $reply = say($s, 'MAIL FROM:<' . ($o{sender} // 'x@far.test') . '>' . ($by eq 'BINARY' ? ' BODY=BINARYMIME' : ''));
    return $reply if $reply !~ /^250/;
    for my $to (ref $o{rcpt} ? @{ $o{rcpt} } : $o{rcpt} // 'alice@here.test') {
        return $reply if ($reply = say($s, "RCPT TO:<$to>")) !~ /^250/;
    }
    if ($by eq 'DATA') {
        return $reply if ($reply = say($s, 'DATA')) !~ /^354/;
        print $s $text =~ s/^\./../mgr, ".\r\n";
        return read_reply($s);
    }
    # in two chunks, where it is no field's end
    my $half = int(length($text) / 3);
    print $s "BDAT $half\r\n", substr $text, 0, $half;
    return $reply if ($reply = read_reply($s)) !~ /^250/;
    print $s 'BDAT ', length($text) - $half, " LAST\r\n", substr $text, $half;
    return read_reply($s);
}

sub send {
    my ($self, %o) = @_;
    local $SIG{ALRM} = sub { die "no reply\n" };
    alarm 120;
    my $s = $self->connect(%o);
    my $reply = $self->message($s, %o);
    say($s, 'QUIT');
    alarm 0;
    return $reply;
}

# The line in the log is the last that is done for a message, when its sender has the answer already.
sub settle {
    my ($self, $reply) = @_;
    my ($id) = $reply =~ /Accepted as (\S+)/ or return;
    $self->eventually(60, sub { $self->log =~ /event=accepted id=\Q$id\E / }) or die "no line of $id\n";
}

sub found {
    my ($self, $user, $word) = @_;
    my ($mail) = $self->slurp($self->{conf}) =~ /^mail (\S+)/m;
    $mail = "$self->{server}/$mail" if $mail !~ m{^/};
    $mail =~ s/%d/$self->{domain}/;
    $mail =~ s/%u/$user/;
    my @all;
    for my $path (glob "$mail/new/* $mail/cur/* $mail/.[!.]*/new/* $mail/.[!.]*/cur/*") {
        my $text = $self->slurp($path);
        push @all, [ $path =~ m{/\.([^/]+)/(?:new|cur)/} ? $1 : 'INBOX', $text ] if $text =~ /\Q$word\E/;
    }
    return @all == 1 ? @{ $all[0] } : (scalar(@all) . ' messages', '');
}

sub results {
    my ($self, $text) = @_;
    return $text =~ /^Authentication-Results: ((?:.*\n[ \t])*.*)/m ? $1 =~ s/\n[ \t]+/ /gr : '';
}

sub asked {
    my $self = shift;
    my @all = split /\n/, $self->slurp("$self->{dir}/dns/asked");
    unlink "$self->{dir}/dns/asked";
    return @all;
}

1;
