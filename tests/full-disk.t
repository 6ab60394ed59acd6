#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A disk that really fills up: a small tmpfs, in a mount namespace of the test's own, holds mail and spool. Messages are
# sent until smtpd answers 452. What was accepted is there, nothing half is, mailboxes still open and mail can be removed, and then
# there is room again. (tests/crash.t does the same call by call, without a mount.)
if [ -z "${POSTERN_DISK:-}" ]; then
    POSTERN_DISK=$(mktemp -d "${TMPDIR:-/tmp}/postern-disk.XXXXXX") || exit 1
    export POSTERN_DISK
    # shellcheck disable=SC2016 # expanded by the inner shell
    mounted='mount -t tmpfs -o size=1m,mode=777 disk "$POSTERN_DISK" && exec "$@"'
    if [ "$(id -u)" = 0 ]; then
        unshare --mount -- sh -c "$mounted" sh "$0"
    else # root there, to mount, and then ourselves again
        unshare --user --map-root-user --mount -- sh -c "$mounted" sh \
            unshare --user --map-user="$(id -u)" --map-group="$(id -g)" -- "$0"
    fi
    status=$?
    rmdir "$POSTERN_DISK"
    exit "$status"
fi
. tests/tap.sh
. tests/server.sh
disk=$POSTERN_DISK

admin() { as_server "$place/bin/postern" -c "$disk/postern.conf" "$@" >>"$place/log" 2>&1; }

prepare_server() {
    server_place "$work/place" && cp "$BUILD/tests/crash/session" "$place/bin/" && chmod 755 "$place"/bin/* &&
        ln -s "$disk" "$place/server" && { [ "$(id -u)" != 0 ] || chown nobody "$disk"; } &&
        admin setup mail.example.test example.test && server_user server alice@example.test alice-secret &&
        server_user server bob@example.test bob-secret &&
        admin alias add team@example.test alice@example.test bob@example.test x@outside.test &&
        echo 'plaintext-login yes' >>"$disk/postern.conf" && head -c 16384 /dev/zero >"$disk/ballast" &&
        { [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>"$disk/postern.conf"; }
}

# send NUMBER: the reply to the message, of about 20 KiB.
send() {
    {
        printf 'EHLO c.test\r\nMAIL FROM:<s@sender.test>\r\nRCPT TO:<team@example.test>\r\nDATA\r\nSubject: x\r\n\r\n'
        awk 'BEGIN { for (i = 0; i < 300; i++) printf "0123456789012345678901234567890123456789012345678901234567890123456789\r\n" }'
        printf 'number-%s\r\n.\r\nQUIT\r\n' "$1"
    } | as_server timeout 60 "$place/bin/smtpd" -c "$disk/postern.conf" 2>>"$place/log" | tr -d '\r' |
        sed -n '/^354/,/^221/p' | sed -n 2p
}

fill() {
    accepted=0
    while [ "$accepted" -lt 200 ]; do
        reply=$(send $((accepted + 1)))
        case $reply in
        "250 2.0.0 "*) accepted=$((accepted + 1)) ;;
        *) break ;;
        esac
    done
    echo "$accepted: $reply"
    [ "$accepted" -gt 2 ] && [ "$accepted" -lt 200 ] && case $reply in 452*) ;; *) return 1 ;; esac
}

# A message over 1 MiB goes to a file of the spool while it comes in: the disk is full in the middle of DATA.
too_big_for_the_disk() {
    reply=$({
        printf 'EHLO c.test\r\nMAIL FROM:<s@sender.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: x\r\n\r\n'
        awk 'BEGIN { for (i = 0; i < 42000; i++) printf "0123456789012345678901234567890123456789012345678901234567890123456789\r\n" }'
        printf '.\r\nQUIT\r\n'
    } | as_server timeout 60 "$place/bin/smtpd" -c "$disk/postern.conf" 2>>"$place/log" | tr -d '\r' |
        sed -n '/^354/,/^221/p' | sed -n 2p)
    echo "$reply"
    case $reply in 452*) nothing_left ;; *) return 1 ;; esac
}

refused_again() {
    for i in 1 2 3; do
        reply=$(send 999)
        case $reply in 452*) ;; *) echo "$reply"; return 1 ;; esac
    done
}

box() { as_server "$place/bin/session" look "$disk/mail/example.test/$1"; }

# Every accepted message in each place, and no other. A mailbox that is opened first needs some blocks: messages may have left none.
all_there() {
    rm "$disk/ballast"
    for user in alice bob; do
        box "$user" >"$work/$user" || return 1
        ! grep -E 'damaged|failed|number-999' "$work/$user" || return 1
        [ "$(grep -c '^INBOX has [0-9]* number-[0-9]*$' "$work/$user")" = "$accepted" ] || { cat "$work/$user"; return 1; }
    done
    [ "$(grep -l '^number-' "$disk"/spool/queue/*-* | wc -l)" = "$accepted" ]
}

nothing_left() { [ -z "$(cd "$disk" && find . -path '*/tmp/*' -type f)" ]; }

# IMAP on the full disk: APPEND and COPY are refused and leave nothing, flags are set, a message can be removed.
by_imap() {
    {
        printf 'a LOGIN alice@example.test alice-secret\r\nb APPEND Sent {100001+}\r\n'
        head -c 100001 /dev/zero | tr '\0' x
        printf '\r\nc SELECT INBOX\r\nd COPY 1:* Archive\r\ne STORE 1 +FLAGS (\\Deleted)\r\nf LOGOUT\r\n'
    } | as_server timeout 60 "$place/bin/imapd" -c "$disk/postern.conf" 2>>"$place/log" | tr -d '\r' >"$work/imap"
    grep -v '^\*' "$work/imap"
    grep -q '^b NO \[OVERQUOTA\]' "$work/imap" && grep -q '^d NO \[OVERQUOTA\]' "$work/imap" &&
        grep -q '^e OK' "$work/imap" && grep -q '^f OK' "$work/imap" && nothing_left
}

room_again() {
    find "$disk/mail/example.test" -name '*.mail.example.test*' -type f -delete
    reply=$(send 1000)
    echo "$reply"
    case $reply in "250 2.0.0 "*) ;; *) return 1 ;; esac
}

check "a server on a disk of 1 MiB" prepare_server
check "a message of 3 MiB: 452, and its room is free again" too_big_for_the_disk
check "messages are accepted until the disk is full, then 452" fill
check "and again 452" refused_again
check "nothing is left in tmp/" nothing_left
check "all that was accepted is there, whole, and nothing else; the mailboxes open" all_there
check "IMAP: APPEND and COPY are refused, the session goes on" by_imap
check "what is removed makes room" room_again
done_testing
