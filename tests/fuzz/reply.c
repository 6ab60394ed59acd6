/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A server's replies, and the trace fields that are written with what strangers said.
 */
#include "fuzz.h"

#include "text/header.h"
#include "text/reply.h"
#include "text/trace.h"
#include "text/utf8.h"

static void read_reply(struct span input)
{
    struct reply r;
    struct ehlo e = { .size_limit = 0 };
    struct span line;
    char status[12];
    reply_start(&r);
    while (span_cut(&input, '\n', &line)) {
        enum reply_state state = reply_line(&r, line);
        HOLDS(r.length <= REPLY_TEXT_LIMIT && strlen(r.text) == r.length &&
              (state == REPLY_BAD || r.bytes <= REPLY_LIMIT));
        for (size_t i = 0; i < r.length; i++)
            HOLDS(r.text[i] >= ' ' && r.text[i] <= '~');
        ehlo_line(&e, span_from(line, 4));
        HOLDS(e.limits.mails <= EHLO_LIMITS_MOST && e.limits.recipients <= EHLO_LIMITS_MOST &&
              e.limits.domains <= EHLO_LIMITS_MOST);
        if (state == REPLY_MORE)
            continue;
        HOLDS(state == REPLY_BAD || (r.code >= 200 && r.code <= 599));
        reply_status(r.text, r.code, status);
        HOLDS(strlen(status) < sizeof status);
        reply_start(&r);
    }
}

static void write_trace(struct span input)
{
    struct address recipient = { .local_length = 0 };
    struct header_field field;
    struct bytes out;
    address_parse(input, &recipient);
    struct trace t = { .helo = span_head(input, input.n / 2),
                       .address = "192.0.2.1",
                       .hostname = "mx.test",
                       .extended = input.n & 1,
                       .tls = input.n & 2,
                       .login = input.n & 4,
                       .tls_description = span_from(input, input.n / 2),
                       .id = "id",
                       .recipient = recipient.local_length ? &recipient : NULL,
                       .time = 1795297081 };
    bytes_init(&out, FUZZ_OUT_LIMIT);
    HOLDS(trace_return_path(&recipient, &out) && trace_received(&t, &out));
    struct span rest = span_bytes(&out);
    HOLDS(header_next(&rest, &field) && span_eq_str(field.name, "Return-Path"));
    HOLDS(header_next(&rest, &field) && span_eq_str(field.name, "Received") && rest.n == 0);
    HOLDS(utf8_valid(span_bytes(&out))); /* the recipient's address is as it was given */
    for (size_t i = 0; i < out.len; i++)
        HOLDS(((unsigned char)out.data[i] >= ' ' && (unsigned char)out.data[i] < 0x7f) ||
              (out.data[i] && strchr("\r\n\t", out.data[i])) ||
              ((unsigned char)out.data[i] >= 0x80 && !address_is_ascii(&recipient)));
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_reply(fuzz_span(data, size));
    write_trace(fuzz_span(data, size));
    return 0;
}
