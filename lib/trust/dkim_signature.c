/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A signature as its field says it (RFC 6376 3.5, RFC 8617 4.1), and what it covers; see dkim_private.h.
 *
 * Reading is a list of steps, one a tag or a group of them; the first that finds something wrong says the
 * result, the others still read what they can, so that a report names domain and selector wherever they can
 * be known.
 */
#include "net/idna.h"
#include "text/base64.h"
#include "text/lexical.h"
#include "trust/dkim_private.h"

#include <stdio.h>

#define FUTURE_SLACK 86400 /* seconds that a signer's clock, or its idea of its zone, may be ahead */

void dkim_signature_is(struct dkim_signature *s, enum trust_result result, const char *why)
{
    if (s->result.result != TRUST_NONE)
        return;
    s->result.result = result;
    span_copy(span_head(span_of(why), sizeof s->result.why - 1), s->result.why, sizeof s->result.why);
}

static void unreadable(struct dkim_signature *s, const char *why)
{
    dkim_signature_is(s, TRUST_NEUTRAL, why);
}

/* The value of a tag that must be there; empty if it isn't. */
static struct span required(struct dkim_signature *s, const struct dkim_tags *tags, const char *name)
{
    const struct dkim_tag *tag = dkim_tag(tags, name);
    char why[16];
    if (tag)
        return tag->value;
    snprintf(why, sizeof why, "no %s= tag", name);
    dkim_signature_is(s, TRUST_PERMERROR, why);
    return (struct span){ NULL, 0 };
}

static void read_version(struct dkim_signature *s, const struct dkim_tags *tags)
{
    struct span value = required(s, tags, "v");
    if (value.p && !span_eq_str(value, "1"))
        unreadable(s, "a version that isn't known");
}

static void read_algorithm(struct dkim_signature *s, const struct dkim_tags *tags)
{
    struct span value = required(s, tags, "a");
    if (!value.p)
        return;
    for (size_t i = 0; i < value.n && i < sizeof s->result.algorithm - 1; i++)
        s->result.algorithm[i] = value.p[i] > ' ' && value.p[i] < 0x7f ? value.p[i] : '?';
    if (span_ieq_str(value, "rsa-sha1"))
        dkim_signature_is(s, TRUST_POLICY, "rsa-sha1 isn't believed any more (RFC 8301)");
    else if (!signature_algorithm_of(value, &s->algorithm))
        unreadable(s, "an algorithm that isn't known");
}

static void read_names(struct dkim_signature *s, const struct dkim_tags *tags)
{
    struct span domain = required(s, tags, "d"), selector = required(s, tags, "s");
    if (domain.p && (!dkim_domain(domain, s->result.domain) || !strchr(s->result.domain, '.'))) {
        s->result.domain[0] = '\0';
        unreadable(s, "d= is no domain name");
    }
    if (selector.p && !dkim_domain(selector, s->result.selector))
        unreadable(s, "s= is no selector");
}

static void read_value(struct dkim_signature *s, const struct dkim_tags *tags)
{
    struct span value = required(s, tags, "b");
    if (!value.p)
        return;
    for (size_t i = 0, n = 0; i < value.n && n < sizeof s->result.hash_head - 1; i++)
        if (base64_value(value.p[i]) < 64)
            s->result.hash_head[n++] = value.p[i];
    if (!dkim_base64(value, s->value, sizeof s->value, &s->value_length))
        unreadable(s, "b= is no base64, or too long");
}

static void read_body_hash(struct dkim_signature *s, const struct dkim_tags *tags)
{
    struct span value = required(s, tags, "bh");
    size_t n;
    if (value.p && (!dkim_base64(value, (char *)s->body_hash, HASH_SIZE, &n) || n != HASH_SIZE))
        unreadable(s, "bh= is no hash");
}

static bool canonical_of(struct span name, enum dkim_canonical *canonical)
{
    *canonical = span_ieq_str(name, "relaxed") ? DKIM_RELAXED : DKIM_SIMPLE;
    return *canonical == DKIM_RELAXED || span_ieq_str(name, "simple");
}

