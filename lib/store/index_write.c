/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writing the index; see index.h. The folder's lock is held from the first change to index_commit().
 *
 * Records that lie side by side are written together, names and bits at the commit, the header last: whoever
 * reads meanwhile sees old records or new, and old counts until all is there. Where records change that are
 * there already, a process that ends in between leaves the header marked as dirty: then the next one makes
 * everything anew. Of new ones nobody knows before the header counts them.
 *
 * Where a write fails, everything goes on in memory: a full disk must not keep anybody from reading mail.
 */
#include "base/checksum.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/index_private.h"
#include "store/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGUN_FILE "postern-index.new"
#define RUN 256                           /* records written together */
#define NAMES_WAITING ((size_t)256 * 1024) /* bytes of names written together */
#define NAMES_A_RECORD 96                 /* bytes expected */

struct index_writing {
    bool begun; /* the file hasn't its final name yet */
    bool failed;
    uint32_t known; /* records that the file's header counts */
    uint32_t first, count;
    struct index_record run[RUN];
    uint64_t names_from;
    struct bytes names;
    unsigned char *bits; /* NULL: as they are in the file */
};

/* --- what waits */

bool index_waiting_record(const struct index *ix, uint32_t n, struct index_record *r)
{
    const struct index_writing *w = ix->writing;
    if (!w || n < w->first || n - w->first >= w->count)
        return false;
    *r = w->run[n - w->first];
    return true;
}

const char *index_waiting_name(const struct index *ix, const struct index_record *r)
{
    const struct index_writing *w = ix->writing;
    if (!w || r->name_at < w->names_from || r->name_at + r->name_length > w->names_from + w->names.len)
        return NULL;
    return w->names.data + (r->name_at - w->names_from);
}

const unsigned char *index_waiting_bits(const struct index *ix)
{
    return ix->writing ? ix->writing->bits : NULL;
}

void index_forget_writing(struct index *ix)
{
    struct index_writing *w = ix->writing;
    if (!w)
        return;
    if (w->begun && ix->fd >= 0)
        unlinkat(ix->dir, BEGUN_FILE, 0);
    bytes_free(&w->names);
    free(w->bits);
    free(w);
    ix->writing = NULL;
}

static struct index_writing *writing(struct index *ix)
{
    if (ix->writing)
        return ix->writing;
    struct index_writing *w = malloc(sizeof *w);
    if (!w)
        return NULL;
    w->begun = w->failed = false;
    w->known = ix->header.count;
    w->first = w->count = 0;
    w->names_from = ix->header.names_used;
    w->bits = NULL;
    bytes_init(&w->names, UINT32_MAX);
    return ix->writing = w;
}

/* --- bytes to their place */

/* From now on it is this process's alone, as it stands. */
static bool to_memory(struct index *ix)
{
    char *copy = malloc(ix->map_size);
    if (!copy)
        return false;
    memcpy(copy, ix->map, ix->map_size);
    munmap(ix->map, ix->map_size);
    file_close(ix->fd);
    unlinkat(ix->dir, BEGUN_FILE, 0);
    index_remove(ix->dir);
    ix->fd = -1;
    ix->map = copy;
    return true;
}

static void store(struct index *ix, size_t at, const void *data, size_t n)
{
    if (ix->fd >= 0 && pwrite(ix->fd, data, n, (off_t)at) == (ssize_t)n)
        return;
    if (ix->fd >= 0 && !to_memory(ix)) {
        ix->writing->failed = true;
        return;
    }
    if (at <= ix->map_size && n <= ix->map_size - at)
        memcpy(ix->map + at, data, n);
}

static void flush_names(struct index *ix)
{
    struct index_writing *w = ix->writing;
    if (w->names.len)
        store(ix, index_names_at(&ix->header) + w->names_from, w->names.data, w->names.len);
    bytes_clear(&w->names);
    w->names_from = ix->header.names_used;
}

static void write_header(struct index *ix)
{
    ix->header.changes++;
    ix->header.sum = index_header_sum(&ix->header);
    store(ix, 0, &ix->header, sizeof ix->header);
}

void index_mark_dirty(struct index *ix)
{
    if (!writing(ix) || ix->writing->begun)
        return;
    ix->header.dirty = 1;
    write_header(ix);
}

/* Names first: no record must say more than is there, should this process end now; and the header says that
 * its sums aren't those of its records any more. */
static void flush_records(struct index *ix)
{
    struct index_writing *w = ix->writing;
    flush_names(ix);
    if (w->count && w->first < w->known && !ix->header.dirty)
        index_mark_dirty(ix);
    if (w->count)
        store(ix, INDEX_RECORDS_AT + (size_t)w->first * sizeof w->run[0], w->run,
              w->count * sizeof w->run[0]);
    w->count = 0;
}

/* --- beginning, growing, compacting */

static size_t file_size(const struct index_header *h)
{
    return index_names_at(h) + h->names_room;
}

