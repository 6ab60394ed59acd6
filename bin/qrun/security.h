/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How a connection to one host must be protected, and how it turned out to be: what the connector finds out,
 * the scheduler passes on, and the sender sees to.
 */
#ifndef POSTERN_QRUN_SECURITY_H
#define POSTERN_QRUN_SECURITY_H

#include "net/channel.h"
#include "net/dns.h"
#include "net/tlsa.h"
#include "store/tls_results.h"

#define SECURITY_TLSA_LIMIT 8192 /* bytes of a name's TLSA records */

/* Messages with different wishes don't share a connection. */
enum lane {
    LANE_NORMAL,  /* policies apply where there are any */
    LANE_REQUIRE, /* REQUIRETLS (RFC 8689 4): verified, or not at all */
    LANE_FREE,    /* the header field TLS-Required: no (RFC 8689 5): policies don't apply */
};

enum security_need {
    NEED_NOTHING, /* TLS where it works (RFC 7435) */
    NEED_TLS,     /* any TLS: there are TLSA records, and none is usable (RFC 7672 2.2) */
    NEED_TESTING, /* as nothing, but whether NEED_STS would hold is told (RFC 8461 5) */
    NEED_STS,     /* a certificate for the host by known roots (RFC 8461 4.1) */
    NEED_PKIX,    /* the same; without MTA-STS, where DNSSEC vouches for the host (RFC 8689 4.2.1) */
    NEED_DANE,    /* a certificate that fits a TLSA record */
    SECURITY_NEEDS,
};

struct security {
    enum security_need need;
    enum tls_policy policy;    /* for reports */
    bool require_tls;          /* the host must offer REQUIRETLS, and is told */
    char name[DNS_NAME_LIMIT]; /* the host, or where its alias leads: for SNI, and to be in the certificate */
    char other[DNS_NAME_LIMIT]; /* DANE-TA: the domain, which may be in the certificate too */
    size_t tlsa_size;
    unsigned char tlsa[SECURITY_TLSA_LIMIT]; /* records: a length of two bytes, then that many */
};

/* What a connection has in the end. */
enum protection { NO_TLS, ENCRYPTED, VERIFIED_STS, VERIFIED_PKIX, VERIFIED_DANE, PROTECTIONS };
/* "none", "encrypted", "sts", "pkix", "dane": for the log. */
const char *protection_name(enum protection p);

/* False: no room. */
bool security_add_tlsa(struct security *s, struct span record);
/* The records; how many. */
size_t security_tlsa(const struct security *s, struct span records[TLSA_LIMIT]);

void security_put(struct message *m, const struct security *s);
/* False: malformed. */
bool security_get(struct message *m, struct security *s);

#endif
