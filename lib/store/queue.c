/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue's directories, IDs and wake-up. This is the table of what can lie on disk, and so of what
 * a crash can leave behind; the files beside this one hold the code: queue_write.c brings a
 * message in, queue_read.c reads it, queue_defer.c marks, moves, lists and removes it, queue_sweep.c tidies.
 *
 *     files below spool/queue                       the message
 *     tmp/ID                                        is being written; nobody was promised anything
 *     ID                                            is to be tried now; its marks say for whom
 *     ID, deferred/DUE/ID.why                       the same: a crash came in the middle of a deferral
 *     deferred/DUE/ID, deferred/DUE/ID.why          waits until DUE (seconds since 1970)
 *     deferred/DUE/ID                               the same; what is known of earlier attempts was lost
 *     deferred/NEW/ID + .why, deferred/OLD/ID.why   waits until NEW
 *     deferred/DUE/ID.why                           is gone; the orphan means nothing
 *     all marks D or B, wherever it lies            is done; a crash came before its removal
 *     a mark F                                      a bounce must be made before anything else is tried
 *     a mark R, L or X                              the same for a report of success
 *
 * So each step leaves the message whole in exactly one place: a name appears by rename (never by copying),
 * and no power cut leaves ID without what is in it (file_write_out() in files.h; both are there for good when
 * the 250 is said, and not always before, which qrun doesn't wait for). ID.why is written before its message
 * moves beside it, and ID is removed before its ID.why. What a crash leaves in tmp/ and the orphans are
 * removed by queue_sweep() when they are old enough that nobody can still be at work on them.
 *
 * Marks: T to do, D done, F failed (bounce owed), B bounced, H held; R relayed, L delivered here, X expanded
 * (each done, and the report that the sender asked for is owed; then D). One byte overwritten in place can't
 * be torn. D is on disk before the next message is sent over the same connection, so a crash repeats at most
 * the transaction of each connection that it interrupted; where a message is done with, its removal stands
 * for D. Marks, removals and deferrals of several messages share one fsync (queue_changes). ID.why is not
 * synced: a power cut may lose it, which costs an attempt too early; unless it remembers that the sender has
 * just been told of a delay. A bounce's ID is made from the message's and from the first recipient it is
 * about; B marks are written from the last recipient to the first, so that after a crash the same ID comes
 * out, and the bounce that is there already is seen.
 *
 * An fsync that failed isn't asked for again: the kernel says once that something was lost, and forgets it.
 * What is to be safe after that is written anew.
 *
 * Considered and refused: an index of due times (a second truth that can disagree); the due time in the
 * file's name (a run would read 10,000 names); one directory a second (a search by ID would look into
 * thousands): the directories are as coarse as the delay is long.
 */
#include "store/queue_private.h"
#include "base/clock.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DUE_TIMES_LIMIT 100000 /* directories below deferred/ that are looked at */
#define FIND_TRIES 3           /* a message may move while it is looked for */

static enum status make_dir(int dir, const char *name)
{
    if (mkdirat(dir, name, 0700) == 0)
        return file_sync_dir(dir, NULL);
    return errno == EEXIST ? ST_OK : ST_TEMP;
}

enum status queue_open(const char *spool, int *queue_dir)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/queue", spool) >= sizeof path) {
        errno = ENAMETOOLONG;
        return ST_PERM;
    }
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT) {
        if (file_make_dirs(path, 0700) != ST_OK)
            return ST_TEMP;
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (dir < 0)
        return ST_TEMP;
    if (make_dir(dir, QUEUE_TMP) != ST_OK || make_dir(dir, QUEUE_DEFERRED) != ST_OK) {
        file_close(dir);
        return ST_TEMP;
    }
    *queue_dir = dir;
    return ST_OK;
}

static void write_id(char to[QUEUE_ID_LIMIT], uint64_t us, uint64_t rest)
{
    snprintf(to, QUEUE_ID_LIMIT, "%014" PRIx64 "-%016" PRIx64, us & 0xffffffffffffff, rest);
}

void queue_new_id(char to[QUEUE_ID_LIMIT])
{
    write_id(to, (uint64_t)clock_now_us(), random_u64());
}

bool queue_id_valid(const char *id)
{
    for (size_t i = 0; i < 31; i++) {
        bool good = i == 14 ? id[i] == '-' : ascii_digit(id[i]) || (id[i] >= 'a' && id[i] <= 'f');
        if (!good)
            return false;
    }
    return id[31] == '\0';
}

int64_t queue_id_time(const char *id)
{
    uint64_t us = 0;
    span_hex(span_head(span_of(id), 14), UINT64_MAX, &us);
    return (int64_t)(us / 1000000);
}

/* FNV-1a: it need not be secret, only the same each time. The time is the message's and a microsecond, so
 * that the message comes before its bounce in every list. */
