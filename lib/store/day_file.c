/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Appends lines to a day's file; see day_file.h.
 */
#include "store/day_file.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY 86400
#define LOCK_MS 2000
#define LINE_LIMIT 65536 /* bytes of a line, far more than anybody writes */

void day_line_add(struct bytes *line, const char *name, const char *value, bool quoted)
{
    if (!value || !value[0])
        return;
    bytes_printf(line, "%s%s=%s", line->len ? " " : "", name, quoted ? "\"" : "");
    for (const char *p = value; *p; p++) {
        bool plain = *p > ' ' && *p < 0x7f && *p != '"' && *p != '\\';
        bytes_add_char(line, plain || (quoted && *p == ' ') ? *p : '?');
    }
    if (quoted)
        bytes_add_char(line, '"');
}

static bool day_name(int64_t at, char to[16])
{
    time_t t = (time_t)at;
    struct tm tm;
    return gmtime_r(&t, &tm) && strftime(to, 16, "%Y-%m-%d", &tm) > 0;
}

static int open_day(const struct day_file *kind, const char *spool, int64_t at)
{
    char path[PATH_MAX], folder[PATH_MAX], day[16];
    if (!day_name(at, day)) {
        errno = EINVAL;
        return -1;
    }
    if (snprintf(path, sizeof path, "%s/%s/%s", spool, kind->folder, day) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    snprintf(folder, sizeof folder, "%s/%s", spool, kind->folder);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return -1;
    return open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Where the last whole line ends, in a file of `size` bytes; `size` also where it doesn't end in what is left
 * of a line of ours. -1 with errno. */
static off_t whole_lines(int fd, off_t size)
{
    char tail[4096];
    size_t want = 1; /* the line end is there, but where something happened to it */
    for (off_t end = size; end > 0 && size - end < LINE_LIMIT; want = sizeof tail) {
        if ((off_t)want > end)
            want = (size_t)end;
        end -= (off_t)want;
        if (pread(fd, tail, want, end) != (ssize_t)want)
            return -1;
        const char *newline = memrchr(tail, '\n', want);
        if (newline || end == 0)
            return newline ? end + (newline - tail) + 1 : 0;
    }
    return size;
}

/* With the file locked. */
static enum status append(int fd, off_t size, struct span line)
{
    off_t end = whole_lines(fd, size);
    if (end < 0 || (end < size && ftruncate(fd, end) != 0))
        return ST_TEMP;
    if (file_write(fd, line) == ST_OK)
        return ST_OK;
    int why = errno;
    if (ftruncate(fd, end) == 0) /* else the next one does it */
        errno = why;
    return ST_TEMP;
}

enum status day_file_append(const struct day_file *kind, const char *spool, int64_t at, struct bytes *line)
{
    struct stat st;
    if (!bytes_add_char(line, '\n')) {
        errno = EMSGSIZE;
        return ST_TEMP;
    }
    int fd = open_day(kind, spool, at);
    if (fd < 0)
        return ST_TEMP;
    enum status status = file_lock(fd, LOCK_MS);
    if (status == ST_OK && fstat(fd, &st) != 0)
        status = ST_TEMP;
    if (status == ST_OK && st.st_size == 0)
        day_file_sweep(kind, spool, at);
    if (status == ST_OK && st.st_size + (off_t)line->len > (off_t)kind->limit)
        status = ST_PERM;
    if (status == ST_OK)
        status = append(fd, st.st_size, span_bytes(line));
    file_close(fd);
    return status;
}

void day_file_sweep(const struct day_file *kind, const char *spool, int64_t now)
{
    char folder[PATH_MAX], oldest[16];
    const struct dirent *entry;
    snprintf(folder, sizeof folder, "%s/%s", spool, kind->folder);
    DIR *dir = day_name(now - (int64_t)kind->days * DAY, oldest) ? opendir(folder) : NULL;
    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (ascii_digit(entry->d_name[0]) && strcmp(entry->d_name, oldest) < 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}
