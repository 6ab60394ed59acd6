#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The warm listener of pop3d: limits, idle exit, executing itself anew without losing a connection, broken settings; and what the
# processes of a connection are: sandboxed, not root, and the key in the guard's memory only.
. tests/tap.sh
. tests/server.sh
at_end=end_services

server_place "$work/place"
port=$(free_port)

server() { # NAME SETTINGS...: a server folder with those settings
    conf=$place/$1/postern.conf
    server_setup "$1" mail.example.test example.test || return
    server_user "$1" alice@example.test alice-secret || return
    shift
    [ -z "${SANDBOX:-}" ] || set -- "$@" "sandbox $SANDBOX"
    printf '%s\n' 'plaintext-login yes' "$@" >>"$conf"
}

start_listener() { # on $port; its process id is $listener
    systemd-socket-activate --version >/dev/null || return
    port=$(free_port)
    # Who can't be traced can't look for its own leaks, where a sanitizer would.
    background systemd-socket-activate -E ASAN_OPTIONS=detect_leaks=0 -l "127.0.0.1:$port" "${program:-$place/bin/pop3d}" -c "$conf" "$@"
    leader=$!
    # setsid and setpriv execute in place, so the listener is the background process itself once a client came.
    listener=$leader
    eventually 60 listens "$port"
}

play() { # INPUT...: sends lines, prints what came back until the server closes
    printf '%s\r\n' "$@" | timeout 60 nc -N 127.0.0.1 "$port" | tr -d '\r'
}

greets() { play QUIT | grep -q '^+OK'; }
# Sends nothing: bytes that a refusal leaves unread would reset the connection.
says() { timeout 60 nc -N 127.0.0.1 "$port" </dev/null | grep -qe "^$1"; }
dead() { ! grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null; }
gone() { ! kill -0 "$1" 2>/dev/null; }
same_file() { [ "$(stat -Lc %d:%i "$1")" = "$(stat -Lc %d:%i "$2")" ]; }

# A client that stays: hold NAME opens it with the greeting read, tell NAME LINE sends, let_go NAME closes.
hold() {
    rm -f "$work/$1.in"
    mkfifo "$work/$1.in"
    : >"$work/$1.out"
    nc -N 127.0.0.1 "$port" <"$work/$1.in" >"$work/$1.out" 2>/dev/null &
    pids="$pids $!"
    eval "exec $2>\"\$work/\$1.in\""
    eventually 60 test -s "$work/$1.out"
}
heard() { grep -q "$2" "$work/$1.out"; }

family() { # all processes below $1
    for child in $(pgrep -P "$1"); do
        echo "$child"
        family "$child"
    done
}

# The same of a listener, but for the youngest of its children and what is below that: the next connection's.
connected() {
    family "$1" | grep -vxF "$(next "$1")"
}
next() {
    youngest=$(pgrep -n -P "$1") && echo "$youngest" && family "$youngest"
}
next_waits() { [ "$(next "$listener" | wc -l)" = 2 ]; }

# --- idle exit

server idle 'idle-exit 6s'
start_listener
check 'a warm listener answers' greets
check 'and again' greets
check 'the next connection is waited for' eventually 60 next_waits
waiting=$(next "$listener")
check 'it ends when nobody came for idle-exit seconds' eventually 60 gone "$listener"
wait "$listener"
check 'with exit status 0' test $? = 0
for pid in $waiting; do
    check 'who waited is gone too' eventually 60 gone "$pid"
done

# --- who waits for the next connection is killed

server waiting
start_listener
for victim in 1 2; do
    check 'a client' greets
    check 'the next one is waited for' eventually 60 next_waits
    killed=$(next "$listener" | sed -n "${victim}p")
    kill -KILL "$killed"
    check "process $victim of two that wait is killed" eventually 60 dead "$killed"
    check 'the client is told, or served' says '[+-]'
    check 'and the next one is served' eventually 60 greets
done
kill "$listener"

# --- a client that is gone when it is accepted

# A whole session, and a reset, while the listener stands still: who that was can't be told any more.
run_away() {
    perl -MSocket -e 'my $s; socket($s, PF_INET, SOCK_STREAM, 0) && connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die $!;
        syswrite $s, "USER alice\@example.test\r\nPASS alice-secret\r\nSTAT\r\n";
        setsockopt $s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0); close $s' "$port"
}
server run-away
start_listener
check 'a client' greets
kill -STOP "$listener"
check 'one that runs away' run_away
kill -CONT "$listener"
check 'and another behind it' greets
check 'nobody without an address was served' sh -c "! grep 'peer=unknown' '$place/log'"
kill "$listener"

