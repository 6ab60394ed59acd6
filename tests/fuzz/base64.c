/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Base64 and quoted-printable: what is encoded decodes to itself, and strict decoding takes one text a value.
 */
#include "fuzz.h"

#include "text/base64.h"

/* Every byte escaped or, for every other value of `seed`, only those that must be; lines cut at 70. */
static void encode_quoted(struct span data, unsigned seed, struct bytes *out)
{
    size_t column = 0;
    for (size_t i = 0; i < data.n; i++) {
        unsigned char c = (unsigned char)data.p[i];
        bool plain = c > ' ' && c < 0x7f && c != '=' && (seed & 1);
        bytes_printf(out, plain ? "%c" : "=%02X", c);
        column += plain ? 1 : 3;
        if (column > 70) {
            bytes_add_str(out, seed & 2 ? "=\r\n" : "= \t\n");
            column = 0;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    struct bytes text, back;
    bytes_init(&text, FUZZ_OUT_LIMIT);
    bytes_init(&back, FUZZ_OUT_LIMIT);
    if (base64_decode(input, &back)) {
        HOLDS(base64_encode(span_bytes(&back), &text) && span_eq(span_bytes(&text), input));
        bytes_clear(&text);
        HOLDS(base64_decode_body(input, &text) && span_eq(span_bytes(&text), span_bytes(&back)));
    }
    bytes_clear(&text);
    bytes_clear(&back);
    HOLDS(base64_encode(input, &text) && text.len == (size + 2) / 3 * 4);
    HOLDS(base64_decode(span_bytes(&text), &back) && span_eq(span_bytes(&back), input));
    bytes_clear(&back);
    HOLDS(base64_decode_body(input, &back) && back.len <= size);
    bytes_clear(&back);
    HOLDS(quoted_printable_decode(input, &back) && back.len <= size);
    for (unsigned seed = 0; seed < 4; seed++) {
        bytes_clear(&text);
        bytes_clear(&back);
        encode_quoted(input, seed, &text);
        HOLDS(quoted_printable_decode(span_bytes(&text), &back) && span_eq(span_bytes(&back), input));
    }
    bytes_free(&text);
    bytes_free(&back);
    return 0;
}
