/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An index made anew from what is true: file names, journal, durable file; and another index in place of the
 * present one.
 *
 * How far UIDs and mod-sequences were used up can't be known then, so both go on above what was reserved: no
 * UID is given twice, and every message gets a mod-sequence above any that a client has seen. What an index
 * of before says about sizes, dates and the cache is taken over where it names the same file.
 */
#include "store/mailbox_private.h"
#include "base/files.h"
#include "store/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS 10

/* --- another index */

/* The next record that may be shown where a damaged one was. */
static bool guess(const struct index *next, uint32_t after, uint32_t below, uint32_t *n)
{
    struct index_record r;
    *n = index_find(next, after + 1);
    return index_get(next, *n, &r) && r.uid < below && !(r.bits & INDEX_GONE);
}

static uint32_t next_known_uid(const struct mailbox_private *p, size_t index)
{
    struct index_record r;
    uint32_t n;
    for (size_t i = index + 1; i < p->view.count; i++) {
        if (!view_record(&p->view, i, &n))
            return view_ghost(&p->view, i).uid;
        if (index_get(&p->index, n, &r))
            return r.uid;
    }
    return UINT32_MAX;
}

/* Has it changed since the session looked at the old index last, there or since? Where all is new in the next
 * index, only flags tell the latter. */
static bool is_news(const struct mailbox *box, const struct index *next, const struct index_record *old,
                    const struct index_record *r)
{
    uint64_t seen = mailbox_private(box)->picked_modseq;
    return old->flags != r->flags || old->modseq > seen ||
           (r->modseq > seen && r->modseq != next->header.expunged_from);
}

/* What is shown at `index`, in the next index. */
static bool carry_over(struct mailbox *box, const struct index *next, size_t index, uint32_t last,
                       struct view *v, uint32_t *uid)
{
    struct mailbox_private *p = mailbox_private(box);
    struct index_record old, r;
    uint32_t n, at;
    if (!view_record(&p->view, index, &n)) {
        struct ghost ghost = view_ghost(&p->view, index);
        *uid = ghost.uid;
        return view_add_ghost(v, ghost);
    }
    bool known = index_get(&p->index, n, &old);
    if (!known) {
        p->lost |= !guess(next, last, next_known_uid(p, index), &at);
        if (p->lost || !index_get(next, at, &old))
            return true;
    }
    *uid = old.uid;
    at = index_find(next, old.uid);
    if (!index_get(next, at, &r) || r.uid != old.uid)
        return view_add_ghost(v, (struct ghost){ old.uid, old.flags, old.modseq });
    if (known && !(r.bits & INDEX_GONE) && is_news(box, next, &old, &r) &&
        !mailbox_add_uid(&p->news, &p->news_count, old.uid))
        return false;
    return view_add(v, at);
}

enum status mailbox_attach(struct mailbox *box, struct index *next)
{
    struct mailbox_private *p = mailbox_private(box);
    struct view v = { 0 };
    uint32_t last = 0;
    size_t news = p->news_count;
    bool ok = true;
    if (!p->index.open) {
        p->index = *next;
        return ST_OK;
    }
    for (size_t i = 0; ok && i < p->view.count; i++)
        ok = carry_over(box, next, i, last, &v, &last);
    if (!ok) {
        p->news_count = news;
        view_free(&v);
        index_close(next);
        return ST_TEMP;
    }
    index_close(&p->index);
    view_free(&p->view);
    p->index = *next;
    p->view = v;
    p->picked = p->picked_uid ? index_find(&p->index, p->picked_uid) : 0;
    p->picked_changes = 0;
    p->gone_waits = true;
    p->picked_modseq = p->index.header.modseq;
    return ST_OK;
}

/* --- an index anew */

