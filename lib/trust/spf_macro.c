/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Macros of SPF (RFC 7208 7): "%{" letter, digits, "r", delimiters "}", and %% %_ %-.
 *
 * A value is split at the delimiters ('.' unless others are given), turned round if 'r' says so, cut to its
 * last N parts and joined with dots; a letter in upper case escapes what comes out for a URL. What it all may
 * come to is bounded by SPF_EXPANDED, and room for it is there before anything is read.
 */
#include "trust/spf_private.h"

#include <arpa/inet.h>
#include <stdio.h>

struct macro {
    char letter; /* in lower case */
    bool escape, reverse;
    size_t parts; /* the last ones that stay; 0: all */
    struct span delimiters;
};

/* Reads what follows "%{", with its "}". N is at least 1 (7.3). */
static bool read_macro(struct span *rest, struct macro *m)
{
    struct span in;
    bool numbered = false;
    *m = (struct macro){ .parts = 0 };
    if (span_find(*rest, '}') == rest->n || !span_cut(rest, '}', &in) || !in.n || !ascii_alpha(in.p[0]))
        return false;
    m->letter = ascii_lower(in.p[0]);
    m->escape = m->letter != in.p[0];
    for (in = span_from(in, 1); in.n && ascii_digit(in.p[0]); in = span_from(in, 1)) {
        numbered = true;
        if (m->parts < SPF_VALUE)
            m->parts = m->parts * 10 + (size_t)(in.p[0] - '0');
    }
    if (in.n && ascii_lower(in.p[0]) == 'r') {
        m->reverse = true;
        in = span_from(in, 1);
    }
    m->delimiters = in.n ? in : SPAN(".");
    for (; in.n; in = span_from(in, 1))
        if (span_find(SPAN(".-+,/_="), in.p[0]) == 7)
            return false;
    return (!numbered || m->parts) && span_find(SPAN("slodiphcrtv"), m->letter) < 11;
}

/* How much of s stands before its next '%'. */
static struct span take_literal(struct span *s)
{
    struct span literal = span_head(*s, span_find(*s, '%'));
    *s = span_from(*s, literal.n);
    return literal;
}

static bool literal_is_sound(struct span s, bool is_text)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < (is_text ? ' ' : '!') || s.p[i] >= 0x7f)
            return false;
    return true;
}

/* Checks the macros of s. *tail is what stands behind the last of them. */
static bool check_macros(struct span s, bool is_text, struct span *tail)
{
    struct macro m;
    for (;;) {
        *tail = take_literal(&s);
        if (!literal_is_sound(*tail, is_text))
            return false;
        if (!s.n)
            return true;
        char c = s.n > 1 ? s.p[1] : '\0';
        s = span_from(s, 2);
        if (c == '{' && (!read_macro(&s, &m) || (!is_text && memchr("crt", m.letter, 3))))
            return false;
        if (c == '\0' || !memchr("{%_-", c, 4))
            return false;
    }
}

bool spf_macro_string(struct span text, bool is_text)
{
    struct span tail;
    return check_macros(text, is_text, &tail);
}

/* Letters, digits and inner hyphens, and not digits only. */
static bool is_toplabel(struct span s)
{
    bool only_digits = true;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-')
            return false;
        only_digits = only_digits && ascii_digit(s.p[i]);
    }
    return s.n && !only_digits && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

bool spf_domain_spec(struct span text)
{
    struct span tail;
    if (!text.n || !check_macros(text, false, &tail))
        return false;
    if (!tail.n)
        return true;
    if (tail.p[tail.n - 1] == '.')
        tail.n--;
    size_t dot = tail.n;
    while (dot && tail.p[dot - 1] != '.')
        dot--;
    return dot && is_toplabel(span_from(tail, dot));
}

void spf_dotted(const struct spf_state *s, char text[DNS_NAME_LIMIT])
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *a = s->query->address.s6_addr;
    if (s->v4) {
        snprintf(text, DNS_NAME_LIMIT, "%u.%u.%u.%u", a[12], a[13], a[14], a[15]);
        return;
    }
    for (size_t i = 0; i < 16; i++) {
        text[4 * i] = digits[a[i] >> 4];
        text[4 * i + 1] = text[4 * i + 3] = '.';
        text[4 * i + 2] = digits[a[i] & 15];
    }
    text[63] = '\0';
}

