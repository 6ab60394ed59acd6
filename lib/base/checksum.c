/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * xxHash's XXH3, compiled in from its header: a record's checksum is looked at whenever it is read, and
 * CRC-32 was two thirds of what FETCH (UID FLAGS) of a large folder cost. See checksum.h.
 */
#include "base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint32_t checksum(uint32_t sum, const void *data, size_t n)
{
    return (uint32_t)XXH3_64bits_withSeed(data, n, sum);
}