static void open_begun(struct index *ix, size_t size)
{
    unlinkat(ix->dir, BEGUN_FILE, 0);
    ix->fd = file_open_beneath(ix->dir, BEGUN_FILE, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (ix->fd >= 0 && ftruncate(ix->fd, (off_t)size) == 0) {
        void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, ix->fd, 0);
        ix->map = map == MAP_FAILED ? NULL : map;
    }
    if (ix->map)
        return;
    file_close(ix->fd);
    ix->fd = -1;
    ix->map = calloc(1, size);
}

enum status index_begin(int dir, const struct index_header *header, size_t records, size_t names,
                        struct index *ix)
{
    *ix = (struct index){ .dir = dir, .fd = -1, .header = *header };
    struct index_header *h = &ix->header;
    memcpy(h->magic, INDEX_MAGIC, sizeof h->magic);
    h->id = random_u64();
    h->room = (uint32_t)(records + records / 8 + 256);
    h->names_room = names + names / 8 + (size_t)256 * NAMES_A_RECORD;
    h->count = h->gone = h->unseen = h->deleted = h->recent = h->pending = h->unnamed = h->unsized = 0;
    h->first_unseen = h->room;
    h->wire_total = h->names_used = 0;
    if (h->room > 2 * INDEX_RECORDS || h->names_room > UINT32_MAX) {
        errno = EOVERFLOW;
        return ST_TEMP;
    }
    ix->map_size = file_size(h);
    open_begun(ix, ix->map_size);
    struct index_writing *w = ix->map ? writing(ix) : NULL;
    ix->open = w != NULL;
    if (!w) {
        index_close(ix);
        return ST_TEMP;
    }
    w->begun = ix->fd >= 0;
    return ST_OK;
}

/* Everything as it is, in a file with more room. */
static bool grow(struct index *ix, size_t records, size_t names)
{
    struct index bigger;
    flush_records(ix);
    if (index_begin(ix->dir, &ix->header, records, names, &bigger) != ST_OK)
        return false;
    struct index_header h = ix->header;
    h.id = bigger.header.id;
    h.room = bigger.header.room;
    h.names_room = bigger.header.names_room;
    store(&bigger, INDEX_RECORDS_AT, ix->map + INDEX_RECORDS_AT,
          (size_t)h.count * sizeof(struct index_record));
    store(&bigger, index_bits_at(&h), ix->map + index_bits_at(&ix->header), (h.count + 7) / 8);
    store(&bigger, index_names_at(&h), ix->map + index_names_at(&ix->header), h.names_used);
    bigger.header = h;
    bigger.writing->names_from = h.names_used;
    bigger.writing->bits = ix->writing->bits;
    bigger.writing->failed |= ix->writing->failed;
    ix->writing->bits = NULL;
    ix->writing->begun = false; /* a begun one that grows: its name has been taken over */
    index_close(ix);
    *ix = bigger;
    if (!ix->writing->bits)
        return true;
    unsigned char *bits = realloc(ix->writing->bits, h.room / 8 + 1);
    if (bits)
        memset(bits + (h.count + 7) / 8, 0, h.room / 8 + 1 - (h.count + 7) / 8);
    ix->writing->failed |= !bits;
    ix->writing->bits = bits ? bits : ix->writing->bits;
    return bits != NULL;
}

/* --- records */

/* The bits of records that are gone, to be changed; they cover the room. */
static unsigned char *bits_to_change(struct index *ix)
{
    struct index_writing *w = writing(ix);
    if (!w || w->bits)
        return w ? w->bits : NULL;
    size_t n = (ix->header.count + 7) / 8;
    w->bits = calloc(1, ix->header.room / 8 + 1);
    if (w->bits && ix->header.gone)
        memcpy(w->bits, ix->map + index_bits_at(&ix->header), n);
    w->failed |= !w->bits;
    return w->bits;
}

static void account(struct index_header *h, const struct index_record *r, uint32_t by)
{
    if (r->bits & INDEX_GONE) {
        h->gone += by;
        return;
    }
    h->unseen += r->flags & FLAG_SEEN ? 0 : by;
    h->deleted += r->flags & FLAG_DELETED ? by : 0;
    h->recent += r->bits & INDEX_RECENT ? by : 0;
    h->pending += r->flags != r->disk_flags ? by : 0;
    h->unnamed += r->bits & INDEX_NAMED ? 0 : by;
    h->unsized += r->wire == INDEX_UNSIZED ? by : 0;
    if (r->wire != INDEX_UNSIZED)
        h->wire_total += (uint64_t)(int64_t)(int32_t)by * r->wire;
}

static void put_record(struct index *ix, uint32_t n, const struct index_record *r)
{
    struct index_writing *w = writing(ix);
    if (!w)
        return;
    if (!(r->bits & INDEX_GONE) && !(r->flags & FLAG_SEEN) && n < ix->header.first_unseen)
        ix->header.first_unseen = n;
    ix->header.letters |= r->flags & ~FLAG_SYSTEM;
    if (n >= w->first && n - w->first < w->count) {
        w->run[n - w->first] = *r;
        w->run[n - w->first].sum = index_record_sum(r);
        return;
    }
    if (w->count == RUN || n != w->first + w->count)
        flush_records(ix);
    if (w->count == 0)
        w->first = n;
    w->run[w->count] = *r;
    w->run[w->count++].sum = index_record_sum(r);
}

