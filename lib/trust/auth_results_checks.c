/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The checks' results; see auth_results_checks.h.
 */
#include "trust/auth_results_checks.h"
#include "text/utf8.h"

#include <stdio.h>

void auth_results_spf(struct auth_results *w, const struct spf_verdict *v, const char *identity)
{
    auth_results_method(w, "spf", trust_result_name(v->result));
    auth_results_comment(w, v->why);
    bool ascii = utf8_ascii_run(span_of(identity)) == strlen(identity);
    auth_results_property(w, "smtp", v->by_helo ? "helo" : "mailfrom", ascii ? identity : v->domain);
}

/* "2048-bit key", "test mode", both, or nothing. */
static void key_comment(const struct dkim_result *r, char to[64])
{
    to[0] = '\0';
    if (r->bits)
        snprintf(to, 64, "%u-bit key", r->bits);
    if (r->testing)
        snprintf(to + strlen(to), 64 - strlen(to), "%stest mode", r->bits ? ", " : "");
}

void auth_results_dkim(struct auth_results *w, const struct dkim_result *results, size_t count)
{
    char comment[64];
    if (count == 0)
        auth_results_method(w, "dkim", trust_result_name(TRUST_NONE));
    for (size_t i = 0; i < count; i++) {
        const struct dkim_result *r = &results[i];
        auth_results_method(w, "dkim", trust_result_name(r->result));
        key_comment(r, comment);
        auth_results_comment(w, comment);
        auth_results_reason(w, r->why);
        auth_results_property(w, "header", "d", r->domain);
        auth_results_property(w, "header", "i", r->identity);
        auth_results_property(w, "header", "s", r->selector);
        auth_results_property(w, "header", "a", r->algorithm);
        auth_results_property(w, "header", "b", r->hash_head);
    }
}

void auth_results_dmarc(struct auth_results *w, const struct dmarc_verdict *v)
{
    auth_results_method(w, "dmarc", trust_result_name(v->result));
    auth_results_comment(w, v->why);
    auth_results_property(w, "header", "from", v->domain);
    if (v->result == TRUST_FAIL)
        auth_results_property(w, "policy", "dmarc", dmarc_policy_name(v->policy));
}

void auth_results_iprev(struct auth_results *w, enum trust_result result, const char *address,
                        const char *name)
{
    auth_results_method(w, "iprev", trust_result_name(result));
    auth_results_comment(w, name ? name : "");
    auth_results_property(w, "policy", "iprev", address);
}

void auth_results_arc(struct auth_results *w, const struct arc_result *r, const struct arc_witness *witness,
                      const char *address)
{
    char comment[DNS_NAME_LIMIT + 64], oldest[16];
    if (r->result == TRUST_NONE)
        return;
    auth_results_method(w, "arc", trust_result_name(r->result));
    snprintf(comment, sizeof comment, "i=%u", r->newest);
    if (witness && witness->instance)
        snprintf(comment, sizeof comment, "i=%u; %s, who is trusted, saw %s pass", witness->instance,
                 witness->domain, witness->method);
    auth_results_comment(w, comment);
    auth_results_reason(w, r->why);
    snprintf(oldest, sizeof oldest, "%u", r->oldest_pass);
    if (r->result == TRUST_PASS)
        auth_results_property(w, "header", "oldest-pass", oldest);
    auth_results_property(w, "smtp", "remote-ip", address);
}
