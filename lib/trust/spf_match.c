/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The mechanisms of SPF that look at the client's address (RFC 7208 5), and the names that DNS has for it.
 *
 * An IPv4 client is compared with A records and "ip4" only, also when it came IPv4-mapped; an IPv6 client
 * with AAAA and "ip6". A name that isn't one is treated as one that isn't there (4.8), without being asked
 * for. A term that finds nothing counts once, however many of its questions did (4.6.4).
 */
#include "trust/spf_private.h"

#include <stdio.h>

enum dns_type spf_address_type(const struct spf_state *s)
{
    return s->v4 ? DNS_A : DNS_AAAA;
}

void spf_reverse_name(const struct spf_state *s, char name[DNS_NAME_LIMIT])
{
    char dotted[DNS_NAME_LIMIT];
    const unsigned char *a = s->query->address.s6_addr;
    if (s->v4) {
        snprintf(name, DNS_NAME_LIMIT, "%u.%u.%u.%u.in-addr.arpa", a[15], a[14], a[13], a[12]);
        return;
    }
    spf_dotted(s, dotted);
    for (size_t i = 0; i < 63; i++)
        name[i] = ascii_lower(dotted[62 - i]);
    memcpy(name + 63, ".ip6.arpa", sizeof ".ip6.arpa");
}

bool spf_is_name(const char *name)
{
    struct span rest = span_of(name), label;
    if (!rest.n || rest.n > SPF_TARGET)
        return false;
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] < ' ' || rest.p[i] >= 0x7f)
            return false;
    bool dot_at_end = rest.p[rest.n - 1] == '.';
    while (span_cut(&rest, '.', &label))
        if (!label.n || label.n > 63)
            return false;
    return !dot_at_end;
}

enum spf_target spf_target_name(struct spf_state *s, const struct spf_level *level, struct span domain_spec,
                                char name[DNS_NAME_LIMIT])
{
    bool local;
    name[0] = '\0';
    if (!domain_spec.p) {
        memcpy(name, level->domain, DNS_NAME_LIMIT);
        return SPF_TARGET_NAME;
    }
    if (!spf_expand(s, domain_spec, level->domain, &local))
        return SPF_TARGET_NONE;
    for (size_t i = 0; local && i < s->local.n; i++)
        if (s->local.p[i] & 0x80)
            return SPF_TARGET_NEVER;
    struct span target = span_bytes(&s->expanded), label;
    if (target.n && target.p[target.n - 1] == '.')
        target.n--;
    while (target.n > SPF_TARGET && span_cut(&target, '.', &label))
        ;
    if (!span_copy(target, name, DNS_NAME_LIMIT) || !spf_is_name(name))
        return SPF_TARGET_NONE;
    for (char *p = name; *p; p++)
        *p = ascii_lower(*p);
    return SPF_TARGET_NAME;
}

static bool same_network(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
    size_t whole = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(a->s6_addr, b->s6_addr, whole) != 0)
        return false;
    return !rest || (a->s6_addr[whole] ^ b->s6_addr[whole]) >> (8 - rest) == 0;
}

static bool is_within(const struct spf_state *s, const struct in6_addr *network, const struct spf_term *term)
{
    return same_network(&s->query->address, network, s->v4 ? 96 + term->prefix4 : term->prefix6);
}

/* A term found nothing: SPF_NO, or SPF_PERMERROR if that was once too often. */
static enum spf_match found_nothing(struct spf_state *s)
{
    if (++s->voids <= SPF_VOID)
        return SPF_NO;
    spf_why(s, "more than %d terms of %s ask for what isn't there", SPF_VOID, s->levels[0].domain);
    return SPF_PERMERROR;
}

/* Asks for the addresses of a name: is the client's among them, or in their networks? ST_NONE: there are
 * none. */
static enum status ask_addresses(struct spf_state *s, const char *name, const struct spf_term *term,
                                 bool *found)
{
    *found = false;
    enum status st = trust_ask(s->lookup, name, spf_address_type(s), &s->answer);
    for (size_t i = 0; st == ST_OK && i < s->answer.count; i++)
        *found = *found || is_within(s, &s->answer.records[i].address, term);
    dns_answer_free(&s->answer);
    return st;
}

static enum spf_match dns_failed(struct spf_state *s, const char *name)
{
    spf_why(s, "DNS doesn't answer for %s", name);
    return SPF_TEMPERROR;
}

static enum spf_match match_a(struct spf_state *s, const char *name, const struct spf_term *term)
{
    bool found;
    enum status st = ask_addresses(s, name, term, &found);
    if (st == ST_TEMP)
        return dns_failed(s, name);
    if (st == ST_NONE)
        return found_nothing(s);
    return found ? SPF_YES : SPF_NO;
}

