/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Base64 and quoted-printable; see base64.h. Decoders reserve once and write in place, since a message
 * body may be large.
 */
#include "text/base64.h"

#include <string.h>

#define NOT_BASE64 64

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool base64_decode(struct span text, struct bytes *out)
{
    if (text.n % 4)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < text.n && text.p[text.n - 1 - padding] == '=')
        padding++;
    size_t letters = text.n - padding;
    uint32_t bits = 0;
    for (size_t i = 0; i < letters; i++) {
        unsigned v = base64_value(text.p[i]);
        if (v == NOT_BASE64)
            return false;
        bits = bits << 6 | v;
        if (i % 4 && !bytes_add_char(out, (char)(bits >> (6 - 2 * (i % 4)))))
            return false;
    }
    /* Bits that no byte uses must be 0, so that a text has one encoding only (RFC 4648 3.5). */
    return padding == 0 || (bits & (padding == 2 ? 15U : 3U)) == 0;
}

bool base64_decode_body(struct span text, struct bytes *out)
{
    char piece[3 * 256];
    size_t filled = 0, letters = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.n && text.p[i] != '='; i++) {
        unsigned v = base64_value(text.p[i]);
        if (v == NOT_BASE64)
            continue;
        bits = bits << 6 | v;
        unsigned at = letters++ % 4;
        if (at)
            piece[filled++] = (char)(bits >> (6 - 2 * at));
        if (filled == sizeof piece) {
            bytes_add(out, piece, filled);
            filled = 0;
        }
    }
    bytes_add(out, piece, filled);
    return !out->failed;
}

bool base64_encode(struct span data, struct bytes *out)
{
    if (data.n > SIZE_MAX / 2) {
        out->failed = true;
        return false;
    }
    size_t size = (data.n + 2) / 3 * 4;
    if (!bytes_reserve(out, size))
        return false;
    char *to = out->data + out->len;
    const unsigned char *p = (const unsigned char *)data.p;
    for (size_t i = 0; i < data.n; i += 3) {
        size_t have = data.n - i;
        uint32_t bits = (uint32_t)p[i] << 16;
        bits |= have > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        bits |= have > 2 ? (uint32_t)p[i + 2] : 0;
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        *to++ = '=';
        *to++ = '=';
        if (have > 1)
            to[-2] = alphabet[bits >> 6 & 63];
        if (have > 2)
            to[-1] = alphabet[bits & 63];
    }
    out->len += size;
    out->data[out->len] = '\0';
    return true;
}

/* The text of a line without its line end and the blanks before it; *end is that line end. */
static struct span take_line(struct span *rest, struct span *end)
{
    size_t at = span_find(*rest, '\n');
    struct span line = span_head(*rest, at);
    size_t text = line.n;
    if (at < rest->n && text && line.p[text - 1] == '\r')
        text--;
    *end = span_from(span_head(*rest, at < rest->n ? at + 1 : at), text);
    *rest = span_from(*rest, at < rest->n ? at + 1 : at);
    while (text && (line.p[text - 1] == ' ' || line.p[text - 1] == '\t'))
        text--;
    return span_head(line, text);
}

bool quoted_printable_decode(struct span text, struct bytes *out)
{
    if (!bytes_reserve(out, 0))
        return false;
    while (text.n) {
        struct span end, line = take_line(&text, &end);
        bool soft = line.n && line.p[line.n - 1] == '=';
        if (soft)
            line.n--;
        while (line.n) {
            size_t plain = span_find(line, '=');
            bytes_add_span(out, span_head(line, plain));
            line = span_from(line, plain);
            if (line.n == 0)
                break;
            int high = line.n > 2 ? hex_value(line.p[1]) : -1, low = line.n > 2 ? hex_value(line.p[2]) : -1;
            bool good = high >= 0 && low >= 0;
            bytes_add_char(out, good ? (char)(high * 16 + low) : '=');
            line = span_from(line, good ? 3 : 1);
        }
        if (!soft)
            bytes_add_span(out, end);
    }
    return !out->failed;
}
