/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Encoded words, `=?charset*language?Q or B?text?=` (RFC 2047, RFC 2231 5); see words.h. They are found
 * anywhere in a value, also where the RFC has none (in quotes, within words), as programs write them there.
 * Blanks between two of them are dropped, and neighbours of one charset are joined before they are converted:
 * a character is often cut in two. A word may be longer than the RFC's 75 bytes. What is no encoded word is
 * taken as UTF-8.
 */
#include "text/words.h"
#include "text/base64.h"
#include "text/header.h"
#include "text/lexical.h"

struct word {
    struct span charset, text;
    bool base64;
};

/* Reads the encoded word that s begins with; its length, 0 if there is none. */
static size_t read_word(struct span s, struct word *w)
{
    struct span rest = s, encoding;
    if (!span_starts(s, "=?"))
        return 0;
    rest = span_from(rest, 2);
    size_t n = 0;
    while (n < rest.n && lexical_token_char(rest.p[n]))
        n++;
    w->charset = span_head(span_head(rest, n), span_find(span_head(rest, n), '*'));
    rest = span_from(rest, n);
    if (w->charset.n == 0 || !span_starts(rest, "?"))
        return 0;
    encoding = span_head(span_from(rest, 1), 1);
    rest = span_from(rest, 2);
    w->base64 = span_ieq_str(encoding, "B");
    if ((!w->base64 && !span_ieq_str(encoding, "Q")) || !span_starts(rest, "?"))
        return 0;
    rest = span_from(rest, 1);
    for (n = 0; n < rest.n && rest.p[n] != '?'; n++)
        if (lexical_blank(rest.p[n]))
            return 0;
    w->text = span_head(rest, n);
    rest = span_from(rest, n);
    return span_starts(rest, "?=") ? (size_t)(rest.p - s.p) + 2 : 0;
}

/* The bytes of a word, in its charset. */
static void decode_word(const struct word *w, struct bytes *out)
{
    if (w->base64) {
        base64_decode_body(w->text, out);
        return;
    }
    for (size_t i = 0; i < w->text.n; i++) {
        char c = w->text.p[i] == '_' ? ' ' : w->text.p[i];
        int high = i + 2 < w->text.n ? hex_value(w->text.p[i + 1]) : -1,
            low = high >= 0 ? hex_value(w->text.p[i + 2]) : -1;
        if (c == '=' && low >= 0) {
            c = (char)(high * 16 + low);
            i += 2;
        }
        bytes_add_char(out, c);
    }
}

static size_t blanks(struct span s)
{
    size_t n = 0;
    while (n < s.n && lexical_blank(s.p[n]))
        n++;
    return n;
}

/* Decodes the run of encoded words that *rest begins with, if it does. */
static bool take_words(struct span *rest, struct bytes *out)
{
    struct word w;
    struct bytes raw;
    struct span charset = { NULL, 0 };
    size_t length = read_word(*rest, &w);
    if (length == 0)
        return false;
    bytes_init(&raw, rest->n);
    while (length) {
        if (charset.p && !span_ieq(charset, w.charset)) {
            charset_to_utf8(charset, span_bytes(&raw), out);
            out->failed = out->failed || raw.failed;
            bytes_clear(&raw);
        }
        charset = w.charset;
        decode_word(&w, &raw);
        *rest = span_from(*rest, length);
        size_t gap = blanks(*rest);
        length = read_word(span_from(*rest, gap), &w);
        length = length ? gap + length : 0;
    }
    charset_to_utf8(charset, span_bytes(&raw), out);
    out->failed = out->failed || raw.failed;
    bytes_free(&raw);
    return true;
}

bool words_decode(struct span value, struct bytes *out)
{
    struct bytes line;
    bytes_init(&line, value.n);
    header_unfold(value, &line);
    struct span rest = span_bytes(&line);
    if (line.failed)
        out->failed = true;
    while (rest.n) {
        if (take_words(&rest, out))
            continue;
        size_t plain = 1;
        while (plain < rest.n && rest.p[plain] != '=')
            plain++;
        charset_to_utf8(SPAN("utf-8"), span_head(rest, plain), out);
        rest = span_from(rest, plain);
    }
    bytes_free(&line);
    return !out->failed;
}
