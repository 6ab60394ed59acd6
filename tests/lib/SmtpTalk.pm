# SPDX-License-Identifier: GPL-3.0-or-later
#
# A client of SMTP on loopback that says lines and keeps the replies.
package SmtpTalk;
use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET;
our @EXPORT = qw(read_reply talk message);

# A reply, its lines parted by LF; '' where the connection ended.
sub read_reply {
    my $s = shift;
    my ($all, $line) = ('');
    do { $line = <$s> // return $all; $all .= $line } while $line =~ /^\d\d\d-/;
    $all =~ s/\r//g;
    chomp $all;
    return $all;
}

# Replies to these lines, behind EHLO. A reference's bytes are sent as they are, and have a reply.
sub talk {
    my ($port, @lines) = @_;
    local $SIG{ALRM} = sub { die "no reply\n" };
    local $SIG{PIPE} = 'IGNORE';
    alarm 120;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 60) or die "connect: $!";
    my @replies;
    read_reply($s) =~ /^220/ or die 'no greeting';
    for my $line ('EHLO client.test', @lines) {
        print $s ref $line ? $$line : "$line\r\n";
        push @replies, read_reply($s);
    }
    close $s;
    alarm 0;
    shift @replies;
    return @replies;
}

# The lines of a message.
sub message {
    my ($from, $to, $text) = @_;
    $text =~ s/^\./../mg;
    return ("MAIL FROM:<$from>", "RCPT TO:<$to>", 'DATA', \"$text.\r\n");
}

1;
