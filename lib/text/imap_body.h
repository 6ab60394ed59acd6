/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ENVELOPE, BODY and BODYSTRUCTURE as IMAP writes them (RFC 3501 7.4.2), from a message's bytes. Strings with
 * 8-bit bytes, CR, LF or more than 1,000 bytes leave as literals; NUL is dropped. The output is always valid
 * IMAP.
 */
#ifndef POSTERN_TEXT_IMAP_BODY_H
#define POSTERN_TEXT_IMAP_BODY_H

#include "text/mime.h"

/* Each appends to *out; false if it is over its limit or memory ran out. */
/* `(date subject from sender reply-to to cc bcc in-reply-to message-id)` of a header section. */
bool imap_envelope(struct span header, struct bytes *out);
/* The same envelope for a client that knows no UTF-8 in headers: a subject and display names that are UTF-8
 * become encoded words (RFC 2047). What isn't UTF-8, addresses and identifiers leave as literals, as they
 * are. */
bool imap_envelope_downgrade(struct span envelope, struct bytes *out);
/* How a message/global begins in a structure, always so that it can be found: only clients that enabled
 * UTF8=ACCEPT or IMAP4rev2 expect an envelope and a body in one (RFC 9051 9, body-type-msg), for others it is
 * IMAP_RFC822, which is as long. */
#define IMAP_GLOBAL "\"message\" \"global\""
#define IMAP_RFC822 "\"message\" \"rfc822\""
/* With `extended`, BODYSTRUCTURE; without, BODY. Sizes are those of the wire, with CRLF. */
bool imap_body_structure(const struct mime_part *root, bool extended, struct bytes *out);
/* nstring: NIL for p == NULL, else quoted or literal. */
bool imap_string(struct span s, struct bytes *out);
/* A header field's value, raw as header_next() finds it, unfolded as an nstring; NIL for p == NULL. What is
 * over 64 KiB is cut off. A failure shows in *out. */
void imap_value(struct span value, struct bytes *out);

#endif
