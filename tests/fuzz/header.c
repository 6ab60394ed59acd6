/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Header sections: fields lie in order inside the section, its end is where the reader stops, and an unfolded
 * value is one line.
 */
#include "fuzz.h"

#include "text/fields.h"
#include "text/header.h"

static void check_field(const struct header_field *f, struct span header)
{
    struct bytes line;
    HOLDS(fuzz_within(f->whole, header) && fuzz_within(f->name, f->whole) && fuzz_within(f->value, f->whole));
    HOLDS(f->name.p == f->whole.p && f->name.n > 0 && f->value.p[-1] == ':');
    for (size_t i = 0; i < f->name.n; i++)
        HOLDS(f->name.p[i] > ' ' && f->name.p[i] < 0x7f && f->name.p[i] != ':');
    size_t end = f->whole.n - (size_t)(f->value.p + f->value.n - f->whole.p);
    HOLDS(end <= 2);
    bytes_init(&line, f->value.n);
    HOLDS(header_unfold(f->value, &line));
    HOLDS(span_find(span_bytes(&line), '\n') == line.len && span_find(span_bytes(&line), '\r') == line.len);
    bytes_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const without[] = { "Bcc", "Received", NULL };
    struct span input = fuzz_span(data, size), header = span_head(input, header_end(input)), rest = input;
    struct header_field f, found;
    struct bytes out;
    const char *before = input.p;
    size_t count = 0, received = 0;
    while (header_next(&rest, &f)) {
        HOLDS(f.whole.p >= before && rest.p == f.whole.p + f.whole.n);
        before = rest.p;
        check_field(&f, header);
        if (span_ieq_str(f.name, "received") && received++ == 0)
            HOLDS(header_find(header, "Received", &found) && found.whole.p == f.whole.p);
        count++;
    }
    HOLDS(rest.p + rest.n == input.p + input.n);
    size_t ended = rest.n == 0 ? 0 : rest.p[0] == '\n' ? 1 : 2;
    HOLDS((size_t)(rest.p - input.p) + ended == header.n);
    HOLDS(header_count(input, "RECEIVED") == received);

    static const struct span picked[] = { { "received", 8 }, { "Subject", 7 } };
    struct span values[2];
    header_pick(input, picked, 2, values);
    for (size_t n = 0; n < 2; n++)
        HOLDS(header_find(header, picked[n].p, &found)
                  ? values[n].p == found.value.p && values[n].n == found.value.n
                  : !values[n].p);

    struct fields looked;
    char id[MESSAGE_ID_LIMIT + 1];
    bytes_init(&out, FUZZ_OUT_LIMIT);
    fields_look(header, &looked);
    HOLDS(looked.received == received);
    HOLDS(header_find(header, "Message-ID", &found) ? looked.message_id.p == found.value.p
                                                    : !looked.message_id.p);
    message_id_read(looked.message_id, id);
    HOLDS(strlen(id) <= MESSAGE_ID_LIMIT && !strpbrk(id, "\r\n>"));
    HOLDS(fields_without(header, without, &out) && out.len <= header.n);
    HOLDS(header_count(span_bytes(&out), "Received") == 0 && header_count(span_bytes(&out), "bcc") == 0);
    fields_begin(input);
    bytes_free(&out);
    return 0;
}
