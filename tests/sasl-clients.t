#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Real clients log in by SCRAM-SHA-256, and by -PLUS where they can: gsasl (by tls-exporter; what it wants to bind by tls-unique is
# refused), mutt, mbsync (Cyrus SASL), mpop. A real Dovecot reads the passwd-file that `postern` writes, and `postern` what Dovecot
# wrote.
. tests/tap.sh
. tests/server.sh

at_end='end_services; tmux -S "$work/tmux" kill-server 2>/dev/null'
prepare() {
    server_place "$work/server" && server_home || { cat "$place/log"; return 1; }
    imap=$(free_port)
    service "$imap" "$place/bin/imapd" -c "$conf"
    imaps=$(free_port)
    background systemd-socket-activate -l "127.0.0.1:$imaps" "$place/bin/imapd" -t -c "$conf"
    pop3=$(free_port)
    background systemd-socket-activate -l "127.0.0.1:$pop3" "$place/bin/pop3d" -c "$conf"
    eventually 10 listening "$imap" && eventually 10 listening "$imaps" && eventually 10 listening "$pop3"
}
listening() { [ -n "$(ss -Hltn "sport = :$1")" ]; }
check "a server of its own" prepare

# How often somebody has logged in by this mechanism.
logins() { grep -c "event=login user=$1@example.test.* tls=$2 mechanism=$3\$" "$place/log"; }

# --- gsasl

with_gsasl() { # USER PASSWORD OPTIONS...
    user=$1 password=$2
    shift 2
    timeout 60 gsasl --imap -d --x509-ca-file= -a "$user@example.test" -z "$user@example.test" -p "$password" "$@" \
        </dev/null >"$work/gsasl" 2>&1
    grep -q '^\. OK .*Logged in' "$work/gsasl" || { cat "$work/gsasl"; return 1; }
}
refused() { ! "$@" >/dev/null && grep -q '^\. NO' "$work/gsasl" || { cat "$work/gsasl"; return 1; }; }
fails() { ! "$@"; }
start="--connect 127.0.0.1:$imap --starttls"
check "gsasl: PLAIN under TLS" with_gsasl alice alice-secret $start -m PLAIN
check "gsasl: SCRAM-SHA-256 without TLS" with_gsasl alice alice-secret --connect "127.0.0.1:$imap" --no-starttls -m SCRAM-SHA-256
check "gsasl: SCRAM-SHA-256 under TLS" with_gsasl alice alice-secret $start --no-cb -m SCRAM-SHA-256
check "gsasl: SCRAM-SHA-256-PLUS" with_gsasl bob bob-secret $start -m SCRAM-SHA-256-PLUS
check "gsasl: it was bound by tls-exporter" grep -q '^cD10bHMtZXhwb3J0ZXIs' "$work/gsasl"
check "gsasl: it chooses that by itself" with_gsasl bob bob-secret $start
check "gsasl: so it did" grep -q 'AUTHENTICATE SCRAM-SHA-256-PLUS' "$work/gsasl"
check "gsasl: a wrong password" refused with_gsasl bob wrong $start -m SCRAM-SHA-256-PLUS
check "gsasl: somebody unknown" refused with_gsasl carol carol-secret $start --no-cb -m SCRAM-SHA-256
check "gsasl: tls-unique, its way with TLS 1.2" refused with_gsasl bob bob-secret $start --priority=NORMAL:-VERS-TLS1.3 \
    -m SCRAM-SHA-256-PLUS

# --- OpenSSL by perl: TLS 1.2 and 1.3, either binding

