/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of a delivery status notification: multipart/report (RFC 6522) with a part for people, a delivery
 * status (RFC 3464) and the headers of the message it is about. qrun writes bounces with it, smtpd the reports
 * of success for what it delivered itself.
 */
#ifndef POSTERN_TEXT_REPORT_H
#define POSTERN_TEXT_REPORT_H

#include "text/envelope.h"

#include "base/bytes.h"

/* What happened to a recipient (RFC 3464 2.3.3); a report is about one kind of thing. */
enum report_action { REPORT_FAILED, REPORT_DELIVERED, REPORT_EXPANDED };

struct report_recipient {
    const char *address;
    const char *reply; /* "550 5.1.1 ..." of a server, or our own words with an enhanced code in front; NULL:
                          not known any more */
    const char *host;  /* who said it, "mx.example.net[192.0.2.1]"; NULL: we ourselves */
    bool expired;      /* given up after the queue's lifetime */
    const struct rcpt_options *options; /* NULL: nothing was said; ORCPT becomes Original-Recipient */
};
struct report {
    enum report_action action;
    bool utf8;         /* for SMTPUTF8: UTF-8 as it is, in the parts of RFC 6533 */
    uint64_t random;   /* makes the boundary, which the message's sender mustn't foresee */
    const char *envid; /* in xtext, as MAIL brought it; NULL or "": none */
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
