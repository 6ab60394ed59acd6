/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Delivery into a Maildir: prepared in tmp/ and written out, then renamed into new/, the file and the
 * directory fsynced. In halves, so that a message to many is prepared for all before it appears for one.
 * Takes no lock. Below the Maildir everything is opened beneath it without following links: its owner may
 * have made it.
 */
#ifndef POSTERN_STORE_MAILDIR_H
#define POSTERN_STORE_MAILDIR_H

#include "store/content.h"

/* How many files of one message may stay open until all are published: fewer commits of the journal. Others
 * are fsynced when they are prepared. */
#define MAILDIR_FILES_OPEN 100

struct maildir_delivery {
    int tmp_dir, new_dir; /* of the Maildir, or of the folder */
    int file;             /* to be fsynced yet; -1: it is */
    char temporary[160];  /* in tmp/ */
    char name[200];       /* in new/: TIME.MmicroRrandom.HOST,S=size,W=size */
    uint64_t size;        /* of the file */
};

/* Makes maildir/{tmp,new,cur} (0700) and parents where missing. Anything but ST_OK with errno. */
enum status maildir_create(const char *maildir);
/* Writes the message in tmp/ and out (file_write_out()), making the Maildir where it is missing. `folder` is
 * NULL for INBOX, or a folder's name ("Junk"), which falls back to INBOX where it doesn't exist. ST_TEMP with
 * errno set (ENOSPC, EDQUOT, ...): nothing is left behind. */
enum status maildir_prepare(const char *maildir, const char *folder, const char *hostname,
                            const struct content *c, struct maildir_delivery *d);
/* Renames into new/: the message is delivered from now on. Anything but ST_OK, with errno: to be aborted. */
enum status maildir_publish(struct maildir_delivery *d);
/* fsyncs the file, if it isn't yet, and closes it: where descriptors are short, at any time. ST_TEMP with
 * errno. */
enum status maildir_sync_file(struct maildir_delivery *d);
/* fsyncs the file and new/: it is there for good. Closes. ST_TEMP with errno. */
enum status maildir_finish(struct maildir_delivery *d);
/* The same in halves, where somebody waits for the first. */
enum status maildir_sync(struct maildir_delivery *d);
void maildir_close(struct maildir_delivery *d);
/* Instead, behind a maildir_sync() that failed: takes it out of new/, unless its owner has moved it. What the
 * disk has lost once no further fsync brings back, or tells of. Closes. */
void maildir_withdraw(struct maildir_delivery *d);
/* Between prepare and publish: it is to appear under a name made from a queue's ID, the same each time. */
void maildir_name_after(struct maildir_delivery *d, const char *id, const char *hostname);
/* Is there a message of such a name in the folder (NULL: INBOX), seen or not? It is on disk then. ST_NONE:
 * no, or there is no such Maildir or folder. */
enum status maildir_holds(const char *maildir, const char *folder, const char *id, const char *hostname);
/* Instead of publish: removes what was prepared. Closes. */
void maildir_abort(struct maildir_delivery *d);
/* Is this errno one that its owner can bring about by what he does to his Maildir? That mustn't keep a
 * message from others. */
bool maildir_is_owners_fault(int err);

/* A fresh unique name for a file in a Maildir, without the ,S= fields. Safe characters of hostname only. */
void maildir_unique(const char *hostname, char *to, size_t size);

#endif
