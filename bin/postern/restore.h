/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern restore, and postern backup verify and list: what their parts share.
 */
#ifndef POSTERN_RESTORE_H
#define POSTERN_RESTORE_H

#include "backup.h"

/* What became of a folder, or of the files that are nobody's mail. */
struct tally {
    const char *address;      /* "" for settings and spool */
    const char *folder;       /* as on disk; of those "settings", "outside" or "spool" */
    uint64_t messages, bytes; /* that are right: restored, or checked */
    uint64_t present;         /* were there already, and stay as they are */
    uint64_t damaged;         /* aren't what the list says */
    uint64_t missing;         /* aren't in the backup */
};

struct restore {
    struct admin *a;
    const char *source; /* as given */
    int fd;             /* the backup */
    struct manifest manifest;
    bool reads_all; /* as root could: then only what belongs to the backup's owner is read */
    uid_t owner;
    bool replaces;                                               /* settings that are there already */
    const char *address, *folder;                                /* as given; NULL: all */
    char from[FOLDER_NAME_LIMIT + 1], to[FOLDER_NAME_LIMIT + 1]; /* folders as on disk; "": all, the same */
    struct progress progress;
    char *buffer;
    bool listed;                                         /* something was printed */
    uint64_t messages, bytes, present, damaged, missing; /* in all */
    struct bytes wrong; /* what is damaged or missing: paths as the list has them, a line each */
};

/* --- restore_list.c: what is told, in lines or as JSON */
void list_begin(struct restore *r);
void list_tally(struct restore *r, const struct tally *t);
/* A file that isn't what the list says it is; `word` is "damaged" or "missing". */
void list_wrong(struct restore *r, const char *word, struct span path);
/* The sum, and what was wrong. EX_OK; EX_DATAERR where anything was, or the list itself isn't whole. */
int list_end(struct restore *r);

/* --- restore_read.c */
/* The backup: one, or the last of those in a folder. Reads its list. EX_OK, or complains. */
int restore_open(struct restore *r);
void restore_close(struct restore *r);
/* A file of it, opened. ST_NONE: it is missing, or no file of the backup's owner. ST_TEMP with errno. */
enum status restore_file(struct restore *r, const struct manifest_entry *e, int *fd);
/* What a file of it, or one restored, holds: read to its end, and written to `to` (-1: not). ST_PERM: it
 * isn't what the list says. ST_TEMP with errno; *writing where it was `to` that failed. */
enum status restore_read(struct restore *r, int fd, const struct manifest_entry *e, int to, bool *writing);
/* Where a message lies: the parts of "mail/DOMAIN/USER[/.FOLDER]/cur|new/NAME". False: it is none. */
struct mail_path {
    struct span account; /* "mail/DOMAIN/USER" */
    struct span folder;  /* as on disk; "INBOX" */
    struct span name;
    bool in_new;
};
bool mail_path(struct span path, struct mail_path *p);
/* The folder of any path below an account's: "INBOX" for what lies at its top. Behind it, *rest. */
struct span mail_folder_of(struct span below, struct span *rest);

/* --- backup_check.c */
int backup_check(struct restore *r);

/* --- restore_account.c */
/* One account of the backup, in whole or the folder that r says. EX_OK, or complains. */
int restore_account(struct restore *r, const struct address *address);

/* --- restore_server.c: all of it */
int restore_server(struct restore *r);

#endif
