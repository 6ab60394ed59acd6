/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern dkim: what its parts share.
 */
#ifndef POSTERN_DKIM_H
#define POSTERN_DKIM_H

#include "admin.h"
#include "net/dns.h"
#include "store/dkim_keys.h"
#include "trust/dkim_published.h"

/* --- dkim_key.c --- */
/* A key's public side. */
struct public_key {
    enum signature_algorithm algorithm;
    unsigned bits;
    struct bytes key; /* as signature_public() gives it */
};
/* Reads it from the private key's file. EX_OK, or complains; freed with bytes_free(&p->key) in either
 * case. */
int dkim_public(struct admin *a, const char *domain, const struct dkim_key *key, struct public_key *p);
/* Makes a key for each algorithm, in this state, and adds them to *keys. Lock held. EX_OK, or complains. */
int dkim_make_pair(struct admin *a, const char *domain, enum dkim_key_state state, struct dkim_keys *keys);
/* The records of all keys in this state, each a line of a zone file, on standard output. EX_OK, or
 * complains. */
int dkim_print_records(struct admin *a, const char *domain, const struct dkim_keys *keys,
                       enum dkim_key_state state);

/* The keys of a domain, none of which is EX_OK too. Or complains. */
int dkim_find(struct admin *a, const char *domain, struct dkim_keys *keys);
/* An argument as a domain; complains if it is none. */
int dkim_domain_argument(const char *text, char domain[ADDRESS_DOMAIN_LIMIT + 1]);
/* Calls `each` for the domains that are named, or for all that have keys; goes on after one that fails. The
 * worst of what it returns. */
int dkim_each_domain(struct admin *a, int argc, char **argv,
                     int (*each)(struct admin *a, const char *domain, void *arg), void *arg);

/* Who asks DNS whether a key is published. */
struct asker {
    struct dns_resolver resolver;
    struct trust_lookup lookup;
};
/* EX_OK, or complains. */
int asker_init(struct admin *a, struct asker *asker);
/* EX_OK with *published, or complains of the key's file. */
int asker_ask(struct admin *a, const struct asker *asker, const char *domain, const struct dkim_key *key,
              enum dkim_published *published);

#endif
