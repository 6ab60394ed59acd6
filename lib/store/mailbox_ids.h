/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a message's name says of its origin: EMAILID (OBJECTID, RFC 8474) and SAVEDATE (RFC 8514).
 *
 * An EMAILID is the field E= of the name, which copies keep. A message without one has the one that its
 * first folder, UIDVALIDITY and UID make, and a copy of it gets that as its E=: so nothing is written for
 * messages that never leave their folder, and all copies of one agree.
 */
#ifndef POSTERN_STORE_MAILBOX_IDS_H
#define POSTERN_STORE_MAILBOX_IDS_H

#include "store/filename.h"
#include "store/mailbox.h"

/* What a message without E= has. */
void email_id_derive(const char *mailbox_id, uint32_t validity, uint32_t uid, char id[EMAIL_ID_LIMIT + 1]);
/* The EMAILID of a message whose file has that name. */
void email_id_of(struct span name, const char *mailbox_id, uint32_t validity, uint32_t uid,
                 char id[EMAIL_ID_LIMIT + 1]);

/* index < box->count in both. */
void mailbox_email_id(const struct mailbox *box, size_t index, char id[EMAIL_ID_LIMIT + 1]);
/* When the message came into this folder, in seconds: by its name, which every delivery, APPEND, COPY and
 * MOVE makes anew; for a foreign name without a time, its INTERNALDATE. */
int64_t mailbox_save_date(struct mailbox *box, size_t index);

#endif
