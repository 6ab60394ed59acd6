/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The folders of one account (Maildir++): INBOX is the Maildir itself, folder a.b is its
 * directory ".a.b". Names here are as on disk: modified UTF-7, levels parted by '.'; INBOX in any case is
 * INBOX. Subscriptions are a file of names, one a line, as Dovecot's.
 */
#ifndef POSTERN_STORE_FOLDERS_H
#define POSTERN_STORE_FOLDERS_H

#include "base/bytes.h"
#include "base/status.h"

#define FOLDER_NAME_LIMIT 240 /* with room for the dot and the file system's 255 */
#define FOLDERS_LIMIT 10000   /* of an account */
#define FOLDER_ID_SIZE 40     /* of a MAILBOXID, with its NUL */
#define FOLDER_USES_BY_NAME (~0u)

struct mail; /* an account's opened Maildir */

/* Opens (making it where missing). hostname goes into new file names; it is copied. ST_TEMP with errno. */
enum status mail_open(const char *maildir, const char *hostname, struct mail **mail);
void mail_close(struct mail *mail);
/* The Maildir's descriptor; stays the mail's. */
int mail_dir(const struct mail *mail);
const char *mail_hostname(const struct mail *mail);
/* The kernel's ID of this boot: what an index says about numbers counts in the boot only in which it was
 * written. "" until it was set (it can't be read from within a sandbox). */
void mail_set_boot(struct mail *mail, const char *boot);
const char *mail_boot(const struct mail *mail);
void mail_set_wait(struct mail *mail, int ms);
/* A lock on what all folders share (subscriptions, the counter of UIDVALIDITY), held for moments. The
 * descriptor to close, or -1. For who mustn't be held up by what somebody else does to the Maildir,
 * mail_set_wait() says how many milliseconds it is waited for at most. */
int mail_lock(struct mail *mail);
/* A UIDVALIDITY that no folder of this account ever had. On disk when it returns. */
enum status mail_next_validity(struct mail *mail, uint32_t *validity);

struct folder {
    char *name;
    bool exists;       /* false: only a parent of folders that do, or only subscribed */
    bool has_children; /* folders that exist */
    bool subscribed;
};
struct folder_list {
    struct folder *folders; /* sorted by name, INBOX first */
    size_t count;
};

/* All folders, subscribed names that no longer exist, and the missing parents of both. */
enum status folders_list(struct mail *mail, struct folder_list *list);
void folders_free(struct folder_list *list);

/* May a folder be made under this name? One that can be, without control characters, line separators and
 * the like (RFC 5198, RFC 6855 3). */
bool folder_name_makeable(struct span name);
/* Can this be a folder's name: valid modified UTF-7, no empty level, no '/', no control characters, within
 * the limit? */
bool folder_name_valid(struct span name);
/* "." for INBOX, ".a.b" for a.b. False if the name isn't valid. */
bool folder_path(struct span name, char *to, size_t size);
bool folder_is_inbox(struct span name);
/* The folder's directory, opened beneath the Maildir. ST_NONE if there is no such folder. */
enum status folder_open(struct mail *mail, struct span name, int *dir);
/* Makes tmp, new and (last: it is what makes a folder exist) cur in an opened directory, and fsyncs it. */
enum status folder_make_parts(int dir);

/* ST_OK, or ST_NONE also for a name that can't be; ST_TEMP: could not look. */
enum status folder_exists(struct mail *mail, struct span name);
/* ST_PERM with errno EEXIST if it exists, EINVAL for a name that may not be made, EDQUOT over FOLDERS_LIMIT.
 * Durable when it returns. */
enum status folder_create(struct mail *mail, struct span name);
/* The same, telling its MAILBOXID (OBJECTID, RFC 8474). `uses` are the folder's special uses (USE_* of
 * special_use.h), or FOLDER_USES_BY_NAME. ST_PERM with errno EBUSY where another folder has one of these. */
enum status folder_create_for(struct mail *mail, struct span name, unsigned uses,
                              char mailbox_id[FOLDER_ID_SIZE]);
/* Moves the folder out of sight by one rename, then removes its files. ST_NONE if it isn't there; ST_PERM for
 * INBOX. */
enum status folder_delete(struct mail *mail, struct span name);
/* With all folders below it. INBOX: its messages move to a new folder, INBOX stays (RFC 3501 6.3.5). ST_NONE:
 * no such folder. ST_PERM with errno EEXIST if one is in the way, EINVAL for a name that can't be or that
 * lies below `from`. */
enum status folder_rename(struct mail *mail, struct span from, struct span to);
/* Adds the name to the file of subscriptions, or takes it out; ST_OK also where nothing had to change. The
 * folder need not exist. ST_PERM for a name that can't be. */
enum status folder_subscribe(struct mail *mail, struct span name, bool subscribed);

/* Drafts, Sent, Junk, Trash, Archive, made and subscribed: what a new account gets. */
enum status folders_make_standard(struct mail *mail);

#endif
