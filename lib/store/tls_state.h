/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What qrun remembers of others' transport security: MTA-STS policies (RFC 8461 5.1) until they expire, and
 * which hosts had verified TLS, so that it is noticed when one suddenly doesn't; and that the resolver passes
 * no signatures on, so that not every run has to find out.
 *
 *     spool/tls-state    GDBM: "p DOMAIN", "h HOST" and "r", to a digest and lines of text
 *
 * It is opened for one look or one change, with a bounded wait. A cache: what is damaged is as if it weren't
 * there, and a file that can't be used at all is put aside and begun anew. Entries that have expired go when
 * the file has grown to TLS_STATE_LIMIT; where that doesn't help, no more are added.
 */
#ifndef POSTERN_STORE_TLS_STATE_H
#define POSTERN_STORE_TLS_STATE_H

#include "base/bytes.h"
#include "base/status.h"
#include "text/mta_sts.h"

#define TLS_STATE_LIMIT (8u << 20)   /* bytes */
#define TLS_STATE_POLICY_LIMIT 20480 /* bytes of a policy, as sts_policy_print() writes it */
/* A host is remembered for so long after it last had verified TLS. */
#define TLS_STATE_HOST_SECONDS (90 * 86400)

struct tls_state_policy {
    char
        id[STS_ID_LIMIT]; /* of the record it was fetched for; "" with an empty text: none was ever fetched */
    int64_t fetched;      /* seconds */
    int64_t expires;      /* 0: there is no policy */
    int64_t retry;        /* not to be fetched again before */
    struct bytes text;    /* sts_policy_print()'s; owned */
};

struct tls_state_host {
    int64_t seen; /* verified TLS, last */
    char what[8]; /* "dane", "sts" or "pkix" */
};

struct tls_state_resolver {
    int64_t unable; /* seconds: when it was last asked, and passed no signatures on */
    int64_t warned; /* when somebody was told */
};

/* ST_NONE: not known, or expired (a policy also when all there is to it is a later `retry`: then that is
 * set). ST_TEMP: could not look. p->text is to be freed in each case. */
enum status tls_state_policy(const char *spool, const char *domain, int64_t now, struct tls_state_policy *p);
enum status tls_state_policy_keep(const char *spool, const char *domain, const struct tls_state_policy *p,
                                  int64_t now);

enum status tls_state_host(const char *spool, const char *host, int64_t now, struct tls_state_host *h);
enum status tls_state_host_keep(const char *spool, const char *host, const struct tls_state_host *h,
                                int64_t now);

enum status tls_state_resolver(const char *spool, struct tls_state_resolver *r);
enum status tls_state_resolver_keep(const char *spool, const struct tls_state_resolver *r, int64_t now);

#endif
