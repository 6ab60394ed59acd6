/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MOVE: the file itself goes into the other folder, by one rename. A crash leaves each message in one folder
 * or the other, and of two who move the same message one gets it.
 *
 * The renames are done under the other folder's lock, which gives the UIDs; what this folder's index says of
 * the messages is put right after that, under its own: nobody holds two. A file that isn't where it should be
 * is looked for between two rounds. Moving within one folder is left to COPY and EXPUNGE.
 */
#include "base/files.h"
#include "store/mailbox_private.h"
#include "store/maildir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ROUNDS 10

struct moving {
    struct mailbox *box;
    const size_t *indexes;
    size_t count;
    struct place place;
    struct mailbox_moved *moved;
    unsigned char *done; /* by item of indexes */
    size_t missed;       /* files that weren't where they should be, in this round */
};

/* ST_NONE: it isn't where it should be. */
static enum status move_one(struct moving *m, size_t item, const uint32_t *bits, uint32_t uid)
{
    struct mailbox_private *p = mailbox_private(m->box);
    struct index_record r;
    uint32_t number;
    char name[FILENAME_LIMIT + 1], base[160], to[FILENAME_LIMIT + 1];
    size_t index = m->indexes[item];
    if (!mailbox_record(m->box, index, &r, &number) || r.bits & INDEX_GONE)
        return ST_PERM;
    if (!index_name(&p->index, &r, name))
        return ST_NONE;
    maildir_unique(mail_hostname(m->box->mail), base, sizeof base);
    if (!carry_name(m->box, index, &m->place, bits, uid, mailbox_file_size(m->box, index), base, to))
        return ST_TEMP;
    if (renameat(mailbox_record_dir(p, &r), name, m->place.cur_dir, to) != 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    m->moved->from[m->moved->count] = r.uid;
    m->moved->to[m->moved->count] = uid;
    m->moved->indexes[m->moved->count++] = index;
    return ST_OK;
}

/* With the other folder's lock held. */
static enum status move_round(struct moving *m)
{
    uint32_t bits[MAILBOX_KEYWORDS] = { 0 }, first;
    enum status st = carry_keywords(m->box, m->indexes, m->count, &m->place, bits);
    if (st == ST_OK)
        st = place_uids(&m->place, m->count, &first);
    m->moved->uid_validity = m->place.durable.uid_validity;
    m->missed = 0;
    for (size_t i = 0; st == ST_OK && i < m->count; i++) {
        if (m->done[i])
            continue;
        enum status one = move_one(m, i, bits, first + (uint32_t)i);
        m->done[i] = one == ST_OK || one == ST_PERM;
        m->missed += one == ST_NONE;
        st = one == ST_TEMP ? ST_TEMP : ST_OK;
    }
    return st;
}

/* First where they are, then where they were: what was renamed is never nowhere. */
static enum status sync_both(const struct moving *m)
{
    const struct mailbox_private *p = mailbox_private(m->box);
    if (file_sync_dir(m->place.cur_dir, NULL) != ST_OK || file_sync_dir(p->cur_dir, NULL) != ST_OK)
        return ST_TEMP;
    return p->new_dir >= 0 ? file_sync_dir(p->new_dir, NULL) : ST_OK;
}

static enum status move_all(struct moving *m)
{
    enum status st = ST_OK;
    for (int i = 0; i < ROUNDS; i++) {
        st = place_lock(&m->place);
        if (st == ST_OK)
            st = move_round(m);
        place_unlock(&m->place);
        if (st != ST_OK || m->missed == 0)
            break;
        mailbox_private(m->box)->changed = true;
        st = mailbox_sync(m->box);
        if (st != ST_OK)
            break;
    }
    int saved = errno;
    if (m->moved->count && sync_both(m) != ST_OK)
        return ST_TEMP;
    errno = saved;
    return st;
}

static bool same_folder(const struct moving *m)
{
    struct stat a, b;
    return fstat(m->place.dir, &a) == 0 && fstat(mailbox_private(m->box)->dir, &b) == 0 &&
           a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static bool make_lists(struct moving *m)
{
    m->moved->from = calloc(m->count + 1, sizeof *m->moved->from);
    m->moved->to = calloc(m->count + 1, sizeof *m->moved->to);
    m->moved->indexes = calloc(m->count + 1, sizeof *m->moved->indexes);
    m->done = calloc(m->count + 1, 1);
    return m->moved->from && m->moved->to && m->moved->indexes && m->done;
}

void mailbox_moved_free(struct mailbox_moved *moved)
{
    free(moved->from);
    free(moved->to);
    free(moved->indexes);
    *moved = (struct mailbox_moved){ 0 };
}

enum status mailbox_move(struct mailbox *box, const size_t *indexes, size_t count, struct span folder,
                         struct mailbox_moved *moved)
{
    struct moving m = { .box = box, .indexes = indexes, .count = count, .moved = moved };
    *moved = (struct mailbox_moved){ 0 };
    if (box->read_only) {
        errno = EROFS;
        return ST_PERM;
    }
    enum status st = place_open(box->mail, folder, &m.place);
    if (st != ST_OK)
        return st;
    if (same_folder(&m)) {
        errno = EXDEV;
        st = ST_PERM;
    } else {
        st = make_lists(&m) ? move_all(&m) : ST_TEMP;
    }
    if (st == ST_OK && moved->count < count) {
        errno = ENOENT;
        st = ST_PERM;
    }
    place_close(&m.place);
    int saved = errno;
    free(m.done);
    errno = saved;
    return st;
}
