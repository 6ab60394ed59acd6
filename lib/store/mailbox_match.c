/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which file is which record.
 *
 * Files are recognised by the UID in their name and the unique part of it, or, where the name has no UID of
 * ours, by the unique part alone; flags are read off the rest. A file may have been read twice, under two
 * names, if it was renamed meanwhile: what is still there counts. A claim to a UID below everything that ever
 * had a record is a file that was put back, or a forged name: it counts as a file without a UID.
 */
#include "store/mailbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct base_slot {
    uint32_t hash, record; /* NO_RECORD: empty */
};

#define NO_RECORD UINT32_MAX

bool mailbox_record_base(const struct index *ix, const struct index_record *r, char name[FILENAME_LIMIT + 1],
                         struct span *base)
{
    if (!index_name(ix, r, name))
        return false;
    size_t n = strcspn(name, ",:");
    *base = (struct span){ name, n };
    return true;
}

int mailbox_record_dir(const struct mailbox_private *p, const struct index_record *r)
{
    return r->bits & INDEX_IN_NEW ? p->new_dir : p->cur_dir;
}

static uint32_t hash_of(struct span base)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < base.n; i++)
        h = (h ^ (unsigned char)base.p[i]) * 16777619u;
    return h;
}

/* The slots are a power of two, and at most half of them are in use. */
static size_t slots_of(const struct merging *m)
{
    size_t n = 64;
    while (n < 2 * (size_t)m->index->header.unnamed + 2)
        n *= 2;
    return n;
}

static bool gather_bases(struct merging *m)
{
    size_t slots = slots_of(m), used = 0;
    m->by_base = malloc(slots * sizeof *m->by_base);
    if (!m->by_base)
        return false;
    memset(m->by_base, 0xff, slots * sizeof *m->by_base);
    for (uint32_t n = 0; n < m->base_count && used < m->index->header.unnamed; n++) {
        struct index_record r;
        char name[FILENAME_LIMIT + 1];
        struct span base;
        if (!index_get(m->index, n, &r) || r.bits & (INDEX_GONE | INDEX_NAMED) ||
            !mailbox_record_base(m->index, &r, name, &base))
            continue;
        uint32_t hash = hash_of(base);
        size_t at = hash & (slots - 1);
        while (m->by_base[at].record != NO_RECORD)
            at = (at + 1) & (slots - 1);
        m->by_base[at] = (struct base_slot){ hash, n };
        used++;
    }
    return true;
}

static bool has_base(struct merging *m, uint32_t n, struct span base)
{
    struct index_record r;
    char name[FILENAME_LIMIT + 1];
    struct span there;
    bool whole = index_get(m->index, n, &r);
    if (whole && r.bits & INDEX_GONE)
        return false;
    whole = whole && mailbox_record_base(m->index, &r, name, &there);
    m->damaged |= !whole;
    return whole && span_eq(base, there);
}

static uint32_t record_of_base(struct merging *m, struct span base)
{
    if (m->index->header.unnamed == 0 || (!m->by_base && !gather_bases(m)))
        return NO_RECORD;
    uint32_t hash = hash_of(base);
    size_t mask = slots_of(m) - 1;
    for (size_t at = hash & mask; m->by_base[at].record != NO_RECORD; at = (at + 1) & mask)
        if (m->by_base[at].hash == hash && has_base(m, m->by_base[at].record, base))
            return m->by_base[at].record;
    return NO_RECORD;
}

