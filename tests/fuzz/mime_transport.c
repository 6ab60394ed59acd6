/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Binary MIME made fit for 8BITMIME: where all that is wrong was in bodies, only lines come out, and every
 * part that was there decodes to the bytes it had.
 */
#include "fuzz.h"

#include "text/mime.h"
#include "text/smtp_data.h"

static bool put(void *to, struct span piece)
{
    return bytes_add_span(to, piece);
}

/* The same parts in both, with the same bytes. */
static void compare(const struct mime_part *a, const struct mime_part *b, struct bytes *x, struct bytes *y)
{
    for (; a && b; a = a->next, b = b->next) {
        compare(a->child, b->child, x, y);
        if (a->child)
            continue;
        bytes_clear(x);
        bytes_clear(y);
        HOLDS(mime_decode(a, x) && mime_decode(b, y));
        HOLDS(b->encoding != MIME_BINARY);
        HOLDS(span_eq(span_bytes(x), span_bytes(y)));
    }
    HOLDS(!a == !b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span message = fuzz_span(data, size);
    struct mime_part *root = mime_parse(message), *after;
    struct bytes out, x, y;
    struct smtp_data d;
    HOLDS(root != NULL);
    bytes_init(&out, 2 * size + 1000 * 100);
    bytes_init(&x, 2 * size + 100);
    bytes_init(&y, 2 * size + 100);
    HOLDS(mime_for_transport(message, root, put, &out));
    smtp_data_init_chunks(&d);
    HOLDS(smtp_data_read(&d, span_bytes(&out), NULL) == out.len);
    if (!(d.found & SMTP_DATA_FAULTS) && (after = mime_parse(span_bytes(&out)))) {
        compare(root, after, &x, &y);
        mime_free(after);
    }
    mime_free(root);
    bytes_free(&out);
    bytes_free(&x);
    bytes_free(&y);
    return 0;
}
