# SPDX-License-Identifier: GPL-3.0-or-later
#
# For tests with a mail server of somebody else's, on a machine of its own (tests/with-systemd), to be sourced:
#
#     set_up_postern             ours, installed, on port 25, with alice, bob and jörg at example.test; $mail is where theirs lies
#     install_peer PACKAGE       Debian's, without network and without starting it (tests/deps has fetched it)
#     submit RECIPIENTS SUBJECT [swaks options]               to port 2500, where the other server listens
#     submit_raw SENDER PARAMETERS RECIPIENT PARAMETERS       the same with parameters of MAIL and RCPT
#     smtp_source COUNT RECIPIENT                             many messages over one connection
#     has USER SUBJECT           is it in the mailbox?        soon COMMAND   within two minutes
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
BUILD=${BUILD:-build}
mail=/var/mail/postern/example.test

set_up_postern() {
    make -s install BUILD="$BUILD" PREFIX=/usr/local >/dev/null &&
        systemd-sysusers && systemd-tmpfiles --create /usr/local/lib/tmpfiles.d/postern.conf && systemctl daemon-reload &&
        postern setup mail.example.test example.test || return
    for user in alice bob jörg; do
        echo "$user-secret" | postern user add "$user@example.test" || return
    done
    echo 'dns-defer 0' >>/etc/postern/postern.conf # there is no DNS that could tell who sent what
    [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>/etc/postern/postern.conf
    systemctl start postern-smtp.socket && eventually 60 nc -z 127.0.0.1 25
}

install_peer() {
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
    dpkg -i "/var/cache/postern-tests/$1"/*.deb
}

submit() {
    local to=$1 subject=$2
    shift 2
    swaks --timeout 60 -s 127.0.0.1 -p 2500 --helo client.test --from zoe@front.test --to "$to" --header "Subject: $subject" "$@"
}

submit_raw() {
    perl -MIO::Socket::INET -e '
        my ($from, $mail, $to, $rcpt) = @ARGV;
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:2500", Timeout => 60) or die;
        my $say = sub {
            print $s "$_[0]\r\n" if defined $_[0];
            while (my $line = <$s>) { print $line; return $line =~ /^[23]/ if $line =~ /^\d+ / }
        };
        $say->($_) || exit 1 for undef, "EHLO client.test", "MAIL FROM:<$from> $mail", "RCPT TO:<$to> $rcpt", "DATA",
            "From: <$from>\r\nSubject: raw\r\n\r\nx\r\n.", "QUIT"' "$@"
}

smtp_source() {
    perl -MNet::SMTP -e '
        my ($count, $to) = @ARGV;
        my $s = Net::SMTP->new("127.0.0.1", Port => 2500, Hello => "client.test", Timeout => 60) or die;
        for (1 .. $count) {
            $s->mail("zoe\@front.test") && $s->to($to) && $s->data("Subject: number $_\r\n\r\nx\r\n") or die;
        }
        $s->quit' "$@"
}

has() {
    grep -rqs -- "^Subject: $2\$" "$mail/$1/new"
}

soon() {
    eventually 120 "$@" || { tail -n 20 /var/log/exim4/mainlog /var/log/postfix.log 2>/dev/null; return 1; }
}
