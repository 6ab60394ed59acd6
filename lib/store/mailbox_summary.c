/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Summaries of messages: from the cache, or from the messages themselves and then into it.
 *
 * Who says what he will ask for gets it read ahead, some hundred messages at a time, on all processors:
 * opening and parsing files is what a first look at a large folder costs. What reading a message teaches (its
 * size, its date, its summary) is gathered and written to cache and index together; if the folder's lock
 * isn't free then, it is learned again another time.
 */
#include "base/files.h"
#include "base/parallel.h"
#include "store/mailbox_private.h"
#include "text/header.h"
#include "text/imap_body.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define AHEAD 256
#define SUMMARY_LIMIT ((size_t)64 << 20)
#define LEARNED_LIMIT 8192              /* messages that are written together */
#define WASTE_FROM ((uint64_t)4 << 20)  /* a cache of this size with less than half in use begins anew */

/* The fields that mail clients list messages by, sort, thread and search them by. */
static const char *const usual[] = {
    "Date",       "Subject",      "From",     "Sender",     "Reply-To",
    "To",         "Cc",           "Bcc",      "Message-ID", "In-Reply-To",
    "References", "Content-Type", "Priority", "X-Priority", "Importance",
    "Newsgroups", "List-Id",      "List-Post", "Content-Transfer-Encoding",
};

bool summary_has_field(struct span name)
{
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (span_ieq_str(name, usual[i]))
            return true;
    return false;
}

/* A message being read, by any thread. */
struct reading {
    size_t index;
    uint32_t number;
    struct index_record record;
    struct bytes text; /* of the summary */
    struct summary summary;
    struct learned learned;
    bool done;
};

struct ahead {
    struct mailbox *box;
    size_t count, next; /* readings[next] is the first that wasn't asked for yet */
    struct reading readings[AHEAD];
};

/* --- making one */

static void add_usual_fields(struct span header, struct bytes *out)
{
    struct header_field field;
    while (header_next(&header, &field))
        if (summary_has_field(field.name))
            bytes_add_span(out, field.whole);
}

