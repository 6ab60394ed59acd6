/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tables in GDBM files; see table.h.
 *
 * GDBM alone can't tell "no such key" from "a bit of the bucket flipped". So entries lie in
 * groups: the record "N" holds every entry whose key hashes to group N, the record "table" says
 * how many groups there are. Each record begins with a digest of its name and contents.
 * Every group has its record, even when empty: a look-up always finds one, and "not there" is
 * read from a record whose digest is right. What is missing or wrong is damage: ST_TEMP.
 *
 *     "table"  digest, then in text: version, groups, and the source's mtime, size and digest
 *     "N"      digest, then for each entry: key length, value length (32 bits), key, value
 *
 * Refused: one digest over the whole file (its cost grows with the table, at every connection); mmap (a file
 * that is cut short would be SIGBUS). Files are read where they were written: integers are in the machine's
 * order.
 */
#include "store/table.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 1
#define GROUP_ENTRIES 16                /* on average */
#define BUILD_LIMIT ((size_t)256 << 20) /* bytes of keys and values */
#define ENTRY_HEAD (2 * sizeof(uint32_t))
#define DIGEST_SIZE sizeof(uint64_t)
#define TEMPORARY ".new"

struct table {
    GDBM_FILE db;
    uint64_t groups;
    struct table_source source;
    dev_t device; /* of the open file, which keeps this number to itself as long as it is open */
    ino_t inode;
};

