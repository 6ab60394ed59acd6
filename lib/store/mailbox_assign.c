/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * UIDs for files that have no record yet.
 *
 * A name's own UID is kept if it was given for this UIDVALIDITY, is above all that ever had a record, and no
 * other file claims it. Everything else, from wherever it came, gets a new one in the order of arrival: the
 * UIDs are reserved on disk first, then the files are renamed, then the directory is synced. So a crash
 * leaves UIDs that nobody has and no UID that two have, and a client is told only what is on disk.
 *
 * Many files at once (somebody else's Maildir) are not renamed: the journal says their UIDs, and is on disk
 * before anybody is told. A name with a line end in it can't stand there and is renamed all the same.
 */
#include "base/files.h"
#include "base/log.h"
#include "store/journal.h"
#include "store/mailbox_private.h"
#include "store/maildir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UID_CLAIM_LIMIT 0xfe000000u /* a name that claims more was forged, to use UIDs up */
#define RENAMED_AT_ONCE 1000        /* with more, the journal */
#define FLAGS_ROOM 34               /* left in a name for ":2," and every flag there is */

/* Claims by UID, of which the older name comes first; then the others by time of arrival. */
static int compare_found(const void *a, const void *b)
{
    const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
    if (x->uid != y->uid)
        return x->uid && y->uid ? (x->uid > y->uid) - (x->uid < y->uid) : x->uid ? -1 : 1;
    if (x->time != y->time)
        return x->time > y->time ? 1 : -1;
    int order = span_compare(x->f.base, y->f.base);
    if (order == 0)
        order = strcmp(x->name, y->name);
    return order ? order : x->in_new - y->in_new;
}

/* In order, each file once. */
static size_t sort_items(struct found **items, size_t count)
{
    size_t kept = 0;
    qsort(items, count, sizeof *items, compare_found);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare_found(&items[kept - 1], &items[i]) != 0)
            items[kept++] = items[i];
    return kept;
}

/* Fills in sizes and dates; without those that are gone or no files. *moved: one with a UID is gone, or has
 * another name. */
static size_t stat_items(const struct mailbox_private *p, struct found **items, size_t count, bool *moved)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (scan_stat(p->new_dir, p->cur_dir, items[i]))
            items[kept++] = items[i];
        else
            *moved |= items[i]->uid != 0;
    }
    return kept;
}

/* A file that goes to and fro between two names may be found under both: it counts once. In order, the two
 * lie side by side. */
static size_t drop_twins(const struct mailbox_private *p, struct found **items, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct found *last = kept ? items[kept - 1] : NULL;
        if (last && span_eq(last->f.base, items[i]->f.base)) {
            bool is_there = scan_stat(p->new_dir, p->cur_dir, items[i]);
            bool was_there = scan_stat(p->new_dir, p->cur_dir, last);
            if (is_there && !was_there)
                kept--;
            else if (!is_there || last->inode == items[i]->inode)
                continue;
        }
        items[kept++] = items[i];
    }
    return kept;
}

/* Leaves a UID to the first of its claimants that is still there: another may be the same file under the name
 * it had before. How many lost theirs. */
static size_t settle_claims(const struct mailbox_private *p, struct found **items, size_t count)
{
    size_t lost = 0, first = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i]->uid >= UID_CLAIM_LIMIT) {
            items[i]->uid = 0; /* its order changes, but not that of the claims before it */
            lost++;
        }
        if (i == 0 || items[i]->uid == 0 || items[i]->uid != items[first]->uid) {
            first = i;
        } else if (scan_stat(p->new_dir, p->cur_dir, items[first])) {
            items[i]->uid = 0;
            lost++;
        } else {
            items[first]->uid = 0; /* gone: renaming it will say so */
            first = i;
            lost++;
        }
    }
    return lost;
}

static bool is_bulk(size_t count)
{
    return count > RENAMED_AT_ONCE;
}

/* The files that are there, each once, in the order in which they get or keep UIDs. Of very many it is taken
 * from the directory's word that they are files. */
static size_t settle(const struct mailbox_private *p, struct found **items, size_t count, bool *moved)
{
    count = sort_items(items, count);
    if (!is_bulk(count))
        count = stat_items(p, items, count, moved);
    count = drop_twins(p, items, count);
    return settle_claims(p, items, count) ? sort_items(items, count) : count;
}

