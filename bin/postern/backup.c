/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern backup [--keep N] [--full] DIR
 *
 * Makes a backup of the whole server in DIR, while mail flows; see backup.h for what lies there. A file that
 * the last whole backup has isn't read again. All is on disk before the backup gets its name, by one rename:
 * until then it is DIR/.part, and whatever ends it leaves those of before as they were. What .part had
 * brought to disk then isn't lost: the next run links it.
 *
 * As root DIR is made, or taken if it is empty, and given to the server's owner, as whom all is read and
 * written: who may write in a mailbox can't make root do anything.
 */
#include "backup.h"
#include "base/clock.h"
#include "base/files.h"
#include "net/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define KEEP_LIMIT 100000
#define NAME_TRIES 3600 /* seconds that the clock may be behind the last backup's name */

struct options {
    uint64_t keep; /* 0: all */
};

/* --- DIR */

static bool is_empty(int dir)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    bool empty = d;
    while (d && empty && (e = readdir(d)))
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                strcmp(e->d_name, "lost+found") == 0;
    if (d)
        closedir(d);
    else
        file_close(fd);
    return empty;
}

/* As root: it belongs to the spool's owner then. */
static int give_away(struct backup *b)
{
    struct stat spool, info;
    if (stat(b->a->s.spool, &spool) != 0)
        return complain(EX_CONFIG, "%s: %s", b->a->s.spool, strerror(errno));
    if (fstat(b->top, &info) != 0 || info.st_uid == spool.st_uid)
        return EX_OK;
    if (!is_empty(b->top))
        return complain(EX_NOPERM,
                        "%s: belongs to user %u and isn't empty; backups are written by the owner of the "
                        "mail. Name a new "
                        "folder in it, or give it away: chown -R %u:%u %s",
                        b->target, (unsigned)info.st_uid, (unsigned)spool.st_uid, (unsigned)spool.st_gid,
                        b->target);
    if (fchown(b->top, spool.st_uid, spool.st_gid) != 0 || fchmod(b->top, 0700) != 0)
        return complain(EX_NOPERM, "%s: can't be given to user %u: %s", b->target, (unsigned)spool.st_uid,
                        strerror(errno));
    return EX_OK;
}

static int open_target(struct backup *b)
{
    struct bytes error;
    bool made = mkdir(b->target, 0700) == 0;
    b->top = open(b->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->top < 0 || (made && file_sync_dir(AT_FDCWD, b->target) != ST_OK))
        return complain(EX_CANTCREAT, "%s: %s", b->target, strerror(errno));
    int result = geteuid() == 0 ? give_away(b) : EX_OK;
    bytes_init(&error, 4096);
    if (result == EX_OK && sandbox_drop_root(b->a->s.spool, &error) != ST_OK)
        result = complain(EX_NOPERM, "%s", bytes_str(&error));
    bytes_free(&error);
    if (result == EX_OK && faccessat(b->top, ".", W_OK | X_OK, AT_EACCESS) != 0)
        result = complain(EX_NOPERM, "%s: user %u, as whom the server runs, can't write there: %s", b->target,
                          (unsigned)geteuid(), strerror(errno));
    if (result == EX_OK && flock(b->top, LOCK_EX | LOCK_NB) != 0)
        result = errno == EWOULDBLOCK
                     ? complain(EX_TEMPFAIL, "%s: another backup is being made there", b->target)
                     : backup_failed(b, "can't be locked");
    return result;
}

/* --- what was there before */

static void clear_old(struct backup *b)
{
    int fd = openat(b->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, BACKUP_OLD, strlen(BACKUP_OLD)) == 0)
            backup_remove(b->top, e->d_name);
    if (d)
        closedir(d);
    else
        file_close(fd);
}

