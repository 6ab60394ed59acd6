/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a destination's children find out about transport security: policies and hosts are remembered
 * (store/tls_state.h), results recorded for reports (store/tls_results.h), and what somebody should look at
 * is logged.
 *
 * None of it stops mail: where the spool is full or the file of policies can't be used, that is logged and
 * nothing more.
 */
#include "destination.h"
#include "fetcher.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "store/tls_results.h"
#include "store/tls_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NO_DNSSEC_SECONDS 600  /* until the resolver is asked again whether it passes signatures on */
#define REMEMBER_SECONDS 86400 /* a host that is known is written down again after so long */
#define LOST "lost"            /* in place of what a host had: said once, not every time */

bool qrun_has_dnssec(const struct qrun *q)
{
    return q->anchors.len && (q->settings->trust_anchor[0] || clock_ms() >= q->no_dnssec_until);
}

static void complain(const char *what, enum status st)
{
    if (st == ST_TEMP)
        log_event(LOG_ERR, what, "text", strerror(errno), NULL);
}

void destination_tls_cached(struct qrun *q, const struct destination *d, struct tls_state_policy *cached)
{
    complain("tls-state-unreadable", tls_state_policy(q->settings->spool, d->domain, clock_now(), cached));
}

/* --- from the connector */

/* `l`: NULL where there was no connection. */
static void record(struct qrun *q, const struct destination *d, enum tls_policy policy, const char *host,
                   enum tls_result result, const char *text, const struct link *l)
{
    struct tls_session s = { .at = clock_now(),
                             .domain = d->domain,
                             .policy = policy,
                             .mx = host,
                             .from = l ? l->from : NULL,
                             .to = l ? l->to : NULL,
                             .result = result,
                             .text = text };
    complain("tls-result-not-written", tls_results_add(q->settings->spool, &s));
}

static void take_note(struct qrun *q, struct destination *d)
{
    uint64_t policy, result;
    char host[DNS_NAME_LIMIT], text[256];
    message_get_u64(&q->packet, &policy);
    message_get_u64(&q->packet, &result);
    message_get_str(&q->packet, host, sizeof host);
    message_get_str(&q->packet, text, sizeof text);
    if (!message_end(&q->packet) || policy > TLS_POLICY_TLSA || result >= TLS_RESULTS)
        return;
    log_event(LOG_WARNING, "tls-policy", "domain", d->domain, "host", host[0] ? host : NULL, "policy",
              tls_policy_name((enum tls_policy)policy), "result", tls_result_name((enum tls_result)result),
              "text", text, NULL);
    record(q, d, (enum tls_policy)policy, host, (enum tls_result)result, text, NULL);
}

static void keep_policy(struct qrun *q, const struct destination *d)
{
    struct tls_state_policy p = { .expires = 0 };
    uint64_t fetched, expires, retry;
    struct span text;
    struct message *m = &q->packet;
    message_get_str(m, p.id, sizeof p.id);
    message_get_u64(m, &fetched);
    message_get_u64(m, &expires);
    message_get_u64(m, &retry);
    message_get(m, &text);
    bytes_init(&p.text, TLS_STATE_POLICY_LIMIT);
    p.fetched = (int64_t)fetched;
    p.expires = (int64_t)expires;
    p.retry = (int64_t)retry;
    int64_t now = clock_now();
    if (message_end(m) && bytes_add_span(&p.text, text))
        complain("tls-policy-not-kept", tls_state_policy_keep(q->settings->spool, d->domain, &p, now));
    bytes_free(&p.text);
}

/* A fetcher on the socket that came; its channel goes to the connector. */
static void give_fetcher(struct qrun *q, struct destination *d)
{
    char host[DNS_NAME_LIMIT];
    int socket = q->packet.fd, fetcher = -1;
    message_get_str(&q->packet, host, sizeof host);
    if (message_end(&q->packet) && socket >= 0)
        fetcher =
            child_start(q, &(struct child_start){ .kind = CHILD_FETCHER, .domain = host, .socket = socket });
    file_close(socket);
    message_start(&q->packet, VERB_FETCHER);
    q->packet.fd = fetcher;
    channel_send(d->connector, &q->packet);
    file_close(fetcher);
}

/* Known for this run and those that follow; said once a day. */
static void no_dnssec(struct qrun *q)
{
    struct tls_state_resolver r;
    int64_t now = clock_now();
    if (clock_ms() < q->no_dnssec_until) /* somebody else has found out meanwhile */
        return;
    q->no_dnssec_until = clock_ms() + NO_DNSSEC_SECONDS * 1000;
    complain("tls-state-unreadable", tls_state_resolver(q->settings->spool, &r));
    if (now - r.warned >= REMEMBER_SECONDS) {
        log_event(LOG_WARNING, "no-dnssec", "text",
                  "the resolver passes no signatures on: DANE can't be used; see trust-anchor", NULL);
        r.warned = now;
    }
    r.unable = now;
    complain("tls-state-not-written", tls_state_resolver_keep(q->settings->spool, &r, now));
}

