/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Canonicalization (RFC 6376 3.4) of what comes, on its way into a hash; see dkim_private.h. Nothing is
 * copied but short runs, and what may turn out to be the end of the body is only counted.
 */
#include "trust/dkim_private.h"

bool dkim_hash_start(struct dkim_hash *h, struct bytes *seen)
{
    h->seen = seen;
    h->total = 0;
    h->have = 0;
    return hash_start(&h->hash);
}

static void flush(struct dkim_hash *h)
{
    hash_add(&h->hash, (struct span){ h->piece, h->have });
    h->have = 0;
}

static void add(struct dkim_hash *h, struct span s)
{
    h->total += s.n;
    if (h->seen)
        bytes_add_span(h->seen, s);
    if (s.n > sizeof h->piece - h->have)
        flush(h);
    if (s.n > sizeof h->piece) {
        hash_add(&h->hash, s);
    } else if (s.n) {
        memcpy(h->piece + h->have, s.p, s.n);
        h->have += s.n;
    }
}

bool dkim_hash_end(struct dkim_hash *h, unsigned char out[HASH_SIZE])
{
    flush(h);
    return hash_end(&h->hash, out);
}

bool dkim_hash_copy(struct dkim_hash *from, struct dkim_hash *to)
{
    flush(from);
    to->seen = NULL;
    to->total = from->total;
    to->have = 0;
    return hash_copy(&from->hash, &to->hash);
}

void dkim_hash_drop(struct dkim_hash *h)
{
    hash_drop(&h->hash);
}

static const struct span line_end = { "\r\n", 2 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* As it is, but that line ends are CRLF. */
static void add_simple(struct dkim_hash *h, struct span s)
{
    while (s.n) {
        size_t n = span_find(s, '\n');
        bool ends = n < s.n, has_cr = n && s.p[n - 1] == '\r';
        add(h, span_head(s, ends && has_cr ? n - 1 : n));
        if (ends)
            add(h, line_end);
        s = span_from(s, n + 1);
    }
}

struct relaxed {
    bool blank; /* one is to be written before what comes */
    bool begun; /* something was written: only between things do blanks count */
};

static void add_relaxed(struct dkim_hash *h, struct span s, struct relaxed *r)
{
    while (s.n) {
        size_t run = 0, crlf = s.p[0] == '\r' && s.n > 1 && s.p[1] == '\n' ? 2 : s.p[0] == '\n';
        if (is_blank(s.p[0])) {
            r->blank = true;
            s = span_from(s, 1);
            continue;
        }
        if (crlf && s.n > crlf && is_blank(s.p[crlf])) { /* folded */
            s = span_from(s, crlf);
            continue;
        }
        while (run < s.n && !is_blank(s.p[run]) && s.p[run] != '\n' && (s.p[run] != '\r' || run == 0))
            run++;
        if (r->blank && r->begun)
            add(h, SPAN(" "));
        r->blank = false;
        r->begun = true;
        add(h, crlf ? line_end : span_head(s, run));
        s = span_from(s, crlf ? crlf : run);
    }
}

static struct span between(const char *from, const char *to)
{
    return (struct span){ from, (size_t)(to - from) };
}

void dkim_hash_field(struct dkim_hash *h, enum dkim_canonical canonical, const struct header_field *field,
                     bool last, struct span cut)
{
    const char *value = field->value.p, *end = value + field->value.n;
    if (!cut.p)
        cut = (struct span){ end, 0 };
    struct span front = between(value, cut.p), back = between(cut.p + cut.n, end);
    if (canonical == DKIM_SIMPLE) {
        add_simple(h, between(field->whole.p, cut.p));
        add_simple(h, back);
    } else {
        struct relaxed r = { false, false };
        for (size_t i = 0; i < field->name.n; i++)
            add(h, (struct span){ &(char){ ascii_lower(field->name.p[i]) }, 1 });
        add(h, SPAN(":"));
        add_relaxed(h, front, &r);
        add_relaxed(h, back, &r);
    }
    if (!last)
        add(h, line_end);
}

bool dkim_body_start(struct dkim_body *b, enum dkim_canonical canonical, struct bytes *seen)
{
    b->canonical = canonical;
    b->ends = 0;
    b->line = b->blank = b->cr = false;
    return dkim_hash_start(&b->hash, seen);
}

/* The empty lines that turned out not to be the last, and the blanks. */
static void before_text(struct dkim_body *b)
{
    for (; b->ends; b->ends--)
        add(&b->hash, line_end);
    if (b->blank)
        add(&b->hash, SPAN(" "));
    b->blank = false;
    b->line = true;
}

/* How much of the start is the same in relaxed form: words, and single spaces between them. */
static size_t relaxed_run(struct span s)
{
    size_t run = 0;
    while (run < s.n &&
           (!is_blank(s.p[run]) || (s.p[run] == ' ' && run && run + 1 < s.n && !is_blank(s.p[run + 1]))))
        run++;
    return run;
}

/* A part of a line. */
static void add_text(struct dkim_body *b, struct span s)
{
    if (b->canonical == DKIM_SIMPLE && s.n) {
        before_text(b);
        add(&b->hash, s);
        return;
    }
    while (s.n) {
        size_t run = relaxed_run(s);
        if (run) {
            before_text(b);
            add(&b->hash, span_head(s, run));
        }
        b->blank = b->blank || run < s.n;
        s = span_from(s, run + 1);
    }
}

static void end_line(struct dkim_body *b)
{
    if (b->line)
        add(&b->hash, line_end);
    else
        b->ends++;
    b->line = b->blank = false;
}

void dkim_body_add(struct dkim_body *b, struct span piece)
{
    while (piece.n) {
        size_t n = span_find(piece, '\n');
        struct span text = span_head(piece, n);
        bool ends = n < piece.n;
        if (b->cr && !(ends && n == 0))
            add_text(b, SPAN("\r"));
        b->cr = false;
        if (text.n && text.p[text.n - 1] == '\r') {
            text.n--;
            b->cr = !ends;
        }
        add_text(b, text);
        if (ends)
            end_line(b);
        piece = span_from(piece, n + 1);
    }
}

bool dkim_body_end(struct dkim_body *b, unsigned char out[HASH_SIZE])
{
    if (b->cr)
        add_text(b, SPAN("\r"));
    if (b->line || (b->canonical == DKIM_SIMPLE && b->hash.total == 0))
        add(&b->hash, line_end);
    return dkim_hash_end(&b->hash, out);
}

void dkim_body_drop(struct dkim_body *b)
{
    dkim_hash_drop(&b->hash);
}
