/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What DMARC came to, for aggregate reports (RFC 9990): a line for each message whose author's domain asks
 * for reports, in a day's file (store/day_file.h).
 *
 *     spool/dmarc-results/2026-11-26
 *     at=1795696711 ip=192.0.2.1 to=example.net from=www.example.org mfrom=bounce.example.org
 *         policy=example.org p=reject sp=reject np=reject adkim=r aspf=r t=n fo=0
 *         disposition=quarantine dkim=fail spf=fail reason=local_policy
 *         spf-domain=bounce.example.org spf-result=pass rua="mailto:dmarc@example.org"
 *         signature=example.org,2026a,fail
 *
 * (here in five lines). A report (3.1) is for one `policy`, and what stands from there to `fo` is its
 * policy_published; its records count lines that are equal but for `at`. There is a `signature` for each DKIM
 * signature that was looked at, newest first. A session says what it found, the guard when and from whom.
 */
#ifndef POSTERN_STORE_DMARC_RESULTS_H
#define POSTERN_STORE_DMARC_RESULTS_H

#include "base/bytes.h"
#include "base/status.h"

#define DMARC_RESULTS_LIMIT (64u << 20) /* bytes of a day: 100,000 messages and more */
#define DMARC_RESULTS_DAYS 10
#define DMARC_RESULTS_LINE 4096 /* bytes of a line */
#define DMARC_RESULTS_TEXT 3584 /* and of a session's part of it */

/* In the words of RFC 9990; NULL or "" where there is nothing to say. */
struct dmarc_results {
    const char *from;          /* the author's domain: header_from */
    const char *mail_from;     /* domain of MAIL FROM: envelope_from */
    const char *policy_domain; /* where the record was found */
    const char *p, *sp, *np;   /* as it says them, or their defaults */
    bool strict_dkim, strict_spf, testing;
    const char *fo, *rua;
    const char *disposition; /* "none", "pass", "quarantine", "reject" */
    bool dkim_aligned, spf_aligned;
    const char *reason;  /* why the disposition isn't the policy */
    const char *comment; /* more of that: of an ARC chain, in the words of RFC 8617 7.2.2 */
    const char *spf_domain, *spf_result;
};

/* Writes a session's part of a line, into an empty buffer with that limit. dmarc_results_signature() adds to
 * it, and leaves away a signature for which there is no room. */
void dmarc_results_start(const struct dmarc_results *results, struct bytes *line);
void dmarc_results_signature(const char *domain, const char *selector, const char *result,
                             struct bytes *line);

/* Records it: `line` as a session gives it, which may be anything (what doesn't belong in a line becomes
 * '?'), the client's address, the domain of the recipient if there is one only (else NULL or ""). ST_PERM:
 * the line is too long, or the day's file is full. ST_TEMP with errno. Neither need stop anybody. */
enum status dmarc_results_add(const char *spool, int64_t at, const char *address, const char *recipient,
                              struct span line);
/* Removes what is too old. */
void dmarc_results_sweep(const char *spool, int64_t now);

#endif
