/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * maildirsize as its owner may write it, limits as an administrator may, and LIST's patterns: whatever is in
 * the file, what is answered is what lies there or what the file could say, and no sum is beyond 63 bits.
 */
#include "fuzz.h"

#include "../../bin/imapd/pattern.c"
#include "../../lib/store/quota.c"

static void limits(struct span text)
{
    struct quota q, again;
    struct bytes out;
    if (!quota_parse(text, &q))
        return;
    bytes_init(&out, 200);
    quota_print(&q, &out);
    HOLDS(quota_parse(span_bytes(&out), &again) && again.bytes == q.bytes && again.messages == q.messages);
    bytes_free(&out);
}

static void file(struct span text)
{
    struct quota q = { 1000, 50 };
    struct quota_used u;
    unsigned lines = 0;
    if (!read_text(text, &q, &u, &lines))
        return;
    HOLDS(lines > 0 && lines <= text.n && u.bytes <= INT64_MAX && u.messages <= INT64_MAX);
    HOLDS(span_starts(text, "1000S,50C\n") || span_find(text, '\n') >= 7);
}

static void pattern(struct span text)
{
    struct span pattern, name = text;
    span_cut(&name, '\n', &pattern);
    bool matches = pattern_matches(pattern, name);
    if (span_eq_str(pattern, "*"))
        HOLDS(matches == (name.n <= PATTERN_NAME_LIMIT));
    if (span_find(pattern, '*') == pattern.n && span_find(pattern, '%') == pattern.n && matches)
        HOLDS(pattern.n == name.n && span_ieq(pattern, name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const what[])(struct span) = { limits, file, pattern };
    if (size == 0)
        return 0;
    what[data[0] % 3](fuzz_span(data + 1, size - 1));
    return 0;
}
