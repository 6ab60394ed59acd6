#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A certificate for each name: by SNI a client gets that of the name it asks for, with an RSA, ECDSA or Ed25519 key, over TLS 1.2 and
# 1.3, from smtpd, imapd and pop3d, cold and warm; any other name gets the default. Older TLS is refused. A renewed certificate is
# there at the next connection. A login that is bound to the certificate is bound to the one that was sent.
. tests/tap.sh
. tests/server.sh
at_end=end_services

make_certificate() { # NAME KIND: $home/NAME.pem and NAME.key
    printf 'cn = %s\ndns_name = %s\nexpiration_days = 2\ntls_www_server\nsigning_key\n' "$1" "$1" >"$work/template"
    certtool --generate-privkey --key-type="$2" --outfile "$work/new.key" 2>/dev/null &&
        certtool --generate-self-signed --load-privkey "$work/new.key" --template "$work/template" --outfile "$work/new.pem" 2>/dev/null &&
        as_server sh -c 'umask 077; cat >"$1.new" && mv "$1.new" "$1"' sh "$home/$1.key" <"$work/new.key" &&
        as_server sh -c 'cat >"$1.new" && mv "$1.new" "$1"' sh "$home/$1.pem" <"$work/new.pem"
}

prepare() {
    server_place "$work/server" && server_home || { cat "$place/log"; return 1; }
    make_certificate rsa.test rsa && make_certificate ecdsa.test ecdsa && make_certificate ed25519.test ed25519 &&
        make_certificate wild.test ecdsa || return
    as_server sh -c 'for kind in rsa ecdsa ed25519; do echo "certificate mail.$kind.test $kind.test.pem $kind.test.key"; done >>"$1"
        echo "certificate *.wild.test wild.test.pem wild.test.key" >>"$1"
        echo "certificate missing.test nowhere.pem nowhere.key" >>"$1"
        echo "certificate broken.test postern.conf rsa.test.key" >>"$1"
        echo "certificate locked.test rsa.test.pem nowhere.key" >>"$1"' sh "$conf"
}
listening() { [ -n "$(ss -Hltn "sport = :$1")" ]; }
start() { # NAME PROGRAM OPTIONS...: warm, and cold
    name=$1 program=$2
    shift 2
    warm_port=$(free_port)
    background systemd-socket-activate -l "127.0.0.1:$warm_port" "$place/bin/$program" -c "$conf" "$@"
    cold_port=$(free_port)
    service "$cold_port" "$place/bin/$program" -c "$conf" "$@"
    eval "${name}_warm=$warm_port ${name}_cold=$cold_port"
    eventually 60 listening "$warm_port" && eventually 60 listening "$cold_port"
}

# gets PORT SERVERNAME-OPTION OPTIONS...: the certificate that comes is the one that own() named.
gets() {
    port=$1 asked=$2
    shift 2
    # shellcheck disable=SC2086 # two words
    timeout 60 openssl s_client -connect "127.0.0.1:$port" $asked "$@" \
        </dev/null 2>"$work/openssl.err" >"$work/openssl"
    openssl x509 -in "$work/openssl" -outform DER 2>/dev/null | cmp - "$work/wanted.der" 2>/dev/null && return
    cat "$work/openssl" "$work/openssl.err"
    return 1
}
own() { openssl x509 -in "$1" -outform DER >"$work/wanted.der"; }

check "a server with certificates for several names" prepare
check "submissions" start smtps smtpd -s -t
check "imaps" start imaps imapd -t
check "pop3s" start pop3s pop3d -t

for kind in rsa ecdsa ed25519; do
    own "$home/$kind.test.pem"
    for port in $smtps_warm $smtps_cold $imaps_warm $imaps_cold $pop3s_warm $pop3s_cold; do
        for version in tls1_2 tls1_3; do
            check "mail.$kind.test by $version on port $port" gets "$port" "-servername mail.$kind.test" -$version
        done
    done
done
own "$home/cert.pem"
for name in other.test mail.rsa.test.other.test ecdsa.test wild.test a.b.wild.test missing.test broken.test; do
    check "the default for $name" gets "$imaps_cold" "-servername $name"
    check "the default for $name, warm" gets "$imaps_warm" "-servername $name"
done
check "the default without a name" gets "$imaps_warm" -noservername
own "$home/wild.test.pem"
check "a wildcard" gets "$pop3s_warm" "-servername Anything.Wild.Test"
check "what can't be used is in the log" grep -q 'event=certificate-unusable domain=missing.test .*nowhere.pem' "$place/log"
check "what is no certificate too" grep -q 'event=certificate-unusable domain=broken.test' "$place/log"
fails() { ! "$@"; }
check "a key that can't be read: no handshake" fails timeout 60 openssl s_client -connect "127.0.0.1:$imaps_warm" -servername locked.test \
    -verify_return_error </dev/null
check "and the log says which" grep -q 'event=tls-key-unusable file=.*nowhere.key' "$place/log"

# --- STARTTLS, and GnuTLS

start smtp smtpd
start imap imapd
start pop3 pop3d
by_gnutls() { # PORT PROTOCOL NAME PRIORITY
    timeout 60 gnutls-cli --insecure --starttls-proto="$2" --sni-hostname="$3" --priority="$4" --print-cert -p "$1" 127.0.0.1 \
        </dev/null >"$work/gnutls" 2>&1
    grep -q -- "subject .CN=$5" "$work/gnutls" && grep -qF "$6" "$work/gnutls" || { cat "$work/gnutls"; return 1; }
}
for version in 1.2 1.3; do
    for where in "$smtp_warm smtp" "$imap_cold imap" "$pop3_warm pop3"; do
        for kind in rsa ecdsa ed25519; do
            # shellcheck disable=SC2086 # two words
            check "gnutls-cli: mail.$kind.test, TLS $version, ${where#* }" by_gnutls $where mail.$kind.test \
                "NORMAL:-VERS-ALL:+VERS-TLS$version" $kind.test "Description: (TLS$version-"
        done
    done
