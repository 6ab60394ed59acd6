/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Limits over connections; see limits.h.
 */
#include "store/limits.h"

#include <string.h>

void limits_source_of(const struct in6_addr *address, enum limits_ipv4 bits, struct limits_source *source)
{
    *source = (struct limits_source){ .length = 8 };
    if (IN6_IS_ADDR_V4MAPPED(address))
        source->length = 12 + (size_t)bits / 8;
    memcpy(source->octets, address->s6_addr, source->length);
}