static void read_canonical(struct dkim_signature *s, const struct dkim_tags *tags)
{
    const struct dkim_tag *tag = dkim_tag(tags, "c");
    struct span rest = tag ? tag->value : SPAN("simple/simple"), header = { NULL, 0 };
    span_cut(&rest, '/', &header);
    if (!rest.p)
        rest = SPAN("simple");
    if (!canonical_of(span_trim(header), &s->header) || !canonical_of(span_trim(rest), &s->body))
        unreadable(s, "c= isn't known");
}

static void read_covered(struct dkim_signature *s, const struct dkim_tags *tags)
{
    struct span rest = required(s, tags, "h"), name;
    bool from = false;
    if (!rest.p)
        return;
    while (dkim_list_next(&rest, &name)) {
        bool good = name.n > 0;
        for (size_t i = 0; good && i < name.n; i++)
            good = lexical_name_char(name.p[i]);
        if (!good) {
            unreadable(s, "h= is no list of fields");
            return;
        }
        from = from || span_ieq_str(name, "From");
    }
    if (!from)
        dkim_signature_is(s, TRUST_PERMERROR, "From isn't signed");
}

static void read_length(struct dkim_signature *s, const struct dkim_tags *tags)
{
    const struct dkim_tag *tag = dkim_tag(tags, "l");
    if (!tag)
        return;
    bool digits = tag->value.n > 0 && tag->value.n <= 76;
    for (size_t i = 0; digits && i < tag->value.n; i++)
        digits = ascii_digit(tag->value.p[i]);
    if (!digits)
        unreadable(s, "l= is no number");
    s->has_length = true;
    if (!span_u64(tag->value, UINT64_MAX, &s->length))
        s->length = UINT64_MAX;
}

/* dkim-quoted-printable (RFC 6376 2.11) into `to` with a NUL; what a report shouldn't have becomes '?'.
 * False: it can't be read, or is too long. */
