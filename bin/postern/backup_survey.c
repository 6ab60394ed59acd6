/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An account's folders at one moment: the names of all messages, and each folder's own file and journal as
 * they were then.
 *
 * One folder after the other is read under its lock, held for as long as that takes. A message that moves
 * from a folder that is still to be read into one that was, would be missed; so all are looked at again until
 * nothing has changed since each was read: then all that was read was true at one time. Where mail moves so
 * often that this never comes, all locks are taken at once, without waiting for any, and everything is read
 * under them. Elsewhere nobody holds two; who doesn't wait for a lock can't be waited for by those he waits
 * for.
 */
#include "backup.h"
#include "base/files.h"
#include "base/siphash.h"
#include "base/sort.h"
#include "store/durable.h"
#include "store/journal.h"
#include "store/mailbox_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PASSES 6
#define PAUSE_MS 60 /* longer than the clock by which a change is told from none needs */
#define LOCK_TRIES 300
#define LOCK_PAUSE_MS 10
#define LOCKS_LIMIT 200 /* folders whose locks are held at once: four descriptors each */
#define DURABLE_FILE_LIMIT ((size_t)64 * 1024)

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static void close_folder(struct survey_folder *f)
{
    file_close(f->lock);
    file_close(f->new_dir);
    file_close(f->cur_dir);
    file_close(f->dir);
    f->dir = f->new_dir = f->cur_dir = f->lock = -1;
}

static void free_folder(struct survey_folder *f)
{
    close_folder(f);
    scan_free(&f->scan);
    bytes_free(&f->durable);
    bytes_free(&f->journal);
    free(f);
}

void survey_free(struct survey *s)
{
    for (size_t i = 0; i < s->count; i++)
        free_folder(s->folders[i]);
    free(s->folders);
    *s = (struct survey){ 0 };
}

void survey_email_id(const struct survey_folder *f, const struct filename *name, char id[EMAIL_ID_LIMIT + 1])
{
    id[0] = '\0';
    if (name->email_id.n)
        span_copy(name->email_id, id, EMAIL_ID_LIMIT + 1);
    else if (name->uid && name->validity == f->uid_validity)
        email_id_derive(f->mailbox_id, name->validity, name->uid, id);
}

/* ST_NONE: it is gone. */
static enum status open_folder(struct mail *mail, struct survey_folder *f)
{
    enum status st = folder_open(mail, span_of(f->name), &f->dir);
    if (st != ST_OK)
        return st;
    f->cur_dir = file_open_beneath(f->dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    f->new_dir = file_open_beneath(f->dir, "new", O_RDONLY | O_DIRECTORY, 0);
    if (f->cur_dir >= 0)
        return ST_OK;
    st = errno == ENOENT ? ST_NONE : ST_TEMP;
    close_folder(f);
    return st;
}

/* What stands where such a file should be, and is none, is none. */
static enum status read_own(int dir, const char *name, size_t limit, struct bytes *to)
{
    bytes_free(to);
    bytes_init(to, limit);
    enum status st = file_read_beneath(dir, name, to);
    if (st != ST_OK)
        bytes_free(to);
    return st == ST_TEMP ? ST_TEMP : ST_OK;
}

/* Is an earlier item another name of a later one's message, which it no longer has? */
static bool is_stale(const struct survey_folder *f, const struct found *item, const struct found *later)
{
    struct stat info;
    if (!span_eq(item->f.base, later->f.base))
        return false;
    if (item->in_new == later->in_new && strcmp(item->name, later->name) == 0)
        return true;
    return fstatat(item->in_new ? f->new_dir : f->cur_dir, item->name, &info, AT_SYMLINK_NOFOLLOW) != 0 &&
           errno == ENOENT;
}

/* A directory that changes while it is read gives names twice, and names of before. */
static bool drop_stale(struct survey_folder *f)
{
    static const uint64_t key[2] = {
        0, 0
    }; /* who makes many equal ones has his own mail's backup take longer */
    struct scan *s = &f->scan;
    struct sort_item *order = malloc((s->count + 1) * sizeof *order);
    size_t kept = 0;
    for (size_t i = 0; order && i < s->count; i++)
        order[i] = (struct sort_item){ siphash(key, s->items[i].f.base).low, (uint32_t)i };
    bool good = order && sort_items(order, s->count, NULL, NULL);
    for (size_t i = 0; good && i + 1 < s->count; i++)
        if (order[i].key == order[i + 1].key &&
            is_stale(f, &s->items[order[i].item], &s->items[order[i + 1].item]))
            s->items[order[i].item].record = UINT32_MAX; /* which nobody else uses here */
    for (size_t i = 0; good && i < s->count; i++)
        if (s->items[i].record != UINT32_MAX)
            s->items[kept++] = s->items[i];
    s->count = good ? kept : s->count;
    free(order);
    return good;
}

/* An opened folder; under its lock where it could be had. */
static enum status look(struct survey_folder *f)
{
    struct durable d;
    scan_free(&f->scan);
    f->scanned = false;
    enum status st = read_own(f->dir, "postern-folder", DURABLE_FILE_LIMIT, &f->durable);
    if (st == ST_OK)
        st = read_own(f->dir, "postern-journal", JOURNAL_LIMIT, &f->journal);
    if (st == ST_OK)
        st = scan_folder(f->new_dir, f->cur_dir, &f->scan);
    if (st == ST_OK && !drop_stale(f)) {
        errno = ENOMEM;
        st = ST_TEMP;
    }
    f->scanned = st == ST_OK;
    f->uid_validity = 0;
    if (st == ST_OK && durable_read(f->dir, &d) == ST_OK) {
        memcpy(f->mailbox_id, d.mailbox_id, sizeof f->mailbox_id);
        f->uid_validity = d.uid_validity;
        durable_free(&d);
    }
    return st;
}

static bool is_current(const struct survey_folder *f)
{
    return f->scanned && scan_current(f->new_dir, f->cur_dir, &f->scan);
}

/* The lock is a courtesy to journal and names: without it, where it can't be had, each is still whole. Who
 * holds one for so long may hold them all: of an account's locks only one is waited for in vain. */
static void take_lock(struct survey *s, struct survey_folder *f)
{
    f->lock = s->hurried ? folder_try_lock(f->dir) : folder_lock(f->dir);
    s->hurried = s->hurried || f->lock < 0;
}

static enum status visit(struct mail *mail, struct survey *s, struct survey_folder *f, bool *changed)
{
    enum status st = open_folder(mail, f);
    if (st == ST_NONE) {
        f->seen = false;
        return ST_OK;
    }
    if (st == ST_OK && !is_current(f)) {
        *changed = true;
        take_lock(s, f);
        st = look(f);
    }
    int saved = errno;
    close_folder(f);
    errno = saved;
    return st;
}

static struct survey_folder *find(struct survey *s, const char *name, size_t *hint)
{
    for (size_t i = 0; i < s->count; i++) {
        struct survey_folder *f = s->folders[(*hint + i) % s->count];
        if (strcmp(f->name, name) == 0) {
            *hint = (*hint + i + 1) % s->count;
            return f;
        }
    }
    return NULL;
}

static struct survey_folder *add(struct survey *s, const char *name)
{
    struct survey_folder **more = realloc(s->folders, (s->count + 1) * sizeof *more);
    if (more)
        s->folders = more;
    struct survey_folder *f = more ? calloc(1, sizeof *f) : NULL;
    if (!f)
        return NULL;
    f->dir = f->new_dir = f->cur_dir = f->lock = -1;
    if (!span_copy(span_of(name), f->name, sizeof f->name) ||
        !folder_path(span_of(name), f->path, sizeof f->path)) {
        free(f);
        errno = EINVAL;
        return NULL;
    }
    return s->folders[s->count++] = f;
}

/* The folders that there are: new ones come in, and `seen` says which still exist. */
static enum status list(struct mail *mail, struct survey *s, bool *changed)
{
    struct folder_list there;
    size_t hint = 0;
    enum status st = folders_list(mail, &there);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < s->count; i++)
        s->folders[i]->seen = false;
    for (size_t i = 0; st == ST_OK && i < there.count; i++) {
        if (!there.folders[i].exists)
            continue;
        struct survey_folder *f = find(s, there.folders[i].name, &hint);
        if (!f) {
            f = add(s, there.folders[i].name);
            *changed = true;
        }
        if (f)
            f->seen = true;
        else
            st = ST_TEMP;
    }
    int saved = errno;
    folders_free(&there);
    errno = saved;
    return st;
}