static bool write_summary(struct span message, struct reading *r)
{
    struct bytes *out = &r->text;
    struct span header = span_head(message, header_end(message));
    struct mime_part *root = mime_parse(message);
    size_t at[4];
    if (!root)
        return false;
    bytes_clear(out);
    if (!imap_envelope(header, out)) {
        bytes_clear(out);
        bytes_add_str(out, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    }
    at[0] = out->len;
    imap_body_structure(root, true, out);
    at[1] = out->len;
    imap_body_structure(root, false, out);
    at[2] = out->len;
    add_usual_fields(header, out);
    at[3] = out->len;
    mime_free(root);
    if (out->failed || !out->data)
        return false;
    r->summary = (struct summary){
        .envelope = { out->data, at[0] },
        .body_structure = { out->data + at[0], at[1] - at[0] },
        .body = { out->data + at[1], at[2] - at[1] },
        .header = { out->data + at[2], at[3] - at[2] },
        .header_size = header.n,
    };
    for (size_t i = 0; i < header.n; i++)
        r->summary.header_lines += header.p[i] == '\n';
    return true;
}

static bool read_message(int fd, struct reading *r)
{
    struct mailbox_map map;
    struct stat st;
    if (fstat(fd, &st) != 0 || mailbox_map_fd(fd, &map) != ST_OK)
        return false;
    struct span message = map.bytes.p ? map.bytes : SPAN("");
    uint64_t wire = lf_wire_size(message);
    r->learned = (struct learned){
        .record = r->number,
        .uid = r->record.uid,
        .date = st.st_mtim.tv_sec,
        .size = message.n < INDEX_UNSIZED ? (uint32_t)message.n : INDEX_UNSIZED,
        .wire = wire < INDEX_UNSIZED ? (uint32_t)wire : INDEX_UNSIZED,
    };
    bool ok = write_summary(message, r);
    mailbox_unmap(&map);
    return ok;
}

static void read_one(void *context, size_t n)
{
    struct ahead *a = context;
    struct reading *r = &a->readings[n];
    int fd = mailbox_open_record(a->box, &r->record);
    r->done = fd >= 0 && read_message(fd, r);
    file_close(fd);
}

/* --- what was learned */

void mailbox_learn(struct mailbox *box, const struct learned *l)
{
    struct mailbox_private *p = mailbox_private(box);
    if (p->learned_count >= LEARNED_LIMIT)
        mailbox_keep_learned(box);
    if (p->learned_count >= LEARNED_LIMIT)
        return;
    if (!p->learned)
        p->learned = malloc(LEARNED_LIMIT * sizeof *p->learned);
    if (p->learned)
        p->learned[p->learned_count++] = *l;
}

static void learn_summary(struct mailbox *box, struct reading *r)
{
    struct mailbox_private *p = mailbox_private(box);
    struct learned *l = &r->learned;
    size_t at = p->cached.len;
    if (cache_add(&p->cached, l->uid, &r->summary)) {
        l->cache_at = at;
        l->cache_length = (uint32_t)(p->cached.len - at);
    }
    p->cached.failed = false;
    mailbox_learn(box, l);
    if (p->cached.len >= CACHE_WAITING)
        mailbox_keep_learned(box);
}

static void keep_one(struct index *ix, const struct learned *l, uint64_t cached_at)
{
    struct index_record old, r;
    uint32_t n = l->record;
    if (!index_get(ix, n, &old) || old.uid != l->uid)
        n = index_find(ix, l->uid);
    if (!index_get(ix, n, &old) || old.uid != l->uid || old.bits & INDEX_GONE)
        return;
    r = old;
    r.size = l->size;
    r.wire = l->wire;
    if (l->date != INT64_MIN) {
        r.date = l->date;
        r.bits |= INDEX_DATED;
    }
    if (l->cache_length && cached_at) {
        ix->header.cache_live += l->cache_length;
        ix->header.cache_live -= old.cache_length < ix->header.cache_live ? old.cache_length : 0;
        r.cache_at = cached_at + l->cache_at;
        r.cache_length = l->cache_length;
    }
    if (memcmp(&r, &old, sizeof r) != 0)
        index_put(ix, n, &old, &r);
}

static void keep_locked(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    struct index_header *h = &p->index.header;
    uint64_t at = 0;
    if (!mailbox_index_fits(box) && !mailbox_open_index(box))
        return;
    if (h->cache_used > WASTE_FROM && h->cache_live < h->cache_used / 2)
        h->cache_used = h->cache_live = 0;
    if (p->cached.len &&
        cache_append(p->dir, span_bytes(&p->cached), &h->cache_id, &h->cache_used, &at) != ST_OK)
        at = 0;
    for (size_t i = 0; i < p->learned_count; i++)
        keep_one(&p->index, &p->learned[i], at);
    index_commit(&p->index);
}

void mailbox_keep_learned(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    if (p->learned_count == 0)
        return;
    int lock = folder_try_lock(p->dir);
    if (lock >= 0)
        keep_locked(box);
    file_close(lock);
    p->learned_count = 0;
    bytes_clear(&p->cached);
}

/* --- what is asked for */

void mailbox_expect(struct mailbox *box, const size_t *indexes, size_t count)
{
    struct mailbox_private *p = mailbox_private(box);
    free(p->expected);
    p->expected = count > 1 ? malloc(count * sizeof *p->expected) : NULL;
    p->expected_count = p->expected ? count : 0;
    p->expected_next = 0;
    if (p->expected)
        memcpy(p->expected, indexes, count * sizeof *p->expected);
    if (p->ahead)
        p->ahead->count = p->ahead->next = 0;
}

static bool is_cached(const struct mailbox_private *p, const struct index_record *r)
{
    return r->cache_length > 0 && p->cache.fd >= 0 && p->cache.id == p->index.header.cache_id;
}

static bool add_reading(struct mailbox *box, size_t index)
{
    struct ahead *a = mailbox_private(box)->ahead;
    struct reading *r = &a->readings[a->count];
    r->index = index;
    r->done = false;
    if (!mailbox_record(box, index, &r->record, &r->number) || r->record.bits & INDEX_GONE)
        return false;
    a->count++;
    return true;
}

/* This message and those that are expected behind it. */
static bool read_ahead(struct mailbox *box, size_t index)
{
    struct mailbox_private *p = mailbox_private(box);
    if (!p->ahead) {
        p->ahead = calloc(1, sizeof *p->ahead);
        if (!p->ahead)
            return false;
        for (size_t i = 0; i < AHEAD; i++)
            bytes_init(&p->ahead->readings[i].text, SUMMARY_LIMIT);
        p->ahead->box = box;
    }
    struct ahead *a = p->ahead;
    a->count = a->next = 0;
    if (!add_reading(box, index))
        return false;
    while (p->expected_next < p->expected_count && p->expected[p->expected_next] <= index)
        p->expected_next++;
    for (size_t i = p->expected_next; i < p->expected_count && a->count < AHEAD; i++) {
        struct index_record r;
        uint32_t number;
        if (mailbox_record(box, p->expected[i], &r, &number) && !is_cached(p, &r))
            add_reading(box, p->expected[i]);
    }
    parallel_run(a->count, read_one, a);
    for (size_t i = 0; i < a->count; i++)
        if (a->readings[i].done)
            learn_summary(box, &a->readings[i]);
    return true;
}

/* What was read ahead for it, or NULL. */
static struct reading *reading_of(struct mailbox_private *p, size_t index, uint32_t uid)
{
    struct ahead *a = p->ahead;
    while (a && a->next < a->count && a->readings[a->next].index < index)
        a->next++;
    bool there = a && a->next < a->count && a->readings[a->next].index == index &&
                 a->readings[a->next].record.uid == uid;
    return there ? &a->readings[a->next] : NULL;
}

static void use_cache(struct mailbox_private *p)
{
    if (p->cache.id != p->index.header.cache_id || p->cache.fd < 0)
        cache_open(p->dir, p->index.header.cache_id, &p->cache);
}

/* A file that isn't where the index says, or wasn't read for want of memory. */
static enum status read_alone(struct mailbox *box, struct reading *r)
{
    int fd;
    enum status st = mailbox_file(box, r->index, &fd);
    if (st != ST_OK)
        return st;
    r->done = mailbox_record(box, r->index, &r->record, &r->number) && read_message(fd, r);
    file_close(fd);
    return r->done ? ST_OK : ST_TEMP;
}

enum status mailbox_summary(struct mailbox *box, size_t index, struct summary *summary)
{
    struct mailbox_private *p = mailbox_private(box);
    struct index_record r;
    uint32_t number;
    *summary = (struct summary){ .header_size = 0 };
    if (!mailbox_record(box, index, &r, &number) || r.bits & INDEX_GONE)
        return ST_NONE;
    struct reading *reading = reading_of(p, index, r.uid);
    if (!reading) {
        use_cache(p);
        if (r.cache_length && cache_get(&p->cache, r.cache_at, r.cache_length, r.uid, summary))
            return ST_OK;
        if (!read_ahead(box, index))
            return ST_TEMP;
        reading = &p->ahead->readings[0];
    }
    enum status st = reading->done ? ST_OK : read_alone(box, reading);
    if (st == ST_OK)
        *summary = reading->summary;
    return st;
}

void mailbox_forget_summaries(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    free(p->expected);
    p->expected = NULL;
    p->expected_count = 0;
    for (size_t i = 0; p->ahead && i < AHEAD; i++)
        bytes_free(&p->ahead->readings[i].text);
    free(p->ahead);
    p->ahead = NULL;
    cache_shrink(&p->cache);
}

void mailbox_free_summaries(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    mailbox_forget_summaries(box);
    free(p->learned);
    bytes_free(&p->cached);
    p->learned = NULL;
    p->learned_count = 0;
}
