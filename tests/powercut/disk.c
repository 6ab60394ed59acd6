/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A disk that remembers in which order it was written, and can be what a power cut would have left of it
 * (history.h): a FUSE file system.
 *
 *     disk MOUNTPOINT BYTES JOURNAL SECTOR DELAY
 *
 *     disk      the disk, of BYTES bytes, for a loop device with direct I/O
 *     journal   another one, of JOURNAL bytes, with a cache of its own
 *     control   a command each write(2):
 *                 record        what the disk holds now is on it for good; from here on events are kept
 *                 note TEXT     TEXT becomes an event, between those before and after it
 *                 stop          events are kept no more
 *                 cut END SEED  the disk becomes one that lost its power after the first END events; what was
 *                               written since the cut before is forgotten. END only grows from cut to cut
 *     log       the events, a line each: write OFFSET LENGTH, written N, flush OFFSET, flushed N, note TEXT.
 *               N: the line, from 0, of the write or flush that is answered. OFFSET: the journal lies behind
 *               the disk
 *     last      of the last cut: how many writes were not safe yet, and of them are lost, and are torn
 *
 * While events are kept, answers wait for up to DELAY microseconds, so that much is on its way at once, as
 * with a real disk.
 */
#define FUSE_USE_VERSION 35
#define _FILE_OFFSET_BITS 64
#include "history.h"

#include <errno.h>
#include <fuse3/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRANSFER (1U << 20)
#define BLOCK 4096
#define COMMAND_LIMIT 200
#define LINE_LIMIT 240

struct disk {
    pthread_mutex_t lock;
    struct history h;
    unsigned delay;
    uint64_t random;
};

static struct disk *disk(void)
{
    return fuse_get_context()->private_data;
}

/* A write or a flush has come: its number, or NEVER. It is answered after a while. */
static int come(struct disk *d, enum kind kind, size_t at, const char *data, size_t length)
{
    pthread_mutex_lock(&d->lock);
    bool kept = d->h.recording;
    size_t number = history_keep(&d->h, kind, NEVER, at, data, length);
    if (data)
        history_put(&d->h, at, data, length);
    unsigned wait = kept && d->delay ? history_roll(&d->random, d->delay) : 0;
    pthread_mutex_unlock(&d->lock);
    if (!kept)
        return 0;
    usleep(wait);
    pthread_mutex_lock(&d->lock);
    if (number != NEVER)
        history_keep(&d->h, kind == WRITE ? WRITTEN : FLUSHED, number, 0, NULL, 0);
    pthread_mutex_unlock(&d->lock);
    return number == NEVER ? -ENOMEM : 0;
}

/* What a command comes to. With the lock. */
static int obey(struct disk *d, const char *command)
{
    unsigned long long end, seed;
    if (strncmp(command, "note ", 5) == 0)
        return history_keep(&d->h, NOTE, NEVER, 0, command + 5, strlen(command + 5)) == NEVER ? -EINVAL : 0;
    if (sscanf(command, "cut %llu %llu", &end, &seed) == 2)
        return history_cut(&d->h, (size_t)end, seed) ? 0 : -EINVAL;
    if (strcmp(command, "record") == 0)
        return history_record(&d->h) ? 0 : -EINVAL;
    if (strcmp(command, "stop") != 0)
        return -EINVAL;
    d->h.recording = false;
    return 0;
}

/* ---- what is read as text */

static size_t event_line(const struct event *e, char line[LINE_LIMIT])
{
    static const char *const names[] = { "write", "written", "flush", "flushed", "note" };
    const char *name = names[e->kind];
    int n = 0;
    if (e->kind == WRITE)
        n = snprintf(line, LINE_LIMIT, "%s %zu %zu\n", name, e->at, e->length);
    else if (e->kind == FLUSH)
        n = snprintf(line, LINE_LIMIT, "%s %zu\n", name, e->at);
    else if (e->kind == WRITTEN || e->kind == FLUSHED)
        n = snprintf(line, LINE_LIMIT, "%s %zu\n", name, e->of);
    else
        n = snprintf(line, LINE_LIMIT, "%s%s%s\n", name, e->data ? " " : "", e->data ? e->data : "");
    return n < 0 ? 0 : (size_t)n < LINE_LIMIT ? (size_t)n : LINE_LIMIT - 1;
}

