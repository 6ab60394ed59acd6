/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Case and normalisation by libunistring; see unicode.h. Texts are compared in the form that full case
 * folding and compatibility decomposition give (Unicode 3.13, D146), so "ﬁ" finds "FI" and "ß" finds "SS".
 *
 * ASCII needs no tables, and where it meets other characters nothing combines that folding would have to
 * see together: an ASCII character is a starter and decomposes to itself. So runs of ASCII, which is most of
 * most mail, are folded here, and only what is between them by the library.
 */
#include "text/unicode.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unictype.h>

#define WINDOW 65536 /* bytes of a haystack that are folded at a time */
#define SHRINKS 5    /* no text gets shorter than by this factor: four bytes may become one, and some */
/* From here on there are characters that decompose to capitals, as U+1D400, a bold A, and must be folded
 * again. */
#define FIRST_HIDDEN_CAPITAL 0x1d00

static size_t ascii_run(struct span s)
{
    size_t n = 0;
    while (n < s.n && (unsigned char)s.p[n] < 0x80)
        n++;
    return n;
}

static bool is_ascii(struct span s)
{
    return ascii_run(s) == s.n;
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

static void fold_ascii(struct span run, struct bytes *out)
{
    if (!bytes_reserve(out, run.n))
        return;
    char *to = out->data + out->len;
    for (size_t i = 0; i < run.n; i++) {
        unsigned char c = (unsigned char)run.p[i];
        to[i] = (char)(c + ((unsigned)c - 'A' < 26U ? 32U : 0U));
    }
    out->len += run.n;
    out->data[out->len] = '\0';
}

/* A run without ASCII, with its malformed bytes replaced in `valid`, which is memory to use. */
static void fold_other(struct span run, struct bytes *valid, struct bytes *out)
{
    size_t n = 0;
    bool again = false;
    bytes_clear(valid);
    while (run.n) {
        uint32_t c = UTF8_REPLACEMENT;
        size_t length = utf8_read(run, &c);
        utf8_write(c, valid);
        again |= c >= FIRST_HIDDEN_CAPITAL;
        run = span_from(run, length ? length : 1);
    }
    uint8_t *once = NULL;
    if (!valid->failed)
        once = u8_casefold((const uint8_t *)valid->data, valid->len, NULL, UNINORM_NFKD, NULL, &n);
    if (!once) {
        out->failed = true;
        return;
    }
    if (!again) {
        take(once, n, out);
        return;
    }
    uint8_t *folded = u8_casefold(once, n, NULL, UNINORM_NFKD, NULL, &n);
    free(once);
    take(folded, n, out);
}

bool unicode_fold(struct span text, struct bytes *out)
{
    struct bytes valid;
    bytes_init(&valid, SIZE_MAX / 2);
    while (text.n && !out->failed) {
        size_t n = ascii_run(text);
        fold_ascii(span_head(text, n), out);
        text = span_from(text, n);
        for (n = 0; n < text.n && (unsigned char)text.p[n] >= 0x80; n++)
            ;
        if (n)
            fold_other(span_head(text, n), &valid, out);
        text = span_from(text, n);
    }
    bytes_free(&valid);
    return !out->failed;
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
    struct bytes folded;
    bytes_init(&folded, SIZE_MAX / 2);
    bool found = needle.n < SIZE_MAX / 64 && unicode_fold(needle, &folded) &&
                 contains_folded(haystack, span_bytes(&folded));
    bytes_free(&folded);
    return found;
}

static bool normalize(uninorm_t form, struct span text, struct bytes *out)
{
    size_t n = 0;
    if (is_ascii(text))
        return bytes_add_span(out, text);
    if (!utf8_valid(text))
        return false;
    uint8_t *normal = u8_normalize(form, (const uint8_t *)text.p, text.n, NULL, &n);
    return take(normal, n, out);
}

bool unicode_nfc(struct span text, struct bytes *out)
{
    return normalize(UNINORM_NFC, text, out);
}

bool unicode_nfkc(struct span text, struct bytes *out)
{
    return normalize(UNINORM_NFKC, text, out);
}

enum unicode_direction unicode_direction(uint32_t character)
{
    switch (uc_bidi_category(character)) {
    case UC_BIDI_L:
        return UNICODE_LEFT_TO_RIGHT;
    case UC_BIDI_R:
    case UC_BIDI_AL:
        return UNICODE_RIGHT_TO_LEFT;
    default:
        return UNICODE_NEUTRAL;
    }
}