static void drop_unseen(struct survey *s, bool *changed)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->folders[i]->seen) {
            s->folders[kept++] = s->folders[i];
            continue;
        }
        free_folder(s->folders[i]);
        *changed = true;
    }
    s->count = kept;
}

static enum status pass(struct mail *mail, struct survey *s, bool *changed)
{
    enum status st = list(mail, s, changed);
    for (size_t i = 0; st == ST_OK && i < s->count; i++)
        if (s->folders[i]->seen)
            st = visit(mail, s, s->folders[i], changed);
    if (st == ST_OK)
        drop_unseen(s, changed);
    return st;
}

/* --- all locks at once */

static void close_all(struct survey *s)
{
    for (size_t i = 0; i < s->count; i++)
        close_folder(s->folders[i]);
}

/* ST_NONE: somebody holds one, or the folders changed. */
static enum status lock_all(struct mail *mail, struct survey *s)
{
    bool changed = false;
    enum status st = list(mail, s, &changed);
    drop_unseen(s, &changed);
    for (size_t i = 0; st == ST_OK && i < s->count; i++) {
        struct survey_folder *f = s->folders[i];
        st = open_folder(mail, f);
        if (st == ST_OK && (f->lock = folder_try_lock(f->dir)) < 0)
            st = errno == EWOULDBLOCK ? ST_NONE : ST_TEMP;
    }
    changed = false;
    if (st == ST_OK)
        st = list(mail, s, &changed);
    return st == ST_OK && changed ? ST_NONE : st;
}

static enum status under_locks(struct mail *mail, struct survey *s)
{
    enum status st = ST_NONE;
    for (int i = 0; st == ST_NONE && i < LOCK_TRIES && s->count <= LOCKS_LIMIT; i++) {
        st = lock_all(mail, s);
        if (st != ST_NONE)
            break;
        close_all(s);
        pause_ms(LOCK_PAUSE_MS);
    }
    for (size_t i = 0; st == ST_OK && i < s->count; i++)
        st = look(s->folders[i]);
    int saved = errno;
    close_all(s);
    errno = saved;
    return st;
}

/* A folder changed in the moment before it was read: whether it changed since can't be told by its time
 * yet. */
static bool is_young(const struct survey *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (!s->folders[i]->scan.settled)
            return true;
    return false;
}

enum status survey_take(struct mail *mail, struct survey *s)
{
    enum status st = ST_OK;
    *s = (struct survey){ 0 };
    for (int i = 0; st == ST_OK && i < PASSES; i++) {
        bool changed = false;
        if (i > 0 && is_young(s))
            pause_ms(PAUSE_MS);
        st = pass(mail, s, &changed);
        if (st != ST_OK || !changed)
            return st;
    }
    if (st == ST_OK)
        st = under_locks(mail, s);
    if (st != ST_NONE)
        return st;
    bool changed;
    st = pass(mail, s, &changed);
    return st == ST_OK ? ST_NONE : st;
}
