# SPDX-License-Identifier: GPL-3.0-or-later
#
# For tests/bench/run: what is done to large folders, by IMAP and POP3. Each row is a connection of its own, and so a process that knows
# nothing yet. The time is from the command's first byte to the last of its answer, which is checked (answer.h).
#
# The 100,000 go through these in each run, in this order: a fresh copy of a Maildir that no Postern has seen is opened, opened again,
# fetched, searched, stored into, copied, moved and expunged from, and at last opened without its index. Rows that nobody asked for are left
# out, as far as those that follow don't need them.

INDEXES='postern-index* postern-cache*' # what may be deleted at any moment

# box NAME COUNT KIND: generates $place/boxes/NAME once; $octets is what all of it has with CRLF
box() {
    if [ ! -e "$place/boxes/$1.octets" ]; then
        progress "generating $2 messages"
        as_server mkdir -p "$place/boxes"
        as_server "$tools/maildir" "$place/boxes/$1" "$2" "$3" >"$place/octets" && mv "$place/octets" "$place/boxes/$1.octets"
        sync -f "$place"
    fi
    octets=$(cat "$place/boxes/$1.octets")
}

# remove MAILBOX: the session before may be giving files their names still, after its goodbye
remove() {
    local tries=300
    until rm -rf "$1" 2>/dev/null; do
        [ $((tries -= 1)) -gt 0 ] || { rm -rf "$1"; return 1; }
        sleep 0.1
    done
}

# fresh NAME: alice's mailbox is a copy of that one, by links
fresh() {
    progress "copying the Maildir of $1"
    remove "$alice"
    as_server cp -al "$place/boxes/$1" "$alice"
    sync -f "$place"
}

# imap LINE...: a session that begins with these lines of imap's script. Their figures are added to $place/figures/NAME, each with what
# memory the session had.
imap() {
    local name figure size
    progress "run $run of $BENCH_RUNS: ${1%% *}"
    printf '%s\n' "$@" "! $tools/memory $inetd" |
        timeout 600 "$tools/imap" "$port" alice@example.test alice-secret >"$place/said" ||
        { echo "in run $run, at: $*" >&2; exit 1; }
    read -r _ peak pss < <(grep '^memory ' "$place/said")
    while read -r name figure size; do
        [ "$name" != memory ] || continue
        awk -v us="$figure" 'BEGIN { print us / 1000 }' >>"$place/figures/$name"
        echo "$size" >"$place/figures/$name.octets"
        echo "$peak" >>"$place/figures/$name.peak"
        echo "$pss" >>"$place/figures/$name.pss"
    done <"$place/said"
}

# wanted NAME: has the row been asked for?
wanted() {
    case " $rows " in *" $1 "*) return 0 ;; esac
    return 1
}

# report NAME TITLE [floor]: a row; with a floor where the answer is long
report() {
    local f=$place/figures/$1 note size
    [ -s "$f" ] || return 0
    size=$(cat "$f.octets")
    note=$(printf '%5.1f MiB' "$(median "$f.peak" | awk '{ print $1 / 1024 }')")
    [ "$(cat "$f.pss" | head -n 1)" = - ] || note+=$(printf ' %5.1f MiB' "$(median "$f.pss" | awk '{ print $1 / 1024 }')")
    if [ -n "${3:-}" ]; then
        note+=$(awk -v us="$("$tools/floor" loopback 7 "$size" | cut -d' ' -f1)" -v ms="$(median "$f")" -v size="$size" 'BEGIN {
            printf "   %.1f MB over loopback: %.2f ms, 1/%.1f", size / 1e6, us / 1000, ms / (us / 1000) }')
    fi
    row "$2" "$f" ms "$note"
}

envelopes='FETCH 1:* (ENVELOPE BODYSTRUCTURE)'
checked='numbered,has=ENVELOPE,has=BODYSTRUCTURE'

