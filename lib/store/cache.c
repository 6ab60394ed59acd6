/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The cache's file; see cache.h. It is read by pread(2), not mapped: forty megabytes of envelopes would stay
 * in this process's memory, and a file that its owner cuts short is then a short read.
 */
#include "store/cache.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "postern-cache 1\n"
#define WINDOW ((size_t)512 * 1024)

struct file_head {
    char magic[16];
    uint64_t id;
};

enum part { ENVELOPE, BODY_STRUCTURE, BODY, HEADER, PARTS };

struct record_head {
    uint32_t sum; /* of what follows it */
    uint32_t uid;
    uint32_t lengths[PARTS];
    uint64_t header_size, header_lines;
};

void cache_open(int dir, uint64_t id, struct cache *c)
{
    struct file_head head;
    cache_close(c);
    if (id == 0)
        return;
    c->fd = file_open_beneath(dir, CACHE_FILE, O_RDONLY, 0);
    if (c->fd >= 0 && pread(c->fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
        memcmp(head.magic, MAGIC, sizeof head.magic) == 0 && head.id == id) {
        c->id = id;
        return;
    }
    cache_close(c);
}

void cache_close(struct cache *c)
{
    file_close(c->fd);
    free(c->window);
    *c = (struct cache){ .fd = -1 };
}

void cache_shrink(struct cache *c)
{
    free(c->window);
    c->window = NULL;
    c->room = c->length = 0;
    c->at = c->next = 0;
}

/* Fills the window from `at` on: with what is asked, and where reading goes on from record to record with
 * more. */
static bool fill(struct cache *c, uint64_t at, size_t length)
{
    size_t want = at == c->next && length < WINDOW ? WINDOW : length;
    if (c->room < want) {
        char *window = realloc(c->window, want);
        if (!window)
            return false;
        c->window = window;
        c->room = want;
    }
    ssize_t n = pread(c->fd, c->window, want, (off_t)at);
    c->at = at;
    c->length = n < 0 ? 0 : (size_t)n;
    return c->length >= length;
}

static struct span take(const char **at, uint32_t length)
{
    struct span s = { *at, length };
    *at += length;
    return s;
}

bool cache_get(struct cache *c, uint64_t at, uint32_t length, uint32_t uid, struct summary *s)
{
    struct record_head head;
    if (c->fd < 0 || length < sizeof head || length > CACHE_RECORD_LIMIT || at > (uint64_t)INT64_MAX - length)
        return false;
    bool inside = at >= c->at && at - c->at <= c->length && length <= c->length - (at - c->at);
    if (!inside && !fill(c, at, length))
        return false;
    const char *record = c->window + (at - c->at);
    uint64_t total = sizeof head;
    memcpy(&head, record, sizeof head);
    for (int i = 0; i < PARTS; i++)
        total += head.lengths[i];
    c->next = at + length;
    if (head.uid != uid || total != length ||
        head.sum != checksum(0, record + sizeof head.sum, length - sizeof head.sum))
        return false;
    record += sizeof head;
    s->envelope = take(&record, head.lengths[ENVELOPE]);
    s->body_structure = take(&record, head.lengths[BODY_STRUCTURE]);
    s->body = take(&record, head.lengths[BODY]);
    s->header = take(&record, head.lengths[HEADER]);
    s->header_size = head.header_size;
    s->header_lines = head.header_lines;
    return true;
}

bool cache_add(struct bytes *out, uint32_t uid, const struct summary *s)
{
    const struct span parts[PARTS] = { s->envelope, s->body_structure, s->body, s->header };
    struct record_head head = { .uid = uid, .header_size = s->header_size, .header_lines = s->header_lines };
    size_t start = out->len, total = sizeof head;
    for (int i = 0; i < PARTS; i++) {
        head.lengths[i] = (uint32_t)parts[i].n;
        total += parts[i].n;
    }
    if (total > CACHE_RECORD_LIMIT || !bytes_reserve(out, total))
        return false;
    bytes_add(out, &head, sizeof head);
    for (int i = 0; i < PARTS; i++)
        bytes_add_span(out, parts[i]);
    uint32_t sum = checksum(0, out->data + start + sizeof sum, total - sizeof sum);
    memcpy(out->data + start, &sum, sizeof sum);
    return true;
}

static int open_to_append(int dir, uint64_t *id, uint64_t *used)
{
    struct file_head head = { .magic = MAGIC };
    int fd = *used ? file_open_beneath(dir, CACHE_FILE, O_RDWR, 0) : -1;
    if (fd >= 0 && pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head && head.id == *id &&
        memcmp(head.magic, MAGIC, sizeof head.magic) == 0)
        return fd;
    file_close(fd);
    unlinkat(dir, CACHE_FILE, 0); /* whoever reads the old one goes on with it */
    memcpy(head.magic, MAGIC, sizeof head.magic);
    *id = head.id = random_u64() | 1;
    *used = sizeof head;
    fd = file_open_beneath(dir, CACHE_FILE, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd >= 0 && pwrite(fd, &head, sizeof head, 0) == (ssize_t)sizeof head)
        return fd;
    file_close(fd);
    *used = 0;
    return -1;
}

enum status cache_append(int dir, struct span records, uint64_t *id, uint64_t *used, uint64_t *at)
{
    int fd = open_to_append(dir, id, used);
    if (fd < 0)
        return ST_TEMP;
    *at = *used;
    size_t done = 0;
    while (done < records.n) {
        ssize_t n = pwrite(fd, records.p + done, records.n - done, (off_t)(*at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    file_close(fd);
    if (done < records.n)
        return ST_TEMP;
    *used += records.n;
    return ST_OK;
}
