/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What our checks come to, as results in Authentication-Results: which properties each method has (RFC 8601
 * 2.7, and 9.1 of RFC 9989), and what of it is said in comments, for people.
 *
 *     spf=fail (-all in the record of example.net) smtp.mailfrom=example.net
 *     dkim=pass (2048-bit key) header.d=example.net header.i=@example.net header.s=2026a header.a=rsa-sha256
 *         header.b=aBcD1234
 *     dmarc=fail (no aligned SPF or DKIM; example.net asks for reject) header.from=example.net
 *         policy.dmarc=reject
 *     iprev=pass (mx.example.net) policy.iprev=192.0.2.1
 *     arc=pass (i=2; lists.example.org, who is trusted, saw dmarc pass) header.oldest-pass=0
 *         smtp.remote-ip=192.0.2.1
 */
#ifndef POSTERN_TRUST_AUTH_RESULTS_CHECKS_H
#define POSTERN_TRUST_AUTH_RESULTS_CHECKS_H

#include "trust/arc.h"
#include "trust/auth_results.h"
#include "trust/dkim.h"
#include "trust/dmarc.h"
#include "trust/spf.h"

/* `identity` is what was checked, as the client said it: the address of MAIL FROM, or the name of HELO with
 * verdict->by_helo. Of one with UTF-8 only the domain is written. */
void auth_results_spf(struct auth_results *w, const struct spf_verdict *verdict, const char *identity);
/* One for each signature; "dkim=none" for none. */
void auth_results_dkim(struct auth_results *w, const struct dkim_result *results, size_t count);
void auth_results_dmarc(struct auth_results *w, const struct dmarc_verdict *verdict);
/* The client's address and its name in DNS, which isn't sure unless `result` is TRUST_PASS; "" or NULL: it
 * has none. */
void auth_results_iprev(struct auth_results *w, enum trust_result result, const char *address,
                        const char *name);
/* `witness`: what arc_trusted() found, or NULL. Nothing is written where there was no chain. */
void auth_results_arc(struct auth_results *w, const struct arc_result *result,
                      const struct arc_witness *witness, const char *address);

#endif
