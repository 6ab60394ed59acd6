/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text that follows DATA (RFC 5321 4.5.2), taken apart as it arrives: dots unstuffed, and
 * its end found at CRLF.CRLF and nowhere else.
 *
 * A CR or LF outside CRLF never ends a line here, so no two servers can disagree about where a message
 * ends: such a message is read to its true end and then refused. Lines may be longer than the standard's
 * 998 bytes, as mailers that write them are common, but not longer than SMTPDATA_LINE_LIMIT.
 */
#ifndef POSTERN_TEXT_SMTPDATA_H
#define POSTERN_TEXT_SMTPDATA_H

#include "base/bytes.h"

#define SMTPDATA_LINE_LIMIT 65536 /* bytes of a line without its CRLF */

enum {
    SMTPDATA_BARE = 1, /* a CR or LF outside CRLF */
    SMTPDATA_NUL = 2,
    SMTPDATA_LONG = 4,      /* a line over SMTPDATA_LINE_LIMIT */
    SMTPDATA_EIGHT_BIT = 8, /* bytes above 127: no fault */
    SMTPDATA_FAULTS = SMTPDATA_BARE | SMTPDATA_NUL | SMTPDATA_LONG,
};

struct smtpdata {
    unsigned state;
    unsigned found; /* SMTPDATA_* bits seen so far */
    size_t line;    /* bytes of the current line */
    uint64_t size;  /* bytes of the unstuffed message so far, with CRLFs */
    bool ended;
};

/* Stands behind the CRLF of the DATA command: a dot alone ends an empty message at once. */
void smtpdata_init(struct smtpdata *d);
/* Reads `in` up to the end of the message at most and returns how much of it that was. Appends the message's
 * bytes to *out, which the caller gives room for in.n more; out NULL, and everything after a fault, is
 * counted and thrown away. */
size_t smtpdata_read(struct smtpdata *d, struct span in, struct bytes *out);

#endif