/* The file's name with its UID; a short one of our own where the old one has no room for it. */
static bool new_name(const struct mailbox *box, const struct found *item, bool to_cur, char *name)
{
    struct filename_new n = {
        .size = item->size,
        .validity = box->uid_validity,
        .uid = item->uid,
        .flags = item->f.flags,
        .keywords = mailbox_named(box),
        .info = to_cur,
    };
    n.wire = item->f.size == item->size ? item->f.wire : 0;
    if (filename_write(item->f.base, &item->f, &n, name) && strlen(name) <= FILENAME_LIMIT - FLAGS_ROOM)
        return true;
    char base[160];
    maildir_unique(mail_hostname(box->mail), base, sizeof base);
    n.copy = true;
    return filename_write(span_of(base), &item->f, &n, name);
}

static bool needs_rename(const struct merging *m, const struct found *item)
{
    bool has_uid = item->f.uid == item->uid && item->f.validity == m->box->uid_validity;
    return !has_uid || (item->in_new && !m->box->read_only);
}

/* Gives the file its name, in cur/ unless the mailbox is read-only. ST_NONE if it is gone. */
static enum status rename_item(struct merging *m, struct found *item)
{
    struct mailbox_private *p = mailbox_private(m->box);
    bool to_cur = !item->in_new || !m->box->read_only;
    char name[FILENAME_LIMIT + 1];
    if (!needs_rename(m, item))
        return ST_OK;
    if (!new_name(m->box, item, to_cur, name))
        return ST_TEMP;
    if (renameat(item->in_new ? p->new_dir : p->cur_dir, item->name, to_cur ? p->cur_dir : p->new_dir,
                 name) != 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    item->name = scan_keep(&m->scan, name);
    if (!item->name)
        return ST_TEMP;
    item->in_new = !to_cur;
    filename_parse(span_of(item->name), &item->f);
    m->touched = true;
    return ST_OK;
}

/* --- records */

/* What the index before knew of the same file. */
static void recall(const struct merging *m, const struct found *item, struct index_record *r)
{
    struct index_record old;
    char name[FILENAME_LIMIT + 1];
    struct span base;
    if (!m->before.open || !index_get(&m->before, index_find(&m->before, item->uid), &old) ||
        old.uid != item->uid || !mailbox_record_base(&m->before, &old, name, &base) ||
        !span_eq(base, item->f.base))
        return;
    r->size = old.size;
    r->wire = old.wire;
    r->date = old.date;
    r->bits |= old.bits & INDEX_DATED;
    r->cache_at = old.cache_at;
    r->cache_length = old.cache_length;
}

static uint32_t size_of(uint64_t size)
{
    return size && size < INDEX_UNSIZED ? (uint32_t)size : INDEX_UNSIZED;
}

static void add_record(struct merging *m, const struct found *item)
{
    struct index_record r = { .uid = item->uid, .modseq = merging_modseq(m), .date = item->date };
    r.size = size_of(item->size);
    r.wire = item->f.size == item->size ? size_of(item->f.wire) : INDEX_UNSIZED;
    if (item->in_new)
        r.bits |= INDEX_IN_NEW;
    if (item->recent && m->box->read_only)
        r.bits |= INDEX_RECENT;
    if (item->dated)
        r.bits |= INDEX_DATED;
    recall(m, item, &r);
    const struct journal_flags *waiting = m->journal ? journal_flags(m->journal, r.uid) : NULL;
    if (waiting)
        r.flags = flags_merge(waiting->before, item->f.flags, waiting->after);
    index_add(m->index, &r, item->name, waiting != NULL);
    if (item->recent && !m->box->read_only)
        mailbox_note_recent(m->box, r.uid);
}

static enum status sync_names(const struct merging *m)
{
    const struct mailbox_private *p = mailbox_private(m->box);
    if (!m->touched)
        return ST_OK;
    if (file_sync_dir(p->cur_dir, NULL) != ST_OK)
        return ST_TEMP;
    return m->box->read_only && p->new_dir >= 0 ? file_sync_dir(p->new_dir, NULL) : ST_OK;
}

static bool in_journal(const struct merging *m, const struct found *item)
{
    return m->journal && journal_uid(m->journal, item->f.base) == item->uid;
}

/* UIDs of files that keep their names. Those that must have another one get it; how many. */
static enum status write_journal(struct merging *m, struct found **items, size_t count)
{
    struct bytes lines;
    bytes_init(&lines, JOURNAL_LIMIT);
    bytes_reserve(&lines, count * 48);
    for (size_t i = 0; i < count; i++) {
        bool has_uid = items[i]->f.uid == items[i]->uid && items[i]->f.validity == m->box->uid_validity;
        if (has_uid || in_journal(m, items[i]))
            continue;
        if (memchr(items[i]->f.base.p, '\n', items[i]->f.base.n))
            rename_item(m, items[i]);
        else
            journal_add_uid(&lines, items[i]->uid, items[i]->f.base);
    }
    enum status st = lines.failed ? ST_TEMP : ST_OK;
    if (st == ST_OK && lines.len)
        index_mark_dirty(m->index);
    if (st == ST_OK && lines.len)
        st = journal_append(mailbox_private(m->box)->dir, m->box->uid_validity, span_bytes(&lines), true);
    int saved = errno;
    bytes_free(&lines);
    errno = saved;
    return st;
}

/* A file that can't be renamed (the disk is full) is left out, and tried again by the next refresh. */
static void rename_items(struct merging *m, struct found **items, size_t *count, size_t *failed)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        enum status st = rename_item(m, items[i]);
        if (st == ST_OK)
            items[kept++] = items[i];
        *failed += st == ST_TEMP;
    }
    *count = kept;
}

