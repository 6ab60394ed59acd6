/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The terms of an SPF record (RFC 7208 4.6.1, 5, 6, and the collected grammar of 12), read one by one.
 *
 *     [+-?~] all | include:D | a[:D][/4][//6] | mx[:D][/4][//6] | ptr[:D] | ip4:N[/4] | ip6:N[/6] | exists:D
 *     redirect=D | exp=D | name=macros
 *
 * Whatever has '=' behind its name is a modifier. The names that we know are never unknown modifiers: a
 * "redirect=" whose domain is none is an error. Lengths of prefixes have no leading zeros.
 */
#include "trust/spf_private.h"

#include <arpa/inet.h>

enum domain_use { DOMAIN_NEVER, DOMAIN_MAY, DOMAIN_MUST };

static const struct mechanism {
    const char *name;
    enum spf_kind kind;
    enum domain_use domain;
    bool prefixes;
} mechanisms[] = {
    { "all", SPF_ALL, DOMAIN_NEVER, false }, { "include", SPF_INCLUDE, DOMAIN_MUST, false },
    { "a", SPF_A, DOMAIN_MAY, true },        { "mx", SPF_MX, DOMAIN_MAY, true },
    { "ptr", SPF_PTR, DOMAIN_MAY, false },   { "exists", SPF_EXISTS, DOMAIN_MUST, false },
    { "ip4", SPF_IP4, DOMAIN_NEVER, false }, { "ip6", SPF_IP6, DOMAIN_NEVER, false },
};

static bool is_name_char(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_' || c == '.';
}

/* How many bytes of s are a name; 0 if it doesn't begin with a letter. */
static size_t name_length(struct span s)
{
    size_t n = 0;
    if (!s.n || !ascii_alpha(s.p[0]))
        return 0;
    while (n < s.n && is_name_char(s.p[n]))
        n++;
    return n;
}

static bool read_prefix(struct span digits, unsigned most, unsigned *prefix)
{
    uint64_t value;
    if ((digits.n > 1 && digits.p[0] == '0') || !span_u64(digits, most, &value))
        return false;
    *prefix = (unsigned)value;
    return true;
}

/* Where the last '/' stands, if only digits follow; else s.n. */
static size_t prefix_at(struct span s)
{
    size_t i = s.n;
    while (i && ascii_digit(s.p[i - 1]))
        i--;
    return i && i < s.n && s.p[i - 1] == '/' ? i - 1 : s.n;
}

/* Takes dual-cidr-length (5.3) off the end of *argument. */
static bool take_prefixes(struct span *argument, struct spf_term *term)
{
    size_t at = prefix_at(*argument);
    if (at < argument->n && at && argument->p[at - 1] == '/') {
        if (!read_prefix(span_from(*argument, at + 1), 128, &term->prefix6))
            return false;
        *argument = span_head(*argument, at - 1);
        at = prefix_at(*argument);
    }
    if (at < argument->n) {
        if (!read_prefix(span_from(*argument, at + 1), 32, &term->prefix4))
            return false;
        *argument = span_head(*argument, at);
    }
    return true;
}

/* ":network[/prefix]" (5.6). */
static bool read_network(struct span argument, struct spf_term *term)
{
    bool v4 = term->kind == SPF_IP4;
    char text[INET6_ADDRSTRLEN];
    struct span rest = span_from(argument, 1), network;
    bool prefixed = span_find(rest, '/') < rest.n;
    if (!argument.n || argument.p[0] != ':' || !span_cut(&rest, '/', &network) ||
        !span_copy(network, text, sizeof text))
        return false;
    if (v4)
        term->network = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
    if (inet_pton(v4 ? AF_INET : AF_INET6, text, term->network.s6_addr + (v4 ? 12 : 0)) != 1)
        return false;
    if (!prefixed)
        return true;
    return v4 ? read_prefix(rest, 32, &term->prefix4) : read_prefix(rest, 128, &term->prefix6);
}

static const struct mechanism *find_mechanism(struct span name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
        if (span_ieq_str(name, mechanisms[i].name))
            return &mechanisms[i];
    return NULL;
}

static bool read_mechanism(struct spf_term *term)
{
    static const enum trust_result qualifiers[] = { TRUST_PASS, TRUST_FAIL, TRUST_NEUTRAL, TRUST_SOFTFAIL };
    struct span s = term->text;
    term->qualifier = TRUST_PASS;
    size_t sign = s.n ? span_find(SPAN("+-?~"), s.p[0]) : 4;
    if (sign < 4) {
        term->qualifier = qualifiers[sign];
        s = span_from(s, 1);
    }
    size_t n = name_length(s);
    const struct mechanism *m = find_mechanism(span_head(s, n));
    struct span argument = span_from(s, n);
    if (!m)
        return false;
    term->kind = m->kind;
    if (m->kind == SPF_IP4 || m->kind == SPF_IP6)
        return read_network(argument, term);
    if (m->prefixes && !take_prefixes(&argument, term))
        return false;
    if (!argument.n)
        return m->domain != DOMAIN_MUST;
    if (m->domain == DOMAIN_NEVER || argument.p[0] != ':')
        return false;
    term->domain = span_from(argument, 1);
    return spf_domain_spec(term->domain);
}

static bool read_modifier(struct spf_term *term, size_t name)
{
    struct span value = span_from(term->text, name + 1);
    term->kind = span_ieq_str(span_head(term->text, name), "redirect") ? SPF_REDIRECT
                 : span_ieq_str(span_head(term->text, name), "exp")    ? SPF_EXP
                                                                       : SPF_OTHER;
    if (term->kind == SPF_OTHER)
        return spf_macro_string(value, false);
    term->domain = value;
    return spf_domain_spec(value);
}

static bool is_visible(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    return true;
}

enum status spf_term_next(struct span *rest, struct spf_term *term)
{
    *term = (struct spf_term){ .prefix4 = 32, .prefix6 = 128 };
    while (rest->n && rest->p[0] == ' ')
        *rest = span_from(*rest, 1);
    if (!rest->n || !span_cut(rest, ' ', &term->text))
        return ST_NONE;
    size_t name = name_length(term->text);
    bool modifier = name && name < term->text.n && term->text.p[name] == '=';
    if (!is_visible(term->text))
        return ST_PERM;
    return (modifier ? read_modifier(term, name) : read_mechanism(term)) ? ST_OK : ST_PERM;
}
