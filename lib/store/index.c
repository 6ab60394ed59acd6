/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading the index; see index.h. Its file's owner may be hostile: every number that comes from it is checked
 * against the file's size before it leads anywhere, and every piece is copied out of the map before it is
 * looked at.
 */
#include "store/index.h"
#include "base/checksum.h"
#include "base/files.h"
#include "store/index_private.h"
#include "store/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRIES 100 /* of a read that met a write */

_Static_assert(sizeof(struct index_record) == 64, "a record has no gaps");
_Static_assert(sizeof(struct index_header) % 8 == 0, "a header has no gaps");

uint32_t index_record_sum(const struct index_record *r)
{
    return checksum(0, r, offsetof(struct index_record, sum));
}

uint32_t index_header_sum(const struct index_header *h)
{
    return checksum(0, h, offsetof(struct index_header, sum));
}

size_t index_bits_at(const struct index_header *h)
{
    return INDEX_RECORDS_AT + (size_t)h->room * sizeof(struct index_record);
}

size_t index_names_at(const struct index_header *h)
{
    return index_bits_at(h) + ((size_t)h->room / 8 + 64) / 64 * 64;
}

static bool counts_fit(const struct index_header *h)
{
    const uint32_t counts[] = { h->gone,    h->unseen,  h->deleted, h->recent, h->pending,
                                h->unnamed, h->unsized };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (counts[i] > h->count)
            return false;
    return h->count <= h->room && h->room <= 2 * INDEX_RECORDS;
}

static bool header_fits(const struct index_header *h, size_t file_size)
{
    return memcmp(h->magic, INDEX_MAGIC, sizeof h->magic) == 0 && h->sum == index_header_sum(h) &&
           counts_fit(h) && h->names_room <= UINT32_MAX && h->names_used <= h->names_room &&
           index_names_at(h) + h->names_room <= file_size && h->boot[INDEX_BOOT - 1] == '\0';
}

bool index_reload(struct index *ix)
{
    if (ix->fd < 0 || ix->writing)
        return true;
    for (int i = 0; i < RETRIES; i++) {
        struct index_header h;
        memcpy(&h, ix->map, sizeof h);
        if (header_fits(&h, ix->map_size)) {
            ix->header = h;
            return true;
        }
        sched_yield();
    }
    return false;
}

enum status index_open(int dir, struct index *ix)
{
    struct stat st;
    *ix = (struct index){ .dir = dir, .fd = file_open_beneath(dir, INDEX_FILE, O_RDWR, 0) };
    if (ix->fd < 0 && (errno == EACCES || errno == EROFS))
        ix->fd = file_open_beneath(dir, INDEX_FILE, O_RDONLY, 0);
    if (ix->fd < 0 || fstat(ix->fd, &st) != 0 || st.st_size < INDEX_RECORDS_AT || !S_ISREG(st.st_mode)) {
        index_close(ix);
        return ST_NONE;
    }
    ix->map_size = (size_t)st.st_size;
    void *map = mmap(NULL, ix->map_size, PROT_READ, MAP_SHARED, ix->fd, 0);
    ix->map = map == MAP_FAILED ? NULL : map;
    ix->open = ix->map && index_reload(ix);
    if (ix->open)
        return ST_OK;
    index_close(ix);
    return ST_NONE;
}

void index_close(struct index *ix)
{
    index_forget_writing(ix);
    if (ix->fd >= 0 && ix->map)
        munmap(ix->map, ix->map_size);
    else
        free(ix->map);
    file_close(ix->fd);
    *ix = (struct index){ .dir = ix->dir, .fd = -1 };
}

bool index_is_current(const struct index *ix)
{
    struct stat st;
    return ix->open && (ix->fd < 0 || (fstat(ix->fd, &st) == 0 && st.st_nlink > 0));
}

bool index_get(const struct index *ix, uint32_t n, struct index_record *r)
{
    if (n >= ix->header.count)
        return false;
    if (index_waiting_record(ix, n, r))
        return true;
    const char *from = ix->map + INDEX_RECORDS_AT + (size_t)n * sizeof *r;
    for (int i = 0; i < RETRIES; i++) {
        memcpy(r, from, sizeof *r);
        if (r->sum == index_record_sum(r))
            return true;
        if (ix->fd < 0)
            return false;
        sched_yield();
    }
    return false;
}

/* The stored text: a pointer into the map, or into what waits. */
static const char *name_text(const struct index *ix, const struct index_record *r)
{
    const char *waiting = index_waiting_name(ix, r);
    if (waiting)
        return waiting;
    bool inside = r->name_length <= FILENAME_LIMIT && r->name_at <= ix->header.names_room &&
                  r->name_length <= ix->header.names_room - r->name_at;
    return inside ? ix->map + index_names_at(&ix->header) + r->name_at : NULL;
}

bool index_name(const struct index *ix, const struct index_record *r, char name[FILENAME_LIMIT + 1])
{
    const char *text = name_text(ix, r);
    size_t n = r->name_length;
    name[0] = '\0';
    if (!text)
        return false;
    memcpy(name, text, n);
    name[n] = '\0';
    if (checksum(0, name, n) != r->name_sum || memchr(name, '/', n) || memchr(name, '\0', n) || n == 0) {
        name[0] = '\0';
        return false;
    }
    if (r->bits & INDEX_VERBATIM || !(r->bits & INDEX_INFO))
        return true;
    if (n + 4 + FILENAME_LETTERS > FILENAME_LIMIT + 1)
        return false;
    memcpy(name + n, ":2,", 3);
    filename_letters(r->disk_flags, name + n + 3);
    return true;
}

uint32_t index_find(const struct index *ix, uint32_t uid)
{
    uint32_t low = 0, high = ix->header.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct index_record r;
        if (!index_get(ix, middle, &r))
            return middle; /* damaged: whoever reads it will see */
        if (r.uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool index_gone_bits(const struct index *ix, unsigned char **bits)
{
    size_t n = (ix->header.count + 7) / 8;
    *bits = NULL;
    if (ix->header.gone == 0)
        return true;
    *bits = malloc(n + 1);
    if (!*bits)
        return false;
    const void *waiting = index_waiting_bits(ix);
    memcpy(*bits, waiting ? waiting : ix->map + index_bits_at(&ix->header), n);
    if (waiting || checksum(0, *bits, n) == ix->header.bits_sum)
        return true;
    free(*bits);
    *bits = NULL;
    errno = EBADMSG;
    return false;
}

bool index_next_uid(int dir, const char *boot, uint32_t uid_validity, uint32_t *next, int *fd)
{
    struct index_header h;
    struct stat st;
    *fd = file_open_beneath(dir, INDEX_FILE, O_RDWR, 0);
    if (*fd >= 0 && fstat(*fd, &st) == 0 && pread(*fd, &h, sizeof h, 0) == (ssize_t)sizeof h &&
        header_fits(&h, (size_t)st.st_size) && strcmp(h.boot, boot) == 0 && h.uid_validity == uid_validity) {
        *next = h.uid_next;
        return true;
    }
    file_close(*fd);
    *fd = -1;
    return false;
}

enum status index_set_next_uid(int fd, uint32_t next)
{
    struct index_header h;
    bool ok = pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h;
    h.uid_next = next;
    h.changes++;
    h.sum = index_header_sum(&h);
    ok = ok && pwrite(fd, &h, sizeof h, 0) == (ssize_t)sizeof h;
    file_close(fd);
    return ok ? ST_OK : ST_TEMP;
}