with_openssl() { # VERSION BINDING: waits for the OK
    timeout 60 perl -Itests/lib -MScram -MIO::Socket::SSL -e '
        my ($port, $version, $header) = @ARGV;
        my $s = IO::Socket::SSL->new(PeerAddr => "127.0.0.1", PeerPort => $port, SSL_verify_mode => 0, SSL_version => $version)
            or die IO::Socket::SSL::errstr();
        my ($scram, $line) = Scram->new($s);
        my $hear = sub { my $want = shift; $line = <$s> // "nothing"; $line =~ /^\Q$want\E(.*)\r$/ or die "$version $header: $line"; $1 };
        my $read = sub { my $m = $hear->("+ "); $scram->heard($_[0], $m) or die $m };
        $hear->("* OK");
        print $s "a AUTHENTICATE SCRAM-SHA-256-PLUS ", $scram->say("$header,,n=alice,r=abc"), "\r\n";
        $read->("r=abc...");
        print $s $scram->say("c=<bind $header,,>,r=<nonce>,p=<proof alice-secret>"), "\r\n";
        $read->("v=<signature>");
        print $s "\r\n";
        $hear->("a OK");' "$imaps" "$@"
}
for version in TLSv1_2 TLSv1_3; do
    for binding in p=tls-exporter p=tls-server-end-point; do
        check "OpenSSL: $version, $binding" with_openssl $version $binding
    done
done

# --- mutt

mkdir -p "$work/home"
mutt_logs_in() { # MECHANISM URL
    cat >"$work/muttrc" <<END
set folder=$2 spoolfile=+INBOX imap_user=alice@example.test imap_pass=alice-secret imap_authenticators="$1"
set ssl_starttls=yes ssl_force_tls=no ssl_verify_host=no header_cache="" message_cachedir="" record=""
set certificate_file=$work/certificates quit=yes wait_key=no
END
    cp "$home/cert.pem" "$work/certificates"
    rm -f "$work/mutt.ended"
    before=$(logins alice yes SCRAM-SHA-256)
    tmux -S "$work/tmux" -f /dev/null new-session -d -x 100 -y 30 \
        "HOME=$work/home TERM=screen mutt -F $work/muttrc -e \"push '<quit>'\" 2>$work/mutt.log; echo \$? >$work/mutt.ended"
    eventually 30 test -s "$work/mutt.ended" || { tmux -S "$work/tmux" capture-pane -p; cat "$work/mutt.log"; return 1; }
    [ "$(logins alice yes SCRAM-SHA-256)" -gt "$before" ] || { tail "$place/log"; return 1; }
}
check "mutt: SCRAM-SHA-256 by STARTTLS" mutt_logs_in SCRAM-SHA-256 "imap://127.0.0.1:$imap"
check "mutt: SCRAM-SHA-256 on the TLS port" mutt_logs_in SCRAM-SHA-256 "imaps://127.0.0.1:$imaps"

# --- mpop

as_server mkdir "$home/m"
with_mpop() { # PASSWORD OPTIONS...
    password=$1
    shift
    before=$(grep -c 'event=login .*mechanism=SCRAM' "$place/log")
    as_server env HOME="$home/m" mpop --host=127.0.0.1 --port="$pop3" --user=alice@example.test --auth=scram-sha-256 \
        --passwordeval="echo $password" --uidls-file="$home/m/uidls" --delivery=mbox,"$home/m/mbox" "$@" </dev/null || return
    [ "$(grep -c 'event=login .*mechanism=SCRAM' "$place/log")" -gt "$before" ]
}
check "mpop: SCRAM-SHA-256 without TLS" with_mpop alice-secret --tls=off
check "mpop: SCRAM-SHA-256 by STLS" with_mpop alice-secret --tls=on --tls-starttls=on --tls-certcheck=off
check "mpop: a wrong password" fails with_mpop wrong --tls=off

# --- Dovecot's passwd-file

# One that reads what `postern` wrote, on a port of its own.
dovecot_port=$(free_port)
start_dovecot() {
    owner=$(as_server id -un) group=$(as_server id -gn)
    as_server mkdir -p "$home/dovecot/state" "$home/dovecot/mail" && as_server tee "$home/dovecot/conf" >/dev/null <<END
protocols = imap
listen = 127.0.0.1
base_dir = $home/dovecot/run
state_dir = $home/dovecot/state
log_path = $home/dovecot/log
ssl = no
disable_plaintext_auth = no
default_internal_user = $owner
default_internal_group = $group
default_login_user = $owner
first_valid_uid = 1
mail_location = maildir:$home/dovecot/mail
passdb {
  driver = passwd-file
  args = username_format=%u $home/secrets
}
userdb {
  driver = static
  args = uid=$owner gid=$group home=$home/dovecot
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $dovecot_port
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
END
    background dovecot -F -c "$home/dovecot/conf"
    eventually 20 listening "$dovecot_port"
}
in_dovecot() { # USER PASSWORD
    curl -sS --max-time 20 -u "$1@example.test:$2" "imap://127.0.0.1:$dovecot_port/" >"$work/curl" 2>&1 ||
        { cat "$work/curl" "$home/dovecot/log"; false; }
}
check "Dovecot starts with our secrets" start_dovecot
check "Dovecot: they are its users' passwords" in_dovecot alice alice-secret
check "Dovecot: and no others" fails in_dovecot alice bob-secret

umlauts=$(printf 'p\303\244ss w\303\266rd')
from_dovecot() {
    hash=$(doveadm -c /dev/null pw -s SCRAM-SHA-256 -p "$umlauts") &&
        as_server sed -i "s|^bob@.*|bob@example.test:$hash|" "$home/secrets" && as_server "$place/bin/postern" -c "$conf" tables
}
check "an entry that Dovecot makes" from_dovecot
check "is one for SCRAM" with_gsasl bob "$umlauts" $start -m SCRAM-SHA-256-PLUS
check "and for PLAIN" with_gsasl bob "$umlauts" $start -m PLAIN

check "the log tells who logged in, and how" test "$(logins bob yes SCRAM-SHA-256-PLUS)" -ge 2 -a "$(logins bob yes PLAIN)" -ge 1
done_testing
