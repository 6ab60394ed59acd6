/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Encoded words, charsets, search and normalisation: whatever comes in, UTF-8 comes out; a text holds itself.
 */
#include "fuzz.h"

#include "text/unicode.h"
#include "text/unicode_search.h"
#include "text/utf8.h"
#include "text/words.h"

/* The first byte is how long the needle is, the second where the haystack is cut. A text in pieces holds what
 * it holds whole, and what unicode_rules_out() rules out isn't there. */
static void search_in_pieces(const uint8_t *data, size_t size)
{
    if (size < 2)
        return;
    struct span input = fuzz_span(data + 2, size - 2), needle = span_head(input, data[0]);
    struct span haystack = span_from(input, needle.n), rest = haystack;
    bool whole = unicode_contains(haystack, needle);
    struct unicode_needle n;
    struct unicode_search *s = unicode_search_new();
    HOLDS(s && unicode_needle_init(&n, needle));
    unicode_search_begin(s, &n);
    for (size_t step = data[1] % 16 + 1; rest.n; rest = span_from(rest, step))
        unicode_search_add(s, span_head(rest, step));
    HOLDS(unicode_search_end(s) == whole && !unicode_search_failed(s));
    HOLDS(!whole || !unicode_rules_out(&n, haystack));
    unicode_needle_free(&n);
    unicode_search_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const charsets[] = { "utf-8",        "us-ascii",    "iso-8859-1",
                                            "iso-8859-2",   "iso-8859-15", "windows-1250",
                                            "windows-1251", "koi8-r",      "x-unknown" };
    struct span input = fuzz_span(data, size);
    struct bytes text, again;
    bytes_init(&text, FUZZ_OUT_LIMIT);
    bytes_init(&again, FUZZ_OUT_LIMIT);
    for (size_t i = 0; i < sizeof charsets / sizeof charsets[0]; i++) {
        bytes_clear(&text);
        HOLDS(charset_to_utf8(span_of(charsets[i]), input, &text) && utf8_valid(span_bytes(&text)));
    }
    bytes_clear(&text);
    HOLDS(words_decode(input, &text) && utf8_valid(span_bytes(&text)));
    HOLDS(unicode_contains(span_bytes(&text), span_bytes(&text)));
    HOLDS(unicode_contains(input, input) && unicode_contains(input, SPAN("")));

    bytes_clear(&text);
    HOLDS(words_decode_parameters(input, &text) && utf8_valid(span_bytes(&text)));
    search_in_pieces(data, size);

    bytes_clear(&text);
    HOLDS(unicode_fold(input, &text) && utf8_valid(span_bytes(&text)));
    HOLDS(unicode_fold(span_bytes(&text), &again) && span_eq(span_bytes(&again), span_bytes(&text)));
    HOLDS(unicode_contains(input, span_bytes(&text)));
    bytes_clear(&text);
    bytes_clear(&again);
    HOLDS(unicode_nfc(input, &text) == utf8_valid(input));
    if (utf8_valid(input))
        HOLDS(unicode_nfc(span_bytes(&text), &again) && span_eq(span_bytes(&again), span_bytes(&text)));
    bytes_free(&text);
    bytes_free(&again);
    return 0;
}
