/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The folder of messages that wait to be learned; see learn.h. A copy, not a link or a note of folder and
 * UID: links are closed to mailbox processes, and the message may be moved on or removed by the time the
 * command is run.
 *
 * How often a message has failed stands in its name, and when in its time, so that no process need remember
 * it. An owner who changes either decides only how often his own message is tried.
 */
#include "store/learn.h"
#include "base/files.h"
#include "store/content.h"
#include "store/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "postern-learn"
#define ENTRIES_LIMIT 8192 /* of the folder that are looked at */
#define LEFT_SECONDS 3600  /* a file in the making that is older was left by a crash */
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY)

static const char *const words[] = { [LEARN_NOTHING] = "", [LEARN_SPAM] = "spam", [LEARN_HAM] = "ham" };

const char *learn_word(enum learn_kind kind)
{
    return words[kind];
}

const char *learn_command(const struct settings *s, enum learn_kind kind)
{
    return kind == LEARN_SPAM ? s->learn_spam : kind == LEARN_HAM ? s->learn_ham : "";
}

bool learn_is_set(const struct settings *s)
{
    return s->learn_spam[0] || s->learn_ham[0];
}

/* --- names */

static void write_name(struct learn_item *item, struct span base)
{
    snprintf(item->name, sizeof item->name, "%.*s.%u.%s", SPAN_FMT(base), item->tries, words[item->kind]);
}

/* What stands behind the last '.', which is cut off. */
static struct span cut_last(struct span *s)
{
    size_t at = s->n;
    while (at > 0 && s->p[at - 1] != '.')
        at--;
    struct span last = span_from(*s, at);
    *s = span_head(*s, at ? at - 1 : 0);
    return last;
}

/* *base is what stands before number and word. */
static bool read_name(const char *name, struct learn_item *item, struct span *base)
{
    uint64_t tries;
    *base = span_of(name);
    struct span word = cut_last(base), number = cut_last(base);
    item->kind = span_eq_str(word, "spam")  ? LEARN_SPAM
                 : span_eq_str(word, "ham") ? LEARN_HAM
                                            : LEARN_NOTHING;
    if (item->kind == LEARN_NOTHING || !span_u64(number, LEARN_TRIES, &tries) || base->n == 0 ||
        base->p[0] == '.' || !span_copy(span_of(name), item->name, sizeof item->name))
        return false;
    item->tries = (unsigned)tries;
    return true;
}

static void hidden(const char *name, char to[LEARN_NAME_LIMIT + 1])
{
    snprintf(to, LEARN_NAME_LIMIT + 1, ".%s", name);
}

/* --- the folder */

static DIR *open_entries(int dir)
{
    int fd = file_open_beneath(dir, ".", DIRECTORY_FLAGS, 0);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries)
        file_close(fd);
    return entries;
}

