/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The directories merged into the index, under the folder's lock.
 *
 *   - What is looked at: the names that events told of; or, where not every event was heard, the directories
 *     whose times aren't the index's, read as a whole.
 *   - Under the lock nobody is half way through giving UIDs and no Postern renames, so the scan sees all
 *     there are: a UID that appears later, below one that was seen, can only be a file that was put back, and
 *     gets a new one. Records therefore only grow at their end.
 *   - What is missing is looked for twice before it is called gone, and what has a UID and is no longer
 *     where the scan saw it is looked for again: other programs rename without asking anybody.
 *   - Where a name's flags are other than the record says, another program changed them: its change and ours
 *     that waits in the journal are both kept.
 */
#include "store/mailbox_private.h"
#include "base/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ATTEMPTS 10 /* at a scan in which no file changes its name before it is dealt with */

uint32_t flags_merge(uint32_t known, uint32_t there, uint32_t wanted)
{
    return (there | (wanted & ~known)) & ~(known & ~wanted);
}

uint64_t merging_modseq(struct merging *m)
{
    struct index_header *h = &m->index->header;
    if (m->modseq)
        return m->modseq;
    uint64_t next = h->modseq + 1;
    /* On a full disk mail can be read all the same; after a power cut the number would then be used again. */
    durable_raise_modseq(mailbox_private(m->box)->dir, m->d, next);
    return m->modseq = h->modseq = next;
}

void mailbox_rename_record(struct index *ix, struct index_record *r, const char *name)
{
    char before[FILENAME_LIMIT + 1];
    struct filename f;
    size_t left = strcspn(name, ":");
    filename_parse(span_of(name), &f);
    uint32_t flags = r->disk_flags;
    r->disk_flags = f.flags;
    bool plain = !(r->bits & INDEX_VERBATIM) && r->bits & INDEX_INFO && left == r->name_length;
    if (plain && index_name(ix, r, before) && strcmp(before, name) == 0) {
        ix->header.letters |= f.flags & ~FLAG_SYSTEM;
        return;
    }
    r->disk_flags = flags;
    index_set_name(ix, r, name);
}

/* --- is there anything to do? */

bool mailbox_times_fit(const struct index_header *h, const struct scan *s)
{
    return h->new_sec == s->new_time.tv_sec && h->new_nsec == (uint32_t)s->new_time.tv_nsec &&
           h->cur_sec == s->cur_time.tv_sec && h->cur_nsec == (uint32_t)s->cur_time.tv_nsec;
}

/* Does an event say no more than the index: what the name of a record is, or no longer is? */
static bool is_explained(const struct mailbox_private *p, const struct found *item, bool there)
{
    const struct index *ix = &p->index;
    struct index_record r;
    char name[FILENAME_LIMIT + 1];
    bool claims = item->f.uid && item->f.validity == ix->header.uid_validity;
    bool known = claims && index_get(ix, index_find(ix, item->f.uid), &r) && r.uid == item->f.uid &&
                 !(r.bits & INDEX_GONE) && (r.bits & INDEX_IN_NEW) == (item->in_new ? INDEX_IN_NEW : 0) &&
                 index_name(ix, &r, name) && strcmp(name, item->name) == 0;
    return there ? known : !known && (claims || ix->header.unnamed == 0);
}

/* It came, isn't there any more, and where it went wasn't told yet. */
static bool has_left(const struct mailbox_private *p, size_t at, bool there)
{
    const struct found *item = &p->touched.items[at];
    if (!item->came || there)
        return false;
    for (size_t i = at + 1; i < p->touched.count; i++)
        if (p->touched.items[i].in_new == item->in_new && strcmp(p->touched.items[i].name, item->name) == 0)
            return false;
    return true;
}

static bool events_explained(struct mailbox_private *p)
{
    for (size_t i = 0; i < p->touched.count; i++) {
        struct stat st;
        bool there = touched_is_there(p, &p->touched.items[i], &st);
        if (!is_explained(p, &p->touched.items[i], there) || has_left(p, i, there))
            return false;
    }
    scan_clear(&p->touched);
    return true;
}

bool mailbox_in_step(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    if (!mailbox_index_fits(box) || p->changed || p->events_lost)
        return false;
    if (box->watch >= 0)
        return events_explained(p);
    struct scan now = { 0 };
    scan_times(p->new_dir, p->cur_dir, &now);
    return (p->index.header.settled && mailbox_times_fit(&p->index.header, &now)) ||
           scan_current(p->new_dir, p->cur_dir, &p->touched);
}

