/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files that make up the mailbox share; nobody else includes this.
 *
 *     mailbox.c        opening, closing, finding, keywords, STATUS
 *     mailbox_sync.c   a scan merged into the entries
 *     mailbox_assign.c UIDs for files that have none
 *     mailbox_file.c   one message: its bytes, its flags, its end
 *     mailbox_place.c  a folder that messages are put into
 *     mailbox_append.c APPEND
 *     mailbox_copy.c   COPY, and RENAME of INBOX
 */
#ifndef POSTERN_STORE_MAILBOX_PRIVATE_H
#define POSTERN_STORE_MAILBOX_PRIVATE_H

#include "store/durable.h"
#include "store/scan.h"

struct entry {
    uint32_t uid;
    uint32_t flags;
    uint64_t modseq;
    bool recent, in_new, gone;
    uint64_t size, wire_size;
    int64_t date;
    char *name; /* in cur/ or new/ */
};

struct mailbox_private {
    struct entry *entries;
    uint64_t own_modseq; /* the last that this session gave */
    struct bytes summary; /* what mailbox_summary() answered last */
    int dir, new_dir, cur_dir; /* new_dir is -1 where there is none */
    bool opened;               /* the first scan is done */
    bool names_only;           /* STATUS: sizes from names where they say one, and no dates */
    struct scan last;          /* the times of the last scan; no items */
    uint32_t floor;   /* above all UIDs that were ever among the entries: what comes must not be below */
    uint32_t letters; /* in names, but without a meaning */
    size_t gone;      /* entries that are */
};

struct mailbox_private *mailbox_private(const struct mailbox *box);

/* Takes over validity, keywords and the rest of an opened durable file; ST_TEMP with errno ESTALE where the
 * UIDVALIDITY is no longer the one that this mailbox was opened with. *new_keyword where one came. */
enum status mailbox_adopt(struct mailbox *box, const struct durable *d, bool *new_keyword);
uint32_t mailbox_named(const struct mailbox *box); /* the bits of letters that have a meaning */

/* Scans and merges, whatever the directories' times say. */
enum status mailbox_sync(struct mailbox *box, bool keep, struct mailbox_changes *changes);
/* Learns the present names of all files, and which are gone, and nothing else: what a session sees of
 * the mailbox stays as it was. For when a file isn't where it was. */
enum status mailbox_relocate(struct mailbox *box);
/* Appends entries for `items` of the scan (indexes), giving UIDs; the lock is held and the durable file read.
 * ST_NONE, unless this is the `last` attempt: a file that has a UID was renamed meanwhile, nothing was done,
 * scan again. */
enum status mailbox_assign(struct mailbox *box, struct durable *d, struct scan *s, size_t *items,
                           size_t count, bool last);
/* Takes gone entries out; appends their UIDs to *changes if it isn't NULL. */
enum status mailbox_purge(struct mailbox *box, struct mailbox_changes *changes);

/* Where messages are put: its directories, and while it is locked its durable file. */
struct place {
    struct mail *mail;
    int dir, tmp_dir, cur_dir;
    int lock;
    struct durable durable;
};
enum status place_open(struct mail *mail, struct span folder, struct place *p);
void place_close(struct place *p); /* unlocks too; keeps errno */
enum status place_lock(struct place *p);
/* A new file in tmp/, named `name` (maildir_unique). */
int place_file(struct place *p, char *name, size_t size);
/* bits[i] is the letter's bit for names[i], made where needed and 0 where no letter is left or a name is
 * none. Changes the durable file on disk. */
enum status place_keywords(struct place *p, const char *const *names, size_t count, uint32_t *bits);
/* Moves the file to its place in cur/ under its full name. Not yet fsynced. */
enum status place_publish(struct place *p, const char *temporary, const char *name);

/* folder_rename() of INBOX. */
enum status mailbox_rename_inbox(struct mail *mail, struct span to);

#endif
