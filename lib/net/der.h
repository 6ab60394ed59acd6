/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * As much of DER (X.690) as an RSA public key takes, read strictly: each length is written in the fewest
 * bytes and lies within what holds it, and nothing follows.
 */
#ifndef POSTERN_NET_DER_H
#define POSTERN_NET_DER_H

#include "base/bytes.h"

/* The modulus and the exponent of an RSAPublicKey (RFC 8017 A.1.1), bare or within a SubjectPublicKeyInfo
 * (RFC 5280 4.1.2.7), both positive: big-endian, without leading zeros, within `der`. False for anything
 * else. */
bool der_rsa_public(struct span der, struct span *modulus, struct span *exponent);
/* Of such numbers. */
unsigned der_bits(struct span number);
bool der_is_odd(struct span number);

#endif
