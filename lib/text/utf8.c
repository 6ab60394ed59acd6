/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * UTF-8; see utf8.h.
 */
#include "text/utf8.h"

#include <string.h>

static bool is_surrogate(uint32_t c)
{
    return c >= 0xd800 && c <= 0xdfff;
}

size_t utf8_read(struct span s, uint32_t *character)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (s.n == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)s.p;
    if (p[0] < 0x80) {
        *character = p[0];
        return 1;
    }
    size_t n = p[0] >= 0xf8 ? 0 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
    if (n == 0 || n > s.n)
        return 0;
    uint32_t c = p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fU);
    }
    if (c < least[n] || c > 0x10ffff || is_surrogate(c))
        return 0;
    *character = c;
    return n;
}

bool utf8_write(uint32_t c, struct bytes *out)
{
    char text[4];
    if (c > 0x10ffff || is_surrogate(c))
        c = UTF8_REPLACEMENT;
    if (c < 0x80)
        return bytes_add_char(out, (char)c);
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        text[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    text[0] = (char)((0xf00U >> n & 0xffU) | c);
    return bytes_add(out, text, n);
}

size_t utf8_ascii_run(struct span s)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t a, b;
    size_t n = 0;
    for (; s.n - n >= 16; n += 16) { /* most mail is nothing else */
        memcpy(&a, s.p + n, 8);
        memcpy(&b, s.p + n + 8, 8);
        if ((a | b) & high)
            break;
    }
    while (n < s.n && !(s.p[n] & 0x80))
        n++;
    return n;
}

bool utf8_valid(struct span s)
{
    uint32_t c;
    for (s = span_from(s, utf8_ascii_run(s)); s.n;) {
        size_t n = utf8_read(s, &c);
        if (n == 0)
            return false;
        s = span_from(s, n);
    }
    return true;
}
