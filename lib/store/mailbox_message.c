/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a session sees of a message.
 */
#include "store/mailbox_private.h"
#include "base/files.h"

#include <string.h>
#include <sys/stat.h>

/* After damage was met: everything anew, once; what is shown keeps its place. */
static bool make_anew(struct mailbox *box)
{
    struct mailbox_private *p = mailbox_private(box);
    struct durable d;
    int lock = p->lost ? -1 : mailbox_lock(box, &d);
    if (lock < 0)
        return false;
    bool ok = mailbox_rebuild(box, &d) == ST_OK && !p->lost;
    mailbox_unlock(lock, &d);
    return ok;
}

bool mailbox_record(struct mailbox *box, size_t index, struct index_record *r, uint32_t *number)
{
    struct mailbox_private *p = mailbox_private(box);
    bool real = view_record(&p->view, index, number);
    if (real && index_get(&p->index, *number, r))
        return true;
    if (real && make_anew(box)) {
        real = index < p->view.count && view_record(&p->view, index, number);
        if (real && index_get(&p->index, *number, r))
            return true;
    }
    p->lost |= real;
    *r = (struct index_record){ .bits = INDEX_GONE, .size = INDEX_UNSIZED, .wire = INDEX_UNSIZED };
    if (!real && index < p->view.count) {
        struct ghost ghost = view_ghost(&p->view, index);
        r->uid = ghost.uid;
        r->flags = ghost.flags;
        r->modseq = ghost.modseq;
    }
    return false;
}

static uint64_t known_size(uint32_t size)
{
    return size == INDEX_UNSIZED ? 0 : size;
}

/* A change that the session wasn't told of yet may be by a keyword that is new. Flags and mod-sequence must
 * be of one moment, so it is learned now. */
static void learn_letters(struct mailbox *box, const struct index_record *r)
{
    struct mailbox_private *p = mailbox_private(box);
    struct durable d;
    bool added = false;
    if (r->modseq <= p->picked_modseq || r->modseq <= p->letters_modseq ||
        !(r->flags & ~(FLAG_SYSTEM | mailbox_named(box))))
        return;
    p->letters_modseq = r->modseq;
    if (durable_read(p->dir, &d) == ST_OK)
        mailbox_adopt(box, &d, &added);
    durable_free(&d);
}

struct mailbox_message mailbox_message(const struct mailbox *const_box, size_t index)
{
    struct mailbox *box = (struct mailbox *)const_box; /* damage is mended */
    struct index_record r;
    uint32_t number;
    if (mailbox_record(box, index, &r, &number))
        learn_letters(box, &r);
    return (struct mailbox_message){
        .uid = r.uid,
        .flags = r.flags & (FLAG_SYSTEM | mailbox_named(box)),
        .modseq = r.modseq,
        .recent = (r.bits & INDEX_RECENT && box->read_only) || mailbox_is_recent(box, r.uid),
        .gone = r.bits & INDEX_GONE,
        .in_new = r.bits & INDEX_IN_NEW,
        .size = known_size(r.size),
        .wire_size = known_size(r.wire),
    };
}

uint32_t mailbox_uid(const struct mailbox *box, size_t index)
{
    struct index_record r;
    uint32_t number;
    mailbox_record((struct mailbox *)box, index, &r, &number);
    return r.uid;
}

void mailbox_name(const struct mailbox *box, size_t index, char name[256])
{
    struct index_record r;
    uint32_t number;
    name[0] = '\0';
    if (mailbox_record((struct mailbox *)box, index, &r, &number))
        index_name(&mailbox_private(box)->index, &r, name);
}

/* Asks the file, and keeps what it says for the index. */
static bool ask_file(struct mailbox *box, size_t index, struct index_record *r, struct stat *st)
{
    int fd;
    uint32_t number;
    if (mailbox_file(box, index, &fd) != ST_OK)
        return false;
    bool ok = fstat(fd, st) == 0 && mailbox_record(box, index, r, &number);
    file_close(fd);
    if (ok) {
        struct learned l = { .record = number,
                             .uid = r->uid,
                             .date = st->st_mtim.tv_sec,
                             .size = st->st_size < INDEX_UNSIZED ? (uint32_t)st->st_size : INDEX_UNSIZED,
                             .wire = r->size == st->st_size ? r->wire : INDEX_UNSIZED };
        mailbox_learn(box, &l);
    }
    return ok;
}

int64_t mailbox_date(struct mailbox *box, size_t index)
{
    struct index_record r;
    struct stat st;
    uint32_t number;
    if (mailbox_record(box, index, &r, &number) && r.bits & INDEX_DATED)
        return r.date;
    return ask_file(box, index, &r, &st) ? st.st_mtim.tv_sec : 0;
}

uint64_t mailbox_file_size(struct mailbox *box, size_t index)
{
    struct index_record r;
    struct stat st;
    uint32_t number;
    if (mailbox_record(box, index, &r, &number) && r.size != INDEX_UNSIZED)
        return r.size;
    return ask_file(box, index, &r, &st) ? (uint64_t)st.st_size : 0;
}
