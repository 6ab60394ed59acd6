/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A checksum that finds torn writes and damaged files. It keeps nobody out: whoever writes a file can write its
 * checksum too.
 */
#ifndef POSTERN_BASE_CHECKSUM_H
#define POSTERN_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of n bytes, going on from `sum` (0 at the start). */
uint32_t checksum(uint32_t sum, const void *data, size_t n);

#endif
