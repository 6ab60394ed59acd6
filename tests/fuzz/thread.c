/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Threads: of whatever messages, each is written once, in parentheses that are in balance, and in pieces as
 * in one. A line is a message; its bytes are what it is and refers to, out of few ids, so that circles come
 * up.
 */
#include "fuzz.h"

#include "text/thread.h"

#define MESSAGES 200

static void check(struct span out, uint32_t count)
{
    bool seen[MESSAGES + 1] = { false };
    size_t depth = 0, written = 0;
    for (size_t at = 0; at < out.n;) {
        if (ascii_digit(out.p[at])) {
            uint32_t n = 0;
            for (; at < out.n && ascii_digit(out.p[at]); at++)
                n = n * 10 + (uint32_t)(out.p[at] - '0');
            HOLDS(n > 0 && n <= count && !seen[n] && depth > 0);
            seen[n] = true;
            written++;
            continue;
        }
        HOLDS(out.p[at] != '(' || at + 1 < out.n);
        HOLDS(out.p[at] != ')' || (depth > 0 && (out.p[at - 1] == ')' || ascii_digit(out.p[at - 1]))));
        HOLDS(out.p[at] != ' ' || (ascii_digit(out.p[at - 1]) && out.p[at + 1] != ')'));
        depth += out.p[at] == '(';
        depth -= out.p[at] == ')';
        at++;
    }
    HOLDS(depth == 0 && written == count);
}

/* `<x@y>` for each byte but the first three, which are the message's id, subject and date. */
static void add(struct threads *t, uint32_t number, struct span line)
{
    char id[16], references[4096];
    size_t n = 0;
    unsigned char c[3] = { 0 };
    memcpy(c, line.p, line.n < 3 ? line.n : 3);
    snprintf(id, sizeof id, c[0] % 8 ? "<%d@y>" : "%d", c[0] % 32);
    for (size_t at = 3; at < line.n && n + 16 < sizeof references; at++)
        n += (size_t)snprintf(references + n, sizeof references - n, line.p[at] % 8 ? "<%d@y>" : "<%d",
                              (unsigned char)line.p[at] % 32);
    bool to = c[1] & 0x80;
    struct span ids = { references, n }, subject = { (const char *)&c[1], c[1] % 4 > 0 };
    HOLDS(threads_add(t, &(struct thread_message){
                             .number = number,
                             .date = c[2] % 16,
                             .message_id = span_of(id),
                             .references = to ? SPAN("") : ids,
                             .in_reply_to = to ? ids : SPAN("<1@y>"),
                             .subject = subject,
                             .reply = c[1] & 0x40,
                         }));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t key[2] = { 1, 2 };
    for (int by = 0; by < 2; by++) {
        struct span rest = fuzz_span(data, size), line;
        struct threads *t = threads_new(MESSAGES, key);
        struct bytes out;
        uint32_t count = 0;
        HOLDS(t != NULL);
        bytes_init(&out, FUZZ_OUT_LIMIT);
        while (count < MESSAGES && span_cut(&rest, '\n', &line))
            add(t, ++count, line);
        HOLDS(by ? threads_by_references(t) : threads_by_subject(t));
        while (threads_write(t, out.len + 1, &out))
            ;
        HOLDS(!out.failed);
        check(span_bytes(&out), count);
        bytes_free(&out);
        threads_free(t);
    }
    return 0;
}
