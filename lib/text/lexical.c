/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Blanks, comments and quoted strings; see lexical.h. What isn't closed ends with
 * the text, so every call consumes what it looked at and a reader that calls these in a loop
 * stays linear.
 */
#include "text/lexical.h"

/* From 0x80 on all are 0. */
const unsigned char lexical_class[256] = {
    0,  8,  8,  8,  8,  8,  8,  8,  8,  8,  0,  8,  8,  0,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,
    8,  8,  8,  8,  8,  8,  8,  15, 20, 15, 15, 15, 15, 15, 28, 28, 15, 15, 28, 15, 13, 14, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 24, 28, 28, 14, 28, 14, 28, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 28, 20, 28, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 8,
};

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

/* Appends what stands between, as far as it fits. */
static void put_run(struct span s, size_t from, size_t to, struct bytes *text)
{
    if (text && to > from)
        bytes_add(text, s.p + from,
                  to - from < text->limit - text->len ? to - from : text->limit - text->len);
}

bool lexical_quoted(struct span *rest, struct bytes *text)
{
    struct span s = *rest;
    size_t run = 1, i = 1;
    for (; i < s.n && s.p[i] != '"'; i++) {
        bool escape = s.p[i] == '\\' && i + 1 < s.n;
        if (!escape && s.p[i] != '\r' && s.p[i] != '\n')
            continue;
        put_run(s, run, i, text);
        i += escape;
        run = escape && s.p[i] != '\r' && s.p[i] != '\n' ? i : i + 1;
    }
    put_run(s, run, i, text);
    *rest = span_from(s, i + 1);
    return i < s.n;
}
