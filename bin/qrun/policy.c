/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DANE and MTA-STS for a host; see policy.h. MTA-STS is looked for once for a domain, and only when a host
 * comes up that has no DANE. The policy that was cached applies for as long as it holds, whatever DNS and the
 * web server say meanwhile: who stops their answers must gain nothing (RFC 8461 10.2).
 */
#include "policy.h"
#include "fetcher.h"
#include "policy_fetch.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

void policy_note(struct policy *p, enum tls_policy kind, enum tls_result result, const char *host,
                 const char *text)
{
    message_start(p->packet, VERB_NOTE);
    message_put_u64(p->packet, kind);
    message_put_u64(p->packet, result);
    message_put_str(p->packet, host);
    message_put_str(p->packet, text);
    channel_send(p->channel, p->packet);
}

/* --- DANE */

/* The TLSA records of a name. ST_OK: they are verified, and there are some. ST_NONE: none, or nobody vouches
 * for them. */
static enum status ask_tlsa(struct policy *p, const char *base, struct security *s)
{
    char name[DNS_NAME_LIMIT];
    struct dns_answer answer;
    if (snprintf(name, sizeof name, "_%u._tcp.%s", (unsigned)connector_port(p->start), base) >=
        (int)sizeof name)
        return ST_NONE;
    enum status st = dns_ask(p->resolver, name, DNS_TLSA, &answer);
    if (st == ST_PERM || (st == ST_OK && !answer.secure))
        st = ST_NONE;
    for (size_t i = 0; st == ST_OK && i < answer.count; i++)
        security_add_tlsa(s, answer.records[i].data);
    dns_answer_free(&answer);
    return st;
}

/* Is there an alias at the host's own name that is verified, though what it leads to isn't (RFC 7672
 * 2.2.2)? */
static bool has_secure_alias(struct policy *p, const char *host)
{
    struct dns_answer answer;
    enum status st = dns_ask(p->resolver, host, DNS_CNAME, &answer);
    bool secure = st == ST_OK && answer.secure;
    dns_answer_free(&answer);
    return secure;
}

static enum status find_dane(struct policy *p, const char *host, const struct route_addresses *a,
                             struct security *s)
{
    struct span records[TLSA_LIMIT];
    struct tlsa usable[TLSA_LIMIT];
    bool alias = !span_ieq_str(span_of(a->canonical), host);
    const char *bases[2] = { a->secure && alias ? a->canonical : NULL,
                             a->secure || (alias && has_secure_alias(p, host)) ? host : NULL };
    for (size_t i = 0; i < 2; i++) {
        if (!bases[i])
            continue;
        enum status st = ask_tlsa(p, bases[i], s);
        if (st == ST_TEMP)
            return ST_TEMP;
        if (st != ST_OK)
            continue;
        s->policy = TLS_POLICY_TLSA;
        s->need = tlsa_select(records, security_tlsa(s, records), usable) ? NEED_DANE : NEED_TLS;
        if (s->need == NEED_TLS)
            policy_note(p, TLS_POLICY_TLSA, TLS_RESULT_TLSA_INVALID, host,
                        "none of the TLSA records is usable");
        span_copy(span_of(bases[i]), s->name, sizeof s->name);
        span_copy(span_of(p->start->domain), s->other, sizeof s->other);
        return ST_OK;
    }
    return ST_NONE;
}

/* --- what it comes to */

static enum status apply_sts(struct policy *p, const char *host, struct security *s, struct bytes *why)
{
    if (!p->searched)
        p->found = policy_sts(p);
    p->searched = true;
    if (!p->found || p->sts.mode == STS_MODE_NONE)
        return ST_OK;
    s->policy = TLS_POLICY_STS;
    bool enforce = p->sts.mode == STS_MODE_ENFORCE;
    if (sts_policy_covers(&p->sts, host)) {
        s->need = enforce ? NEED_STS : NEED_TESTING;
        return ST_OK;
    }
    policy_note(p, TLS_POLICY_STS, TLS_RESULT_VALIDATION, host, "the policy doesn't name this host");
    if (enforce)
        bytes_printf(why, "4.7.5 The domain's MTA-STS policy doesn't name %s", host);
    return enforce ? ST_TEMP : ST_OK;
}

/* RFC 8689 4.2.1: somebody vouches for the host's name, and for its certificate. */
static enum status apply_requirement(const struct route *route, const char *host, struct security *s,
                                     struct bytes *why)
{
    s->require_tls = true;
    if (s->need == NEED_TESTING)
        s->need = NEED_STS;
    if (s->need == NEED_STS || s->need == NEED_DANE)
        return ST_OK;
    s->need = NEED_PKIX;
    if (route->secure)
        return ST_OK;
    bytes_printf(why, "5.7.30 REQUIRETLS: neither DNSSEC nor MTA-STS vouches for %s", host);
    return ST_PERM;
}

enum status policy_find(struct policy *p, const struct route *route, size_t host,
                        const struct route_addresses *a, struct security *s, struct bytes *why)
{
    const char *name = route->hosts[host];
    enum lane lane = p->start->lane;
    enum status st = ST_OK;
    bytes_clear(why);
    *s = (struct security){ .need = NEED_NOTHING };
    span_copy(span_of(name), s->name, sizeof s->name);
    if (lane == LANE_FREE)
        return ST_OK;
    if (route->secure && !route->literal)
        st = find_dane(p, name, a, s);
    if (st == ST_TEMP) {
        policy_note(p, TLS_POLICY_TLSA, TLS_RESULT_DNSSEC_INVALID, name,
                    "the TLSA records can't be looked up");
        bytes_printf(why, "4.7.5 DNS has no valid answer for the TLSA records of %s", name);
        return ST_TEMP;
    }
    if (s->policy == TLS_POLICY_NONE && !route->literal)
        st = apply_sts(p, name, s, why);
    else
        st = ST_OK;
    return st == ST_OK && lane == LANE_REQUIRE ? apply_requirement(route, name, s, why) : st;
}
