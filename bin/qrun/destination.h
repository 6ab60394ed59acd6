/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files that make up a destination share; nobody else includes this.
 *
 *     destination.c          finding one, its line of parts, one answer for all that is in line
 *     destination_slots.c    who may have children
 *     destination_connect.c  the connector: the next host
 *     destination_send.c     the sender: messages and their results
 *
 * A destination is a domain. It has parts of messages in line and, while it has a slot, a connector and a
 * sender:
 *
 *     IDLE        a part comes in line: WAITING
 *     WAITING     for a slot: CONNECTING
 *     CONNECTING  a socket from the connector: GREETING; no host left: everything in line gets that answer
 *     GREETING    the sender is ready: SENDING; refused: CONNECTING to the next host, or the same without TLS
 *     SENDING     one part is with the sender; its result: the next part, or CONNECTING again
 *
 * and back to IDLE when nothing is in line.
 */
#ifndef POSTERN_QRUN_DESTINATION_H
#define POSTERN_QRUN_DESTINATION_H

#include "qrun.h"

enum urgency {
    RETRY,
    FRESH, /* never tried */
    WOKEN, /* asked for by name: somebody has just sent it */
};
enum state { IDLE, WAITING, CONNECTING, GREETING, SENDING };

struct destination {
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    struct destination *hash_next, *list_next;
    enum state state;
    struct part *first, *last;
    size_t count;
    struct line parked;              /* messages left closed while the line is full */
    struct part *current;            /* with the sender */
    int connector, sender;           /* channels, or -1 */
    unsigned completed;              /* messages over this connection */
    unsigned lost;                   /* connections that broke since a message last got through */
    int64_t progress;                /* clock_ms() of the last sign of life */
    int64_t failed_until;            /* clock_ms() */
    char failure[QUEUE_REPLY_LIMIT]; /* what a host said last, and who; "" for nothing yet, or nobody */
    char failed_host[HOST_TEXT];
    enum urgency urgency; /* of the most urgent message in line */
    bool no_tls;
    char host[DNS_NAME_LIMIT], shown[HOST_TEXT]; /* "mx.test", "mx.test[192.0.2.1]" */
    char tls[64];
};

/* --- destination.c */
/* The first part in line, taken out of it; the caller's from now on. NULL: none. */
struct part *destination_take(struct destination *d);
/* Sends parked messages to be loaded when few parts are left in line. */
void destination_refill(struct qrun *q, struct destination *d);
/* All recipients of a part, which no line holds, get this outcome; frees it. `host`: who said it, or NULL. */
void destination_answer(struct qrun *q, struct part *p, char mark, const char *reply, const char *host);
/* Everything in line gets this answer and, where the mark is T, what comes within a minute too. Gives the
 * slot back. `reply` and `host` must not be d's own. */
void destination_fail(struct qrun *q, struct destination *d, char mark, const char *reply, const char *host);
/* Closes one of d's channels and makes it -1. */
void destination_close_channel(int *channel);

/* --- destination_slots.c */
/* To the end of those that wait for a slot. */
void destination_wait(struct qrun *q, struct destination *d);
/* Gives the slot back: IDLE, without children. */
void destination_leave(struct qrun *q, struct destination *d);

/* --- destination_connect.c */
/* Asks for a host, with one of VERB_CONNECT_*; starts the connector for the first. Ends the sender. */
void destination_connect(struct qrun *q, struct destination *d, unsigned verb);
/* A packet, or the end, is there from the connector. */
void destination_connector_input(struct qrun *q, struct destination *d);

/* --- destination_send.c */
/* A packet, or the end, is there from the sender. */
void destination_sender_input(struct qrun *q, struct destination *d);

#endif
