/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Asking the resolver that was passed in; see lookup.h.
 */
#include "trust/lookup.h"

#include <string.h>

enum status trust_ask(const struct trust_lookup *lookup, const char *name, enum dns_type type,
                      struct dns_answer *answer)
{
    memset(answer, 0, offsetof(struct dns_answer, records));
    return lookup->ask(lookup->arg, name, type, answer);
}

void trust_expect(const struct trust_lookup *lookup, const struct dns_query *queries, size_t count)
{
    if (lookup->expect && count)
        lookup->expect(lookup->arg, queries, count);
}
