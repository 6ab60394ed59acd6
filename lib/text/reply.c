/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Replies of SMTP servers; see reply.h. What is kept of their text goes into logs, files and bounces, so
 * anything that isn't printable ASCII becomes '?' here, once.
 */
#include "text/reply.h"

#include <string.h>

#define CODE 3          /* digits */
#define STATUS_DIGITS 3 /* in each part of an enhanced code */

void reply_start(struct reply *r)
{
    *r = (struct reply){ 0 };
}

/* Bytes of the enhanced code at the start of s, followed by SP or the end; else 0. */
static size_t status_length(struct span s)
{
    size_t at = 1;
    if (s.n < 5 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5'))
        return 0;
    for (int part = 0; part < 2; part++) {
        if (at >= s.n || s.p[at++] != '.')
            return 0;
        size_t digits = 0;
        while (at < s.n && ascii_digit(s.p[at]) && digits <= STATUS_DIGITS) {
            at++;
            digits++;
        }
        if (digits == 0 || digits > STATUS_DIGITS)
            return 0;
    }
    return at == s.n || s.p[at] == ' ' ? at : 0;
}

static void add_text(struct reply *r, struct span text)
{
    size_t status = status_length(text);
    if (r->lines > 1 && status && status <= r->length && memcmp(r->text, text.p, status) == 0)
        text = span_from(text, status);
    text = span_trim(text);
    if (text.n && r->length && r->length < REPLY_TEXT_LIMIT)
        r->text[r->length++] = ' ';
    for (size_t i = 0; i < text.n && r->length < REPLY_TEXT_LIMIT; i++)
        r->text[r->length++] = text.p[i] >= ' ' && text.p[i] < 0x7f ? text.p[i] : '?';
    r->text[r->length] = '\0';
}

enum reply_state reply_line(struct reply *r, struct span line)
{
    uint64_t code;
    r->bytes += line.n;
    r->lines++;
    if (!span_u64(span_head(line, CODE), 599, &code) || line.n < CODE || code < 200 ||
        r->bytes > REPLY_LIMIT || (r->lines > 1 && code != r->code))
        return REPLY_BAD;
    if (line.n > CODE && line.p[CODE] != ' ' && line.p[CODE] != '-')
        return REPLY_BAD;
    r->code = (unsigned)code;
    add_text(r, span_from(line, CODE + 1));
    return line.n > CODE && line.p[CODE] == '-' ? REPLY_MORE : REPLY_DONE;
}

void reply_status(const char *text, unsigned code, char status[12])
{
    struct span s = span_of(text);
    size_t n = status_length(s);
    if (n == 0 || n > 11 || (code && (unsigned)(s.p[0] - '0') != code / 100))
        n = 0;
    span_copy(span_head(s, n), status, 12);
}

/* Mechanisms of SASL that we know, by bit. */
static unsigned read_mechanisms(struct span rest)
{
    static const char *const names[] = { "PLAIN", "LOGIN", "SCRAM-SHA-256" };
    struct span word;
    unsigned bits = 0;
    while (span_cut(&rest, ' ', &word))
        for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
            if (span_ieq_str(word, names[i]))
                bits |= 1u << i;
    return bits;
}

static bool is_limit_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return s.n != 0;
}

/* Any visible byte but ';'. */
static bool is_limit_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == ';')
            return false;
    return s.n != 0;
}

/* Names with or without a value, one space between (RFC 9422 3). */
static bool are_limits(struct span rest)
{
    struct span word;
    while (span_cut(&rest, ' ', &word)) {
        size_t name = span_find(word, '=');
        if (!is_limit_name(span_head(word, name)) ||
            (name < word.n && !is_limit_value(span_from(word, name + 1))))
            return false;
    }
    return true;
}

/* One with a value that isn't its own syntax counts as not said, a list that is no list as none (RFC 9422
 * 3.7). */
static void read_limits(struct ehlo_limits *l, struct span rest)
{
    const struct {
        const char *name;
        unsigned *to;
    } known[] = { { "MAILMAX", &l->mails }, { "RCPTMAX", &l->recipients }, { "RCPTDOMAINMAX", &l->domains } };
    struct span word;
    if (!are_limits(rest))
        return;
    while (span_cut(&rest, ' ', &word)) {
        size_t name = span_find(word, '=');
        struct span value = span_from(word, name + 1);
        uint64_t n;
        if (!span_u64(value, EHLO_LIMITS_MOST, &n) || value.p[0] == '0')
            continue;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (span_ieq_str(span_head(word, name), known[i].name) && (!*known[i].to || n < *known[i].to))
                *known[i].to = (unsigned)n;
    }
}

void ehlo_line(struct ehlo *e, struct span text)
{
    size_t end = span_find(text, ' ');
    struct span word = span_head(text, end), value = span_trim(span_from(text, end));
    if (span_ieq_str(word, "PIPELINING"))
        e->pipelining = true;
    else if (span_ieq_str(word, "8BITMIME"))
        e->eight_bit = true;
    else if (span_ieq_str(word, "STARTTLS"))
        e->starttls = true;
    else if (span_ieq_str(word, "SMTPUTF8"))
        e->utf8 = true;
    else if (span_ieq_str(word, "REQUIRETLS"))
        e->require_tls = true;
    else if (span_ieq_str(word, "DSN"))
        e->dsn = true;
    else if (span_ieq_str(word, "LIMITS"))
        read_limits(&e->limits, value);
    else if (span_ieq_str(word, "AUTH"))
        e->auth |= read_mechanisms(value);
    else if (span_istarts(word, "AUTH=")) /* from before there was a standard */
        e->auth |= read_mechanisms(span_from(text, 5));
    else if (span_ieq_str(word, "SIZE")) {
        e->size = true;
        if (!span_u64(value, INT64_MAX, &e->size_limit))
            e->size_limit = 0;
    }
}
