/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counting what a Maildir holds; see quota_count.h. Every directory is opened beneath the Maildir, and the
 * clock looked at now and then: a hostile owner costs whoever delivers to him no more than the time that this
 * may take. Folders are those of Maildir++, the directories ".NAME"; one without `cur` counts too, as it may
 * be one that mail is in again soon.
 */
#include "store/quota_count.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/filename.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CLOCK_EVERY 1024 /* entries between two looks at the clock */

struct walk {
    struct quota_count *c;
    int64_t until;
    unsigned entries;
    bool late, times_only;
};

static bool in_time(struct walk *w)
{
    if (w->entries++ % CLOCK_EVERY == 0 && clock_ms() > w->until)
        w->late = true;
    return !w->late;
}

static void add(uint64_t *sum, uint64_t more)
{
    *sum = more > INT64_MAX - *sum ? INT64_MAX : *sum + more;
}

static void mix(uint64_t *digest, uint64_t value)
{
    *digest = (*digest ^ value) * UINT64_C(1099511628211);
    *digest ^= *digest >> 29;
}

static void count_file(struct walk *w, int dir, const struct dirent *e)
{
    struct filename f;
    struct stat st;
    if (e->d_name[0] == '.' || (e->d_type != DT_REG && e->d_type != DT_UNKNOWN))
        return;
    filename_parse(span_of(e->d_name), &f);
    if (f.size == 0 || e->d_type == DT_UNKNOWN) {
        if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            return;
        f.size = f.size ? f.size : (uint64_t)st.st_size;
    }
    add(&w->c->bytes, f.size);
    add(&w->c->messages, 1);
}

static DIR *open_entries(int dir, const char *path, struct stat *st)
{
    int fd = file_open_beneath(dir, path, O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = fd >= 0 && fstat(fd, st) == 0 ? fdopendir(fd) : NULL;
    if (!entries)
        file_close(fd);
    return entries;
}

static void count_part(struct walk *w, int dir, const char *path)
{
    struct stat st;
    struct dirent *e;
    DIR *entries = open_entries(dir, path, &st);
    if (!entries)
        return;
    mix(&w->c->directories, (uint64_t)st.st_ino);
    mix(&w->c->directories, (uint64_t)st.st_mtim.tv_sec);
    mix(&w->c->directories, (uint64_t)st.st_mtim.tv_nsec);
    while (!w->times_only && in_time(w) && (e = readdir(entries)))
        count_file(w, dirfd(entries), e);
    closedir(entries);
}

static void count_folder(struct walk *w, int dir, const char *name)
{
    char path[NAME_MAX + 8];
    snprintf(path, sizeof path, "%s/new", name);
    count_part(w, dir, path);
    snprintf(path, sizeof path, "%s/cur", name);
    count_part(w, dir, path);
}

/* The order of readdir() is the file system's, and the same for a directory that didn't change. */
static enum status walk(int maildir, struct walk *w)
{
    struct stat st;
    struct dirent *e;
    DIR *entries = open_entries(maildir, ".", &st);
    if (!entries)
        return ST_TEMP;
    count_folder(w, maildir, ".");
    while (in_time(w) && (e = readdir(entries)))
        if (e->d_name[0] == '.' && e->d_name[1] && strcmp(e->d_name, "..") != 0 &&
            (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN))
            count_folder(w, maildir, e->d_name);
    closedir(entries);
    errno = ETIME;
    return w->late ? ST_TEMP : ST_OK;
}

enum status quota_count(int maildir, int64_t until, struct quota_count *c)
{
    struct walk w = { .c = c, .until = until };
    *c = (struct quota_count){ 0, 0, UINT64_C(14695981039346656037) };
    return walk(maildir, &w);
}

bool quota_count_moved(int maildir, int64_t until, const struct quota_count *c)
{
    struct quota_count now = { 0, 0, UINT64_C(14695981039346656037) };
    struct walk w = { .c = &now, .until = until, .times_only = true };
    return walk(maildir, &w) == ST_OK && now.directories != c->directories;
}
