/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A checker for what IMAP servers say of messages, written from the grammar of RFC 3501 9 and independent of
 * the writers in lib/text: envelope, body, nstring. Each function moves *s behind what it read, or is false.
 */
#ifndef POSTERN_TESTS_IMAPD_GRAMMAR_H
#define POSTERN_TESTS_IMAPD_GRAMMAR_H

#include "base/bytes.h"

#define GRAMMAR_DEPTH 200

__attribute__((unused)) static bool grammar_text(struct span *s, const char *text)
{
    size_t n = span_of(text).n;
    bool there = span_istarts(*s, text);
    *s = span_from(*s, there ? n : 0);
    return there;
}

static bool grammar_number(struct span *s, uint64_t *value)
{
    size_t n = 0;
    while (n < s->n && ascii_digit(s->p[n]))
        n++;
    bool good = span_u64(span_head(*s, n), 0xffffffff, value);
    *s = span_from(*s, n);
    return good;
}

/* Quoted (CHARs, no CR, LF) or literal (CHAR8s: no NUL); *value is what stands between, escapes not taken
 * out. */
static bool grammar_string(struct span *s, struct span *value)
{
    uint64_t n = 0;
    if (grammar_text(s, "{")) {
        if (!grammar_number(s, &n) || !grammar_text(s, "}\r\n") || n > s->n)
            return false;
        *value = span_head(*s, n);
        *s = span_from(*s, n);
        return span_find(*value, '\0') == value->n;
    }
    if (!grammar_text(s, "\""))
        return false;
    struct span begin = *s;
    while (s->n && s->p[0] != '"') {
        unsigned char c = (unsigned char)s->p[0];
        if (c == 0 || c >= 0x80 || c == '\r' || c == '\n')
            return false;
        if (c == '\\') {
            *s = span_from(*s, 1);
            if (s->n == 0 || (s->p[0] != '"' && s->p[0] != '\\'))
                return false;
        }
        *s = span_from(*s, 1);
    }
    *value = span_head(begin, begin.n - s->n);
    return grammar_text(s, "\"");
}

/* value->p is NULL for NIL. */
static bool grammar_nstring(struct span *s, struct span *value)
{
    *value = (struct span){ NULL, 0 };
    return grammar_text(s, "NIL") || grammar_string(s, value);
}

/* NIL, or "(" 1*address ")" with groups opened and closed in turn. */
static bool grammar_addresses(struct span *s)
{
    bool in_group = false;
    if (grammar_text(s, "NIL"))
        return true;
    if (!grammar_text(s, "("))
        return false;
    do {
        struct span name, route, mailbox, host;
        if (!grammar_text(s, "(") || !grammar_nstring(s, &name) || !grammar_text(s, " ") ||
            !grammar_nstring(s, &route) || !grammar_text(s, " ") || !grammar_nstring(s, &mailbox) ||
            !grammar_text(s, " ") || !grammar_nstring(s, &host) || !grammar_text(s, ")"))
            return false;
        if (!host.p && (in_group == (mailbox.p != NULL) || name.p || route.p))
            return false;
        if (!host.p)
            in_group = !in_group;
        if (host.p && !mailbox.p)
            return false;
    } while (!grammar_text(s, ")"));
    return !in_group;
}

__attribute__((unused)) static bool grammar_envelope(struct span *s)
{
    struct span ignored;
    if (!grammar_text(s, "(") || !grammar_nstring(s, &ignored) || !grammar_text(s, " ") ||
        !grammar_nstring(s, &ignored))
        return false;
    for (int i = 0; i < 6; i++)
        if (!grammar_text(s, " ") || !grammar_addresses(s))
            return false;
    return grammar_text(s, " ") && grammar_nstring(s, &ignored) && grammar_text(s, " ") &&
           grammar_nstring(s, &ignored) && grammar_text(s, ")");
}

/* "(" string SP string *(SP string SP string) ")" / nil */
static bool grammar_parameters(struct span *s)
{
    struct span ignored;
    if (grammar_text(s, "NIL"))
        return true;
    if (!grammar_text(s, "("))
        return false;
    do {
        if (!grammar_string(s, &ignored) || !grammar_text(s, " ") || !grammar_string(s, &ignored))
            return false;
    } while (grammar_text(s, " "));
    return grammar_text(s, ")");
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static bool grammar_extensions(struct span *s)
{
    struct span ignored;
    if (!grammar_text(s, " "))
        return false;
    if (grammar_text(s, "(")) {
        if (!grammar_string(s, &ignored) || !grammar_text(s, " ") || !grammar_parameters(s) ||
            !grammar_text(s, ")"))
            return false;
    } else if (!grammar_text(s, "NIL")) {
        return false;
    }
    if (!grammar_text(s, " "))
        return false;
    if (grammar_text(s, "(")) {
        do {
            if (!grammar_string(s, &ignored))
                return false;
        } while (grammar_text(s, " "));
        if (!grammar_text(s, ")"))
            return false;
    } else if (!grammar_nstring(s, &ignored)) {
        return false;
    }
    return grammar_text(s, " ") && grammar_nstring(s, &ignored);
}

static bool grammar_body(struct span *s, bool extended, int depth);

static bool grammar_single(struct span *s, bool extended, int depth)
{
    struct span type, subtype, ignored;
    uint64_t number;
    if (!grammar_string(s, &type) || !grammar_text(s, " ") || !grammar_string(s, &subtype) ||
        !grammar_text(s, " ") || !grammar_parameters(s) || !grammar_text(s, " ") ||
        !grammar_nstring(s, &ignored) || !grammar_text(s, " ") || !grammar_nstring(s, &ignored) ||
        !grammar_text(s, " ") || !grammar_string(s, &ignored) || !grammar_text(s, " ") ||
        !grammar_number(s, &number))
        return false;
    bool message =
        span_ieq_str(type, "message") && (span_ieq_str(subtype, "rfc822") || span_ieq_str(subtype, "global"));
    if (message && (!grammar_text(s, " ") || !grammar_envelope(s) || !grammar_text(s, " ") ||
                    !grammar_body(s, extended, depth + 1)))
        return false;
    if ((message || span_ieq_str(type, "text")) && (!grammar_text(s, " ") || !grammar_number(s, &number)))
        return false;
    if (span_ieq_str(type, "multipart"))
        return false;
    return !extended || (grammar_text(s, " ") && grammar_nstring(s, &ignored) && grammar_extensions(s));
}

static bool grammar_multipart(struct span *s, bool extended, int depth)
{
    struct span subtype;
    while (s->n && s->p[0] == '(')
        if (!grammar_body(s, extended, depth + 1))
            return false;
    if (!grammar_text(s, " ") || !grammar_string(s, &subtype))
        return false;
    return !extended || (grammar_text(s, " ") && grammar_parameters(s) && grammar_extensions(s));
}

/* BODY, or with `extended` BODYSTRUCTURE with all of its extension data. */
__attribute__((unused)) static bool grammar_body(struct span *s, bool extended, int depth)
{
    if (depth > GRAMMAR_DEPTH || !grammar_text(s, "("))
        return false;
    bool good =
        s->n && s->p[0] == '(' ? grammar_multipart(s, extended, depth) : grammar_single(s, extended, depth);
    return good && grammar_text(s, ")");
}

#endif
