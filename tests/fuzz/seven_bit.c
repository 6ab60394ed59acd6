/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is converted to 7 bits is ASCII, has the same parts, and each says what it said; done again it stays
 * as it is. A report always can be. The same goes for what has its long lines encoded too.
 */
#include "fuzz.h"

#include "text/mime.h"
#include "text/seven_bit.h"
#include "text/utf8.h"

static bool put(void *to, struct span piece)
{
    return bytes_add_span(to, piece);
}

static void decode(const struct mime_part *part, struct bytes *out)
{
    struct mime_decoder d;
    struct span piece;
    bytes_clear(out);
    mime_decoder_start(&d, part->body, part->encoding);
    while (mime_decoder_next(&d, SIZE_MAX, &piece))
        for (size_t i = 0; i < piece.n; i++)
            if (piece.p[i] != '\r') /* a bare LF gets one */
                bytes_add_char(out, piece.p[i]);
}

static bool is_plain(enum mime_encoding e)
{
    return e == MIME_7BIT || e == MIME_8BIT || e == MIME_BINARY;
}

static void compare(const struct mime_part *a, const struct mime_part *b, struct bytes *one,
                    struct bytes *other)
{
    for (; a && b; a = a->next, b = b->next) {
        if (a->child && !b->child && b->encoding != a->encoding) /* encoded whole */
            continue;
        if (!a->child && !b->child && is_plain(a->encoding) &&
            (utf8_ascii_run(a->body) < a->body.n || !is_plain(b->encoding))) {
            decode(a, one);
            decode(b, other);
            HOLDS(span_eq(span_bytes(one), span_bytes(other)));
        }
        compare(a->child, b->child, one, other);
    }
}

typedef enum seven_bit (*writer)(struct span message, bool (*put)(void *to, struct span piece), void *to);

static void convert(struct span message, writer write)
{
    struct bytes out, again, one, other;
    bytes_init(&out, FUZZ_OUT_LIMIT);
    bytes_init(&again, FUZZ_OUT_LIMIT);
    bytes_init(&one, FUZZ_OUT_LIMIT);
    bytes_init(&other, FUZZ_OUT_LIMIT);
    enum seven_bit fault = write(message, put, &out);
    HOLDS(fault != SEVEN_BIT_FAILED);
    struct mime_part *root = mime_parse(message);
    HOLDS(fault == SEVEN_BIT_OK ||
          !(span_ieq_str(root->type, "multipart") && span_ieq_str(root->subtype, "report")));
    mime_free(root);
    if (fault == SEVEN_BIT_OK) {
        HOLDS(utf8_ascii_run(span_bytes(&out)) == out.len);
        HOLDS(write(span_bytes(&out), put, &again) == SEVEN_BIT_OK);
        struct mime_part *a = mime_parse(message), *b = mime_parse(span_bytes(&out));
        if (!span_ieq_str(a->subtype, "report")) /* which may lose something */
            compare(a, b, &one, &other);
        mime_free(a);
        mime_free(b);
    }
    bytes_free(&out);
    bytes_free(&again);
    bytes_free(&one);
    bytes_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    convert(fuzz_span(data, size), seven_bit_write);
    convert(fuzz_span(data, size), seven_bit_write_lines);
    return 0;
}