run_select_and_fetch() {
    fresh "$1"
    imap "select.never exists=$have SELECT INBOX"
    ! wanted select || imap "select.warm exists=$have SELECT INBOX"
    ! wanted fetch || imap '- - SELECT INBOX' "fetch.flags fetches=$have,has=UID,has=FLAGS FETCH 1:* (UID FLAGS)"
    imap '- - SELECT INBOX' "fetch.first fetches=$have,$checked $envelopes"
    wanted fetch || return 0
    imap '- - SELECT INBOX' "fetch.warm fetches=$have,$checked $envelopes"
    [ "$run" != 1 ] || imap '- - SELECT INBOX' "- fetches=$have,sums FETCH 1:* (BODY.PEEK[])"
}

run_search() {
    imap '- - SELECT INBOX' "search.subject hits=$((have / 50)) UID SEARCH SUBJECT invoice"
    imap '- - SELECT INBOX' "search.body hits=$((have / 100)) UID SEARCH BODY walrus" \
        "search.again hits=$((have / 100)) UID SEARCH BODY walrus"
}

run_store() {
    imap '- - SELECT INBOX' 'store.add fetches=0 STORE 1:* +FLAGS.SILENT (\Flagged)'
    imap '- - SELECT INBOX' "- fetches=$have,has=\\Flagged FETCH 1:* (FLAGS)"
    imap '- - SELECT INBOX' 'store.remove fetches=0 STORE 1:* -FLAGS.SILENT (\Flagged)'
    imap '- - SELECT INBOX' "- fetches=$have,lacks=\\Flagged FETCH 1:* (FLAGS)"
}

run_copy_move_expunge() {
    local there=0
    imap '- - CREATE there'
    if wanted copy; then
        there=1000
        imap '- - SELECT INBOX' 'copy - COPY 1:1000 there' '- messages=1000 STATUS there (MESSAGES)'
    fi
    if wanted move; then
        there=$((there + 1000)) have=$((have - 1000))
        imap '- - SELECT INBOX' 'move expunges=1000 MOVE 1001:2000 there' "- messages=$there STATUS there (MESSAGES)"
    fi
    if wanted expunge; then
        have=$((have - 1000))
        imap '- - SELECT INBOX' '- - STORE 1:1000 +FLAGS.SILENT (\Deleted)' 'expunge expunges=1000 EXPUNGE' \
            "- messages=$have STATUS INBOX (MESSAGES)"
    fi
    imap '- - DELETE there'
}

run_without_index() {
    (cd "$alice" && rm -f $INDEXES)
    imap "select.without exists=$have SELECT INBOX"
}

bench_large() {
    local have octets
    heading_mailboxes
    start systemd imapd
    box large "$BENCH_LARGE" small
    for run in $(seq "$BENCH_RUNS"); do
        in_time || break
        have=$BENCH_LARGE
        run_select_and_fetch large
        ! wanted search || run_search
        ! wanted store || run_store
        ! { wanted copy || wanted move || wanted expunge; } || run_copy_move_expunge
        ! wanted select || run_without_index
    done
    stop
    progress
    report_large
}

report_large() {
    if wanted select; then
        report select.warm 'SELECT, index warm'
        report select.never 'SELECT, first time ever'
        report select.without 'SELECT, index deleted'
    fi
    if wanted fetch; then
        report fetch.flags 'FETCH 1:* (UID FLAGS)' floor
        report fetch.first "FETCH 1:* (ENVELOPE BODYSTRUCTURE), first time" floor
        report fetch.warm "FETCH 1:* (ENVELOPE BODYSTRUCTURE), warm" floor
    fi
    report search.subject 'SEARCH SUBJECT'
    report search.body 'SEARCH BODY, first'
    report search.again 'SEARCH BODY, second'
    report store.add 'STORE 1:* +FLAGS.SILENT'
    report store.remove 'STORE 1:* -FLAGS.SILENT'
    report copy 'COPY of 1,000'
    report move 'MOVE of 1,000'
    report expunge 'EXPUNGE of 1,000'
}

heading_mailboxes() {
    [ -z "${mailboxes_shown:-}" ] || return 0
    mailboxes_shown=yes
    printf '\n%-46s %15s %-19s %s\n' "$BENCH_LARGE messages, unless another number is said" '' '' 'peak RSS, Pss'
}