done

# --- older TLS

for version in tls1 tls1_1; do
    for port in $smtps_warm $imaps_cold $pop3s_warm; do
        check "$version is refused on port $port" fails timeout 60 openssl s_client -connect "127.0.0.1:$port" -$version \
            -cipher 'ALL:@SECLEVEL=0' </dev/null
    done
done
check "it is refused by the server, which says why" sh -c "timeout 60 openssl s_client -connect 127.0.0.1:$smtps_warm -tls1_1 \
    -cipher 'ALL:@SECLEVEL=0' </dev/null 2>&1 | grep -q 'alert protocol version'"
check "no key exchange by RSA" fails timeout 60 openssl s_client -connect "127.0.0.1:$imaps_warm" -tls1_2 -cipher kRSA \
    -servername mail.rsa.test </dev/null

# --- keys are opened when something is to be signed, and only the one that is asked for; who isn't root can't see what they do

if [ "$(id -u)" = 0 ]; then
    traced=$(free_port)
    setsid systemd-socket-activate --accept --inetd -l "127.0.0.1:$traced" strace -f -qq -u nobody -e trace=open,openat,openat2 \
        -o "$work/trace" "$place/bin/smtpd" -c "$conf" >>"$place/log" 2>&1 </dev/null &
    services="$services $!"
    # What is opened as O_PATH is named for Landlock, and can't be read.
    keys() { grep -v O_PATH "$work/trace" | grep -o '[a-z0-9.]*\.key"\|/key\.pem"' | sort -u | tr -d '\n'; }
    no_key() {
        printf 'EHLO x\r\nQUIT\r\n' | timeout 60 nc -N 127.0.0.1 "$traced" | grep -q '^221' || return 1
        grep -q '/cert\.pem"' "$work/trace" && [ -z "$(keys)" ] || { cat "$work/trace"; return 1; }
    }
    check "a traced server" eventually 60 listening "$traced"
    check "a session without TLS opens no key" no_key
    own "$home/ecdsa.test.pem"
    check "one with TLS, by a name" gets "$traced" "-servername mail.ecdsa.test" -starttls smtp
    check "opens that name's" test "$(keys)" = 'ecdsa.test.key"'
fi

# --- SCRAM, bound to the certificate

bound() { # PORT NAME VERSION [CERTIFICATE]
    timeout 60 perl -Itests/lib -MScram -MIO::Socket::SSL -e '
        my ($port, $name, $version) = @ARGV;
        my $s = IO::Socket::SSL->new(PeerAddr => "127.0.0.1", PeerPort => $port, SSL_verify_mode => 0, SSL_version => $version,
            SSL_hostname => $name) or die IO::Socket::SSL::errstr();
        my ($scram, $line) = Scram->new($s);
        my $hear = sub { my $want = shift; $line = <$s> // "nothing"; $line =~ /^\Q$want\E(.*)\r$/ or die "$name $version: $line"; $1 };
        my $read = sub { my $m = $hear->("+ "); $scram->heard($_[0], $m) or die $m };
        $hear->("* OK");
        print $s "a AUTHENTICATE SCRAM-SHA-256-PLUS ", $scram->say("p=tls-server-end-point,,n=alice,r=abc"), "\r\n";
        $read->("r=abc...");
        print $s $scram->say("c=<bind p=tls-server-end-point,,>,r=<nonce>,p=<proof alice-secret>"), "\r\n";
        $read->("v=<signature>");
        print $s "\r\n";
        $hear->("a OK");' "$@"
}
for name in mail.rsa.test mail.ecdsa.test other.test; do
    check "SCRAM bound to what $name has, TLS 1.2" bound "$imaps_cold" $name TLSv1_2
    check "and TLS 1.3, warm" bound "$imaps_warm" $name TLSv1_3
done

# --- renewal

before=$(pgrep -o -f "^$place/bin/imapd -c $conf -t")
check "another certificate and key, of another kind" make_certificate ecdsa.test rsa
own "$home/ecdsa.test.pem"
check "are there at the next connection, warm" gets "$imaps_warm" "-servername mail.ecdsa.test"
check "the same listener serves" test -n "$before" -a "$before" = "$(pgrep -o -f "^$place/bin/imapd -c $conf -t")"
check "and cold" gets "$imaps_cold" "-servername mail.ecdsa.test"
check "a new key alone" as_server cp "$home/rsa.test.key" "$home/nowhere.key"
own "$home/rsa.test.pem"
check "is used too" gets "$imaps_warm" "-servername locked.test"
check "another name" as_server sh -c 'echo "certificate new.test wild.test.pem wild.test.key" >>"$1"' sh "$conf"
own "$home/wild.test.pem"
check "is known at once" gets "$smtps_warm" "-servername new.test"
check "the default is renewed as well" as_server cp "$home/wild.test.pem" "$home/cert.pem"
as_server cp "$home/wild.test.key" "$home/key.pem"
check "and used" gets "$pop3s_warm" "-servername other.test"

# --- as many as there may be

check "a hundred names" as_server sh -c 'sed -i "/^certificate /d" "$1"
    for i in $(seq 100); do echo "certificate n$i.test rsa.test.pem rsa.test.key"; done >>"$1"' sh "$conf"
own "$home/rsa.test.pem"
for port in $smtps_warm $smtps_cold $imaps_warm $imaps_cold; do
    check "the last of them, port $port" gets "$port" "-servername n100.test"
done
done_testing
