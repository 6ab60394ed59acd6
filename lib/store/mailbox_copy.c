/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages from an opened mailbox into a folder: COPY; and what RENAME does to INBOX.
 *
 * A copy is a new file: hard links are closed to this process, and two folders with one file would share its
 * date. The bytes go from file to file in the kernel, shared where the file system can. All or none: what was
 * renamed before a failure is removed again.
 *
 * Files are written in batches, and written out before they get their names (files.h). A few are fsynced
 * after that, under the lock, as what is appended is: one commit of the journal for all. Many would keep
 * others waiting for the lock, as each fsync flushes the disk's cache once more: they are fsynced before it
 * is taken, batch by batch, where a commit of many costs nothing beside these. (1,000 could do with one
 * flush, as what was written out is on a journal's disk once the directory is fsynced, and take an eighth of
 * the time. Refused: an ext4 without a journal, which can't be told from others here, would lose them.)
 */
#include "store/mailbox_private.h"
#include "base/files.h"
#include "store/mailbox_ids.h"
#include "store/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 128 /* files open at a time: the sandbox allows 512 */
#define FEW 32    /* are fsynced when they have their names */

struct copied {
    size_t index; /* in the source */
    char temporary[160];
    char name[FILENAME_LIMIT + 1]; /* in cur/, "" while it isn't there */
    uint64_t size;
};

struct copying {
    struct mailbox *box;
    struct place place;
    struct copied *files;
    size_t count;
    int fds[BATCH]; /* of the last files, to be fsynced; -1: is */
    size_t open;
};

/* *to is the written file. */
static enum status copy_one(struct copying *c, size_t index, struct copied *file, int *to)
{
    int from;
    struct stat st;
    *to = -1;
    enum status result = mailbox_file(c->box, index, &from);
    if (result == ST_NONE) {
        errno = ENOENT;
        return ST_PERM;
    }
    if (result != ST_OK)
        return result;
    file->index = index;
    *to = place_file(&c->place, file->temporary, sizeof file->temporary);
    if (*to < 0)
        file->temporary[0] = '\0';
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
    bool ok = *to >= 0 && fstat(from, &st) == 0;
    if (ok) {
        file->size = (uint64_t)st.st_size;
        times[1] = st.st_mtim;
    }
    ok = ok && content_copy(from, file->size, *to) == ST_OK && futimens(*to, times) == 0;
    file_close(from);
    return ok ? ST_OK : ST_TEMP;
}

static enum status sync_files(struct copying *c)
{
    size_t n = c->open;
    c->open = 0;
    return files_sync_close(c->fds, n);
}

static enum status copy_batch(struct copying *c, const size_t *indexes, size_t first, size_t count)
{
    enum status st = ST_OK;
    while (st == ST_OK && c->open < count) {
        st = copy_one(c, indexes[first + c->open], &c->files[first + c->open], &c->fds[c->open]);
        c->open++;
    }
    if (st == ST_OK)
        st = files_write_out(c->fds, c->open);
    return st == ST_OK && c->count > FEW ? sync_files(c) : st;
}

static enum status publish(struct copying *c, const size_t *indexes, uint32_t **uids)
{
    uint32_t bits[MAILBOX_KEYWORDS] = { 0 }, first = 0;
    enum status st = carry_keywords(c->box, indexes, c->count, &c->place, bits);
    if (st == ST_OK)
        st = place_uids(&c->place, c->count, &first);
    for (size_t i = 0; st == ST_OK && i < c->count; i++) {
        struct copied *file = &c->files[i];
        (*uids)[i] = first + (uint32_t)i;
        if (!carry_name(c->box, file->index, &c->place, bits, (*uids)[i], file->size, file->temporary,
                        file->name) ||
            place_publish(&c->place, file->temporary, file->name) != ST_OK) {
            file->name[0] = '\0';
            st = ST_TEMP;
        }
    }
    if (st == ST_OK)
        st = sync_files(c);
    return st == ST_OK ? file_sync_dir(c->place.cur_dir, NULL) : st;
}

static void undo(struct copying *c)
{
    int saved = errno;
    for (size_t i = 0; i < c->open; i++)
        file_close(c->fds[i]);
    for (size_t i = 0; c->files && i < c->count; i++) {
        if (c->files[i].name[0])
            unlinkat(c->place.cur_dir, c->files[i].name, 0);
        else if (c->files[i].temporary[0])
            unlinkat(c->place.tmp_dir, c->files[i].temporary, 0);
    }
    errno = saved;
}

static uint64_t size_of(const struct copying *c)
{
    uint64_t size = 0;
    for (size_t i = 0; i < c->count; i++)
        size += c->files[i].size;
    return size;
}

enum status mailbox_copy(struct mailbox *box, const size_t *indexes, size_t count, struct span folder,
                         uint32_t *uid_validity, uint32_t **uids)
{
    struct copying c = { .box = box, .count = count };
    *uids = NULL;
    enum status st = place_open(box->mail, folder, &c.place);
    if (st != ST_OK)
        return st;
    c.files = calloc(count + 1, sizeof *c.files);
    *uids = calloc(count + 1, sizeof **uids);
    if (!c.files || !*uids)
        st = ST_TEMP;
    for (size_t i = 0; st == ST_OK && i < count; i += BATCH)
        st = copy_batch(&c, indexes, i, count - i < BATCH ? count - i : BATCH);
    if (st == ST_OK)
        st = place_lock(&c.place);
    if (st == ST_OK)
        st = publish(&c, indexes, uids);
    if (st == ST_OK)
        quota_add(mail_dir(box->mail), (int64_t)size_of(&c), (int64_t)count);
    *uid_validity = c.place.durable.uid_validity;
    if (st != ST_OK) {
        undo(&c);
        free(*uids);
        *uids = NULL;
    }
    place_close(&c.place);
    free(c.files);
    return st;
}

/* The letters mean in the new folder what they meant in INBOX. Empties inbox->keywords. */
static enum status take_keywords(struct durable *inbox, struct place *to)
{
    enum status st = place_lock(to);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++) {
        free(to->durable.keywords[i]);
        to->durable.keywords[i] = inbox->keywords[i];
        inbox->keywords[i] = NULL;
    }
    return durable_write(to->dir, &to->durable);
}

