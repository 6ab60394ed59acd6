/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening a folder, and what is asked of it as a whole; see mailbox.h, and mailbox_private.h for where
 * the rest is.
 *
 * Directories are opened once, beneath the Maildir, and everything after goes through their descriptors: an
 * opened mailbox follows its folder through a rename, and no later trick with links reaches it.
 */
#include "store/mailbox.h"
#include "base/fault.h"
#include "base/files.h"
#include "store/leftovers.h"
#include "store/mailbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct mailbox_private *mailbox_private(const struct mailbox *box)
{
    return box->private;
}

static void free_private(struct mailbox_private *p)
{
    index_close(&p->index);
    cache_close(&p->cache);
    view_free(&p->view);
    scan_free(&p->touched);
    free(p->recent);
    free(p->news);
    file_close(p->new_dir);
    file_close(p->cur_dir);
    file_close(p->tmp_dir);
    file_close(p->dir);
    free(p);
}

/* What waits is brought to where it belongs; nobody waits for it by now. */
static void finish(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    if (!p->index.open)
        return;
    mailbox_keep_learned(box);
    mailbox_name_all_pending(box);
    mailbox_drain(box);
    mailbox_settle(box);
}

void mailbox_close(struct mailbox *box)
{
    if (!box)
        return;
    finish(box);
    mailbox_free_summaries(box);
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++)
        free(box->keywords[i]);
    file_close(box->watch);
    free_private(box->private);
    free(box);
}

static enum status open_directories(struct mail *mail, struct span folder, struct mailbox_private *p)
{
    enum status st = folder_open(mail, folder, &p->dir);
    if (st != ST_OK)
        return st;
    p->cur_dir = file_open_beneath(p->dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    if (p->cur_dir < 0)
        return status_of_errno(errno);
    p->new_dir = file_open_beneath(p->dir, "new", O_RDONLY | O_DIRECTORY, 0);
    if (p->new_dir < 0 && errno == ENOENT && mkdirat(p->dir, "new", 0700) == 0)
        p->new_dir = file_open_beneath(p->dir, "new", O_RDONLY | O_DIRECTORY, 0);
    return p->new_dir < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM) ? ST_TEMP : ST_OK;
}

/* The session begins to show what the index has. ST_NONE: that can't be read. */
static enum status start_view(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    unsigned char *gone;
    if (!index_gone_bits(&p->index, &gone))
        return errno == ENOMEM ? ST_TEMP : ST_NONE;
    bool ok = view_start(&p->view, p->index.header.count, gone);
    free(gone);
    p->picked = p->index.header.count;
    p->picked_uid = p->index.header.floor;
    p->picked_changes = p->index.header.changes;
    p->own_count = 0;
    box->modseq = p->picked_modseq = p->index.header.modseq;
    box->uid_next = p->index.header.floor; /* not uid_next: that may be of a file that isn't here yet */
    box->count = p->view.count;
    return ok ? ST_OK : ST_TEMP;
}

/* Without the lock, if the index counts and nothing has happened since it was written. */
static bool open_as_it_is(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    struct durable d;
    bool new_keyword, good = durable_read(p->dir, &d) == ST_OK && !durable_is_used_up(&d) &&
                             mailbox_adopt(box, &d, &new_keyword) == ST_OK;
    durable_free(&d);
    if (!good || !mailbox_open_index(box)) {
        box->uid_validity = 0; /* with the lock it may turn out to be another */
        return false;
    }
    struct scan now = { 0 };
    scan_times(p->new_dir, p->cur_dir, &now);
    const struct index_header *h = &p->index.header;
    p->touched.new_time = now.new_time;
    p->touched.cur_time = now.cur_time;
    p->touched.settled = now.settled;
    return h->settled && mailbox_times_fit(h, &now) && (box->read_only || h->recent == 0);
}

/* Before the session shows anything. */
static void compact(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    int lock = index_has_waste(&p->index) ? folder_try_lock(p->dir) : -1;
    if (lock >= 0 && mailbox_index_fits(box))
        index_compact(&p->index);
    file_close(lock);
}

/* What couldn't be read while others may write it: with the lock it is as the last of them left it. What is
 * damaged even then is made anew. */
static enum status start_locked(struct mailbox *box)
{
    struct durable d;
    int lock = mailbox_lock(box, &d);
    if (lock < 0)
        return ST_TEMP;
    enum status st = start_view(box);
    if (st == ST_NONE)
        st = mailbox_rebuild(box, &d) == ST_OK ? start_view(box) : ST_TEMP;
    mailbox_unlock(lock, &d);
    return st == ST_NONE ? ST_TEMP : st;
}

static enum status open_index(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    enum status st = ST_OK;
    if (!open_as_it_is(box)) {
        p->events_lost = true; /* what happened before isn't known */
        st = mailbox_sync(box);
    }
    if (st == ST_OK) {
        compact(box);
        st = start_view(box);
    }
    return st == ST_NONE ? start_locked(box) : st;
}

