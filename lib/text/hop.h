/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where mail goes next when it doesn't go where the recipient's domain says: a line of the table `routes`.
 *
 *     WHO                WHERE, OPTIONS
 *     example.com        smtp:gateway.example.net        the mail exchangers of that domain
 *     .example.com       smtp:[10.0.0.5]:2525            subdomains; brackets: this host or address itself
 *     *                  smtps:[mail.isp.example] auth   everybody else, with TLS from the first byte
 *     lists.example.org  lmtp:unix:/run/lists/lmtp       LMTP (RFC 2033), to a socket or to [host]:port
 *     user@example.com   direct                          one recipient: as if there was no route
 *
 * "smtp:" may be left out. Options: tls=may|none|encrypt|verify, and auth: the host's entry in
 * `route-secrets` is used, and TLS verified unless tls= says something else. Pure.
 */
#ifndef POSTERN_TEXT_HOP_H
#define POSTERN_TEXT_HOP_H

#include "text/address.h"

#define HOP_NAME_LIMIT 256
#define HOP_TEXT_LIMIT 320 /* a hop as text, with its options */

enum hop_protocol { HOP_SMTP, HOP_SMTPS, HOP_LMTP };
enum hop_tls {
    HOP_TLS_MAY,     /* where it is offered */
    HOP_TLS_NONE,    /* never */
    HOP_TLS_ENCRYPT, /* any TLS, or no mail */
    HOP_TLS_VERIFY,  /* with a certificate for the host that known roots signed, or no mail */
};

struct hop {
    bool direct; /* by the recipient's own domain; nothing else below counts */
    enum hop_protocol protocol;
    enum hop_tls tls;
    bool auth;
    bool local;                /* `name` is the path of a Unix socket */
    bool exact;                /* the host or address itself, not the mail exchangers of a domain */
    unsigned port;             /* 0: the usual one */
    char name[HOP_NAME_LIMIT]; /* in lower case, without brackets; an address literal ("[192.0.2.1]",
                                  "[IPv6:...]") has them */
};

/* Reads WHERE and OPTIONS. NULL, or what is wrong with it, for a person. */
const char *hop_read(struct span text, struct hop *h);
/* The same in one form, so that equal hops are equal texts; hop_read() reads it again. */
void hop_write(const struct hop *h, struct bytes *out);
/* Reads a whole line: WHO, in lower case, into `who` (limit: ADDRESS_LIMIT). NULL, or what is wrong. */
const char *hop_line(struct span line, struct bytes *who, struct hop *h);

#endif