/* What a letter stands for (7.2). */
static void macro_value(struct spf_state *s, char letter, const char *domain, char value[SPF_VALUE])
{
    const unsigned char *a = s->query->address.s6_addr;
    switch (letter) {
    case 's':
        snprintf(value, SPF_VALUE, "%.*s@%s", SPAN_FMT(s->local), s->verdict->domain);
        break;
    case 'l':
        snprintf(value, SPF_VALUE, "%.*s", SPAN_FMT(s->local));
        break;
    case 'o':
        snprintf(value, SPF_VALUE, "%s", s->verdict->domain);
        break;
    case 'd':
        snprintf(value, SPF_VALUE, "%s", domain);
        break;
    case 'i':
        spf_dotted(s, value);
        break;
    case 'p':
        snprintf(value, SPF_VALUE, "%s", spf_validated_name(s, domain));
        break;
    case 'h':
        snprintf(value, SPF_VALUE, "%s", s->helo);
        break;
    case 'v':
        snprintf(value, SPF_VALUE, "%s", s->v4 ? "in-addr" : "ip6");
        break;
    case 'c':
        value[0] = '\0';
        inet_ntop(s->v4 ? AF_INET : AF_INET6, s->v4 ? a + 12 : a, value, SPF_VALUE);
        break;
    case 'r':
        snprintf(value, SPF_VALUE, "%s", s->query->receiver ? s->query->receiver : "unknown");
        break;
    default: /* 't' */
        snprintf(value, SPF_VALUE, "%lld", (long long)s->query->now);
    }
}

static void add_escaped(struct bytes *out, struct span s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char escaped[] = { '%', digits[c >> 4], digits[c & 15] };
        if (ascii_alpha(s.p[i]) || ascii_digit(s.p[i]) || span_find(SPAN("-._~"), s.p[i]) < 4)
            bytes_add_char(out, s.p[i]);
        else
            bytes_add(out, escaped, sizeof escaped);
    }
}

/* Splits, turns, cuts and joins (7.3). */
static void add_transformed(struct bytes *out, const struct macro *m, const char *value)
{
    struct span parts[SPF_VALUE];
    size_t count = 1, start = 0, n = strlen(value);
    parts[0] = (struct span){ value, n };
    for (size_t i = 0; i < n; i++) {
        if (span_find(m->delimiters, value[i]) == m->delimiters.n)
            continue;
        parts[count - 1].n = i - start;
        start = i + 1;
        parts[count++] = (struct span){ value + start, n - start };
    }
    size_t keep = m->parts && m->parts < count ? m->parts : count;
    for (size_t i = 0; i < keep; i++) {
        struct span part = m->reverse ? parts[keep - 1 - i] : parts[count - keep + i];
        if (i)
            bytes_add_char(out, '.');
        if (m->escape)
            add_escaped(out, part);
        else
            bytes_add_span(out, part);
    }
}

/* One expansion, at '%': it has been checked. */
static void add_macro(struct spf_state *s, struct span *rest, const char *domain, bool *local)
{
    char kind = rest->p[1], value[SPF_VALUE];
    struct macro m;
    *rest = span_from(*rest, 2);
    if (kind == '%')
        bytes_add_char(&s->expanded, '%');
    else if (kind == '_')
        bytes_add_char(&s->expanded, ' ');
    else if (kind == '-')
        bytes_add_str(&s->expanded, "%20");
    else if (read_macro(rest, &m)) {
        *local = *local || m.letter == 's' || m.letter == 'l';
        macro_value(s, m.letter, domain, value);
        add_transformed(&s->expanded, &m, value);
    }
}

bool spf_expand(struct spf_state *s, struct span text, const char *domain, bool *local)
{
    *local = false;
    bytes_clear(&s->expanded);
    while (text.n && !s->expanded.failed) {
        bytes_add_span(&s->expanded, take_literal(&text));
        if (text.n)
            add_macro(s, &text, domain, local);
    }
    return !s->expanded.failed;
}