static char *whole_text(const struct history *h, bool log, size_t *length)
{
    char *text = malloc((log ? h->count : 1) * LINE_LIMIT + 1), line[LINE_LIMIT];
    *length = 0;
    if (text && !log)
        *length = (size_t)snprintf(text, LINE_LIMIT, "%zu %zu %zu\n", h->pending, h->lost, h->torn);
    for (size_t i = 0; text && log && i < h->count; i++) {
        size_t n = event_line(&h->events[i], line);
        memcpy(text + *length, line, n);
        *length += n;
    }
    return text;
}

/* ---- the file system */

enum file { DISK, JOURNAL, CONTROL, LOG, LAST };
static const char *const file_names[] = { "disk", "journal", "control", "log", "last" };
#define FILES (sizeof file_names / sizeof *file_names)

struct text {
    char *text;
    size_t length;
};

static int file_of(const char *path)
{
    for (size_t i = 0; i < FILES; i++)
        if (strcmp(path + 1, file_names[i]) == 0)
            return (int)i;
    return -ENOENT;
}

/* Where a file's bytes lie among those of both disks; of no length where it has none there. */
struct part {
    size_t begin, length;
};

static struct part part_of(const struct disk *d, int file)
{
    if (file == DISK)
        return (struct part){ 0, d->h.second };
    if (file == JOURNAL)
        return (struct part){ d->h.second, d->h.size - d->h.second };
    return (struct part){ 0, 0 };
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    (void)fi;
    int file = strcmp(path, "/") == 0 ? -1 : file_of(path);
    if (file == -ENOENT)
        return file;
    memset(st, 0, sizeof *st);
    st->st_mode = file < 0 ? S_IFDIR | 0700 : S_IFREG | 0600;
    st->st_nlink = 1;
    st->st_blksize = BLOCK;
    st->st_size = (off_t)part_of(disk(), file).length;
    return 0;
}

static int fs_readdir(const char *path, void *to, fuse_fill_dir_t fill, off_t at, struct fuse_file_info *fi,
                      enum fuse_readdir_flags flags)
{
    (void)path, (void)at, (void)fi, (void)flags;
    for (size_t i = 0; i < FILES; i++)
        fill(to, file_names[i], NULL, 0, 0);
    return 0;
}

/* A text is made as it is opened, and is the same for as long as it is open. */
static int fs_open(const char *path, struct fuse_file_info *fi)
{
    struct disk *d = disk();
    int file = file_of(path);
    if (file < 0)
        return file;
    fi->direct_io = 1;
    fi->fh = 0;
    if (file != LOG && file != LAST)
        return 0;
    struct text *t = malloc(sizeof *t);
    if (!t)
        return -ENOMEM;
    pthread_mutex_lock(&d->lock);
    t->text = whole_text(&d->h, file == LOG, &t->length);
    pthread_mutex_unlock(&d->lock);
    fi->fh = (uintptr_t)t;
    return t->text ? 0 : -ENOMEM;
}

static int fs_release(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    struct text *t = (struct text *)(uintptr_t)fi->fh;
    if (t)
        free(t->text);
    free(t);
    return 0;
}

static int fs_read(const char *path, char *to, size_t size, off_t at, struct fuse_file_info *fi)
{
    struct disk *d = disk();
    struct part part = part_of(d, file_of(path));
    struct text *t = (struct text *)(uintptr_t)fi->fh;
    const char *from = t ? t->text : d->h.now + part.begin;
    size_t length = t ? t->length : part.length;
    if ((size_t)at >= length)
        return 0;
    size = size < length - (size_t)at ? size : length - (size_t)at;
    memcpy(to, from + at, size);
    return (int)size;
}

