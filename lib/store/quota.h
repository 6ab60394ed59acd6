/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Quota: how much mail an account may hold, and how much it holds.
 *
 * The limits come from the account's line in `accounts`, what that doesn't say from postern.conf. What is
 * held is kept in the Maildir as Maildir++ has it (`maildirsize`), which Courier and Dovecot read and write
 * as well: sizes are those of the files, all folders count, and messages in Trash or marked \Deleted count as
 * others do.
 *
 * Whoever owns the Maildir may write that file as he likes, and gains or loses only room of his own: it is
 * opened beneath the Maildir, read within a bound, and counted anew where it makes no sense. Where it can't
 * be looked at, mail is taken: a quota is no reason to lose any.
 */
#ifndef POSTERN_STORE_QUOTA_H
#define POSTERN_STORE_QUOTA_H

#include "base/bytes.h"
#include "base/status.h"

#define QUOTA_UNSET UINT64_MAX /* in an account's own limits: what postern.conf says */
#define QUOTA_MESSAGES_LIMIT UINT64_C(1000000000000)

/* Limits. 0: none. */
struct quota {
    uint64_t bytes, messages;
};
struct quota_used {
    uint64_t bytes, messages;
};

/* --- limits as text: "storage=2G messages=50000", in any order, each once or not at all */
/* What isn't said is QUOTA_UNSET. False for anything else. */
bool quota_parse(struct span text, struct quota *q);
/* Appends what is set. */
void quota_print(const struct quota *q, struct bytes *out);
/* Replaces what is unset. */
void quota_default(struct quota *q, uint64_t bytes, uint64_t messages);
bool quota_limited(const struct quota *q);

/* --- what a Maildir holds; `maildir` is its descriptor */
/* From maildirsize where that is good, else counted, and written there if there are limits. `patience` in
 * milliseconds bounds the counting; 0: none. ST_TEMP with errno (ETIME: it took too long). */
enum status quota_look(int maildir, const struct quota *q, int patience, struct quota_used *used);
/* May so much be added? ST_PERM with errno EDQUOT: no. `grace` is how much of a limit it may be exceeded by,
 * in per cent, as long as it isn't reached yet: what a delivery has, as with Dovecot. ST_OK without limits,
 * and where it can't be looked at. */
enum status quota_room(int maildir, const struct quota *q, unsigned grace, int patience, uint64_t bytes,
                       uint64_t messages);
/* The same for a delivery, by the Maildir's path; also ST_OK where there is no Maildir yet. */
enum status quota_room_at(const char *maildir, const struct quota *q, uint64_t bytes);

/* Messages came or went: adds a line to maildirsize, if there is one. */
void quota_add(int maildir, int64_t bytes, int64_t messages);
void quota_add_at(const char *maildir, int64_t bytes, int64_t messages);
/* It must be counted anew. */
void quota_forget(int maildir);

#endif
