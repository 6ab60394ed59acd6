/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * xtext and ORCPT: what is valid decodes, what is written is valid again and says the same, and nothing that
 * ends a line comes out.
 */
#include "fuzz.h"

#include "text/xtext.h"

static void check_line(const struct bytes *b)
{
    for (size_t i = 0; i < b->len; i++)
        HOLDS((unsigned char)b->data[i] >= ' ' && b->data[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes one, two;
    struct span text = fuzz_span(data, size);
    bytes_init(&one, FUZZ_OUT_LIMIT);
    bytes_init(&two, FUZZ_OUT_LIMIT);
    HOLDS(xtext_encode(text, &one) && xtext_decode(span_bytes(&one), &two) &&
          span_eq(span_bytes(&two), text));
    for (int utf8 = 0; utf8 < 2; utf8++) {
        bytes_clear(&one);
        if (!orcpt_valid(text, utf8))
            continue;
        HOLDS(orcpt_show(text, utf8, &one));
        check_line(&one);
        for (int wire = 0; wire < 2; wire++) {
            bytes_clear(&two);
            HOLDS(orcpt_write(text, wire, &two) && orcpt_valid(span_bytes(&two), wire || utf8));
            check_line(&two);
        }
    }
    bytes_clear(&one);
    if (orcpt_make(text, &one)) {
        check_line(&one);
        HOLDS(orcpt_valid(span_bytes(&one), false) || size == 0);
    }
    bytes_free(&one);
    bytes_free(&two);
    return 0;
}