# --- without libsystemd

mkdir "$work/broken" && : >"$work/broken/libsystemd.so.0"
check 'where libsystemd is broken it says so' sh -c "LISTEN_PID=1 LISTEN_FDS=1 LD_LIBRARY_PATH='$work/broken' '$BUILD/bin/pop3d' \
    -c '$conf' </dev/null 2>&1 | grep -q 'event=no-libsystemd.*libsystemd.so.0'"

# --- replaced while it starts, and by what can't be executed

# exec of a file that isn't in its place any more: that is how it looks when it was replaced right after.
server replaced
as_server cp "$place/bin/pop3d" "$place/bin/pop3d.new"
printf '#!/bin/sh\nexec 9<"%s"\nmv "%s.new" "%s"\nexec /proc/self/fd/9 "$@"\n' "$place/bin/pop3d" "$place/bin/pop3d" \
    "$place/bin/pop3d" >"$work/upgrade"
chmod 755 "$work/upgrade"
program=$work/upgrade
start_listener
program=
check 'a program that is replaced while it starts serves the first connection' greets
check 'executed anew' grep -q 'event=renewed why="files changed"' "$place/log"
renewed() { grep -c 'event=renewed' "$place/log"; }
check 'which it is no more' test "$(times=$(renewed) && greets && greets && echo $(($(renewed) - times)))" = 0
descriptors() { [ "$(id -u)" != 0 ] || ls "/proc/$listener/fd" | wc -l; }
check 'the next connection is waited for' eventually 60 next_waits
before=$(for _ in 1 2 3 4 5 6 7 8 9 10; do descriptors; sleep 0.05; done | sort -n | head -n 1) # it may just close the last one's
as_server mv "$place/bin/pop3d" "$place/bin/pop3d.good"
as_server cp tests/warm.t "$place/bin/pop3d"
as_server chmod 644 "$place/bin/pop3d"
for i in 1 2 3; do
    check 'with what is no program in its place it goes on' greets
done
check 'and says so' grep -q 'event=exec-failed' "$place/log"
no_more_open() { [ "$(descriptors)" = "$before" ]; }
check 'and leaves nothing open' eventually 60 no_more_open
as_server mv "$place/bin/pop3d.good" "$place/bin/pop3d"
check 'until it is put right' greets
check 'when nothing is to be done any more' test "$(times=$(renewed) && greets && echo $(($(renewed) - times)))" = 0
kill "$listener"

# --- processes

server main 'connections-per-source 3' 'connections 5'
start_listener
check 'a listener' greets
hold one 3
check 'greets a client that stays' heard one '^+OK'
held=$(connected "$listener")
check 'with two processes' test "$(echo "$held" | wc -l)" = 2
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
each() { for pid in $held; do "$@" "$pid" || return; done; }
filtered() { [ "$(status_of "$1" Seccomp)" = 2 ] && [ "$(status_of "$1" NoNewPrivs)" = 1 ]; }
not_root() { ! status_of "$1" Uid | grep -qw 0; }
# The owner of the files of a process that isn't dumpable is root.
not_dumpable() { [ "$(stat -c %u "/proc/$1/fd")" = 0 ]; }
[ "${SANDBOX:-}" = none ] || check 'each with a filter and no new privileges' eventually 60 each filtered
printf 'AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=\r\n' >&3 # n,,n=user,r=rOprNGfwEbeRWgbNEkqO
check 'and a guard, when something is asked' eventually 60 heard one '^+ [A-Za-z0-9]'
printf '*\r\n' >&3
held=$(connected "$listener")
check 'which makes three processes' test "$(echo "$held" | wc -l)" = 3
[ "${SANDBOX:-}" = none ] || check 'each of the three with a filter' eventually 60 each filtered
check 'none is root' each not_root
check 'none is dumpable' each not_dumpable
check 'nor is the listener' not_dumpable "$listener"

# --- limits by source

hold two 4
hold three 5
check 'one connection too many from a source is told so' says -ERR
printf 'QUIT\r\n' >&4
check 'one that leaves makes room' eventually 60 greets
exec 5>&-

# --- executing itself anew

before=$(cat "/proc/$listener/stat" | cut -d' ' -f22)
as_server cp "$place/bin/pop3d" "$place/bin/pop3d.new"
as_server mv "$place/bin/pop3d.new" "$place/bin/pop3d"
check 'a new executable is taken at the next connection' eventually 60 greets
if [ "$(id -u)" = 0 ]; then
    check 'in place' same_file "/proc/$listener/exe" "$place/bin/pop3d"