void qrun_recall_dnssec(struct qrun *q)
{
    struct tls_state_resolver r;
    int64_t now = clock_now();
    if (!q->anchors.len || tls_state_resolver(q->settings->spool, &r) != ST_OK)
        return;
    if (r.unable <= now && now - r.unable < NO_DNSSEC_SECONDS)
        q->no_dnssec_until = clock_ms() + (NO_DNSSEC_SECONDS - (now - r.unable)) * 1000;
}

bool destination_tls_packet(struct qrun *q, struct destination *d)
{
    unsigned verb = q->packet.verb;
    if (verb == VERB_FETCH) {
        give_fetcher(q, d);
        return true;
    }
    if (verb != VERB_NOTE && verb != VERB_POLICY && verb != VERB_NO_DNSSEC)
        return false;
    file_close(q->packet.fd);
    if (verb == VERB_NOTE)
        take_note(q, d);
    else if (verb == VERB_POLICY)
        keep_policy(q, d);
    else
        no_dnssec(q);
    return true;
}

/* --- from the sender */

/* The policy in its own words, once: what a report quotes. */
static void record_policy(struct qrun *q, const struct link *l)
{
    struct bytes text;
    struct span records[TLSA_LIMIT];
    if (l->d->policy_told || l->security.policy == TLS_POLICY_NONE)
        return;
    l->d->policy_told = true;
    bytes_init(&text, 2 * TLS_STATE_POLICY_LIMIT);
    if (l->security.policy == TLS_POLICY_TLSA) {
        size_t n = security_tlsa(&l->security, records);
        for (size_t i = 0; i < n; i++)
            if ((i == 0 || bytes_add_char(&text, '|')) && !tlsa_print(records[i], &text))
                break;
    } else {
        struct tls_state_policy p;
        if (tls_state_policy(q->settings->spool, l->d->domain, clock_now(), &p) == ST_OK)
            bytes_add_span(&text, span_trim(span_bytes(&p.text)));
        bytes_free(&p.text);
        for (size_t i = 0; i < text.len; i++)
            if (text.data[i] == '\n')
                text.data[i] = '|';
    }
    complain("tls-result-not-written", tls_results_policy(q->settings->spool, clock_now(), l->d->domain,
                                                          l->security.policy, bytes_str(&text)));
    bytes_free(&text);
}

/* Remembers a host with verified TLS, and notices one that has none any more. */
static void compare_with_past(struct qrun *q, const struct link *l)
{
    struct tls_state_host h;
    const char *spool = q->settings->spool, *what = protection_name(l->protection);
    int64_t now = clock_now();
    bool verified = l->protection >= VERIFIED_STS;
    enum status st = tls_state_host(spool, l->host, now, &h);
    complain("tls-state-unreadable", st);
    if (verified && (st == ST_NONE || strcmp(h.what, what) != 0 || now - h.seen >= REMEMBER_SECONDS)) {
        h.seen = now;
        snprintf(h.what, sizeof h.what, "%s", what);
    } else if (!verified && st == ST_OK && strcmp(h.what, LOST) != 0) {
        log_event(LOG_WARNING, "tls-no-longer-verified", "host", l->shown, "domain", l->d->domain, "had",
                  h.what, "has", what, NULL);
        snprintf(h.what, sizeof h.what, LOST);
    } else {
        return;
    }
    complain("tls-state-not-written", tls_state_host_keep(spool, l->host, &h, now));
}

void destination_tls_ready(struct qrun *q, const struct link *l, enum tls_result result, const char *text)
{
    if (l->d->lane == LANE_FREE || l->d->hop.tls == HOP_TLS_NONE || l->d->hop.local)
        return; /* what it goes without says nothing about the host */
    if (l->host[0] != '[')
        compare_with_past(q, l);
    record_policy(q, l);
    record(q, l->d, l->security.policy, l->host, result, text, l);
    if (result != TLS_RESULT_SUCCESS && l->security.policy != TLS_POLICY_NONE)
        log_event(LOG_WARNING, "tls-policy", "domain", l->d->domain, "host", l->shown, "policy",
                  tls_policy_name(l->security.policy), "result", tls_result_name(result), "text", text, NULL);
}

void destination_tls_refused(struct qrun *q, const struct link *l, enum tls_result result, const char *text)
{
    if (l->d->lane == LANE_FREE)
        return;
    record_policy(q, l);
    record(q, l->d, l->security.policy, l->host, result, text, l);
    if (l->security.policy != TLS_POLICY_NONE)
        log_event(LOG_WARNING, "tls-policy", "domain", l->d->domain, "host", l->shown, "policy",
                  tls_policy_name(l->security.policy), "result", tls_result_name(result), "text", text, NULL);
}
