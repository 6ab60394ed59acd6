/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Header sections (RFC 5322 2.2 and its appendix A.5, A.6), well formed and not.
 */
#include "tap.h"

#include "text/header.h"

#include <stdlib.h>
#include <string.h>

static void show(struct span header, struct bytes *out)
{
    struct header_field f;
    while (header_next(&header, &f)) {
        bytes_add_char(out, '[');
        bytes_add_span(out, f.name);
        bytes_add_char(out, '|');
        header_unfold(f.value, out);
        bytes_add_char(out, ']');
    }
}

static void fields(void)
{
    static const struct {
        const char *name;
        struct span input;
        size_t end;
        const char *expected;
    } rows[] = {
        { "two fields", SPAN("A: 1\r\nB:2\r\n\r\nbody: no\r\n"), 13, "[A|1][B|2]" },
        { "LF", SPAN("A: 1\nB:2\n\nbody: no\n"), 10, "[A|1][B|2]" },
        { "mixed", SPAN("A: 1\nB:2\r\n\nbody: no\n"), 11, "[A|1][B|2]" },
        { "folded", SPAN("A: 1\r\n 2\r\n\t3\r\nB: 4\r\n\r\n"), 22, "[A|1 2\t3][B|4]" },
        { "folded at once", SPAN("A:\r\n 1\r\n\r\n"), 10, "[A|1]" },
        { "blank line in a field (RFC 5322 4.2)", SPAN("A: 1\r\n  \r\n 2\r\n\r\n"), 16, "[A|1   2]" },
        { "blank before the colon (A.6.3)", SPAN("From  : John\r\nTo\t: x\r\n\r\n"), 24,
          "[From|John][To|x]" },
        { "empty", SPAN(""), 0, "" },
        { "empty line first", SPAN("\r\nA: 1\r\n"), 2, "" },
        { "LF alone", SPAN("\nA: 1"), 1, "" },
        { "no empty line", SPAN("A: 1\r\nB: 2"), 10, "[A|1][B|2]" },
        { "no header at all", SPAN("Hello,\nhow are you?\n"), 20, "" },
        { "mbox line first", SPAN("From a@b Sat Nov 21 21:00:00 2026\nA: 1\n\n"), 40, "[A|1]" },
        { "mbox line within", SPAN("A: 1\n>From a@b Sat Nov 21 21:00:00 2026\nB: 2\n\n"), 46,
          "[A|1 >From a@b Sat Nov 21 21:00:00 2026][B|2]" },
        { "continuation first", SPAN(" x\r\nA: 1\r\n\r\n"), 12, "[A|1]" },
        { "junk line", SPAN("A: 1\r\njunk\r\nB: 2\r\n\r\n"), 20, "[A|1 junk][B|2]" },
        { "no name", SPAN(": 1\r\nA: 2\r\n\r\n"), 13, "[A|2]" },
        { "8-bit name", SPAN("\xc3\xb6: 1\r\nA: 2\r\n\r\n"), 15, "[A|2]" },
        { "8-bit value", SPAN("A: \xff\r\n\r\n"), 8, "[A|\xff]" },
        { "empty value", SPAN("A:\r\nB: \r\n\r\n"), 11, "[A|][B|]" },
        { "bare CR", SPAN("A: 1\r2\r\r\n\r\n"), 11, "[A|1 2]" },
        { "CR at the end", SPAN("A: 1\r"), 5, "[A|1]" },
        { "CR alone", SPAN("\r"), 1, "" },
        { "colons", SPAN("A:b:c\r\n\r\n"), 9, "[A|b:c]" },
    };
    struct bytes out;
    bytes_init(&out, 65536);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes_clear(&out);
        show(rows[i].input, &out);
        ok(header_end(rows[i].input) == rows[i].end && strcmp(bytes_str(&out), rows[i].expected) == 0,
           "%s: %zu %s", rows[i].name, header_end(rows[i].input), bytes_str(&out));
    }
    bytes_free(&out);
}

int main(void)
{
    fields();

    struct span h = SPAN("Received: 1\r\nsubject:\r\n a\r\nRECEIVED: 2\r\n 3\r\n\r\nreceived: body\r\n");
    struct header_field f;
    ok(header_find(h, "Subject", &f) && span_eq_str(f.value, "\r\n a") &&
           span_eq_str(f.whole, "subject:\r\n a\r\n"),
       "value and whole are as they stand");
    ok(header_find(h, "received", &f) && span_eq_str(f.value, " 1"), "the first of several");
    ok(header_count(h, "received") == 2, "fields are counted up to the empty line");
    static const struct span names[] = { { "X", 1 }, { "Subject", 7 }, { "Received", 8 } };
    struct span values[3];
    header_pick(h, names, 3, values);
    ok(!values[0].p && span_eq_str(values[1], "\r\n a") && span_eq_str(values[2], " 1"),
       "the first of each name");
    ok(!header_find(h, "Receive", &f) && !header_find(h, "Receivedx", &f), "names match whole");

    struct bytes out;
    bytes_init(&out, 65536);
    struct span nul = SPAN("A: 1\0002\r\nB\0: 3\r\n\r\n");
    ok(header_next(&nul, &f) && f.value.n == 11 && !header_next(&nul, &f),
       "NUL in a value stays, in a name makes none");
    bytes_free(&out);
    bytes_init(&out, 3);
    ok(!header_unfold(SPAN("four"), &out) && out.failed, "a value over the limit");
    bytes_free(&out);

    size_t n = 1 << 20;
    char *big = malloc(n);
    if (!big)
        abort();
    memset(big, 'x', n);
    ok(header_end((struct span){ big, n }) == n && header_count((struct span){ big, n }, "x") == 0,
       "1 MiB of a line");
    for (size_t i = 0; i + 4 <= n; i += 4)
        memcpy(big + i, "X:1\n", 4);
    ok(header_count((struct span){ big, n }, "x") == n / 4, "1 MiB of fields");
    for (size_t i = 0; i + 2 <= n; i += 2)
        memcpy(big + i, " \n", 2);
    memcpy(big, "X:", 2);
    ok(header_count((struct span){ big, n }, "x") == 1, "1 MiB of folding");
    free(big);
    return done_testing();
}
