/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * UIDs for files that this mailbox doesn't know yet.
 *
 * A name's own UID is kept if it was given for this UIDVALIDITY, is above all that were seen
 * before, and no other file claims it. Everything else, from wherever it came, gets a new one in the order of
 * arrival: the durable file is raised first, then the files are renamed, then the directory is synced. So
 * a crash leaves UIDs that nobody has and no UID that two have, and a client is told
 * only what is on disk.
 */
#include "base/files.h"
#include "base/log.h"
#include "store/mailbox_private.h"
#include "store/maildir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UID_CLAIM_LIMIT 0xfe000000u /* a name that claims more was forged, to use UIDs up */

#define FLAGS_ROOM 34 /* left in a name for ":2," and every flag there is */

static int compare_spans(struct span a, struct span b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Claims by UID, of which the older name comes first; then the others by time of arrival. */
static int compare_found(const void *a, const void *b)
{
    const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;
    if (x->uid != y->uid)
        return x->uid && y->uid ? (x->uid > y->uid) - (x->uid < y->uid) : x->uid ? -1 : 1;
    uint64_t x_time = filename_time(&x->f), y_time = filename_time(&y->f);
    if (x_time != y_time)
        return x_time > y_time ? 1 : -1;
    int order = compare_spans(x->f.base, y->f.base);
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
        items[i]->size = items[i]->f.size;
        if ((p->names_only && items[i]->f.size) || scan_stat(p->new_dir, p->cur_dir, items[i]))
            items[kept++] = items[i];
        else
            *moved |= items[i]->uid != 0;
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

/* The files that are there, each once, in the order in which they get or keep UIDs. */
static size_t settle(const struct mailbox_private *p, struct found **items, size_t count, bool *moved)
{
    count = stat_items(p, items, sort_items(items, count), moved);
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

/* Gives the file its name, in cur/ unless the mailbox is read-only. ST_NONE if it is gone. */
static enum status rename_item(struct mailbox *box, struct found *item, bool *renamed)
{
    struct mailbox_private *p = mailbox_private(box);
    bool has_uid = item->f.uid == item->uid && item->f.validity == box->uid_validity;
    bool to_cur = !item->in_new || !box->read_only;
    if (has_uid && (!item->in_new || box->read_only))
        return ST_OK;
    char name[FILENAME_LIMIT + 1];
    if (!new_name(box, item, to_cur, name))
        return ST_TEMP;
    if (renameat(item->in_new ? p->new_dir : p->cur_dir, item->name, to_cur ? p->cur_dir : p->new_dir,
                 name) != 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    char *copy = strdup(name);
    if (!copy)
        return ST_TEMP;
    free(item->name);
    item->name = copy;
    item->in_new = !to_cur;
    filename_parse(span_of(copy), &item->f);
    *renamed = true;
    return ST_OK;
}

static void fill_entry(struct mailbox *box, struct entry *e, struct found *item, bool recent)
{
    *e = (struct entry){
        .uid = item->uid,
        .modseq = ++box->modseq,
        .flags = item->f.flags & (FLAG_SYSTEM | mailbox_named(box)),
        .recent = recent,
        .size = item->size,
        .date = item->date,
        .name = item->name,
        .in_new = item->in_new,
    };
    e->wire_size = item->f.size == item->size ? item->f.wire : 0;
    item->name = NULL;
}

static enum status sync_names(const struct mailbox *box)
{
    const struct mailbox_private *p = mailbox_private(box);
    if (file_sync_dir(p->cur_dir, NULL) != ST_OK)
        return ST_TEMP;
    return box->read_only && p->new_dir >= 0 ? file_sync_dir(p->new_dir, NULL) : ST_OK;
}

/* A file that can't be renamed (the disk is full) is left out, and tried again by the next refresh. */
static enum status append_entries(struct mailbox *box, struct found **items, size_t count, size_t *failed)
{
    bool renamed = false;
    size_t before = box->count;
    struct entry *entries = realloc(mailbox_private(box)->entries, (box->count + count + 1) * sizeof *entries);
    if (!entries)
        return ST_TEMP;
    mailbox_private(box)->entries = entries;
    for (size_t i = 0; i < count; i++) {
        bool recent = items[i]->in_new;
        enum status st = rename_item(box, items[i], &renamed);
        if (st == ST_OK)
            fill_entry(box, &entries[box->count++], items[i], recent);
        *failed += st == ST_TEMP;
    }
    if (!renamed || sync_names(box) == ST_OK)
        return ST_OK;
    int saved = errno;
    while (box->count > before) /* what isn't surely on disk is shown to nobody */
        free(mailbox_private(box)->entries[--box->count].name);
    errno = saved;
    return ST_TEMP;
}

/* How many of the items have a UID that is safe on disk: all, or only the claims, or none. */
static size_t number(struct mailbox *box, struct durable *d, struct found **items, size_t count)
{
    struct mailbox_private *p = mailbox_private(box);
    size_t claims = 0;
    while (claims < count && items[claims]->uid)
        claims++;
    uint32_t first;
    if (claims && durable_raise(p->dir, d, items[claims - 1]->uid + 1) != ST_OK)
        return 0;
    if (claims < count && durable_reserve(p->dir, d, count - claims, &first) != ST_OK)
        return claims;
    for (size_t i = claims; i < count; i++)
        items[i]->uid = first++;
    return count;
}

enum status mailbox_assign(struct mailbox *box, struct durable *d, struct scan *s, size_t *items,
                           size_t count, bool last)
{
    bool moved = false;
    struct found **list = calloc(count + 1, sizeof *list);
    if (!list)
        return ST_TEMP;
    for (size_t i = 0; i < count; i++)
        list[i] = &s->items[items[i]];
    count = settle(mailbox_private(box), list, count, &moved);
    if (moved && !last) {
        free(list);
        return ST_NONE;
    }
    size_t numbered = number(box, d, list, count), failed = count - numbered;
    enum status st = append_entries(box, list, numbered, &failed);
    int saved = errno;
    if (failed) {
        log_event(LOG_WARNING, "mailbox-incomplete", "folder", box->folder, "reason", strerror(errno), NULL);
        s->settled = false;
    }
    free(list);
    errno = saved;
    return st;
}
