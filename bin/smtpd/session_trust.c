/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who sent a stranger's message: SPF, DKIM and DMARC (lib/trust), and what follows from them.
 *
 *     the envelope is there   with `spf refuse`, SPF; what it refuses needn't come
 *     the header section is   signatures are read, and the author's domain
 *     body bytes come         they are hashed, as they go by
 *     all is there            the other questions to DNS, in as few goes as can be; Authentication-Results;
 *                             and the outcome, of which the guard is told for the log, before the message is
 *                             handed over
 *
 * A failure of DNS that hides what would decide is an outcome of its own: the guard knows whether the sender
 * was told to come again long enough.
 */
#include "incoming.h"
#include "session_dns.h"
#include "session_trust.h"
#include "base/clock.h"
#include "trust/auth_results_checks.h"
#include "trust/dmarc_report.h"

#include <stdio.h>
#include <stdlib.h>

#define REPLY_LIMIT 480 /* bytes of a refusal, before the setting's name */

static bool is_wanted(const struct incoming *in)
{
    return in->session->transaction.origin & ORIGIN_CHECK;
}

/* NULL where nothing is to be checked, or without memory, which `trouble` then says. */
static struct trust *trust_of(struct incoming *in)
{
    if (in->trust || !is_wanted(in))
        return in->trust;
    struct trust *t = in->trust = calloc(1, sizeof *t);
    if (t)
        t->lookup = session_dns_begin(in->session);
    else
        in->trouble = VERDICT_FAILED;
    return t;
}

void trust_free(struct incoming *in)
{
    if (in->trust)
        dkim_verify_free(in->trust->dkim);
    free(in->trust);
    in->trust = NULL;
}

/* --- what comes in */

static void check_spf(struct incoming *in, struct trust *t)
{
    const struct session *s = in->session;
    struct address sender;
    bool named =
        s->transaction.sender[0] && address_parse(span_of(s->transaction.sender), &sender) == ADDRESS_OK;
    const struct spf_query query = {
        .address = s->serving->peer.address,
        .helo = span_of(s->helo),
        .sender = named ? &sender : NULL,
        .receiver = s->serving->settings->hostname,
        .now = clock_now(),
    };
    if (!t->spf_known)
        spf_check(&t->lookup, &query, &t->spf);
    t->spf_known = true;
}

void trust_envelope(struct incoming *in)
{
    if (in->session->serving->settings->spf != SPF_REFUSE || !is_wanted(in))
        return;
    struct trust *t = trust_of(in);
    if (!t)
        return;
    check_spf(in, t);
    if (t->spf.result == TRUST_FAIL)
        trust_finish(in);
}

void trust_header(struct incoming *in, struct span header)
{
    struct trust *t = trust_of(in);
    if (!t)
        return;
    dmarc_author(header, &t->author);
    t->from_list = dmarc_from_list(header);
    t->dkim = dkim_verify_start(header, clock_now());
    if (!t->dkim)
        in->trouble = VERDICT_FAILED;
}

void trust_body(struct incoming *in, struct span piece)
{
    if (in->trust && in->trust->dkim && dkim_verify_count(in->trust->dkim))
        dkim_verify_body(in->trust->dkim, piece);
}

/* --- what it comes to */

/* All that is sure to be asked, in one go with the first of it. */
static void expect(struct trust *t, bool dmarc)
{
    struct dns_query queries[DKIM_SIGNATURES];
    size_t count = t->dkim ? dkim_verify_queries(t->dkim, queries, DKIM_SIGNATURES) : 0;
    trust_expect(&t->lookup, queries, count);
    if (dmarc)
        dmarc_expect(&t->lookup, &t->author);
}

static void check_dmarc(struct trust *t, const struct settings *s)
{
    struct dmarc_identity signers[DKIM_SIGNATURES];
    const struct dmarc_evidence evidence = { .mailing_list = t->from_list };
    for (size_t i = 0; i < t->signature_count; i++)
        signers[i] = (struct dmarc_identity){ t->signatures[i].result, t->signatures[i].domain };
    const struct dmarc_query query = {
        .author = &t->author,
        .spf = { t->spf.result, t->spf.domain },
        .dkim = signers,
        .dkim_count = t->signature_count,
    };
    dmarc_check(&t->lookup, &query, &t->dmarc);
    t->decision = dmarc_decide(&t->dmarc, s->dmarc, &evidence);
}

static void check(struct incoming *in, struct trust *t)
{
    const struct settings *s = in->session->serving->settings;
    expect(t, s->dmarc != DMARC_OFF);
    if (s->spf != SPF_OFF || s->dmarc != DMARC_OFF)
        check_spf(in, t);
    if (t->dkim)
        t->signature_count = dkim_verify_end(t->dkim, &t->lookup, t->signatures);
    if (s->dmarc != DMARC_OFF && t->dkim)
        check_dmarc(t, s);
}

/* --- Authentication-Results (RFC 8601) */

static bool write_results(struct incoming *in, const struct trust *t)
{
    const struct settings *s = in->session->serving->settings;
    struct auth_results w;
    auth_results_start(&w, &in->added, s->hostname, 0);
    if (s->dmarc != DMARC_OFF)
        auth_results_dmarc(&w, &t->dmarc);
    if (t->spf_known)
        auth_results_spf(&w, &t->spf,
                         t->spf.by_helo ? in->session->helo : in->session->transaction.sender);
    if (t->dkim)
        auth_results_dkim(&w, t->signatures, t->signature_count);
    return auth_results_end(&w);
}

