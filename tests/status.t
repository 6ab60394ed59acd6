#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# postern status: a made log, sockets and spool, and what it says of them for people, for awk and as JSON.
. tests/tap.sh
. tests/server.sh
out=$work/out proc=$work/proc
mkdir -p "$proc/net"
chmod 755 "$proc" "$proc/net"

now=$(date +%s)
ago() { echo $((now - $1)); }
syslog_ago() { LC_ALL=C date -d "@$(ago "$1")" '+%b %e %H:%M:%S'; }
iso_ago() { TZ=IST-5:30 date -d "@$(ago "$1")" '+%Y-%m-%dT%H:%M:%S.123456%:z'; }
id=06612e8b7c2e07-5f7205e700000063
accepted="event=accepted id=$id peer=192.0.2.1 from=alice@us.test size=4321 to=bob@us.test"
cat >"$work/log" <<X
$(ago 30).123456 mail smtpd[11]: $accepted
$(ago 7000).123456 mail smtpd[11]: $accepted
$(iso_ago 60) mail smtpd[11]: $accepted
$(syslog_ago 90) mail qrun[12]: event=delivered id=$id from=alice@us.test to=x@peer.test reply="250 ok"
$(ago 200000).000000 mail qrun[12]: event=deferred id=$id from=alice@us.test to=x@peer.test reply="451 \x1b[31mlater"
$(ago 100).000000 mail smtpd[13]: event=refused peer=192.0.2.9 from=x@y.test to=nobody@us.test why="no such user"
$(ago 101).000000 mail smtpd[13]: event=refused peer=192.0.2.9 to=bob@us.test why="seen for the first time" setting=greylist
$(ago 99999).000000 mail smtpd[13]: event=refused peer=192.0.2.9 to=bob@us.test why="seen for the first time" setting=greylist
$(ago 102).000000 mail smtpd[13]: event=checked peer=192.0.2.9 to=bob@us.test dmarc=fail outcome=refuse reply="550 5.7.1 no"
$(ago 103).000000 mail smtpd[13]: event=refused peer=192.0.2.9 to=bob@us.test why="\x1b[31mred"
$(ago 700000).000000 mail smtpd[13]: $accepted
$(ago 20).000000 mail imapd[13]: event=login-failed user=bob peer=192.0.2.9
smtpd[13]: $accepted
cron[1]: event of something else
X
head='  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
socket() {
    printf '   0: %s:%04X 0100007F:9C40 %s 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100 0 0 10 0\n' "$@"
}
{
    echo "$head"
    socket 00000000 25 0A
    socket 0100007F 25 01
    socket 0100007F 993 01
    socket 0100007F 993 06
    socket 0100007F 2525 01
} >"$proc/net/tcp"
{
    echo "$head"
    socket 00000000000000000000000001000000 993 01
} >"$proc/net/tcp6"
chmod 644 "$work/log" "$proc"/net/*

if ! server_place "$work/place" || ! server_home; then
    check 'a server' false
    done_testing
    exit
fi
postern() { as_server "$place/bin/postern" -c "$conf" "$@"; }
status() { postern status --proc "$proc" --file "$work/log" "$@" >"$out" 2>"$work/err"; }
has() { grep -qE -- "$1" "$out"; }
hasnt() { ! has "$1"; }
message() { as_server sh -c "head -c $1 /dev/zero >'$alice/new/$2'"; }
queued() {
    printf 'networks 127.0.0.0/8\n' >>"$conf"
    port=$(free_port)
    service "$port" --inetd "$place/bin/smtpd" -c "$conf"
    eventually 60 swaks --silent 3 --timeout 60 --server "127.0.0.1:$port" --from alice@example.test --to far@nowhere.test
}

check 'mail for alice' message 2097152 1795700000.M1P1.mail
check 'and her quota' postern user quota alice@example.test storage=4M
check 'a message that waits' queued

check 'status' status
check '... connections, over IPv4 and IPv6, but no listeners' has '^ +2  imaps$'
check '... of SMTP' has '^ +1  smtp$'
check '... of others' has '^ +0  pop3$'
check '... received: lines of each form, without those of no time or too old' has '^ +2 +3 +3  received$'
check '... sent' has '^ +1 +1 +1  sent$'
check '... deferred' has '^ +0 +0 +1  deferred$'
check '... refused' has '^ +4 +4 +5  refused$'
check '... by setting' has '^ +1 +1 +2    greylist$'
check '... by reason' has '^ +1 +1 +1    no such user$'
check '... by DMARC' has '^ +1 +1 +1    sender authentication$'
check '... with nothing that a terminal obeys' has '^ +1 +1 +1    .x1[bB]\[31mred$'
check '... failed logins' has '^ +1 +1 +1  logins-failed$'
check '... the queue' has '^ +1  waiting$'
check '... a mailbox against its quota' has '^ +2\.0 +4\.0 +1  alice@example.test$'
check '... one without' has '^ +0\.0 +- +0  bob@example.test$'
check '... the certificate' has '^ +[1-9][0-9]*  .*\.pem$'
check '... no bar and no colour in a pipe' hasnt "$(printf '\033')|#|█"
check '... nothing on standard error' test ! -s "$work/err"

check 'a held message' postern queue hold all
check '... status' status
check '... it does not wait' has '^ +0  waiting$'
check '... it is held' has '^ +1  held$'

json() { status --json && perl -MJSON::PP -0777 -ne 'my $j = decode_json($_); exit !('"$1"')' "$out"; }
box() { json '(grep { $_->{account} eq "'"$1"'\@example.test" && '"$2"' } @{$j->{mailboxes}}) == 1'; }
check 'JSON: connections' json '$j->{connections}{imaps} == 2 && $j->{connections}{smtp} == 1'
check 'JSON: counts' json '$j->{received}{hour} == 2 && $j->{received}{week} == 3 && $j->{refused}{week} == 5'
check 'JSON: reasons' json '$j->{reasons}{greylist}{week} == 2 && $j->{reasons}{"no such user"}{hour} == 1'
check 'JSON: the queue' json '$j->{queue}{held} == 1 && $j->{queue}{messages} == 1'
check 'JSON: a mailbox' box alice '$_->{bytes} == 2097152 && $_->{"bytes-limit"} == 4194304'
check 'JSON: one without a limit' box bob '!defined $_->{"bytes-limit"}'
check 'JSON: certificates' json '$j->{certificates}[0]{expires} > time'

on_terminal() {
    as_server env LC_ALL="$1" TERM=xterm script -qec \
        "stty cols 100; '$place/bin/postern' -c '$conf' status --proc '$proc' --file '$work/log'" /dev/null </dev/null >"$out"
}
check 'on a terminal' on_terminal C.UTF-8
check '... bars, coloured' has "3 .*$(printf '\033\\[3[25]m')█"
check '... the largest over all its columns' has '████████'
check '... where there is no UTF-8' on_terminal C
check '... of #' has '########'

fails() {
    want=$1 text=$2
    shift 2
    status "$@"
    [ $? = "$want" ] && grep -qE -- "$text" "$work/err"
}
check 'no such log' fails 66 'No such file' --file "$work/none"
check '... the rest is there' has '^ +2  imaps$'
check '... and no counts' hasnt 'received'
check '... nor in JSON' fails 66 'No such file' --file "$work/none" --json
check '... at all' hasnt 'received'
check 'an option without its value' fails 64 'value is missing' --proc
metrics() { postern metrics --proc "$proc" --file "$work/log" "$@" >"$out" 2>"$work/err"; }
strict() { # what a strict parser of OpenMetrics has of it: a sample a line
    /usr/bin/python3 -c 'import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.type == "gauge" and family.documentation, family
    for s in family.samples:
        print(s.name, *("%s=%s" % pair for pair in sorted(s.labels.items())), "%d" % s.value)' <"$out" >"$work/samples" && mv "$work/samples" "$out"
}
broken() { sed 's/# EOF//' "$out" >"$work/broken" && cp "$work/broken" "$out" && ! strict; }
cat >>"$work/log" <<X
$(ago 50).000000 mail smtpd[13]: event=refused peer=192.0.2.9 to=bob@us.test why="a \"quote\" and \\\\"
X
check 'metrics' metrics
check '... a strict parser of OpenMetrics takes them' strict
check '... connections' has '^postern_connections protocol=imaps 2$'
check '... counts' has '^postern_events kind=received last=hour 2$'
check '... of a day' has '^postern_events kind=received last=day 3$'
check '... and no longer' hasnt 'week'
check '... reasons' has '^postern_refused last=day reason=no such user 1$'
check '... whatever is in them' has '^postern_refused last=hour reason=a "quote" and .* 1$'
check '... the queue' has '^postern_queue_held 1$'
check '... a mailbox' has '^postern_mailbox_bytes account=alice@example.test 2097152$'
check '... its limit' has '^postern_mailbox_limit_bytes account=alice@example.test 4194304$'
check '... none where there is none' hasnt 'limit_bytes account=bob'
check '... the certificate' has '^postern_certificate_expiry_timestamp_seconds file=.*pem [0-9]{10}$'
check '... all is well' has '^postern_up 1$'
check 'metrics anew' metrics
check '... the parser sees what is broken' broken
no_log() { metrics --file "$work/none"; [ $? = 66 ]; }
check 'metrics without a log' no_log
check '... are sound' strict
check '... and say so' has '^postern_up 0$'
check '... with no counts' hasnt 'postern_events'
check 'an unknown option' fails 64 'no such option' --jason
done_testing
