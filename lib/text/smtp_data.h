/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text that follows DATA (RFC 5321 4.5.2), taken apart as it arrives: dots unstuffed, and
 * its end found at CRLF.CRLF and nowhere else. And that which comes by BDAT.
 *
 * A CR or LF outside CRLF never ends a line here, so no two servers can disagree about where a message
 * ends: such a message is read to its true end and then refused. Lines may be longer than the standard's
 * 998 bytes, as mailers that write them are common, but not longer than SMTP_DATA_LINE_LIMIT.
 */
#ifndef POSTERN_TEXT_SMTP_DATA_H
#define POSTERN_TEXT_SMTP_DATA_H

#include "base/bytes.h"

#define SMTP_DATA_LINE_LIMIT 65536 /* bytes of a line without its CRLF */
#define SMTP_DATA_LINE_MOST 998    /* and of one that every server takes (RFC 5322 2.1.1) */

enum {
    SMTP_DATA_BARE = 1, /* a CR or LF outside CRLF */
    SMTP_DATA_NUL = 2,
    SMTP_DATA_LONG = 4,      /* a line over SMTP_DATA_LINE_LIMIT */
    SMTP_DATA_EIGHT_BIT = 8, /* bytes above 127: no fault */
    SMTP_DATA_OVER = 16,     /* a line over SMTP_DATA_LINE_MOST, which is no fault either */
    SMTP_DATA_FAULTS = SMTP_DATA_BARE | SMTP_DATA_NUL | SMTP_DATA_LONG,
};

struct smtp_data {
    unsigned state;
    unsigned found; /* SMTP_DATA_* bits seen so far */
    size_t line;    /* bytes of the current line */
    uint64_t size;  /* bytes of the unstuffed message so far, with CRLFs */
    bool chunked;   /* by BDAT: dots mean nothing */
    bool ended;
};

/* Stands behind the CRLF of the DATA command: a dot alone ends an empty message at once. */
void smtp_data_init(struct smtp_data *d);
/* Reads `in` up to the end of the message at most and returns how much of it that was. Appends the message's
 * bytes to *out, which the caller gives room for in.n more; out NULL, and everything after a fault, is
 * counted and thrown away. */
size_t smtp_data_read(struct smtp_data *d, struct span in, struct bytes *out);

/* The same for a message that comes in chunks (RFC 3030), with the same rules for its lines: smtp_data_read()
 * then takes all that it is given, and the caller says when it was the last. */
void smtp_data_init_chunks(struct smtp_data *d);
/* Behind the last chunk: a last line without CRLF gets one. */
void smtp_data_end_chunks(struct smtp_data *d, struct bytes *out);

#endif
