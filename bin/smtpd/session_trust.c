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
    if (in->trust) {
        arc_verify_free(in->trust->arc);
        dkim_verify_free(in->trust->dkim);
    }
    free(in->trust);
    in->trust = NULL;
}

/* --- what comes in */

static void check_spf(struct incoming *in, struct trust *t)
{
    const struct session *s = in->session;
    const struct address *sender = &s->transaction.mail.sender;
    const struct spf_query query = {
        .address = s->serving->peer.address,
        .helo = span_of(s->helo),
        .sender = address_is_null(sender) ? NULL : sender,
        .receiver = s->serving->settings->hostname,
        .now = clock_now(),
    };
    if (!t->spf_known)
        spf_check(&t->lookup, &query, &t->spf);
    t->spf_known = true;
}

void trust_envelope(struct incoming *in)
{
    if (in->session->serving->settings->spf != SPF_REFUSE || !is_wanted(in) ||
        !in->session->transaction.refusable)
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
    if (t->dkim)
        t->arc = arc_verify_start(header, clock_now(), t->dkim);
    if (!t->arc)
        in->trouble = VERDICT_FAILED;
}

void trust_body(struct incoming *in, struct span piece)
{
    if (in->trust && in->trust->dkim)
        dkim_verify_body(in->trust->dkim, piece);
}

/* --- what it comes to */

/* All that is sure to be asked, in one go with the first of it. */
static void expect(struct trust *t, bool dmarc)
{
    struct dns_query queries[DNS_QUERIES];
    size_t count = t->dkim ? dkim_verify_queries(t->dkim, queries, DKIM_SIGNATURES) : 0;
    if (t->arc) /* room for one more, and what DMARC asks */
        count += arc_verify_queries(t->arc, queries + count, DNS_QUERIES / 2 - count);
    trust_expect(&t->lookup, queries, count);
    if (dmarc)
        dmarc_expect(&t->lookup, &t->author);
}

/* A message that fails here may have passed with one whom we trust. Where only DNS keeps us from seeing that,
 * it is worth waiting for (RFC 8617 calls the chain failed then, which is final for who seals). */
static void decide_dmarc(struct trust *t, const struct settings *s, bool refusable)
{
    enum dmarc_handling setting = s->dmarc == DMARC_REFUSE && !refusable ? DMARC_JUNK : s->dmarc;
    struct dmarc_evidence evidence = { .mailing_list = t->from_list };
    if (t->dmarc.result == TRUST_FAIL && s->arc_trust[0])
        evidence.trusted_forwarder =
            arc_trusted(t->arc, &t->chain, s->arc_trust, &t->author, &t->lookup, &t->witness);
    t->decision = dmarc_decide(&t->dmarc, setting, &evidence);
    if (t->decision.disposition != DMARC_ACCEPT && t->chain.temporary &&
        arc_is_trusted(&t->chain, s->arc_trust))
        t->decision = (struct dmarc_decision){ DMARC_TO_JUNK, t->decision.reason, true };
}

static void check_dmarc(struct trust *t, const struct settings *s, bool refusable)
{
    struct dmarc_identity signers[DKIM_SIGNATURES];
    for (size_t i = 0; i < t->signature_count; i++)
        signers[i] = (struct dmarc_identity){ t->signatures[i].result, t->signatures[i].domain };
    const struct dmarc_query query = {
        .author = &t->author,
        .spf = { t->spf.result, t->spf.domain },
        .dkim = signers,
        .dkim_count = t->signature_count,
    };
    dmarc_check(&t->lookup, &query, &t->dmarc);
    decide_dmarc(t, s, refusable);
}

static void check(struct incoming *in, struct trust *t)
{
    const struct settings *s = in->session->serving->settings;
    expect(t, s->dmarc != DMARC_OFF);
    if (s->spf != SPF_OFF || s->dmarc != DMARC_OFF)
        check_spf(in, t);
    if (t->arc) {
        t->signature_count = dkim_verify_end(t->dkim, &t->lookup, t->signatures);
        arc_verify_end(t->arc, t->dkim, &t->lookup, &t->chain);
    }
    if (s->dmarc != DMARC_OFF && t->arc)
        check_dmarc(t, s, in->session->transaction.refusable);
}

/* --- Authentication-Results (RFC 8601) */

/* Whom we trust has said that it passed: then the policy isn't applied. */
static void write_dmarc(struct auth_results *w, const struct trust *t)
{
    struct dmarc_verdict applied = t->dmarc;
    if (t->decision.reason == DMARC_REASON_TRUSTED_FORWARDER)
        applied.policy = DMARC_POLICY_NONE;
    auth_results_dmarc(w, &applied);
}

bool trust_results(const struct incoming *in, unsigned instance, struct bytes *out)
{
    const struct settings *s = in->session->serving->settings;
    const struct trust *t = in->trust;
    struct auth_results w;
    auth_results_start(&w, out, s->hostname, instance);
    if (s->dmarc != DMARC_OFF)
        write_dmarc(&w, t);
    if (t->spf_known)
        auth_results_spf(&w, &t->spf,
                         t->spf.by_helo ? in->session->helo : in->session->transaction.mail.sender.text);
    if (t->dkim)
        auth_results_dkim(&w, t->signatures, t->signature_count);
    auth_results_arc(&w, &t->chain, &t->witness, in->session->serving->peer.text);
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
    bool refusable = in->session->transaction.refusable;
    bool spf = refusable && in->session->serving->settings->spf == SPF_REFUSE;
    if (spf && t->spf.result == TRUST_FAIL) {
        refuse_spf(in, &t->spf);
        return OUTCOME_REFUSE;
    }
    if (t->decision.disposition == DMARC_REJECT && !t->decision.defer) {
        refuse_dmarc(in, &t->dmarc);
        return OUTCOME_REFUSE;
    }
    if ((refusable && t->decision.defer) || (spf && t->spf.result == TRUST_TEMPERROR)) {
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
    bytes_clear(&text);
    if (t->chain.result != TRUST_NONE)
        bytes_printf(&text, "%s %s", trust_result_name(t->chain.result), t->chain.domain);
    if (t->witness.instance)
        bytes_printf(&text, ", %s saw %s pass", t->witness.domain, t->witness.method);
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
        .chain = &t->chain,
        .witness = &t->witness,
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
    put_report(m, t, in->session->transaction.mail.sender.text);
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
    if (!trust_results(in, 0, &in->added))
        in->trouble = VERDICT_FAILED;
    enum verdict v = in->session->ended || in->trouble ? VERDICT_OVER : tell(in, t, outcome);
    if (v == VERDICT_POLICY || v == VERDICT_DELAYED)
        in->refusal = in->said;
    else if (v != VERDICT_OK && !in->trouble)
        in->trouble = v;
}
