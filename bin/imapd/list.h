/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LIST responses outside of LIST: what SELECT, CREATE, RENAME and DELETE tell an IMAP4rev2 client of a name
 * (RFC 9051 6.3.9.7).
 */
#ifndef POSTERN_IMAPD_LIST_H
#define POSTERN_IMAPD_LIST_H

#include "imapd.h"

/* `* LIST (...) "." name`, with its attributes as they are now, also where there is no such mailbox, and with
 * OLDNAME unless `old` is the empty span. Writes nothing where the folders can't be looked at. */
void write_list_line(struct imap *i, struct span folder, struct span old);
/* The same to a client of IMAP4rev2, if it named the folder otherwise than it is stored. */
void write_if_renamed(struct imap *i, struct span folder, struct span supplied);

#endif
