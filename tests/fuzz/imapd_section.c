/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What FETCH sends of a message: a line with items, then the message. Sections lie inside the message or what
 * was built from its header, and the walk that makes CRLF of LF counts what it passes over.
 */
#include "fuzz.h"

#include "../../bin/imapd/parse.c"
#include "../../bin/imapd/parse_fetch.c"
#include "../../bin/imapd/section.c"
#include "../../bin/imapd/wire.c"

static void check_wire(struct span stored, uint64_t split)
{
    struct wire w;
    size_t bare = 0;
    for (size_t n = 0; n < stored.n; n++)
        bare += stored.p[n] == '\n' && (n == 0 || stored.p[n - 1] != '\r');
    wire_start(&w, stored);
    uint64_t total = wire_left(&w, UINT64_MAX);
    HOLDS(total == stored.n + bare);
    HOLDS(wire_left(&w, split) == (split < total ? split : total));
    wire_skip(&w, split);
    HOLDS(wire_left(&w, UINT64_MAX) == (split < total ? total - split : 0));
    HOLDS(w.at <= stored.n);
}

static void check_item(const struct fetch *fetch, const struct fetch_item *item, struct span message,
                       const struct mime_part *root)
{
    struct bytes built, label;
    struct span found;
    bytes_init(&built, FUZZ_OUT_LIMIT);
    bytes_init(&label, FUZZ_OUT_LIMIT);
    if (section_find(fetch, item, message, root, &built, &found)) {
        HOLDS(found.n == 0 || fuzz_within(found, message) || fuzz_within(found, span_bytes(&built)));
        check_wire(found, item->offset);
    }
    section_label(fetch, item, &label);
    for (size_t n = 0; n < label.len; n++)
        HOLDS(label.data[n] != '\r' && label.data[n] != '\n' && label.data[n] != 0);
    bytes_free(&built);
    bytes_free(&label);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span message = fuzz_span(data, size), line;
    struct bytes text;
    struct parser p;
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch || !span_cut(&message, '\n', &line)) {
        free(fetch);
        return 0;
    }
    if (!message.p)
        message = SPAN("");
    bytes_init(&text, size + 1);
    parser_init(&p, line, &text);
    if (parse_fetch(&p, fetch)) {
        struct mime_part *root = mime_parse(message);
        for (size_t n = 0; root && n < fetch->count; n++)
            if (fetch->items[n].kind == FETCH_SECTION)
                check_item(fetch, &fetch->items[n], message, root);
        mime_free(root);
    }
    bytes_free(&text);
    free(fetch);
    return 0;
}