void mailbox_set_times(struct index_header *h, const struct scan *s, bool settled)
{
    h->new_sec = s->new_time.tv_sec;
    h->new_nsec = (uint32_t)s->new_time.tv_nsec;
    h->cur_sec = s->cur_time.tv_sec;
    h->cur_nsec = (uint32_t)s->cur_time.tv_nsec;
    h->settled = settled;
}

void mailbox_settle(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    struct scan now = { 0 };
    if (box->watch < 0 || p->index.header.settled || p->index.fd < 0 || p->events_lost || p->changed)
        return;
    scan_times(p->new_dir, p->cur_dir, &now);
    int lock = now.settled ? folder_try_lock(p->dir) : -1;
    if (lock < 0)
        return;
    mailbox_drain(box);
    if (mailbox_in_step(box) && !p->index.header.settled) {
        mailbox_set_times(&p->index.header, &now, true);
        index_commit(&p->index);
    }
    file_close(lock);
}

/* --- what lies there */

/* Whether each message whose file an event told of was found, be it under another name. */
static bool all_found(struct merging *m)
{
    struct mailbox_private *p = mailbox_private(m->box);
    for (size_t i = 0; i < p->touched.count; i++)
        if (merging_misses(m, &p->touched.items[i]))
            return false;
    return true;
}

static enum status look_at_touched(struct merging *m)
{
    struct mailbox_private *p = mailbox_private(m->box);
    struct scan now = { 0 };
    scan_times(p->new_dir, p->cur_dir, &now);
    m->scan.new_time = now.new_time;
    m->scan.cur_time = now.cur_time;
    m->scan.settled = now.settled;
    if (!merging_take_touched(m) || p->events_lost)
        return ST_NONE;
    enum status st = merging_match(m);
    if (st == ST_OK && !all_found(m)) /* removed, or being renamed: a look at everything tells */
        st = ST_NONE;
    if (st == ST_OK)
        scan_clear(&p->touched);
    return st;
}

static enum status look_at_directories(struct merging *m)
{
    struct mailbox_private *p = mailbox_private(m->box);
    const struct index_header *h = &p->index.header;
    struct scan now = { 0 };
    mailbox_forget_events(m->box);
    p->changed = false;
    scan_times(p->new_dir, p->cur_dir, &now);
    m->whole_new = !h->settled || h->new_sec != now.new_time.tv_sec ||
                   h->new_nsec != (uint32_t)now.new_time.tv_nsec || m->index != &p->index;
    m->whole_cur = !h->settled || h->cur_sec != now.cur_time.tv_sec ||
                   h->cur_nsec != (uint32_t)now.cur_time.tv_nsec || m->index != &p->index;
    enum status st = scan_folder(m->whole_new ? p->new_dir : -1, m->whole_cur ? p->cur_dir : -1, &m->scan);
    m->scan.new_time = now.new_time;
    m->scan.cur_time = now.cur_time;
    m->scan.settled = now.settled;
    if (st == ST_OK && !merging_take_touched(m))
        st = ST_TEMP;
    if (st == ST_OK && p->events_lost) /* what was missed may be anywhere */
        st = ST_NONE;
    scan_clear(&p->touched);
    return st == ST_OK ? merging_match(m) : st;
}

static void look_anew(struct merging *m)
{
    merging_free_match(m);
    scan_clear(&m->scan);
    m->missing = 0;
    m->whole_new = m->whole_cur = false;
}

static enum status look(struct merging *m)
{
    struct mailbox_private *p = mailbox_private(m->box);
    if (m->box->watch >= 0 && !p->events_lost && !p->changed) {
        enum status st = look_at_touched(m);
        if (st != ST_NONE)
            return st;
        look_anew(m);
    }
    enum status st = look_at_directories(m);
    if (st != ST_OK || m->missing == 0)
        return st;
    look_anew(m);
    p->index.header.settled = 0; /* both, this time */
    return look_at_directories(m);
}

/* --- into the records */

static void update_record(struct merging *m, uint32_t n, const struct found *item)
{
    struct index_record old, r;
    char name[FILENAME_LIMIT + 1];
    if (!index_get(m->index, n, &old) || !index_name(m->index, &old, name)) {
        m->damaged = true;
        return;
    }
    r = old;
    bool in_new = old.bits & INDEX_IN_NEW;
    if (in_new == item->in_new && strcmp(name, item->name) == 0)
        return;
    if (!item->in_new)
        r.bits &= (uint16_t) ~(INDEX_IN_NEW | INDEX_RECENT);
    else
        r.bits |= INDEX_IN_NEW;
    mailbox_rename_record(m->index, &r, item->name);
    r.flags = flags_merge(old.disk_flags, r.disk_flags, old.flags);
    if (r.flags != old.flags)
        r.modseq = merging_modseq(m);
    index_put(m->index, n, &old, &r);
}

