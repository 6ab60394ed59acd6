/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One message of an opened mailbox: its bytes, its size, its flags, its end.
 *
 * Any other program may rename or remove the file at any moment. A call that misses it learns the present
 * names of all files at once (mailbox_relocate) and tries again: after another session flagged ten thousand
 * messages that costs one scan, not ten thousand.
 */
#include "store/mailbox_private.h"
#include "base/files.h"
#include "store/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_FROM ((size_t)64 * 1024)
#define TRIES 3 /* for a file that is renamed again and again */

static int entry_dir(const struct mailbox *box, const struct entry *e)
{
    const struct mailbox_private *p = mailbox_private(box);
    return e->in_new ? p->new_dir : p->cur_dir;
}

/* After ENOENT: ST_OK if the entry's file is somewhere now, ST_NONE if it is gone. */
static enum status follow(struct mailbox *box, const struct entry *e)
{
    enum status st = mailbox_relocate(box);
    return st == ST_OK && e->gone ? ST_NONE : st;
}

/* Something else than a file stands where the message was: the message is gone. */
static bool no_file(int err)
{
    return err == EINVAL || err == ELOOP || err == EXDEV || err == ENXIO;
}

enum status mailbox_file(struct mailbox *box, size_t index, int *fd)
{
    struct entry *e = &mailbox_private(box)->entries[index];
    enum status st = e->gone ? ST_NONE : ST_OK;
    *fd = -1;
    for (int i = 0; st == ST_OK && i < TRIES; i++) {
        *fd = file_open_beneath(entry_dir(box, e), e->name, O_RDONLY, 0);
        if (*fd >= 0)
            return ST_OK;
        if (errno != ENOENT)
            return no_file(errno) ? ST_NONE : ST_TEMP;
        st = follow(box, e);
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

enum status mailbox_map(struct mailbox *box, size_t index, struct mailbox_map *map)
{
    int fd;
    struct stat file;
    *map = (struct mailbox_map){ .bytes = SPAN("") };
    enum status st = mailbox_file(box, index, &fd);
    if (st != ST_OK)
        return st;
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
    file_close(fd);
    return st;
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
    struct entry *e = &mailbox_private(box)->entries[index];
    *size = e->wire_size;
    if (e->wire_size)
        return ST_OK;
    struct mailbox_map map;
    enum status st = mailbox_map(box, index, &map);
    if (st != ST_OK)
        return st;
    *size = e->wire_size = lf_wire_size(map.bytes);
    mailbox_unmap(&map);
    return ST_OK;
}

/* Both changes: another program's to what we knew, and ours. */
static uint32_t merge_flags(uint32_t known, uint32_t there, uint32_t wanted)
{
    return (there | (wanted & ~known)) & ~(known & ~wanted);
}

static enum status rename_flags(struct mailbox *box, struct entry *e, uint32_t wanted)
{
    struct filename f;
    char name[FILENAME_LIMIT + 1];
    uint32_t named = mailbox_named(box);
    filename_parse(span_of(e->name), &f);
    wanted = merge_flags(e->flags, f.flags & (FLAG_SYSTEM | named), wanted & (FLAG_SYSTEM | named));
    struct filename_new n = { .size = e->size,
                              .wire = e->wire_size,
                              .validity = box->uid_validity,
                              .uid = e->uid,
                              .flags = wanted,
                              .keywords = named,
                              .info = true };
    if (!filename_write(f.base, &f, &n, name)) {
        errno = ENAMETOOLONG;
        return ST_PERM;
    }
    bool same = strcmp(name, e->name) == 0 && !e->in_new;
    if (!same && renameat(entry_dir(box, e), e->name, mailbox_private(box)->cur_dir, name) != 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    char *copy = strdup(name);
    if (!copy)
        return ST_TEMP;
    free(e->name);
    e->name = copy;
    e->in_new = false;
    e->flags = wanted;
    return ST_OK;
}

static enum status follow_and_rename(struct mailbox *box, struct entry *e, uint32_t flags)
{
    for (int i = 0; i < TRIES; i++) {
        enum status st = e->gone ? ST_NONE : rename_flags(box, e, flags);
        if (st != ST_NONE || e->gone)
            return st;
        st = follow(box, e);
        if (st != ST_OK)
            return st;
    }
    errno = EAGAIN;
    return ST_TEMP;
}

static uint32_t changed_flags(uint32_t flags, const struct flags_store *store)
{
    return store->change == FLAGS_ADD      ? flags | store->flags
           : store->change == FLAGS_REMOVE ? flags & ~store->flags
                                           : store->flags;
}

static enum flags_result store_one(struct mailbox *box, struct entry *e, const struct flags_store *store,
                                   uint64_t modseq)
{
    uint32_t old = e->flags, wanted = changed_flags(old, store);
    if (e->gone)
        return FLAGS_GONE;
    if (e->modseq > store->unchanged_since)
        return FLAGS_MODIFIED;
    if (wanted == old)
        return FLAGS_STORED;
    enum status st = follow_and_rename(box, e, wanted);
    if (st != ST_OK)
        return st == ST_NONE ? FLAGS_GONE : FLAGS_FAILED;
    e->modseq = box->modseq = modseq;
    return e->flags == wanted ? FLAGS_STORED : FLAGS_MERGED;
}

enum status mailbox_store(struct mailbox *box, const size_t *indexes, size_t count,
                          const struct flags_store *store, unsigned char *results)
{
    struct mailbox_private *p = mailbox_private(box);
    enum status worst = ST_OK;
    int why = 0;
    if (box->read_only) {
        errno = EROFS;
        return ST_PERM;
    }
    /* So that no other session's scan misses the file between its two names. Without the lock it is renamed
     * all the same. */
    int lock = folder_lock(p->dir);
    uint64_t modseq = box->modseq + 1;
    for (size_t n = 0; n < count; n++) {
        results[n] = (unsigned char)store_one(box, &p->entries[indexes[n]], store, modseq);
        if (results[n] == FLAGS_FAILED)
            why = errno;
        worst = status_worse(worst, results[n] == FLAGS_GONE     ? ST_NONE
                                    : results[n] == FLAGS_FAILED ? ST_TEMP
                                                                 : ST_OK);
    }
    file_close(lock);
    errno = why;
    return worst;
}

enum status mailbox_set_flags(struct mailbox *box, size_t index, uint32_t flags)
{
    struct flags_store store = { .change = FLAGS_SET, .flags = flags, .unchanged_since = UINT64_MAX };
    unsigned char result;
    return mailbox_store(box, &index, 1, &store, &result);
}

static enum status remove_file(struct mailbox *box, struct entry *e)
{
    for (int i = 0; i < TRIES && !e->gone; i++) {
        if (unlinkat(entry_dir(box, e), e->name, 0) == 0 || errno == EISDIR)
            return ST_OK;
        if (errno != ENOENT)
            return ST_TEMP;
        enum status st = follow(box, e);
        if (st == ST_TEMP)
            return st;
    }
    return e->gone ? ST_OK : ST_TEMP;
}

/* Takes those out of the entries whose UIDs are listed, in order. */
static void take_out(struct mailbox *box, const uint32_t *uids, size_t count)
{
    struct mailbox_private *p = mailbox_private(box);
    size_t kept = 0, next = 0;
    for (size_t i = 0; i < box->count; i++) {
        struct entry *e = &mailbox_private(box)->entries[i];
        if (next < count && e->uid == uids[next]) {
            next++;
            p->gone -= e->gone;
            free(e->name);
        } else {
            mailbox_private(box)->entries[kept++] = *e;
        }
    }
    box->count = kept;
}

enum status mailbox_expunge(struct mailbox *box, const size_t *indexes, size_t count,
                            struct mailbox_changes *gone)
{
    *gone = (struct mailbox_changes){ .expunged = calloc(count + 1, sizeof(uint32_t)) };
    if (!gone->expunged)
        return ST_TEMP;
    if (box->read_only) {
        errno = EROFS;
        return ST_PERM;
    }
    enum status st = ST_OK;
    int64_t bytes = 0, removed = 0;
    int why = 0;
    for (size_t i = 0; i < count; i++) {
        struct entry *e = &mailbox_private(box)->entries[indexes[i]];
        if (remove_file(box, e) == ST_OK) {
            bytes += e->gone ? 0 : (int64_t)e->size; /* else somebody else removed it, and counted */
            removed += !e->gone;
            gone->expunged[gone->expunged_count++] = e->uid;
        } else {
            why = errno;
            st = ST_TEMP;
        }
    }
    if (gone->expunged_count && file_sync_dir(mailbox_private(box)->cur_dir, NULL) != ST_OK) {
        why = errno;
        st = ST_TEMP;
    }
    if (removed)
        quota_add(mail_dir(box->mail), -bytes, -removed);
    take_out(box, gone->expunged, gone->expunged_count);
    errno = why;
    return st;
}
