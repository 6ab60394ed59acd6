/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading a folder's directories; see scan.h. getdents64 with a large buffer and no stdio; a
 * name's type comes with it, so that nothing is asked about a file that isn't new.
 *
 * new/ is read before cur/: a message that moves meanwhile, moves in that direction and is seen at least
 * once. A file that is renamed within a directory while that is read may be missed, so a directory that
 * changed meanwhile is read again, and what any reading found counts: it then stands there more than once. A
 * time is believed only when it is a second old or more: the clock of file systems ticks in milliseconds at
 * best, and two changes within one tick look like one. */
#include "store/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER ((size_t)128 * 1024)
#define BLOCK ((size_t)64 * 1024) /* of names */
#define TRIES 3
#define TICKS_NS 40000000LL /* a kernel's clock for files ticks every 10 ms at most */
#define WHOLE_SECONDS_NS 2000000000LL
#define MESSAGES_LIMIT 4000000 /* of a folder: its owner must not make us take all memory */

struct name_block {
    struct name_block *next;
    size_t used;
    char bytes[BLOCK];
};

const char *scan_keep(struct scan *s, const char *name)
{
    size_t n = strlen(name) + 1;
    if (!s->blocks || BLOCK - s->blocks->used < n) {
        struct name_block *block = n <= BLOCK ? malloc(sizeof *block) : NULL;
        if (!block)
            return NULL;
        block->used = 0;
        block->next = s->blocks;
        s->blocks = block;
    }
    char *to = s->blocks->bytes + s->blocks->used;
    memcpy(to, name, n);
    s->blocks->used += n;
    return to;
}

bool scan_add(struct scan *s, const char *name, bool in_new)
{
    if (s->count == MESSAGES_LIMIT) {
        errno = EOVERFLOW;
        return false;
    }
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 64;
        struct found *items = realloc(s->items, room * sizeof *items);
        if (!items)
            return false;
        s->items = items;
        s->room = room;
    }
    struct found *item = &s->items[s->count];
    *item = (struct found){ .name = scan_keep(s, name), .in_new = in_new };
    if (!item->name)
        return false;
    filename_parse(span_of(item->name), &item->f);
    item->time = filename_time(&item->f);
    item->size = item->f.size;
    s->count++;
    return true;
}

static bool may_be_message(int dir, const struct dirent64 *e)
{
    struct stat st;
    if (e->d_name[0] == '.' || e->d_type != DT_UNKNOWN)
        return e->d_name[0] != '.' && e->d_type == DT_REG;
    return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static enum status read_directory(int dir, bool in_new, struct scan *s, char *buffer)
{
    if (dir < 0)
        return ST_OK;
    if (lseek(dir, 0, SEEK_SET) != 0)
        return ST_TEMP;
    for (;;) {
        ssize_t n = getdents64(dir, buffer, BUFFER);
        if (n < 0 && errno == ENOENT) /* the folder was removed */
            return ST_OK;
        if (n < 0)
            return ST_TEMP;
        if (n == 0)
            return ST_OK;
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *e = (const void *)(buffer + at);
            if (may_be_message(dir, e) && !scan_add(s, e->d_name, in_new))
                return ST_TEMP;
            at += e->d_reclen;
        }
    }
}

/* Not the mtime: whoever moves a file in can put that back. */
static struct timespec changed_at(int dir)
{
    struct stat st;
    return dir >= 0 && fstat(dir, &st) == 0 ? st.st_ctim : (struct timespec){ 0 };
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Can't a change after `now` have the time t? One without a fraction may be of a file system that keeps whole
 * seconds, or every other one. */
static bool older(struct timespec t, struct timespec now)
{
    return (now.tv_sec - t.tv_sec) * 1000000000LL + (now.tv_nsec - t.tv_nsec) >
           (t.tv_nsec ? TICKS_NS : WHOLE_SECONDS_NS);
}

static bool unchanged(int new_dir, int cur_dir, const struct scan *s)
{
    return same_time(changed_at(new_dir), s->new_time) && same_time(changed_at(cur_dir), s->cur_time);
}

bool scan_current(int new_dir, int cur_dir, const struct scan *s)
{
    return s->settled && unchanged(new_dir, cur_dir, s);
}

void scan_times(int new_dir, int cur_dir, struct scan *s)
{
    struct timespec now;
    s->new_time = changed_at(new_dir);
    s->cur_time = changed_at(cur_dir);
    clock_gettime(CLOCK_REALTIME, &now);
    s->settled = older(s->new_time, now) && older(s->cur_time, now);
}

static enum status scan_once(int new_dir, int cur_dir, struct scan *s, char *buffer)
{
    scan_times(new_dir, cur_dir, s);
    enum status st = read_directory(new_dir, true, s, buffer);
    return st == ST_OK ? read_directory(cur_dir, false, s, buffer) : st;
}

enum status scan_folder(int new_dir, int cur_dir, struct scan *s)
{
    char *buffer = malloc(BUFFER);
    enum status st = buffer ? ST_OK : ST_TEMP;
    for (int i = 0; st == ST_OK && i < TRIES; i++) {
        st = scan_once(new_dir, cur_dir, s, buffer);
        if (unchanged(new_dir, cur_dir, s))
            break;
    }
    int saved = errno;
    free(buffer);
    if (st != ST_OK)
        scan_free(s);
    errno = saved;
    return st;
}

void scan_clear(struct scan *s)
{
    while (s->blocks && s->blocks->next) {
        struct name_block *next = s->blocks->next;
        free(s->blocks);
        s->blocks = next;
    }
    if (s->blocks)
        s->blocks->used = 0;
    s->count = 0;
}

void scan_free(struct scan *s)
{
    scan_clear(s);
    free(s->blocks);
    free(s->items);
    *s = (struct scan){ 0 };
}

bool scan_stat(int new_dir, int cur_dir, struct found *item)
{
    struct stat st;
    if (fstatat(item->in_new ? new_dir : cur_dir, item->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode))
        return false;
    item->size = (uint64_t)st.st_size;
    item->date = st.st_mtim.tv_sec;
    item->inode = st.st_ino;
    item->dated = true;
    return true;
}
