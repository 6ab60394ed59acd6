/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The check and what follows from it; see dmarc.h. The author's policy record comes first (4.10.1): without
 * one there is nothing to check. Then identities that vouch for the message are compared with the author's
 * domain (4.10.2).
 *
 * An organizational domain stands at the end of the domains that it is for. So an identity that isn't below
 * the author's organizational domain is not aligned, whatever DNS says of it, and isn't asked about: a
 * stranger's signature can neither make us ask his servers nor, when they don't answer, keep the outcome
 * open.
 */
#include "net/idna.h"
#include "text/domains.h"
#include "text/header.h"
#include "trust/dmarc_walk.h"

#include <stdio.h>
#include <stdlib.h>

#define RCODE_NXDOMAIN 3

struct check {
    struct dmarc_walk *walk;
    const struct dmarc_query *query;
    struct dmarc_verdict *verdict;
    const char *organization; /* of the author's domain; NULL while nobody had to know */
    bool open;                /* an identity that DNS can't tell of now might be aligned */
};

static void say(struct dmarc_verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct dmarc_verdict *v, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(v->why, sizeof v->why, format, ap);
    va_end(ap);
}

/* --- the policy (4.10.1) */

/* "Non-existent" is what DNS answers NXDOMAIN to (3.2.13); an alias exists, wherever it leads. */
static enum status domain_exists(const struct trust_lookup *lookup, const char *domain)
{
    struct dns_answer answer;
    enum status st = trust_ask(lookup, domain, DNS_A, &answer);
    if (st == ST_NONE && (answer.rcode != RCODE_NXDOMAIN || strcmp(answer.canonical, domain) != 0))
        st = ST_OK;
    dns_answer_free(&answer);
    return st == ST_PERM ? ST_NONE : st;
}

static enum status found(struct check *c, const struct dmarc_seen *seen)
{
    struct dmarc_verdict *v = c->verdict;
    memcpy(v->policy_domain, seen->name, sizeof v->policy_domain);
    v->record = seen->record;
    v->published = strcmp(v->domain, seen->name) == 0 ? seen->record.p : seen->record.sp;
    return seen->status;
}

/* Where the author's domain has no record: that of its organizational domain, or of the public suffix above
 * it. */
static enum status find_above(struct check *c)
{
    struct dmarc_verdict *v = c->verdict;
    enum status st = dmarc_walk_organization(c->walk, v->domain, &c->organization);
    if (st != ST_OK)
        return st == ST_PERM ? ST_TEMP : st;
    const struct dmarc_seen *seen = dmarc_walk_known(c->walk, c->organization);
    if (seen && seen->status != ST_NONE)
        return found(c, seen);
    const char *dot = strchr(c->organization, '.');
    seen = dot ? dmarc_walk_known(c->walk, dot + 1) : NULL;
    return seen && seen->status != ST_NONE && seen->record.psd == 'y' ? found(c, seen) : ST_NONE;
}

/* ST_OK, ST_NONE, ST_TEMP, or ST_PERM: there is one that can't be applied. */
static enum status find_policy(struct check *c)
{
    const struct dmarc_seen *seen = dmarc_walk_at(c->walk, c->verdict->domain);
    if (!seen || seen->status == ST_TEMP)
        return ST_TEMP;
    return seen->status == ST_NONE ? find_above(c) : found(c, seen);
}

/* --- alignment (4.10.2) */

static enum status same_organization(struct check *c, const char *domain)
{
    const char *theirs;
    enum status st = ST_OK;
    if (!c->organization)
        st = dmarc_walk_organization(c->walk, c->verdict->domain, &c->organization);
    if (st == ST_OK && !dmarc_within(domain, c->organization))
        return ST_NONE;
    if (st == ST_OK)
        st = dmarc_walk_organization(c->walk, domain, &theirs);
    else
        c->organization = NULL;
    if (st != ST_OK)
        return st;
    return strcmp(theirs, c->organization) == 0 ? ST_OK : ST_NONE;
}

/* ST_OK: it is aligned. ST_NONE: it isn't. ST_TEMP: that can't be told. ST_PERM: it would take too many
 * questions. */
