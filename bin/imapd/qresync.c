/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mod-sequences as a client is told them: CONDSTORE and QRESYNC (RFC 7162). See qresync.h.
 *
 * What HIGHESTMODSEQ may be told. A client takes the highest MODSEQ that it saw since the last tagged reply
 * for its new HIGHESTMODSEQ, unless that reply names one (RFC 7162 6). Next time it asks for what changed
 * since then. So where a change below is still to come (an expunge that FETCH must not report, RFC
 * 3501 7.4.1), or where the mailbox went on without a FETCH (VANISHED, EXISTS), the reply has to put it
 * right. We keep what the client thinks, compare it with box->modseq at each tagged reply, and tell it where
 * they differ.
 *
 * Of UIDs that are gone, VANISHED (EARLIER) never names one that this session still shows: it has a message
 * number until a plain VANISHED takes it.
 */
#include "qresync.h"

#include "capabilities.h"

#include <stdlib.h>

#define VANISHED_LINE ((size_t)16 * 1024) /* bytes of one VANISHED; more go into the next */

/* Has the selected mailbox mod-sequences? */
static bool modseq_kept(const struct imap *i)
{
    return i->box && !i->modseq.none;
}

bool modseq_wanted(const struct imap *i)
{
    return (i->enabled & ENABLED_CONDSTORE) && modseq_kept(i);
}

bool vanished_wanted(const struct imap *i)
{
    return (i->enabled & ENABLED_QRESYNC) && modseq_kept(i);
}

void write_highest_modseq(struct imap *i)
{
    if (modseq_kept(i))
        conn_printf(i->conn, "* OK [HIGHESTMODSEQ %llu] Highest\r\n", (unsigned long long)i->box->modseq);
    else
        conn_write_str(i->conn, "* OK [NOMODSEQ] This mailbox keeps no mod-sequences\r\n");
    i->modseq = (struct client_modseq){ .none = i->modseq.none, .known = i->box->modseq };
}

void condstore_enable(struct imap *i)
{
    if (i->enabled & ENABLED_CONDSTORE)
        return;
    i->enabled |= ENABLED_CONDSTORE;
    if (i->box)
        write_highest_modseq(i);
}

bool condstore_use(struct imap *i)
{
    if (!modseq_kept(i)) {
        reply(i, "BAD This mailbox keeps no mod-sequences");
        return false;
    }
    condstore_enable(i);
    return true;
}

void add_modseq(struct imap *i, uint64_t modseq)
{
    bytes_add_str(&i->line, "MODSEQ (");
    add_number(&i->line, modseq);
    bytes_add_char(&i->line, ')');
    if (modseq > i->modseq.seen)
        i->modseq.seen = modseq;
}

/* True: the client has to be told, and is taken to have been. */
static bool differs(struct imap *i)
{
    struct client_modseq *m = &i->modseq;
    if (!modseq_wanted(i))
        return false;
    if (m->seen > m->known)
        m->known = m->seen;
    m->seen = 0;
    bool tell = m->owed || m->known > i->box->modseq || (vanished_wanted(i) && m->known < i->box->modseq);
    m->owed = false;
    if (tell)
        m->known = i->box->modseq;
    return tell;
}

void modseq_settle(struct imap *i)
{
    if (!differs(i))
        return;
    struct bytes old = i->reply;
    if (old.failed || !span_starts(span_bytes(&old), "OK ") || span_starts(span_bytes(&old), "OK ["))
        return write_highest_modseq(i);
    bytes_init(&i->reply, REPLY_LIMIT);
    reply(i, "OK [HIGHESTMODSEQ %llu]%s", (unsigned long long)i->box->modseq, bytes_str(&old) + 2);
    bytes_free(&old);
}

void modseq_settle_untagged(struct imap *i)
{
    if (vanished_wanted(i) && differs(i))
        write_highest_modseq(i);
}

/* --- VANISHED */

/* Lines of ranges in the making; those that touch become one. */
struct vanished {
    struct imap *i;
    bool earlier;
    struct range last; /* not written yet; first 0: none */
};

static void end_line(struct vanished *v)
{
    if (v->i->line.len == 0)
        return;
    bytes_add_str(&v->i->line, "\r\n");
    write_line(v->i);
}

