/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening a folder, and what is asked of it as a whole; see mailbox.h, and mailbox_private.h for where
 * the rest is.
 *
 * Directories are opened once, beneath the Maildir, and everything after goes through their descriptors: an
 * opened mailbox follows its folder through a rename, and no later trick with links reaches it.
 */
#include "store/mailbox.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/mailbox_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCHED (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)
#define OLD_SECONDS (36 * 3600) /* a file in tmp/ that is older belongs to nobody any more */

struct mailbox_private *mailbox_private(const struct mailbox *box)
{
    return box->private;
}

void mailbox_close(struct mailbox *box)
{
    if (!box)
        return;
    struct mailbox_private *p = box->private;
    for (size_t i = 0; i < box->count; i++)
        free(p->entries[i].name);
    free(p->entries);
    bytes_free(&p->summary);
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++)
        free(box->keywords[i]);
    file_close(box->watch);
    if (p) {
        file_close(p->new_dir);
        file_close(p->cur_dir);
        file_close(p->dir);
    }
    free(p);
    free(box);
}

static void watch(struct mailbox *box)
{
    struct mailbox_private *p = box->private;
    box->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (box->watch < 0)
        return;
    int dirs[] = { p->new_dir, p->cur_dir };
    for (size_t i = 0; i < 2; i++) {
        char path[40];
        snprintf(path, sizeof path, "/proc/self/fd/%d", dirs[i]);
        if (dirs[i] >= 0 && inotify_add_watch(box->watch, path, WATCHED) < 0) {
            file_close(box->watch);
            box->watch = -1;
            return;
        }
    }
}

/* So that it becomes readable again only for what happens after the scan. */
static void drain_watch(const struct mailbox *box)
{
    char events[4096];
    while (box->watch >= 0 && read(box->watch, events, sizeof events) > 0)
        ;
}

/* Files in tmp/ that a crash left: the Maildir rule is that readers remove them after 36 hours. */
static void clear_tmp(int folder)
{
    int fd = file_open_beneath(folder, "tmp", O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries) {
        file_close(fd);
        return;
    }
    struct dirent *e;
    int64_t now = clock_now();
    while ((e = readdir(entries))) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(dirfd(entries), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (st.st_mtim.tv_sec < now - OLD_SECONDS && st.st_ctim.tv_sec < now - OLD_SECONDS &&
            !S_ISDIR(st.st_mode))
            unlinkat(dirfd(entries), e->d_name, 0);
    }
    closedir(entries);
}

static enum status open_directories(struct mail *mail, struct span folder, struct mailbox_private *p)
{
    *p = (struct mailbox_private){ .dir = -1, .new_dir = -1, .cur_dir = -1 };
    enum status st = folder_open(mail, folder, &p->dir);
    if (st != ST_OK)
        return st;
    p->cur_dir = file_open_beneath(p->dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    if (p->cur_dir < 0)
        return status_of_errno(errno);
    p->new_dir = file_open_beneath(p->dir, "new", O_RDONLY | O_DIRECTORY, 0);
    if (p->new_dir < 0 && errno == ENOENT && mkdirat(p->dir, "new", 0700) == 0)
        p->new_dir = file_open_beneath(p->dir, "new", O_RDONLY | O_DIRECTORY, 0);
    return p->new_dir < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM) ? ST_TEMP : ST_OK;
}

static enum status open_folder(struct mail *mail, struct span folder, bool read_only, bool names_only,
                               struct mailbox **out)
{
    struct mailbox_changes changes = { 0 };
    struct mailbox *box = calloc(1, sizeof *box);
    struct mailbox_private *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!box || !p) {
        free(box);
        free(p);
        return ST_TEMP;
    }
    *box = (struct mailbox){ .mail = mail, .read_only = read_only, .watch = -1, .private = p };
    enum status st = open_directories(mail, folder, p);
    p->names_only = names_only;
    if (st == ST_OK) {
        span_copy(folder_is_inbox(folder) ? SPAN("INBOX") : folder, box->folder, sizeof box->folder);
        if (!names_only)
            watch(box);
        if (!read_only)
            clear_tmp(p->dir);
        st = mailbox_sync(box, false, &changes);
    }
    int saved = errno;
    mailbox_changes_free(&changes);
    if (st == ST_OK)
        *out = box;
    else
        mailbox_close(box);
    errno = saved;
    return st;
}

enum status mailbox_open(struct mail *mail, struct span folder, bool read_only, struct mailbox **box)
{
    return open_folder(mail, folder, read_only, false, box);
}

/* A folder that was removed looks empty through its descriptor. */
static bool is_removed(int dir)
{
    struct stat st;
    return fstat(dir, &st) == 0 && st.st_nlink == 0;
}

