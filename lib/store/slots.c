/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file of slots; see slots.h.
 *
 *     512 bytes   magic, number of slots, the hash's key, a checksum
 *     512 bytes   a bucket: eight slots of 64 bytes (struct record); and so on
 *
 * A name's hash picks its bucket, and may stand in any slot of it. A bucket is read, changed and written
 * under a lock of its bytes (OFD locks: they belong to one open of the file, and end with it), so connections
 * meet only where their names do. A slot is written in one call within a page; should it be torn all the
 * same, its checksum makes it free. Nothing is synced: after a power cut some counts are old or gone. A slot
 * from the future, or one that would last longer than any does, is free too: a clock that jumped back
 * forgets.
 *
 * Read and written, not mapped: a file that somebody cuts short gives no signal. A holder that stops for good
 * is waited for LOCK_MS.
 */
#include "store/slots.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUCKET_SLOTS 8
#define BUCKET_BYTES 512
#define LOCK_MS 500
#define LOCK_POLL_NS 500000
#define FUTURE_SLACK 60 /* seconds that machines' ideas of now, or a stepped clock, may differ */
#define SUM_SEED 0x736c6f74
#define PLACES_LIMIT 4096
static const char magic[8] = "PSLOTS1\n";

struct header {
    char magic[8];
    uint64_t count, key[2];
    uint32_t zero, sum;
};

struct record {
    struct siphash hash;
    int64_t written, expires;
    uint64_t value[SLOT_VALUES];
    uint32_t zero, sum;
};

struct slots {
    int fd;
    off_t locked; /* the bucket's offset, or -1 */
    struct header header;
};

_Static_assert(sizeof(struct record) * BUCKET_SLOTS == BUCKET_BYTES, "eight records a bucket");
_Static_assert(sizeof(struct header) <= BUCKET_BYTES, "the header has a bucket's room");

/* --- locks */

static bool try_lock(int fd, short type, off_t at, off_t length)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = length };
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool lock(int fd, off_t at)
{
    const struct timespec pause = { 0, LOCK_POLL_NS };
    int64_t until = 0;
    while (!try_lock(fd, F_WRLCK, at, BUCKET_BYTES)) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return false;
        if (!until)
            until = clock_ms() + LOCK_MS;
        if (clock_ms() >= until) {
            errno = EWOULDBLOCK;
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

static void unlock(int fd, off_t at)
{
    int saved = errno;
    try_lock(fd, F_UNLCK, at, BUCKET_BYTES);
    errno = saved;
}

/* --- the file */

static uint32_t sum_header(const struct header *h)
{
    return checksum(SUM_SEED, h, offsetof(struct header, sum));
}

static uint32_t sum_record(const struct record *r)
{
    return checksum(SUM_SEED, r, offsetof(struct record, sum));
}

static off_t size_of(uint64_t count)
{
    return (off_t)(BUCKET_BYTES + count * sizeof(struct record));
}

/* Is it a file of so many slots? */
static bool read_header(int fd, uint64_t count, struct header *h)
{
    struct stat st;
    return pread(fd, h, sizeof *h, 0) == (ssize_t)sizeof *h && memcmp(h->magic, magic, sizeof magic) == 0 &&
           h->sum == sum_header(h) && h->count == count && fstat(fd, &st) == 0 &&
           st.st_size == size_of(count);
}

static bool allocate(int fd, off_t size)
{
    if (ftruncate(fd, 0) != 0)
        return false;
    if (fallocate(fd, 0, 0, size) == 0)
        return true;
    return (errno == EOPNOTSUPP || errno == ENOSYS) && ftruncate(fd, size) == 0;
}

/* The header last: who reads it finds everything behind it. */
static bool make(int fd, uint64_t count, struct header *h)
{
    *h = (struct header){ .count = count };
    memcpy(h->magic, magic, sizeof magic);
    random_bytes(h->key, sizeof h->key);
    h->sum = sum_header(h);
    return allocate(fd, size_of(count)) && pwrite(fd, h, sizeof *h, 0) == (ssize_t)sizeof *h;
}

static bool prepare(int fd, uint64_t count, struct header *h)
{
    struct stat st;
    if (read_header(fd, count, h))
        return true;
    if (fstat(fd, &st) != 0)
        return false;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return false;
    }
    if (!lock(fd, 0))
        return false;
    bool good = read_header(fd, count, h) || make(fd, count, h);
    unlock(fd, 0);
    return good;
}

enum status slots_open(const char *path, size_t count, struct slots **out)
{
    struct slots *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return ST_TEMP;
    count = (count + BUCKET_SLOTS - 1) / BUCKET_SLOTS * BUCKET_SLOTS;
    s->locked = -1;
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (s->fd < 0 || !prepare(s->fd, count ? count : BUCKET_SLOTS, &s->header)) {
        int saved = errno;
        slots_close(s);
        errno = saved;
        return ST_TEMP;
    }
    *out = s;
    return ST_OK;
}

void slots_close(struct slots *s)
{
    if (s)
        file_close(s->fd);
    free(s);
}

/* --- slots */

static bool is_live(const struct record *r, int64_t now)
{
    return r->expires > now && r->written <= now + FUTURE_SLACK &&
           r->expires - now <= SLOTS_LIFETIME + FUTURE_SLACK && r->sum == sum_record(r);
}

/* Where the name stands, or else the slot that it takes: a free one, or the first to expire. */
static size_t choose(const struct record *bucket, struct siphash hash, int64_t now, bool *found)
{
    size_t best = 0;
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < BUCKET_SLOTS; i++) {
        const struct record *r = &bucket[i];
        bool live = is_live(r, now);
        *found = live && r->hash.low == hash.low && r->hash.high == hash.high;
        if (*found)
            return i;
        int64_t expires = live ? r->expires : INT64_MIN;
        if (expires < first || i == 0) {
            first = expires;
            best = i;
        }
    }
    return best;
}

