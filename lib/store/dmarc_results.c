/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines about messages; see dmarc_results.h.
 */
#include "store/dmarc_results.h"
#include "store/day_file.h"

#define SIGNATURE_LIMIT 600

static const struct day_file kind = { "dmarc-results", DMARC_RESULTS_LIMIT, DMARC_RESULTS_DAYS };

static const char *passed(bool aligned)
{
    return aligned ? "pass" : "fail";
}

void dmarc_results_start(const struct dmarc_results *r, struct bytes *line)
{
    day_line_add(line, "from", r->from, false);
    day_line_add(line, "mfrom", r->mail_from, false);
    day_line_add(line, "policy", r->policy_domain, false);
    day_line_add(line, "p", r->p, false);
    day_line_add(line, "sp", r->sp, false);
    day_line_add(line, "np", r->np, false);
    day_line_add(line, "adkim", r->strict_dkim ? "s" : "r", false);
    day_line_add(line, "aspf", r->strict_spf ? "s" : "r", false);
    day_line_add(line, "t", r->testing ? "y" : "n", false);
    day_line_add(line, "fo", r->fo, false);
    day_line_add(line, "disposition", r->disposition, false);
    day_line_add(line, "dkim", passed(r->dkim_aligned), false);
    day_line_add(line, "spf", passed(r->spf_aligned), false);
    day_line_add(line, "reason", r->reason, false);
    day_line_add(line, "spf-domain", r->spf_domain, false);
    day_line_add(line, "spf-result", r->spf_result, false);
    day_line_add(line, "comment", r->comment, true);
    day_line_add(line, "rua", r->rua, true);
}

void dmarc_results_signature(const char *domain, const char *selector, const char *result, struct bytes *line)
{
    struct bytes value;
    bytes_init(&value, SIGNATURE_LIMIT);
    if (bytes_printf(&value, "%s,%s,%s", domain, selector, result) &&
        line->len + value.len + sizeof " signature=" <= line->limit)
        day_line_add(line, "signature", bytes_str(&value), false);
    bytes_free(&value);
}

enum status dmarc_results_add(const char *spool, int64_t at, const char *address, const char *recipient,
                              struct span text)
{
    struct bytes line;
    bytes_init(&line, DMARC_RESULTS_LINE);
    bytes_printf(&line, "at=%lld", (long long)at);
    day_line_add(&line, "ip", address, false);
    day_line_add(&line, "to", recipient, false);
    bytes_add_char(&line, ' ');
    for (size_t i = 0; i < text.n; i++)
        bytes_add_char(&line, text.p[i] >= ' ' && text.p[i] <= '~' && text.p[i] != '\\' ? text.p[i] : '?');
    enum status st = line.failed ? ST_PERM : day_file_append(&kind, spool, at, &line);
    bytes_free(&line);
    return st;
}

void dmarc_results_sweep(const char *spool, int64_t now)
{
    day_file_sweep(&kind, spool, now);
}