static void write_last(struct vanished *v)
{
    struct bytes *line = &v->i->line;
    if (v->last.first == 0)
        return;
    if (line->len > VANISHED_LINE)
        end_line(v);
    bytes_add_str(line, line->len > 0 ? "," : v->earlier ? "* VANISHED (EARLIER) " : "* VANISHED ");
    add_number(line, v->last.first);
    if (v->last.last > v->last.first) {
        bytes_add_char(line, ':');
        add_number(line, v->last.last);
    }
}

static void vanish(struct vanished *v, uint32_t first, uint32_t last)
{
    if (v->last.first && v->last.last + 1 == first) {
        v->last.last = last;
        return;
    }
    write_last(v);
    v->last = (struct range){ first, last };
}

static void vanish_end(struct vanished *v)
{
    write_last(v);
    end_line(v);
}

void write_vanished(struct imap *i, const uint32_t *uids, size_t count)
{
    struct vanished v = { .i = i };
    for (size_t n = 0; n < count; n++)
        vanish(&v, uids[n], uids[n]);
    vanish_end(&v);
}

/* --- what was expunged since */

static int compare_ranges(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* The set's part of [low, high], ascending and without overlaps; an empty set is all. '*' stands for `high`:
 * the client means messages that it doesn't know yet, and some that have gone. '$' is nothing: what goes
 * drops out of it (RFC 5182 2.1). False: no memory. */
static bool known_ranges(const struct set *set, uint32_t low, uint32_t high, struct set *out)
{
    static const struct range all = { 1, 0 };
    bool empty = set->count == 0 && !set->saved;
    const struct range *ranges = empty ? &all : set->ranges;
    size_t count = empty ? 1 : set->count, kept = 0;
    *out = (struct set){ .ranges = malloc((count + 1) * sizeof *ranges) };
    if (!out->ranges)
        return false;
    for (size_t n = 0; n < count; n++) {
        uint32_t a = ranges[n].first ? ranges[n].first : high, b = ranges[n].last ? ranges[n].last : high;
        struct range r = { a < b ? a : b, a < b ? b : a };
        r.first = r.first < low ? low : r.first;
        r.last = r.last > high ? high : r.last;
        if (r.first <= r.last)
            out->ranges[out->count++] = r;
    }
    qsort(out->ranges, out->count, sizeof *out->ranges, compare_ranges);
    for (size_t n = 0; n < out->count; n++) {
        struct range *before = kept ? &out->ranges[kept - 1] : NULL;
        if (before && out->ranges[n].first <= before->last)
            before->last = out->ranges[n].last > before->last ? out->ranges[n].last : before->last;
        else
            out->ranges[kept++] = out->ranges[n];
    }
    out->count = kept;
    return true;
}

/* Every UID of the range that the mailbox doesn't have. */
static void vanish_absent(struct vanished *v, const struct range *r)
{
    const struct mailbox *box = v->i->box;
    uint32_t at = r->first;
    for (size_t n = mailbox_find(box, at); at <= r->last; n++) {
        uint32_t next = n < box->count ? mailbox_uid(box, n) : UINT32_MAX;
        if (next > at)
            vanish(v, at, next <= r->last ? next - 1 : r->last);
        if (next >= r->last)
            return;
        at = next + 1;
    }
}

/* Those of the UIDs that are in a range and not in the mailbox. */
static void vanish_listed(struct vanished *v, const struct set *ranges, const uint32_t *uids, size_t count)
{
    const struct mailbox *box = v->i->box;
    size_t at = 0;
    for (size_t n = 0; n < count; n++) {
        while (at < ranges->count && ranges->ranges[at].last < uids[n])
            at++;
        if (at == ranges->count)
            return;
        size_t index = mailbox_find(box, uids[n]);
        bool here = index < box->count && mailbox_uid(box, index) == uids[n];
        if (uids[n] >= ranges->ranges[at].first && !here)
            vanish(v, uids[n], uids[n]);
    }
}

static void vanish_since(struct imap *i, uint64_t modseq, const struct set *ranges)
{
    struct vanished v = { .i = i, .earlier = true };
    uint32_t *uids = NULL;
    size_t count = 0;
    if (mailbox_expunged_since(i->box, modseq, &uids, &count) == ST_OK) {
        vanish_listed(&v, ranges, uids, count);
    } else { /* what isn't known, for whatever reason, is told in full (RFC 7162 3.2.6) */
        for (size_t n = 0; n < ranges->count; n++)
            vanish_absent(&v, &ranges->ranges[n]);
    }
    free(uids);
    vanish_end(&v);
}

static uint32_t highest_uid(const struct mailbox *box)
{
    return box->uid_next - 1;
}

bool write_vanished_since(struct imap *i, uint64_t modseq, const struct set *known)
{
    struct set ranges;
    if (!known_ranges(known, 1, highest_uid(i->box), &ranges))
        return false;
    vanish_since(i, modseq > i->box->modseq ? 0 : modseq, &ranges);
    set_free(&ranges);
    return true;
}

/* --- SELECT (QRESYNC ...) */

/* The highest of the `pairs` UIDs u, u + 1, ... that have the message numbers n, n + 1, ...; 0 if none has.
 * UIDs grow at least as fast as message numbers, so their distance is sorted. */
static uint32_t highest_match(const struct mailbox *box, uint32_t n, uint32_t u, uint64_t pairs)
{
    size_t low = n - 1, high = low + pairs < box->count ? (size_t)(low + pairs) : box->count;
    int64_t distance = (int64_t)u - n;
    while (low < high) { /* the first whose distance is larger */
        size_t middle = low + (high - low) / 2;
        if ((int64_t)mailbox_uid(box, middle) - (int64_t)(middle + 1) <= distance)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < n || (int64_t)mailbox_uid(box, low - 1) - (int64_t)low != distance)
        return 0;
    return mailbox_uid(box, low - 1);
}

/* The ranges of a set, lowest number first, taken piece by piece; first 0: it is at its end. */
struct pieces {
    const struct set *set;
    size_t at;
    struct range now;
};

static void next_range(struct pieces *p)
{
    p->now = (struct range){ 0, 0 };
    if (p->at == p->set->count)
        return;
    struct range r = p->set->ranges[p->at++];
    p->now = r.first > r.last ? (struct range){ r.last, r.first } : r;
}

/* Passes over `step` + 1 numbers, which the range has. */
static void pass(struct pieces *p, uint32_t step)
{
    if (p->now.last - p->now.first == step)
        next_range(p);
    else
        p->now.first += step + 1;
}

/* The highest UID below which the client has exactly the messages that we have: where one message's number
 * and UID are both what the client knows, none before it has gone (RFC 7162 3.2.5.2). Each pair is checked,
 * so nothing has to be believed of their order. */
static uint32_t matched_up_to(const struct mailbox *box, const struct qresync *q)
{
    uint32_t best = 0;
    struct pieces n = { .set = &q->match_numbers }, u = { .set = &q->match_uids };
    next_range(&n);
    next_range(&u);
    while (n.now.first && u.now.first) {
        uint32_t numbers = n.now.last - n.now.first, uids = u.now.last - u.now.first;
        uint32_t step = numbers < uids ? numbers : uids, match = 0;
        if (n.now.first <= box->count)
            match = highest_match(box, n.now.first, u.now.first, (uint64_t)step + 1);
        best = match > best ? match : best;
        pass(&n, step);
        pass(&u, step);
    }
    return best;
}

static void write_changed_since(struct imap *i, uint64_t modseq, const struct set *ranges)
{
    size_t at = 0;
    for (size_t n = 0; n < i->box->count && at < ranges->count && !conn_is_gone(i->conn); n++) {
        struct mailbox_message m = mailbox_message(i->box, n);
        while (at < ranges->count && ranges->ranges[at].last < m.uid)
            at++;
        if (at < ranges->count && m.uid >= ranges->ranges[at].first && m.modseq > modseq)
            write_flags(i, n);
    }
}

bool resynchronise(struct imap *i, const struct qresync *q)
{
    struct set ranges;
    if (!modseq_kept(i) || q->uid_validity != i->box->uid_validity || q->modseq == i->box->modseq)
        return true;
    /* a mod-sequence that we haven't given yet is of a history that isn't ours: all is told */
    uint64_t modseq = q->modseq > i->box->modseq ? 0 : q->modseq;
    if (!known_ranges(&q->known, matched_up_to(i->box, q) + 1, highest_uid(i->box), &ranges))
        return false;
    vanish_since(i, modseq, &ranges);
    set_free(&ranges);
    if (!known_ranges(&q->known, 1, highest_uid(i->box), &ranges))
        return false;
    write_changed_since(i, modseq, &ranges);
    set_free(&ranges);
    return true;
}
