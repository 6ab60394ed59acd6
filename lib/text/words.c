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

#define ENCODED_BYTES 45 /* in one word: as base64 60 */
#include "text/mime.h"
#include "text/utf8.h"

#define PARAMETER_NAME 64 /* bytes of a parameter's name, or its charset's */

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

/* Where, from `at` on, an encoded word may begin; s.n if nowhere. */
static size_t next_word(struct span s, size_t at)
{
    while (at < s.n) {
        at += span_find(span_from(s, at), '=');
        if (at + 1 < s.n && s.p[at + 1] == '?')
            return at;
        at += at < s.n;
    }
    return s.n;
}

bool words_decode(struct span value, struct bytes *out)
{
    if (next_word(value, 0) == value.n && utf8_ascii_run(value) == value.n)
        return header_unfold(value, out);
    struct bytes line;
    bytes_init(&line, value.n);
    header_unfold(value, &line);
    struct span rest = span_bytes(&line);
    if (line.failed)
        out->failed = true;
    while (rest.n) {
        if (take_words(&rest, out))
            continue;
        size_t plain = next_word(rest, 1);
        charset_to_utf8(SPAN("utf-8"), span_head(rest, plain), out);
        rest = span_from(rest, plain);
    }
    bytes_free(&line);
    return !out->failed;
}

/* A parameter in pieces (RFC 2231 3), as it is put together. */
struct parameter {
    struct bytes name;    /* without its star */
    struct bytes charset; /* empty: none was given */
    struct bytes raw;
};

static void end_parameter(struct parameter *p, struct bytes *out)
{
    if (p->raw.len > 0) {
        bytes_add_char(out, '\n');
        charset_to_utf8(p->charset.len > 0 ? span_bytes(&p->charset) : SPAN("utf-8"), span_bytes(&p->raw),
                        out);
    }
    out->failed |= p->name.failed || p->charset.failed || p->raw.failed;
    bytes_clear(&p->name);
    bytes_clear(&p->charset);
    bytes_clear(&p->raw);
}

/* Takes charset'language' from the start of an encoded value. */
static struct span take_charset(struct parameter *p, struct span value)
{
    size_t first = span_find(value, '\''), second = first + 1 + span_find(span_from(value, first + 1), '\'');
    if (second >= value.n)
        return value;
    bytes_add_span(&p->charset, span_head(span_head(value, first), p->charset.limit));
    return span_from(value, second + 1);
}

static void add_percent_decoded(struct span value, struct bytes *out)
{
    for (size_t i = 0; i < value.n; i++) {
        int high = i + 2 < value.n && value.p[i] == '%' ? hex_value(value.p[i + 1]) : -1,
            low = high >= 0 ? hex_value(value.p[i + 2]) : -1;
        bytes_add_char(out, low >= 0 ? (char)(high * 16 + low) : value.p[i]);
        i += low >= 0 ? 2 : 0;
    }
}

static void take_parameter(struct parameter *p, struct span name, struct span value, struct bytes *out)
{
    struct span base = span_head(name, span_find(name, '*'));
    bool encoded = name.n > 0 && name.p[name.n - 1] == '*';
    if (base.n == name.n || !span_ieq(base, span_bytes(&p->name))) {
        end_parameter(p, out);
        if (base.n == name.n)
            return;
        bytes_add_span(&p->name, base);
        if (encoded)
            value = take_charset(p, value);
    }
    if (encoded)
        add_percent_decoded(value, &p->raw);
    else
        bytes_add_span(&p->raw, value);
}

bool words_decode_parameters(struct span value, struct bytes *out)
{
    struct bytes name, text;
    struct parameter p;
    if (span_find(value, '*') == value.n)
        return true;
    bytes_init(&name, PARAMETER_NAME);
    bytes_init(&text, value.n);
    bytes_init(&p.name, PARAMETER_NAME);
    bytes_init(&p.charset, PARAMETER_NAME);
    bytes_init(&p.raw, value.n);
    while (mime_parameter_next(&value, &name, &text))
        take_parameter(&p, span_bytes(&name), span_bytes(&text), out);
    end_parameter(&p, out);
    out->failed |= name.failed || text.failed;
    bytes_free(&name);
    bytes_free(&text);
    bytes_free(&p.name);
    bytes_free(&p.charset);
    bytes_free(&p.raw);
    return !out->failed;
}

bool words_encode(struct span text, struct bytes *out)
{
    for (bool first = true; text.n; first = false) {
        size_t n = text.n < ENCODED_BYTES ? text.n : ENCODED_BYTES;
        while (n > 1 && n < text.n &&
               ((unsigned char)text.p[n] & 0xc0) == 0x80) /* no character is cut in two */
            n--;
        bytes_add_str(out, first ? "=?UTF-8?B?" : " =?UTF-8?B?");
        base64_encode(span_head(text, n), out);
        bytes_add_str(out, "?=");
        text = span_from(text, n);
    }
    return !out->failed;
}
