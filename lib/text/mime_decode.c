/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Content-Transfer-Encodings undone piece by piece; see mime.h. Each turn fills `piece` with what some
 * stretch of the stored bytes means. Everything is looked at twice at most, whatever was sent: a run of
 * blanks, for instance, is measured once and then remembered.
 */
#include "text/base64.h"
#include "text/mime.h"

#define ROOM (sizeof((struct mime_decoder *)0)->piece)

void mime_decoder_start(struct mime_decoder *d, struct span body, enum mime_encoding encoding)
{
    d->stored = body;
    d->encoding = encoding;
    d->at = d->text_blanks = d->begin = d->end = 0;
    d->bits = 0;
    d->letters = 0;
}

static void put(struct mime_decoder *d, char c)
{
    d->piece[d->end++] = c;
}

/* Bytes of the line end at `at`: LF or CRLF; 0 if there is none. */
static size_t line_end(const struct mime_decoder *d, size_t at)
{
    struct span s = d->stored;
    if (at < s.n && s.p[at] == '\n')
        return 1;
    return at + 1 < s.n && s.p[at] == '\r' && s.p[at + 1] == '\n' ? 2 : 0;
}

static size_t behind_blanks(const struct mime_decoder *d, size_t at)
{
    while (at < d->stored.n && (d->stored.p[at] == ' ' || d->stored.p[at] == '\t'))
        at++;
    return at;
}

/* As they are; two bytes of room are left for each. */
static void fill_plain(struct mime_decoder *d)
{
    while (d->at < d->stored.n && d->end + 2 <= ROOM) {
        size_t end = line_end(d, d->at);
        if (end) {
            put(d, '\r');
            put(d, '\n');
            d->at += end;
        } else {
            put(d, d->stored.p[d->at++]);
        }
    }
}

/* Passes over what isn't in the alphabet and stops at padding, as base64_decode_body() does. */
static void fill_base64(struct mime_decoder *d)
{
    while (d->at < d->stored.n && d->end < ROOM) {
        char c = d->stored.p[d->at++];
        unsigned v = base64_value(c);
        if (c == '=')
            d->at = d->stored.n;
        if (v > 63)
            continue;
        d->bits = d->bits << 6 | v;
        if (d->letters)
            put(d, (char)(d->bits >> (6 - 2 * d->letters)));
        d->letters = (d->letters + 1) % 4;
    }
}

/* The '=' at d->at: a byte, a soft line break, or itself. */
static void take_escape(struct mime_decoder *d)
{
    struct span s = d->stored;
    int high = d->at + 2 < s.n ? hex_value(s.p[d->at + 1]) : -1,
        low = high < 0 ? -1 : hex_value(s.p[d->at + 2]);
    if (low >= 0) {
        put(d, (char)(high * 16 + low));
        d->at += 3;
        return;
    }
    size_t next = behind_blanks(d, d->at + 1), end = line_end(d, next);
    if (end || next == s.n) {
        d->at = next + end;
        return;
    }
    put(d, '=');
    d->at++;
}

/* Blanks at a line's end were added on the way (RFC 2045 6.7, rule 3). */
static void fill_quoted_printable(struct mime_decoder *d)
{
    while (d->at < d->stored.n && d->end + 2 <= ROOM) {
        char c = d->stored.p[d->at];
        size_t end = line_end(d, d->at);
        if (end) {
            put(d, '\r');
            put(d, '\n');
            d->at += end;
        } else if (c == '=') {
            take_escape(d);
        } else if ((c == ' ' || c == '\t') && d->at >= d->text_blanks) {
            d->text_blanks = behind_blanks(d, d->at);
            if (d->text_blanks == d->stored.n || line_end(d, d->text_blanks))
                d->at = d->text_blanks;
        } else {
            put(d, c);
            d->at++;
        }
    }
}

bool mime_decoder_next(struct mime_decoder *d, uint64_t max, struct span *piece)
{
    if (d->begin == d->end) {
        d->begin = d->end = 0;
        if (d->encoding == MIME_BASE64)
            fill_base64(d);
        else if (d->encoding == MIME_QUOTED_PRINTABLE)
            fill_quoted_printable(d);
        else
            fill_plain(d);
    }
    size_t have = d->end - d->begin;
    *piece = (struct span){ d->piece + d->begin, have < max ? have : (size_t)max };
    d->begin += piece->n;
    return piece->n > 0;
}
