/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files that make up a destination share; nobody else includes this.
 *
 *     destination.c          finding one, one answer for all that is in line
 *     destination_line.c     what is in line, who is next, and how fast
 *     destination_slots.c    who may have children
 *     destination_links.c    its connections: how many there are
 *     destination_connect.c  the connector: the next host
 *     destination_send.c     the sender: messages and their results
 *     destination_limits.c   what a server says it takes at a time: parts are cut to that
 *     destination_tls.c      what the connector and the sender find out about TLS: kept, recorded, logged
 *
 * A destination is a domain: IDLE; WAITING for a slot while there are parts of messages in line; then
 * AT_WORK, with a connector and links (connections, each with a sender):
 *
 *     CONNECTING  a socket from the connector: GREETING; no host left: everything in line gets that answer
 *     GREETING    the sender is ready: SENDING; refused: CONNECTING to the next host, or the same without TLS
 *     SENDING     one part is with the sender; its result: SETTLING
 *     SETTLING    the result waits for the disk (destinations_settle); then the next part, or else CONNECTING
 *     ENDING      the connection has carried all that the server takes on one: the sender says QUIT, and has
 *                 ended before the next connection is made, also to a server that takes one at a time
 *
 * The first link looks for a host that takes mail. Once it is ready further ones follow, to the same address,
 * while much is in line and there are slots. One of several that fails is given up; the last one that is left
 * looks further.
 */
#ifndef POSTERN_QRUN_DESTINATION_H
#define POSTERN_QRUN_DESTINATION_H

#include "qrun.h"

#include "text/reply.h"

enum urgency {
    RETRY,
    FRESH, /* never tried */
    WOKEN, /* asked for by name: somebody has just sent it */
};
enum state { IDLE, WAITING, AT_WORK };
enum link_state { CONNECTING, GREETING, SENDING, SETTLING, ENDING };

#define LINK_DOMAINS TRANSACTION_RECIPIENTS /* of a connection's recipients: told apart at most */

struct link {
    struct destination *d;
    struct link *next;
    struct link *settle_next;
    enum link_state state;
    bool more;            /* asked for beside others */
    int sender;           /* channel, or -1 */
    struct part *current; /* with the sender, or settling */
    uint64_t after;       /* enum after, of the result that settles; AFTER_LOST: the part goes back in line */
    unsigned completed;   /* messages over this connection */
    unsigned turn;        /* the same, with those before it that ended only because of the server's limits */
    struct ehlo_limits limits;      /* what the server says it takes */
    unsigned mails;                 /* transactions that were begun over this connection */
    uint64_t domains[LINK_DOMAINS]; /* hashes: of those it has heard of, where their number is limited */
    size_t domain_count;
    bool others;                                 /* there are hosts behind this one */
    char host[DNS_NAME_LIMIT], shown[HOST_TEXT]; /* "mx.test", "mx.test[192.0.2.1]" */
    char tls[64];
    struct security security;   /* that the connection must have */
    enum protection protection; /* that it has */
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    char reply[QUEUE_REPLY_LIMIT]; /* the last of the result that settles */
};

struct part_line {
    struct part *first, *last;
    size_t count;
};

struct destination {
    char key[HOP_TEXT_LIMIT]; /* the hop as text, or the domain */
    struct hop hop;
    char domain[ADDRESS_DOMAIN_LIMIT + 1]; /* whose hosts these are: the recipients', or the hop's name */
    enum lane lane;
    struct destination *hash_next, *list_next;
    enum state state;
    struct part_line normal, bulk;
    unsigned turn;
    int64_t free_at;      /* clock_ms(): when the rate allows another part */
    struct part *filling; /* while a message is split: its last part here */
    struct line parked;   /* messages left closed while the line is full */
    struct link *links;
    size_t link_count;
    size_t link_ceiling;             /* more than these the host didn't take */
    int connector;                   /* channel, or -1 */
    struct link *asking;             /* for whom the connector is at work */
    unsigned lost;                   /* connections that broke since a message last got through */
    int64_t progress;                /* clock_ms() of the last sign of life */
    int64_t failed_until;            /* clock_ms() */
    char failure[QUEUE_REPLY_LIMIT]; /* what a host said last, and who; "" for nothing yet, or nobody */
    char failed_host[HOST_TEXT];
    char plain_host[HOST_TEXT]; /* whose TLS broke: it gets mail without, where that is allowed */
    enum urgency urgency; /* of the most urgent message in line */
    bool insists;         /* somebody asks for another attempt: also at hosts that are dead */
    bool proven;          /* it took mail when it was last asked */
    bool unfit;       /* a host will never do: it can't do what the messages require, or takes no mail */
    bool hindered;    /* another took mail, or was refused for a reason that may pass */
    bool policy_told; /* the policy stands in the record of TLS results */
};

