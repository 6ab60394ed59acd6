/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages removed by this session: files first, then the directory is synced, then the index says so.
 */
#include "base/files.h"
#include "store/mailbox_private.h"
#include "store/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 10 /* for a file that is renamed again and again */

struct expunging {
    struct mailbox *box;
    struct durable d;
    bool moved;           /* the files are gone already, and not removed */
    unsigned char *taken; /* by index: to leave the view */
    uint64_t modseq;
    int64_t bytes, files; /* that this process removed, for the quota */
    size_t missed;        /* files that weren't where they should be */
    enum status status;
    int why;
};

/* ST_OK: it isn't there any more. */
static enum status remove_file(struct expunging *e, const struct index_record *r)
{
    const struct mailbox_private *p = mailbox_private(e->box);
    char name[FILENAME_LIMIT + 1];
    struct stat st;
    int64_t size = r->size;
    if (e->moved || r->bits & INDEX_GONE) /* somebody else removed it, and counted */
        return ST_OK;
    if (!index_name(&p->index, r, name))
        return ST_NONE;
    int dir = mailbox_record_dir(p, r);
    if (r->size == INDEX_UNSIZED)
        size = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0;
    if (unlinkat(dir, name, 0) == 0) {
        e->bytes += size;
        e->files++;
        return ST_OK;
    }
    return errno == EISDIR ? ST_OK : errno == ENOENT ? ST_NONE : ST_TEMP;
}

static void mark_gone(struct mailbox_private *p, uint32_t n, const struct index_record *old, uint64_t modseq)
{
    struct index_record r = *old;
    if (old->bits & INDEX_GONE)
        return;
    r.bits |= INDEX_GONE;
    r.modseq = modseq;
    p->index.header.cache_live -= r.cache_length < p->index.header.cache_live ? r.cache_length : 0;
    index_put(&p->index, n, old, &r);
}

static void expunge_one(struct expunging *e, size_t index, struct mailbox_changes *gone)
{
    struct mailbox_private *p = mailbox_private(e->box);
    struct index_record r;
    uint32_t n;
    if (e->taken[index / 8] >> index % 8 & 1)
        return;
    bool real = mailbox_record(e->box, index, &r, &n);
    enum status st = real ? remove_file(e, &r) : ST_OK;
    if (st == ST_NONE) {
        e->missed++;
        return;
    }
    if (st != ST_OK) {
        e->status = ST_TEMP;
        e->why = errno;
        return;
    }
    if (real)
        mark_gone(p, n, &r, e->modseq);
    e->taken[index / 8] = (unsigned char)(e->taken[index / 8] | 1u << index % 8);
    gone->expunged[gone->expunged_count++] = r.uid;
}

/* What goes has one above all that others may have picked up before. */
static bool take_modseq(struct expunging *e)
{
    e->modseq = mailbox_next_modseq(e->box, &e->d);
    if (e->modseq)
        mailbox_own_modseq(e->box, e->modseq);
    return e->modseq != 0;
}

static void expunge_all(struct expunging *e, const size_t *indexes, size_t count,
                        struct mailbox_changes *gone)
{
    struct mailbox_private *p = mailbox_private(e->box);
    for (int round = 0; round < ROUNDS; round++) {
        e->missed = 0;
        p->index.header.settled = 0;
        for (size_t i = 0; i < count; i++)
            expunge_one(e, indexes[i], gone);
        if (e->missed == 0)
            break;
        index_commit(&p->index);
        p->changed = true;
        if (mailbox_sync_locked(e->box, &e->d) != ST_OK || !take_modseq(e))
            break;
    }
    if (e->missed && e->status == ST_OK) {
        e->status = ST_TEMP;
        e->why = EAGAIN;
    }
    if (gone->expunged_count && !e->moved && file_sync_dir(p->cur_dir, NULL) != ST_OK) {
        e->status = ST_TEMP;
        e->why = errno;
    }
    index_commit(&p->index);
    if (e->files)
        quota_add(mail_dir(e->box->mail), -e->bytes, -e->files);
}

static int compare_uids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* They leave the view, in order. */
static void take_out(struct expunging *e, struct mailbox_changes *gone)
{
    struct mailbox_private *p = mailbox_private(e->box);
    qsort(gone->expunged, gone->expunged_count, sizeof *gone->expunged, compare_uids);
    if (!view_remove(&p->view, e->taken)) {
        gone->expunged_count = 0; /* a refresh will tell it */
        p->gone_waits = true;
        e->status = ST_TEMP;
        e->why = ENOMEM;
    }
    e->box->count = p->view.count;
}

static enum status expunge(struct mailbox *box, const size_t *indexes, size_t count, bool moved,
                           struct mailbox_changes *gone)
{
    struct expunging e = { .box = box, .moved = moved, .status = ST_OK };
    *gone = (struct mailbox_changes){ .expunged = calloc(count + 1, sizeof(uint32_t)) };
    e.taken = calloc(1, box->count / 8 + 1);
    int lock = -1;
    errno = ENOMEM;
    if (gone->expunged && e.taken && box->read_only) {
        free(e.taken);
        errno = EROFS;
        return ST_PERM;
    }
    if (gone->expunged && e.taken)
        lock = mailbox_lock(box, &e.d);
    if (lock < 0 || !take_modseq(&e)) {
        int saved = errno;
        if (lock >= 0)
            mailbox_unlock(lock, &e.d);
        free(e.taken);
        errno = saved;
        return ST_TEMP;
    }
    expunge_all(&e, indexes, count, gone);
    mailbox_unlock(lock, &e.d);
    take_out(&e, gone);
    free(e.taken);
    errno = e.why;
    return e.status;
}

enum status mailbox_expunge(struct mailbox *box, const size_t *indexes, size_t count,
                            struct mailbox_changes *gone)
{
    return expunge(box, indexes, count, false, gone);
}

enum status mailbox_forget(struct mailbox *box, const size_t *indexes, size_t count,
                           struct mailbox_changes *gone)
{
    return expunge(box, indexes, count, true, gone);
}
