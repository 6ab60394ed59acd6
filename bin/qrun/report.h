/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of a bounce: multipart/report (RFC 6522) with a part for people, a delivery status (RFC 3464) and
 * the headers of the message it is about.
 */
#ifndef POSTERN_QRUN_REPORT_H
#define POSTERN_QRUN_REPORT_H

#include "base/bytes.h"

struct report_recipient {
    const char *address;
    const char *reply; /* "550 5.1.1 ..." of a server, or our own words with an enhanced code in front; NULL:
                          not known any more */
    const char *host;  /* who said it, "mx.example.net[192.0.2.1]"; NULL: we ourselves */
    bool expired;      /* given up after the queue's lifetime */
};
struct report {
    const char *hostname, *id, *bounce_id;
    const char *to;      /* whom it is for: the sender, or postmaster */
    bool for_postmaster; /* the message came from <>: nobody else can be told */
    int64_t queued, now;
    const struct report_recipient *recipients;
    size_t count;
    struct span header; /* of the message, with or without its final empty line */
};

/* CRLF line ends. *eight_bit: there are 8-bit bytes in it. False if out is too small. */
bool report_write(const struct report *r, struct bytes *out, bool *eight_bit);

#endif