static int fs_write(const char *path, const char *data, size_t size, off_t at, struct fuse_file_info *fi)
{
    (void)fi;
    struct disk *d = disk();
    char command[COMMAND_LIMIT];
    int file = file_of(path);
    struct part part = part_of(d, file);
    if (part.length && ((size_t)at > part.length || size > part.length - (size_t)at))
        return -ENOSPC;
    if (part.length) {
        int failed = come(d, WRITE, part.begin + (size_t)at, data, size);
        return failed ? failed : (int)size;
    }
    if (file != CONTROL || size >= sizeof command)
        return -EINVAL;
    memcpy(command, data, size);
    command[size] = '\0';
    pthread_mutex_lock(&d->lock);
    int done = obey(d, command);
    pthread_mutex_unlock(&d->lock);
    return done < 0 ? done : (int)size;
}

static int fs_fsync(const char *path, int data_only, struct fuse_file_info *fi)
{
    (void)data_only, (void)fi;
    struct part part = part_of(disk(), file_of(path));
    return part.length ? come(disk(), FLUSH, part.begin, NULL, 0) : 0;
}

/* Its size is what it is: O_TRUNC has no say. */
static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    (void)size, (void)fi;
    return file_of(path) < 0 ? -ENOENT : 0;
}

static void *fs_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
    conn->max_write = TRANSFER;
    conn->max_background = 256;
    conn->congestion_threshold = 200;
    conn->want |= conn->capable & (FUSE_CAP_ASYNC_DIO | FUSE_CAP_ASYNC_READ);
    config->nullpath_ok = 0;
    config->attr_timeout = config->entry_timeout = 3600;
    return disk();
}

static const struct fuse_operations operations = {
    .getattr = fs_getattr,
    .readdir = fs_readdir,
    .open = fs_open,
    .release = fs_release,
    .read = fs_read,
    .write = fs_write,
    .fsync = fs_fsync,
    .truncate = fs_truncate,
    .init = fs_init,
};

/* In a mount namespace of its own: else, where all of the test is killed, this process could be the last that
 * has the file systems on the disk mounted, unmount them as it ends, and wait for itself to write. */
static bool leave_namespace(const char *mountpoint)
{
    return unshare(CLONE_NEWNS) == 0 && umount2(mountpoint, MNT_DETACH) == 0;
}

/* Until it is unmounted. */
static bool serve(struct disk *d, char *program, char *mountpoint)
{
    char *words[] = { program, "-o", "fsname=powercut", NULL };
    struct fuse_args args = FUSE_ARGS_INIT(3, words);
    struct fuse_loop_config threads = { .max_idle_threads = 10 };
    struct fuse *f = fuse_new(&args, &operations, sizeof operations, d);
    return f && fuse_mount(f, mountpoint) == 0 && leave_namespace(mountpoint) &&
           fuse_loop_mt(f, &threads) == 0;
}

int main(int argc, char **argv)
{
    static struct disk d = { .lock = PTHREAD_MUTEX_INITIALIZER, .random = 88172645463325252 };
    size_t numbers[4] = { 0 };
    for (int i = 0; argc == 6 && i < 4; i++)
        numbers[i] = strtoull(argv[2 + i], NULL, 10);
    if (argc != 6) {
        fputs("usage: disk MOUNTPOINT BYTES JOURNAL SECTOR DELAY\n", stderr);
        return 64;
    }
    d.delay = (unsigned)numbers[3];
    if (!history_begin(&d.h, numbers[0], numbers[1], numbers[2])) {
        fputs("disk: no such disk, or no memory for it\n", stderr);
        return 75;
    }
    return serve(&d, argv[0], argv[1]) ? 0 : 75;
}