/* The file's name in the new folder: with the EMAILID that it had in INBOX, where it has been shown and the
 * name has room. */
static void moved_name(const struct found *item, const struct durable *inbox, char *name)
{
    char id[EMAIL_ID_LIMIT + 1];
    size_t colon = span_find(span_of(item->name), ':');
    email_id_of(span_of(item->name), inbox->mailbox_id, inbox->uid_validity, item->f.uid, id);
    bool known = inbox->uid_validity && item->f.validity == inbox->uid_validity && item->f.email_id.n == 0;
    if (!known || snprintf(name, FILENAME_LIMIT + 1, "%.*s,E=%s%s", (int)colon, item->name, id,
                           item->name + colon) > FILENAME_LIMIT)
        snprintf(name, FILENAME_LIMIT + 1, "%s", item->name);
}

static enum status move_all(struct mail *mail, struct place *to, const struct durable *inbox)
{
    int from_new = file_open_beneath(mail_dir(mail), "new", O_RDONLY | O_DIRECTORY, 0);
    int from_cur = file_open_beneath(mail_dir(mail), "cur", O_RDONLY | O_DIRECTORY, 0);
    int to_new = file_open_beneath(to->dir, "new", O_RDONLY | O_DIRECTORY, 0);
    struct scan s = { 0 };
    enum status st = from_cur < 0 || to_new < 0 ? ST_TEMP : scan_folder(from_new, from_cur, &s);
    for (size_t i = 0; st == ST_OK && i < s.count; i++) {
        struct found *f = &s.items[i];
        char name[FILENAME_LIMIT + 1];
        moved_name(f, inbox, name);
        if (renameat(f->in_new ? from_new : from_cur, f->name, f->in_new ? to_new : to->cur_dir, name) != 0 &&
            errno != ENOENT)
            st = ST_TEMP;
    }
    if (st == ST_OK)
        st = file_sync_dir(to->cur_dir, NULL);
    if (st == ST_OK)
        st = file_sync_dir(to_new, NULL);
    if (st == ST_OK)
        st = file_sync_dir(from_cur, NULL);
    int saved = errno;
    scan_free(&s);
    file_close(from_new);
    file_close(from_cur);
    file_close(to_new);
    errno = saved;
    return st;
}

enum status mailbox_rename_inbox(struct mail *mail, struct span to)
{
    struct place place;
    struct durable inbox;
    enum status known = durable_read(mail_dir(mail), &inbox);
    enum status st = known == ST_TEMP ? ST_TEMP : folder_create(mail, to);
    if (st == ST_OK)
        st = place_open(mail, to, &place);
    if (st != ST_OK) {
        durable_free(&inbox);
        return st;
    }
    if (known == ST_OK)
        st = take_keywords(&inbox, &place);
    if (st == ST_OK)
        st = move_all(mail, &place, &inbox);
    place_close(&place);
    durable_free(&inbox);
    return st;
}
