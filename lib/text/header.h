/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The header section of a message or MIME part, read in place (RFC 5322 2.2). Works on
 * CRLF and LF line ends alike, and on whatever strangers send: a line that is no field is passed
 * over as part of the one before.
 */
#ifndef POSTERN_TEXT_HEADER_H
#define POSTERN_TEXT_HEADER_H

#include "base/bytes.h"

struct header_field {
    struct span name;  /* "Subject" */
    struct span value; /* raw, behind the colon, still folded, without its final line end */
    struct span whole; /* name, colon, value, line end */
};

/* Bytes of the header section with the empty line that ends it (all of `message` if there is none). */
size_t header_end(struct span message);
/* The next field at *rest, which begins as a header section. False at its end (the empty line or the end of
 * bytes). */
bool header_next(struct span *rest, struct header_field *field);
/* The next one of that name, without regard to case. Others are passed over at the speed of finding their
 * lines' ends. */
bool header_named(struct span *rest, struct span name, struct header_field *field);
/* The first field of that name, without regard to case. */
bool header_find(struct span header, const char *name, struct header_field *field);
/* The values of the first field of each of these names, in one pass; p is NULL where there is none. */
void header_pick(struct span header, const struct span *names, size_t count, struct span *values);
/* How many fields of that name there are. */
size_t header_count(struct span header, const char *name);
/* Appends the value unfolded (RFC 5322 2.2.3: line ends removed), blanks trimmed. False if *out is over its
 * limit. */
bool header_unfold(struct span value, struct bytes *out);

#endif
