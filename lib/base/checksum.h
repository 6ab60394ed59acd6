/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A checksum that finds torn writes and damaged files. It keeps nobody out: whoever writes a file can write
 * its checksum too.
 */
#ifndef POSTERN_BASE_CHECKSUM_H
#define POSTERN_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* 32 bits of a hash of n bytes, which `sum` seeds. The same on every machine. */
uint32_t checksum(uint32_t sum, const void *data, size_t n);

#endif
