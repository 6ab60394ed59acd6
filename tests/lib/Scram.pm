# SPDX-License-Identifier: GPL-3.0-or-later
#
# The client's side of SCRAM-SHA-256 (RFC 5802, 7677), with channel bindings (RFC 9266, RFC 5929), as little as tests need: it says
# whatever it is told to say, right or wrong.
#
#     my $s = Scram->new($socket)                  an IO::Socket::SSL for bindings, or nothing
#     $s->say($text)                               the message in base64, with what is between <> put in:
#         <nonce>                                  the nonce of the server's first message
#         <bind HEADER>                            base64 of a GS2 header and the data of the binding it names
#         <proof PASSWORD>                         the proof, of all that was said so far
#     $s->heard($pattern, $base64)                 does a message fit the pattern, in which ... stands for any text and
#         <signature>                              for what shows that the server knows the verifier?
package Scram;
use strict;
use warnings;
use Digest::SHA qw(sha256 hmac_sha256);
use MIME::Base64 qw(encode_base64 decode_base64);

my %salted;    # by password, salt and iterations

sub new {
    my ($class, $socket) = @_;
    return bless { socket => $socket, bare => '', server_first => '', salted => '', auth => '' }, $class;
}

sub salted_password {
    my ($password, $salt, $iterations) = @_;
    return $salted{"$password\0$salt\0$iterations"} //= do {
        my $u = hmac_sha256("$salt\0\0\0\1", $password);
        my $t = $u;
        for (2 .. $iterations) {
            $u = hmac_sha256($u, $password);
            $t ^= $u;
        }
        $t;
    };
}

sub binding {
    my ($self, $header) = @_;
    my $ssl = $self->{socket};
    if ($header =~ /^p=tls-exporter,/) {
        return Net::SSLeay::export_keying_material($ssl->_get_ssl_object, 32, 'EXPORTER-Channel-Binding', '');
    } elsif ($header =~ /^p=tls-server-end-point,/) {
        my $pem = Net::SSLeay::PEM_get_string_X509($ssl->peer_certificate);
        return sha256(decode_base64($pem =~ s/-----[^\n]*-----//gr));
    }
    return '';
}

sub attribute {
    my ($text, $letter) = @_;
    return $text =~ /(?:^|,)$letter=([^,]*)/ ? $1 : '';
}

sub proof {
    my ($self, $password, $without) = @_;
    my $first = $self->{server_first};
    my ($salt, $iterations) = (decode_base64(attribute($first, 's')), attribute($first, 'i') || 1);
    $self->{salted} = salted_password($password, $salt, $iterations);
    $self->{auth} = "$self->{bare},$first,$without";
    my $key = hmac_sha256('Client Key', $self->{salted});
    return encode_base64($key ^ hmac_sha256($self->{auth}, sha256($key)), '');
}

sub say {
    my ($self, $text) = @_;
    $text =~ s/<nonce>/attribute($self->{server_first}, 'r')/ge;
    $text =~ s/<bind ([^>]*)>/encode_base64($1 . ($self->binding($1) \/\/ ''), '')/ge;
    $text =~ s/^(.*?)(,p=)<proof ([^>]*)>/$1 . $2 . $self->proof($3, $1)/se;
    $self->{bare} = $1 if $text =~ /^(?:[ny]|p=[^,]*),[^,]*,(.*)/s;
    return encode_base64($text, '');
}

sub heard {
    my ($self, $pattern, $base64) = @_;
    my $text = decode_base64($base64);
    return '' if $base64 ne encode_base64($text, '');
    my $signature = encode_base64(hmac_sha256($self->{auth}, hmac_sha256('Server Key', $self->{salted})), '');
    my $regex = join '.*', map { quotemeta } split /\.\.\./, $pattern =~ s/<signature>/$signature/gr, -1;
    $self->{server_first} = $text if $text =~ /^r=/;
    return $text =~ /^$regex$/s;
}

1;
