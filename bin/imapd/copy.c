/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * COPY, MOVE and EXPUNGE (RFC 3501 6.4.3 and 6.4.7, RFC 6851), with the response codes of UIDPLUS (RFC 4315).
 *
 * MOVE renames files from folder to folder, each in one or the other at any moment; within one folder it is a
 * copy, durable before the first message is removed.
 */
#include "learn.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t *uids_of(const struct mailbox *box, const size_t *indexes, size_t count)
{
    uint32_t *uids = malloc((count + 1) * sizeof *uids);
    for (size_t n = 0; uids && n < count; n++)
        uids[n] = mailbox_uid(box, indexes[n]);
    return uids;
}

static void add_copyuid(struct bytes *b, uint32_t validity, const uint32_t *from, const uint32_t *to,
                        size_t count)
{
    bytes_printf(b, "OK [COPYUID %u ", validity);
    add_uids(b, from, count);
    bytes_add_char(b, ' ');
    add_uids(b, to, count);
    bytes_add_str(b, "] Done");
}

/* `remove` is mailbox_expunge or mailbox_forget. */
static bool expunge(struct imap *i, const size_t *indexes, size_t count,
                    enum status (*remove)(struct mailbox *, const size_t *, size_t, struct mailbox_changes *))
{
    struct mailbox_changes gone = { 0 };
    enum status st = count > 0 ? remove(i->box, indexes, count, &gone) : ST_OK;
    write_expunged(i, &gone);
    i->modseq.owed |= gone.expunged_count > 0; /* RFC 7162 3.2.7 */
    mailbox_changes_free(&gone);
    if (st != ST_OK)
        reply_failed(i, st);
    return st == ST_OK;
}

static void reply_not_copied(struct imap *i, enum status st)
{
    if (st == ST_NONE)
        reply(i, "NO [TRYCREATE] No such mailbox");
    else if (st == ST_PERM && errno == ENOENT)
        reply(i, "NO [EXPUNGEISSUED] Some of these messages are gone");
    else
        reply_failed(i, st);
}

/* COPYUID goes out untagged, before the EXPUNGEs (RFC 6851 4.3). */
static void write_copyuid(struct imap *i, uint32_t validity, const uint32_t *from, const uint32_t *to,
                          size_t count)
{
    bytes_add_str(&i->line, "* ");
    add_copyuid(&i->line, validity, from, to, count);
    bytes_add_str(&i->line, "\r\n");
    write_line(i);
}

/* The reply is COPYUID; with `move`, which is within one folder, they are expunged then. */
static void copy_entries(struct imap *i, const size_t *indexes, size_t count, struct span folder, bool move)
{
    uint32_t validity, *to = NULL, *from = uids_of(i->box, indexes, count);
    struct learning learning;
    if (!from)
        return reply(i, "NO [UNAVAILABLE] Out of memory");
    learning_begin(i, &learning, folder, indexes, count);
    enum status st = mailbox_copy(i->box, indexes, count, folder, &validity, &to);
    int error = errno;
    learning_end(i, &learning, indexes, st == ST_OK ? count : 0);
    errno = error;
    if (st != ST_OK) {
        reply_not_copied(i, st);
    } else if (!move) {
        bytes_clear(&i->reply);
        add_copyuid(&i->reply, validity, from, to, count);
    } else {
        write_copyuid(i, validity, from, to, count);
        if (expunge(i, indexes, count, mailbox_expunge))
            reply(i, "OK Done");
    }
    free(from);
    free(to);
}

static void move_entries(struct imap *i, const size_t *indexes, size_t count, struct span folder)
{
    struct mailbox_moved moved;
    struct learning learning;
    learning_begin(i, &learning, folder, indexes, count);
    enum status st = mailbox_move(i->box, indexes, count, folder, &moved);
    int error = errno;
    learning_end(i, &learning, moved.indexes, moved.count);
    if (st == ST_PERM && error == EXDEV)
        return copy_entries(i, indexes, count, folder, true);
    if (moved.count)
        write_copyuid(i, moved.uid_validity, moved.from, moved.to, moved.count);
    bool good = moved.count == 0 || expunge(i, moved.indexes, moved.count, mailbox_forget);
    mailbox_moved_free(&moved);
    errno = error;
    if (st != ST_OK)
        reply_not_copied(i, st);
    else if (good)
        reply(i, "OK Done");
}

/* A folder that isn't there gets another reply. */
static bool has_room(struct imap *i, const size_t *indexes, size_t count, struct span folder)
{
    uint64_t bytes = 0;
    for (size_t n = 0; n < count; n++)
        bytes += mailbox_file_size(i->box, indexes[n]);
    return folder_exists(i->mail, folder) != ST_OK || quota_allows(i, bytes, count);
}

static void copy(struct imap *i, struct span argument, bool move)
{
    struct parser p;
    struct set set = { 0 };
    struct span name, folder;
    size_t *indexes = NULL, count;
    parser_init(&p, argument, &i->text);
    if (!parse_set(&p, &set) || !parse_space(&p) || !parse_astring(&p, &name) || !parse_end(&p))
        reply_bad(i, &p);
    else if (move && i->box->read_only)
        reply(i, "NO [READ-ONLY] The mailbox was opened by EXAMINE");
    else if (folder_argument(i, name, &folder) && set_indexes(i, &set, i->uid, &indexes, &count)) {
        if (count == 0)
            reply(i, "OK No such messages");
        else if (move)
            move_entries(i, indexes, count, folder);
        else if (has_room(i, indexes, count, folder))
            copy_entries(i, indexes, count, folder, false);
    }
    free(indexes);
    set_free(&set);
}

void command_copy(void *imap, struct span argument)
{
    copy(imap, argument, false);
}

void command_move(void *imap, struct span argument)
{
    copy(imap, argument, true);
}

/* Keeps, of the indexes, those of \Deleted messages. */
static size_t only_deleted(const struct mailbox *box, size_t *indexes, size_t count)
{
    size_t kept = 0;
    for (size_t n = 0; n < count; n++)
        if (mailbox_message(box, indexes[n]).flags & FLAG_DELETED)
            indexes[kept++] = indexes[n];
    return kept;
}

/* UID EXPUNGE has a set; EXPUNGE has all. */
void command_expunge(void *imap, struct span argument)
{
    struct imap *i = imap;
    struct parser p;
    struct set set = { 0 };
    static const struct range everything = { 1, 0 };
    struct set all = { .ranges = (struct range *)&everything, .count = 1 };
    size_t *indexes = NULL, count;
    parser_init(&p, argument, &i->text);
    if (i->uid ? !parse_set(&p, &set) || !parse_end(&p) : argument.p != NULL) {
        parse_fail(&p, "Too many arguments");
        reply_bad(i, &p);
    } else if (i->box->read_only) {
        reply(i, "NO [READ-ONLY] The mailbox was opened by EXAMINE");
    } else if (set_indexes(i, i->uid ? &set : &all, true, &indexes, &count)) {
        if (expunge(i, indexes, only_deleted(i->box, indexes, count), mailbox_expunge))
            reply(i, "OK Done");
    }
    free(indexes);
    set_free(&set);
}
