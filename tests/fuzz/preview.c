/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Previews are valid UTF-8 of 200 characters at most, without blanks at their ends or beside each other;
 * parts decoded in pieces come out the same however large the pieces are.
 */
#include "fuzz.h"

#include "text/preview.h"
#include "text/utf8.h"

static void check_text(struct span text)
{
    size_t characters = 0;
    HOLDS(utf8_valid(text));
    HOLDS(text.n == 0 || (text.p[0] != ' ' && text.p[text.n - 1] != ' '));
    for (size_t i = 0; i < text.n; i++) {
        HOLDS((unsigned char)text.p[i] >= 0x20);
        HOLDS(text.p[i] != ' ' || text.p[i + 1] != ' ');
        characters += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    }
    HOLDS(characters <= PREVIEW_CHARACTERS);
}

static void decode(const struct mime_part *part, size_t max, struct bytes *out)
{
    struct mime_decoder d;
    struct span piece;
    bytes_clear(out);
    mime_decoder_start(&d, part->body, part->encoding);
    while (mime_decoder_next(&d, max, &piece)) {
        HOLDS(piece.n <= max);
        bytes_add_span(out, piece);
    }
    HOLDS(out->len <= 2 * part->body.n + 1);
}

static void check_decoders(const struct mime_part *part, struct bytes *one, struct bytes *other)
{
    for (; part; part = part->next) {
        decode(part, 1, one);
        decode(part, SIZE_MAX, other);
        HOLDS(span_eq(span_bytes(one), span_bytes(other)));
        bytes_clear(other);
        if (part->encoding == MIME_BASE64 && mime_decode(part, other))
            HOLDS(span_eq(span_bytes(one), span_bytes(other)));
        check_decoders(part->child, one, other);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes one, other;
    bytes_init(&one, FUZZ_OUT_LIMIT);
    bytes_init(&other, FUZZ_OUT_LIMIT);
    struct mime_part *root = mime_parse(fuzz_span(data, size));
    HOLDS(root && preview_write(root, &one));
    check_text(span_bytes(&one));
    check_decoders(root, &one, &other);
    mime_free(root);
    bytes_free(&one);
    bytes_free(&other);
    return 0;
}
