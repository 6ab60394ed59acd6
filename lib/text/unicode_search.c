/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Searching folded text; see unicode_search.h.
 *
 * Most mail is ASCII, where an ASCII needle is looked for in place, sixteen positions at a time: the first
 * and the last byte of the needle are compared in all of them at once, and only where both fit, the rest.
 * Pieces with other characters are folded into a window, behind the end of what came before, in which the
 * needle may have begun.
 *
 * Tried for the needle in place: folding every piece and memmem() (a third of the speed), memchr() for the
 * first letter in both cases (a quarter, as letters are frequent).
 */
#include "text/unicode_search.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

#define PIECE 4096 /* bytes that are folded at a time */
/* Bytes of a needle from which on it is left to memmem(), which doesn't compare again and again. */
#define LONG 64
#define MARKS 128 /* bytes at the end of the window that marks still to come may be put before */

typedef unsigned char lanes __attribute__((vector_size(16)));
enum { LANES = 16 };

struct unicode_search {
    struct unicode_folder *folder;
    const struct unicode_needle *needle;
    struct bytes window;
    bool found, failed;
    char partial[4]; /* the beginning of a character that the last piece was cut in */
    size_t partial_length;
};

bool unicode_needle_init(struct unicode_needle *n, struct span text)
{
    *n = (struct unicode_needle){ .ascii = false };
    bytes_init(&n->folded, SIZE_MAX / 2);
    if (text.n > SIZE_MAX / 64 || !unicode_fold(text, &n->folded))
        return false;
    struct span folded = span_bytes(&n->folded);
    n->ascii = utf8_ascii_run(folded) == folded.n;
    for (size_t at = 0, start = 0; at <= folded.n; at++)
        if (at == folded.n || folded.p[at] == ' ' || (folded.p[at] >= '\t' && folded.p[at] <= '\r')) {
            if (at - start > n->word.n)
                n->word = (struct span){ folded.p + start, at - start };
            start = at + 1;
        }
    return true;
}

void unicode_needle_free(struct unicode_needle *n)
{
    bytes_free(&n->folded);
}

struct unicode_search *unicode_search_new(void)
{
    struct unicode_search *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    bytes_init(&s->window, SIZE_MAX / 2);
    s->folder = unicode_folder_new(UNICODE_SEARCH);
    if (s->folder)
        return s;
    free(s);
    return NULL;
}

void unicode_search_free(struct unicode_search *s)
{
    if (!s)
        return;
    unicode_folder_free(s->folder);
    bytes_free(&s->window);
    free(s);
}

static lanes all(unsigned char c)
{
    return (lanes){ c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c };
}

/* What makes letters small, and nothing else that is compared with one: 0x20 for a letter. */
static unsigned char small_bit(char c)
{
    return c >= 'a' && c <= 'z' ? 0x20 : 0;
}

static bool any(lanes v)
{
    uint64_t half[2];
    memcpy(half, &v, sizeof half);
    return (half[0] | half[1]) != 0;
}

static bool is_at(const char *p, struct span folded)
{
    for (size_t i = 0; i < folded.n; i++)
        if (ascii_lower(p[i]) != folded.p[i])
            return false;
    return true;
}

bool unicode_holds_ascii(struct span text, struct span folded)
{
    if (folded.n == 0 || text.n < folded.n)
        return folded.n == 0;
    size_t last = folded.n - 1, places = text.n - last, at = 0;
    const lanes a = all((unsigned char)folded.p[0]), b = all((unsigned char)folded.p[last]);
    const lanes a_bit = all(small_bit(folded.p[0])), b_bit = all(small_bit(folded.p[last]));
    for (; at + LANES <= places; at += LANES) {
        lanes head, tail;
        memcpy(&head, text.p + at, LANES);
        memcpy(&tail, text.p + at + last, LANES);
        lanes fits = (lanes)((head | a_bit) == a) & (lanes)((tail | b_bit) == b);
        if (!any(fits))
            continue;
        for (size_t i = 0; i < LANES; i++)
            if (fits[i] && is_at(text.p + at + i, folded))
                return true;
    }
    for (; at < places; at++)
        if (is_at(text.p + at, folded))
            return true;
    return false;
}

/* Does what begins at p mean something else than its bytes, or is it the word? There are `left` bytes. */
static bool may_hold(const char *p, size_t left, struct span word)
{
    unsigned char c = (unsigned char)*p;
    return c >= 0x80 || c == '*' || (c == '=' && left > 1 && p[1] == '?') ||
           (word.n > 0 && left >= word.n && is_at(p, word));
}

