/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Limits that hold over connections, whatever started their handlers: what counts as one source, and how
 * many connections one may have.
 */
#ifndef POSTERN_STORE_LIMITS_H
#define POSTERN_STORE_LIMITS_H

#include "base/bytes.h"

#include <netinet/in.h>

/* Those who are counted together: an IPv4 address or network, an IPv6 /64. */
struct limits_source {
    unsigned char octets[16];
    size_t length; /* 0: nobody in particular */
};
enum limits_ipv4 { LIMITS_WHOLE_IPV4 = 32, LIMITS_IPV4_NETWORK = 24 };
void limits_source_of(const struct in6_addr *address, enum limits_ipv4 bits, struct limits_source *source);

#endif