static struct mailbox *new_mailbox(struct mail *mail, bool read_only)
{
    struct mailbox *box = calloc(1, sizeof *box);
    struct mailbox_private *p = calloc(1, sizeof *p);
    if (!box || !p) {
        free(box);
        free(p);
        return NULL;
    }
    *box = (struct mailbox){ .mail = mail, .read_only = read_only, .watch = -1, .private = p };
    bytes_init(&p->cached, 2 * CACHE_WAITING);
    p->dir = p->new_dir = p->cur_dir = p->tmp_dir = p->index.fd = p->cache.fd = -1;
    p->new_watch = p->cur_watch = p->dir_watch = -1;
    return box;
}

static enum status open_folder(struct mail *mail, struct span folder, bool read_only, bool watched,
                               struct mailbox **out)
{
    struct mailbox *box = new_mailbox(mail, read_only);
    *out = NULL;
    if (!box)
        return ST_TEMP;
    fault_reads_zeros();
    struct mailbox_private *p = mailbox_private(box);
    enum status st = open_directories(mail, folder, p);
    if (st == ST_OK) {
        span_copy(folder_is_inbox(folder) ? SPAN("INBOX") : folder, box->folder, sizeof box->folder);
        if (watched)
            mailbox_watch(box);
        if (!read_only)
            leftovers_clear_tmp(p->dir);
        p->index.dir = p->dir;
        st = open_index(box);
    }
    int saved = errno;
    if (st == ST_OK)
        *out = box;
    else
        mailbox_close(box);
    errno = saved;
    return st;
}

enum status mailbox_open(struct mail *mail, struct span folder, bool read_only, struct mailbox **box)
{
    return open_folder(mail, folder, read_only, true, box);
}

enum status mailbox_look(struct mail *mail, struct span folder, struct mailbox **box)
{
    return open_folder(mail, folder, true, false, box);
}

size_t mailbox_find(const struct mailbox *box, uint32_t uid)
{
    size_t low = 0, high = box->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mailbox_uid(box, middle) < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t mailbox_recent(const struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    size_t count = 0;
    if (p->recent_count == 0 && p->index.header.recent == 0)
        return 0;
    for (size_t i = 0; i < box->count; i++)
        count += mailbox_message(box, i).recent;
    return count;
}

size_t mailbox_first_unseen(const struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    struct index_record r;
    if (p->index.header.unseen == 0)
        return box->count;
    size_t from = 0;
    if (index_get(&p->index, p->index.header.first_unseen, &r))
        from = mailbox_find(box, r.uid);
    for (size_t i = from; i < box->count; i++)
        if (!(mailbox_message(box, i).flags & FLAG_SEEN))
            return i;
    return box->count;
}

static enum status forget_uids(uint32_t **uids, size_t *count, enum status st)
{
    free(*uids);
    *uids = NULL;
    *count = 0;
    return st;
}

/* Records are read as they are by now: others may have removed more messages than the header counted when it
 * was read, and each of them must not take the place of one that this session has never shown. */
enum status mailbox_expunged_since(struct mailbox *box, uint64_t modseq, uint32_t **uids, size_t *count)
{
    struct mailbox_private *p = mailbox_private(box);
    struct index_record r;
    *count = 0;
    *uids = NULL;
    if (modseq < p->index.header.expunged_from)
        return ST_NONE;
    for (uint32_t n = 0; n < p->picked; n++) {
        if (!index_get(&p->index, n, &r)) /* damaged: nobody knows whether it is gone */
            return forget_uids(uids, count, ST_NONE);
        if (!(r.bits & INDEX_GONE) || r.modseq <= modseq)
            continue;
        if (!mailbox_add_uid(uids, count, r.uid))
            return forget_uids(uids, count, ST_TEMP);
    }
    return ST_OK;
}

/* A message that is gone by now counts as its file's size, which was seen. */
static uint64_t wire_size(struct mailbox *box, size_t index)
{
    uint64_t size;
    return mailbox_wire_size(box, index, &size) == ST_OK ? size : mailbox_message(box, index).size;
}

static uint64_t sum_of_sizes(struct mailbox *box)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < box->count; i++)
        sum += wire_size(box, i);
    return sum;
}

static uint64_t deleted_size(struct mailbox *box)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < box->count; i++) {
        struct mailbox_message m = mailbox_message(box, i);
        sum += m.flags & FLAG_DELETED ? mailbox_file_size(box, i) : 0;
    }
    return sum;
}

enum status mailbox_status(struct mail *mail, struct span folder, bool sizes, struct mailbox_status *status)
{
    struct mailbox *box;
    *status = (struct mailbox_status){ 0 };
    enum status st = mailbox_look(mail, folder, &box);
    if (st != ST_OK)
        return st;
    status->messages = (uint32_t)box->count;
    status->uid_next = box->uid_next;
    status->uid_validity = box->uid_validity;
    status->modseq = box->modseq;
    memcpy(status->mailbox_id, box->mailbox_id, sizeof status->mailbox_id);
    const struct index_header *h = &mailbox_private(box)->index.header;
    status->recent = h->recent;
    status->unseen = h->unseen;
    status->deleted = h->deleted;
    if (h->deleted)
        status->deleted_size = deleted_size(box);
    if (sizes)
        status->size = h->unsized ? sum_of_sizes(box) : h->wire_total;
    mailbox_close(box);
    return ST_OK;
}
