/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * CONDSTORE and QRESYNC (RFC 7162): which mod-sequences the client is told, and which UIDs have vanished.
 *
 * A client asks for mod-sequences by ENABLE or by any command that speaks of them; from then on they stand in
 * every FETCH that has flags. A mailbox whose mod-sequences don't outlive the session (box->modseq is 0 when
 * it is selected) has none: NOMODSEQ, and commands that need them are BAD.
 */
#ifndef POSTERN_IMAPD_QRESYNC_H
#define POSTERN_IMAPD_QRESYNC_H

#include "imapd.h"

/* The selected mailbox has mod-sequences, and the client wants them. */
bool modseq_wanted(const struct imap *i);
/* And it wants VANISHED for EXPUNGE. */
bool vanished_wanted(const struct imap *i);

/* A command that speaks of mod-sequences came (RFC 7162 3.1). The first one, with a mailbox selected, is
 * answered with its HIGHESTMODSEQ. */
void condstore_enable(struct imap *i);
/* The same for one that needs them of the selected mailbox: false, with a reply, if it has none. */
bool condstore_use(struct imap *i);

/* `* OK [HIGHESTMODSEQ n]`, or NOMODSEQ (RFC 7162 3.1.2); the client is taken to know it then. */
void write_highest_modseq(struct imap *i);
/* `MODSEQ (n)` into i->line, and takes note of it. */
void add_modseq(struct imap *i, uint64_t modseq);
/* Before a tagged reply is sent: HIGHESTMODSEQ in it, or as an untagged OK if there is a code already, where
 * the client would else take something wrong for it. */
void modseq_settle(struct imap *i);
/* The same within IDLE. */
void modseq_settle_untagged(struct imap *i);

/* VANISHED of these UIDs, ascending, which the session has shown until now. */
void write_vanished(struct imap *i, const uint32_t *uids, size_t count);
/* VANISHED (EARLIER): those of the set `known` (empty: all; '*': to the end) that went after that
 * mod-sequence, where that is known; else all that aren't there. False: no memory. */
bool write_vanished_since(struct imap *i, uint64_t modseq, const struct set *known);
/* What SELECT (QRESYNC ...) tells behind the mailbox's own lines: nothing if UIDVALIDITY is another one.
 * False: no memory. */
bool resynchronise(struct imap *i, const struct qresync *q);

#endif
