/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From a verdict to a line; see dmarc_report.h.
 */
#include "trust/dmarc_report.h"
#include "net/idna.h"

#include <stdio.h>

#define COMMENT_LIMIT 600 /* of which three names may be most; cut beyond it */

static const char *disposition(const struct dmarc_report *r)
{
    if (r->verdict->result == TRUST_PASS && r->verdict->published != DMARC_POLICY_NONE)
        return "pass";
    return r->decision.disposition == DMARC_REJECT    ? "reject"
           : r->decision.disposition == DMARC_TO_JUNK ? "quarantine"
                                                      : "none";
}

/* "arc=pass as[3].d=list.test as[3].s=2026a as[2].d=forward.test": the newest seal, and whose word was
 * taken. */
static void arc_comment(const struct dmarc_report *r, char to[COMMENT_LIMIT])
{
    to[0] = '\0';
    if (r->decision.reason != DMARC_REASON_TRUSTED_FORWARDER || !r->chain || !r->witness)
        return;
    int n = snprintf(to, COMMENT_LIMIT, "arc=pass as[%u].d=%s as[%u].s=%s", r->chain->newest,
                     r->chain->domain, r->chain->newest, r->chain->selector);
    if (r->witness->instance != r->chain->newest && n > 0 && n < COMMENT_LIMIT)
        snprintf(to + n, (size_t)(COMMENT_LIMIT - n), " as[%u].d=%s", r->witness->instance,
                 r->witness->domain);
}

bool dmarc_report_line(const struct dmarc_report *r, struct bytes *line)
{
    const struct dmarc_verdict *v = r->verdict;
    char mail_from[ADDRESS_DOMAIN_LIMIT + 1], comment[COMMENT_LIMIT];
    if ((v->result != TRUST_PASS && v->result != TRUST_FAIL) || !v->record.rua[0])
        return false;
    idna_to_ascii(r->mail_from, mail_from);
    arc_comment(r, comment);
    const struct dmarc_results results = {
        .from = v->domain,
        .mail_from = mail_from,
        .policy_domain = v->policy_domain,
        .p = dmarc_policy_name(v->record.p),
        .sp = dmarc_policy_name(v->record.sp),
        .np = dmarc_policy_name(v->record.np),
        .strict_dkim = v->record.strict_dkim,
        .strict_spf = v->record.strict_spf,
        .testing = v->record.testing,
        .fo = v->record.fo,
        .rua = v->record.rua,
        .disposition = disposition(r),
        .dkim_aligned = v->dkim_aligned,
        .spf_aligned = v->spf_aligned,
        .reason = dmarc_reason_name(r->decision.reason),
        .comment = comment,
        .spf_domain = r->spf->domain,
        .spf_result = trust_result_name(r->spf->result),
    };
    dmarc_results_start(&results, line);
    for (size_t i = 0; i < r->count; i++)
        dmarc_results_signature(r->signatures[i].domain, r->signatures[i].selector,
                                trust_result_name(r->signatures[i].result), line);
    return !line->failed;
}
