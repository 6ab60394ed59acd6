/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text behind DATA: in whatever pieces it arrives, its end, size and faults are the same, and what is
 * kept is the input with dots unstuffed and all of its lines ended.
 */
#include "fuzz.h"

#include "text/smtp_data.h"

struct outcome {
    struct smtp_data d;
    size_t used;
    struct bytes out;
};

static void play(struct span input, size_t piece, struct outcome *o)
{
    smtp_data_init(&o->d);
    bytes_init(&o->out, input.n);
    o->used = 0;
    while (o->used < input.n && !o->d.ended) {
        struct span in = span_head(span_from(input, o->used), piece);
        size_t n = smtp_data_read(&o->d, in, &o->out);
        HOLDS(n <= in.n && (n == in.n || o->d.ended));
        o->used += n;
    }
    HOLDS(!o->out.failed);
}

/* Where CRLF.CRLF ends, the message beginning behind a CRLF; 0 if nowhere. */
static size_t find_end(struct span input)
{
    if (span_starts(input, ".\r\n"))
        return 3;
    const char *at = input.n ? memmem(input.p, input.n, "\r\n.\r\n", 5) : NULL;
    return at ? (size_t)(at - input.p) + 5 : 0;
}

/* By BDAT all of it is the message, and however it is cut, it is the same. */
static void play_chunks(struct span input, size_t piece, struct outcome *o)
{
    smtp_data_init_chunks(&o->d);
    bytes_init(&o->out, input.n + 2);
    for (o->used = 0; o->used < input.n;) {
        struct span in = span_head(span_from(input, o->used), piece);
        HOLDS(smtp_data_read(&o->d, in, &o->out) == in.n);
        o->used += in.n;
    }
    smtp_data_end_chunks(&o->d, &o->out);
    HOLDS(o->d.ended && !o->out.failed);
}

static void check_chunks(struct span input, size_t piece)
{
    struct outcome whole, pieces;
    play_chunks(input, input.n + 1, &whole);
    play_chunks(input, piece, &pieces);
    HOLDS(whole.d.found == pieces.d.found && whole.d.size == pieces.d.size);
    if (!(whole.d.found & SMTP_DATA_FAULTS)) {
        struct span out = span_bytes(&whole.out);
        HOLDS(span_eq(out, span_bytes(&pieces.out)) && span_eq(span_head(out, input.n), input));
        HOLDS(out.n == 0 || span_eq_str(span_from(out, out.n - 2), "\r\n"));
        HOLDS(!memchr(out.p, '\0', out.n));
    }
    bytes_free(&whole.out);
    bytes_free(&pieces.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    struct outcome whole, pieces;
    check_chunks(input, size ? data[0] % 7 + 1U : 1);
    play(input, size + 1, &whole);
    play(input, size ? data[0] % 7 + 1U : 1, &pieces);
    HOLDS(whole.d.ended == pieces.d.ended && whole.used == pieces.used && whole.d.found == pieces.d.found);
    HOLDS(whole.d.size == pieces.d.size);
    HOLDS(whole.d.ended == (find_end(input) != 0));
    if (whole.d.ended)
        HOLDS(whole.used == find_end(input));
    if (!(whole.d.found & SMTP_DATA_FAULTS)) {
        HOLDS(whole.out.len == whole.d.size && span_eq(span_bytes(&whole.out), span_bytes(&pieces.out)));
        HOLDS(!whole.d.ended || whole.out.len == 0 ||
              span_eq_str(span_from(span_bytes(&whole.out), whole.out.len - 2), "\r\n"));
    }
    bytes_free(&whole.out);
    bytes_free(&pieces.out);
    return 0;
}
