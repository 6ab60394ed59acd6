#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Real clients fetch mail by POP3 from a warm listener, under STLS and under TLS from the first byte:
# fetchmail, mpop and curl.
. tests/tap.sh
. tests/server.sh

prepare() {
    server_place "$work/place" && server_setup s mail.example.test example.test &&
        server_user s alice@example.test alice-secret || return 1
    conf=$place/s/postern.conf
    [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>"$conf"
    mail=$(as_server "$place/bin/postern" -c "$conf" config | sed -n 's/^mail //p' | sed 's/%d/example.test/; s/%u/alice/')
    home=$place/home
    as_server mkdir "$home"
    [ -d "$mail" ]
}

# As a user who is nobody in particular, with the home directory $home.
as_user() { as_server env HOME="$home" "$@"; }

# Three messages: one small, one with dots and 8-bit bytes, one of a megabyte.
fill_mailbox() {
    printf 'From: a@x.test\nTo: alice@example.test\nSubject: one\nMessage-ID: <1@x.test>\n\nfirst body\n' >"$work/1"
    printf 'From: a@x.test\nTo: alice@example.test\nSubject: two\nMessage-ID: <2@x.test>\n\n.\n..\n.dot\n\303\244\n' >"$work/2"
    { printf 'From: a@x.test\nTo: alice@example.test\nSubject: three\nMessage-ID: <3@x.test>\n\n'
      seq 1 150000; } >"$work/3"
    for n in 1 2 3; do
        as_user cp "$work/$n" "$mail/new/170000000$n.M1P$n.host" || return 1
    done
}

listen() { # PORT OPTIONS...
    port=$1
    shift
    background systemd-socket-activate -l "127.0.0.1:$port" "$place/bin/pop3d" -c "$conf" "$@"
    eventually 60 listening "$port"
}

listening() { [ -n "$(ss -Hltn "sport = :$1")" ]; }

count() { find "$mail/cur" "$mail/new" -type f | wc -l; }

run_fetchmail() { # OPTIONS...
    as_user fetchmail -f "$home/fetchmailrc" --pidfile "$home/pid" -i "$home/ids" --nosyslog "$@"
}

# Tries it and wants this exit status.
status() {
    want=$1
    shift
    "$@"
    got=$?
    [ "$got" = "$want" ] || { echo "exit status $got, not $want"; return 1; }
}

fetchmailrc() { # PORT SSL-OPTIONS
    as_user tee "$home/fetchmailrc" >/dev/null <<END
set no bouncemail
poll 127.0.0.1 service $1 protocol pop3 uidl timeout 60
  user "alice@example.test" password "alice-secret" $2
  mda "cat >>$home/got"
END
    as_user chmod 600 "$home/fetchmailrc"
}

at_end=end_services

check "a server of its own" prepare
check "three messages" fill_mailbox
plain_port=$(free_port)
tls_port=$(free_port)
check "listening for STLS" listen "$plain_port"
check "listening for TLS" listen "$tls_port" -t

fetchmailrc "$plain_port" 'sslproto "auto" no sslcertck'
check "fetchmail fetches by STLS and keeps" status 0 run_fetchmail --keep
check "fetchmail got all of the last message" sh -c "seq 1 150000 | tail -n 100000 >'$home/end' && tail -n 100000 '$home/got' | cmp - '$home/end'"
check "fetchmail got the dots right" grep -qx '\.dot' "$home/got"
check "nothing was removed" [ "$(count)" = 3 ]
check "fetchmail knows them again by UIDL" status 1 run_fetchmail --keep
as_user cp "$work/1" "$mail/new/1700000009.M9P9.host"
check "fetchmail fetches only what is new" status 0 run_fetchmail --keep
check "and that is one" [ "$(grep -c '^Subject: one' "$home/got")" = 2 ]

curl_pop3() {
    as_user curl -sS --max-time 60 -k -u alice@example.test:alice-secret "$@"
}
list="pop3s://127.0.0.1:$tls_port/"
check "curl lists under TLS" sh -c "[ \"\$($(command -v curl) -sSk -u alice@example.test:alice-secret '$list' | wc -l)\" = 4 ]"
check "curl lists by STLS" curl_pop3 --ssl-reqd "pop3://127.0.0.1:$plain_port/"
check "curl gets no password through in plain" status 67 curl_pop3 "pop3://127.0.0.1:$plain_port/"
check "curl fetches a message" curl_pop3 -o "$home/two" "${list}2"
check "just as it lies there, with CRLF" sh -c "tr -d '\r' <'$home/two' | cmp - '$work/2'"
check "curl fetches a megabyte" curl_pop3 -o "$home/three" "${list}3"
check "whole" sh -c "tr -d '\r' <'$home/three' | cmp - '$work/3'"
check "curl sends TOP" curl_pop3 -X 'TOP 3 1' -o "$home/top" "$list"
check "and gets header and a line" [ "$(tail -n 1 "$home/top" | tr -d '\r')" = 1 ]
check "curl says UIDL" curl_pop3 -X UIDL "$list"
check "curl removes one" curl_pop3 -X 'DELE 4' -I "$list"
check "curl hears of a wrong password" status 67 curl_pop3 -u alice@example.test:wrong "$list"
check "one message less" [ "$(count)" = 3 ]

run_mpop() {
    as_user mpop --host=127.0.0.1 --user=alice@example.test --auth=plain --passwordeval='echo alice-secret' --tls=on \
        --tls-certcheck=off --uidls-file="$home/mpop-uidls" --delivery=mbox,"$home/mbox" "$@" </dev/null
}
check "mpop fetches by STLS, pipelined, and keeps" run_mpop --port="$plain_port" --tls-starttls=on --pipelining=on --keep=on
check "mpop got three" [ "$(grep -c '^Message-ID' "$home/mbox")" = 3 ]
check "mpop knows them again by UIDL" run_mpop --port="$tls_port" --tls-starttls=off --keep=on
check "and fetched none twice" [ "$(grep -c '^Message-ID' "$home/mbox")" = 3 ]

fetchmailrc "$tls_port" "ssl no sslcertck"
check "fetchmail fetches under TLS and removes" status 0 run_fetchmail --nokeep --fetchall
check "the mailbox is empty" [ "$(count)" = 0 ]
check "fetchmail finds nothing more" status 1 run_fetchmail --nokeep
done_testing
