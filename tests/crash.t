#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The process ends, or a call fails, at the Nth call that changes a file, for every N until the last: then what was promised
# ("250", "done", a UID) can be read, nothing half is visible, and every mailbox opens. tests/crash/shim.c does the counting.
#
# Thousands of fsyncs: in memory where programs may be started from there, for they are counted and failed here, not waited for.
if [ -z "${TMPDIR:-}" ] && cp /bin/true "/dev/shm/postern-try.$$" 2>/dev/null; then
    ! "/dev/shm/postern-try.$$" 2>/dev/null || TMPDIR=/dev/shm
    rm -f "/dev/shm/postern-try.$$"
    export TMPDIR
fi
. tests/tap.sh
. tests/server.sh

export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0
calls_limit=300 # more than any of these makes

prepare() {
    server_place "$work/place" && cp "$BUILD"/tests/crash/* "$place/bin/" && chmod 755 "$place"/bin/* &&
        server_setup server mail.example.test example.test && server_user server alice@example.test alice-secret &&
        server_user server bob@example.test bob-secret &&
        as_server "$place/bin/postern" -c "$place/server/postern.conf" alias add team@example.test alice@example.test \
            bob@example.test x@outside.test >>"$place/log" 2>&1 &&
        as_server "$place/bin/postern" -c "$place/server/postern.conf" alias add out@example.test x@outside.test >>"$place/log" 2>&1 &&
        { [ -z "${SANDBOX:-}" ] || echo "sandbox $SANDBOX" >>"$place/server/postern.conf"; } &&
        mkdir "$place/boxes" "$place/boxes/queue" && message one | tool deliver "$place/boxes/old" &&
        message two | tool deliver "$place/boxes/old" && cp -a "$place/boxes" "$place/server" "$work/" &&
        printf 'EHLO c.test\r\nMAIL FROM:<s@sender.test>\r\nRCPT TO:<team@example.test>\r\nDATA\r\n' >"$work/dialogue" &&
        printf 'LHLO c.test\r\nMAIL FROM:<s@sender.test>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<out@example.test>\r\n' \
            >"$work/lmtp" && printf 'RCPT TO:<alice@example.test>\r\nDATA\r\n' >>"$work/lmtp" &&
        { message last; printf '.\r\nQUIT\r\n'; } >"$work/end" && cat "$work/end" >>"$work/dialogue" &&
        cat "$work/end" >>"$work/lmtp"
}

message() { printf 'Subject: x\r\n\r\n%s\r\n' "$1"; }

tool() {
    tool_name=$1
    shift
    [ "$(id -u)" != 0 ] || chown -R nobody "$place/boxes"
    as_server "$place/bin/$tool_name" "$@"
}

# hit N ACTION ERRNO PROGRAM [ARGUMENT...]: its output is in $work/out; it writes to pipes, so that its words aren't counted.
hit() {
    hit_at=$1 hit_action=$2 hit_errno=$3 hit_program=$4
    shift 4
    head -c 262144 /dev/zero >"$place/count"
    chmod 666 "$place/count"
    as_server env LD_PRELOAD="$place/bin/shim.so" SHIM_COUNT="$place/count" SHIM_AT="$hit_at" SHIM_ACTION="$hit_action" \
        ${SHIM_TRACE:+SHIM_TRACE=1} ${SHIM_JOURNAL:+SHIM_JOURNAL=1} SHIM_ERRNO="$hit_errno" timeout 60 "$place/bin/$hit_program" "$@" 2>&1 | tr -d '\r' >"$work/out"
}

calls() { od -An -td8 -N8 "$place/count" | tr -d ' '; }

fresh() {
    rm -rf "$place/boxes" "$place/server"
    cp -a "$work/boxes" "$work/server" "$place/"
}

# every LEAST ACTION ERRNO SCENARIO: for each N. SCENARIO_run runs it, SCENARIO_kept says whether all promises hold, and
# SCENARIO_done whether the last run, which nothing hit, went through. At least LEAST calls must have been made.
every() {
    n=1
    while [ "$n" -le "$calls_limit" ]; do
        fresh
        "$4_run" "$n" "$2" "$3"
        cp "$work/out" "$work/said"
        "$4_kept" "$2" || { echo "$2 at call $n of $(calls):"; cat "$work/said"; echo "found:"; cat "$work/out"; return 1; }
        [ "$(calls)" -ge "$n" ] || break
        n=$((n + 1))
    done
    [ "$n" -gt "$1" ] || { echo "only $n calls"; return 1; }
    [ "$n" -le "$calls_limit" ] && "$4_done"
}

# Every visible message is as large as its name says.
whole() {
    ! find "$@" -path '*/new/*' -type f -printf '%s %f\n' -o -path '*/cur/*' -type f -printf '%s %f\n' |
        grep -v '^\([0-9]*\) [^,]*,S=\1[,:]'
}

nothing_in_tmp() { [ -z "$(cd "$place" && find "$@" -path '*/tmp/*' -type f)" ]; }

looks() {
    tool session look "$1" >"$work/out" 2>&1 || return 1
    ! grep -E 'damaged|failed' "$work/out"
}

# One message to three Maildirs, two of which aren't there yet.
delivery_run() { message last | hit "$1" "$2" "$3" deliver "$place/boxes/old" "$place/boxes/a" "$place/boxes/b"; }
delivery_done() { grep -q '^done$' "$work/said"; }
delivery_kept() {
    whole "$place/boxes" || return 1
    [ "$1" != full ] || nothing_in_tmp boxes || return 1
    for box in old a b; do
        looks "$place/boxes/$box" || return 1
        ! delivery_done || grep -q '^INBOX has [0-9]* last$' "$work/out" || return 1
    done
}

# Junk to two, of which none has a folder for it: there, or in INBOX where it can't be made.
junk_run() { message last | hit "$1" "$2" "$3" deliver -j "$place/boxes/old" "$place/boxes/a"; }
junk_done() { delivery_done && grep -q '^Junk for 4$' "$work/out" && grep -q '^Junk has [0-9]* last$' "$work/out"; }
junk_kept() {
    whole "$place/boxes" || return 1
    [ "$1" != full ] || nothing_in_tmp boxes || return 1
    for box in old a; do
        looks "$place/boxes/$box" || return 1
        ! delivery_done || grep -qE '^(INBOX|Junk) has [0-9]* last$' "$work/out" || return 1
    done
}

# A session that appends, flags, makes a folder, copies, expunges.
session_run() { hit "$1" "$2" "$3" session work "$place/boxes/old"; }
session_done() { grep -q '^done$' "$work/said"; }
session_kept() {
    looks "$place/boxes/old" && whole "$place/boxes" && message after | tool deliver "$place/boxes/old" >"$work/out" &&
        looks "$place/boxes/old" || return 1
    [ "$1" != full ] || nothing_in_tmp boxes || return 1
    awk -v action="$1" '
        !found && $2 == "validity" { validity[$1] = $3 }
        !found && $2 == "has" { said[$1 " " $3] = $4; text[$1 " " $4] = 1 }
        !found && $2 == "is" { id[$1] = $3 }
        !found && $2 == "gone" { gone[$1 " " $3] = 1 }
        !found && $1 == "failed" { failed = $2 }
        !found { next }
        $2 == "validity" && $1 in validity && validity[$1] != $3 { print "UIDVALIDITY of " $1 " changed"; bad = 1 }
        $2 == "is" && $1 in id && id[$1] != $3 { print "MAILBOXID of " $1 " changed"; bad = 1 }
        $2 == "for" && $1 == "Archive" && $3 != 16 { print "Archive lost the use that it was made for"; bad = 1 }
        $2 == "has" {
            there[$1 " " $3] = $4
            if ($1 " " $3 in gone) { print "a UID came back: " $0; bad = 1 }
            if ($1 " " $3 in said && said[$1 " " $3] != $4) { print "a UID was used twice: " $0; bad = 1 }
            if (action == "fail" && failed == "append" && $1 == "INBOX" && $4 != "after" && !($1 " " $4 in text)) {
                print "refused and yet there: " $0; bad = 1
            }
        }
        END {
            for (m in said)
                if (!(m in there) && !(m in gone) && !(m ~ /^INBOX/ && text["Archive " said[m]])) {
                    print "lost: " m " " said[m]; bad = 1
                }
            exit bad
        }' "$work/said" found=1 "$work/out"
}

# Into the queue, marked, deferred, removed.
queue_run() { hit "$1" "$2" "$3" enqueue work "$place/boxes/queue"; }
queue_done() { grep -q '^done$' "$work/said"; }
queue_kept() {
    tool enqueue look "$place/boxes/queue" >"$work/out" 2>&1 && ! grep -E 'damaged|failed' "$work/out" || return 1
    awk '!found { said[FNR] = $0; if ($1 == "removed") removed[$2] = 1; if ($1 == "queued") last = $2; n = FNR; next }
        { there[$0] = 1 }
        END {
            for (i = 1; i <= n; i++) {
                if (split(said[i], w, " ") < 2 || w[1] == "failed") continue
                if (w[1] == "removed") { if (("queued " w[2]) in there) bad = 1; continue }
                if (w[1] == "queued" && (w[2] in removed || said[i] in there)) continue
                if (w[1] == "queued" && w[2] == last && n >= 4) continue # its removal may have begun
                if (!(said[i] in there)) { print "lost: " said[i]; bad = 1 }
            }
            exit bad
        }' "$work/said" found=1 "$work/out"
}

# A whole smtpd, session and guard, with two recipients here and one outside.
smtpd_run() { hit "$1" "$2" "$3" smtpd -c "$place/server/postern.conf" <"$work/dialogue"; }
smtpd_done() { grep -q '^250 2.0.0 ' "$work/said"; }
queued() { grep -lq "^T $1\$" "$place"/server/spool/queue/*-* 2>/dev/null; }
smtpd_kept() {
    whole "$place/server/mail" || return 1
    if [ "$1" = full ]; then
        nothing_in_tmp server/mail server/spool && grep -E -q '^(250 2\.0\.0|452) ' "$work/said" || return 1
    fi
    for user in alice bob; do
        looks "$place/server/mail/example.test/$user" || return 1
        ! smtpd_done || grep -q '^INBOX has [0-9]* last$' "$work/out" || queued "$user@example.test" || return 1
    done
    for file in "$place"/server/spool/queue/*-*; do
        [ ! -e "$file" ] || [ "$(tail -c 6 "$file" | tr -d '\r\n')" = last ] || return 1
    done
    ! smtpd_done || queued x@outside.test
}

# The same by LMTP: each reply behind the message is one recipient's.
lmtp_run() { hit "$1" "$2" "$3" smtpd -l -c "$place/server/postern.conf" <"$work/lmtp"; }
# What recipient N of bob, x@outside and alice heard.
lmtp_reply() { sed '1,/^354 /d' "$work/said" | grep '^[245]' | sed -n "$1p"; }
lmtp_accepted() { lmtp_reply "$1" | grep -q '^250 2.0.0 Accepted '; }
lmtp_done() { lmtp_accepted 1 && lmtp_accepted 2 && lmtp_accepted 3; }
lmtp_has() {
    looks "$place/server/mail/example.test/$1" || return 1
    grep -q '^INBOX has [0-9]* last$' "$work/out"
}
lmtp_kept() {
    whole "$place/server/mail" || return 1
    if [ "$1" = full ]; then
        nothing_in_tmp server/mail server/spool && lmtp_reply 3 | grep -E -q '^(250 2\.0\.0|452) ' || return 1
    fi
    # One call that fails is one recipient's failure.
    [ "$1" != fail ] || [ "$(sed '1,/^354 /d' "$work/said" | grep -c '^4')" -le 1 ] || return 1
    ! lmtp_accepted 1 || lmtp_has bob || queued bob@example.test || return 1
    ! lmtp_accepted 2 || queued x@outside.test || return 1
    ! lmtp_accepted 3 || lmtp_has alice || queued alice@example.test
}

# Before it is given its name, a file is on disk, or (in a journal) written out; before a word of it is said, file and name are.
in_order() {
    fresh
    SHIM_TRACE=1 "$1_run" 100000 exit 0
    cp "$work/out" "$work/said"
    tail -c +17 "$place/count" | tr -d '\0' >"$work/trace"
    { "$1_done" || { cat "$work/said"; return 1; }; } && awk -v least="$2" '
        function directory(path) { sub("/[^/]*$", "", path); return path }
        $1 == "write" { dirty[$2] = 1; delete out[$2] }
        $1 == "out" { out[$2] = 1 }
        $1 == "fsync" { delete dirty[$2]; delete waiting[$2]; synced[$2] = 1 }
        $1 == "rename" && ($2 ~ "/tmp/[^/]*$" || $2 ~ "[.]tmp$") {
            renames++
            if ($2 in out && !($2 in synced)) waiting[$3] = 1
            else if ($2 in dirty || !($2 in synced)) { print "renamed before fsync: " $0; bad = 1 }
            waiting[directory($3)] = 1
        }
        $1 == "rename" && $2 ~ "/new/[^/]*$" { waiting[directory($3)] = 1 }
        $1 == "say" {
            for (d in waiting) { print "said " $2 " " $3 " before fsync of " d; bad = 1 }
            words++
        }
        END { if (renames < least || !words) { print renames " renames, " words " words"; bad = 1 }; exit bad }' "$work/trace"
}

# journal COMMAND...: as it is where contents are only written out before a file gets its name.
journal() {
    SHIM_JOURNAL=1
    "$@"
    journal_result=$?
    unset SHIM_JOURNAL
    return $journal_result
}
writes_out() { grep -q '^out ' "$work/trace"; }

check "a server and mailboxes" prepare
check "delivery says done after fsync of file and directory" in_order delivery 3
check "a session says what is on disk" in_order session 6
check "the queue too" in_order queue 2
check "smtpd says 250 after fsync of every file and directory" in_order smtpd 3
check "in LMTP too" in_order lmtp 3
check "the same of a delivery where the file system has a journal" journal in_order delivery 3
check "it is written out there" writes_out
check "the same of a session" journal in_order session 6
check "what it appends is written out there" writes_out
check "the same of smtpd" journal in_order smtpd 3
check "it is written out there" writes_out
check "the same of LMTP" journal in_order lmtp 3
for action in "exit 0" "fail 5" "full 28"; do
    # shellcheck disable=SC2086 # two words
    check "delivery to three Maildirs, $action" every 20 $action delivery
    # shellcheck disable=SC2086
    check "junk to two, $action" every 30 $action junk
    # shellcheck disable=SC2086
    check "a session, $action" every 40 $action session
    # shellcheck disable=SC2086
    check "the queue, $action" every 20 $action queue
    # shellcheck disable=SC2086
    check "smtpd with recipients here and outside, $action" every 18 $action smtpd
    # shellcheck disable=SC2086
    check "LMTP for three recipients, $action" every 20 $action lmtp
    # shellcheck disable=SC2086
    check "delivery where the file system has a journal, $action" journal every 20 $action delivery
    # shellcheck disable=SC2086
    check "a session there, $action" journal every 40 $action session
    # shellcheck disable=SC2086
    check "smtpd there, $action" journal every 18 $action smtpd
    # shellcheck disable=SC2086
    check "LMTP there, $action" journal every 20 $action lmtp
done
done_testing
