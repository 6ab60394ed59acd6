/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * zlib's CRC-32; see checksum.h.
 */
#include "base/checksum.h"

#include <zlib.h>

uint32_t checksum(uint32_t sum, const void *data, size_t n)
{
    return (uint32_t)crc32_z(sum, data, n);
}
