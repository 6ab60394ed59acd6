/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A folder's messages from a backup into a folder that may be in use.
 *
 * All are written to tmp/ and brought to disk, read back from there and compared with the backup's list;
 * then, under the folder's lock, they get their names by renames. So either all come or none, and what comes
 * was proved before.
 *
 * A folder that never gave a UID becomes what the backup has: UIDVALIDITY, UIDs, keywords, MAILBOXID and
 * flags, so that mail programs go on where they were. How far UIDs and mod-sequences had gone since the
 * backup isn't known, so both are moved on by more than can have been given: no UID is ever given twice, and
 * QRESYNC says what went and what is new. The folder's own file is replaced last: what a crash leaves before
 * that is done again. In any other folder the messages are new ones: they come without a UID, and the next
 * session gives them theirs.
 */
#include "restore_account.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define AHEAD 64 /* files that are fetched before they are read back */

struct staged {
    size_t item;
    uint64_t size;
    bool damaged; /* so it was in the backup, and so it comes */
};

struct target {
    struct restoring *a;
    const struct old_folder *from;
    const char *name;
    int dir, tmp_dir, new_dir, cur_dir;
    uint64_t unique; /* in the names of our files in tmp/ */
    struct staged *staged;
    size_t count;
    uint64_t bytes;
    struct tally *tally;
};

static int failed(const struct target *t, const char *what)
{
    int saved = errno;
    progress_end(&t->a->r->progress);
    return complain(EX_IOERR, "%s: folder %s: %s: %s", t->a->address, t->name, what, strerror(saved));
}

static void temporary_name(const struct target *t, size_t n, char to[64])
{
    snprintf(to, 64, "postern-restore.%016" PRIx64 ".%zu", t->unique, n);
}

static void clear(struct target *t)
{
    char name[64];
    for (size_t i = 0; i < t->count; i++) {
        temporary_name(t, i, name);
        unlinkat(t->tmp_dir, name, 0);
    }
}

/* --- the folder */

/* One that isn't there is made without a file of its own: it may get the backup's. */
static enum status make_folder(struct restoring *a, const char *name)
{
    char path[FOLDER_NAME_LIMIT + 2];
    enum status st = folder_exists(a->mail, span_of(name));
    if (st != ST_NONE)
        return st;
    if (a->r->to[0])
        return folder_create(a->mail, span_of(name));
    if (!folder_path(span_of(name), path, sizeof path))
        return ST_PERM;
    if (mkdirat(mail_dir(a->mail), path, 0700) != 0 && errno != EEXIST)
        return ST_TEMP;
    int dir = file_open_beneath(mail_dir(a->mail), path, O_RDONLY | O_DIRECTORY, 0);
    st = dir < 0 ? ST_TEMP : folder_make_parts(dir);
    file_close(dir);
    return st == ST_OK ? file_sync_dir(mail_dir(a->mail), NULL) : st;
}

int restore_make_folder(struct restoring *a, const char *name)
{
    if (make_folder(a, name) == ST_OK)
        return EX_OK;
    int saved = errno;
    progress_end(&a->r->progress);
    return complain(EX_IOERR, "%s: folder %s: can't be made: %s", a->address, name, strerror(saved));
}

