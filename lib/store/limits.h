/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Limits that hold over connections, whatever started their handlers: what counts as one source, and how
 * many connections one may have.
 */
#ifndef POSTERN_STORE_LIMITS_H
#define POSTERN_STORE_LIMITS_H

#include "base/settings.h"
#include "net/serve.h"

#include <netinet/in.h>

/* Those who are counted together: an IPv4 address or network, an IPv6 /64. */
struct limits_source {
    unsigned char octets[16];
    size_t length; /* 0: nobody in particular */
};
enum limits_ipv4 { LIMITS_WHOLE_IPV4 = 32, LIMITS_IPV4_NETWORK = 24 };
void limits_source_of(const struct in6_addr *address, enum limits_ipv4 bits, struct limits_source *source);

/* How many messages a source or an account may send within an hour, and how many connections a source may
 * open within a minute: as many at once as the limit says, and then as they are used up again. `what` tells
 * one kind of count from another. ST_OK: `cost` more are counted; ST_PERM: they would be too many; ST_TEMP:
 * can't be counted. */
enum status limits_take(const struct settings *s, char what, struct span who, uint64_t limit, int64_t seconds,
                        uint64_t cost);

/* `limited` of struct service: has limits_admit() anything to look at? */
bool limits_concern(const struct serving *s, const struct peer *peer);
/* `admit` of struct service: `connection-rate`, and `connections-per-source` where no warm listener counts.
 * What can't be counted isn't refused. */
const char *limits_admit(struct serving *s);

#endif