void queue_report_id(const char *id, const char *kind, size_t first_recipient, char to[QUEUE_ID_LIMIT])
{
    char text[2 * QUEUE_ID_LIMIT + 24];
    uint64_t hash = 0xcbf29ce484222325u;
    snprintf(text, sizeof text, "%s %zu%s%s", id, first_recipient, kind[0] ? " " : "", kind);
    for (const char *p = text; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    write_id(to, strtoull(id, NULL, 16) + 1, hash);
}

void queue_due_path(int64_t due, char path[QUEUE_PATH_LIMIT])
{
    snprintf(path, QUEUE_PATH_LIMIT, QUEUE_DEFERRED "/%" PRId64, due);
}

static int by_number(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static bool add_time(int64_t **times, size_t *count, size_t *room, int64_t value)
{
    if (*count == *room) {
        size_t more = *room ? *room * 2 : 64;
        int64_t *grown = realloc(*times, more * sizeof **times);
        if (!grown)
            return false;
        *times = grown;
        *room = more;
    }
    (*times)[(*count)++] = value;
    return true;
}

enum status queue_due_times(int queue_dir, int64_t **times, size_t *count)
{
    int fd = openat(queue_dir, QUEUE_DEFERRED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t room = 0;
    *times = NULL;
    *count = 0;
    if (!dir) {
        bool none = fd < 0 && errno == ENOENT;
        file_close(fd);
        return none ? ST_OK : ST_TEMP;
    }
    bool ok = true;
    errno = 0;
    for (struct dirent *e; ok && *count < DUE_TIMES_LIMIT && (e = readdir(dir)) != NULL;) {
        uint64_t value;
        if (span_u64(span_of(e->d_name), INT64_MAX, &value))
            ok = add_time(times, count, &room, (int64_t)value);
    }
    ok = ok && errno == 0;
    closedir(dir);
    if (!ok) {
        free(*times);
        *times = NULL;
        *count = 0;
        return ST_TEMP;
    }
    if (*count)
        qsort(*times, *count, sizeof **times, by_number);
    return ST_OK;
}

static enum status find_once(int queue_dir, const char *id, char path[QUEUE_PATH_LIMIT])
{
    struct stat st;
    snprintf(path, QUEUE_PATH_LIMIT, "%s", id);
    if (fstatat(queue_dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return ST_OK;
    if (errno != ENOENT)
        return ST_TEMP;
    int64_t *times;
    size_t count;
    if (queue_due_times(queue_dir, &times, &count) != ST_OK)
        return ST_TEMP;
    enum status result = ST_NONE;
    for (size_t i = 0; i < count && result == ST_NONE; i++) {
        snprintf(path, QUEUE_PATH_LIMIT, QUEUE_DEFERRED "/%" PRId64 "/%s", times[i], id);
        if (fstatat(queue_dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            result = ST_OK;
        else if (errno != ENOENT)
            result = ST_TEMP;
    }
    free(times);
    return result;
}

enum status queue_find(int queue_dir, const char *id, char path[QUEUE_PATH_LIMIT])
{
    enum status st = ST_NONE;
    if (!queue_id_valid(id))
        return ST_NONE;
    for (int i = 0; i < FIND_TRIES && st == ST_NONE; i++)
        st = find_once(queue_dir, id, path);
    return st;
}

enum status queue_find_near(int queue_dir, const char *id, int64_t near, char path[QUEUE_PATH_LIMIT])
{
    struct stat st;
    snprintf(path, QUEUE_PATH_LIMIT, QUEUE_DEFERRED "/%" PRId64 "/%s", near, id);
    if (near > 0 && queue_id_valid(id) && fstatat(queue_dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return ST_OK;
    return queue_find(queue_dir, id, path);
}

int queue_wake_open(const char *spool)
{
    char path[PATH_MAX];
    struct stat st;
    if ((size_t)snprintf(path, sizeof path, "%s/wake", spool) >= sizeof path)
        return -1;
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)))
        return fd;
    close(fd);
    return -1;
}

/* Whatever goes wrong here, the timer's next run finds the message. */
static void write_line(int wake, const char *word, const char *text)
{
    char line[QUEUE_ID_LIMIT + ADDRESS_LIMIT];
    int saved = errno, n = snprintf(line, sizeof line, "%s%s\n", word, text);
    if (wake >= 0 && n > 0 && (size_t)n < sizeof line && write(wake, line, (size_t)n) < 0)
        errno = saved;
}

void queue_wake(const char *spool, const char *id)
{
    int saved = errno, wake = queue_wake_open(spool);
    write_line(wake, "", id ? id : "*");
    file_close(wake);
    errno = saved;
}

void queue_wake_learn(int wake, const char *account)
{
    write_line(wake, QUEUE_WAKE_LEARN, account);
}