static bool decode_quoted(struct span value, char *to, size_t room)
{
    size_t at = 0;
    while (value.n && at < room - 1) {
        char c = value.p[0];
        size_t n = 1;
        if (c == '=') {
            int high = value.n > 2 ? hex_value(value.p[1]) : -1,
                low = value.n > 2 ? hex_value(value.p[2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            n = 3;
        }
        if (n == 3 || !lexical_blank(c))
            to[at++] = (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
        value = span_from(value, n);
    }
    to[at] = '\0';
    return value.n == 0;
}

static void read_identity(struct dkim_signature *s, const struct dkim_tags *tags)
{
    const struct dkim_tag *tag = dkim_tag(tags, "i");
    char *identity = s->result.identity, domain[DNS_NAME_LIMIT];
    size_t room = sizeof s->result.identity;
    s->own_identity = true;
    if (!tag) {
        snprintf(identity, room, "@%s", s->result.domain);
        return;
    }
    char *at = decode_quoted(tag->value, identity, room) ? strrchr(identity, '@') : NULL;
    if (!at || !dkim_domain(span_of(at + 1), domain) ||
        strlen(domain) >= room - (size_t)(at + 1 - identity)) {
        identity[0] = '\0';
        unreadable(s, "i= is no address");
        return;
    }
    memcpy(at + 1, domain, strlen(domain) + 1);
    s->own_identity = strcmp(domain, s->result.domain) == 0;
    if (!dkim_within(domain, s->result.domain))
        dkim_signature_is(s, TRUST_PERMERROR, "i= isn't within d=");
}

/* A time of at most 12 digits; INT64_MAX where there is none. */
static int64_t read_time(struct dkim_signature *s, const struct dkim_tags *tags, const char *name)
{
    const struct dkim_tag *tag = dkim_tag(tags, name);
    uint64_t seconds = INT64_MAX;
    if (tag && !span_u64(tag->value, 999999999999, &seconds))
        unreadable(s, "t= or x= is no time");
    return (int64_t)seconds;
}

static void read_times(struct dkim_signature *s, const struct dkim_tags *tags, int64_t now)
{
    int64_t made = read_time(s, tags, "t"), ends = read_time(s, tags, "x");
    if (made != INT64_MAX && ends <= made)
        dkim_signature_is(s, TRUST_PERMERROR, "x= isn't behind t=");
    if (ends < now)
        dkim_signature_is(s, TRUST_POLICY, "it has expired (x=)");
    if (made != INT64_MAX && made - FUTURE_SLACK > now)
        dkim_signature_is(s, TRUST_POLICY, "it was made in the future (t=)");
}

static void read_query(struct dkim_signature *s, const struct dkim_tags *tags)
{
    const struct dkim_tag *tag = dkim_tag(tags, "q");
    if (tag && !dkim_list_has(tag->value, "dns/txt"))
        unreadable(s, "a way to the key that isn't known (q=)");
}

#define IN_DKIM (1u << DKIM_SIGNATURE)
#define IN_MESSAGE (IN_DKIM | 1u << DKIM_ARC_MESSAGE)
#define IN_ALL (IN_MESSAGE | 1u << DKIM_ARC_SEAL)

static const struct {
    void (*read)(struct dkim_signature *s, const struct dkim_tags *tags);
    unsigned kinds;
} steps[] = {
    { read_version, IN_DKIM },    { read_algorithm, IN_ALL },     { read_names, IN_ALL },
    { read_value, IN_ALL },       { read_body_hash, IN_MESSAGE }, { read_canonical, IN_MESSAGE },
    { read_covered, IN_MESSAGE }, { read_length, IN_MESSAGE },    { read_identity, IN_DKIM },
    { read_query, IN_DKIM },
};

void dkim_signature_read(enum dkim_kind kind, const struct header_field *field, int64_t now,
                         struct dkim_tags *tags, struct dkim_signature *s)
{
    memset(s, 0, sizeof *s);
    s->own_identity = true;
    if (!dkim_tags_read(field->value, tags)) {
        tags->count = 0;
        unreadable(s, "it is no list of tags");
        return;
    }
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i].kinds & 1u << kind)
            steps[i].read(s, tags);
    read_times(s, tags, now);
}

void dkim_signature_hash(struct dkim_signature *s, const struct header_field *field,
                         const struct dkim_tags *tags, struct dkim_fields *fields, struct bytes *seen)
{
    struct dkim_hash hash;
    struct header_field covered;
    struct span name;
    const struct dkim_tag *list = dkim_tag(tags, "h"), *value = dkim_tag(tags, "b");
    if (s->result.result != TRUST_NONE || !list || !value)
        return;
    struct span rest = list->value;
    dkim_hash_start(&hash, seen);
    dkim_fields_again(fields);
    while (dkim_list_next(&rest, &name))
        /* Its own field wasn't there when it was made (3.5). */
        if (dkim_fields_take(fields, name, &covered) && covered.whole.p != field->whole.p)
            dkim_hash_field(&hash, s->header, &covered, false, (struct span){ NULL, 0 });
    dkim_hash_field(&hash, s->header, field, true, value->raw);
    if (!dkim_hash_end(&hash, s->header_hash))
        dkim_signature_is(s, TRUST_TEMPERROR, "no memory");
}

void dkim_signature_body(struct dkim_signature *s, const unsigned char hash[HASH_SIZE], uint64_t length)
{
    if (s->has_length && s->length < length)
        dkim_signature_is(s, TRUST_POLICY, "it doesn't cover the whole body (l=)");
    if (s->has_length && s->length > length)
        dkim_signature_is(s, TRUST_PERMERROR, "the body is shorter than was signed (l=)");
    if (!hash_same(hash, s->body_hash))
        dkim_signature_is(s, TRUST_FAIL, "the body was changed");
}
