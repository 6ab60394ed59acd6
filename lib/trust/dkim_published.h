/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Is a key of ours in DNS, so that others can verify what it signs (RFC 6376 3.6)?
 */
#ifndef POSTERN_TRUST_DKIM_PUBLISHED_H
#define POSTERN_TRUST_DKIM_PUBLISHED_H

#include "net/signature.h"
#include "trust/lookup.h"

enum dkim_published {
    DKIM_PUBLISHED,
    DKIM_MISSING, /* there is no such record, or none that can be read */
    DKIM_OTHER,   /* there is one, with another key or for another use */
    DKIM_REVOKED, /* with an empty p= */
    DKIM_UNKNOWN, /* DNS doesn't tell now */
};
/* "published" and so on. */
const char *dkim_published_word(enum dkim_published p);

/* Asks for SELECTOR._domainkey.DOMAIN and compares with the key's public part as signature_public() gives it.
 * Where there are several records, which verifiers may take or not as they like, one that fits is enough. */
enum dkim_published dkim_published(const struct trust_lookup *lookup, const char *selector,
                                   const char *domain, enum signature_algorithm algorithm,
                                   struct span public_key);

#endif
