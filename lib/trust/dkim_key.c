/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The key that DNS has for a signature (RFC 6376 3.6, RFC 8463 4), and verifying with it; see dkim_private.h.
 *
 * Where a name has several TXT records, which the standard leaves open, those that are no key (another use of
 * TXT, or a wildcard's) are passed over, and the first keys are tried in turn: one that verifies is enough,
 * and if none does the first one says why.
 */
#include "trust/dkim_private.h"

#include <stdio.h>

#define KEYS_TRIED 2 /* records of a name; each may cost a computation, and ARC has a hundred signatures */

bool dkim_key_name(const struct dkim_signature *s, char to[DNS_NAME_LIMIT])
{
    char name[2 * DNS_NAME_LIMIT + 16];
    snprintf(name, sizeof name, "%s._domainkey.%s", s->result.selector, s->result.domain);
    return s->result.selector[0] && s->result.domain[0] && span_copy(span_of(name), to, DNS_NAME_LIMIT);
}

static bool has_tag(const struct dkim_tags *tags, const char *name, const char *word, bool otherwise)
{
    const struct dkim_tag *tag = dkim_tag(tags, name);
    return tag ? dkim_list_has(tag->value, word) : otherwise;
}

/* Is it a key at all? v= is DKIM1, and first, where there is one. */
static bool is_key(const struct dkim_tags *tags)
{
    const struct dkim_tag *version = dkim_tag(tags, "v");
    if (version && (version != tags->tags || !span_eq_str(version->value, "DKIM1")))
        return false;
    return dkim_tag(tags, "p") || version;
}

static const struct {
    enum trust_result result;
    const char *why;
} verdicts[] = {
    [SIGNATURE_GOOD] = { TRUST_PASS, "" },
    [SIGNATURE_BAD] = { TRUST_FAIL, "the signature doesn't fit" },
    [SIGNATURE_KEY_BAD] = { TRUST_PERMERROR, "the key can't be used" },
    [SIGNATURE_KEY_SHORT] = { TRUST_POLICY, "an RSA key under 1024 bits (RFC 8301)" },
    [SIGNATURE_KEY_LONG] = { TRUST_POLICY, "a larger key than we compute with" },
    [SIGNATURE_FAILED] = { TRUST_TEMPERROR, "no memory" },
};

static void verify_with(struct dkim_signature *s, struct span encoded)
{
    char key[2 * SIGNATURE_PUBLIC_LIMIT];
    size_t n;
    if (!dkim_base64(encoded, key, sizeof key, &n)) {
        dkim_signature_is(s, TRUST_PERMERROR, "the key is no base64 (p=), or too long");
        return;
    }
    enum signature_verdict verdict =
        signature_verify(s->algorithm, (struct span){ key, n }, s->header_hash,
                         (struct span){ s->value, s->value_length }, &s->result.bits);
    dkim_signature_is(s, verdicts[verdict].result, verdicts[verdict].why);
}

/* With one record that is a key. */
static void verify_key(struct dkim_signature *s, const struct dkim_tags *tags)
{
    const struct dkim_tag *type = dkim_tag(tags, "k"), *key = dkim_tag(tags, "p");
    s->result.testing = has_tag(tags, "t", "y", false);
    if (!key)
        dkim_signature_is(s, TRUST_PERMERROR, "the key record has no key");
    else if (key->value.n == 0)
        dkim_signature_is(s, TRUST_PERMERROR, "the key was revoked");
    else if (!span_ieq_str(type ? type->value : SPAN("rsa"), signature_key_type(s->algorithm)))
        dkim_signature_is(s, TRUST_PERMERROR, "the key is of another kind (k=)");
    else if (!has_tag(tags, "h", "sha256", true))
        dkim_signature_is(s, TRUST_PERMERROR, "the key isn't for this hash (h=)");
    else if (!has_tag(tags, "s", "*", true) && !has_tag(tags, "s", "email", false))
        dkim_signature_is(s, TRUST_PERMERROR, "the key isn't for mail (s=)");
    else if (has_tag(tags, "t", "s", false) && !s->own_identity)
        dkim_signature_is(s, TRUST_PERMERROR, "i= has to be of d= itself (t=s)");
    else
        verify_with(s, key->value);
}

/* Of one record. False if it is none of DKIM's. Without memory nobody knows. */
static bool verify_record(struct dkim_signature *s, const struct dns_record *record)
{
    struct dkim_tags tags;
    struct bytes text;
    bytes_init(&text, DNS_ANSWER_LIMIT);
    bool key = dns_text(record, &text) && dkim_tags_read(span_bytes(&text), &tags) && is_key(&tags);
    if (key)
        verify_key(s, &tags);
    else if (text.failed)
        dkim_signature_is(s, TRUST_TEMPERROR, "no memory");
    key = key || text.failed;
    bytes_free(&text);
    return key;
}

static void verify_records(struct dkim_signature *s, const struct dns_answer *answer)
{
    struct dkim_result first = s->result;
    size_t tried = 0;
    for (size_t i = 0; i < answer->count && tried < KEYS_TRIED && s->result.result != TRUST_PASS; i++) {
        struct dkim_result before = s->result;
        s->result.result = TRUST_NONE;
        s->result.bits = 0;
        if (!verify_record(s, &answer->records[i]))
            s->result = before;
        else if (tried++ == 0)
            first = s->result;
    }
    if (s->result.result == TRUST_PASS)
        s->result.why[0] = '\0';
    else
        s->result = first;
    dkim_signature_is(s, TRUST_PERMERROR, "what is published is no key");
}

void dkim_signature_verify(struct dkim_signature *s, const struct trust_lookup *lookup)
{
    struct dns_answer answer;
    char name[DNS_NAME_LIMIT];
    if (s->result.result != TRUST_NONE)
        return;
    if (!dkim_key_name(s, name)) {
        dkim_signature_is(s, TRUST_PERMERROR, "s= and d= make no domain name");
        return;
    }
    switch (trust_ask(lookup, name, DNS_TXT, &answer)) {
    case ST_OK:
        verify_records(s, &answer);
        break;
    case ST_TEMP:
        dkim_signature_is(s, TRUST_TEMPERROR, "DNS can't tell the key now");
        break;
    case ST_NONE:
        dkim_signature_is(s, TRUST_PERMERROR, "no such key");
        break;
    case ST_PERM:
        dkim_signature_is(s, TRUST_PERMERROR, "s= and d= make no domain name");
        break;
    }
    dns_answer_free(&answer);
}