/* Takes the names of an answer of MX or PTR; more than `room` of them are left aside. */
static size_t take_names(struct spf_state *s, char names[][DNS_NAME_LIMIT], size_t room)
{
    size_t count = 0;
    for (size_t i = 0; i < s->answer.count && count < room; i++)
        if (s->answer.records[i].name[0]) /* "." is the null MX (RFC 7505), and no host */
            memcpy(names[count++], s->answer.records[i].name, DNS_NAME_LIMIT);
    return count;
}

static void expect_addresses(struct spf_state *s, char names[][DNS_NAME_LIMIT], size_t count)
{
    struct dns_query queries[SPF_NAMES];
    for (size_t i = 0; i < count; i++) {
        memcpy(queries[i].name, names[i], DNS_NAME_LIMIT);
        queries[i].type = spf_address_type(s);
    }
    if (count > 1)
        trust_expect(s->lookup, queries, count);
}

static enum spf_match match_mx(struct spf_state *s, const char *name, const struct spf_term *term)
{
    char hosts[SPF_NAMES][DNS_NAME_LIMIT];
    bool found = false, nothing = false;
    enum status st = trust_ask(s->lookup, name, DNS_MX, &s->answer);
    size_t records = s->answer.count, count = st == ST_OK ? take_names(s, hosts, SPF_NAMES) : 0;
    dns_answer_free(&s->answer);
    if (st == ST_TEMP)
        return dns_failed(s, name);
    if (st == ST_NONE)
        return found_nothing(s);
    if (st == ST_OK && records > SPF_NAMES) {
        spf_why(s, "%s has more than %d MX records", name, SPF_NAMES);
        return SPF_PERMERROR;
    }
    expect_addresses(s, hosts, count);
    for (size_t i = 0; i < count && !found; i++) {
        st = ask_addresses(s, hosts[i], term, &found);
        if (st == ST_TEMP)
            return dns_failed(s, hosts[i]);
        nothing = nothing || st == ST_NONE;
    }
    return found ? SPF_YES : nothing ? found_nothing(s) : SPF_NO;
}

static enum spf_match match_exists(struct spf_state *s, const char *name)
{
    enum status st = trust_ask(s->lookup, name, DNS_A, &s->answer);
    dns_answer_free(&s->answer);
    if (st == ST_TEMP)
        return dns_failed(s, name);
    return st == ST_OK ? SPF_YES : st == ST_NONE ? found_nothing(s) : SPF_NO;
}

/* The names that DNS has for the client, and that have its address (5.5): asked for once a check. */
static void validate_names(struct spf_state *s)
{
    static const struct spf_term host = { .prefix4 = 32, .prefix6 = 128 };
    char names[SPF_NAMES][DNS_NAME_LIMIT], reverse[DNS_NAME_LIMIT];
    bool found;
    if (s->names_known)
        return;
    s->names_known = true;
    spf_reverse_name(s, reverse);
    enum status st = trust_ask(s->lookup, reverse, DNS_PTR, &s->answer);
    size_t count = st == ST_OK ? take_names(s, names, SPF_NAMES) : 0;
    s->names_void = st == ST_NONE;
    dns_answer_free(&s->answer);
    expect_addresses(s, names, count);
    for (size_t i = 0; i < count; i++) {
        ask_addresses(s, names[i], &host, &found);
        if (found)
            memcpy(s->names[s->name_count++], names[i], DNS_NAME_LIMIT);
    }
}

/* Is `name` that domain, or below it? Both are in lower case. */
static bool is_below(const char *name, const char *domain)
{
    size_t n = strlen(name), d = strlen(domain);
    return n >= d && strcmp(name + n - d, domain) == 0 && (n == d || name[n - d - 1] == '.');
}

static enum spf_match match_ptr(struct spf_state *s, const char *target)
{
    validate_names(s);
    for (size_t i = 0; i < s->name_count; i++)
        if (is_below(s->names[i], target))
            return SPF_YES;
    return s->names_void ? found_nothing(s) : SPF_NO;
}

const char *spf_validated_name(struct spf_state *s, const char *domain)
{
    const char *best = NULL;
    validate_names(s);
    for (size_t i = 0; i < s->name_count; i++) {
        if (strcmp(s->names[i], domain) == 0)
            return s->names[i];
        if (!best || (is_below(s->names[i], domain) && !is_below(best, domain)))
            best = s->names[i];
    }
    return best ? best : "unknown";
}

enum spf_match spf_match(struct spf_state *s, const struct spf_level *level, const struct spf_term *term)
{
    char name[DNS_NAME_LIMIT];
    if (term->kind == SPF_ALL)
        return SPF_YES;
    if (term->kind == SPF_IP4 || term->kind == SPF_IP6)
        return s->v4 == (term->kind == SPF_IP4) && is_within(s, &term->network, term) ? SPF_YES : SPF_NO;
    if (spf_target_name(s, level, term->domain, name) != SPF_TARGET_NAME)
        return SPF_NO;
    switch (term->kind) {
    case SPF_A:
        return match_a(s, name, term);
    case SPF_MX:
        return match_mx(s, name, term);
    case SPF_PTR:
        return match_ptr(s, name);
    default:
        return match_exists(s, name);
    }
}
