/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A folder's durable file: what can't be read off its messages' names.
 *
 *     postern-folder 1
 *     uidnext 0000000273
 *     modseq 0000000000000010001
 *     uidvalidity 1763752345
 *     mailboxid 3f1c0d2be1a94c77b0a1d2c3
 *     keyword a $Forwarded
 *     specialuse \Sent
 *
 * Both numbers are ceilings: UIDs below uidnext, and mod-sequences up to modseq, may have been given, also to
 * messages that are gone. They are raised, on disk, before anything above them is given: that is why no UID
 * is ever given twice. How far they are used up stands in the index, while there is one that counts; they are
 * raised in blocks then, so that an APPEND doesn't wait for the disk once more. Without it they count as used
 * up. Only whoever holds the folder's lock writes the file or gives a message its UID.
 */
#ifndef POSTERN_STORE_DURABLE_H
#define POSTERN_STORE_DURABLE_H

#include "store/mailbox.h"

#define DURABLE_UID_BLOCK 256 /* reserved beyond what is needed, where the index counts */

struct durable {
    uint32_t uid_validity, uid_next;
    uint64_t modseq;
    char mailbox_id[40];
    char *keywords[MAILBOX_KEYWORDS]; /* owned */
    bool uses_known;                  /* the file says what the folder is for; else its name does */
    unsigned uses;                    /* USE_* of special_use.h */
    struct bytes other;               /* lines of a newer Postern, kept */
};

/* The folder's lock: the descriptor to close, or -1 with errno if somebody held it for 10 seconds. Nobody
 * ever holds two. */
int folder_lock(int dir);
/* The same without waiting. */
int folder_try_lock(int dir);

/* ST_NONE: there is none, or what is there can't be used (errno EILSEQ then). d is empty then, and may be
 * freed. */
enum status durable_read(int dir, struct durable *d);
/* The same for the folder at a path beneath `dir`, such as ".a.b": half the system calls, for who reads
 * many. */
enum status durable_read_at(int dir, const char *path, struct durable *d);
void durable_free(struct durable *d);

/* The rest needs the lock. */
/* Makes it for a folder that doesn't exist yet, from UIDVALIDITY and uses; the rest is filled in. */
enum status durable_create(int dir, struct durable *d);
/* Reads it, or makes it: with a new UIDVALIDITY, or Dovecot's where the folder was kept by it. */
enum status durable_open(struct mail *mail, int dir, struct durable *d);
/* So few UIDs are left that durable_open() begins anew. */
bool durable_is_used_up(const struct durable *d);
/* Writes everything. */
enum status durable_write(int dir, const struct durable *d);
/* Raises uid_next on disk to `next`. ST_OK at once if it is there already. */
enum status durable_raise(int dir, struct durable *d, uint32_t next);
/* `count` UIDs, from *first on; `next` is the first that wasn't given yet, `block` how many more are to be
 * reserved where that must be written. ST_TEMP with errno EOVERFLOW if there are no more (durable_open makes
 * a new UIDVALIDITY in time). */
enum status durable_reserve(int dir, struct durable *d, uint32_t next, size_t count, uint32_t block,
                            uint32_t *first);
/* The same for who hasn't the folder's mailbox open: the index's count is asked and raised. */
enum status durable_take_uids(int dir, const char *boot, struct durable *d, size_t count, uint32_t *first);
/* Raises modseq on disk to `modseq`, with a block. ST_OK at once if it is there already. */
enum status durable_raise_modseq(int dir, struct durable *d, uint64_t modseq);
/* Gives a letter (0 to 25) its meaning, if it has none and the name is a keyword that has no letter. Not
 * written yet. */
void durable_set_keyword(struct durable *d, int letter, struct span name);
/* The letter of a keyword, or -1. */
int durable_keyword(const struct durable *d, struct span name);
/* Gives it a letter, one without a meaning that isn't in `avoid` if there is one; not written yet. ST_PERM:
 * all are in use, or no keyword. */
enum status durable_add_keyword(struct durable *d, struct span name, uint32_t avoid, int *letter);

#endif
