/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SASLprep (RFC 4013), a profile of stringprep (RFC 3454); see saslprep.h. The tables are those of RFC 3454's
 * appendices that the profile names; the tables of directions (D) are libunistring's.
 *
 * Considered and refused: gnutls_utf8_password_normalize(), which is the later PRECIS profile (RFC 8265):
 * it composes by NFC where SASLprep does by NFKC, so clients that do as RFC 5802 says would hash something
 * else.
 */
#include "text/saslprep.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <stdlib.h>

struct range {
    uint32_t first, last;
};

/* C.1.2: to a space */
static const struct range spaces[] = {
    { 0xa0, 0xa0 },     { 0x1680, 0x1680 }, { 0x2000, 0x200b },
    { 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 },
};

/* B.1: to nothing */
static const struct range nothing[] = {
    { 0xad, 0xad },     { 0x34f, 0x34f },   { 0x1806, 0x1806 }, { 0x180b, 0x180d },
    { 0x200c, 0x200d }, { 0x2060, 0x2060 }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff },
};

/* C.1.2, C.2.1, C.2.2, C.3, C.4, C.6 to C.9; the last two of each plane (C.4) are in prohibited() */
static const struct range never[] = {
    { 0x0, 0x1f },        { 0x7f, 0xa0 },         { 0x340, 0x341 },     { 0x6dd, 0x6dd },
    { 0x70f, 0x70f },     { 0x1680, 0x1680 },     { 0x180e, 0x180e },   { 0x2000, 0x200f },
    { 0x2028, 0x202f },   { 0x205f, 0x2063 },     { 0x206a, 0x206f },   { 0x2ff0, 0x2ffb },
    { 0x3000, 0x3000 },   { 0xe000, 0xf8ff },     { 0xfdd0, 0xfdef },   { 0xfeff, 0xfeff },
    { 0xfff9, 0xffff },   { 0x1d173, 0x1d17a },   { 0xe0001, 0xe0001 }, { 0xe0020, 0xe007f },
    { 0xf0000, 0xffffd }, { 0x100000, 0x10fffd },
};

static int compare(const void *key, const void *element)
{
    const uint32_t *c = key;
    const struct range *r = element;
    return *c < r->first ? -1 : *c > r->last;
}

static bool is_in(uint32_t c, const struct range *table, size_t count)
{
    return bsearch(&c, table, count, sizeof *table, compare) != NULL;
}

#define IN(c, table) is_in(c, table, sizeof(table) / sizeof(table)[0])

static bool prohibited(uint32_t c)
{
    return (c & 0xfffe) == 0xfffe || IN(c, never);
}

/* Step 1: what is mapped. False if it isn't UTF-8. */
static bool map(struct span text, struct bytes *out)
{
    while (text.n) {
        uint32_t c;
        size_t n = utf8_read(text, &c);
        if (n == 0)
            return false;
        if (IN(c, spaces))
            bytes_add_char(out, ' ');
        else if (!IN(c, nothing))
            bytes_add(out, text.p, n);
        text = span_from(text, n);
    }
    return !out->failed;
}

/* Steps 3 and 4: nothing prohibited; where there is writing from right to left (RFC 3454 6), none from left
 * to right, and it stands at both ends. */
static bool is_clean(struct span text)
{
    bool right = false, left = false, first = false, last = false;
    for (bool begun = false; text.n; begun = true) {
        uint32_t c;
        size_t n = utf8_read(text, &c);
        if (n == 0 || prohibited(c))
            return false;
        enum unicode_direction d = unicode_direction(c);
        last = d == UNICODE_RIGHT_TO_LEFT;
        first = begun ? first : last;
        right |= last;
        left |= d == UNICODE_LEFT_TO_RIGHT;
        text = span_from(text, n);
    }
    return !right || (!left && first && last);
}

bool saslprep(struct span text, struct bytes *out)
{
    struct bytes mapped, normal;
    bytes_init(&mapped, SIZE_MAX / 2);
    bytes_init(&normal, SIZE_MAX / 2);
    bool ok = map(text, &mapped) && unicode_nfkc(span_bytes(&mapped), &normal) && normal.len &&
              is_clean(span_bytes(&normal)) && bytes_add_span(out, span_bytes(&normal));
    bytes_wipe(&mapped);
    bytes_wipe(&normal);
    return ok;
}
