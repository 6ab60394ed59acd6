/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LF to CRLF in place; see wire.h. Everything is made of wire_next(), which yields stretches that can be sent
 * as they are.
 */
#include "wire.h"

#include <string.h>

void wire_start(struct wire *w, struct span stored)
{
    *w = (struct wire){ .stored = stored };
}

/* Index of the next LF without CR from w->at on, or the end. */
static size_t next_bare(const struct wire *w)
{
    const char *p = w->stored.p;
    size_t at = w->at;
    while (at < w->stored.n) {
        const char *lf = memchr(p + at, '\n', w->stored.n - at);
        if (!lf)
            return w->stored.n;
        size_t k = (size_t)(lf - p);
        if (k == 0 || p[k - 1] != '\r')
            return k;
        at = k + 1;
    }
    return w->stored.n;
}

/* The next stretch, at most max (> 0) bytes. False at the end. */
static bool wire_next(struct wire *w, uint64_t max, struct span *piece)
{
    if (w->at >= w->stored.n)
        return false;
    if (w->half) {
        *piece = SPAN("\n");
        w->half = false;
        w->at++;
        return true;
    }
    size_t end = next_bare(w);
    if (end > w->at) {
        size_t n = end - w->at;
        n = n < max ? n : (size_t)max;
        *piece = (struct span){ w->stored.p + w->at, n };
        w->at += n;
        return true;
    }
    w->half = max < 2;
    w->at += !w->half;
    *piece = w->half ? SPAN("\r") : SPAN("\r\n");
    return true;
}

uint64_t wire_left(const struct wire *w, uint64_t max)
{
    struct wire copy = *w;
    struct span piece;
    uint64_t n = 0;
    while (n < max && wire_next(&copy, max - n, &piece))
        n += piece.n;
    return n;
}

void wire_skip(struct wire *w, uint64_t n)
{
    struct span piece;
    while (n > 0 && wire_next(w, n, &piece))
        n -= piece.n;
}

static void write_piece(struct conn *c, struct span piece)
{
    const char *nul;
    while (piece.n > 0 && (nul = memchr(piece.p, 0, piece.n)) != NULL) {
        size_t n = (size_t)(nul - piece.p);
        conn_write(c, piece.p, n);
        conn_write_str(c, "\x80");
        piece = span_from(piece, n + 1);
    }
    conn_write_span(c, piece);
}

void wire_write(struct wire *w, struct conn *c, uint64_t n)
{
    struct span piece;
    while (n > 0 && !conn_is_gone(c) && wire_next(w, n, &piece)) {
        write_piece(c, piece);
        n -= piece.n;
    }
    for (; n > 0 && !conn_is_gone(c); n--)
        conn_write_str(c, " ");
}