static enum status add_records(struct merging *m, struct found **items, size_t count, size_t *failed)
{
    bool bulk = is_bulk(count);
    for (size_t i = 0; i < count; i++) /* before it is moved */
        items[i]->recent = items[i]->in_new;
    if (!bulk)
        rename_items(m, items, &count, failed);
    enum status st = bulk ? write_journal(m, items, count) : ST_OK;
    if (st == ST_OK)
        st = sync_names(m);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        add_record(m, items[i]);
    return st;
}

/* The next UID into the index on disk, ahead of the commit: should this process end between a rename and
 * that, whoever appends without a look at the folder would give the UID in the new name once more. Without an
 * index all that is reserved counts as given. */
static void tell_next_uid(struct merging *m)
{
    struct mailbox *box = m->box;
    uint32_t next;
    int fd;
    if (!index_next_uid(mailbox_private(box)->dir, mail_boot(box->mail), box->uid_validity, &next, &fd))
        return;
    m->index->header.changes++;
    if (index_set_next_uid(fd, m->index->header.uid_next) != ST_OK)
        index_remove(mailbox_private(box)->dir);
}

/* How many of the items have a UID that is safe on disk: all, or only the claims, or none. */
static size_t number(struct merging *m, struct found **items, size_t count)
{
    struct mailbox_private *p = mailbox_private(m->box);
    struct index_header *h = &m->index->header;
    size_t claims = 0;
    while (claims < count && items[claims]->uid)
        claims++;
    if (claims && durable_raise(p->dir, m->d, items[claims - 1]->uid + 1) != ST_OK)
        return 0;
    if (claims && h->uid_next <= items[claims - 1]->uid)
        h->uid_next = items[claims - 1]->uid + 1;
    uint32_t first;
    if (claims < count && mailbox_take_uids(m->index, p->dir, m->d, count - claims, &first) != ST_OK)
        return claims;
    if (claims < count)
        tell_next_uid(m);
    for (size_t i = claims; i < count; i++)
        items[i]->uid = first++;
    return count;
}

enum status mailbox_assign(struct merging *m, bool last)
{
    bool moved = false;
    size_t count = m->unknown_count;
    struct found **list = calloc(count + 1, sizeof *list);
    if (!list)
        return ST_TEMP;
    for (size_t i = 0; i < count; i++)
        list[i] = &m->scan.items[m->unknown[i]];
    count = settle(mailbox_private(m->box), list, count, &moved);
    if (moved && !last) {
        free(list);
        return ST_NONE;
    }
    size_t numbered = number(m, list, count), failed = count - numbered;
    enum status st = add_records(m, list, numbered, &failed);
    int saved = errno;
    if (failed) {
        log_event(LOG_WARNING, "mailbox-incomplete", "folder", m->box->folder, "reason", strerror(errno),
                  NULL);
        mailbox_private(m->box)->changed = true;
        m->incomplete = true;
    }
    free(list);
    errno = saved;
    return st;
}
