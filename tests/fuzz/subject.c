/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Base subjects and sort names: UTF-8 comes out of what is decoded, and a base subject without brackets is
 * its own.
 */
#include "fuzz.h"

#include "text/subject.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    struct bytes base, again;
    bool reply, again_reply;
    bytes_init(&base, FUZZ_OUT_LIMIT);
    bytes_init(&again, FUZZ_OUT_LIMIT);
    HOLDS(subject_base(input, &base, &reply) && utf8_valid(span_bytes(&base)));
    struct span s = span_bytes(&base);
    HOLDS(s.n == 0 || (s.p[s.n - 1] != ' ' && s.p[s.n - 1] != '\t'));
    /* Encoded words may decode to what looks like one. A blob that isn't alone, or "[fwd: x]" behind one, may
     * be left. */
    if (span_find(s, '[') == s.n && span_find(s, '=') == s.n)
        HOLDS(subject_base(s, &again, &again_reply) && span_eq(span_bytes(&again), s) && !again_reply);
    bytes_clear(&again);
    HOLDS(subject_address(input, false, &again) && subject_address(input, true, &again));
    bytes_free(&base);
    bytes_free(&again);
    return 0;
}