/* --- destination_line.c */
/* The line whose turn it is. NULL: none, or not yet (destination-rate). */
struct part_line *destination_turn(struct destination *d);
/* Its next part for this connection, taken out of line, and no more of it than the server takes; the caller's
 * from now on. NULL: the server takes nothing of it on this connection. */
struct part *destination_take(struct qrun *q, struct link *l, struct part_line *line);
/* The next part, whatever the rate and limits say. NULL: none. */
struct part *destination_take_any(struct destination *d);
/* The same, if a connection broke under the one that is in front. */
struct part *destination_take_lost(struct destination *d);
/* Puts a part at the end, or in front again. */
void destination_append(struct destination *d, struct part *p);
void destination_put_back(struct destination *d, struct part *p);
/* How many parts and closed messages are in line. */
size_t destination_waits(const struct destination *d);
/* clock_ms() when the rate allows the next of them; in the past: now. */
int64_t destination_ready_at(const struct destination *d);
/* Sends parked messages to be loaded when few parts are left in line. */
void destination_refill(struct qrun *q, struct destination *d);

/* --- destination.c */
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
/* To the front: it gives way to one that waits, and not to all of them, as who knows how long they take. */
void destination_wait_next(struct qrun *q, struct destination *d);
/* Does one wait that could start now, if there was a slot? */
bool destination_is_next(const struct qrun *q);
/* Gives the slot back: IDLE, without children. No link has a current part. */
void destination_leave(struct qrun *q, struct destination *d);
/* May there be one more link, beside those that others have or wait for? */
bool destination_link_is_free(const struct qrun *q);

/* --- destination_limits.c */
/* A connection begins: what the server takes on it. */
void limits_begin(struct link *l, const struct ehlo_limits *limits);
/* Appends them in the words of the RFC: at most LIMITS_TEXT bytes, none where there are no limits. */
#define LIMITS_TEXT 80
void limits_write(const struct link *l, struct bytes *out);
/* How many recipients of a part the server takes with the next transaction: these are put in front. They
 * count from now on, and so does the transaction. 0: none of them; nothing is counted. */
size_t limits_admit(struct qrun *q, struct link *l, struct part *p);

/* --- destination_links.c */
/* A further link, not yet connected; NULL: no memory. */
struct link *link_new(struct qrun *q, struct destination *d);
/* Ends it, its sender says QUIT; it has no current part. If it was the last one, the destination leaves. */
void link_close(struct qrun *q, struct link *l);
/* Is there no other link of its destination? */
bool link_is_last(const struct link *l);
/* A further link, if what is in line is worth it. */
void destination_grow(struct qrun *q, struct destination *d);
/* Its connection is over, or never came to be: one of several is given up, the last one connects anew with
 * this verb. */
void link_failed(struct qrun *q, struct link *l, unsigned verb);
/* Its connection is no use for what is in line: another one follows when it has ended. */
void link_renew(struct qrun *q, struct link *l);
/* Connects those anew whose connections have ended, one after the other, as the connector is free and it is
 * known how many the host takes. Those for which nothing is left are closed. */
void destination_renew(struct qrun *q, struct destination *d);

/* --- destination_connect.c */
/* Asks for a host, with one of VERB_CONNECT_*; starts the connector for the first. Ends l's sender. */
void destination_connect(struct qrun *q, struct link *l, unsigned verb);
/* A packet, or the end, is there from the connector. */
void destination_connector_input(struct qrun *q, struct destination *d);

/* --- destination_tls.c */
/* A packet from the connector that is no answer: a note, a policy, a wish for a fetcher. False: it is
 * something else. Takes care of its descriptor. */
bool destination_tls_packet(struct qrun *q, struct destination *d);
/* The policy that is remembered for d; to be freed (its text). */
void destination_tls_cached(struct qrun *q, const struct destination *d, struct tls_state_policy *cached);
/* The connection has this protection, or was refused for want of it: kept, recorded, logged. `text` may be
 * "". */
void destination_tls_ready(struct qrun *q, const struct link *l, enum tls_result result, const char *text);
void destination_tls_refused(struct qrun *q, const struct link *l, enum tls_result result, const char *text);

/* --- destination_send.c */
/* A packet, or the end, is there from the sender. */
void destination_sender_input(struct qrun *q, struct link *l);

#endif
