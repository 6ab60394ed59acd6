/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines about connections; see tls_results.h.
 */
#include "store/tls_results.h"
#include "store/day_file.h"

#define LINE_LIMIT 32768

static const struct day_file kind = { "tls-results", TLS_RESULTS_LIMIT, TLS_RESULTS_DAYS };
static const char *const policies[] = { "no-policy-found", "sts", "tlsa" };
static const char *const results[TLS_RESULTS] = {
    [TLS_RESULT_SUCCESS] = "success",
    [TLS_RESULT_NO_STARTTLS] = "starttls-not-supported",
    [TLS_RESULT_HOST_MISMATCH] = "certificate-host-mismatch",
    [TLS_RESULT_EXPIRED] = "certificate-expired",
    [TLS_RESULT_NOT_TRUSTED] = "certificate-not-trusted",
    [TLS_RESULT_VALIDATION] = "validation-failure",
    [TLS_RESULT_TLSA_INVALID] = "tlsa-invalid",
    [TLS_RESULT_DNSSEC_INVALID] = "dnssec-invalid",
    [TLS_RESULT_DANE_REQUIRED] = "dane-required",
    [TLS_RESULT_FETCH_ERROR] = "sts-policy-fetch-error",
    [TLS_RESULT_POLICY_INVALID] = "sts-policy-invalid",
    [TLS_RESULT_WEBPKI_INVALID] = "sts-webpki-invalid",
};

const char *tls_policy_name(enum tls_policy policy)
{
    return policies[policy];
}

const char *tls_result_name(enum tls_result result)
{
    return results[result];
}

enum status tls_results_add(const char *spool, const struct tls_session *s)
{
    struct bytes line;
    bytes_init(&line, LINE_LIMIT);
    bytes_printf(&line, "at=%lld", (long long)s->at);
    day_line_add(&line, "domain", s->domain, false);
    day_line_add(&line, "policy", policies[s->policy], false);
    day_line_add(&line, "mx", s->mx, false);
    day_line_add(&line, "from", s->from, false);
    day_line_add(&line, "to", s->to, false);
    day_line_add(&line, "result", results[s->result], false);
    day_line_add(&line, "text", s->text, true);
    enum status st = day_file_append(&kind, spool, s->at, &line);
    bytes_free(&line);
    return st;
}

enum status tls_results_policy(const char *spool, int64_t at, const char *domain, enum tls_policy policy,
                               const char *text)
{
    struct bytes line;
    bytes_init(&line, LINE_LIMIT);
    bytes_add_str(&line, "policy");
    day_line_add(&line, "domain", domain, false);
    day_line_add(&line, "policy", policies[policy], false);
    day_line_add(&line, "text", text, true);
    enum status st = day_file_append(&kind, spool, at, &line);
    bytes_free(&line);
    return st;
}

void tls_results_sweep(const char *spool, int64_t now)
{
    day_file_sweep(&kind, spool, now);
}
