/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of restoring an account share.
 */
#ifndef POSTERN_RESTORE_ACCOUNT_H
#define POSTERN_RESTORE_ACCOUNT_H

#include "restore.h"
#include "store/durable.h"
#include "store/journal.h"

/* How far UIDs and mod-sequences of a restored folder are moved on: more than were given since the backup was
 * made. */
#define RESTORE_UIDS ((uint32_t)1 << 20)
#define RESTORE_MODSEQS ((uint64_t)1 << 32)

/* A folder of the backup. */
struct old_folder {
    char name[FOLDER_NAME_LIMIT + 1];
    struct durable durable; /* its own file; uid_validity 0: there is none that is right */
    struct journal journal;
    size_t first, count;        /* of its messages, in the account's items */
    size_t others, other_count; /* of its other files */
};

/* A message of the backup, or another file. */
struct old_item {
    const char *entry; /* its line */
    uint32_t folder;
    bool is_message;
};

struct hashes { /* sorted */
    uint64_t *list;
    size_t count;
};

struct restoring {
    struct restore *r;
    const char *address;
    struct mail *mail;
    bool is_new; /* there was no Maildir */
    struct bytes lines_path; /* "mail/DOMAIN/USER" */
    struct span lines;       /* of the list, about this account */
    struct old_folder *folders;
    size_t folder_count;
    struct old_item *items; /* by folder, messages first */
    size_t item_count;
    struct survey now;   /* what is there already */
    uint64_t key[2];     /* of hashes */
    struct hashes bases; /* of what counts as there */
    struct hashes moved; /* EMAILIDs of those that the backup has under another base */
};

/* A message of the backup, looked at closely. */
struct old_message {
    struct manifest_entry entry;
    char name[FILENAME_LIMIT + 1];
    struct filename f; /* of it */
    bool in_new;
    uint32_t uid;   /* that it had, or 0 */
    uint32_t flags; /* as name and journal have them, letters as in the folder of then */
    char email_id[EMAIL_ID_LIMIT + 1];
};

/* --- restore_plan.c */
/* What the backup has of the account, and what is there now. EX_OK, or complains. */
int plan_read(struct restoring *a);
void plan_free(struct restoring *a);
/* False: no message's name. */
bool plan_message(const struct restoring *a, const struct old_item *item, struct old_message *m);
/* Is it there already, wherever that counts? */
bool plan_is_present(const struct restoring *a, const struct old_message *m);

/* --- restore_folder.c */
/* Makes a folder where there is none. EX_OK, or complains. */
int restore_make_folder(struct restoring *a, const char *name);
/* Brings back a folder's messages under the name `to`, which exists. EX_OK also where some are damaged: *t
 * says so. */
int restore_folder(struct restoring *a, const struct old_folder *f, const char *to, struct tally *t);

#endif