static bool begin(struct merging *m, size_t items)
{
    struct mailbox_private *p = mailbox_private(m->box);
    struct index_header h = { .uid_validity = m->box->uid_validity, .uid_next = m->d->uid_next, .floor = 1 };
    uint64_t first = m->d->modseq + 1;
    memcpy(h.boot, mail_boot(m->box->mail), strlen(mail_boot(m->box->mail)));
    durable_raise_modseq(p->dir, m->d, first);
    h.modseq = h.expunged_from = m->modseq = first;
    if (m->before.open) {
        h.cache_id = m->before.header.cache_id;
        h.cache_used = m->before.header.cache_used;
        h.cache_live = m->before.header.cache_live;
    }
    return index_begin(p->dir, &h, items, items * 64, m->index) == ST_OK;
}

/* Every file is unknown, and claims what its name or the journal says. */
static enum status claim_all(struct merging *m)
{
    m->unknown = malloc((m->scan.count + 1) * sizeof *m->unknown);
    if (!m->unknown)
        return ST_TEMP;
    m->unknown_count = m->scan.count;
    for (size_t i = 0; i < m->scan.count; i++) {
        struct found *item = &m->scan.items[i];
        item->uid = item->f.validity == m->box->uid_validity ? item->f.uid : 0;
        if (!item->uid)
            item->uid = journal_uid(m->journal, item->f.base);
        m->unknown[i] = i;
    }
    return ST_OK;
}

static enum status attempt(struct merging *m, bool last)
{
    struct mailbox_private *p = mailbox_private(m->box);
    enum status st = scan_folder(p->new_dir, p->cur_dir, &m->scan);
    if (st == ST_OK && !merging_take_touched(m))
        st = ST_TEMP;
    if (st == ST_OK && p->events_lost && !last) /* what was missed may be anywhere */
        st = ST_NONE;
    scan_clear(&p->touched);
    if (st == ST_OK)
        st = begin(m, m->scan.count) ? claim_all(m) : ST_TEMP;
    if (st == ST_OK)
        st = mailbox_assign(m, last);
    if (st != ST_OK)
        index_close(m->index);
    return st;
}

/* m->before may be the present index: it isn't used any more when that is closed. */
static enum status make_anew(struct merging *m)
{
    struct mailbox_private *p = mailbox_private(m->box);
    enum status st = ST_NONE;
    p->changed = false;
    for (int i = 1; st == ST_NONE && i <= ATTEMPTS; i++) {
        merging_free_match(m);
        scan_clear(&m->scan);
        mailbox_forget_events(m->box);
        st = attempt(m, i == ATTEMPTS);
    }
    if (st != ST_OK)
        return st == ST_NONE ? ST_TEMP : st;
    mailbox_set_times(&m->index->header, &m->scan, m->scan.settled && !m->touched && !m->incomplete);
    m->index->header.floor = m->index->header.uid_next;
    p->touched.new_time = m->scan.new_time;
    p->touched.cur_time = m->scan.cur_time;
    p->touched.settled = m->index->header.settled;
    index_commit(m->index); /* or it stays in memory */
    return mailbox_attach(m->box, m->index);
}

enum status mailbox_rebuild(struct mailbox *box, struct durable *d)
{
    struct mailbox_private *p = mailbox_private(box);
    struct journal journal;
    struct index next = { .fd = -1 };
    struct merging m = {
        .box = box, .d = d, .index = &next, .whole_new = true, .whole_cur = true, .anew = true
    };
    enum status st = journal_read(p->dir, box->uid_validity, &journal);
    m.journal = &journal;
    bool other = index_open(p->dir, &m.before) == ST_OK;
    if (!other && p->index.open) /* it was deleted, but is still mapped */
        m.before = p->index;
    if (m.before.header.uid_validity != box->uid_validity)
        m.before.open = false;
    if (st == ST_OK)
        st = make_anew(&m);
    int saved = errno;
    merging_free_match(&m);
    scan_free(&m.scan);
    if (other)
        index_close(&m.before);
    journal_free(&journal);
    errno = saved;
    return st;
}