enum status slots_get(struct slots *s, struct span name, int64_t now, struct slot *slot)
{
    struct record bucket[BUCKET_SLOTS] = { 0 };
    struct siphash hash = siphash(s->header.key, name);
    off_t at = size_of(hash.low % (s->header.count / BUCKET_SLOTS) * BUCKET_SLOTS);
    bool found;
    if (s->locked >= 0) {
        errno = EDEADLK;
        return ST_TEMP;
    }
    if (!lock(s->fd, at))
        return ST_TEMP;
    ssize_t n = pread(s->fd, bucket, sizeof bucket, at); /* what a shortened file hasn't is zero */
    if (n < 0) {
        unlock(s->fd, at);
        return ST_TEMP;
    }
    s->locked = at;
    size_t i = choose(bucket, hash, now, &found);
    *slot = (struct slot){ .hash = hash, .at = at + (off_t)(i * sizeof bucket[0]) };
    slot->crowded = !found && is_live(&bucket[i], now);
    if (found) {
        slot->expires = bucket[i].expires;
        slot->written = bucket[i].written;
        memcpy(slot->value, bucket[i].value, sizeof slot->value);
    }
    return ST_OK;
}

enum status slots_set(struct slots *s, struct slot *slot, int64_t now)
{
    struct record r = { .hash = slot->hash, .written = now, .expires = slot->expires };
    if (r.expires > now + SLOTS_LIFETIME)
        r.expires = now + SLOTS_LIFETIME;
    memcpy(r.value, slot->value, sizeof r.value);
    r.sum = sum_record(&r);
    bool written = s->locked >= 0 && pwrite(s->fd, &r, sizeof r, slot->at) == (ssize_t)sizeof r;
    slots_release(s);
    return written ? ST_OK : ST_TEMP;
}

void slots_release(struct slots *s)
{
    if (s->locked >= 0)
        unlock(s->fd, s->locked);
    s->locked = -1;
}

/* --- places: locks of single bytes, and nothing is ever written there */

static bool take_place(int fd, off_t at, uint64_t limit)
{
    uint64_t first = limit ? random_u64() % limit : 0;
    for (uint64_t i = 0; i < limit; i++) {
        if (try_lock(fd, F_WRLCK, at + (off_t)((first + i) % limit), 1))
            return true;
        if (errno != EAGAIN && errno != EACCES)
            return false;
    }
    errno = EWOULDBLOCK;
    return false;
}

int slots_hold(const struct slots *s, const char *path, struct span name, uint64_t limit)
{
    struct siphash hash = siphash(s->header.key, name);
    off_t at = (off_t)(hash.high & 0xffffffffff) << 20;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0 || take_place(fd, at, limit < PLACES_LIMIT ? limit : PLACES_LIMIT))
        return fd;
    file_close(fd);
    return -1;
}
