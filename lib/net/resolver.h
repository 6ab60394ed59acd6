/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNS for a guard that must decide by it. A guard has no sockets, and reads nothing that strangers wrote; so
 * a third process, in a sandbox with sockets and nothing else, asks and reads the answers, and tells the
 * guard what they come to: a status, and a few addresses, names or texts of bounded length for each question.
 * Who takes it over can lie about DNS, as whoever sends such an answer can. It is forked only for connections
 * that need it (`asks_dns` of struct service), before its guard enters its own sandbox, which forks nothing.
 *
 *     guard                                             resolver
 *     resolver_ask() sends up to DNS_QUERIES questions  resolver_run() answers them in one message, within
 *     and may do something else meanwhile               RESOLVER_MS
 *     resolver_wait() waits for the answers
 *
 * Answers that a session is to read come as their bytes (resolver_ask_raw()): nobody between it and DNS does
 * more with them than see that they are answers to the question.
 */
#ifndef POSTERN_NET_RESOLVER_H
#define POSTERN_NET_RESOLVER_H

#include "net/channel.h"
#include "net/dns.h"

#define RESOLVER_MS 4000        /* for all questions of one message together */
#define RESOLVER_RECORDS 8      /* of an answer that come through */
#define RESOLVER_TEXT_LIMIT 255 /* bytes of a TXT record that do */
#define RESOLVER_RAW_LIMIT 16384 /* bytes of an answer that is passed on as it is */
#define RESOLVER_RAW_TOTAL 57344 /* and of all of one message */

struct resolver_record {
    struct in6_addr address; /* A (IPv4-mapped), AAAA */
    char text[RESOLVER_TEXT_LIMIT +
              1]; /* MX, PTR: a name, "" the root; TXT: its strings in one. A NUL ends it */
};
struct resolver_answer {
    enum status status; /* as of dns_read() */
    size_t count;
    struct resolver_record records[RESOLVER_RECORDS];
};

/* `number`: another for each call on a channel. False: there is no resolver (any more). Call resolver_wait()
 * before asking again. */
bool resolver_ask(int channel, uint64_t number, const struct dns_query *queries, size_t count);
/* The answers to the questions of that number, into as many; those of other numbers, which came too late for
 * whoever waited, are dropped. All are ST_TEMP where none come in time, or what comes is no answer. */
void resolver_wait(int channel, uint64_t number, struct resolver_answer *answers, size_t count);

/* The same for answers as they are. resolver_wait_raw() puts behind what `to` holds, for each question, a
 * status as of dns_read() and the answer's bytes, none unless that is ST_OK or ST_NONE. ST_TEMP too for an
 * answer over RESOLVER_RAW_LIMIT; ST_PERM for one that had no more room beside the others, and is to be asked
 * for alone. */
bool resolver_ask_raw(int channel, uint64_t number, const struct dns_query *queries, size_t count);
void resolver_wait_raw(int channel, uint64_t number, size_t count, struct message *to);

/* Questions as the last fields of a message: how many, and name and type of each. False: they aren't. */
void resolver_put_queries(struct message *m, const struct dns_query *queries, size_t count);
bool resolver_get_queries(struct message *m, struct dns_query queries[DNS_QUERIES], size_t *count);

/* The resolver's process: until the channel is closed. */
void resolver_run(int channel, const struct dns_resolver *r);

#endif
