/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Internationalised domain names (IDNA2008, RFC 5891), by GnuTLS. Only memory: it works in every sandbox.
 */
#ifndef POSTERN_NET_IDNA_H
#define POSTERN_NET_IDNA_H

#include "text/address.h"

/* The domain as DNS and the tables want it: in lower case, each label with UTF-8 as its A-label ("xn--...").
 * An ASCII domain or address literal is only made lower case. False, and to[0] is NUL: it is no domain name
 * of IDNA2008, or too long. */
bool idna_to_ascii(struct span domain, char to[ADDRESS_DOMAIN_LIMIT + 1]);
/* The same for an address' domain, in its place. A null path and <Postmaster> stay as they are. */
bool idna_address(struct address *a);

#endif
