/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file of an account's last logins; see last_login.h. Fields are separated by one blank and hold none.
 * The lock is waited for a moment only: who doesn't get it leaves the record to the other.
 */
#include "store/last_login.h"
#include "base/clock.h"
#include "base/files.h"
#include "text/date.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "last-login"
#define LINE 256 /* bytes of a line with its LF: divides a sector or a page, whichever is written whole */
#define FILE_LIMIT (LAST_LOGIN_LINES * LINE)
#define LOCK_MS 200

_Static_assert(sizeof(struct last_login) + 4 <= LINE, "the longest fields fit in a line");

static bool path_of(const struct settings *s, const struct address *account, char *path, size_t size)
{
    if (strchr(account->text, '/')) {
        errno = EINVAL; /* such an account has no Maildir either */
        return false;
    }
    int n = snprintf(path, size, "%s/" FOLDER "/%s", s->spool, account->text);
    errno = ENAMETOOLONG;
    return n > 0 && (size_t)n < size;
}

static bool read_field(struct span *line, char *to, size_t size)
{
    struct span field;
    if (!span_cut(line, ' ', &field) || !field.n)
        return false;
    for (size_t i = 0; i < field.n; i++)
        if (field.p[i] <= ' ' || field.p[i] > '~')
            return false;
    return span_copy(field, to, size);
}

static bool read_line(const char *text, struct last_login *l)
{
    struct span line = { text, LINE - 1 };
    int64_t at;
    if (text[LINE - 1] != '\n')
        return false;
    return read_field(&line, l->time, sizeof l->time) && date_read_internet(span_of(l->time), &at) &&
           read_field(&line, l->name, sizeof l->name) && read_field(&line, l->service, sizeof l->service) &&
           read_field(&line, l->peer, sizeof l->peer) && span_trim(line).n == 0;
}

static bool write_line(const struct last_login *l, char text[LINE + 1])
{
    int n = snprintf(text, LINE, "%s %s %s %s", l->time, l->name, l->service, l->peer);
    if (n < 0 || n >= LINE - 1)
        return false;
    memset(text + n, ' ', LINE - 1 - (size_t)n);
    text[LINE - 1] = '\n';
    return true;
}

/* Where `name` stands, or else would: behind all, or in place of one that is none or the oldest. *old is
 * empty where it has no line. */
static off_t find_place(const char *text, size_t length, const char *name, struct last_login *old)
{
    struct last_login l, oldest = { .time = "" };
    size_t place = 0, lines = length / LINE;
    for (size_t i = 0; i < lines; i++) {
        bool good = read_line(text + i * LINE, &l);
        if (good && strcmp(l.name, name) == 0) {
            *old = l;
            return (off_t)(i * LINE);
        }
        if (!good)
            l.time[0] = '\0';
        if (i == 0 || strcmp(l.time, oldest.time) < 0) {
            oldest = l;
            place = i;
        }
    }
    *old = (struct last_login){ .time = "" };
    bool room = lines < LAST_LOGIN_LINES && (lines == 0 || oldest.time[0]);
    return (off_t)((room ? lines : place) * LINE);
}

static int open_file(const struct settings *s, const char *path)
{
    char folder[PATH_MAX];
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, fd = open(path, flags, 0600);
    if (fd >= 0 || errno != ENOENT || snprintf(folder, sizeof folder, "%s/" FOLDER, s->spool) >= PATH_MAX)
        return fd;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return -1;
    return open(path, flags, 0600);
}

static bool is_recent(const struct last_login *l, int64_t now)
{
    int64_t at;
    return l->time[0] && date_read_internet(span_of(l->time), &at) && at <= now &&
           now - at < LAST_LOGIN_AGAIN;
}

/* What the file holds: how many bytes, or -1. */
static ssize_t load(int fd, char text[FILE_LIMIT])
{
    ssize_t n = pread(fd, text, FILE_LIMIT, 0);
    return n < 0 ? n : n - n % LINE;
}

static bool update(int fd, const struct last_login *new, int64_t now)
{
    char text[FILE_LIMIT], line[LINE + 1];
    struct last_login old;
    ssize_t n = load(fd, text);
    if (n < 0)
        return false;
    off_t at = find_place(text, (size_t)n, new->name, &old);
    if (is_recent(&old, now))
        return true;
    if (file_lock(fd, LOCK_MS) != ST_OK)
        return errno == EWOULDBLOCK;
    if ((n = load(fd, text)) < 0)
        return false;
    at = find_place(text, (size_t)n, new->name, &old); /* another may have written meanwhile */
    errno = EMSGSIZE;
    return write_line(new, line) && pwrite(fd, line, LINE, at) == LINE;
}

bool last_login_note(const struct settings *s, const struct address *account, const char *name,
                     const char *service, const char *peer)
{
    char path[PATH_MAX];
    struct last_login l = { .time = "" };
    struct bytes time;
    int64_t now = clock_now();
    if (!path_of(s, account, path, sizeof path))
        return false;
    bytes_init(&time, sizeof l.time - 1);
    bool good = date_write_internet(now, &time) && span_copy(span_bytes(&time), l.time, sizeof l.time) &&
                span_copy(span_of(name), l.name, sizeof l.name) &&
                span_copy(span_of(service), l.service, sizeof l.service) &&
                span_copy(span_of(peer), l.peer, sizeof l.peer);
    bytes_free(&time);
    int fd = good ? open_file(s, path) : -1;
    good = fd >= 0 && update(fd, &l, now);
    file_close(fd);
    return good;
}

enum status last_login_each(const struct settings *s, const struct address *account,
                            bool (*each)(const struct last_login *line, void *data), void *data)
{
    char path[PATH_MAX], text[FILE_LIMIT];
    struct last_login l;
    if (!path_of(s, account, path, sizeof path))
        return ST_NONE;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return status_of_errno(errno);
    ssize_t n = load(fd, text);
    file_close(fd);
    for (ssize_t i = 0; i < n; i += LINE)
        if (read_line(text + i, &l) && !each(&l, data))
            break;
    return n < 0 ? ST_TEMP : n == 0 ? ST_NONE : ST_OK;
}

struct wanted {
    const char *name;
    struct last_login *found;
};

static bool look(const struct last_login *line, void *data)
{
    struct wanted *w = data;
    if ((!w->name || strcmp(line->name, w->name) == 0) && strcmp(line->time, w->found->time) > 0)
        *w->found = *line;
    return true;
}

enum status last_login_find(const struct settings *s, const struct address *account, const char *name,
                            struct last_login *found)
{
    struct wanted w = { name, found };
    *found = (struct last_login){ .time = "" };
    enum status st = last_login_each(s, account, look, &w);
    return st == ST_OK && !found->time[0] ? ST_NONE : st;
}

void last_login_forget(const struct settings *s, const struct address *account)
{
    char path[PATH_MAX];
    if (path_of(s, account, path, sizeof path))
        unlink(path);
}