enum status mailbox_refresh(struct mailbox *box, bool keep, struct mailbox_changes *changes)
{
    struct mailbox_private *p = box->private;
    *changes = (struct mailbox_changes){ 0 };
    drain_watch(box);
    if (is_removed(p->cur_dir))
        return ST_NONE;
    if (scan_current(p->new_dir, p->cur_dir, &p->last))
        return keep ? ST_OK : mailbox_purge(box, changes);
    enum status st = mailbox_sync(box, keep, changes);
    return st == ST_TEMP && errno == ESTALE ? ST_NONE : st;
}

void mailbox_changes_free(struct mailbox_changes *changes)
{
    free(changes->expunged);
    free(changes->changed);
    *changes = (struct mailbox_changes){ 0 };
}

enum status mailbox_purge(struct mailbox *box, struct mailbox_changes *changes)
{
    struct mailbox_private *p = box->private;
    if (p->gone == 0)
        return ST_OK;
    uint32_t *uids = realloc(changes->expunged, (changes->expunged_count + p->gone) * sizeof *uids);
    if (!uids)
        return ST_TEMP;
    changes->expunged = uids;
    size_t kept = 0;
    for (size_t i = 0; i < box->count; i++) {
        struct entry *e = &mailbox_private(box)->entries[i];
        if (e->gone) {
            uids[changes->expunged_count++] = e->uid;
            free(e->name);
        } else {
            mailbox_private(box)->entries[kept++] = *e;
        }
    }
    box->count = kept;
    p->gone = 0;
    return ST_OK;
}

size_t mailbox_find(const struct mailbox *box, uint32_t uid)
{
    size_t low = 0, high = box->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mailbox_private(box)->entries[middle].uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t mailbox_named(const struct mailbox *box)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++)
        bits |= box->keywords[i] ? 1U << i : 0;
    return bits;
}

enum status mailbox_adopt(struct mailbox *box, const struct durable *d, bool *new_keyword)
{
    if (box->uid_validity && box->uid_validity != d->uid_validity) {
        errno = ESTALE;
        return ST_TEMP;
    }
    box->uid_validity = d->uid_validity;
    memcpy(box->mailbox_id, d->mailbox_id, sizeof box->mailbox_id);
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++) {
        if (box->keywords[i] || !d->keywords[i])
            continue;
        box->keywords[i] = strdup(d->keywords[i]);
        if (!box->keywords[i])
            return ST_TEMP;
        *new_keyword = true;
    }
    return ST_OK;
}

static enum status make_keyword(struct mailbox *box, struct durable *d, struct span name, int *letter)
{
    struct mailbox_private *p = box->private;
    bool added;
    *letter = durable_keyword(d, name);
    if (*letter >= 0)
        return mailbox_adopt(box, d, &added);
    enum status st = durable_add_keyword(d, name, p->letters, letter);
    if (st == ST_OK)
        st = durable_write(p->dir, d);
    return st == ST_OK ? mailbox_adopt(box, d, &added) : st;
}

enum status mailbox_keyword(struct mailbox *box, struct span name, bool make, uint32_t *bit)
{
    struct mailbox_private *p = box->private;
    struct durable d;
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        if (box->keywords[i] && span_ieq_str(name, box->keywords[i])) {
            *bit = 1U << i;
            return ST_OK;
        }
    if (!make)
        return ST_NONE;
    int letter = 0, lock = folder_lock(p->dir);
    if (lock < 0)
        return ST_TEMP;
    enum status st = durable_open(box->mail, p->dir, &d);
    if (st == ST_OK)
        st = make_keyword(box, &d, name, &letter);
    int saved = errno;
    durable_free(&d);
    file_close(lock);
    *bit = st == ST_OK ? 1U << letter : 0;
    errno = saved;
    return st;
}

/* A message that is gone by now counts as its file's size, which was seen. */
static uint64_t wire_size(struct mailbox *box, size_t index)
{
    uint64_t size;
    return mailbox_wire_size(box, index, &size) == ST_OK ? size : mailbox_message(box, index).size;
}

enum status mailbox_status(struct mail *mail, struct span folder, bool sizes, struct mailbox_status *status)
{
    struct mailbox *box;
    *status = (struct mailbox_status){ 0 };
    enum status st = open_folder(mail, folder, true, true, &box);
    if (st != ST_OK)
        return st;
    status->messages = (uint32_t)box->count;
    status->uid_next = box->uid_next;
    status->uid_validity = box->uid_validity;
    status->modseq = box->modseq;
    memcpy(status->mailbox_id, box->mailbox_id, sizeof status->mailbox_id);
    for (size_t i = 0; i < box->count; i++) {
        struct mailbox_message m = mailbox_message(box, i);
        bool deleted = m.flags & FLAG_DELETED;
        status->recent += m.recent;
        status->unseen += !(m.flags & FLAG_SEEN);
        status->deleted += deleted;
        status->deleted_size += deleted ? m.size : 0;
        status->size += sizes ? wire_size(box, i) : 0;
    }
    mailbox_close(box);
    return ST_OK;
}