void index_put(struct index *ix, uint32_t n, const struct index_record *old, const struct index_record *r)
{
    account(&ix->header, old, UINT32_MAX); /* once less */
    if ((old->bits ^ r->bits) & INDEX_GONE) {
        unsigned char *bits = bits_to_change(ix);
        if (bits)
            bits[n / 8] = (unsigned char)(bits[n / 8] | 1u << n % 8);
    }
    account(&ix->header, r, 1);
    put_record(ix, n, r);
}

/* Is the name's last part what filename_letters() makes of its flags? */
static bool is_plain(struct span name, const struct filename *f, size_t left)
{
    char letters[FILENAME_LETTERS + 1];
    filename_letters(f->flags, letters);
    return f->info && span_eq_str(span_from(name, left + 3), letters) &&
           left + 4 + FILENAME_LETTERS <= FILENAME_LIMIT + 1;
}

void index_set_name(struct index *ix, struct index_record *r, const char *name)
{
    struct filename f;
    struct span text = span_of(name);
    filename_parse(text, &f);
    size_t left = f.base.n + f.fields.n;
    r->disk_flags = f.flags;
    r->bits &= (uint16_t) ~(INDEX_VERBATIM | INDEX_INFO | INDEX_NAMED);
    if (f.validity == ix->header.uid_validity && f.uid == r->uid)
        r->bits |= INDEX_NAMED;
    if (is_plain(text, &f, left)) {
        r->bits |= INDEX_INFO;
        text = span_head(text, left);
    } else {
        r->bits |= INDEX_VERBATIM | (f.info ? INDEX_INFO : 0);
    }
    ix->header.letters |= f.flags & ~FLAG_SYSTEM;
    struct index_writing *w = writing(ix);
    if (w && ix->header.names_used + text.n > ix->header.names_room)
        grow(ix, ix->header.count, (size_t)ix->header.names_used * 2);
    w = writing(ix);
    if (!w || ix->header.names_used + text.n > ix->header.names_room)
        return;
    r->name_at = (uint32_t)ix->header.names_used;
    r->name_length = (uint16_t)text.n;
    r->name_sum = checksum(0, text.p, text.n);
    if (w->names.len >= NAMES_WAITING)
        flush_names(ix);
    if (!bytes_add_span(&w->names, text))
        w->failed = true;
    ix->header.names_used += text.n;
}

void index_add(struct index *ix, struct index_record *r, const char *name, bool keep_flags)
{
    struct index_writing *w = writing(ix);
    if (w && ix->header.count == ix->header.room)
        grow(ix, (size_t)ix->header.count * 2, (size_t)ix->header.names_room * 2);
    if (!w || ix->header.count == ix->header.room) {
        if (ix->writing)
            ix->writing->failed = true;
        return;
    }
    index_set_name(ix, r, name);
    if (!keep_flags)
        r->flags = r->disk_flags;
    if (r->uid >= ix->header.floor)
        ix->header.floor = r->uid + 1;
    if (ix->header.floor > ix->header.uid_next)
        ix->header.uid_next = ix->header.floor;
    if (r->bits & INDEX_GONE || ix->header.gone) {
        unsigned char *bits = bits_to_change(ix);
        if (bits && r->bits & INDEX_GONE)
            bits[ix->header.count / 8] =
                (unsigned char)(bits[ix->header.count / 8] | 1u << ix->header.count % 8);
    }
    account(&ix->header, r, 1);
    put_record(ix, ix->header.count, r);
    ix->header.count++;
}

/* --- to the file */

static void flush_bits(struct index *ix)
{
    struct index_writing *w = ix->writing;
    size_t n = (ix->header.count + 7) / 8;
    if (!w->bits)
        return;
    store(ix, index_bits_at(&ix->header), w->bits, n);
    ix->header.bits_sum = checksum(0, w->bits, n);
}

/* Past those that were seen since. */
static void advance_first_unseen(struct index *ix)
{
    struct index_record r;
    struct index_header *h = &ix->header;
    if (h->unseen == 0)
        h->first_unseen = h->count;
    while (h->first_unseen < h->count && index_get(ix, h->first_unseen, &r) &&
           (r.bits & INDEX_GONE || r.flags & FLAG_SEEN))
        h->first_unseen++;
}

enum status index_commit(struct index *ix)
{
    struct index_writing *w = writing(ix);
    if (!w)
        return ST_TEMP;
    flush_records(ix);
    flush_bits(ix);
    advance_first_unseen(ix);
    ix->header.dirty = 0;
    write_header(ix);
    bool ok = !w->failed;
    if (ok && w->begun && ix->fd >= 0 && renameat(ix->dir, BEGUN_FILE, ix->dir, INDEX_FILE) != 0)
        ok = to_memory(ix);
    w->begun = w->begun && !ok;
    if (!ok)
        index_remove(ix->dir);
    index_forget_writing(ix);
    return ok ? ST_OK : ST_TEMP;
}

void index_remove(int dir)
{
    unlinkat(dir, INDEX_FILE, 0);
}
