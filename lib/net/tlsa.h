/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLSA records (RFC 6698 2) as SMTP uses them (RFC 7672 3.1, 7671 4): which are usable, and which of those
 * count. Pure; the data may be whatever a zone's owner wrote.
 */
#ifndef POSTERN_NET_TLSA_H
#define POSTERN_NET_TLSA_H

#include "base/bytes.h"

#include <stdint.h>

#define TLSA_LIMIT 32 /* records of a name that are looked at */

enum { TLSA_TA = 2, TLSA_EE = 3 };           /* usages; PKIX-TA(0) and PKIX-EE(1) aren't for SMTP */
enum { TLSA_CERTIFICATE = 0, TLSA_KEY = 1 }; /* selectors: all of it, or its SubjectPublicKeyInfo */
enum { TLSA_FULL = 0, TLSA_SHA256 = 1, TLSA_SHA512 = 2 }; /* matching types */

struct tlsa {
    uint8_t usage, selector, matching;
    struct span data; /* within the record */
};

/* Those of `count` records (RDATA) that are usable, without those that a stronger digest of the same usage
 * and selector makes superfluous (RFC 7671 9). How many; 0: none is usable. */
size_t tlsa_select(const struct span *records, size_t count, struct tlsa usable[TLSA_LIMIT]);

/* "3 1 1 0123..." of a record, at the end of `out`; for reports (RFC 8460 4.3.1). */
bool tlsa_print(struct span record, struct bytes *out);

#endif
