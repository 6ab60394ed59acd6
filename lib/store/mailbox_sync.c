/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A scan of the directories merged into the entries.
 *
 *   - Files are recognised by their UID and the unique part of their name; flags are read off the
 *     rest. While nothing is unknown, no lock is needed.
 *   - With anything unknown, the folder is locked and scanned again. Under the lock nobody is half way
 *     through giving UIDs and no Postern renames, so the scan sees all there are: a UID that appears later,
 *     below one that was shown, can only be a file that was put back, and gets a new one. Entries therefore
 *     only grow at their end.
 *   - What is missing is looked for twice before it is called gone, and what has a UID and is no longer
 *     where the scan saw it is looked for again: other programs rename without asking anybody.
 */
#include "store/mailbox_private.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NO_ITEM SIZE_MAX
#define ATTEMPTS 10 /* at a scan in which no file changes its name before it is dealt with */

/* How a scan and the entries fit together. */
struct match {
    size_t *item_of; /* by entry: its item, or NO_ITEM */
    size_t *unknown; /* items that are no entry's */
    size_t unknown_count;
    size_t missing; /* entries without an item that weren't gone before */
};

static void match_free(struct match *m)
{
    free(m->item_of);
    free(m->unknown);
    *m = (struct match){ 0 };
}

static bool has_base(const char *name, struct span base)
{
    return strncmp(name, base.p, base.n) == 0 &&
           (name[base.n] == '\0' || name[base.n] == ',' || name[base.n] == ':');
}