static uint32_t record_of_uid(struct merging *m, uint32_t uid)
{
    uint32_t low = 0, high = m->base_count;
    if (!m->uids) {
        struct index_record r;
        low = index_find(m->index, uid);
        bool whole = low < m->base_count && index_get(m->index, low, &r);
        m->damaged |= low < m->base_count && !whole;
        return whole && r.uid == uid ? low : NO_RECORD;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->uids[middle] < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->base_count && m->uids[low] == uid ? low : NO_RECORD;
}

static uint32_t claim_of(const struct merging *m, const struct found *item)
{
    return item->f.validity == m->index->header.uid_validity ? item->f.uid : 0;
}

/* The record that is this file's, or NO_RECORD. */
static uint32_t record_of(struct merging *m, const struct found *item)
{
    uint32_t claim = claim_of(m, item);
    if (!claim)
        return record_of_base(m, item->f.base);
    uint32_t n = record_of_uid(m, claim);
    if (n != NO_RECORD && has_base(m, n, item->f.base))
        return n;
    return record_of_base(m, item->f.base); /* another program took the name of another message over */
}

/* What of two names of one message is to be believed. */
enum which { THE_OLDER, THE_NEWER, TWO_FILES };

/* A file that goes to and fro between two names may be found under both; two files are two inodes. */
static enum which believe(const struct mailbox_private *p, const struct found *older,
                          const struct found *newer)
{
    struct stat a, b;
    bool is_older =
        fstatat(older->in_new ? p->new_dir : p->cur_dir, older->name, &a, AT_SYMLINK_NOFOLLOW) == 0;
    bool is_newer =
        fstatat(newer->in_new ? p->new_dir : p->cur_dir, newer->name, &b, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_older && is_newer && a.st_ino != b.st_ino)
        return TWO_FILES;
    return is_newer && !is_older ? THE_NEWER : THE_OLDER;
}

/* The same file, found by two readings of the directory. */
static bool same_file(const struct found *a, const struct found *b)
{
    return a->in_new == b->in_new && strcmp(a->name, b->name) == 0;
}

static void match_item(struct merging *m, size_t i)
{
    struct found *item = &m->scan.items[i];
    uint32_t n = record_of(m, item);
    item->record = n;
    if (n != NO_RECORD) {
        size_t *of = &m->item_of[n];
        if (*of != NO_ITEM && same_file(&m->scan.items[*of], item))
            return;
        enum which which =
            *of == NO_ITEM ? THE_NEWER : believe(mailbox_private(m->box), &m->scan.items[*of], item);
        if (which == THE_NEWER)
            *of = i;
        if (which != TWO_FILES)
            return;
    }
    uint32_t claim = n == NO_RECORD ? claim_of(m, item) : 0;
    item->uid = claim < m->index->header.floor ? 0 : claim;
    m->unknown[m->unknown_count++] = i;
}

/* UIDs side by side, where so many are looked up that it pays. */
static void gather_uids(struct merging *m)
{
    if (m->scan.count < m->base_count / 16 || m->base_count == 0)
        return;
    m->uids = malloc(m->base_count * sizeof *m->uids);
    for (uint32_t n = 0; m->uids && n < m->base_count; n++) {
        struct index_record r;
        bool whole = index_get(m->index, n, &r);
        m->damaged |= !whole;
        m->uids[n] = whole ? r.uid : 0;
    }
}

static size_t count_missing(struct merging *m)
{
    size_t missing = 0;
    for (uint32_t n = 0; n < m->base_count; n++) {
        struct index_record r;
        if (m->item_of[n] != NO_ITEM)
            continue;
        bool whole = index_get(m->index, n, &r);
        m->damaged |= !whole;
        if (whole && !(r.bits & INDEX_GONE))
            missing += r.bits & INDEX_IN_NEW ? m->whole_new : m->whole_cur;
    }
    return missing;
}

enum status merging_match(struct merging *m)
{
    m->base_count = m->index->header.count;
    m->item_of = malloc((m->base_count + (size_t)1) * sizeof *m->item_of);
    m->unknown = malloc((m->scan.count + 1) * sizeof *m->unknown);
    if (!m->item_of || !m->unknown)
        return ST_TEMP;
    memset(m->item_of, 0xff, (m->base_count + (size_t)1) * sizeof *m->item_of);
    gather_uids(m);
    m->unknown_count = 0;
    for (size_t i = 0; i < m->scan.count; i++)
        match_item(m, i);
    m->missing = m->whole_new || m->whole_cur ? count_missing(m) : 0;
    if (!m->damaged)
        return ST_OK;
    errno = EBADMSG;
    return ST_TEMP;
}

bool merging_misses(struct merging *m, const struct found *item)
{
    uint32_t n = record_of(m, item);
    return n != NO_RECORD && m->item_of[n] == NO_ITEM;
}

void merging_free_match(struct merging *m)
{
    free(m->item_of);
    free(m->unknown);
    free(m->uids);
    free(m->by_base);
    m->item_of = m->unknown = NULL;
    m->uids = NULL;
    m->by_base = NULL;
}