static enum status aligned(struct check *c, const char *domain, bool strict)
{
    char ascii[ADDRESS_DOMAIN_LIMIT + 1], name[ADDRESS_DOMAIN_LIMIT + 1];
    if (!domain || !idna_to_ascii(span_of(domain), ascii) || !domain_name(span_of(ascii), name))
        return ST_NONE;
    if (strcmp(name, c->verdict->domain) == 0)
        return ST_OK;
    return strict ? ST_NONE : same_organization(c, name);
}

/* True if it vouches for the author's domain. */
static bool vouches(struct check *c, const struct dmarc_identity *identity, bool strict)
{
    if (identity->result != TRUST_PASS && identity->result != TRUST_TEMPERROR)
        return false;
    enum status st = aligned(c, identity->domain, strict);
    if (st == ST_TEMP || (st == ST_OK && identity->result == TRUST_TEMPERROR))
        c->open = true;
    return st == ST_OK && identity->result == TRUST_PASS;
}

/* Those that take no question come first. */
static bool dkim_vouches(struct check *c)
{
    const struct dmarc_query *q = c->query;
    size_t count = q->dkim_count < DMARC_IDENTITIES ? q->dkim_count : DMARC_IDENTITIES;
    bool strict = c->verdict->record.strict_dkim;
    for (size_t i = 0; i < count; i++)
        if (vouches(c, &q->dkim[i], true))
            return true;
    for (size_t i = 0; i < count && !strict; i++)
        if (vouches(c, &q->dkim[i], false))
            return true;
    return false;
}

/* --- the outcome (5.3.5, 5.3.6) */

/* The policy of one that failed: np where it differs and the domain doesn't exist; a level lower in test
 * mode. */
static enum status settle_policy(struct check *c)
{
    struct dmarc_verdict *v = c->verdict;
    bool above = strcmp(v->domain, v->policy_domain) != 0;
    if (above && v->record.np != v->record.sp) {
        enum status st = domain_exists(c->walk->lookup, v->domain);
        if (st == ST_TEMP)
            return ST_TEMP;
        if (st == ST_NONE)
            v->published = v->record.np;
    }
    v->policy = v->published;
    if (v->record.testing && v->policy != DMARC_POLICY_NONE)
        v->policy--;
    return ST_OK;
}

static void apply(struct check *c)
{
    struct dmarc_verdict *v = c->verdict;
    v->spf_aligned = vouches(c, &c->query->spf, v->record.strict_spf);
    v->dkim_aligned = dkim_vouches(c);
    if (c->organization)
        span_copy(span_of(c->organization), v->organization, sizeof v->organization);
    if (v->spf_aligned || v->dkim_aligned) {
        v->result = TRUST_PASS;
        say(v, "%s of %s is aligned", v->dkim_aligned ? "DKIM" : "SPF", v->domain);
        return;
    }
    enum status st = settle_policy(c);
    v->result = c->open || st != ST_OK ? TRUST_TEMPERROR : TRUST_FAIL;
    v->harmless = st == ST_OK && v->policy == DMARC_POLICY_NONE;
    if (v->result == TRUST_TEMPERROR)
        v->policy = DMARC_POLICY_NONE;
    if (v->result == TRUST_FAIL)
        say(v, "no aligned SPF or DKIM; %s asks for %s%s", v->policy_domain, dmarc_policy_name(v->published),
            v->record.testing ? " (test mode)" : "");
    else
        say(v, "DNS can't tell now whether %s vouches for it", v->domain);
}

static void check_domain(struct dmarc_walk *walk, const struct dmarc_query *query, const char *domain,
                         struct dmarc_verdict *v)
{
    struct check c = { .walk = walk, .query = query, .verdict = v };
    *v = (struct dmarc_verdict){ .result = TRUST_NONE, .record = { .psd = 'u', .fo = "0" } };
    span_copy(span_of(domain), v->domain, sizeof v->domain);
    enum status st = find_policy(&c);
    if (st == ST_OK) {
        apply(&c);
    } else if (st == ST_NONE) {
        const struct dmarc_seen *own = dmarc_walk_known(walk, domain);
        say(v, "%s has %s", domain, own && own->several ? "several policies, so none" : "no policy");
    } else {
        v->result = st == ST_TEMP ? TRUST_TEMPERROR : TRUST_PERMERROR;
        if (st == ST_TEMP)
            say(v, "DNS can't tell the policy of %s now", domain);
        else
            say(v, "the policy of %s can't be read", v->policy_domain);
    }
}

/* Which of two outcomes counts (11.5): the strictest policy of those that failed, then what is uncertain,
 * then what says nothing; a pass only where all pass. */
