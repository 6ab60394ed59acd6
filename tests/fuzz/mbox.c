/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * mbox: whatever a file holds, its messages lie in it one behind the other, in every dialect; and what is
 * written is read again as it was, with its flags, date and keywords.
 */
#include "fuzz.h"

#include "text/header.h"
#include "text/mbox.h"

static bool put(void *to, struct span piece)
{
    return bytes_add_span(to, piece);
}

static void read_file(struct span file, enum mbox_format format)
{
    struct mbox m;
    struct mbox_message message;
    struct bytes out;
    if (!mbox_open(file, format, &m))
        return;
    bytes_init(&out, FUZZ_OUT_LIMIT);
    const char *behind = file.p;
    while (mbox_next(&m, &message)) {
        HOLDS(fuzz_within(message.text, file) && message.text.p >= behind);
        HOLDS(message.header.n == 0 || fuzz_within(message.header, message.text));
        behind = message.text.p + message.text.n;
        bytes_clear(&out);
        HOLDS(mbox_read(&m, &message, put, &out) && out.len <= message.text.n);
    }
    HOLDS(m.rest.n == 0);
    bytes_free(&out);
}

/* What is left of a message that was written and read. */
static void read_one(struct span file, struct bytes *out, struct mbox_message *message)
{
    struct mbox m;
    struct mbox_message second;
    HOLDS(mbox_open(file, MBOX_ANY, &m) && mbox_next(&m, message));
    HOLDS(mbox_read(&m, message, put, out));
    HOLDS(mbox_next(&m, &second) && second.date == 86400 && !mbox_next(&m, &second));
}

static void write_and_read(struct span text, unsigned flags)
{
    struct bytes file, once, twice;
    struct mbox_message message;
    bytes_init(&file, FUZZ_OUT_LIMIT);
    bytes_init(&once, FUZZ_OUT_LIMIT);
    bytes_init(&twice, FUZZ_OUT_LIMIT);
    struct span keywords = flags & 1 ? SPAN("$Forwarded work") : SPAN("");
    HOLDS(mbox_write(text, 1000000000, flags, keywords, put, &file));
    HOLDS(mbox_write(SPAN("Subject: next\n\n"), 86400, 0, SPAN(""), put, &file));
    read_one(span_bytes(&file), &once, &message);
    HOLDS(message.flags == flags && span_eq(message.keywords, keywords) && message.date == 1000000000);
    bool own = false;
    struct span rest = span_head(text, header_end(text));
    for (struct header_field f; header_next(&rest, &f);)
        own |= span_ieq_str(f.name, "Status") || span_istarts(f.name, "X-") ||
               span_ieq_str(f.name, "Content-Length");
    if (!own) {
        HOLDS(once.len >= text.n && once.len <= text.n + 1 &&
              (text.n == 0 || memcmp(once.data, text.p, text.n) == 0));
        HOLDS(once.len == text.n || once.data[text.n] == '\n');
    }
    bytes_clear(&file);
    HOLDS(mbox_write(span_bytes(&once), 1000000000, flags, keywords, put, &file));
    HOLDS(mbox_write(SPAN("Subject: next\n\n"), 86400, 0, SPAN(""), put, &file));
    read_one(span_bytes(&file), &twice, &message);
    HOLDS(span_eq(span_bytes(&once), span_bytes(&twice)));
    bytes_free(&file);
    bytes_free(&once);
    bytes_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    for (int format = MBOX_ANY; format <= MBOX_CL2; format++)
        read_file(input, (enum mbox_format)format);
    if (size)
        write_and_read(span_from(input, 1), data[0] & 31);
    return 0;
}
