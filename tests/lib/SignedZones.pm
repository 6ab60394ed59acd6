# SPDX-License-Identifier: GPL-3.0-or-later
#
# Zones, signed and not, served by Knot on 127.0.0.1, for a QrunTest; and certificates from certtool.
#
#     my $z = SignedZones->new($T, 'test' => { signed => 1, text => "..." }, 'insecure.test' => { text => "..." });
#     $z->change('test', "...");     its new text, served by the time this returns
#     $z->anchor('test')             a trust anchor: its key, as a file for the setting trust-anchor
#     certificate($dir, 'ca'); certificate($dir, 'mx', signer => 'ca', names => ['mx.test'], lines => ...)
#     tlsa($dir, 'mx', 3, 1, 1)      the data of a TLSA record for that certificate
# Texts need no SOA and NS.
package SignedZones;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(certificate tlsa);

sub new {
    my ($class, $t, %zones) = @_;
    my $self = bless { t => $t, dir => "$t->{dir}/knot", zones => \%zones, serial => 0 }, $class;
    mkdir $self->{dir};
    my $config = "server:\n  listen: 127.0.0.1\@$t->{dns_port}\n  rundir: $self->{dir}\ndatabase:\n  storage: $self->{dir}\n"
        . "control:\n  listen: $self->{dir}/sock\nlog:\n  - target: stderr\n    any: error\n"
        . "policy:\n  - id: ours\n    algorithm: ECDSAP256SHA256\n    single-type-signing: on\nzone:\n";
    for my $name (sort keys %zones) {
        $self->write_zone($name);
        $config .= "  - domain: $name\n    file: $self->{dir}/$name.zone\n    zonefile-sync: -1\n    zonefile-load: difference\n"
            . ($zones{$name}{signed} ? "    dnssec-signing: on\n    dnssec-policy: ours\n    journal-content: all\n" : '');
    }
    open my $f, '>', "$self->{dir}/conf" or die;
    print $f $config;
    close $f or die;
    $t->own;
    $self->{pid} = $t->start($t->command('knotd', '-c', "$self->{dir}/conf"));
    $self->wait_for($_) for sort keys %zones;
    return $self;
}

sub write_zone {
    my ($self, $name) = @_;
    my $n = ++$self->{serial};
    $self->{zones}{$name}{serial} = $n;
    open my $f, '>', "$self->{dir}/$name.zone" or die;
    print $f "\$ORIGIN $name.\n\$TTL 3600\n@ 5 SOA ns host $n 7200 3600 86400 5\n@ NS ns\nns A 127.0.0.1\nserial 0 TXT \"is-$n\"\n",
        $self->{zones}{$name}{text};
    close $f or die;
}

sub dig {
    my ($self, @question) = @_;
    return scalar `kdig +short +retry=0 +timeout=10 \@127.0.0.1 -p $self->{t}{dns_port} @question 2>/dev/null`;
}

sub wait_for {
    my ($self, $name) = @_;
    my $zone = $self->{zones}{$name};
    $self->{t}->eventually(60, sub {
        $self->dig("serial.$name", 'TXT') =~ /"is-$zone->{serial}"/ && (!$zone->{signed} || $self->dig('+dnssec', "serial.$name", 'TXT') =~ /TXT \d+/)
    }) or die "knot: $name: " . $self->{t}->log;
}

sub change {
    my ($self, $name, $text) = @_;
    $self->{zones}{$name}{text} = $text;
    $self->write_zone($name);
    system("knotc -s $self->{dir}/sock zone-reload $name >>$self->{t}{dir}/log 2>&1") == 0 or die $self->{t}->log;
    $self->wait_for($name);
}

sub anchor {
    my ($self, $name) = @_;
    my $file = "$self->{t}{dir}/anchor-$name";
    open my $f, '>', $file or die;
    print $f "; the key of $name\n", map { "$name. IN DNSKEY $_\n" } split /\n/, $self->dig($name, 'DNSKEY');
    close $f;
    return $file;
}

sub certificate {
    my ($dir, $name, %o) = @_;
    my $lines = $o{lines} // 'expiration_days = 9';
    $lines .= $o{signer} ? "\ntls_www_server\nsigning_key" : $o{names} ? "\ntls_www_server\nsigning_key" : "\nca\ncert_signing_key";
    open my $f, '>', "$dir/$name.tmpl" or die;
    print $f join "\n", "cn = $name", $lines, (map { "dns_name = $_" } @{ $o{names} // [] }), '';
    close $f;
    my $sign = $o{signer} ? "--generate-certificate --load-ca-certificate $o{signer}.pem --load-ca-privkey $o{signer}.key" : '--generate-self-signed';
    my $chain = $o{chain} ? "cat $o{signer}.pem >>$name.pem" : ':';
    system("cd $dir && { certtool --generate-privkey --key-type=ecdsa --curve secp256r1 --outfile $name.key && chmod 644 $name.key && "
           . "certtool $sign --load-privkey $name.key --template $name.tmpl --outfile $name.pem && $chain; } >>$dir/certtool.log 2>&1") == 0
        or die "certtool: $name";
}

sub tlsa {
    my ($dir, $name, $usage, $selector, $matching) = @_;
    my $what = $selector ? '--pubkey-info --load-certificate' : '--certificate-info --infile';
    my $hash = { 0 => "od -An -v -tx1 | tr -d ' \\n'", 1 => 'sha256sum', 2 => 'sha512sum' }->{$matching};
    my ($hex) = `certtool $what $dir/$name.pem --outder 2>/dev/null | $hash` =~ /^([0-9a-f]+)/;
    return "TLSA $usage $selector $matching $hex";
}

1;