/* The next entry that isn't "." or "..", of those that are looked at. */
static const char *next_entry(DIR *entries, size_t *seen)
{
    const struct dirent *e;
    while (++*seen <= ENTRIES_LIMIT && (e = readdir(entries)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            return e->d_name;
    return NULL;
}

static void count_files(struct learn_folder *f)
{
    struct stat st;
    size_t seen = 0;
    DIR *entries = open_entries(f->dir);
    for (const char *name; entries && (name = next_entry(entries, &seen)) != NULL;) {
        f->files++;
        if (fstatat(f->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            f->bytes += (uint64_t)st.st_size;
    }
    if (entries)
        closedir(entries);
}

enum status learn_open(int maildir, struct learn_folder *f)
{
    *f = (struct learn_folder){ .dir = file_open_beneath(maildir, FOLDER, DIRECTORY_FLAGS, 0) };
    if (f->dir < 0 && errno == ENOENT && (mkdirat(maildir, FOLDER, 0700) == 0 || errno == EEXIST))
        f->dir = file_open_beneath(maildir, FOLDER, DIRECTORY_FLAGS, 0);
    if (f->dir < 0)
        return ST_TEMP;
    count_files(f);
    return ST_OK;
}

void learn_close(struct learn_folder *f)
{
    file_close(f->dir);
    f->dir = -1;
}

/* --- in */

enum status learn_put(struct learn_folder *f, int from, uint64_t size, enum learn_kind kind,
                      char name[LEARN_NAME_LIMIT])
{
    struct learn_item item = { .kind = kind };
    char base[128], temporary[LEARN_NAME_LIMIT + 1];
    bool fits = size <= LEARN_SIZE_LIMIT;
    if (!fits || f->files >= LEARN_FILES_LIMIT || f->bytes + size > LEARN_BYTES_LIMIT) {
        errno = fits ? ENOSPC : EFBIG;
        return ST_PERM;
    }
    maildir_unique("learn", base, sizeof base);
    write_name(&item, span_of(base));
    hidden(item.name, temporary);
    int to = file_open_beneath(f->dir, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (to < 0)
        return ST_TEMP;
    enum status st = content_copy(from, size, to);
    file_close(to);
    if (st != ST_OK) {
        learn_drop(f, item.name);
        return st;
    }
    f->files++;
    f->bytes += size;
    memcpy(name, item.name, sizeof item.name);
    return ST_OK;
}

void learn_publish(struct learn_folder *f, const char *name)
{
    char temporary[LEARN_NAME_LIMIT + 1];
    hidden(name, temporary);
    if (renameat(f->dir, temporary, f->dir, name) != 0)
        learn_drop(f, name);
}

void learn_drop(struct learn_folder *f, const char *name)
{
    char temporary[LEARN_NAME_LIMIT + 1];
    int saved = errno;
    hidden(name, temporary);
    unlinkat(f->dir, temporary, 0);
    errno = saved;
}

/* --- out */

int learn_look(const char *maildir)
{
    int dir = open(maildir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int folder = dir < 0 ? -1 : file_open_beneath(dir, FOLDER, DIRECTORY_FLAGS, 0);
    file_close(dir);
    return folder;
}

/* As for mail: doubling, up to the longest. */
static int64_t pause_after(const struct settings *s, unsigned tries)
{
    uint64_t wait = s->retry_first;
    for (unsigned i = 1; i < tries && wait < s->retry_max; i++)
        wait *= 2;
    return (int64_t)(wait < s->retry_max ? wait : s->retry_max);
}

/* A time in the future is no reason to wait for it. */
static bool is_due(int dir, const struct learn_item *item, const struct settings *s, int64_t now)
{
    struct stat st;
    if (item->tries == 0)
        return true;
    return fstatat(dir, item->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (st.st_mtim.tv_sec > now || now - st.st_mtim.tv_sec >= pause_after(s, item->tries));
}

static void sweep(int dir, const char *name, int64_t now)
{
    struct stat st;
    if (name[0] == '.' && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        now - st.st_mtim.tv_sec > LEFT_SECONDS)
        unlinkat(dir, name, 0);
}

/* Keeps the oldest: `items` are in order. */
static void keep(struct learn_item *items, size_t *count, size_t room, const struct learn_item *item)
{
    size_t at = *count;
    while (at > 0 && strcmp(item->name, items[at - 1].name) < 0)
        at--;
    if (at == room)
        return;
    size_t move = *count < room ? *count - at : room - 1 - at;
    memmove(&items[at + 1], &items[at], move * sizeof *items);
    items[at] = *item;
    *count += *count < room;
}

size_t learn_due(int dir, const struct settings *s, int64_t now, struct learn_item *items, size_t room)
{
    struct learn_item item;
    struct span base;
    size_t count = 0, seen = 0;
    DIR *entries = open_entries(dir);
    for (const char *name; entries && (name = next_entry(entries, &seen)) != NULL;)
        if (!read_name(name, &item, &base))
            sweep(dir, name, now);
        else if (is_due(dir, &item, s, now))
            keep(items, &count, room, &item);
    if (entries)
        closedir(entries);
    return count;
}

int learn_file(int dir, const struct learn_item *item, uint64_t *size)
{
    struct stat st;
    int fd = file_open_beneath(dir, item->name, O_RDONLY, 0);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uint64_t)st.st_size <= LEARN_SIZE_LIMIT) {
        *size = (uint64_t)st.st_size;
        return fd;
    }
    file_close(fd);
    unlinkat(dir, item->name, 0);
    return -1;
}

enum status learn_done(int dir, const struct learn_item *item)
{
    return unlinkat(dir, item->name, 0) == 0 || errno == ENOENT ? ST_OK : ST_TEMP;
}

enum status learn_again(int dir, const struct learn_item *item)
{
    struct learn_item next = *item, old;
    struct span base;
    if (item->tries + 1 >= LEARN_TRIES)
        return learn_done(dir, item) == ST_OK ? ST_PERM : ST_TEMP;
    if (!read_name(item->name, &old, &base))
        return ST_TEMP;
    next.tries++;
    write_name(&next, base);
    if (renameat(dir, item->name, dir, next.name) != 0)
        return errno == ENOENT ? ST_OK : ST_TEMP;
    return utimensat(dir, next.name, NULL, AT_SYMLINK_NOFOLLOW) == 0 ? ST_OK : ST_TEMP;
}
