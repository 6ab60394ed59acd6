# SPDX-License-Identifier: GPL-3.0-or-later
#
# Server folders for the demo, the benchmark and shell tests; to be sourced from the root of the tree.
#
#     server_place DIRECTORY    prepares an empty DIRECTORY and sets $place to it; as root it is `nobody`'s, and if that user couldn't
#                               reach it there, $place is one under /tmp. $place/bin has the programs
#     as_server COMMAND...      runs COMMAND as the owner of such a folder (as root: nobody; else: as we are)
#     server_setup NAME HOST DOMAIN   `postern setup` in $place/NAME; its settings are then $place/NAME/postern.conf
#     server_user NAME ADDRESS PASSWORD
#     server_home               $home, a server for example.test with alice@ (alice-secret) and bob@ (bob-secret); sets $conf too, and
#                               $mail, $alice and $bob to where mail, hers and his lie
#     free_port [WISH]          a loopback port that nobody uses: WISH if it is free
#     service PORT COMMAND...   serves 127.0.0.1:PORT by starting COMMAND for each connection; waits, where tap.sh is, until it is open
#     cold PORT PROGRAM OPTIONS...    the same for one of $place/bin with the settings $conf
#     warm PORT PROGRAM OPTIONS...    the same with a warm listener
#     listens PORT              is it open?
#     imap_answers PORT         does an imapd answer there?
#     background COMMAND...     starts COMMAND, as_server, in a process group of its own that end_services ends
#     end_services              ends what these two started
# Logs go to $place/log.

BUILD=${BUILD:-build}
PATH=$PATH:/usr/sbin # where Debian has dnsmasq, and doesn't look for anybody but root
services=

as_server() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"
    else
        "$@"
    fi
}

server_place() {
    place=$1
    rm -rf "$place"
    mkdir -p "$place" && place=$(cd "$place" && pwd) || return
    # By its whole path: a relative one says nothing about the folders above.
    if ! as_server test -x "$place"; then
        place=$(mktemp -d "${TMPDIR:-/tmp}/postern.XXXXXX") || return
        chmod 755 "$place"
    fi
    mkdir -p "$place/bin" && cp "$BUILD"/bin/* "$place/bin/" && : >"$place/log" || return
    if [ "$(id -u)" = 0 ]; then
        chown -R nobody:nogroup "$place"
    fi
}

server_setup() {
    mkdir "$place/$1" || return
    [ "$(id -u)" != 0 ] || chown nobody:nogroup "$place/$1"
    as_server "$place/bin/postern" -c "$place/$1/postern.conf" setup "$2" "$3" >>"$place/log" 2>&1 || return
    [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>"$place/$1/postern.conf"
}

server_user() {
    echo "$3" | as_server "$place/bin/postern" -c "$place/$1/postern.conf" user add "$2" >>"$place/log" 2>&1
}

server_home() {
    home=$place/home conf=$place/home/postern.conf
    server_setup home mail.example.test example.test && server_user home alice@example.test alice-secret &&
        server_user home bob@example.test bob-secret || return
    mail=$(as_server "$place/bin/postern" -c "$conf" config | sed -n 's/^mail //p' | sed 's|/%d/%u||')
    alice=$mail/example.test/alice bob=$mail/example.test/bob
}

free_port() {
    perl -Itests/lib -MFreePort -e '$| = 1; print free_port(@ARGV); keep(15)' -- "$@"
}

background() {
    if [ "$(id -u)" = 0 ]; then
        setsid setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@" >>"$place/log" 2>&1 </dev/null &
    else
        setsid "$@" >>"$place/log" 2>&1 </dev/null &
    fi
    services="$services $!"
}

service() {
    service_port=$1
    shift
    background systemd-socket-activate --accept -l "127.0.0.1:$service_port" "$@"
    ! command -v eventually >/dev/null || eventually 60 listens "$service_port"
}

listens() { ss -Hltn "sport = :$1" | grep -q .; }
imap_answers() { printf 'a LOGOUT\r\n' | nc -w 20 127.0.0.1 "$1" | grep -q 'a OK'; }

cold() {
    cold_port=$1 cold_program=$2
    shift 2
    service "$cold_port" "$place/bin/$cold_program" -c "$conf" "$@"
}

warm() {
    warm_port=$1 warm_program=$2
    shift 2
    # Who can't be traced can't look for its own leaks, where a sanitizer would.
    background systemd-socket-activate -E ASAN_OPTIONS=detect_leaks=0 -l "127.0.0.1:$warm_port" "$place/bin/$warm_program" -c "$conf" "$@"
    eventually 60 listens "$warm_port"
}

end_services() {
    for service_pid in $services; do
        kill -s TERM -- "-$service_pid" 2>/dev/null || true
    done
    for service_pid in $services; do
        wait "$service_pid" 2>/dev/null || true
    done
    services=
}
