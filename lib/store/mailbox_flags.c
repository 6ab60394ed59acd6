/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Flags: STORE, and what waits in the journal.
 *
 * A change of a few messages renames their files. A change of many goes into the journal and the index: it is
 * done then for every Postern, and the names follow when the mailbox is closed, or as soon as nobody waits.
 * Another program that changes the same message's flags meanwhile keeps its change, and so do we
 * (flags_merge).
 */
#include "base/files.h"
#include "store/journal.h"
#include "store/mailbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define RENAMED_AT_ONCE 500 /* with more, the journal */
#define NAMED_AT_ONCE 250   /* under one lock, of those that waited */
#define YIELD_NS 2500000    /* then the lock is anybody's */

struct storing {
    struct mailbox *box;
    struct durable d;
    const struct flags_store *store;
    struct bytes lines; /* of the journal */
    bool by_journal;
    uint64_t modseq;
    enum status worst;
    int why;
};

static uint32_t changed_flags(const struct mailbox *box, uint32_t flags, const struct flags_store *store)
{
    uint32_t ours = FLAG_SYSTEM | mailbox_named(box), wanted = store->flags & ours;
    return store->change == FLAGS_ADD      ? flags | wanted
           : store->change == FLAGS_REMOVE ? flags & ~wanted
                                           : (flags & ~ours) | wanted;
}

