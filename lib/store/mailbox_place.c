/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A folder that messages are put into. They are written in tmp/, and out, without a lock; only giving UIDs,
 * renaming into cur/ and the fsync of a few files happens under it, so that a large copy keeps nobody
 * waiting.
 *
 * Where the session has the folder open, its directories need not be opened again, and its index takes the
 * records under the same lock. The UIDs are in the index's header, on their way to others, before a file has
 * one of them: else a process that ends in between would leave them to be given once more.
 */
#include "store/mailbox_private.h"
#include "base/files.h"
#include "store/dovecot.h"
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int open_tmp(int dir)
{
    int fd = file_open_beneath(dir, "tmp", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT && mkdirat(dir, "tmp", 0700) == 0)
        fd = file_open_beneath(dir, "tmp", O_RDONLY | O_DIRECTORY, 0);
    return fd;
}

enum status place_open(struct mail *mail, struct span folder, struct place *p)
{
    *p = (struct place){ .mail = mail, .dir = -1, .tmp_dir = -1, .cur_dir = -1, .lock = -1 };
    enum status st = folder_open(mail, folder, &p->dir);
    if (st != ST_OK)
        return st;
    p->tmp_dir = open_tmp(p->dir);
    p->cur_dir = p->tmp_dir < 0 ? -1 : file_open_beneath(p->dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    if (p->cur_dir >= 0)
        return ST_OK;
    place_close(p);
    return ST_TEMP;
}

static bool is_there(int dir)
{
    struct stat st;
    return dir >= 0 && fstat(dir, &st) == 0 && st.st_nlink > 0;
}

/* Does the folder's name lead to the mailbox's directory still? */
static bool is_folder_of(const struct mailbox *box, struct span folder)
{
    const struct mailbox_private *p = mailbox_private(box);
    char path[FOLDER_NAME_LIMIT + 2];
    struct stat named, opened;
    return folder_path(folder, path, sizeof path) && fstat(p->dir, &opened) == 0 &&
           fstatat(mail_dir(box->mail), path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           named.st_ino == opened.st_ino && named.st_dev == opened.st_dev && is_there(p->cur_dir);
}

enum status place_open_beside(struct mail *mail, struct mailbox *box, struct span folder, struct place *p)
{
    if (!box || !is_folder_of(box, folder))
        return place_open(mail, folder, p);
    struct mailbox_private *opened = mailbox_private(box);
    if (!is_there(opened->tmp_dir)) {
        file_close(opened->tmp_dir);
        opened->tmp_dir = open_tmp(opened->dir);
    }
    *p = (struct place){ .mail = mail,
                         .box = box,
                         .dir = opened->dir,
                         .tmp_dir = opened->tmp_dir,
                         .cur_dir = opened->cur_dir,
                         .lock = -1 };
    return p->tmp_dir < 0 ? ST_TEMP : ST_OK;
}

void place_unlock(struct place *p)
{
    int saved = errno;
    durable_free(&p->durable);
    file_close(p->lock);
    p->lock = -1;
    errno = saved;
}

void place_close(struct place *p)
{
    int saved = errno;
    place_unlock(p);
    if (!p->box) {
        file_close(p->cur_dir);
        file_close(p->tmp_dir);
        file_close(p->dir);
    }
    *p = (struct place){ .dir = -1, .tmp_dir = -1, .cur_dir = -1, .lock = -1 };
    errno = saved;
}

/* Has every UID that was given its record? */
static bool can_be_told(const struct mailbox_private *opened)
{
    const struct index *ix = &opened->index;
    return ix->fd >= 0 && ix->header.floor == ix->header.uid_next && !opened->lost;
}

enum status place_lock(struct place *p)
{
    p->tells = false;
    p->modseq = 0;
    p->lock = p->box ? mailbox_lock(p->box, &p->durable) : -1;
    if (p->lock >= 0) {
        p->tells = can_be_told(mailbox_private(p->box));
        return ST_OK;
    }
    if (p->box && errno == EWOULDBLOCK)
        return ST_TEMP;
    p->lock = folder_lock(p->dir); /* that is enough, whatever is wrong with the mailbox */
    return p->lock < 0 ? ST_TEMP : durable_open(p->mail, p->dir, &p->durable);
}

enum status place_uids(struct place *p, size_t count, uint32_t *first)
{
    if (p->tells) {
        struct index *ix = &mailbox_private(p->box)->index;
        enum status st = mailbox_take_uids(ix, p->dir, &p->durable, count, first);
        p->tells = st == ST_OK && index_commit(ix) == ST_OK;
        return st;
    }
    return durable_take_uids(p->dir, mail_boot(p->mail), &p->durable, count, first);
}

int place_file(struct place *p, char *name, size_t size)
{
    maildir_unique(mail_hostname(p->mail), name, size);
    return openat(p->tmp_dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

enum status place_keywords(struct place *p, const char *const *names, size_t count, uint32_t *bits)
{
    bool added = false;
    for (size_t i = 0; i < count; i++) {
        int letter = durable_keyword(&p->durable, span_of(names[i]));
        if (letter < 0) {
            enum status made = durable_add_keyword(&p->durable, span_of(names[i]), 0, &letter);
            if (made == ST_TEMP)
                return made;
            added |= made == ST_OK;
        }
        bits[i] = letter < 0 ? 0 : 1U << letter;
    }
    enum status st = added ? durable_write(p->dir, &p->durable) : ST_OK;
    if (added && st == ST_OK)
        dovecot_share_keywords(p->dir, &p->durable);
    return st;
}

enum status place_publish(struct place *p, const char *temporary, const char *name)
{
    return renameat(p->tmp_dir, temporary, p->cur_dir, name) == 0 ? ST_OK : ST_TEMP;
}

/* The records' mod-sequence. A session that has seen all the changes before need not look for others. */
static uint64_t modseq_of(struct place *p)
{
    struct mailbox_private *opened = mailbox_private(p->box);
    bool saw_all = opened->picked_modseq == opened->index.header.modseq;
    if (p->modseq)
        return p->modseq;
    p->modseq = mailbox_next_modseq(p->box, &p->durable);
    if (p->modseq && saw_all)
        opened->picked_modseq = p->modseq;
    return p->modseq;
}

void place_tell(struct place *p, struct index_record *r, const char *name)
{
    p->tells = p->tells && modseq_of(p);
    if (!p->tells)
        return;
    r->modseq = p->modseq;
    index_add(&mailbox_private(p->box)->index, r, name, false);
}

void place_tell_end(struct place *p)
{
    if (!p->modseq)
        return;
    struct index *ix = &mailbox_private(p->box)->index;
    ix->header.settled = 0;
    index_commit(ix);
}
