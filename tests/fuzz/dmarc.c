/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DMARC: a header section, and behind a line "%%" what DNS answers, a line for each question: "!" is no
 * answer now, "?" no such name, "" no record, else records with tabs between. What comes out is a domain
 * name, a URI or one of a few words, nothing is asked too often, and a pass takes an identity that is
 * aligned.
 */
#include "fuzz.h"

#include "net/dns.h"
#include "text/domains.h"
#include "trust/dmarc_report.h"
#include "trust/dmarc_walk.h"

struct answers {
    struct span rest;
    size_t questions;
};

static void add_record(struct dns_answer *a, struct span text)
{
    size_t at = a->raw.len;
    while (text.n) {
        struct span piece = span_head(text, 255);
        bytes_add_char(&a->raw, (char)piece.n);
        bytes_add_span(&a->raw, piece);
        text = span_from(text, piece.n);
    }
    a->records[a->count++] = (struct dns_record){ .type = DNS_TXT, .data = { (char *)at, a->raw.len - at } };
}

static enum status ask(void *arg, const char *name, enum dns_type type, struct dns_answer *a)
{
    struct answers *t = arg;
    struct span line, text;
    HOLDS(strlen(name) < DNS_NAME_LIMIT && (type == DNS_A || strncmp(name, "_dmarc.", 7) == 0));
    t->questions++;
    *a = (struct dns_answer){ .count = 0 };
    bytes_init(&a->raw, 65535);
    span_copy(span_of(name), a->canonical, sizeof a->canonical);
    if (!span_cut(&t->rest, '\n', &line))
        return ST_NONE;
    if (span_eq_str(line, "!"))
        return ST_TEMP;
    a->rcode = span_eq_str(line, "?") ? 3 : 0;
    while (type == DNS_TXT && !a->rcode && a->count < DNS_RECORDS && span_cut(&line, '\t', &text))
        add_record(a, text);
    for (size_t i = 0; i < a->count; i++)
        a->records[i].data.p = bytes_str(&a->raw) + (size_t)a->records[i].data.p;
    return a->count ? ST_OK : ST_NONE;
}

static bool is_domain(const char *domain)
{
    char to[ADDRESS_DOMAIN_LIMIT + 1];
    return domain_name(span_of(domain), to) && strcmp(domain, to) == 0;
}

static bool is_plain(const char *s, bool blanks)
{
    for (; *s; s++)
        if (*s < (blanks ? ' ' : '!') || *s > '~')
            return false;
    return true;
}

static void a_record(struct span text)
{
    struct dmarc_record r;
    enum status st = dmarc_record_parse(text, &r);
    HOLDS(st == ST_OK || st == ST_NONE || st == ST_PERM);
    HOLDS(strchr("ynu", r.psd) && r.psd && is_plain(r.fo, false) && is_plain(r.rua, false) &&
          !strchr(r.rua, '"'));
    HOLDS(r.p <= DMARC_POLICY_REJECT && r.sp <= DMARC_POLICY_REJECT && r.np <= DMARC_POLICY_REJECT);
    if (!r.has_sp)
        HOLDS(r.sp == r.p);
    if (!r.has_np)
        HOLDS(r.np == r.sp);
    if (st != ST_OK)
        HOLDS(st == ST_NONE || !r.rua[0]);
}

static void a_report(const struct dmarc_verdict *v)
{
    struct spf_verdict spf = { .result = TRUST_PASS };
    struct dmarc_evidence none = { .mailing_list = false };
    struct dmarc_report report = { .verdict = v, .spf = &spf };
    struct bytes line;
    for (int setting = DMARC_OFF; setting <= DMARC_REFUSE; setting++) {
        report.decision = dmarc_decide(v, (enum dmarc_handling)setting, &none);
        HOLDS(setting > DMARC_MARK || report.decision.disposition == DMARC_ACCEPT);
        HOLDS(setting == DMARC_REFUSE || report.decision.disposition != DMARC_REJECT);
        HOLDS(v->result != TRUST_PASS || report.decision.disposition == DMARC_ACCEPT);
        bytes_init(&line, DMARC_RESULTS_TEXT);
        if (dmarc_report_line(&report, &line))
            HOLDS(line.len && is_plain(bytes_str(&line), true));
        bytes_free(&line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span header = fuzz_span(data, size), dns = { "", 0 };
    const char *split = memmem(data, size, "\n%%\n", 4);
    if (split) {
        header.n = (size_t)(split - header.p);
        dns = span_from(fuzz_span(data, size), header.n + 4);
    }
    struct dmarc_author author;
    dmarc_author(header, &author);
    HOLDS(author.count <= DMARC_AUTHORS);
    for (size_t i = 0; i < author.count; i++)
        HOLDS(is_domain(author.domains[i]));
    a_record(header);
    struct answers t = { .rest = dns };
    struct trust_lookup lookup = { .arg = &t, .ask = ask };
    char parent[DNS_NAME_LIMIT + 8] = "mail.";
    strcat(parent, author.count ? author.domains[0] : "a.test");
    struct dmarc_identity dkim[] = { { TRUST_PASS, parent }, { TRUST_TEMPERROR, "b.test" } };
    struct dmarc_query query = { &author, { TRUST_PASS, "other.test" }, dkim, size % 3 };
    struct dmarc_verdict v;
    dmarc_check(&lookup, &query, &v);
    HOLDS(t.questions <= DMARC_QUESTIONS + DMARC_AUTHORS);
    HOLDS(is_plain(v.why, true) && v.why[0]);
    HOLDS(v.policy == DMARC_POLICY_NONE || v.result == TRUST_FAIL);
    HOLDS(v.result != TRUST_PASS || v.dkim_aligned || v.spf_aligned);
    HOLDS(v.result != TRUST_FAIL || (!v.dkim_aligned && !v.spf_aligned));
    HOLDS(!v.policy_domain[0] || dmarc_within(v.domain, v.policy_domain));
    HOLDS(!v.organization[0] || dmarc_within(v.domain, v.organization));
    a_report(&v);
    return 0;
}