/* What the file would be called with these flags; "" if there is no room for them. */
static void name_with(const struct mailbox *box, const struct index_record *r, const char *name,
                      uint32_t flags, char to[FILENAME_LIMIT + 1])
{
    const struct mailbox_private *p = mailbox_private(box);
    struct filename f;
    struct stat st;
    filename_parse(span_of(name), &f);
    struct filename_new n = { .size = r->size == INDEX_UNSIZED ? 0 : r->size,
                              .wire = r->wire == INDEX_UNSIZED ? 0 : r->wire,
                              .validity = box->uid_validity,
                              .uid = r->uid,
                              .flags = flags,
                              .keywords = ~(uint32_t)FLAG_SYSTEM,
                              .info = true };
    if (!n.size && fstatat(mailbox_record_dir(p, r), name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        n.size = (uint64_t)st.st_size;
    if (!filename_write(f.base, &f, &n, to))
        to[0] = '\0';
}

/* Renames the record's file so that it says `flags`. */
static enum status rename_to(struct mailbox *box, struct index_record *r, uint32_t flags)
{
    struct mailbox_private *p = mailbox_private(box);
    char name[FILENAME_LIMIT + 1], to[FILENAME_LIMIT + 1];
    if (!index_name(&p->index, r, name))
        return ST_NONE;
    name_with(box, r, name, flags, to);
    if (!to[0]) {
        errno = ENAMETOOLONG;
        return ST_TEMP;
    }
    if (renameat(mailbox_record_dir(p, r), name, p->cur_dir, to) != 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    r->bits &= (uint16_t) ~(INDEX_IN_NEW | INDEX_RECENT);
    mailbox_rename_record(&p->index, r, to);
    r->flags = flags;
    return ST_OK;
}

/* A change that changes nothing takes none. */
static bool take_modseq(struct storing *s)
{
    if (s->modseq)
        return true;
    s->modseq = mailbox_next_modseq(s->box, &s->d);
    if (s->modseq)
        mailbox_own_modseq(s->box, s->modseq);
    return s->modseq != 0;
}

/* The file isn't where it was, or its flags are others by now. What follows has a mod-sequence above what
 * this finds: others may have picked that up already. */
static bool look_again(struct storing *s)
{
    struct mailbox_private *p = mailbox_private(s->box);
    index_commit(&p->index);
    p->changed = true;
    s->modseq = 0;
    return mailbox_sync_locked(s->box, &s->d) == ST_OK;
}

static enum flags_result fail(struct storing *s)
{
    s->why = errno;
    return FLAGS_FAILED;
}

static enum flags_result store_one(struct storing *s, size_t index, int tries)
{
    struct mailbox_private *p = mailbox_private(s->box);
    struct index_record old, r;
    uint32_t n;
    if (!mailbox_record(s->box, index, &old, &n) || old.bits & INDEX_GONE)
        return FLAGS_GONE;
    if (old.modseq > s->store->unchanged_since)
        return FLAGS_MODIFIED;
    uint32_t wanted = changed_flags(s->box, old.flags, s->store);
    bool others = old.modseq > p->picked_modseq; /* whose change wasn't told yet */
    for (size_t i = 0; i < p->own_count; i++)
        others &= p->own[i] != old.modseq;
    if (wanted == old.flags)
        return others ? FLAGS_MERGED : FLAGS_STORED;
    if (!take_modseq(s))
        return fail(s);
    r = old;
    if (s->by_journal) {
        r.flags = wanted;
        journal_add_flags(&s->lines, r.uid, r.disk_flags, wanted);
    } else {
        enum status st = rename_to(s->box, &r, wanted);
        if (st == ST_NONE && tries > 0 && look_again(s))
            return store_one(s, index, tries - 1);
        if (st != ST_OK)
            return fail(s);
        if (old.flags != old.disk_flags)
            journal_add_done(&s->lines, r.uid);
    }
    r.modseq = s->modseq;
    index_put(&p->index, n, &old, &r);
    return others ? FLAGS_MERGED : FLAGS_STORED;
}

/* Another program may have changed flags since the index was written: its change comes first. */
static bool up_to_date(struct mailbox *box, struct durable *d)
{
    mailbox_drain(box);
    return mailbox_in_step(box) || mailbox_sync_locked(box, d) == ST_OK;
}

static void store_all(struct storing *s, const size_t *indexes, size_t count, unsigned char *results)
{
    struct mailbox_private *p = mailbox_private(s->box);
    if (s->by_journal)
        index_mark_dirty(&p->index);
    else
        p->index.header.settled = 0;
    for (size_t n = 0; n < count; n++) {
        results[n] = (unsigned char)store_one(s, indexes[n], 2);
        s->worst = status_worse(s->worst, results[n] == FLAGS_GONE     ? ST_NONE
                                          : results[n] == FLAGS_FAILED ? ST_TEMP
                                                                       : ST_OK);
    }
    if (s->lines.failed || (s->lines.len && journal_append(p->dir, s->box->uid_validity,
                                                           span_bytes(&s->lines), false) != ST_OK)) {
        s->worst = ST_TEMP;
        s->why = s->lines.failed ? ENOMEM : errno;
        for (size_t n = 0; n < count; n++)
            results[n] = FLAGS_FAILED;
        index_remove(p->dir); /* made anew from what is true */
        return;
    }
    index_commit(&p->index);
}

enum status mailbox_store(struct mailbox *box, const size_t *indexes, size_t count,
                          const struct flags_store *store, unsigned char *results)
{
    struct storing s = { .box = box, .store = store, .by_journal = count > RENAMED_AT_ONCE, .worst = ST_OK };
    if (box->read_only) {
        errno = EROFS;
        return ST_PERM;
    }
    memset(results, FLAGS_FAILED, count);
    int lock = mailbox_lock(box, &s.d);
    if (lock < 0)
        return ST_TEMP;
    bytes_init(&s.lines, JOURNAL_LIMIT);
    if (up_to_date(box, &s.d)) {
        store_all(&s, indexes, count, results);
    } else {
        s.worst = ST_TEMP;
        s.why = errno;
    }
    bytes_free(&s.lines);
    mailbox_unlock(lock, &s.d);
    errno = s.why;
    return s.worst;
}

/* --- what waits */

/* Of the names that events tell of, those that this process gave up just now are no news. Events come in the
 * order of the changes. */
static void forget_own_names(struct mailbox *box, const struct scan *own)
{
    struct scan *t = &mailbox_private(box)->touched;
    size_t kept = 0, next = 0;
    mailbox_drain(box);
    for (size_t i = 0; i < t->count; i++)
        if (next < own->count && !t->items[i].came && strcmp(t->items[i].name, own->items[next].name) == 0)
            next++;
        else
            t->items[kept++] = t->items[i];
    t->count = kept;
}

/* ST_NONE: nothing waits any more. */
static enum status name_pending(struct mailbox *box, size_t limit)
{
    struct mailbox_private *p = mailbox_private(box);
    struct index *ix = &p->index;
    struct bytes lines;
    struct scan own = { 0 };
    size_t done = 0;
    enum status st = ST_OK;
    bytes_init(&lines, JOURNAL_LIMIT);
    p->index.header.settled = 0;
    for (uint32_t n = p->named_up_to; n < ix->header.count && done < limit && ix->header.pending; n++) {
        struct index_record old, r;
        p->named_up_to = n + 1;
        if (!index_get(ix, n, &old) || old.bits & INDEX_GONE || old.flags == old.disk_flags)
            continue;
        r = old;
        char name[FILENAME_LIMIT + 1];
        if (index_name(ix, &old, name))
            scan_add(&own, name, old.bits & INDEX_IN_NEW);
        if (rename_to(box, &r, r.flags) != ST_OK) {
            p->changed = true;
            st = ST_TEMP;
            continue;
        }
        index_put(ix, n, &old, &r);
        journal_add_done(&lines, r.uid);
        done++;
    }
    if (p->named_up_to >= ix->header.count)
        p->named_up_to = 0;
    bool none = ix->header.pending == 0;
    if (none && ix->header.unnamed == 0)
        journal_remove(p->dir);
    else if (lines.len)
        journal_append(p->dir, box->uid_validity, span_bytes(&lines), false);
    bytes_free(&lines);
    index_commit(ix);
    forget_own_names(box, &own);
    scan_free(&own);
    return none || done == 0 ? ST_NONE : st;
}

bool mailbox_has_work(const struct mailbox *box)
{
    const struct mailbox_private *p = mailbox_private(box);
    return !p->lost && !box->read_only && p->index.header.pending > 0;
}

bool mailbox_work(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    struct durable d;
    if (!mailbox_has_work(box))
        return false;
    int lock = mailbox_lock(box, &d);
    if (lock < 0)
        return false;
    bool more = p->index.header.pending && up_to_date(box, &d) && name_pending(box, NAMED_AT_ONCE) == ST_OK;
    mailbox_unlock(lock, &d);
    return more;
}

void mailbox_name_all_pending(struct mailbox *box)
{
    while (mailbox_work(box)) /* whoever waits for the lock tries every millisecond */
        nanosleep(&(struct timespec){ .tv_nsec = YIELD_NS }, NULL);
}
