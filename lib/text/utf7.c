/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modified UTF-7 (RFC 3501 5.1.3); see utf7.h. Printable ASCII stands for itself, '&' is
 * "&-", everything else is UTF-16 in base64 (with ',' for '/' and without padding) between '&' and '-'.
 *
 * A name has one canonical form: shifts only for what needs them, none beside another, no bits left over. The
 * decoder takes only that, as two forms of a name would be two mailboxes to one client and one to another.
 * U+0000 is no part of a name.
 */
#include "text/utf7.h"
#include "text/utf8.h"

#include <string.h>

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_plain(uint32_t c)
{
    return c >= 0x20 && c <= 0x7e;
}

struct bits {
    uint32_t value;
    unsigned count;
};

static void put_unit(struct bits *b, uint32_t unit, struct bytes *out)
{
    b->value = b->value << 16 | unit;
    b->count += 16;
    while (b->count >= 6) {
        b->count -= 6;
        bytes_add_char(out, alphabet[b->value >> b->count & 63]);
    }
}

static void end_shift(struct bits *b, struct bytes *out)
{
    if (b->count)
        bytes_add_char(out, alphabet[b->value << (6 - b->count) & 63]);
    bytes_add_char(out, '-');
    *b = (struct bits){ 0, 0 };
}

bool utf7_from_utf8(struct span name, struct bytes *out)
{
    struct bits bits = { 0, 0 };
    bool shifted = false;
    while (name.n) {
        uint32_t c = 0;
        size_t n = utf8_read(name, &c);
        if (n == 0 || c == 0)
            return false;
        name = span_from(name, n);
        if (shifted == is_plain(c)) {
            if (shifted)
                end_shift(&bits, out);
            else
                bytes_add_char(out, '&');
            shifted = !shifted;
        }
        if (!shifted) {
            bytes_add_char(out, (char)c);
            if (c == '&')
                bytes_add_char(out, '-');
        } else if (c >= 0x10000) {
            put_unit(&bits, 0xd800 + ((c - 0x10000) >> 10), out);
            put_unit(&bits, 0xdc00 + ((c - 0x10000) & 0x3ff), out);
        } else {
            put_unit(&bits, c, out);
        }
    }
    if (shifted)
        end_shift(&bits, out);
    return !out->failed;
}

/* Takes a UTF-16 unit; *high is the first half of a pair while its second is awaited. */
static bool take_unit(uint32_t unit, uint32_t *high, struct bytes *out)
{
    bool low = unit >= 0xdc00 && unit <= 0xdfff;
    if (low != (*high != 0) || is_plain(unit) || unit == 0)
        return false;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        *high = unit;
        return true;
    }
    if (low)
        unit = 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00);
    *high = 0;
    return utf8_write(unit, out);
}

/* The base64 of one shift, without '&' and '-'; not empty. */
static bool take_shift(struct span text, struct bytes *out)
{
    struct bits bits = { 0, 0 };
    uint32_t high = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = text.p[i] ? strchr(alphabet, text.p[i]) : NULL;
        if (!at)
            return false;
        bits.value = bits.value << 6 | (uint32_t)(at - alphabet);
        bits.count += 6;
        if (bits.count >= 16) {
            bits.count -= 16;
            if (!take_unit(bits.value >> bits.count & 0xffff, &high, out))
                return false;
        }
    }
    return bits.count < 6 && (bits.value & ((1U << bits.count) - 1)) == 0 && high == 0;
}

bool utf7_to_utf8(struct span name, struct bytes *out)
{
    bool after_shift = false;
    while (name.n) {
        char c = name.p[0];
        if (c < ' ' || c > '~')
            return false;
        if (c != '&') {
            bytes_add_char(out, c);
            name = span_from(name, 1);
            after_shift = false;
            continue;
        }
        size_t end = span_find(name, '-');
        if (end == name.n)
            return false;
        struct span shift = span_from(span_head(name, end), 1);
        name = span_from(name, end + 1);
        if (shift.n == 0)
            bytes_add_char(out, '&');
        else if (after_shift || !take_shift(shift, out))
            return false;
        after_shift = shift.n != 0;
    }
    return !out->failed;
}

bool utf7_valid(struct span name)
{
    struct bytes text;
    if (name.n > SIZE_MAX / 4)
        return false;
    bytes_init(&text, 4 * name.n);
    bool valid = utf7_to_utf8(name, &text);
    bytes_free(&text);
    return valid;
}
