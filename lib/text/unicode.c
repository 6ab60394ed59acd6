/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Case and normalisation by libunistring; see unicode.h. Texts are compared in the form that full case folding
 * and compatibility decomposition give (Unicode 3.13, D146), so "ﬁ" finds "FI" and "ß" finds "SS". ASCII
 * in ASCII, the common case, never comes that far.
 */
#include "text/unicode.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

/* `needle` without regard to the case of ASCII letters: looks for its first letter in both cases. */
static bool contains_ascii(struct span haystack, struct span needle)
{
    if (needle.n == 0)
        return true;
    char lower = ascii_lower(needle.p[0]), upper = lower;
    if (ascii_alpha(lower))
        upper = (char)(lower - 'a' + 'A');
    for (; haystack.n >= needle.n; haystack = span_from(haystack, 1)) {
        if (haystack.p[0] != lower && haystack.p[0] != upper)
            continue;
        if (span_ieq(span_head(haystack, needle.n), needle))
            return true;
    }
    return false;
}

/* libunistring's buffer, from malloc, goes to out. */
static bool take(uint8_t *text, size_t n, struct bytes *out)
{
    if (!text) {
        out->failed = true;
        return false;
    }
    bytes_add(out, text, n);
    free(text);
    return !out->failed;
}

bool unicode_fold(struct span text, struct bytes *out)
{
    struct bytes valid;
    size_t n = 0;
    bytes_init(&valid, text.n < SIZE_MAX / 3 ? 3 * text.n + 1 : SIZE_MAX);
    while (text.n) {
        uint32_t c = UTF8_REPLACEMENT;
        size_t length = utf8_read(text, &c);
        utf8_write(c, &valid);
        text = span_from(text, length ? length : 1);
    }
    if (valid.failed || valid.len == 0) {
        bool empty = !valid.failed;
        bytes_free(&valid);
        out->failed = out->failed || !empty;
        return !out->failed;
    }
    uint8_t *once = u8_casefold((const uint8_t *)valid.data, valid.len, NULL, UNINORM_NFKD, NULL, &n);
    bytes_free(&valid);
    if (!once)
        return take(NULL, 0, out);
    /* Again, for the capitals that decomposition brought to light: U+1D400 is a bold A. */
    uint8_t *folded = u8_casefold(once, n, NULL, UNINORM_NFKD, NULL, &n);
    free(once);
    return take(folded, n, out);
}

bool unicode_contains(struct span haystack, struct span needle)
{
    if (is_ascii(needle)) {
        bool plain = contains_ascii(haystack, needle);
        if (plain || is_ascii(haystack))
            return plain;
    }
    struct bytes hay, small;
    bytes_init(&hay, SIZE_MAX / 2);
    bytes_init(&small, SIZE_MAX / 2);
    bool found = unicode_fold(haystack, &hay) && unicode_fold(needle, &small) &&
                 (small.len == 0 || memmem(hay.data, hay.len, small.data, small.len));
    bytes_free(&hay);
    bytes_free(&small);
    return found;
}

bool unicode_nfc(struct span text, struct bytes *out)
{
    size_t n = 0;
    if (is_ascii(text))
        return bytes_add_span(out, text);
    if (!utf8_valid(text))
        return false;
    uint8_t *normal = u8_normalize(UNINORM_NFC, (const uint8_t *)text.p, text.n, NULL, &n);
    return take(normal, n, out);
}
