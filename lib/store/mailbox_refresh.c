/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is new in the index, told to the session.
 *
 * The session has seen everything up to its mod-sequence. What is above that is news, unless this session
 * made it itself; what is behind the records it looked at is new mail; what is marked as gone leaves the
 * view, as soon as sequence numbers may move.
 */
#include "base/log.h"
#include "store/mailbox_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- \Recent */

void mailbox_note_recent(struct mailbox *box, uint32_t uid)
{
    struct mailbox_private *p = mailbox_private(box);
    struct uid_range *last = p->recent_count ? &p->recent[p->recent_count - 1] : NULL;
    if (last && last->last + 1 == uid) {
        last->last = uid;
        return;
    }
    if (p->recent_count % 16 == 0) {
        struct uid_range *more = realloc(p->recent, (p->recent_count + 16) * sizeof *more);
        if (!more) /* \Recent is a hint, and not worth a failure */
            return;
        p->recent = more;
    }
    p->recent[p->recent_count++] = (struct uid_range){ uid, uid };
}

bool mailbox_is_recent(const struct mailbox *box, uint32_t uid)
{
    const struct mailbox_private *p = mailbox_private(box);
    for (size_t i = 0; i < p->recent_count; i++)
        if (uid >= p->recent[i].first && uid <= p->recent[i].last)
            return true;
    return false;
}

/* --- news */

void mailbox_changes_free(struct mailbox_changes *changes)
{
    free(changes->expunged);
    free(changes->changed);
    *changes = (struct mailbox_changes){ 0 };
}

bool mailbox_add_uid(uint32_t **uids, size_t *count, uint32_t uid)
{
    if (*count % 64 == 0) {
        uint32_t *more = realloc(*uids, (*count + 64) * sizeof *more);
        if (!more)
            return false;
        *uids = more;
    }
    (*uids)[(*count)++] = uid;
    return true;
}

static bool note_changed(struct mailbox_changes *changes, uint32_t uid)
{
    return mailbox_add_uid(&changes->changed, &changes->changed_count, uid);
}

static bool is_own(const struct mailbox_private *p, uint64_t modseq)
{
    for (size_t i = 0; i < p->own_count; i++)
        if (p->own[i] == modseq)
            return true;
    return false;
}

static bool pick_record(struct mailbox *box, uint32_t n, const struct index_record *r,
                        struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    if (n >= p->picked) {
        if (r->uid >= p->picked_uid)
            p->picked_uid = r->uid + 1;
        if (r->bits & INDEX_GONE)
            return true;
        changes->added++;
        return view_add(&p->view, n);
    }
    if (r->modseq <= p->picked_modseq)
        return true;
    if (r->bits & INDEX_GONE)
        p->gone_waits = true;
    else if (!is_own(p, r->modseq))
        return note_changed(changes, r->uid);
    return true;
}

/* Takes out what is gone, and tells it. Without memory it stays, as for who wants to keep it. */
static void purge(struct mailbox *box, struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    unsigned char *gone = calloc(1, p->view.count / 8 + 1);
    uint32_t *uids = realloc(changes->expunged, (changes->expunged_count + p->view.count + 1) * sizeof *uids);
    if (uids)
        changes->expunged = uids;
    if (!gone || !uids) {
        free(gone);
        return;
    }
    size_t before = changes->expunged_count;
    for (size_t i = 0; i < p->view.count; i++) {
        struct index_record r;
        uint32_t n;
        bool real = view_record(&p->view, i, &n);
        if (real && (!index_get(&p->index, n, &r) || !(r.bits & INDEX_GONE)))
            continue;
        uids[changes->expunged_count++] = real ? r.uid : view_ghost(&p->view, i).uid;
        gone[i / 8] = (unsigned char)(gone[i / 8] | 1u << i % 8);
    }
    bool ok = changes->expunged_count == before || view_remove(&p->view, gone);
    if (!ok)
        changes->expunged_count = before;
    p->gone_waits = !ok;
    free(gone);
}