/* FNV-1a, with a last mix so that its low bits can number groups. */
static uint64_t digest_more(uint64_t h, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t digest_end(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    return h ^ h >> 33;
}

#define DIGEST_START UINT64_C(0xcbf29ce484222325)

uint64_t table_digest(struct span contents)
{
    return digest_end(digest_more(DIGEST_START, contents));
}

static uint64_t record_digest(const char *name, struct span contents)
{
    struct span key = { name, strlen(name) + 1 }; /* with its NUL, which parts it from the contents */
    return digest_end(digest_more(digest_more(DIGEST_START, key), contents));
}

/* --- reading --- */

/* The contents of a record, checked, in memory that the caller frees with free(*memory). */
static enum status fetch(GDBM_FILE db, char *name, void **memory, struct span *contents)
{
    datum d = gdbm_fetch(db, (datum){ name, (int)strlen(name) });
    uint64_t digest;
    *memory = d.dptr;
    if (d.dptr && d.dsize >= (int)DIGEST_SIZE) {
        memcpy(&digest, d.dptr, DIGEST_SIZE);
        *contents = (struct span){ d.dptr + DIGEST_SIZE, (size_t)d.dsize - DIGEST_SIZE };
        if (digest == record_digest(name, *contents))
            return ST_OK;
    }
    free(d.dptr);
    *memory = NULL;
    errno = EBADMSG;
    return ST_TEMP;
}

static enum status read_head(struct table *t)
{
    void *memory;
    struct span contents;
    unsigned version = 0;
    char text[128];
    enum status st = fetch(t->db, (char[]){ "table" }, &memory, &contents);
    if (st != ST_OK)
        return st;
    bool ok = span_copy(contents, text, sizeof text) &&
              sscanf(text, "%u %" SCNu64 " %" SCNd64 " %" SCNu64 " %" SCNx64, &version, &t->groups,
                     &t->source.mtime_ns, &t->source.size, &t->source.digest) == 5 &&
              version == VERSION && t->groups > 0;
    free(memory);
    errno = EBADMSG;
    return ok ? ST_OK : ST_TEMP;
}

static bool remember_file(struct table *t)
{
    struct stat opened;
    if (fstat(gdbm_fdesc(t->db), &opened) != 0)
        return false;
    t->device = opened.st_dev;
    t->inode = opened.st_ino;
    return true;
}

enum status table_open(const char *path, struct table **table)
{
    struct table *t = calloc(1, sizeof *t);
    *table = NULL;
    if (!t)
        return ST_TEMP;
    errno = 0;
    t->db = gdbm_open(path, 0, GDBM_READER | GDBM_NOLOCK | GDBM_NOMMAP | GDBM_CLOEXEC, 0, NULL);
    if (!t->db) {
        int saved = gdbm_errno == GDBM_FILE_OPEN_ERROR ? errno : EBADMSG;
        free(t);
        errno = saved;
        return saved == ENOENT ? ST_NONE : ST_TEMP;
    }
    if (!remember_file(t) || read_head(t) != ST_OK) {
        table_close(t);
        errno = EBADMSG;
        return ST_TEMP;
    }
    *table = t;
    return ST_OK;
}

bool table_is_at(const struct table *t, const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && t->inode == there.st_ino && t->device == there.st_dev;
}

void table_close(struct table *t)
{
    if (!t)
        return;
    gdbm_close(t->db);
    free(t);
}

/* The next entry of a group; false at its end, or (with *rest not empty) where it is damaged. */
static bool next_entry(struct span *rest, struct span *key, struct span *value)
{
    uint32_t lengths[2];
    if (rest->n < ENTRY_HEAD)
        return false;
    memcpy(lengths, rest->p, ENTRY_HEAD);
    struct span body = span_from(*rest, ENTRY_HEAD);
    if (lengths[0] > body.n || lengths[1] > body.n - lengths[0])
        return false;
    *key = span_head(body, lengths[0]);
    *value = span_head(span_from(body, lengths[0]), lengths[1]);
    *rest = span_from(body, (size_t)lengths[0] + lengths[1]);
    return true;
}

enum status table_get(struct table *t, struct span key, struct bytes *value)
{
    char name[24];
    void *memory;
    struct span rest, have_key, have_value;
    snprintf(name, sizeof name, "%" PRIu64, table_digest(key) % t->groups);
    enum status st = fetch(t->db, name, &memory, &rest);
    if (st != ST_OK)
        return st;
    st = ST_NONE;
    while (st == ST_NONE && next_entry(&rest, &have_key, &have_value))
        if (span_eq(key, have_key))
            st = bytes_add_span(value, have_value) ? ST_OK : ST_TEMP;
    if (st == ST_NONE && rest.n)
        st = ST_TEMP;
    free(memory);
    return st;
}

const struct table_source *table_source(const struct table *t)
{
    return &t->source;
}

/* --- building --- */

struct entry {
    uint64_t hash;
    size_t at; /* in data: key, then value */
    uint32_t key_length, value_length;
};

struct table_build {
    char path[PATH_MAX], temporary[PATH_MAX];
    struct bytes data;
    struct entry *entries;
    size_t count, room;
    uint64_t groups;
    struct table_source source;
    mode_t mode;
};

static void build_free(struct table_build *b)
{
    int saved = errno;
    bytes_wipe(&b->data);
    free(b->entries);
    free(b);
    errno = saved;
}

enum status table_build_begin(const char *path, struct table_build **build)
{
    struct table_build *b = calloc(1, sizeof *b);
    *build = b;
    if (!b)
        return ST_TEMP;
    bytes_init(&b->data, BUILD_LIMIT);
    if (span_copy(span_of(path), b->path, sizeof b->path) &&
        snprintf(b->temporary, sizeof b->temporary, "%s" TEMPORARY, path) < PATH_MAX)
        return ST_OK;
    build_free(b);
    *build = NULL;
    errno = ENAMETOOLONG;
    return ST_TEMP;
}

enum status table_build_put(struct table_build *b, struct span key, struct span value)
{
    if (key.n > BUILD_LIMIT || value.n > BUILD_LIMIT) {
        errno = EFBIG;
        return ST_TEMP;
    }
    if (b->count == b->room) {
        size_t room = b->room ? 2 * b->room : 64;
        struct entry *more = reallocarray(b->entries, room, sizeof *more);
        if (!more)
            return ST_TEMP;
        b->entries = more;
        b->room = room;
    }
    b->entries[b->count] =
        (struct entry){ table_digest(key), b->data.len, (uint32_t)key.n, (uint32_t)value.n };
    if (!bytes_add_span(&b->data, key) || !bytes_add_span(&b->data, value)) {
        errno = EFBIG;
        return ST_TEMP;
    }
    b->count++;
    return ST_OK;
}

void table_build_source(struct table_build *b, const struct table_source *source)
{
    if (source)
        b->source = *source;
}

void table_build_mode(struct table_build *b, mode_t mode)
{
    b->mode = mode;
}

static int by_group(const void *x, const void *y, void *arg)
{
    const struct entry *a = x, *b = y;
    uint64_t groups = *(const uint64_t *)arg, ga = a->hash % groups, gb = b->hash % groups;
    if (ga != gb)
        return ga < gb ? -1 : 1;
    /* as they were put, so that the first of equal keys is found */
    return a->at < b->at ? -1 : a->at > b->at;
}

static bool store(GDBM_FILE db, char *name, struct span contents)
{
    struct bytes record;
    uint64_t digest = record_digest(name, contents);
    bytes_init(&record, INT_MAX);
    bytes_add(&record, &digest, DIGEST_SIZE);
    bytes_add_span(&record, contents);
    bool ok = !record.failed && gdbm_store(db, (datum){ name, (int)strlen(name) },
                                           (datum){ record.data, (int)record.len }, GDBM_INSERT) == 0;
    bytes_wipe(&record);
    return ok;
}

static bool store_groups(struct table_build *b, GDBM_FILE db)
{
    struct bytes group;
    bytes_init(&group, INT_MAX - DIGEST_SIZE);
    bool ok = true;
    size_t i = 0;
    for (uint64_t g = 0; ok && g < b->groups; g++) {
        char name[24];
        bytes_clear(&group);
        for (; i < b->count && b->entries[i].hash % b->groups == g; i++) {
            const struct entry *e = &b->entries[i];
            uint32_t lengths[2] = { e->key_length, e->value_length };
            bytes_add(&group, lengths, sizeof lengths);
            bytes_add(&group, b->data.data + e->at, (size_t)e->key_length + e->value_length);
        }
        snprintf(name, sizeof name, "%" PRIu64, g);
        ok = !group.failed && store(db, name, span_bytes(&group));
    }
    bytes_wipe(&group);
    return ok;
}

static bool store_all(struct table_build *b, GDBM_FILE db)
{
    char text[128];
    snprintf(text, sizeof text, "%u %" PRIu64 " %" PRId64 " %" PRIu64 " %" PRIx64, VERSION, b->groups,
             b->source.mtime_ns, b->source.size, b->source.digest);
    return store(db, (char[]){ "table" }, span_of(text)) && store_groups(b, db);
}

/* gdbm_sync writes what is left and says whether that worked, which gdbm_close doesn't. That may write too,
 * so our own sync comes after it, on a descriptor that outlives it. */
static bool write_file(struct table_build *b)
{
    GDBM_FILE db =
        gdbm_open(b->temporary, 0, GDBM_NEWDB | GDBM_NOLOCK | GDBM_NOMMAP | GDBM_CLOEXEC, 0600, NULL);
    if (!db)
        return false;
    bool ok = store_all(b, db);
    int fd = fcntl(gdbm_fdesc(db), F_DUPFD_CLOEXEC, 0);
    ok = ok && gdbm_sync(db) == 0;
    int error = ok ? 0 : errno;
    ok = gdbm_close(db) == 0 && ok && fd >= 0 && (!b->mode || fchmod(fd, b->mode) == 0) && fsync(fd) == 0;
    if (error)
        errno = error;
    file_close(fd);
    return ok;
}

enum status table_build_finish(struct table_build *b)
{
    b->groups = b->count / GROUP_ENTRIES + 1;
    if (b->count)
        qsort_r(b->entries, b->count, sizeof *b->entries, by_group, &b->groups);
    bool ok = write_file(b) && rename(b->temporary, b->path) == 0;
    if (!ok) {
        int saved = errno;
        unlink(b->temporary);
        errno = saved ? saved : EIO;
    }
    enum status st = ok ? file_sync_dir(AT_FDCWD, b->path) : ST_TEMP;
    build_free(b);
    return st;
}

void table_build_abort(struct table_build *b)
{
    if (b)
        build_free(b);
}