static void remove_record(struct merging *m, uint32_t n)
{
    struct index_record old, r;
    if (!index_get(m->index, n, &old) || old.bits & INDEX_GONE)
        return;
    if (!(old.bits & INDEX_IN_NEW ? m->whole_new : m->whole_cur))
        return;
    r = old;
    r.bits |= INDEX_GONE;
    r.modseq = merging_modseq(m);
    m->index->header.cache_live -= r.cache_length < m->index->header.cache_live ? r.cache_length : 0;
    index_put(m->index, n, &old, &r);
}

static void update_all(struct merging *m)
{
    if (!m->whole_new && !m->whole_cur) {
        for (size_t i = 0; i < m->scan.count; i++)
            if (m->scan.items[i].record < m->base_count && m->item_of[m->scan.items[i].record] == i)
                update_record(m, m->scan.items[i].record, &m->scan.items[i]);
        return;
    }
    for (uint32_t n = 0; n < m->base_count; n++) {
        if (m->item_of[n] != NO_ITEM)
            update_record(m, n, &m->scan.items[m->item_of[n]]);
        else if (m->missing)
            remove_record(m, n);
    }
}

/* Those that came since the folder was last selected: this session is the first to see them. */
static void take_recent(struct merging *m)
{
    struct mailbox_private *p = mailbox_private(m->box);
    struct index *ix = m->index;
    for (uint32_t n = 0; n < ix->header.count && ix->header.recent; n++) {
        struct index_record old, r;
        char name[FILENAME_LIMIT + 1], to[FILENAME_LIMIT + 4];
        if (!index_get(ix, n, &old) || !(old.bits & INDEX_RECENT) || old.bits & INDEX_GONE ||
            !index_name(ix, &old, name))
            continue;
        r = old;
        r.bits &= (uint16_t)~INDEX_RECENT;
        snprintf(to, sizeof to, "%s%s", name, old.bits & INDEX_INFO ? "" : ":2,");
        if (old.bits & INDEX_IN_NEW && strlen(name) + 3 <= FILENAME_LIMIT &&
            renameat(p->new_dir, name, p->cur_dir, to) == 0) {
            r.bits &= (uint16_t)~INDEX_IN_NEW;
            mailbox_rename_record(ix, &r, to);
            m->touched = true;
        }
        index_put(ix, n, &old, &r);
        mailbox_note_recent(m->box, r.uid);
    }
}

/* One attempt at everything; ST_NONE: names changed too fast. */
static enum status attempt(struct merging *m, bool last)
{
    enum status st = look(m);
    if (st != ST_OK)
        return st;
    update_all(m);
    return m->unknown_count ? mailbox_assign(m, last) : ST_OK;
}

/* What was done before a failure is true: it is written, as the next who has the lock begins with what is in
 * the file. The rest is looked for again. */
static void keep_part(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    p->changed = true;
    p->index.header.settled = 0;
    if (p->index.writing)
        index_commit(&p->index);
}

enum status mailbox_sync_locked(struct mailbox *box, struct durable *d)
{
    struct mailbox_private *p = mailbox_private(box);
    struct merging m = { .box = box, .d = d, .index = &p->index };
    unsigned char *gone;
    if (!index_gone_bits(&p->index, &gone))
        return errno == ENOMEM ? ST_TEMP : mailbox_rebuild(box, d);
    free(gone);
    enum status st = ST_NONE;
    for (int i = 1; st == ST_NONE && i <= ATTEMPTS; i++) {
        look_anew(&m);
        st = attempt(&m, i == ATTEMPTS);
        p->events_lost |= st == ST_NONE; /* everything is looked at the next time */
    }
    if (st == ST_OK) {
        if (!box->read_only && p->index.header.recent)
            take_recent(&m);
        mailbox_set_times(&p->index.header, &m.scan, m.scan.settled && !m.touched && !m.incomplete);
        scan_clear(&p->touched);
        p->touched.new_time = m.scan.new_time;
        p->touched.cur_time = m.scan.cur_time;
        p->touched.settled = p->index.header.settled;
        index_commit(&p->index);
    }
    int saved = errno;
    if (st != ST_OK)
        keep_part(box);
    merging_free_match(&m);
    scan_free(&m.scan);
    if (m.damaged)
        return mailbox_rebuild(box, d);
    errno = saved;
    return st == ST_NONE ? ST_TEMP : st;
}

enum status mailbox_sync(struct mailbox *box)
{
    struct durable d;
    int lock = mailbox_lock(box, &d);
    if (lock < 0)
        return ST_TEMP;
    enum status st = mailbox_sync_locked(box, &d);
    mailbox_unlock(lock, &d);
    return st;
}
