/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * As index.c, and every checksum fits, as those do that a folder's owner writes himself: whatever index,
 * cache and journal then say is believed or not, but nothing outside of them is read or written, nothing ends
 * the session, nothing takes for ever.
 */
#define FORGED
#include "index.c"

#include "base/checksum.h"

/* In place of lib/base/checksum.c. */
uint32_t checksum(uint32_t sum, const void *data, size_t n)
{
    (void)sum, (void)data, (void)n;
    return 1;
}