static int open_parts(struct target *t)
{
    if (folder_open(t->a->mail, span_of(t->name), &t->dir) != ST_OK)
        return failed(t, "can't be opened");
    if (folder_make_parts(t->dir) != ST_OK)
        return failed(t, "can't be made");
    t->tmp_dir = file_open_beneath(t->dir, "tmp", O_RDONLY | O_DIRECTORY, 0);
    t->new_dir = file_open_beneath(t->dir, "new", O_RDONLY | O_DIRECTORY, 0);
    t->cur_dir = file_open_beneath(t->dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    return t->tmp_dir < 0 || t->new_dir < 0 || t->cur_dir < 0 ? failed(t, "can't be opened") : EX_OK;
}

/* --- messages into tmp/ */

static int stage(struct target *t, size_t item, const struct old_message *m, int from)
{
    char name[64];
    bool writing;
    temporary_name(t, t->count, name);
    int to = openat(t->tmp_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return failed(t, "can't be written");
    t->staged[t->count++] = (struct staged){ .item = item, .size = m->entry.size };
    enum status st = restore_read(t->a->r, from, &m->entry, to, &writing);
    bool timed = futimens(to, (struct timespec[2]){ { .tv_nsec = UTIME_OMIT }, m->entry.mtime }) == 0;
    int saved = errno;
    file_close(to);
    errno = saved;
    if (writing || !timed)
        return failed(t, "can't be written");
    if (st == ST_OK)
        return EX_OK;
    t->tally->damaged++;
    list_wrong(t->a->r, "damaged", m->entry.path);
    t->staged[t->count - 1].damaged = true;
    if (st == ST_TEMP) /* half of it is no message */
        unlinkat(t->tmp_dir, name, 0), t->count--;
    return EX_OK;
}

static int stage_one(struct target *t, size_t item)
{
    struct restore *r = t->a->r;
    struct old_message m;
    int fd, result = EX_OK;
    if (!plan_message(t->a, &t->a->items[item], &m)) {
        t->tally->damaged++;
        list_wrong(r, "damaged", m.entry.path);
        return EX_OK;
    }
    if (plan_is_present(t->a, &m)) {
        t->tally->present++;
        return EX_OK;
    }
    enum status st = m.entry.kind == MANIFEST_UNREAD ? ST_NONE : restore_file(r, &m.entry, &fd);
    if (st == ST_OK) {
        result = stage(t, item, &m, fd);
        file_close(fd);
    } else if (st == ST_NONE) {
        t->tally->missing++;
        list_wrong(r, "missing", m.entry.path);
    } else {
        t->tally->damaged++;
        list_wrong(r, "damaged", m.entry.path);
    }
    progress_show(&r->progress, span_of(t->name), t->count, item - t->from->first + 1, t->from->count);
    return result;
}

/* What was written is to come from the disk, not from memory, as far as the kernel lets us; some files ahead,
 * so that the disk has more than one to fetch. */
static void fetch(const struct target *t, size_t n)
{
    char name[64];
    if (n >= t->count)
        return;
    temporary_name(t, n, name);
    int fd = file_open_beneath(t->tmp_dir, name, O_RDONLY, 0);
    if (fd >= 0) {
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    }
    file_close(fd);
}

static int read_back(struct target *t, size_t n)
{
    struct old_message m;
    char name[64];
    bool writing;
    temporary_name(t, n, name);
    int fd = file_open_beneath(t->tmp_dir, name, O_RDONLY, 0);
    if (fd < 0 || !plan_message(t->a, &t->a->items[t->staged[n].item], &m))
        return failed(t, "can't be read back");
    enum status st = restore_read(t->a->r, fd, &m.entry, -1, &writing);
    file_close(fd);
    if (st == ST_TEMP)
        return failed(t, "can't be read back");
    if (st == ST_PERM && !t->staged[n].damaged) {
        errno = EIO;
        return failed(t, "isn't on disk as it was written");
    }
    t->bytes += m.entry.size;
    return EX_OK;
}

static int stage_all(struct target *t)
{
    int result = EX_OK;
    t->unique = random_u64();
    t->staged = calloc(t->from->count + 1, sizeof *t->staged);
    if (!t->staged)
        return failed(t, "can't be restored");
    for (size_t i = 0; result == EX_OK && i < t->from->count; i++)
        result = stage_one(t, t->from->first + i);
    if (result == EX_OK && t->count && syncfs(t->tmp_dir) != 0)
        result = failed(t, "can't be written");
    for (size_t i = 0; result == EX_OK && i < AHEAD; i++)
        fetch(t, i);
    for (size_t i = 0; result == EX_OK && i < t->count; i++) {
        fetch(t, i + AHEAD);
        result = read_back(t, i);
    }
    return result;
}

/* --- to their places, under the lock */

/* May the folder become what the backup has? No other one of the account is that already, under another
 * name. */
static bool is_free(const struct target *t)
{
    const struct durable *d = &t->from->durable;
    if (!d->uid_validity || t->a->r->to[0])
        return false;
    for (size_t i = 0; i < t->a->now.count; i++) {
        const struct survey_folder *f = t->a->now.folders[i];
        if (strcmp(f->name, t->name) != 0 && strcmp(f->mailbox_id, d->mailbox_id) == 0)
            return false;
    }
    return true;
}

/* The backup's letters as the folder has them: *bits by letter. */
static enum status map_keywords(struct target *t, struct durable *d, uint32_t bits[MAILBOX_KEYWORDS])
{
    const struct durable *from = &t->from->durable;
    bool changed = false;
    for (int i = 0; i < MAILBOX_KEYWORDS; i++) {
        int letter = -1;
        bits[i] = 0;
        if (!from->uid_validity || !from->keywords[i])
            continue;
        letter = durable_keyword(d, span_of(from->keywords[i]));
        if (letter < 0 && durable_add_keyword(d, span_of(from->keywords[i]), 0, &letter) == ST_OK)
            changed = true;
        bits[i] = letter >= 0 ? (uint32_t)1 << letter : 0;
    }
    return changed ? durable_write(t->dir, d) : ST_OK;
}

static bool new_name(const struct old_message *m, const uint32_t bits[MAILBOX_KEYWORDS],
                     char name[FILENAME_LIMIT + 1])
{
    struct filename f = m->f;
    struct filename_new n = {
        .size = f.size, .wire = f.wire, .flags = m->flags & FLAG_SYSTEM, .info = !m->in_new || f.info
    };
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        if (m->flags >> i & 1)
            n.flags |= bits[i];
    n.keywords = n.flags & ~(uint32_t)FLAG_SYSTEM;
    n.email_id = m->email_id[0] ? m->email_id : NULL;
    f.letters = f.more = (struct span){ NULL, 0 };
    if (filename_write(f.base, &f, &n, name))
        return true;
    n.copy = true;
    return filename_write(f.base, &f, &n, name);
}

/* Without its UID; where the same name came meanwhile it is the same message. */
static enum status publish_new(struct target *t, size_t n, const struct old_message *m,
                               const uint32_t bits[MAILBOX_KEYWORDS])
{
    char temporary[64], name[FILENAME_LIMIT + 1];
    temporary_name(t, n, temporary);
    errno = ENAMETOOLONG;
    if (!new_name(m, bits, name))
        return ST_TEMP;
    bool in_new = m->in_new && m->flags == 0;
    enum status st = file_publish(t->tmp_dir, temporary, in_new ? t->new_dir : t->cur_dir, name);
    if (st != ST_PERM)
        return st;
    unlinkat(t->tmp_dir, temporary, 0);
    return ST_OK;
}

static enum status publish_same(struct target *t, size_t n, const struct old_message *m)
{
    char temporary[64];
    temporary_name(t, n, temporary);
    enum status st = file_publish(t->tmp_dir, temporary, m->in_new ? t->new_dir : t->cur_dir, m->name);
    if (st != ST_PERM)
        return st;
    unlinkat(t->tmp_dir, temporary, 0);
    return ST_OK;
}

static enum status publish_files(struct target *t, const uint32_t *bits)
{
    struct old_message m;
    enum status st = ST_OK;
    for (size_t i = 0; st == ST_OK && i < t->count; i++) {
        if (!plan_message(t->a, &t->a->items[t->staged[i].item], &m))
            return ST_TEMP;
        st = bits ? publish_new(t, i, &m, bits) : publish_same(t, i, &m);
    }
    if (st == ST_OK && (fsync(t->new_dir) != 0 || fsync(t->cur_dir) != 0))
        st = ST_TEMP;
    return st;
}

/* What the folder gave before counts for nothing: it gave no UID. */
static enum status become_old(struct target *t)
{
    const struct old_folder *f = t->from;
    struct durable d = f->durable; /* a copy that borrows */
    d.uid_next = d.uid_next < UINT32_MAX - RESTORE_UIDS ? d.uid_next + RESTORE_UIDS : UINT32_MAX;
    d.modseq += RESTORE_MODSEQS;
    enum status st = publish_files(t, NULL);
    journal_remove(t->dir);
    if (st == ST_OK && f->journal.text.len)
        st = file_replace(t->dir, "postern-journal", span_bytes(&f->journal.text), 0600);
    index_remove(t->dir);
    return st == ST_OK ? durable_write(t->dir, &d) : st;
}

static enum status become_new(struct target *t)
{
    uint32_t bits[MAILBOX_KEYWORDS];
    struct durable d;
    enum status st = durable_open(t->a->mail, t->dir, &d);
    if (st != ST_OK)
        return st;
    st = map_keywords(t, &d, bits);
    durable_free(&d);
    return st == ST_OK ? publish_files(t, bits) : st;
}

static enum status publish(struct target *t)
{
    struct durable d;
    int lock = folder_lock(t->dir);
    if (lock < 0)
        return ST_TEMP;
    enum status st = durable_read(t->dir, &d);
    bool none = st == ST_NONE, virgin = none || (st == ST_OK && d.uid_next == 1);
    if (st == ST_OK)
        durable_free(&d);
    if (st == ST_TEMP || st == ST_PERM)
        st = ST_TEMP;
    else if (virgin && is_free(t))
        st = become_old(t);
    else if (none && !t->from->durable.uid_validity && !t->a->r->to[0])
        st = publish_files(
            t, NULL); /* another program's: the first session takes it over, as it would have there */
    else
        st = t->count ? become_new(t) : ST_OK;
    int saved = errno;
    file_close(lock);
    errno = saved;
    return st;
}

int restore_folder(struct restoring *a, const struct old_folder *f, const char *to, struct tally *tally)
{
    struct target t = { .a = a, .from = f, .name = to, .tally = tally };
    t.dir = t.tmp_dir = t.new_dir = t.cur_dir = -1;
    int result = open_parts(&t);
    if (result == EX_OK)
        result = stage_all(&t);
    if (result == EX_OK && publish(&t) != ST_OK)
        result = failed(&t, "can't be restored");
    if (result == EX_OK) {
        for (size_t i = 0; i < t.count; i++)
            tally->messages += !t.staged[i].damaged;
        tally->bytes += t.bytes;
    } else if (t.tmp_dir >= 0) {
        clear(&t);
    }
    free(t.staged);
    file_close(t.tmp_dir);
    file_close(t.new_dir);
    file_close(t.cur_dir);
    file_close(t.dir);
    return result;
}
