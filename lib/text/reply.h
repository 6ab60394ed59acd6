/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An SMTP server's replies, read by a client (RFC 5321 4.2), and what its EHLO offers. Pure; every byte is
 * hostile.
 */
#ifndef POSTERN_TEXT_REPLY_H
#define POSTERN_TEXT_REPLY_H

#include "base/bytes.h"

#define REPLY_TEXT_LIMIT 500 /* bytes of a reply's text that are kept */
#define REPLY_LIMIT 65000    /* bytes of one reply, line ends not counted; more make it bad */

enum reply_state {
    REPLY_MORE, /* another line follows */
    REPLY_DONE,
    REPLY_BAD, /* no reply: no code, another code than the line before, over its limit */
};

struct reply {
    unsigned code; /* 200 to 599 */
    unsigned lines;
    size_t bytes;                    /* of all lines */
    char text[REPLY_TEXT_LIMIT + 1]; /* all lines' text, one space between; printable ASCII only. Enhanced
                                        codes that repeat are left out */
    size_t length;
};

void reply_start(struct reply *r);
/* The next line, without its line end. */
enum reply_state reply_line(struct reply *r, struct span line);
/* The enhanced status code (RFC 3463) at the start of `text`, "" if there is none or its class isn't that of
 * `code` (code 0: any). */
void reply_status(const char *text, unsigned code, char status[12]);

/* As net/sasl_client.h numbers them. */
enum { EHLO_AUTH_PLAIN = 1, EHLO_AUTH_LOGIN = 2, EHLO_AUTH_SCRAM = 4 };

/* How much a server says it takes (RFC 9422 4), 1 to EHLO_LIMITS_MOST each; 0: none said. */
#define EHLO_LIMITS_MOST 999999
struct ehlo_limits {
    unsigned mails;      /* MAILMAX: transactions of a connection, those that fail included */
    unsigned recipients; /* RCPTMAX: of a transaction, those that are refused included */
    unsigned domains;    /* RCPTDOMAINMAX: different ones of a connection's recipients */
};

struct ehlo {
    bool pipelining, size, eight_bit, starttls, utf8, require_tls, dsn;
    uint64_t size_limit; /* 0: none said */
    unsigned auth;       /* bits of EHLO_AUTH_* */
    struct ehlo_limits limits;
};
/* A line of the reply to EHLO behind its code and '-' or ' '. Of a limit that is said twice the lower one
 * counts. */
void ehlo_line(struct ehlo *e, struct span text);

#endif
