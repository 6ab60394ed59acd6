/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Comparing a key with its record; see dkim_published.h. A record counts for as much as a verifier would take
 * it for: its version, its kind of key, hashes and services must fit.
 */
#include "trust/dkim_published.h"
#include "trust/dkim_private.h"

#include <stdio.h>

#define RECORD_LIMIT 8192

static const char *const words[] = {
    [DKIM_PUBLISHED] = "published", [DKIM_MISSING] = "missing", [DKIM_OTHER] = "different",
    [DKIM_REVOKED] = "revoked",     [DKIM_UNKNOWN] = "unknown",
};

const char *dkim_published_word(enum dkim_published p)
{
    return words[p];
}

/* Where it has the tag at all, it must list the word, or `any`. */
static bool allows(const struct dkim_tags *tags, const char *name, const char *word, const char *any)
{
    const struct dkim_tag *tag = dkim_tag(tags, name);
    return !tag || dkim_list_has(tag->value, word) || (any && dkim_list_has(tag->value, any));
}

static enum dkim_published read_record(struct span record, enum signature_algorithm algorithm,
                                       struct span public_key)
{
    struct dkim_tags tags;
    char key[SIGNATURE_PUBLIC_LIMIT];
    size_t n;
    if (!dkim_tags_read(record, &tags))
        return DKIM_MISSING;
    const struct dkim_tag *v = dkim_tag(&tags, "v"), *k = dkim_tag(&tags, "k"), *p = dkim_tag(&tags, "p");
    if (!p || (v && !span_eq_str(v->value, "DKIM1")))
        return DKIM_MISSING;
    if (p->value.n == 0)
        return DKIM_REVOKED;
    bool same = span_ieq_str(k ? k->value : SPAN("rsa"), signature_key_type(algorithm)) &&
                allows(&tags, "h", "sha256", NULL) && allows(&tags, "s", "email", "*") &&
                dkim_base64(p->value, key, sizeof key, &n) && span_eq((struct span){ key, n }, public_key);
    return same ? DKIM_PUBLISHED : DKIM_OTHER;
}

enum dkim_published dkim_published(const struct trust_lookup *lookup, const char *selector,
                                   const char *domain, enum signature_algorithm algorithm,
                                   struct span public_key)
{
    char name[DNS_NAME_LIMIT];
    struct dns_answer answer;
    struct bytes text;
    enum dkim_published best = DKIM_MISSING;
    int n = snprintf(name, sizeof name, "%s._domainkey.%s", selector, domain);
    if (n < 0 || (size_t)n >= sizeof name)
        return DKIM_MISSING;
    bytes_init(&text, RECORD_LIMIT);
    enum status st = trust_ask(lookup, name, DNS_TXT, &answer);
    for (size_t i = 0; st == ST_OK && best != DKIM_PUBLISHED && i < answer.count; i++) {
        bytes_clear(&text);
        enum dkim_published one = dns_text(&answer.records[i], &text)
                                      ? read_record(span_bytes(&text), algorithm, public_key)
                                      : DKIM_MISSING;
        best = one == DKIM_MISSING ? best : one;
    }
    dns_answer_free(&answer);
    bytes_free(&text);
    return st == ST_TEMP ? DKIM_UNKNOWN : best;
}
