/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A stub resolver: builds questions and reads answers (RFC 1035), asks the resolver
 * of the settings or of /etc/resolv.conf, over UDP with EDNS0 and over TCP when the answer was cut.
 *
 * Building and reading are pure and apart from asking, so that a sandboxed session can parse what a guard
 * fetched. Random IDs and source ports; an answer must repeat the question. Names are at most 255 octets,
 * pointers must go backwards.
 */
#ifndef POSTERN_NET_DNS_H
#define POSTERN_NET_DNS_H

#include "base/bytes.h"
#include "base/status.h"

#include <netinet/in.h>
#include <stdint.h>

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_TLSA = 52
};

#define DNS_NAME_LIMIT 256 /* text with a NUL */
#define DNS_ANSWER_LIMIT 65535
#define DNS_RECORDS 256 /* of an answer that are looked at: some names have a hundred TXT records */
#define DNS_CNAMES 8    /* followed in one answer */

struct dns_record {
    uint16_t type;
    uint32_t ttl;
    uint16_t preference;       /* MX; SRV: the priority */
    uint16_t port;             /* SRV */
    char name[DNS_NAME_LIMIT]; /* MX, SRV, CNAME, PTR: the target, lower case, without the final dot; "" is
                                  the root */
    struct in6_addr address;   /* A (IPv4-mapped), AAAA */
    struct span data;          /* the raw RDATA inside the answer; TXT, TLSA */
};

struct dns_answer {
    struct bytes raw; /* owns what the records point into */
    unsigned rcode;
    bool authentic; /* AD: what the resolver says */
    bool secure; /* signed and verified by ourselves (dnssec.h), with all CNAMEs; ST_NONE may be so too */
    bool bogus;     /* it should have been signed, and isn't, or wrongly: with ST_TEMP */
    char canonical[DNS_NAME_LIMIT]; /* with ST_OK and ST_NONE: at the end of the CNAMEs, lower case */
    size_t count;
    struct dns_record records[DNS_RECORDS]; /* of the asked type, CNAMEs followed */
};

/* The question for (name, type) with this ID, as UDP payload. ST_PERM if name is no domain name. */
enum status dns_question(const char *name, enum dns_type type, uint16_t id, struct bytes *packet);
/* Reads an answer (in answer->raw) to that question. ST_OK with at least one record; ST_NONE for NXDOMAIN or
 * no data; ST_TEMP for SERVFAIL, a malformed answer or one to another question. */
enum status dns_read(struct dns_answer *answer, const char *name, enum dns_type type, uint16_t id);

/* The strings of a TXT record in one (RFC 1035 3.3.14, RFC 7208 3.3, RFC 6376 3.6.2.2), appended to `text`.
 * False: malformed, or over its limit; then the strings before that are there. */
bool dns_text(const struct dns_record *record, struct bytes *text);

#define DNS_SERVER_LIMIT 3

struct dns_resolver {
    struct sockaddr_in6 servers[DNS_SERVER_LIMIT]; /* IPv4-mapped for IPv4 */
    size_t count;
    size_t *answers; /* NULL, or which server answered last: dns_ask() begins with it, and writes it */
    /* Who asks in our place, such as dnssec_ask(); NULL: we do. */
    enum status (*ask)(void *arg, const char *name, enum dns_type type, struct dns_answer *answer);
    void *arg;
};
/* From the setting `resolver`, or /etc/resolv.conf when it is empty. */
enum status dns_resolver_init(struct dns_resolver *r, const char *setting, struct bytes *error);
/* Asks; 3 tries a server, 5 s each at most. The answer must be freed with dns_answer_free. */
enum status dns_ask(const struct dns_resolver *r, const char *name, enum dns_type type,
                    struct dns_answer *answer);
/* Asks many questions at once, at most DNS_QUERIES, all within `ms` milliseconds: each is asked again after a
 * second, and of the next server after a failure. `done` hears of each once, with dns_read's status and
 * answer; ST_TEMP for those without an answer in time. */
#define DNS_QUERIES 32
struct dns_query {
    char name[DNS_NAME_LIMIT];
    enum dns_type type;
};
void dns_ask_many(const struct dns_resolver *r, const struct dns_query *queries, size_t count, int ms,
                  void (*done)(void *arg, size_t i, enum status st, const struct dns_answer *answer),
                  void *arg);
void dns_answer_free(struct dns_answer *answer);

#endif
