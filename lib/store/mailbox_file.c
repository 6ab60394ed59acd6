/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One message of an opened mailbox: its bytes and its size.
 *
 * Any other program may rename or remove the file at any moment. A call that misses it brings the index up to
 * date with the directories at once and tries again: after another session flagged ten thousand messages that
 * costs one scan, not ten thousand.
 */
#include "base/files.h"
#include "store/mailbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_FROM ((size_t)64 * 1024)
#define TRIES 10 /* for a file that is renamed again and again */

/* Something else than a file stands where the message was: the message is gone. */
static bool no_file(int err)
{
    return err == EINVAL || err == ELOOP || err == EXDEV || err == ENXIO;
}

/* Where the file of record n is, for other files' eyes too: in parallel, nothing is looked for anew. */
int mailbox_open_record(const struct mailbox *box, const struct index_record *r)
{
    const struct mailbox_private *p = mailbox_private(box);
    char name[FILENAME_LIMIT + 1];
    if (!index_name(&p->index, r, name)) {
        errno = EBADMSG;
        return -1;
    }
    return file_open_beneath(mailbox_record_dir(p, r), name, O_RDONLY, 0);
}

/* The name isn't there, or it is damaged: everything is looked at. */
static enum status look_for_it(struct mailbox *box, bool damaged)
{
    struct mailbox_private *p = mailbox_private(box);
    struct durable d;
    p->changed = true;
    int lock = mailbox_lock(box, &d);
    if (lock < 0)
        return ST_TEMP;
    enum status st = damaged ? mailbox_rebuild(box, &d) : mailbox_sync_locked(box, &d);
    mailbox_unlock(lock, &d);
    return st;
}

enum status mailbox_file(struct mailbox *box, size_t index, int *fd)
{
    enum status st = ST_OK;
    *fd = -1;
    for (int i = 0; st == ST_OK && i < TRIES; i++) {
        struct index_record r;
        uint32_t number;
        if (!mailbox_record(box, index, &r, &number) || r.bits & INDEX_GONE)
            return ST_NONE;
        *fd = mailbox_open_record(box, &r);
        if (*fd >= 0)
            return ST_OK;
        if (errno != ENOENT && errno != EBADMSG)
            return no_file(errno) ? ST_NONE : ST_TEMP;
        st = look_for_it(box, errno == EBADMSG);
    }
    return st == ST_OK ? ST_TEMP : st;
}

static enum status read_whole(int fd, size_t size, struct mailbox_map *map)
{
    char *to = malloc(size + 1);
    size_t n = 0;
    while (to && n < size) {
        ssize_t got = pread(fd, to + n, size - n, (off_t)n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(to);
            return ST_TEMP;
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    if (!to)
        return ST_TEMP;
    *map = (struct mailbox_map){ .bytes = { to, n }, .base = to, .length = n };
    return ST_OK;
}

enum status mailbox_map_fd(int fd, struct mailbox_map *map)
{
    struct stat file;
    enum status st = ST_OK;
    *map = (struct mailbox_map){ .bytes = SPAN("") };
    if (fstat(fd, &file) != 0) {
        st = ST_TEMP;
    } else if (!S_ISREG(file.st_mode)) {
        st = ST_NONE;
    } else if ((size_t)file.st_size < MAP_FROM) {
        st = read_whole(fd, (size_t)file.st_size, map);
    } else {
        size_t size = (size_t)file.st_size;
        void *base = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (base == MAP_FAILED)
            st = ST_TEMP;
        else
            *map =
                (struct mailbox_map){ .bytes = { base, size }, .base = base, .length = size, .mapped = true };
    }
    return st;
}

enum status mailbox_map(struct mailbox *box, size_t index, struct mailbox_map *map)
{
    int fd;
    *map = (struct mailbox_map){ .bytes = SPAN("") };
    enum status st = mailbox_file(box, index, &fd);
    if (st != ST_OK)
        return st;
    st = mailbox_map_fd(fd, map);
    file_close(fd);
    return st;
}

bool mailbox_spot(struct mailbox *box, size_t index, struct mailbox_spot *spot)
{
    struct mailbox_private *p = mailbox_private(box);
    struct index_record r;
    uint32_t number;
    if (!mailbox_record(box, index, &r, &number) || r.bits & INDEX_GONE ||
        !index_name(&p->index, &r, spot->name))
        return false;
    spot->dir = mailbox_record_dir(p, &r);
    return true;
}

bool mailbox_map_spot(const struct mailbox_spot *spot, struct mailbox_map *map)
{
    int fd = file_open_beneath(spot->dir, spot->name, O_RDONLY, 0);
    bool mapped = fd >= 0 && mailbox_map_fd(fd, map) == ST_OK;
    file_close(fd);
    return mapped;
}

void mailbox_unmap(struct mailbox_map *map)
{
    if (map->mapped)
        munmap(map->base, map->length);
    else
        free(map->base);
    *map = (struct mailbox_map){ .bytes = SPAN("") };
}

enum status mailbox_wire_size(struct mailbox *box, size_t index, uint64_t *size)
{
    struct index_record r;
    struct mailbox_map map;
    uint32_t number;
    *size = 0;
    if (mailbox_record(box, index, &r, &number) && r.wire != INDEX_UNSIZED) {
        *size = r.wire;
        return ST_OK;
    }
    enum status st = mailbox_map(box, index, &map);
    if (st != ST_OK)
        return st;
    *size = lf_wire_size(map.bytes);
    if (mailbox_record(box, index, &r, &number) && *size < INDEX_UNSIZED) {
        struct learned l = { .record = number, .uid = r.uid, .wire = (uint32_t)*size,
                             .size = (uint32_t)map.bytes.n, .date = INT64_MIN };
        mailbox_learn(box, &l);
    }
    mailbox_unmap(&map);
    return ST_OK;
}
