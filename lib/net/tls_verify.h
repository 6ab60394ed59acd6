/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Is a server's certificate the right one? By a list of roots (RFC 5280, 6125), or by TLSA records (RFC 7671,
 * 7672). Needs memory and the time only, so it may be asked in any sandbox.
 *
 * libgnutls-dane is not used: for DANE-TA it looks for any certificate of the chain that matches, and checks
 * apart from that whether the first one was signed by any of the others. Whoever appends the published anchor
 * to a chain of his own passes. It knows neither names nor digests that outdo others, and links a resolver.
 */
#ifndef POSTERN_NET_TLS_VERIFY_H
#define POSTERN_NET_TLS_VERIFY_H

#include "net/tls.h"
#include "net/tlsa.h"

enum tls_verdict {
    TLS_VERIFIED,
    TLS_EXPIRED,    /* or not valid yet */
    TLS_WRONG_NAME, /* trusted, but another's */
    TLS_UNTRUSTED,  /* nobody vouches for it, or what it says of itself can't be */
    TLS_NO_MATCH,   /* no TLSA record fits */
};

/* For a reply and the log: "its certificate has expired". */
const char *tls_verdict_text(enum tls_verdict verdict);

/* By roots (PEM, as ca-certificates.crt): the chain's first certificate must hold `name` as a DNS name of its
 * own (not as its common name, RFC 8461 4.1). */
enum tls_verdict tls_verify_roots(const struct span *chain, size_t count, struct span roots,
                                  const char *name);

/* By TLSA records from tlsa_select(), one at least. DANE-EE(3) asks for nothing but the match; DANE-TA(2) for
 * a valid chain up to the match, and one of the names. */
enum tls_verdict tls_verify_tlsa(const struct span *chain, size_t count, const struct tlsa *records,
                                 size_t record_count, const char *const *names, size_t name_count);

#endif