static void learn_keywords(struct mailbox *box, struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    struct durable d;
    if (!(p->index.header.letters & ~mailbox_named(box)))
        return;
    int lock = folder_try_lock(p->dir); /* for the names that Dovecot gave letters */
    if ((lock < 0 ? durable_read(p->dir, &d) : durable_open(box->mail, p->dir, &d)) == ST_OK)
        mailbox_adopt(box, &d, &changes->keywords);
    mailbox_unlock(lock, &d);
}

/* All or nothing: who fails tells nothing, and the next refresh finds it again. */
static enum status pick_all(struct mailbox *box, struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    uint32_t count = p->index.header.count, uid = p->picked_uid;
    size_t shown = p->view.count;
    bool all = p->index.header.modseq > p->picked_modseq;
    enum status st = ST_OK;
    for (uint32_t n = all ? 0 : p->picked; st == ST_OK && n < count; n++) {
        struct index_record r;
        if (!index_get(&p->index, n, &r))
            st = ST_NONE;
        else if (!pick_record(box, n, &r, changes))
            st = ST_TEMP;
    }
    if (st != ST_OK) {
        view_cut(&p->view, shown);
        p->picked_uid = uid;
        changes->added = 0;
        return st;
    }
    p->picked = count;
    p->picked_changes = p->index.header.changes;
    p->own_count = 0;
    p->picked_modseq = p->index.header.modseq;
    return ST_OK;
}

static enum status pick_news(const struct mailbox_private *p, struct mailbox_changes *changes)
{
    changes->changed_count = 0; /* of an attempt that failed */
    for (size_t i = 0; i < p->news_count; i++)
        if (!note_changed(changes, p->news[i]))
            return ST_TEMP;
    return ST_OK;
}

static void forget_news(struct mailbox_private *p)
{
    free(p->news);
    p->news = NULL;
    p->news_count = 0;
}

/* Tells what is new in the index. */
static enum status pick_up(struct mailbox *box, bool keep, struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    enum status st = pick_news(p, changes);
    if (st == ST_OK && p->index.header.changes != p->picked_changes) {
        learn_keywords(box, changes);
        st = pick_all(box, changes);
    }
    if (st == ST_OK)
        forget_news(p);
    if (st == ST_OK && !keep && p->gone_waits)
        purge(box, changes);
    if (st == ST_OK && !p->gone_waits)
        box->modseq = p->picked_modseq;
    box->count = p->view.count;
    box->uid_next = p->index.header.floor;
    return st;
}

/* A folder that was removed looks empty through its descriptor. */
static bool is_removed(int dir)
{
    struct stat st;
    return fstat(dir, &st) == 0 && st.st_nlink == 0;
}

/* A damaged record: everything anew, once. */
static enum status repair(struct mailbox *box, bool keep, struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    struct durable d;
    int lock = mailbox_lock(box, &d);
    if (lock < 0)
        return ST_TEMP;
    enum status st = mailbox_rebuild(box, &d);
    mailbox_unlock(lock, &d);
    p->lost |= st != ST_OK;
    return st == ST_OK ? pick_up(box, keep, changes) : st;
}

enum status mailbox_refresh(struct mailbox *box, bool keep, struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    *changes = (struct mailbox_changes){ 0 };
    mailbox_keep_learned(box);
    mailbox_forget_summaries(box);
    mailbox_drain(box);
    if (is_removed(p->cur_dir) || p->lost)
        return ST_NONE;
    enum status synced = ST_OK;
    if (mailbox_in_step(box))
        mailbox_settle(box);
    else if ((synced = mailbox_sync(box)) != ST_OK && errno == ESTALE)
        return ST_NONE;
    if (synced != ST_OK)
        log_event(LOG_WARNING, "mailbox-behind", "folder", box->folder, "reason", strerror(errno), NULL);
    if (!p->index.open || p->index.header.dirty) /* who writes it has had the lock all the while */
        return ST_TEMP;
    enum status st = pick_up(box, keep, changes);
    if (st == ST_NONE)
        st = repair(box, keep, changes);
    return p->lost ? ST_NONE : st;
}