static off_t list_size(int top, const char *name)
{
    char path[64];
    struct stat info;
    snprintf(path, sizeof path, "%s/" MANIFEST_FILE, name);
    return fstatat(top, path, &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_size : -1;
}

/* Of two that ended early the one goes on that got further. */
static bool put_aside(struct backup *b)
{
    struct stat info;
    if (fstatat(b->top, BACKUP_PART, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT;
    if (list_size(b->top, BACKUP_UNFINISHED) > list_size(b->top, BACKUP_PART))
        return backup_forget(b->top, BACKUP_PART);
    return backup_forget(b->top, BACKUP_UNFINISHED) &&
           renameat(b->top, BACKUP_PART, b->top, BACKUP_UNFINISHED) == 0 &&
           file_sync_dir(b->top, NULL) == ST_OK;
}

/* Of one that ended early only what it had brought to disk. */
static void cut(struct manifest *m)
{
    static const char mark[] = "\nsynced\n";
    size_t n = sizeof mark - 1, at = m->text.n;
    while (at >= n && memcmp(m->text.p + at - n, mark, n) != 0)
        at--;
    m->text.n = at >= n ? at : 0;
}

static bool add_source(struct backup *b, const char *name, bool finished)
{
    struct backup_source *s = &b->sources[b->source_count];
    s->fd = openat(b->top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool good = s->fd >= 0 && manifest_open(s->fd, &s->manifest) == ST_OK && (s->manifest.whole || !finished);
    if (!good) {
        manifest_close(&s->manifest);
        file_close(s->fd);
        return false;
    }
    if (!s->manifest.whole)
        cut(&s->manifest);
    b->source_count++;
    return true;
}

/* The last whole backup, and what didn't become one; *last is the newest name. */
static int find_sources(struct backup *b, char last[BACKUP_NAME_SIZE])
{
    char **names;
    ssize_t count = backup_names(b->top, &names);
    if (count < 0)
        return backup_failed(b, "can't be read");
    last[0] = '\0';
    if (count)
        memcpy(last, names[count - 1], BACKUP_NAME_SIZE);
    if (!b->full)
        add_source(b, BACKUP_UNFINISHED, false);
    for (ssize_t i = count; i-- > 0 && !b->full;) {
        if (add_source(b, names[i], true))
            break;
        complain(EX_OK, "%s/%s: its list is damaged or can't be read; nothing is linked from there",
                 b->target, names[i]);
    }
    backup_free_names(names, count);
    return EX_OK;
}

/* --- the new one */

static bool choose_name(const char *last, char name[BACKUP_NAME_SIZE])
{
    time_t now = (time_t)clock_now();
    for (int i = 0; i < NAME_TRIES; i++, now++) {
        struct tm t;
        if (gmtime_r(&now, &t) && strftime(name, BACKUP_NAME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &t) &&
            strcmp(name, last) > 0)
            return true;
    }
    return false;
}

static int begin(struct backup *b, const char *name)
{
    random_bytes(b->key, sizeof b->key);
    if (mkdirat(b->top, BACKUP_PART, 0700) != 0 ||
        (b->part = openat(b->top, BACKUP_PART, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        return backup_failed(b, BACKUP_PART);
    if (manifest_begin(b->part, name, b->a->s.hostname, &b->out) != ST_OK)
        return backup_failed(b, MANIFEST_FILE);
    return EX_OK;
}

static int fill(struct backup *b)
{
    int (*const steps[])(struct backup *) = { backup_settings, backup_spool, backup_mail };
    int result = EX_OK;
    for (size_t i = 0; result == EX_OK && i < sizeof steps / sizeof steps[0]; i++)
        result = steps[i](b);
    return result;
}

/* From here on it is one. */
static int finish(struct backup *b, const char *name)
{
    if (manifest_end(&b->out) != ST_OK || syncfs(b->part) != 0)
        return backup_failed(b, MANIFEST_FILE);
    if (file_publish(b->top, BACKUP_PART, b->top, name) != ST_OK || file_sync_dir(b->top, NULL) != ST_OK)
        return backup_failed(b, name);
    return EX_OK;
}

/* What isn't whole is kept in addition. */
static void clear(struct backup *b, uint64_t keep)
{
    char **names;
    if (!backup_forget(b->top, BACKUP_UNFINISHED))
        complain(EX_OK, "%s/" BACKUP_UNFINISHED ": can't be removed: %s", b->target, strerror(errno));
    if (!keep || b->count.unread)
        return;
    ssize_t count = backup_names(b->top, &names);
    for (ssize_t i = 0; i < count && (uint64_t)(count - i) > keep; i++)
        if (!backup_forget(b->top, names[i]))
            complain(EX_OK, "%s/%s: can't be removed: %s", b->target, names[i], strerror(errno));
    backup_free_names(names, count);
}

static int report(const struct backup *b, const char *name)
{
    const struct backup_count *c = &b->count;
    printf("%s messages %llu bytes %llu new %llu new-bytes %llu unread %llu\n", name,
           (unsigned long long)c->messages, (unsigned long long)c->bytes, (unsigned long long)c->fresh,
           (unsigned long long)c->fresh_bytes, (unsigned long long)c->unread);
    if (b->unlinkable)
        complain(EX_OK,
                 "%s: this file system has no hard links: every backup reads and holds all messages anew",
                 b->target);
    if (c->unread)
        return complain(EX_IOERR,
                        "%s/%s: isn't complete: what couldn't be read is missing; no older one was removed",
                        b->target, name);
    return EX_OK;
}

static int make(struct backup *b, const struct options *o)
{
    char last[BACKUP_NAME_SIZE], name[BACKUP_NAME_SIZE];
    clear_old(b);
    if (!put_aside(b))
        return backup_failed(b, BACKUP_PART);
    int result = find_sources(b, last);
    if (result == EX_OK && !choose_name(last, name))
        result = complain(EX_TEMPFAIL, "%s: the clock is behind the last backup, %s", b->target, last);
    if (result == EX_OK)
        result = begin(b, name);
    if (result == EX_OK)
        result = fill(b);
    if (result == EX_OK)
        result = finish(b, name);
    else
        manifest_drop(&b->out);
    progress_end(&b->progress);
    if (result != EX_OK)
        return result;
    clear(b, o->keep);
    return report(b, name);
}

static void close_all(struct backup *b)
{
    for (size_t i = 0; i < b->source_count; i++) {
        manifest_close(&b->sources[i].manifest);
        file_close(b->sources[i].fd);
    }
    free(b->buffer);
    file_close(b->part);
    file_close(b->top);
}

static int read_options(struct backup *b, struct options *o, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--full") == 0) {
            b->full = true;
        } else if (strcmp(argv[i], "--keep") == 0) {
            if (++i >= argc || !span_u64(span_of(argv[i]), KEEP_LIMIT, &o->keep) || !o->keep)
                return complain(EX_USAGE, "--keep wants how many backups are to stay, 1 or more");
        } else if (b->target) {
            return complain(EX_USAGE, "'%s' is too much: one folder is wanted", argv[i]);
        } else {
            b->target = argv[i];
        }
    }
    return b->target ? EX_OK : complain(EX_USAGE, "a folder is wanted");
}

int backup_command(struct admin *a, int argc, char **argv)
{
    struct backup b = { .a = a, .top = -1, .part = -1, .out.fd = -1 };
    struct options o = { 0 };
    int result = read_options(&b, &o, argc, argv);
    if (result != EX_OK)
        return result;
    progress_begin(&b.progress);
    result = open_target(&b);
    if (result == EX_OK)
        result = make(&b, &o);
    close_all(&b);
    return result;
}
