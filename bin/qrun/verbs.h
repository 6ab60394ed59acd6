/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What qrun's processes say to one another (net/channel.h). For each destination:
 *
 *     scheduler --CONNECT_*--------------> connector   asks DNS, connects; parses DNS answers
 *               <-NOTE, POLICY, NO_DNSSEC-              (on its way)
 *               <-FETCH-------------------              (the socket of a web server)
 *               --FETCHER---------------->              (a channel to the process that asks it)
 *               <-CONNECTED or NO_HOST---
 *               --MESSAGE, QUIT----------> sender      speaks SMTP on the socket it was started with
 *               <-READY, REFUSED, RESULT-
 *
 * The scheduler decides, owns the queue, and takes from the others only what is bounded here.
 */
#ifndef POSTERN_QRUN_VERBS_H
#define POSTERN_QRUN_VERBS_H

#include "net/dns.h"
#include "store/queue.h"

#include <netinet/in.h>

#define HOST_TEXT (DNS_NAME_LIMIT + INET6_ADDRSTRLEN + 4) /* "mx.example.net[192.0.2.1]" */
#define TRANSACTION_RECIPIENTS 100                        /* RFC 5321 4.5.3.1.8: what every server takes */

enum {
    /* to the connector, without fields */
    VERB_CONNECT_FIRST = 1, /* from the best host on */
    VERB_CONNECT_NEXT,      /* to the host after the one before */
    VERB_CONNECT_SAME,      /* to the same once more, else to the next */
    VERB_CONNECT_MORE,      /* to the same once more, and no other */
    /* from it */
    VERB_CONNECTED, /* host name, its address as text, number: are there others behind it, security_put()'s;
                       with the socket */
    VERB_NO_HOST,   /* numbers: 1 for ever, 0 for now; 1 if every host that there is was connected to, so that
                       what they said is all; text: why, beginning with an enhanced status code */
    VERB_NOTE,      /* what came of a policy before there was a connection. Numbers: enum tls_policy, enum
                       tls_result; host name, "" for none; text */
    VERB_POLICY,    /* to be kept: id, numbers: fetched, expires, retry; text (struct tls_state_policy) */
    VERB_NO_DNSSEC, /* no fields: the resolver passes no signatures on */
    VERB_TRYING,    /* address: may it be tried? The answer is VERB_TRY */
    VERB_DEAD_HOST, /* address: it couldn't be connected to */
    VERB_FETCH,     /* host name; with a connected socket: wants a fetcher */
    /* to it */
    VERB_TRY,     /* number: 0, or for how many seconds it is better left alone */
    VERB_FETCHER, /* with the channel of a fetcher; without: there is none */
    /* from a fetcher, to the connector */
    VERB_FETCHED, /* number: enum tls_result; text: why; the policy, "" where there is none */
    /* to the sender. It ends with QUIT when the channel does. */
    VERB_LOGIN,   /* first, where the route asks for it: name, password */
    VERB_MESSAGE, /* sender, number: where the message begins, its size, MESSAGE_* bits, RET; ENVID; count;
                     for each recipient the address, NOTIFY as number, ORCPT; with the file */
    VERB_QUIT,    /* no fields: another connection follows when the sender has ended */
    /* from it */
    VERB_READY, /* text: what TLS there is, "" for none; numbers: enum protection, enum tls_result; text: more
                   of that, or ""; numbers: MAILMAX, RCPTMAX, RCPTDOMAINMAX, 0 for none */
    VERB_REFUSED, /* numbers: enum refusal, enum tls_result (success: it isn't about TLS); text */
    VERB_RESULT,  /* number: enum after; count; for each recipient a mark (D, R, L, F, T, or RESULT_AGAIN) as
                     number, and the reply */
};

/* In place of a mark: the server took the message for others, and for so many at a time no more. It is T, and
 * worth another transaction at once. */
#define RESULT_AGAIN '+'

/* What a message needs. */
enum {
    MESSAGE_EIGHT_BIT = 1,
    MESSAGE_UTF8 = 2, /* it came with SMTPUTF8 */
};

enum refusal {
    REFUSED_HOST,      /* this host won't: try another */
    REFUSED_TLS,       /* TLS was offered and broke: try the same without */
    REFUSED_POLICY,    /* its TLS isn't what it must be: try another */
    REFUSED_UNFIT,     /* it will never do for a message that requires TLS: try another */
    REFUSED_NO_MAIL,   /* it takes no mail, ever (521, RFC 7504): try another */
    REFUSED_OURSELVES, /* it has our own name: mail would come back here, and others are no better */
};

enum after {
    AFTER_READY, /* the connection takes another message */
    AFTER_GONE,  /* it doesn't; the result counts */
    AFTER_LOST,  /* it broke before the message was sent, or the host has trouble of its own: nothing was
                    delivered, another host may be tried at once */
};

#endif
