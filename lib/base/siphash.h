/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SipHash-2-4 with 128 bits: a hash of what strangers send by a secret key. They can make no two texts of one
 * hash, nor many that fall into one place of a table; so a hash can stand for its text.
 */
#ifndef POSTERN_BASE_SIPHASH_H
#define POSTERN_BASE_SIPHASH_H

#include "base/bytes.h"

struct siphash {
    uint64_t low, high;
};
struct siphash siphash(const uint64_t key[2], struct span text);

#endif
