/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DSN parameters on their way out (RFC 3461): between the scheduler and a sender, and from there to the next
 * server where it offers DSN; that one then reports, and we don't.
 */
#ifndef POSTERN_QRUN_DSN_H
#define POSTERN_QRUN_DSN_H

#include "transaction.h"

#include "net/channel.h"

/* Bytes of a packet that a recipient may take: what a part's recipients come to stays below DSN_PACKET. */
#define DSN_PACKET (CHANNEL_PIECE)
size_t dsn_recipient_size(const struct queue_recipient *r);
/* A recipient of VERB_MESSAGE: address, NOTIFY, ORCPT. */
void dsn_put_recipient(struct message *m, const struct queue_recipient *r);
void dsn_get_recipient(struct message *m, struct transaction *t, size_t i);
/* RET and ENVID of it. */
void dsn_put_mail(struct message *m, const struct mail_options *o);
void dsn_get_mail(struct message *m, struct transaction *t);

/* Appends the parameters of MAIL, or of the RCPT for a recipient, each behind a space; none where the server
 * doesn't offer DSN. */
void dsn_mail(const struct smtp *s, const struct transaction *t, struct bytes *out);
void dsn_rcpt(const struct smtp *s, const struct transaction *t, size_t i, struct bytes *out);
/* After the reply to the message: who was taken by a server that won't report success, though that was asked
 * for, gets the mark R in place of D; by LMTP, which delivers, L. */
void dsn_mark_relayed(const struct smtp *s, struct transaction *t);

#endif
