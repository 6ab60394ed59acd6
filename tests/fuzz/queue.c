/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files of the queue: what is read of an envelope stands there, at the place that is remembered for its mark.
 */
#include "fuzz.h"

#include "store/queue_private.h"

static void check_message(const struct queue_message *m, struct span text)
{
    HOLDS(m->recipient_count > 0 && m->content > 0 && (size_t)m->content <= text.n &&
          m->size == text.n - (size_t)m->content);
    HOLDS(text.p[m->content - 1] == '\n' && text.p[m->content - 2] == '\n');
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct queue_recipient *r = &m->recipients[i];
        struct span address = span_of(r->address.text);
        HOLDS((size_t)r->at + 2 + address.n < (size_t)m->content && text.p[r->at] == r->mark &&
              text.p[r->at - 1] == '\n');
        HOLDS(span_eq(span_head(span_from(text, (size_t)r->at + 2), address.n), address) &&
              text.p[(size_t)r->at + 2 + address.n] == '\n');
        HOLDS(r->address.local_length <= address.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct queue_message m = { .fd = -1 };
    struct span text = fuzz_span(data, size);
    size_t half = span_find(text, '\0');
    struct span file = span_head(text, half);
    if (queue_read_envelope(file, file.n, &m) == ST_OK) {
        check_message(&m, file);
        queue_read_why(span_from(text, half + 1), &m);
        for (size_t i = 0; i < m.recipient_count; i++)
            HOLDS(!m.replies[i] || strlen(m.replies[i]) <= QUEUE_REPLY_LIMIT);
    }
    queue_message_free(&m);
    return 0;
}
