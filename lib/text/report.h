/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of a delivery status notification: multipart/report (RFC 6522) with a part for people, a delivery
 * status (RFC 3464) and the message it is about, or its headers. qrun writes with it what it has to report,
 * smtpd the reports of success for what it delivered itself.
 */
#ifndef POSTERN_TEXT_REPORT_H
#define POSTERN_TEXT_REPORT_H

#include "text/envelope.h"

#include "base/bytes.h"

/* What happened to a recipient (RFC 3464 2.3.3). */
enum report_action {
    REPORT_UNSAID, /* of a recipient: what the report says of all */
    REPORT_FAILED,
    REPORT_DELAYED,
    REPORT_DELIVERED, /* of a report: also where several kinds of success are told together */
    REPORT_RELAYED,   /* to a server that sends no reports of success */
    REPORT_EXPANDED,  /* to the several addresses of an alias */
};

struct report_recipient {
    const char *address;
    const char *reply; /* "550 5.1.1 ..." of a server, or our own words with an enhanced code in front; NULL:
                          not known any more */
    const char *host;  /* who said it, "mx.example.net[192.0.2.1]"; NULL: we ourselves */
    bool expired;      /* given up after the queue's lifetime */
    const struct rcpt_options *options; /* NULL: nothing was said; ORCPT becomes Original-Recipient */
    enum report_action action;
};
struct report {
    enum report_action action;
    uint64_t random;   /* makes the boundary, which the message's sender mustn't foresee */
    const char *envid; /* in xtext, as MAIL brought it; NULL or "": none */
    const char *hostname, *id, *bounce_id;
    const char *to;      /* whom it is for: the sender, or postmaster */
    bool for_postmaster; /* the message came from <>: nobody else can be told */
    bool utf8;           /* it came with SMTPUTF8: UTF-8 as it is, and then the forms of RFC 6533 */
    int64_t queued, now;
    int64_t until; /* of REPORT_DELAYED: when it will be given up; 0: not said */
    const struct report_recipient *recipients;
    size_t count;
    struct span header; /* of the message, with or without its final empty line */
    struct span
        message; /* all of it, to go along in place of the header (RET=FULL); empty: only the header */
};

/* CRLF line ends. *eight_bit: there are 8-bit bytes in it. Its own header section is ASCII but for `to`, and
 * for that only where `utf8`. False if out is too small. */
bool report_write(const struct report *r, struct bytes *out, bool *eight_bit);

#endif