bench_small() {
    local octets
    heading_mailboxes
    start systemd imapd
    box small "$BENCH_SMALL" big
    for run in $(seq "$BENCH_RUNS"); do
        in_time || break
        fresh small
        imap "- exists=$BENCH_SMALL SELECT INBOX"
        imap '- - SELECT INBOX' "small.first fetches=$BENCH_SMALL,$checked $envelopes"
        imap '- - SELECT INBOX' "small.warm fetches=$BENCH_SMALL,$checked $envelopes"
    done
    stop
    progress
    report small.first "$BENCH_SMALL: FETCH envelopes, first time" floor
    report small.warm "$BENCH_SMALL: FETCH envelopes, warm" floor
}

pop3() { # [retr|sums]
    timeout 600 "$tools/pop3" "$port" alice@example.test alice-secret "$BENCH_SMALL" "$octets" "$@" || exit 1
}

bench_pop3() {
    local octets f=$place/figures
    start systemd pop3d
    box small "$BENCH_SMALL" big
    for run in $(seq "$BENCH_RUNS"); do
        in_time || break
        fresh small
        progress "run $run of $BENCH_RUNS: POP3"
        pop3 | awk '{ print $1 / 1000 }' >>"$f/pop3.cold"
        pop3 | awk '{ print $1 / 1000 }' >>"$f/pop3.warm"
        pop3 retr >>"$f/pop3.retr"
        [ "$run" != 1 ] || pop3 sums
    done
    stop
    progress
    row "$BENCH_SMALL: POP3 login, STAT, UIDL, first time" "$f/pop3.cold" ms
    row "$BENCH_SMALL: POP3 login, STAT, UIDL, warm" "$f/pop3.warm" ms
    row "$BENCH_SMALL: POP3 RETR of all" "$f/pop3.retr" /s
}

empty() { # an empty mailbox for bob
    remove "$bob"
    as_server mkdir -p "$bob/cur" "$bob/new" "$bob/tmp"
}

bench_append() {
    local f=$place/figures floor rate
    start systemd imapd
    for run in $(seq "$BENCH_RUNS"); do
        in_time || break
        progress "run $run of $BENCH_RUNS: APPEND"
        empty
        read -r rate floor < <(timeout 600 "$tools/append" "$port" bob@example.test bob-secret "$COUNT" "$place/home")
        echo "$rate" >>"$f/append"
        echo "$floor" >>"$f/append.floor"
        awk -v r="$rate" -v f="$floor" 'BEGIN { print r / f * 100 }' >>"$f/append.part"
    done
    stop
    progress
    row 'APPEND of 4 KiB with fsync' "$f/append" /s "fsync of file and directory, as a Maildir: $(median "$f/append.floor" | cut -d. -f1)/s"
    row '    of what fsync allows' "$f/append.part" %
}

bench_exists() {
    local f=$place/figures middle longest
    start systemd imapd
    for run in $(seq "$BENCH_RUNS"); do
        in_time || break
        progress "run $run of $BENCH_RUNS: IDLE"
        empty
        read -r middle longest < <(as_server timeout 60 "$tools/idle" "$port" bob@example.test bob-secret "$bob" 5)
        awk -v us="$middle" 'BEGIN { print us / 1000 }' >>"$f/idle"
        awk -v us="$longest" 'BEGIN { print us / 1000 }' >>"$f/idle.longest"
    done
    empty
    stop
    progress
    row 'delivery to EXISTS in IDLE' "$f/idle" ms
    row '    the longest of each 5' "$f/idle.longest" ms
}

bench_million() {
    local octets name
    start systemd imapd
    for name in "million 1000000" "tenth $BENCH_SMALL"; do
        box $name linked
        fresh ${name% *}
        run=1
        imap "${name% *}.first exists=${name#* } SELECT INBOX"
        for run in $(seq "$BENCH_RUNS"); do
            in_time || break
            imap "${name% *}.warm exists=${name#* } SELECT INBOX"
        done
        progress
        report "${name% *}.first" "${name#* }: SELECT, first time ever"
        report "${name% *}.warm" "${name#* }: SELECT, index warm"
    done
    stop
}
