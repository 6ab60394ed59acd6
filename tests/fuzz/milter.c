/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a milter answers: every byte of it is hostile. Replies for a client are whole lines of printable
 * ASCII, and whatever it does to a header section, that stays one: no line ends it early, and none is a field
 * that wasn't asked for.
 */
#include "fuzz.h"

#include "text/header.h"
#include "text/header_list.h"
#include "text/milter.h"

static void check_reply(struct span data)
{
    struct bytes reply;
    bytes_init(&reply, FUZZ_OUT_LIMIT);
    if (milter_read_reply(data, &reply)) {
        struct span rest = span_bytes(&reply), line;
        HOLDS(rest.n >= 4 && rest.n <= MILTER_REPLY_LIMIT);
        while (span_cut(&rest, '\n', &line)) {
            bool last = !rest.p;
            HOLDS(last || (line.n && line.p[line.n - 1] == '\r'));
            line.n -= !last;
            HOLDS(line.n >= 4 && (line.p[0] == '4' || line.p[0] == '5') && line.p[3] == (last ? ' ' : '-'));
            for (size_t i = 0; i < line.n; i++)
                HOLDS(line.p[i] >= ' ' && line.p[i] <= '~');
        }
    }
    bytes_free(&reply);
}

/* As many fields as there were and were added, each whole. */
static void check_list(const struct header_list *l)
{
    struct header_field field;
    struct bytes out;
    size_t left = 0, found = 0;
    bytes_init(&out, FUZZ_OUT_LIMIT);
    HOLDS(header_list_write(l, &out));
    for (size_t i = 0; i < l->count; i++)
        left += !l->items[i].deleted;
    struct span rest = span_bytes(&out);
    while (header_next(&rest, &field))
        found++;
    HOLDS(found == left && rest.n == 0);
    bytes_free(&out);
}

static void play(struct header_list *l, char code, struct span data)
{
    struct milter_options o;
    struct span name, value;
    uint32_t index;
    bool indexed = code == MILTER_INSERT_HEADER || code == MILTER_CHANGE_HEADER;
    check_reply(data);
    if (milter_read_options(data, &o))
        for (int i = 0; i < MILTER_STAGES; i++)
            HOLDS(!o.macros[i].p || fuzz_within(o.macros[i], data));
    if (milter_read_string(data, &name))
        HOLDS(fuzz_within(name, data));
    if (!milter_read_header(data, indexed, &index, &name, &value))
        return;
    HOLDS(fuzz_within(name, data) && fuzz_within(value, data));
    if (code == MILTER_CHANGE_HEADER)
        HOLDS(header_list_change(l, index, name, value, index & 1));
    else if (code == MILTER_INSERT_HEADER)
        HOLDS(header_list_insert(l, index, name, value, index & 1));
    else
        HOLDS(header_list_add(l, name, value, data.n & 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    struct span in = fuzz_span(input, size), data;
    struct header_list l;
    size_t used;
    char code;
    HOLDS(header_list_read(SPAN("To: a\r\nX: 1\r\nSubject: s\r\n folded\r\nx: 2\r\n\r\n"), &l));
    while (milter_take(in, &used, &code, &data) == MILTER_PACKET) {
        HOLDS(used <= in.n && used == data.n + 5 && fuzz_within(data, in));
        play(&l, code, data);
        in = span_from(in, used);
    }
    check_list(&l);
    header_list_free(&l);
    return 0;
}
