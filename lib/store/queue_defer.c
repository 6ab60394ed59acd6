/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What becomes of a queued message: its marks, its deferral under a due time, its removal, and the
 * lists of what is there. The order of the steps is argued in queue.c.
 */
#include "store/queue_private.h"
#include "base/clock.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST_LIMIT 10000000   /* messages that are listed */
#define GRACE_SECONDS (4 * 3600)
#define DEFER_TRIES 5         /* a due directory may be removed by a sweep just before the rename */

static bool put_mark(const struct queue_message *m, const struct queue_recipient *r)
{
    ssize_t n;
    do
        n = pwrite(m->fd, &r->mark, 1, r->at);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

enum status queue_try_mark(const struct queue_message *m)
{
    return put_mark(m, &m->recipients[0]) ? ST_OK : ST_TEMP;
}

/* Every recipient gets its mark in memory, whatever the disk says: what was sent must not be sent again by
 * this run. */
enum status queue_put_marks(struct queue_message *m, const size_t *indexes, size_t count, char mark)
{
    bool good = true;
    for (size_t i = count; i-- > 0;) {
        struct queue_recipient *r = &m->recipients[indexes[i]];
        r->mark = mark;
        good = put_mark(m, r) && good;
    }
    return good ? ST_OK : ST_TEMP;
}

enum status queue_sync_marks(const struct queue_message *m)
{
    return fdatasync(m->fd) == 0 ? ST_OK : ST_TEMP;
}

enum status queue_mark_all(struct queue_message *m, const size_t *indexes, size_t count, char mark)
{
    enum status st = queue_put_marks(m, indexes, count, mark);
    if (count && queue_sync_marks(m) != ST_OK)
        st = ST_TEMP;
    return st;
}

enum status queue_mark(struct queue_message *m, size_t index, char mark)
{
    return queue_mark_all(m, &index, 1, mark);
}

int64_t queue_backoff(uint64_t first, uint64_t most, unsigned attempts, uint64_t random)
{
    uint64_t delay = first ? first : 1;
    for (unsigned i = 1; i < attempts && delay < most; i++)
        delay = delay > most / 2 ? most : delay * 2;
    if (delay > most && most)
        delay = most;
    uint64_t spread = delay / 10;
    delay = delay - spread + random % (2 * spread + 1);
    return delay > INT32_MAX ? INT32_MAX : (int64_t)delay;
}

int64_t queue_since(const struct queue_message *m)
{
    return m->options.release > m->queued ? m->options.release : m->queued;
}

int64_t queue_grace(uint64_t lifetime)
{
    return lifetime < GRACE_SECONDS ? (int64_t)lifetime : GRACE_SECONDS;
}

/* A multiple of the delay's order of size, so that there are hundreds of directories at most; never before
 * `next`. */
static int64_t due_time(int64_t next)
{
    int64_t delay = next - clock_now();
    int64_t step = delay < 60 ? 1 : delay < 3600 ? 16 : QUEUE_DUE_STEP;
    return (next + step - 1) / step * step;
}

static bool write_why(const struct queue_message *m, struct bytes *out)
{
    bytes_printf(out, "next %" PRId64 "\nattempts %u\n", m->next_attempt, m->attempts);
    if (m->told)
        bytes_printf(out, "told %" PRId64 "\n", m->told);
    if (m->until)
        bytes_printf(out, "until %" PRId64 "\n", m->until);
    for (size_t i = 0; i < m->recipient_count; i++) {
        struct span reply = span_head(span_of(m->replies[i]), QUEUE_REPLY_LIMIT);
        char mark = m->recipients[i].mark;
        if (reply.n == 0 || mark == QUEUE_DONE || mark == QUEUE_BOUNCED)
            continue;
        bytes_printf(out, "%zu ", i);
        for (size_t k = 0; k < reply.n; k++) {
            unsigned char c = (unsigned char)reply.p[k];
            bytes_add_char(out, c < ' ' || c == 0x7f ? '?' : (char)c);
        }
        bytes_add_char(out, '\n');
    }
    return !out->failed;
}

/* --- changes that wait for their sync */

static int64_t due_of(const char *path)
{
    struct span rest = span_of(path), part;
    uint64_t due;
    bool deferred = span_cut(&rest, '/', &part) && rest.p && span_cut(&rest, '/', &part) &&
                    span_u64(part, INT64_MAX, &due);
    return deferred ? (int64_t)due : -1;
}

static enum status sync_due(int queue_dir, int64_t due)
{
    char path[QUEUE_PATH_LIMIT];
    queue_due_path(due, path);
    int fd = openat(queue_dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) /* emptied and removed meanwhile */
        return errno == ENOENT ? ST_OK : ST_TEMP;
    enum status st = file_sync_dir(fd, NULL);
    file_close(fd);
    return st;
}

enum status queue_sync(int queue_dir, struct queue_changes *later)
{
    bool good = !later->top || file_sync_dir(queue_dir, NULL) == ST_OK;
    if (later->deferred)
        good = file_sync_dir(queue_dir, QUEUE_DEFERRED "/.") == ST_OK && good;
    for (size_t i = 0; i < later->due_count; i++)
        good = sync_due(queue_dir, later->due[i]) == ST_OK && good;
    *later = (struct queue_changes){ 0 };
    return good ? ST_OK : ST_TEMP;
}

/* The directory that `path` is in has changed. */
static void changed(int queue_dir, struct queue_changes *later, const char *path)
{
    int64_t due = due_of(path);
    if (due < 0) {
        later->top = true;
        return;
    }
    for (size_t i = 0; i < later->due_count; i++)
        if (later->due[i] == due)
            return;
    if (later->due_count == QUEUE_CHANGES_DUE)
        queue_sync(queue_dir, later);
    later->due[later->due_count++] = due;
}

static enum status make_due_dir(int queue_dir, const char *path, struct queue_changes *later)
{
    if (mkdirat(queue_dir, path, 0700) == 0) {
        later->deferred = true;
        return ST_OK;
    }
    return errno == EEXIST ? ST_OK : ST_TEMP;
}

/* Beside its message, readable whole or not at all to whoever runs at the same time. Mostly it isn't synced:
 * it is only a memory, and what a power cut leaves of it is passed over if it isn't right. */
static enum status write_beside(int queue_dir, const char *path, struct span text, bool sync)
{
    char fresh[QUEUE_PATH_LIMIT + QUEUE_ID_LIMIT + 16];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = openat(queue_dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return ST_TEMP;
    enum status st = file_write(fd, text);
    if (st == ST_OK && sync && fdatasync(fd) != 0)
        st = ST_TEMP;
    file_close(fd);
    if (st == ST_OK && renameat(queue_dir, fresh, queue_dir, path) != 0)
        st = ST_TEMP;
    if (st != ST_OK) {
        int saved = errno;
        unlinkat(queue_dir, fresh, 0);
        errno = saved;
    }
    return st;
}

/* ID.why first; if there is no room for it the message still moves, so that a full disk doesn't make us try
 * without end. */
static enum status move_to(int queue_dir, const struct queue_message *m, const char *from, const char *due,
                           struct span why, struct queue_changes *later)
{
    char to[QUEUE_PATH_LIMIT + QUEUE_ID_LIMIT], to_why[QUEUE_PATH_LIMIT + QUEUE_ID_LIMIT + 8];
    snprintf(to, sizeof to, "%s/%s", due, m->id);
    snprintf(to_why, sizeof to_why, "%s.why", to);
    enum status written = make_due_dir(queue_dir, due, later);
    if (written != ST_OK)
        return written;
    written = write_beside(queue_dir, to_why, why, m->sync_why);
    if (written != ST_OK && m->sync_why) /* worth another try: forgetting it tells the sender twice */
        written = write_beside(queue_dir, to_why, why, true);
    int saved = errno;
    if (strcmp(from, to) != 0) {
        char from_why[QUEUE_PATH_LIMIT + 8];
        if (renameat(queue_dir, from, queue_dir, to) != 0)
            return status_of_errno(errno);
        changed(queue_dir, later, to);
        changed(queue_dir, later, from);
        snprintf(from_why, sizeof from_why, "%s.why", from);
        unlinkat(queue_dir, from_why, 0);
    }
    errno = saved;
    return written;
}

static void remove_due_dir_of(int queue_dir, char *path)
{
    char *slash = strrchr(path, '/');
    int saved = errno;
    if (slash) {
        *slash = '\0';
        unlinkat(queue_dir, path, AT_REMOVEDIR); /* fails while it isn't empty */
    }
    errno = saved;
}

enum status queue_defer_later(int queue_dir, struct queue_message *m, struct queue_changes *later)
{
    char from[QUEUE_PATH_LIMIT], due[QUEUE_PATH_LIMIT];
    struct bytes why;
    bytes_init(&why, QUEUE_WHY_LIMIT);
    enum status st = write_why(m, &why) ? ST_OK : ST_TEMP;
    queue_due_path(due_time(m->next_attempt), due);
    if (st == ST_OK)
        st = queue_find_near(queue_dir, m->id, m->near, from);
    if (st == ST_OK) {
        for (int i = 0; i < DEFER_TRIES; i++) {
            st = move_to(queue_dir, m, from, due, span_bytes(&why), later);
            if (st != ST_NONE)
                break;
        }
        if (st == ST_OK && strncmp(from, due, strlen(due)) != 0)
            remove_due_dir_of(queue_dir, from);
    }
    bytes_free(&why);
    return st == ST_NONE ? ST_TEMP : st;
}

enum status queue_remove_later(int queue_dir, struct queue_message *m, struct queue_changes *later)
{
    char path[QUEUE_PATH_LIMIT], why[QUEUE_PATH_LIMIT + 8];
    enum status st = queue_find_near(queue_dir, m->id, m->near, path);
    if (st != ST_OK)
        return st;
    if (unlinkat(queue_dir, path, 0) != 0)
        return status_of_errno(errno);
    changed(queue_dir, later, path);
    snprintf(why, sizeof why, "%s.why", path);
    unlinkat(queue_dir, why, 0);
    remove_due_dir_of(queue_dir, path);
    return ST_OK;
}

struct list {
    struct queue_place *places;
    size_t count, room;
};

static bool list_add(struct list *l, const char *id, int64_t due)
{
    if (l->count == l->room) {
        size_t more = l->room ? l->room * 2 : 64;
        struct queue_place *grown = realloc(l->places, more * sizeof *grown);
        if (!grown)
            return false;
        l->places = grown;
        l->room = more;
    }
    struct queue_place *p = &l->places[l->count];
    p->due = due;
    snprintf(p->id, sizeof p->id, "%.*s", QUEUE_ID_LIMIT - 1, id);
    return ++l->count <= LIST_LIMIT;
}

static enum status list_dir(int queue_dir, const char *path, int64_t due, struct list *l)
{
    int fd = openat(queue_dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        bool none = fd < 0 && errno == ENOENT; /* emptied and removed meanwhile */
        file_close(fd);
        return none ? ST_OK : ST_TEMP;
    }
    bool good = true;
    errno = 0;
    for (struct dirent *e; good && (e = readdir(dir)) != NULL;)
        if (queue_id_valid(e->d_name))
            good = list_add(l, e->d_name, due);
    good = good && errno == 0;
    closedir(dir);
    return good ? ST_OK : ST_TEMP;
}

static int by_id(const void *a, const void *b)
{
    const struct queue_place *x = a, *y = b;
    return strcmp(x->id, y->id);
}

/* A message that moved while we looked is seen twice. */
static void sort_once(struct list *l)
{
    size_t kept = 0;
    if (l->count)
        qsort(l->places, l->count, sizeof *l->places, by_id);
    for (size_t i = 0; i < l->count; i++)
        if (!kept || by_id(&l->places[kept - 1], &l->places[i]) != 0)
            l->places[kept++] = l->places[i];
    l->count = kept;
}

enum status queue_list(int queue_dir, bool due, struct queue_place **places, size_t *count)
{
    struct list l = { 0 };
    int64_t *times = NULL, now = clock_now();
    size_t time_count = 0;
    *places = NULL;
    *count = 0;
    enum status st = list_dir(queue_dir, ".", 0, &l);
    if (st == ST_OK)
        st = queue_due_times(queue_dir, &times, &time_count);
    for (size_t i = 0; i < time_count && st == ST_OK && (!due || times[i] <= now); i++) {
        char path[QUEUE_PATH_LIMIT];
        queue_due_path(times[i], path);
        st = list_dir(queue_dir, path, times[i], &l);
    }
    free(times);
    if (st != ST_OK) {
        free(l.places);
        return st;
    }
    sort_once(&l);
    *places = l.places;
    *count = l.count;
    return ST_OK;
}
