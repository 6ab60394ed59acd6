/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Case and normalisation by libunistring; see unicode.h. Texts are compared in the form that full case
 * folding and compatibility decomposition give (Unicode 3.13, D146), so "ﬁ" finds "FI" and "ß" finds "SS".
 * ASCII in ASCII, the common case, never comes that far.
 */
#include "text/unicode.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

#define WINDOW 65536 /* bytes of a haystack that are folded at a time */
#define SHRINKS 5 /* folding makes no text shorter than by this factor: four bytes may become one, and some  \
                   */

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

/* The character boundary at or before `at`. */
static size_t boundary_before(struct span s, size_t at)
{
    size_t back = 0;
    while (at < s.n && back < 3 && back < at && ((unsigned char)s.p[at - back] & 0xc0) == 0x80)
        back++;
    return at < s.n ? at - back : s.n;
}

/* Folds and looks through the haystack a window at a time, so that a large one needs no memory in its size.
 * Windows overlap by as much as could fold to the needle. */
static bool contains_folded(struct span haystack, struct span needle)
{
    struct bytes window;
    bool found = false;
    size_t overlap = needle.n * SHRINKS;
    bytes_init(&window, SIZE_MAX / 2);
    while (!found && !window.failed) {
        bytes_clear(&window);
        size_t end = boundary_before(haystack, WINDOW + overlap);
        unicode_fold(span_head(haystack, end), &window);
        found = !window.failed && memmem(bytes_str(&window), window.len, needle.p, needle.n);
        if (end == haystack.n)
            break;
        haystack = span_from(haystack, boundary_before(haystack, WINDOW));
    }
    bytes_free(&window);
    return found;
}

bool unicode_contains(struct span haystack, struct span needle)
{
    if (is_ascii(needle)) {
        bool plain = contains_ascii(haystack, needle);
        if (plain || is_ascii(haystack))
            return plain;
    }
    struct bytes folded;
    bytes_init(&folded, SIZE_MAX / 2);
    bool found = needle.n < SIZE_MAX / 64 && unicode_fold(needle, &folded) &&
                 contains_folded(haystack, span_bytes(&folded));
    bytes_free(&folded);
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
