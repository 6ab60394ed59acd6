/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Parameters of structured MIME fields, `; name=value` (RFC 2045 5.1); see mime.h. What
 * programs get wrong is taken as they mean it: values unquoted though they hold blanks or specials, empty
 * parameters, no semicolon at the end. What has no name or no '=' is passed over.
 */
#include "text/mime.h"
#include "text/lexical.h"

/* Behind the next ';' that is in no comment or quoted string. */
static struct span behind_semicolon(struct span rest)
{
    while (rest.n && rest.p[0] != ';') {
        if (rest.p[0] == '(')
            lexical_comment(&rest, NULL);
        else if (rest.p[0] == '"')
            lexical_quoted(&rest, NULL);
        else
            rest = span_from(rest, 1);
    }
    return span_from(rest, 1);
}

/* An unquoted value: up to ';', without comments and the blanks around it. A '(' in the middle of a word is
 * kept, for names like report(1).pdf. */
static void take_bare_value(struct span *rest, struct bytes *value)
{
    bool gap = false;
    while (rest->n && rest->p[0] != ';') {
        char c = rest->p[0];
        if (lexical_blank(c) || (c == '(' && (gap || value->len == 0))) {
            gap = true;
            *rest = lexical_skip(*rest);
            continue;
        }
        if (gap && value->len)
            lexical_put(value, ' ');
        gap = false;
        lexical_put(value, c);
        *rest = span_from(*rest, 1);
    }
}

bool mime_parameter_next(struct span *rest, struct bytes *name, struct bytes *value)
{
    while (rest->n) {
        struct span at = lexical_skip(behind_semicolon(*rest));
        *rest = at;
        if (name->failed || value->failed)
            return false;
        bytes_clear(name);
        bytes_clear(value);
        while (at.n && lexical_token_char(at.p[0])) {
            lexical_put(name, at.p[0]);
            at = span_from(at, 1);
        }
        at = lexical_skip(at);
        /* A parameter may begin where this was none: a semicolon is put back for the next turn. */
        if (name->len && at.n && at.p[0] == '=') {
            at = lexical_skip(span_from(at, 1));
            if (at.n && at.p[0] == '"')
                lexical_quoted(&at, value);
            else
                take_bare_value(&at, value);
            *rest = at;
            return true;
        }
        if (at.n && at.p[0] == ';')
            *rest = at;
    }
    return false;
}

bool mime_parameter(struct span header_value, const char *name, struct bytes *value)
{
    struct bytes each;
    bytes_init(&each, 100);
    bool found = false;
    bytes_clear(value);
    while (!found && mime_parameter_next(&header_value, &each, value))
        found = span_ieq_str(span_bytes(&each), name);
    bool failed = each.failed || value->failed;
    if (!found)
        bytes_clear(value);
    value->failed = failed;
    bytes_free(&each);
    return found;
}
