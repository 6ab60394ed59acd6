/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The resolver that the checks of lib/trust are given: they ask it and nothing else. A session asks its
 * guard, a test a table of its own.
 */
#ifndef POSTERN_TRUST_LOOKUP_H
#define POSTERN_TRUST_LOOKUP_H

#include "net/dns.h"

struct trust_lookup {
    void *arg;
    /* As dns_ask(): ST_OK with at least one record, ST_NONE (rcode tells NXDOMAIN from no data), ST_TEMP;
     * ST_PERM where `name` is no domain name. The answer is freed with dns_answer_free() whatever came. */
    enum status (*ask)(void *arg, const char *name, enum dns_type type, struct dns_answer *answer);
    /* These will be asked next, so that they can be asked at once; it changes no answer. NULL: no use for
     * it. */
    void (*expect)(void *arg, const struct dns_query *queries, size_t count);
};

enum status trust_ask(const struct trust_lookup *lookup, const char *name, enum dns_type type,
                      struct dns_answer *answer);
void trust_expect(const struct trust_lookup *lookup, const struct dns_query *queries, size_t count);

#endif