static bool item_exists(const struct mailbox_private *p, const struct found *item)
{
    struct stat st;
    return fstatat(item->in_new ? p->new_dir : p->cur_dir, item->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The same file, found by two readings of the directory. */
static bool same_file(const struct found *a, const struct found *b)
{
    return a->in_new == b->in_new && strcmp(a->name, b->name) == 0;
}

static void match_item(struct mailbox *box, struct scan *s, size_t i, struct match *m)
{
    struct mailbox_private *p = mailbox_private(box);
    struct found *item = &s->items[i];
    uint32_t claim = item->f.validity == box->uid_validity ? item->f.uid : 0;
    size_t at = claim ? mailbox_find(box, claim) : box->count;
    p->letters |= item->f.flags & ~FLAG_SYSTEM & ~mailbox_named(box);
    if (at < box->count && mailbox_private(box)->entries[at].uid == claim) {
        size_t *of = &m->item_of[at];
        bool same = has_base(mailbox_private(box)->entries[at].name, item->f.base);
        if (same && *of != NO_ITEM && same_file(&s->items[*of], item))
            return;
        if (same && (*of == NO_ITEM || !item_exists(p, &s->items[*of]))) {
            *of = i;
            return;
        }
        claim = 0;
    }
    item->uid = p->opened && claim < p->floor ? 0 : claim;
    m->unknown[m->unknown_count++] = i;
}

static enum status match_scan(struct mailbox *box, struct scan *s, struct match *m)
{
    *m = (struct match){ .item_of = malloc((box->count + 1) * sizeof(size_t)),
                         .unknown = malloc((s->count + 1) * sizeof(size_t)) };
    if (!m->item_of || !m->unknown)
        return ST_TEMP;
    for (size_t i = 0; i < box->count; i++)
        m->item_of[i] = NO_ITEM;
    for (size_t i = 0; i < s->count; i++)
        match_item(box, s, i, m);
    for (size_t i = 0; i < box->count; i++)
        m->missing += m->item_of[i] == NO_ITEM && !mailbox_private(box)->entries[i].gone;
    return ST_OK;
}

static enum status look_once(struct mailbox *box, struct scan *s, struct match *m)
{
    struct mailbox_private *p = mailbox_private(box);
    scan_free(s);
    match_free(m);
    p->letters = 0;
    enum status st = scan_folder(p->new_dir, p->cur_dir, s);
    return st == ST_OK ? match_scan(box, s, m) : st;
}

static enum status look(struct mailbox *box, struct scan *s, struct match *m)
{
    enum status st = look_once(box, s, m);
    return st == ST_OK && m->missing ? look_once(box, s, m) : st;
}

static enum status note_changed(struct mailbox_changes *changes, uint32_t uid)
{
    if (changes->changed_count % 64 == 0) {
        uint32_t *more = realloc(changes->changed, (changes->changed_count + 64) * sizeof *more);
        if (!more)
            return ST_TEMP;
        changes->changed = more;
    }
    changes->changed[changes->changed_count++] = uid;
    return ST_OK;
}

/* Where the entry's file is now; NULL: nowhere. Takes the item's name. */
static void locate(struct mailbox_private *p, struct entry *e, struct found *item)
{
    p->gone -= e->gone;
    e->gone = !item;
    p->gone += e->gone;
    if (!item)
        return;
    free(e->name);
    e->name = item->name;
    e->in_new = item->in_new;
    item->name = NULL;
}

static void locate_all(struct mailbox *box, struct scan *s, const struct match *m)
{
    for (size_t i = 0; i < box->count; i++)
        locate(mailbox_private(box), &mailbox_private(box)->entries[i],
               m->item_of[i] == NO_ITEM ? NULL : &s->items[m->item_of[i]]);
}

static enum status update_entry(struct mailbox *box, struct entry *e, const struct found *item,
                                struct mailbox_changes *changes)
{
    uint32_t flags = item->f.flags & (FLAG_SYSTEM | mailbox_named(box));
    if (flags == e->flags)
        return ST_OK;
    e->flags = flags;
    e->modseq = ++box->modseq;
    return note_changed(changes, e->uid);
}

/* What is known: flags, and what is gone. An item's parsed name stays readable: its bytes move to the entry.
 */
static enum status update(struct mailbox *box, struct scan *s, const struct match *m,
                          struct mailbox_changes *changes)
{
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < box->count; i++)
        if (m->item_of[i] != NO_ITEM)
            st = update_entry(box, &mailbox_private(box)->entries[i], &s->items[m->item_of[i]], changes);
    locate_all(box, s, m);
    return st;
}

enum status mailbox_relocate(struct mailbox *box)
{
    struct scan s = { 0 };
    struct match m = { 0 };
    enum status st = look(box, &s, &m);
    if (st == ST_OK)
        locate_all(box, &s, &m);
    int saved = errno;
    match_free(&m);
    scan_free(&s);
    errno = saved;
    return st;
}

/* One attempt at everything; ST_NONE: names changed too fast. */
static enum status attempt(struct mailbox *box, struct durable *d, struct scan *s, struct match *m,
                           struct mailbox_changes *changes, bool last)
{
    enum status st = look(box, s, m);
    if (st == ST_OK)
        st = update(box, s, m, changes);
    if (st != ST_OK || m->unknown_count == 0)
        return st;
    return mailbox_assign(box, d, s, m->unknown, m->unknown_count, last);
}

/* With the lock held. */
static enum status take_in(struct mailbox *box, struct durable *d, struct scan *s, struct match *m,
                           struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    size_t before = box->count;
    enum status st = mailbox_adopt(box, d, &changes->keywords);
    if (st != ST_OK)
        return st;
    for (int i = 1; i == 1 || (st == ST_NONE && i <= ATTEMPTS); i++)
        st = attempt(box, d, s, m, changes, i == ATTEMPTS);
    if (st != ST_OK && p->opened) { /* what is known is told all the same */
        s->settled = false;
        return ST_OK;
    }
    if (st != ST_OK)
        return st;
    changes->added += box->count - before;
    box->uid_next = d->uid_next;
    if (box->count && mailbox_private(box)->entries[box->count - 1].uid >= p->floor)
        p->floor = mailbox_private(box)->entries[box->count - 1].uid + 1;
    p->opened = true;
    return ST_OK;
}

/* ST_NONE: somebody has held the lock all the while. */
static enum status sync_locked(struct mailbox *box, struct scan *s, struct match *m,
                               struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    struct durable d;
    int lock = folder_lock(p->dir);
    if (lock < 0)
        return errno == EWOULDBLOCK ? ST_NONE : ST_TEMP;
    enum status st = durable_open(box->mail, p->dir, &d);
    if (st == ST_OK)
        st = take_in(box, &d, s, m, changes);
    int saved = errno;
    durable_free(&d);
    file_close(lock);
    errno = saved;
    return st;
}

/* A letter in a name may be a keyword that another session has just made. */
static void learn_keywords(struct mailbox *box, struct mailbox_changes *changes)
{
    struct durable d;
    if (durable_read(mailbox_private(box)->dir, &d) == ST_OK)
        mailbox_adopt(box, &d, &changes->keywords);
    durable_free(&d);
}

/* New messages can wait for whoever holds the lock; a mailbox that was never read can't. */
static enum status merge(struct mailbox *box, struct scan *s, struct match *m,
                         struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    enum status st = ST_OK;
    if (p->opened) {
        st = look(box, s, m);
        if (st == ST_OK && p->letters)
            learn_keywords(box, changes);
        if (st != ST_OK || m->unknown_count == 0)
            return st == ST_OK ? update(box, s, m, changes) : st;
    }
    st = sync_locked(box, s, m, changes);
    if (st != ST_NONE)
        return st;
    s->settled = false;
    return p->opened ? update(box, s, m, changes) : ST_TEMP;
}

enum status mailbox_sync(struct mailbox *box, bool keep, struct mailbox_changes *changes)
{
    struct mailbox_private *p = mailbox_private(box);
    struct scan s = { 0 };
    struct match m = { 0 };
    enum status st = merge(box, &s, &m, changes);
    p->last =
        (struct scan){ .new_time = s.new_time, .cur_time = s.cur_time, .settled = st == ST_OK && s.settled };
    if (st == ST_OK && !keep)
        st = mailbox_purge(box, changes);
    int saved = errno;
    match_free(&m);
    scan_free(&s);
    errno = saved;
    return st;
}
