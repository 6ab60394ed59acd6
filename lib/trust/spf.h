/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SPF (RFC 7208): may the host at this address send mail in this domain's name? All mechanisms, modifiers and
 * macros, with the limits of section 4.6.4. Domains outside ASCII are looked up by their A-labels (4.3; RFC
 * 8616).
 *
 * Nothing here recurses: records that include one another are a stack of SPF_TERMS levels at most. One check
 * asks SPF_QUESTIONS questions at most; how long it may take is the resolver's matter: 20 seconds at least
 * (4.6.4).
 */
#ifndef POSTERN_TRUST_SPF_H
#define POSTERN_TRUST_SPF_H

#include "text/address.h"
#include "trust/lookup.h"
#include "trust/result.h"

#define SPF_TERMS 10 /* mechanisms and modifiers of one check that ask DNS; the next is a permerror */
#define SPF_VOID 2   /* of those, how many may find nothing there */
#define SPF_NAMES 10 /* of an MX answer (more is a permerror), and of a PTR answer (more are left aside) */
#define SPF_QUESTIONS 123 /* TXT of the domain, 10 times MX and its 10 hosts, PTR and its 10 hosts, exp= */
#define SPF_WHY_LIMIT 256
#define SPF_EXPLANATION_LIMIT 400

struct spf_query {
    struct in6_addr address;      /* the client's; IPv4 as IPv4-mapped, which counts as IPv4 (5) */
    struct span helo;             /* as it was said */
    const struct address *sender; /* of MAIL FROM. NULL, <> or <Postmaster>: the HELO identity is checked, as
                                     postmaster@HELO (2.3, 2.4) */
    const char *receiver;         /* our name, for %{r}; NULL: "unknown" */
    int64_t now;                  /* seconds since 1970, for %{t} */
};

/* All texts end in NUL and hold printable ASCII only. Much of them is what strangers publish: parentheses and
 * quotes are theirs to choose. */
struct spf_verdict {
    enum trust_result result;    /* never TRUST_POLICY */
    bool by_helo;                /* it is the HELO identity */
    char domain[DNS_NAME_LIMIT]; /* of it, lower case, A-labels; "" if that is no domain name */
    char why[SPF_WHY_LIMIT];     /* "-all in the record of example.org": for headers and the log */
    /* With TRUST_FAIL what the domain says of it (exp=, 6.2), else "". A reply that repeats it has to say
     * that it is the domain's text. */
    char explanation[SPF_EXPLANATION_LIMIT];
};

/* check_host() (4). Without memory: TRUST_TEMPERROR. */
void spf_check(const struct trust_lookup *lookup, const struct spf_query *query, struct spf_verdict *verdict);

#endif
