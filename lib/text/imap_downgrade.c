/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ENVELOPE for those who didn't enable UTF8=ACCEPT or IMAP4rev2; see imap_body.h.
 *
 * RFC 6855 7 leaves open what they get. Considered: RFC 6857 and 6858, which make a surrogate of the message
 * with other bytes, sizes and broken signatures; and the bytes as they are, which a client takes for a
 * charset of its choice. A message with 8-bit bytes in its header is nearly always old mail or a newsletter
 * that is read and not answered, so what counts is that people can read subject and names: encoded words,
 * which every client decodes. Addresses have no such form, and an invented one would only hide from the user
 * why a reply isn't accepted. BODY[...] stays what was sent, for everybody.
 *
 * The text is the cache's, which the mailbox's owner may have written: what isn't an envelope comes out as it
 * is.
 */
#include "text/base64.h"
#include "text/imap_body.h"
#include "text/utf8.h"
#include "text/words.h"

#define DEPTH 4           /* parentheses: the envelope, a list, an address */
#define TEXT_LIMIT 262144 /* of a text that is encoded */
#define CUT_FROM 1000     /* bytes of a text from which on it may have been cut at a limit */

struct walk {
    struct span in;
    size_t at;
    size_t depth;
    unsigned field[DEPTH]; /* which one, by depth */
};

/* Behind the quoted string at w->at. */
static void pass_quoted(struct walk *w)
{
    for (w->at++; w->at < w->in.n && w->in.p[w->at] != '"'; w->at++)
        w->at += w->in.p[w->at] == '\\';
    w->at++;
}

/* The literal at w->at: where it ends, and what is in it. */
static bool read_literal(const struct walk *w, size_t *end, struct span *value)
{
    struct span rest = span_from(w->in, w->at + 1);
    size_t digits = span_find(span_head(rest, 12), '}');
    uint64_t n;
    if (!span_u64(span_head(rest, digits), UINT32_MAX, &n) || !span_starts(span_from(rest, digits), "}\r\n"))
        return false;
    rest = span_from(rest, digits + 3);
    if (n > rest.n)
        return false;
    *value = span_head(rest, (size_t)n);
    *end = w->in.n - rest.n + (size_t)n;
    return true;
}

static bool has_8bit(struct span s)
{
    size_t n = 0;
    while (n < s.n && !((unsigned char)s.p[n] & 0x80))
        n++;
    return n < s.n;
}

/* Is it a text that people read: the subject, a display name, a group's name? */
static bool is_text(const struct walk *w, size_t end)
{
    if (w->depth == 1)
        return w->field[1] == 1;
    return w->depth == 3 &&
           (w->field[3] == 0 || (w->field[3] == 2 && span_starts(span_from(w->in, end), " NIL)")));
}

/* Without what a limit left of its last character. */
static struct span whole_characters(struct span text)
{
    size_t most = text.n < CUT_FROM ? 1 : 4;
    for (size_t cut = 0; cut < most && cut < text.n; cut++)
        if (utf8_valid(span_head(text, text.n - cut)))
            return span_head(text, text.n - cut);
    return (struct span){ text.p, 0 };
}

/* False, with nothing written, if it isn't UTF-8. */
static bool write_encoded(struct span value, struct bytes *out)
{
    struct bytes text, words;
    struct span characters = whole_characters(value);
    if (characters.n == 0)
        return false;
    bytes_init(&text, TEXT_LIMIT);
    bytes_init(&words, 2 * TEXT_LIMIT);
    bool good = words_decode(characters, &text) && words_encode(span_bytes(&text), &words);
    if (good)
        imap_string(span_bytes(&words), out);
    bytes_free(&text);
    bytes_free(&words);
    return good;
}

static void pass_literal(struct walk *w, size_t *done, struct bytes *out)
{
    struct span value;
    size_t end;
    if (!read_literal(w, &end, &value)) {
        w->at++;
        return;
    }
    if (is_text(w, end) && has_8bit(value)) {
        bytes_add(out, w->in.p + *done, w->at - *done);
        *done = write_encoded(value, out) ? end : w->at;
    }
    w->at = end;
}

bool imap_envelope_downgrade(struct span envelope, struct bytes *out)
{
    struct walk w = { .in = envelope };
    size_t done = 0; /* bytes that are in `out` */
    while (w.at < envelope.n && w.depth < DEPTH) {
        char c = envelope.p[w.at];
        if (c == '"') {
            pass_quoted(&w);
            continue;
        }
        if (c == '{') {
            pass_literal(&w, &done, out);
            continue;
        }
        if (c == '(' && ++w.depth < DEPTH)
            w.field[w.depth] = 0;
        else if (c == ')' && w.depth-- == 0)
            break;
        else if (c == ' ')
            w.field[w.depth]++;
        w.at++;
    }
    return bytes_add_span(out, span_from(envelope, done));
}
