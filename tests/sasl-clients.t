#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Real clients log in by SCRAM-SHA-256, and by -PLUS where they can: gsasl (by tls-exporter; what it wants to bind by tls-unique is
# refused), mutt, mbsync (Cyrus SASL), mpop; on submission gsasl, swaks, curl, msmtp and OpenSSL. A real Dovecot reads the passwd-file that `postern` writes, and `postern` what Dovecot
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
    eventually 60 listening "$imap" && eventually 60 listening "$imaps" && eventually 60 listening "$pop3"
}
listening() { [ -n "$(ss -Hltn "sport = :$1")" ]; }
check "a server of its own" prepare

# How often somebody has logged in by this mechanism.
logins() { grep -c "event=login user=$1@example.test.* tls=$2 mechanism=$3 session=" "$place/log"; }

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

with_openssl() { # PORT HELLO COMMAND PROMPT OK VERSION BINDING: waits for the OK
    timeout 60 perl -Itests/lib -MScram -MIO::Socket::SSL -e '
        my ($port, $hello, $command, $prompt, $ok, $version, $header) = @ARGV;
        my $s = IO::Socket::SSL->new(PeerAddr => "127.0.0.1", PeerPort => $port, SSL_verify_mode => 0, SSL_version => $version)
            or die IO::Socket::SSL::errstr();
        my ($scram, $line) = Scram->new($s);
        my $hear = sub { my $want = shift; $line = <$s> // "nothing"; $line =~ /^\Q$want\E(.*)\r$/ or die "$version $header: $line"; $1 };
        my $read = sub { my $m = $hear->($prompt); $scram->heard($_[0], $m) or die $m };
        <$s>;
        print $s "$hello\r\n" if $hello;
        while ($hello && defined($line = <$s>)) { last if $line =~ /^250 / }
        print $s "$command SCRAM-SHA-256-PLUS ", $scram->say("$header,,n=alice,r=abc"), "\r\n";
        $read->("r=abc...");
        print $s $scram->say("c=<bind $header,,>,r=<nonce>,p=<proof alice-secret>"), "\r\n";
        $read->("v=<signature>");
        print $s "\r\n";
        $hear->($ok);' "$@"
}
for version in TLSv1_2 TLSv1_3; do
    for binding in p=tls-exporter p=tls-server-end-point; do
        check "OpenSSL: $version, $binding" with_openssl "$imaps" '' 'a AUTHENTICATE' '+ ' 'a OK' $version $binding
    done
done

# --- mutt

mkdir -p "$work/home"
# It keeps the server, which would else end with a session of mutt's, just as the next begins.
SHELL=/bin/sh tmux -S "$work/tmux" -f /dev/null new-session -d -s stays 'sleep 3600'
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
    eventually 60 test -s "$work/mutt.ended" || { tmux -S "$work/tmux" capture-pane -p; cat "$work/mutt.log"; return 1; }
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

# --- submission

submission=$(free_port)
service "$submission" "$place/bin/smtpd" -s -c "$conf"
submissions=$(free_port)
background systemd-socket-activate -l "127.0.0.1:$submissions" "$place/bin/smtpd" -s -t -c "$conf"
both_listen() { listening "$submission" && listening "$submissions"; }
check "submission's ports" eventually 60 both_listen

# by_smtp MECHANISM TLS COMMAND...: it works, and this is how it logged in.
by_smtp() {
    mechanism=$1 tls=$2
    shift 2
    before=$(logins alice "$tls" "$mechanism")
    "$@" </dev/null >"$work/client" 2>&1 || { cat "$work/client"; return 1; }
    [ "$(logins alice "$tls" "$mechanism")" -gt "$before" ] || { cat "$work/client"; tail -5 "$place/log"; return 1; }
}
# It fails, and this is what it was told.
denied() { # REPLY COMMAND...
    reply=$1
    shift
    ! "$@" </dev/null >"$work/client" 2>&1 && grep -q "$reply" "$work/client" || { cat "$work/client"; return 1; }
}
gsasl_smtp() { # PASSWORD OPTIONS...
    password=$1
    shift
    timeout 60 gsasl --smtp -d --x509-ca-file= -a alice@example.test -z alice@example.test -p "$password" --connect "127.0.0.1:$submission" "$@"
}
for m in PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS; do
    logged=$m binding=
    [ $m != LOGIN ] || logged=PLAIN
    [ $m = SCRAM-SHA-256-PLUS ] || binding=--no-cb
    check "gsasl, SMTP: $m" by_smtp $logged yes gsasl_smtp alice-secret --starttls $binding -m $m
    check "gsasl, SMTP: $m, a wrong password" denied '^535 5.7.8 ' gsasl_smtp wrong --starttls $binding -m $m
done
check "gsasl, SMTP: SCRAM-SHA-256 without TLS" by_smtp SCRAM-SHA-256 no gsasl_smtp alice-secret --no-starttls -m SCRAM-SHA-256
check "gsasl, SMTP: PLAIN without TLS isn't taken" denied '^538 5.7.11 ' gsasl_smtp alice-secret --no-starttls -m PLAIN

swaks_by() { # MECHANISM PASSWORD
    timeout 60 swaks --server "127.0.0.1:$submission" --tls --from alice@example.test --to bob@example.test --auth "$1" --auth-user alice \
        --auth-password "$2"
}
for m in PLAIN LOGIN; do
    check "swaks: $m" by_smtp PLAIN yes swaks_by $m alice-secret
    check "swaks: $m, a wrong password" denied ' 535 5.7.8 ' swaks_by $m wrong
done

msmtp_by() { # MECHANISM PASSWORD TLS
    printf 'From: alice@example.test\n\nhello\n' |
        timeout 60 msmtp -C /dev/null --host=127.0.0.1 --port="$submission" --tls="$3" \
        --tls-certcheck=off --auth="$1" --user=alice --passwordeval="echo $2" --from=alice@example.test bob@example.test
}
check "msmtp: scram-sha-256 under TLS" by_smtp SCRAM-SHA-256 yes msmtp_by scram-sha-256 alice-secret on
check "msmtp: scram-sha-256 without" by_smtp SCRAM-SHA-256 no msmtp_by scram-sha-256 alice-secret off
check "msmtp: login" by_smtp PLAIN yes msmtp_by login alice-secret on
check "msmtp: a wrong password" denied '535 5.7.8 ' msmtp_by scram-sha-256 wrong on

printf 'From: alice@example.test\r\n\r\nhello\r\n' >"$work/message"
curl_by() {
    timeout 60 curl -sS --insecure --ssl-reqd --upload-file "$work/message" --mail-from alice@example.test --mail-rcpt bob@example.test \
        --user alice:alice-secret --login-options "AUTH=$1" "smtp://127.0.0.1:$submission/client.test"
}
check "curl: PLAIN" by_smtp PLAIN yes curl_by PLAIN
check "curl: LOGIN" by_smtp PLAIN yes curl_by LOGIN

# smtplib, which says AUTH PLAIN with the response in the command, or LOGIN.
python_by() {
    timeout 60 python3 -c '
import smtplib, ssl, sys
c = ssl.create_default_context()
c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
s = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
s.starttls(context=c)
s.ehlo()
s.user, s.password = "alice", "alice-secret"
print(s.auth(sys.argv[2], getattr(s, "auth_" + sys.argv[2].lower()), initial_response_ok=sys.argv[3] == "initial"))
s.sendmail("alice@example.test", ["bob@example.test"], "From: alice@example.test\r\n\r\nhello\r\n")
s.quit()' "$submission" "$@"
}
for how in initial asked; do
    check "smtplib: PLAIN, $how" by_smtp PLAIN yes python_by PLAIN $how
    check "smtplib: LOGIN, $how" by_smtp PLAIN yes python_by LOGIN $how
done

for version in TLSv1_2 TLSv1_3; do
    for binding in p=tls-exporter p=tls-server-end-point; do
        check "OpenSSL, SMTP: $version, $binding" by_smtp SCRAM-SHA-256-PLUS yes with_openssl "$submissions" 'EHLO client.test' AUTH '334 ' \
            '235 ' $version $binding
    done
done

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
    eventually 60 listening "$dovecot_port"
}
in_dovecot() { # USER PASSWORD
    curl -sS --max-time 60 -u "$1@example.test:$2" "imap://127.0.0.1:$dovecot_port/" >"$work/curl" 2>&1 ||
        { cat "$work/curl" "$home/dovecot/log"; false; }
}
check "Dovecot starts with our secrets" start_dovecot
check "Dovecot: they are its users' passwords" in_dovecot alice alice-secret
check "Dovecot: and no others" fails in_dovecot alice bob-secret
as_postern() { as_server "$place/bin/postern" -c "$conf" "$@"; }
check "an app password more" as_postern user apppass add alice phone
check "Dovecot: the same, as it passes over what it doesn't know" in_dovecot alice alice-secret
check "an account is disabled" as_postern user disable alice
check "Dovecot: there too, once it looks" eventually 60 fails in_dovecot alice alice-secret
check "and enabled" as_postern user enable alice
check "Dovecot: there too, once it looks" eventually 60 in_dovecot alice alice-secret
check "without the app password" as_postern user apppass remove alice phone

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
