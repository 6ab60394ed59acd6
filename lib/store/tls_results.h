/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How connections to other servers fared, for reports (RFC 8460): a line each in a day's file
 * (store/day_file.h).
 *
 *     spool/tls-results/2026-11-26
 *     at=1795696711 domain=example.org policy=sts mx=mx.example.org from=192.0.2.1 to=198.51.100.7
 *         result=success
 *     at=1795696790 domain=example.net policy=tlsa mx=mx.example.net from=192.0.2.1 to=198.51.100.9
 *         result=validation-failure text="its certificate fits none of its TLSA records"
 *     policy domain=example.org policy=sts
 *         text="version: STSv1|mode: enforce|mx: mx.example.org|max_age: 604800"
 *
 * (here in two lines each). A report counts lines that are equal but for `at` and `text`. Policies are said
 * once for each run of qrun that used them.
 */
#ifndef POSTERN_STORE_TLS_RESULTS_H
#define POSTERN_STORE_TLS_RESULTS_H

#include "base/status.h"

#include <stdint.h>

#define TLS_RESULTS_LIMIT (16u << 20) /* bytes of a day */
#define TLS_RESULTS_DAYS 10

/* In the words of RFC 8460 4.2 and 4.3; see the table in tls_results.c. */
enum tls_policy { TLS_POLICY_NONE, TLS_POLICY_STS, TLS_POLICY_TLSA };
enum tls_result {
    TLS_RESULT_SUCCESS,
    TLS_RESULT_NO_STARTTLS,
    TLS_RESULT_HOST_MISMATCH,
    TLS_RESULT_EXPIRED,
    TLS_RESULT_NOT_TRUSTED,
    TLS_RESULT_VALIDATION,
    TLS_RESULT_TLSA_INVALID,
    TLS_RESULT_DNSSEC_INVALID,
    TLS_RESULT_DANE_REQUIRED,
    TLS_RESULT_FETCH_ERROR,
    TLS_RESULT_POLICY_INVALID,
    TLS_RESULT_WEBPKI_INVALID,
    TLS_RESULTS,
};

struct tls_session {
    int64_t at; /* seconds */
    const char *domain;
    enum tls_policy policy;
    const char *mx, *from, *to; /* host name, addresses; NULL: not known, or there was none */
    enum tls_result result;
    const char *text; /* more of it, or NULL */
};

const char *tls_policy_name(enum tls_policy policy);
const char *tls_result_name(enum tls_result result);

/* Records a session. ST_PERM: the day's file is full. ST_TEMP with errno. Neither need stop anybody. */
enum status tls_results_add(const char *spool, const struct tls_session *session);
/* Records the policy that was applied, in its own words; '|' between its lines. */
enum status tls_results_policy(const char *spool, int64_t at, const char *domain, enum tls_policy policy,
                               const char *text);
/* Removes what is too old. */
void tls_results_sweep(const char *spool, int64_t now);

#endif
