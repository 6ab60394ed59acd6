/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The trace fields that a server writes in front of a message (RFC 5321 4.4).
 */
#ifndef POSTERN_TEXT_TRACE_H
#define POSTERN_TEXT_TRACE_H

#include "text/address.h"

#define TRACE_HELO_LIMIT 255 /* bytes of a HELO name that are written */
#define TRACE_TLS_LIMIT 100

struct trace {
    struct span helo;    /* as the client said it: any bytes */
    const char *address; /* the client's IP address as text, or NULL where it has none */
    const char *reverse; /* its name in DNS; "" if that isn't sure; NULL if nobody asked */
    bool by_user;        /* a user of this machine: uid, in place of helo and address */
    unsigned uid;
    const char *hostname; /* ours */
    bool extended;        /* EHLO */
    bool lmtp;            /* LHLO */
    bool utf8;            /* SMTPUTF8 was said */
    bool tls;             /* encrypted; tls_description may still be empty */
    bool login;
    struct span tls_description;
    const char *id;
    const char *session; /* the connection's ID in the log; NULL or "": none */
    const struct address *recipient; /* the only one, or NULL */
    int64_t time;                    /* seconds since 1970 */
};

/* Appends "Received: ...\r\n". With what strangers said (helo, tls_description) the field can't be broken:
 * whatever isn't safe in a domain or a comment becomes '?'. False if *out is over its limit. */
bool trace_received(const struct trace *t, struct bytes *out);
/* Appends "Return-Path: <...>\r\n". */
bool trace_return_path(const struct address *sender, struct bytes *out);
/* Appends "Delivered-To: user+detail@domain\r\n"; no detail where it is "". */
bool trace_delivered_to(const struct address *account, char delimiter, const char *detail, struct bytes *out);

#endif
