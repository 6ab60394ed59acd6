/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of the table of routes: what is read is written in one form, and that form is read as the same hop.
 */
#include "fuzz.h"

#include "text/hop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes who, text;
    struct hop h, again;
    bytes_init(&who, ADDRESS_LIMIT);
    bytes_init(&text, HOP_TEXT_LIMIT);
    if (!hop_line(fuzz_span(data, size), &who, &h)) {
        hop_write(&h, &text);
        HOLDS(!text.failed && text.len && who.len);
        HOLDS(!hop_read(span_bytes(&text), &again) && memcmp(&h, &again, sizeof h) == 0);
        HOLDS(!h.auth || !h.local);
        for (size_t i = 0; i < text.len; i++)
            HOLDS(text.data[i] >= ' ' && text.data[i] != 0x7f);
    }
    bytes_free(&who);
    bytes_free(&text);
    return 0;
}