bool unicode_rules_out(const struct unicode_needle *n, struct span raw)
{
    struct span word = span_head(n->ascii ? n->word : SPAN(""), LONG);
    size_t last = word.n ? word.n - 1 : 0, reach = LANES + (last > 1 ? last : 1), at = 0;
    if (n->folded.len == 0 || (n->ascii && word.n == 0))
        return false;
    const unsigned char first = word.n ? (unsigned char)word.p[0] : 0xff,
                        end = word.n ? (unsigned char)word.p[last] : 0;
    const lanes a = all(first), b = all(end), a_bit = all(small_bit((char)first)),
                b_bit = all(small_bit((char)end));
    for (; at + reach <= raw.n; at += LANES) {
        lanes here, behind, tail;
        memcpy(&here, raw.p + at, LANES);
        memcpy(&behind, raw.p + at + 1, LANES);
        memcpy(&tail, raw.p + at + last, LANES);
        lanes encoded = (lanes)(here >= all(0x80)) | (lanes)(here == all('*')) |
                        ((lanes)(here == all('=')) & (lanes)(behind == all('?')));
        if (!any(encoded | ((lanes)((here | a_bit) == a) & (lanes)((tail | b_bit) == b))))
            continue;
        for (size_t i = 0; i < LANES; i++)
            if (may_hold(raw.p + at + i, raw.n - at - i, word))
                return false;
    }
    for (; at < raw.n; at++)
        if (may_hold(raw.p + at, raw.n - at, word))
            return false;
    return true;
}

bool unicode_search_begin(struct unicode_search *s, const struct unicode_needle *n)
{
    s->needle = n;
    s->partial_length = 0;
    bytes_clear(&s->window);
    s->found = n->folded.len == 0;
    return s->found;
}

/* Leaves what the needle may have begun in. */
static void shorten_window(struct unicode_search *s, size_t keep)
{
    if (s->window.len <= keep)
        return;
    memmove(s->window.data, s->window.data + s->window.len - keep, keep + 1);
    s->window.len = keep;
}

static void look_through_window(struct unicode_search *s)
{
    struct span folded = span_bytes(&s->needle->folded);
    s->failed |= s->window.failed;
    s->found |= s->window.len >= folded.n && memmem(s->window.data, s->window.len, folded.p, folded.n);
    shorten_window(s, folded.n - 1 + MARKS);
}

static void add_folded(struct unicode_search *s, struct span piece)
{
    unicode_folder_add(s->folder, piece, &s->window);
    look_through_window(s);
}

/* A run of ASCII: the needle may begin before it, be in it, or end behind it. */
static void add_ascii(struct unicode_search *s, struct span run)
{
    size_t reach = s->needle->folded.len - 1;
    if (s->window.len > 0)
        add_folded(s, span_head(run, reach));
    if (!s->found && s->needle->ascii)
        s->found = unicode_holds_ascii(run, span_bytes(&s->needle->folded));
    if (run.n <= reach && s->window.len > 0)
        return;
    bytes_clear(&s->window);
    unicode_folder_add(s->folder, span_from(run, run.n > reach ? run.n - reach : 0), &s->window);
}

/* Bytes at the end of s that begin a character and don't end it. */
static size_t cut_character(struct span s)
{
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        unsigned char c = (unsigned char)s.p[s.n - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return length > back ? back : 0;
    }
    return 0;
}

/* Completes the character that the last piece was cut in, or finds it malformed. */
static struct span take_partial(struct unicode_search *s, struct span text)
{
    char both[sizeof s->partial + 4];
    uint32_t c;
    while (s->partial_length > 0 && text.n > 0) {
        struct span head = span_head(text, 4);
        memcpy(both, s->partial, s->partial_length);
        memcpy(both + s->partial_length, head.p, head.n);
        struct span whole = { both, s->partial_length + head.n };
        size_t n = utf8_read(whole, &c);
        if (n == 0 && cut_character(whole) == whole.n) { /* still not whole */
            memcpy(s->partial, both, whole.n);
            s->partial_length = whole.n;
            return span_from(text, text.n);
        }
        n = n > s->partial_length ? n : 1;
        add_folded(s, span_head(whole, n));
        if (n > s->partial_length) {
            text = span_from(text, n - s->partial_length);
            s->partial_length = 0;
        } else {
            memmove(s->partial, s->partial + 1, --s->partial_length);
        }
    }
    return text;
}

bool unicode_search_add(struct unicode_search *s, struct span text)
{
    if (s->found || text.n == 0)
        return s->found;
    text = take_partial(s, text);
    if (text.n == 0)
        return s->found;
    s->partial_length = cut_character(text);
    if (s->partial_length)
        memcpy(s->partial, text.p + text.n - s->partial_length, s->partial_length);
    text.n -= s->partial_length;
    while (text.n && !s->found && !s->failed) {
        size_t run = utf8_ascii_run(text), n = PIECE;
        bool in_place = !s->needle->ascii || s->needle->folded.len <= LONG;
        if (in_place && (run == text.n || run >= PIECE)) {
            add_ascii(s, span_head(text, run));
            text = span_from(text, run);
            continue;
        }
        if (n < text.n) /* not within a character */
            n -= cut_character(span_head(text, n));
        add_folded(s, span_head(text, n));
        text = span_from(text, n);
    }
    return s->found;
}

bool unicode_search_end(struct unicode_search *s)
{
    if (!s->found && s->partial_length)
        add_folded(s, (struct span){ s->partial, s->partial_length });
    s->partial_length = 0;
    return s->found;
}

bool unicode_search_failed(const struct unicode_search *s)
{
    return s->failed;
}

bool unicode_contains(struct span haystack, struct span needle)
{
    struct unicode_needle n;
    struct unicode_search *s = unicode_search_new();
    bool found = unicode_needle_init(&n, needle) && s &&
                 (unicode_search_begin(s, &n) || unicode_search_add(s, haystack) || unicode_search_end(s));
    unicode_needle_free(&n);
    unicode_search_free(s);
    return found;
}
