/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message for a server without 8BITMIME (RFC 6152 3): parts with 8-bit bytes become quoted-printable or
 * base64, labels are put right, and raw 8-bit bytes of header fields become encoded words (RFC 2047),
 * extended parameters (RFC 2231) or Downgraded- fields (RFC 6857). Nothing else of it changes. A report,
 * which must arrive, is never refused: see seven_bit.c.
 */
#ifndef POSTERN_TEXT_SEVEN_BIT_H
#define POSTERN_TEXT_SEVEN_BIT_H

#include "text/header.h"

/* What stands in the way. */
enum seven_bit {
    SEVEN_BIT_OK,
    SEVEN_BIT_SIGNED,   /* 8-bit bytes below multipart/signed: it would break the signature */
    SEVEN_BIT_ENCODING, /* a part with 8-bit bytes in an encoding that isn't known */
    SEVEN_BIT_FRAGMENT, /* message/partial or message/external-body, which may not be encoded */
    SEVEN_BIT_DEEP,     /* more parts, or deeper ones, than are looked at */
    SEVEN_BIT_ADDRESS,  /* an address in a header field isn't ASCII */
    SEVEN_BIT_FIELD,    /* another field that can't be written without 8-bit bytes */
    SEVEN_BIT_FAILED,   /* memory, or `put` */
};
/* Why, for people; begins with an enhanced status code (RFC 3463). */
const char *seven_bit_why(enum seven_bit fault);

/* Passes `message` (CRLF line ends) on in pieces, as 7-bit. Its bytes are read where they are, usually
 * mapped: the memory it takes is that of a tree of MIME_PARTS. */
enum seven_bit seven_bit_write(struct span message, bool (*put)(void *to, struct span piece), void *to);

/* The same; and parts whose lines are longer than SEVEN_BIT_LINE bytes become quoted-printable too, as
 * servers are that break such lines. Those of an attached message stay, and so do signed ones and what is
 * encoded already. */
#define SEVEN_BIT_LINE 998
enum seven_bit seven_bit_write_lines(struct span message, bool (*put)(void *to, struct span piece), void *to);

/* A header field with 8-bit bytes, appended without them, with its line end. *out isn't to be used if it
 * isn't SEVEN_BIT_OK. */
enum seven_bit seven_bit_field(const struct header_field *field, struct bytes *out);

#endif
