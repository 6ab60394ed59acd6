/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The folder's lock, and the numbers that only its holder gives: mod-sequences and UIDs.
 */
#include "store/mailbox_private.h"
#include "base/files.h"

#include <errno.h>
#include <string.h>

/* Whether an index counts for this mailbox. */
static bool usable(const struct mailbox *box, const struct index *ix)
{
    return ix->header.uid_validity == box->uid_validity && !ix->header.dirty &&
           strcmp(ix->header.boot, mail_boot(box->mail)) == 0;
}

bool mailbox_open_index(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    struct index next;
    if (index_open(p->dir, &next) != ST_OK)
        return false;
    if (usable(box, &next))
        return mailbox_attach(box, &next) == ST_OK;
    index_close(&next);
    return false;
}

/* Is there an index for all, while this session has one in its memory? The others don't know of that. */
static bool others_have_one(const struct mailbox *box)
{
    const struct mailbox_private *p = mailbox_private(box);
    struct index other;
    if (!p->index.open || p->index.fd >= 0 || index_open(p->dir, &other) != ST_OK)
        return false;
    bool counts = usable(box, &other);
    index_close(&other);
    return counts;
}

bool mailbox_index_fits(struct mailbox *box)
{
    struct index *ix = &mailbox_private(box)->index;
    return !others_have_one(box) && index_is_current(ix) && index_reload(ix) && usable(box, ix);
}

/* The index on disk, or a new one. */
static enum status use_index(struct mailbox *box, struct durable *d)
{
    if (mailbox_index_fits(box) || mailbox_open_index(box))
        return ST_OK;
    return mailbox_rebuild(box, d);
}

int mailbox_lock(struct mailbox *box, struct durable *d)
{
    struct mailbox_private *p = mailbox_private(box);
    bool new_keyword;
    int lock = folder_lock(p->dir);
    if (lock < 0)
        return -1;
    enum status st = durable_open(box->mail, p->dir, d);
    if (st == ST_OK)
        st = mailbox_adopt(box, d, &new_keyword);
    if (st == ST_OK)
        st = use_index(box, d);
    if (st == ST_OK)
        return lock;
    mailbox_unlock(lock, d);
    return -1;
}

void mailbox_unlock(int lock, struct durable *d)
{
    int saved = errno;
    durable_free(d);
    file_close(lock);
    errno = saved;
}

uint64_t mailbox_next_modseq(struct mailbox *box, struct durable *d)
{
    struct mailbox_private *p = mailbox_private(box);
    uint64_t next = p->index.header.modseq + 1;
    if (durable_raise_modseq(p->dir, d, next) != ST_OK)
        return 0;
    p->index.header.modseq = next;
    return next;
}

enum status mailbox_take_uids(struct index *ix, int dir, struct durable *d, size_t count, uint32_t *first)
{
    uint32_t next = ix->header.uid_next, block = DURABLE_UID_BLOCK;
    if (ix->fd < 0) { /* in memory: all that was reserved may have been given by others */
        next = next < d->uid_next ? d->uid_next : next;
        block = 0;
    }
    enum status st = durable_reserve(dir, d, next, count, block, first);
    if (st == ST_OK)
        ix->header.uid_next = *first + (uint32_t)count;
    return st;
}

void mailbox_own_modseq(struct mailbox *box, uint64_t modseq)
{
    struct mailbox_private *p = mailbox_private(box);
    if (p->own_count < OWN_MODSEQS) /* with more, the session is told of its own changes too */
        p->own[p->own_count++] = modseq;
}