/* --- the outcome */

/* The refusal in in->said, which may quote what strangers publish. */
static void refuse(struct incoming *in, const char *code, const char *text, const char *setting)
{
    snprintf(in->said, sizeof in->said, "%s %.*s (%s)", code, REPLY_LIMIT, text, setting);
    for (char *p = in->said; *p; p++)
        if (*p < ' ' || *p == 127)
            *p = '?';
}

static void refuse_spf(struct incoming *in, const struct spf_verdict *v)
{
    char text[REPLY_LIMIT + 1];
    snprintf(text, sizeof text, "%.150s says that %.45s may not send its mail%s%.200s", v->domain,
             in->session->serving->peer.text, v->explanation[0] ? "; it says: " : "", v->explanation);
    refuse(in, "550 5.7.23", text, "spf");
}

static void refuse_dmarc(struct incoming *in, const struct dmarc_verdict *v)
{
    char text[REPLY_LIMIT + 1];
    snprintf(text, sizeof text,
             "Neither SPF nor DKIM vouches for the author's domain %.200s, which wants that refused",
             v->domain);
    refuse(in, "550 5.7.1", text, "dmarc");
}

static enum outcome decide(struct incoming *in, const struct trust *t)
{
    bool spf = in->session->serving->settings->spf == SPF_REFUSE;
    if (spf && t->spf.result == TRUST_FAIL) {
        refuse_spf(in, &t->spf);
        return OUTCOME_REFUSE;
    }
    if (t->decision.disposition == DMARC_REJECT && !t->decision.defer) {
        refuse_dmarc(in, &t->dmarc);
        return OUTCOME_REFUSE;
    }
    if (t->decision.defer || (spf && t->spf.result == TRUST_TEMPERROR)) {
        refuse(in, "451 4.4.3", "DNS can't tell now who sent this, try again later", "dns-defer");
        return OUTCOME_DEFER;
    }
    return t->decision.disposition == DMARC_TO_JUNK ? OUTCOME_JUNK : OUTCOME_ACCEPT;
}

/* For the log: each result with the domain that it is about. */
static void put_texts(struct message *m, const struct trust *t)
{
    struct bytes text;
    bytes_init(&text, SMTPD_RESULT_LIMIT);
    if (t->spf_known)
        bytes_printf(&text, "%s %s", trust_result_name(t->spf.result), t->spf.domain);
    message_put(m, span_head(span_bytes(&text), SMTPD_RESULT_LIMIT));
    bytes_clear(&text);
    for (size_t i = 0; i < t->signature_count && !text.failed; i++)
        bytes_printf(&text, "%s%s %s", i ? ", " : "", trust_result_name(t->signatures[i].result),
                     t->signatures[i].domain);
    if (t->dkim && !t->signature_count)
        bytes_add_str(&text, trust_result_name(TRUST_NONE));
    message_put(m, span_bytes(&text));
    bytes_clear(&text);
    if (t->dmarc.why[0])
        bytes_printf(&text, "%s %s", trust_result_name(t->dmarc.result), t->dmarc.domain);
    message_put(m, span_bytes(&text));
    bytes_free(&text);
}

/* What the author's domain wants to know of it. */
static void put_report(struct message *m, const struct trust *t, const char *sender)
{
    struct address a;
    struct bytes line;
    bool named = sender[0] && address_parse(span_of(sender), &a) == ADDRESS_OK;
    const struct dmarc_report report = {
        .verdict = &t->dmarc,
        .decision = t->decision,
        .spf = &t->spf,
        .mail_from = named ? address_domain(&a) : (struct span){ "", 0 },
        .signatures = t->signatures,
        .count = t->signature_count,
    };
    bytes_init(&line, DMARC_RESULTS_TEXT);
    bool wanted = dmarc_report_line(&report, &line);
    message_put(m, wanted ? span_bytes(&line) : (struct span){ "", 0 });
    bytes_free(&line);
}

/* The guard's verdict: VERDICT_POLICY or VERDICT_DELAYED where it isn't taken. */
static enum verdict tell(struct incoming *in, const struct trust *t, enum outcome outcome)
{
    struct message *m = in->session->message;
    message_start(m, VERB_CHECKED);
    message_put_u64(m, outcome);
    message_put_str(m, in->said);
    put_texts(m, t);
    put_report(m, t, in->session->transaction.sender);
    return ask(in->session);
}

void trust_finish(struct incoming *in)
{
    struct trust *t = in->trust;
    if (!t)
        return;
    check(in, t);
    if (in->session->dns_spent) {
        in->trouble = VERDICT_SPENT;
        return;
    }
    enum outcome outcome = decide(in, t);
    in->junk = in->junk || t->decision.disposition == DMARC_TO_JUNK;
    if (!write_results(in, t))
        in->trouble = VERDICT_FAILED;
    enum verdict v = in->session->ended || in->trouble ? VERDICT_OVER : tell(in, t, outcome);
    if (v == VERDICT_POLICY || v == VERDICT_DELAYED)
        in->refusal = in->said;
    else if (v != VERDICT_OK && !in->trouble)
        in->trouble = v;
}