static unsigned weight(const struct dmarc_verdict *v)
{
    static const unsigned weights[] = {
        [TRUST_PASS] = 0, [TRUST_NONE] = 1, [TRUST_FAIL] = 2, [TRUST_PERMERROR] = 3, [TRUST_TEMPERROR] = 4
    };
    return v->policy != DMARC_POLICY_NONE ? 4 + (unsigned)v->policy : weights[v->result];
}

void dmarc_check(const struct trust_lookup *lookup, const struct dmarc_query *query,
                 struct dmarc_verdict *verdict)
{
    const struct dmarc_author *author = query->author;
    struct dmarc_verdict next;
    *verdict = (struct dmarc_verdict){ .result = TRUST_NONE, .record = { .psd = 'u', .fo = "0" } };
    say(verdict, "%s", author->fields ? "From has no domain" : "no From field");
    struct dmarc_walk *walk = author->count ? dmarc_walk_new(lookup) : NULL;
    if (author->count && !walk) {
        verdict->result = TRUST_TEMPERROR;
        say(verdict, "out of memory");
        return;
    }
    for (size_t i = 0; i < author->count; i++) {
        walk->room = (i + 1) * DMARC_QUESTIONS / author->count; /* none takes another's questions */
        check_domain(walk, query, author->domains[i], &next);
        if (i == 0 || weight(&next) > weight(verdict))
            *verdict = next;
    }
    free(walk);
    verdict->suspect = author->suspect != NULL;
    if (verdict->suspect && verdict->policy == DMARC_POLICY_NONE) {
        verdict->result = TRUST_PERMERROR;
        say(verdict, "%s", author->suspect);
    }
}

void dmarc_expect(const struct trust_lookup *lookup, const struct dmarc_author *author)
{
    struct dns_query queries[DMARC_AUTHORS];
    size_t n = 0;
    for (size_t i = 0; i < author->count; i++) {
        queries[n].type = DNS_TXT;
        if (dmarc_record_name(author->domains[i], queries[n].name))
            n++;
    }
    trust_expect(lookup, queries, n);
}

/* --- what becomes of it */

const char *dmarc_reason_name(enum dmarc_reason reason)
{
    static const char *const names[] = { "", "local_policy", "mailing_list", "policy_test_mode",
                                         "trusted_forwarder" };
    return names[reason];
}

static struct dmarc_decision decision(enum dmarc_disposition disposition, enum dmarc_reason reason)
{
    return (struct dmarc_decision){ .disposition = disposition, .reason = reason };
}

struct dmarc_decision dmarc_decide(const struct dmarc_verdict *v, enum dmarc_handling setting,
                                   const struct dmarc_evidence *evidence)
{
    bool applies = setting == DMARC_JUNK || setting == DMARC_REFUSE;
    enum dmarc_reason tested = v->policy != v->published ? DMARC_REASON_TEST_MODE : DMARC_REASON_NONE;
    if (v->suspect && applies && v->policy == DMARC_POLICY_NONE)
        return decision(DMARC_TO_JUNK, DMARC_REASON_LOCAL_POLICY);
    if (v->result == TRUST_TEMPERROR)
        return (struct dmarc_decision){ .disposition = DMARC_ACCEPT, .defer = applies && !v->harmless };
    if (v->result != TRUST_FAIL)
        return decision(DMARC_ACCEPT, DMARC_REASON_NONE);
    if (v->policy == DMARC_POLICY_NONE)
        return decision(DMARC_ACCEPT, tested);
    if (evidence->trusted_forwarder)
        return decision(DMARC_ACCEPT, DMARC_REASON_TRUSTED_FORWARDER);
    if (!applies)
        return decision(DMARC_ACCEPT, DMARC_REASON_LOCAL_POLICY);
    if (v->policy == DMARC_POLICY_QUARANTINE)
        return decision(DMARC_TO_JUNK, tested);
    if (setting == DMARC_REFUSE && !evidence->mailing_list)
        return decision(DMARC_REJECT, DMARC_REASON_NONE);
    return decision(DMARC_TO_JUNK,
                    setting == DMARC_REFUSE ? DMARC_REASON_MAILING_LIST : DMARC_REASON_LOCAL_POLICY);
}

bool dmarc_from_list(struct span header)
{
    return header_count(header, "List-Id") || header_count(header, "List-Post");
}