fi
check 'by the same process' test "$before" = "$(cut -d' ' -f22 <"/proc/$listener/stat")"
printf 'USER alice@example.test\r\nPASS alice-secret\r\nSTAT\r\n' >&3
check 'a connection that was open goes on' eventually 60 heard one '^+OK 0 0'
hold four 4
hold five 5
check 'and still counts' says -ERR
exec 4>&- 5>&-
printf 'bogus 1\n' >>"$conf"
check 'broken settings are answered' says -ERR
check 'while an open connection goes on' heard one '^+OK'
sed -i '/^bogus/d' "$conf"
check 'and settings that were mended are taken' eventually 60 greets
printf 'QUIT\r\n' >&3
exec 3>&-
alone() { [ -z "$(connected "$listener")" ]; }
check 'the old connection ends' eventually 60 alone

# --- after a process died by a signal, so that the next one has other addresses

hold six 4
kill -KILL $(connected "$listener" | tail -n 1)
exec 4>&-
check 'the rest of its connection ends' eventually 60 alone
check 'the listener still answers' greets
check 'executed anew' grep -q 'event=renewed why="a child died"' "$place/log"
check 'in place' test "$before" = "$(cut -d' ' -f22 <"/proc/$listener/stat")"

# --- no connection is lost while it executes itself anew

sed -i '/^connections/d' "$conf"
echo 'networks 127.0.0.0/8' >>"$conf"
many() {
    perl -MIO::Socket::INET -e '
        my ($port, $file) = @ARGV;
        my ($good, $n) = (0, 300);
        for my $i (1 .. $n) {
            utime undef, undef, $file if $i % 30 == 0;
            my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port, Timeout => 60) or next;
            print $s "QUIT\r\n";
            my @lines = <$s>;
            $good++ if @lines == 2 && $lines[0] =~ /^\+OK/ && $lines[1] =~ /^\+OK/;
        }
        print "$good of $n\n";
        exit($good != $n)' "$port" "$conf"
}
check '300 connections, executed anew 10 times: none lost' many
check 'by the same process all the time' test "$before" = "$(cut -d' ' -f22 <"/proc/$listener/stat")"

# --- the key

if [ "$(id -u)" = 0 ]; then
    cat >"$work/search" <<'X'
# search PID: does its memory hold the scalar of the EC key whose PEM is on standard input?
use strict; use MIME::Base64;
my $pid = shift;
my $pem = join '', <STDIN>;
$pem =~ /-----BEGIN[^-]*PRIVATE KEY-----(.*?)-----END/s or die "no key\n";
my $der = decode_base64($1);
$der =~ /\x02\x01\x01\x04([\x18-\x21])/s or die "no scalar\n"; # after the version; without zeros before it
my $scalar = substr $der, $+[0], ord $1;
$scalar =~ s/^\x00//;
my $reversed = reverse $scalar;    # as limbs lie in memory
open my $maps, '<', "/proc/$pid/maps" or die "maps: $!\n";
open my $mem, '<:raw', "/proc/$pid/mem" or die "mem: $!\n";
while (<$maps>) {
    my ($from, $to) = /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
    next if hex($to) - hex($from) > 1 << 28;    # a sanitizer's shadow
    sysseek $mem, hex $from, 0 or next;
    sysread $mem, my $data, hex($to) - hex($from) or next;
    if (index($data, $scalar) >= 0 || index($data, $reversed) >= 0) { print "found\n"; exit 0 }
}
exit 1;
X
    holds_key() { perl "$work/search" "$1" <"$place/main/key.pem"; }
    tls_client() {
        mkfifo "$work/tls.in"
        gnutls-cli --insecure --starttls-proto=pop3 -p "$port" 127.0.0.1 <"$work/tls.in" >"$work/tls.out" 2>&1 &
        pids="$pids $!"
        exec 6>"$work/tls.in"
        eventually 60 grep -q 'Handshake was completed' "$work/tls.out"
    }
    check 'a TLS session' tls_client
    held=$(connected "$listener")
    with_key=0
    for pid in $held; do
        holds_key "$pid" >/dev/null && with_key=$((with_key + 1))
    done
    # A sanitizer overwrites memory that was freed, the key's among it.
    ldd "$place/bin/pop3d" | grep -q libasan ||
        check 'of its three processes one, the guard, holds the key' test "$with_key" = 1
    check 'the listener holds none' sh -c "! perl '$work/search' $listener <'$place/main/key.pem'"
    exec 6>&-
fi

done_testing
