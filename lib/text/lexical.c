/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Blanks, comments and quoted strings; see lexical.h. What isn't closed ends with
 * the text, so every call consumes what it looked at and a reader that calls these in a loop
 * stays linear.
 */
#include "text/lexical.h"

#include <string.h>

bool lexical_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool lexical_token_char(char c)
{
    return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

bool lexical_atom_char(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

void lexical_put(struct bytes *b, char c)
{
    if (b->len < b->limit)
        bytes_add_char(b, c);
}

void lexical_comment(struct span *rest, struct bytes *text)
{
    size_t depth = 0, i = 0;
    if (text)
        bytes_clear(text);
    for (; i < rest->n; i++) {
        char c = rest->p[i];
        if (c == ')' && --depth == 0)
            break;
        if (c == '(' && depth++ == 0)
            continue;
        if (c == '\\' && i + 1 < rest->n)
            c = rest->p[++i];
        if (text && c != '\r' && c != '\n')
            lexical_put(text, c);
    }
    *rest = span_from(*rest, i + 1);
}

struct span lexical_skip(struct span s)
{
    for (;;) {
        if (s.n && lexical_blank(s.p[0]))
            s = span_from(s, 1);
        else if (s.n && s.p[0] == '(')
            lexical_comment(&s, NULL);
        else
            return s;
    }
}

bool lexical_quoted(struct span *rest, struct bytes *text)
{
    for (size_t i = 1; i < rest->n; i++) {
        char c = rest->p[i];
        if (c == '"') {
            *rest = span_from(*rest, i + 1);
            return true;
        }
        if (c == '\\' && i + 1 < rest->n)
            c = rest->p[++i];
        if (text && c != '\r' && c != '\n')
            lexical_put(text, c);
    }
    *rest = span_from(*rest, rest->n);
    return false;
}
