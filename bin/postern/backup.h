/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern backup and restore: what their parts share.
 *
 *     DIR/2026-11-26T18:30:00Z/    a backup: manifest (manifest.h), and below it
 *         settings/...             the folder of postern.conf
 *         outside/...              files that the settings name and that lie elsewhere, under their whole
 * path spool/queue/ID[.why]     the queue; spool/... what else is in the spool mail/DOMAIN/USER/...     an
 * account's Maildir DIR/.part                    one that is being made, or whose making ended early
 *     DIR/.unfinished              the latter, while the next is being made: what it has isn't read again
 *     DIR/.old.*                   one that is being removed
 *
 * A backup gets its name when all of it is on disk, and is never changed then: what didn't change since the
 * one before is a second name of the same file (a hard link) where DIR's file system has those.
 */
#ifndef POSTERN_BACKUP_H
#define POSTERN_BACKUP_H

#include "import.h"
#include "manifest.h"

#include <sys/stat.h>

#define BACKUP_PART ".part"
#define BACKUP_UNFINISHED ".unfinished"
#define BACKUP_OLD ".old."
#define BACKUP_NAME_SIZE sizeof "2026-11-26T18:30:00Z"
#define BACKUP_PATH_LIMIT ((size_t)4096) /* bytes of a path below a backup */

/* A backup from which files are linked. */
struct backup_source {
    int fd;
    struct manifest manifest;
};

/* A message that a source has, and how it can be known again. */
struct known_key {
    uint64_t hash;     /* of the text: of a base, or of an EMAILID */
    const char *entry; /* its line in the manifest */
    uint8_t source;
};
struct known {
    struct known_key *keys; /* by hash */
    size_t count, room;
    bool failed;
};

struct backup_count {
    uint64_t messages, bytes;    /* of mail, in all */
    uint64_t fresh, fresh_bytes; /* of that: what was read, not linked */
    uint64_t unread;
    uint64_t expunged; /* while it was copied */
    uint64_t copied;   /* bytes of all files that were read */
};

struct backup {
    struct admin *a;
    const char *target; /* DIR, as given */
    int top, part;      /* it, and .part in it */
    struct backup_source sources[2];
    size_t source_count;
    bool full;       /* everything is read, nothing linked */
    bool linked;     /* there was something to link, and it could be */
    bool unlinkable; /* it couldn't */
    struct manifest_out out;
    uint64_t synced; /* bytes that were copied up to the last manifest_synced() */
    struct backup_count count;
    struct progress progress;
    char *buffer;
    uint64_t key[2];    /* of the hashes in `known` */
    struct known known; /* of the account at work */
};

/* --- backup_file.c: files into .part. All complain, once, of what the target says (EX_IOERR); EX_OK also
 * where a file of the server's can't be read, which is counted and in the manifest. `path` is below the
 * backup. */
/* Makes a directory, and says so in the manifest. */
int backup_make_dir(struct backup *b, const char *path);
/* A file's bytes from where they are in `from`, to `name` in to_dir; the manifest is told. `wanted` is the
 * mode. */
int backup_copy(struct backup *b, int from, const char *path);
int backup_text(struct backup *b, struct span text, const char *path);
/* What can't be read: errno says why. */
int backup_unread(struct backup *b, const char *path);
/* Links a file of a source instead. EX_OK; EX_UNAVAILABLE where it can't be (say nothing and copy). */
int backup_link(struct backup *b, const struct backup_source *source, const struct manifest_entry *e,
                const char *path);
/* Something went wrong with the backup itself; errno says what. */
int backup_failed(struct backup *b, const char *what);
/* All below an opened directory of the server's, whose names `skip` (NULL: none) doesn't want, into `path`,
 * which exists; `depth` is how many folders deep. */
typedef bool backup_skip(struct backup *b, int dir, const char *name, const struct stat *info);
int backup_tree(struct backup *b, int dir, const char *path, backup_skip *skip, unsigned depth);
/* Joins the parts of a path; false if it is too long. */
bool backup_join(char to[BACKUP_PATH_LIMIT], const char *path, const char *name);

/* --- backup_known.c */
/* Which messages of an account the sources have. False if memory runs out. */
bool known_read(struct backup *b, const char *address);
void known_free(struct known *k);
/* The hash of a base, or of an EMAILID: the keys by which messages are known again. */
uint64_t known_base(const uint64_t key[2], struct span base);
uint64_t known_email_id(const uint64_t key[2], const char *email_id);
/* The entry of the message whose base and EMAILID ("": not known), size and time are these. False: there is
 * none. */
bool known_find(const struct backup *b, struct span base, const char *email_id, const struct stat *info,
                struct manifest_entry *e, const struct backup_source **source);

/* --- backup_survey.c: an account's folders at one moment */
struct survey_folder {
    char path[FOLDER_NAME_LIMIT + 2]; /* "." or ".a.b" */
    char name[FOLDER_NAME_LIMIT + 1];
    struct scan scan;
    struct bytes durable, journal; /* their files; empty where there are none */
    char mailbox_id[FOLDER_ID_SIZE];
    uint32_t uid_validity;           /* 0: it has none yet */
    int dir, new_dir, cur_dir, lock; /* -1 but while it is looked at */
    bool scanned, seen;
};
struct survey {
    struct survey_folder **folders;
    size_t count;
    bool hurried; /* a lock couldn't be had, and no other is waited for */
};
/* ST_NONE: folders went on changing while they were looked at, so that what moved between them may be
 * missing. ST_TEMP with errno. Free it in every case. */
enum status survey_take(struct mail *mail, struct survey *s);
void survey_free(struct survey *s);
/* The EMAILID that a message has in that folder; "" where it can't be told from its name. */
void survey_email_id(const struct survey_folder *f, const struct filename *name, char id[EMAIL_ID_LIMIT + 1]);

/* --- backup_mail.c: one account, which may have no mail yet */
int backup_account(struct backup *b, const struct address *address);

/* --- backup_accounts.c: all of them */
int backup_mail(struct backup *b);

/* --- backup_server.c: settings, what they name elsewhere, and the spool */
int backup_settings(struct backup *b);
int backup_spool(struct backup *b);

/* --- backup_places.c: the backups that lie in DIR */
/* Their names, the oldest first; to be freed, each and all. -1 with errno. */
ssize_t backup_names(int top, char ***names);
void backup_free_names(char **names, ssize_t count);
/* Removes a directory of DIR with all below it. False with errno if something stays. */
bool backup_remove(int top, const char *name);
/* The same for a backup, which is out of sight first. */
bool backup_forget(int top, const char *name);

#endif
