/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of `postern user` share.
 *
 *     user.c           add, remove, passwd (list is in lists.c)
 *     user_secret.c    an account's line in secrets
 *     user_state.c     disable, enable, show
 *     user_apppass.c   app passwords
 *     user_quota.c     limits
 *     user_import.c    accounts from a passwd-file; user_import.h
 */
#ifndef POSTERN_USER_H
#define POSTERN_USER_H

#include "admin.h"
#include "store/secrets.h"
#include "text/address.h"

/* What a password is known by. */
struct secret {
    struct bytes hash, verifier;
};

/* An argument as the address of an account that is there. EX_OK, or complains. */
int user_find(struct admin *a, const char *text, struct address *account);
/* Is it in accounts? EX_OK: *there says so. */
int user_is_there(struct admin *a, const struct address *account, bool *there);

/* The account's Maildir with the usual folders. EX_OK, or complains. */
int user_make_maildir(struct admin *a, const struct address *account);

/* Makes what is kept of a password. EX_OK, or complains. To be forgotten either way. */
int secret_make(struct admin *a, const struct address *account, struct span password, struct secret *secret);
/* The same of one that is typed or comes as a line of input. */
int secret_read(struct admin *a, const struct address *account, struct secret *secret);
void secret_forget(struct secret *secret);
/* Sets the account's line in secrets, keeping what else a passwd-file has there. Lock held. */
int secret_set(struct admin *a, const struct address *account, const struct secret *secret);

/* The account's line in secrets, without its LF, within *text, which is to be wiped either way. EX_NOUSER,
 * having complained: it has none. */
int secret_find(struct admin *a, const struct address *account, struct bytes *text, struct span *line);
/* The verifier whose salt another of the account's passwords has to share. False: there is none. */
bool secret_form(struct span line, struct scram_verifier *v);
/* A line for each app password: `before`, its name, when it was made and last used, by which program and from
 * where. */
void user_list_apps(struct admin *a, const struct address *account, struct span extra, const char *before);
/* Changes the account's extra fields as secrets_change() does. Takes the lock. EX_OK, or complains. */
int secret_change(struct admin *a, const struct address *account, const char *without, struct span with);

#endif
