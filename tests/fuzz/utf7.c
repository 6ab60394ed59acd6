/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modified UTF-7: a name has one form in each of the two encodings, and the way there and back ends where it
 * began.
 */
#include "fuzz.h"

#include "text/utf7.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    struct bytes name, back;
    bytes_init(&name, FUZZ_OUT_LIMIT);
    bytes_init(&back, FUZZ_OUT_LIMIT);
    bool valid = utf7_to_utf8(input, &name);
    HOLDS(valid == utf7_valid(input));
    if (valid) {
        HOLDS(utf8_valid(span_bytes(&name)));
        HOLDS(utf7_from_utf8(span_bytes(&name), &back) && span_eq(span_bytes(&back), input));
    }
    bytes_clear(&name);
    bytes_clear(&back);
    bool utf8 = utf8_valid(input) && span_find(input, '\0') == size;
    HOLDS(utf7_from_utf8(input, &name) == utf8);
    if (utf8) {
        HOLDS(utf7_valid(span_bytes(&name)));
        HOLDS(utf7_to_utf8(span_bytes(&name), &back) && span_eq(span_bytes(&back), input));
    }
    bytes_free(&name);
    bytes_free(&back);
    return 0;
}
