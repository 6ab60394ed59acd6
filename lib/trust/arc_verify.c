/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Verifying a chain (RFC 8617 5.2); see arc.h. Everything that is read of the header is read and hashed at
 * the start; what is kept are the signatures, and for arc_trusted() the results that the sealers wrote.
 *
 * The order of the last steps is another than the standard's: the older message signatures, which can't fail
 * the chain, come behind the seals, so that where questions to DNS run out it is them that go without.
 */
#include "trust/arc_private.h"

#include <stdio.h>
#include <stdlib.h>

/* `within`: within the limit of what is hashed. */
static void read_set(struct arc_verified *to, const struct arc_set *set, int64_t now,
                     struct dkim_fields *fields, struct dkim_tags *tags, bool within)
{
    dkim_signature_read(DKIM_ARC_MESSAGE, &set->fields[ARC_MESSAGE], now, tags, &to->message);
    if (!within)
        dkim_signature_is(&to->message, TRUST_NEUTRAL, "not looked at, as the header is large");
    dkim_signature_hash(&to->message, &set->fields[ARC_MESSAGE], tags, fields, NULL);
    const struct dkim_tag *covered = dkim_tag(tags, "h");
    if (covered && dkim_list_has(covered->value, "ARC-Seal"))
        dkim_signature_is(&to->message, TRUST_PERMERROR, "it covers a seal");
    dkim_signature_read(DKIM_ARC_SEAL, &set->fields[ARC_SEAL], now, tags, &to->seal);
}

static bool read_sets(struct arc_verifier *v, struct span header, const struct arc_chain *chain, int64_t now)
{
    unsigned char(*hashes)[HASH_SIZE] = calloc(chain->newest, sizeof *hashes);
    struct dkim_tags *tags = malloc(sizeof *tags);
    struct dkim_fields fields = { .count = 0 };
    v->sets = calloc(chain->newest, sizeof *v->sets);
    bool good =
        hashes && tags && v->sets && dkim_fields_init(&fields, header) && arc_chain_hash(chain, 1, hashes);
    for (unsigned i = 0; good && i < chain->newest; i++) {
        struct span results = chain->sets[i].fields[ARC_RESULTS].value;
        bool within = (chain->newest - 1 - i) * header.n <= ARC_OLDER_LIMIT;
        read_set(&v->sets[i], &chain->sets[i], now, &fields, tags, within);
        memcpy(v->sets[i].seal.header_hash, hashes[i], HASH_SIZE);
        v->sets[i].results_at = v->results.len;
        v->sets[i].results_length = results.n;
        good = bytes_add_span(&v->results, results);
    }
    dkim_fields_free(&fields);
    free(tags);
    free(hashes);
    return good;
}

static bool start(struct arc_verifier *v, struct span header, const struct arc_chain *chain, int64_t now,
                  struct dkim_verifier *body)
{
    bytes_init(&v->results, header.n);
    v->newest = chain->newest;
    v->ended = chain->ended;
    v->broken = chain->broken;
    if (v->broken || !v->newest)
        return true;
    bool good = read_sets(v, header, chain, now);
    for (unsigned i = 0; good && i < v->newest; i++)
        if (v->sets[i].message.result.result == TRUST_NONE)
            good = dkim_verify_also(body, v->sets[i].message.body);
    return good;
}

struct arc_verifier *arc_verify_start(struct span header, int64_t now, struct dkim_verifier *body)
{
    struct arc_verifier *v = calloc(1, sizeof *v);
    struct arc_chain *chain = malloc(sizeof *chain);
    bool good = v && chain;
    if (good) {
        arc_chain_read(header, chain);
        good = start(v, header, chain, now, body);
    }
    free(chain);
    if (!good) {
        arc_verify_free(v);
        return NULL;
    }
    return v;
}

static void add_query(const struct dkim_signature *s, struct dns_query *queries, size_t room, size_t *count)
{
    if (*count == room || s->result.result != TRUST_NONE || !dkim_key_name(s, queries[*count].name))
        return;
    queries[*count].type = DNS_TXT;
    for (size_t i = 0; i < *count; i++)
        if (strcmp(queries[i].name, queries[*count].name) == 0)
            return;
    ++*count;
}

size_t arc_verify_queries(const struct arc_verifier *v, struct dns_query *queries, size_t room)
{
    size_t count = 0;
    for (unsigned i = v->sets ? v->newest : 0; i > 0; i--) {
        add_query(&v->sets[i - 1].message, queries, room, &count);
        add_query(&v->sets[i - 1].seal, queries, room, &count);
    }
    return count;
}

/* One signature; false with the reason in *result. */
static bool passes(struct dkim_signature *s, unsigned instance, const char *what,
                   const struct trust_lookup *lookup, struct arc_result *result)
{
    dkim_signature_verify(s, lookup);
    if (s->result.result == TRUST_PASS)
        return true;
    result->temporary = s->result.result == TRUST_TEMPERROR;
    snprintf(result->why, sizeof result->why, "i=%u: the %s: %s", instance, what, s->result.why);
    return false;
}

static bool message_passes(struct arc_verifier *v, unsigned instance, const struct dkim_verifier *body,
                           const struct trust_lookup *lookup, struct arc_result *result)
{
    struct dkim_signature *s = &v->sets[instance - 1].message;
    unsigned char hash[HASH_SIZE];
    uint64_t length;
    if (s->result.result == TRUST_NONE) {
        if (dkim_verify_hash(body, s->body, hash, &length))
            dkim_signature_body(s, hash, length);
        else
            dkim_signature_is(s, TRUST_TEMPERROR, "no memory");
    }
    return passes(s, instance, "message signature", lookup, result);
}

/* 5.2, step 5 */
static unsigned oldest_pass(struct arc_verifier *v, const struct dkim_verifier *body,
                            const struct trust_lookup *lookup)
{
    struct arc_result unused;
    for (unsigned i = v->newest - 1; i > 0; i--)
        if (!message_passes(v, i, body, lookup, &unused))
            return i + 1;
    return 0;
}

static bool chain_passes(struct arc_verifier *v, const struct dkim_verifier *body,
                         const struct trust_lookup *lookup, struct arc_result *result)
{
    if (v->broken) {
        snprintf(result->why, sizeof result->why, "%s", v->broken);
        return false;
    }
    const struct dkim_signature *newest = &v->sets[v->newest - 1].seal;
    memcpy(result->domain, newest->result.domain, sizeof result->domain);
    memcpy(result->selector, newest->result.selector, sizeof result->selector);
    if (!message_passes(v, v->newest, body, lookup, result))
        return false;
    for (unsigned i = v->newest; i > 0; i--)
        if (!passes(&v->sets[i - 1].seal, i, "seal", lookup, result))
            return false;
    return true;
}

void arc_verify_end(struct arc_verifier *v, const struct dkim_verifier *body,
                    const struct trust_lookup *lookup, struct arc_result *result)
{
    *result = (struct arc_result){ .newest = v->newest, .ended = v->ended };
    if (!v->newest && !v->broken)
        return;
    bool good = chain_passes(v, body, lookup, result);
    result->result = good ? TRUST_PASS : TRUST_FAIL;
    if (good)
        result->oldest_pass = oldest_pass(v, body, lookup);
}

void arc_verify_free(struct arc_verifier *v)
{
    if (!v)
        return;
    bytes_free(&v->results);
    free(v->sets);
    free(v);
}
