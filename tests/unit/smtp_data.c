/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of DATA: where a message ends, what its bytes are, and what is wrong with it, the same however
 * the network cuts it.
 */
#include "text/smtp_data.h"
#include "tap.h"

#include <string.h>

struct row {
    const char *name;
    struct span input;
    const char *message; /* NULL: it doesn't end */
    unsigned found;
    size_t left;         /* bytes behind the end */
};

#define FAULT(f, input, left) { #input, SPAN(input), "", f, left }
static const struct row rows[] = {
    { "empty message", SPAN(".\r\n"), "", 0, 0 },
    { "one line", SPAN("a\r\n.\r\n"), "a\r\n", 0, 0 },
    { "dots unstuffed", SPAN("..\r\n...a\r\n.b\r\na.b.\r\n.\r\n"), ".\r\n..a\r\nb\r\na.b.\r\n", 0, 0 },
    { "what follows is left", SPAN("a\r\n.\r\nQUIT\r\n"), "a\r\n", 0, 6 },
    { "two ends", SPAN(".\r\n.\r\n"), "", 0, 3 },
    { "8-bit", SPAN("\xc3\xa4\r\n.\r\n"), "\xc3\xa4\r\n", SMTP_DATA_EIGHT_BIT, 0 },
    { "8-bit behind eight bytes", SPAN("12345678\xff\r\n.\r\n"), "12345678\xff\r\n", SMTP_DATA_EIGHT_BIT, 0 },
    { "empty lines", SPAN("\r\n\r\n.\r\n"), "\r\n\r\n", 0, 0 },
    { "no end", SPAN("a\r\n."), NULL, 0, 0 },
    { "no end, dot and CR", SPAN("a\r\n.\r"), NULL, 0, 0 },
    { "no end, nothing", SPAN(""), NULL, 0, 0 },
    FAULT(SMTP_DATA_BARE, "a\n.\n\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "a\n.\r\n\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "a\r\n.\n\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "a\r\n.\r\r\n\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "a\r.\r\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "a\r.\r\n\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "a\r\n.\rb\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "a\r\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "a\n\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "\n.\r\n\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE, "\r.\r\n\r\n.\r\nMAIL", 4),
    FAULT(SMTP_DATA_BARE, "a\n\n.\n\n\r\n.\r\n", 0),
    FAULT(SMTP_DATA_NUL, "a\0b\r\n.\r\n", 0),
    FAULT(SMTP_DATA_NUL, "a\r\n.\0\r\n.\r\n", 0),
    FAULT(SMTP_DATA_NUL, "\0\r\n.\r\n", 0),
    FAULT(SMTP_DATA_BARE | SMTP_DATA_NUL, "\0\n\r\n.\r\n", 0),
};

static bool reads(const struct row *r, size_t piece)
{
    struct smtp_data d;
    struct bytes out;
    size_t at = 0;
    bytes_init(&out, 65536);
    smtp_data_init(&d);
    while (at < r->input.n && !d.ended)
        at += smtp_data_read(&d, span_head(span_from(r->input, at), piece), &out);
    bool good = d.ended == (r->message != NULL) && d.found == r->found && r->input.n - at == r->left;
    if (good && r->message && !(r->found & SMTP_DATA_FAULTS))
        good = span_eq_str(span_bytes(&out), r->message) && d.size == out.len;
    bytes_free(&out);
    return good;
}

/* --- chunks */

static const struct {
    const char *name;
    struct span input;
    const char *message;
    unsigned found;
} chunk_rows[] = {
    { "nothing", SPAN(""), "", 0 },
    { "lines", SPAN("a\r\nb\r\n"), "a\r\nb\r\n", 0 },
    { "dots", SPAN(".\r\n..\r\n.\r\nQUIT\r\n"), ".\r\n..\r\n.\r\nQUIT\r\n", 0 },
    { "no last end", SPAN("a\r\n.b"), "a\r\n.b\r\n", 0 },
    { "8-bit", SPAN("\xc3\xa4"), "\xc3\xa4\r\n", SMTP_DATA_EIGHT_BIT },
    { "a CR at the end", SPAN("a\r"), "", SMTP_DATA_BARE },
    { "a bare LF", SPAN("a\nb\r\n"), "", SMTP_DATA_BARE },
    { "a LF first", SPAN("\n"), "", SMTP_DATA_BARE },
    { "a CR between", SPAN("a\rb\r\n"), "", SMTP_DATA_BARE },
    { "a NUL", SPAN("a\0b\r\n"), "", SMTP_DATA_NUL },
};

static void check_chunks(size_t row, size_t piece)
{
    struct smtp_data d;
    struct bytes out;
    struct span input = chunk_rows[row].input;
    bytes_init(&out, 65536);
    smtp_data_init_chunks(&d);
    bool good = true;
    for (size_t at = 0; at < input.n; at += piece) {
        struct span in = span_head(span_from(input, at), piece);
        good = smtp_data_read(&d, in, &out) == in.n && good;
    }
    smtp_data_end_chunks(&d, &out);
    good = good && d.ended && d.found == chunk_rows[row].found;
    if (!(d.found & SMTP_DATA_FAULTS))
        good = good && span_eq_str(span_bytes(&out), chunk_rows[row].message) && d.size == out.len;
    ok(good, "chunks of %zu bytes: %s", piece, chunk_rows[row].name);
    bytes_free(&out);
}

static void check_length(size_t length, unsigned expected)
{
    struct bytes in, out;
    struct smtp_data d;
    bytes_init(&in, 1000000);
    bytes_init(&out, 1000000);
    bytes_add_str(&in, "..");
    for (size_t i = 1; i < length; i++)
        bytes_add_char(&in, 'x');
    bytes_add_str(&in, "\r\nshort\r\n.\r\n");
    for (size_t piece = 1000; piece <= 100000; piece *= 100) {
        size_t at = 0;
        smtp_data_init(&d);
        while (!d.ended && at < in.len)
            at += smtp_data_read(&d, span_head(span_from(span_bytes(&in), at), piece), &out);
        ok(d.ended && d.found == expected && at == in.len, "a line of %zu bytes in pieces of %zu", length,
           piece);
    }
    bytes_free(&in);
    bytes_free(&out);
}

int main(void)
{
    for (size_t i = 0; i < sizeof chunk_rows / sizeof chunk_rows[0]; i++)
        for (size_t piece = 1; piece < 5; piece++)
            check_chunks(i, piece);
    static const size_t pieces[] = { 1, 2, 3, 5, 4096 };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++)
            ok(reads(&rows[i], pieces[p]), "%s in pieces of %zu", rows[i].name, pieces[p]);
    check_length(SMTP_DATA_LINE_MOST, 0);
    check_length(SMTP_DATA_LINE_MOST + 1, SMTP_DATA_OVER);
    check_length(SMTP_DATA_LINE_LIMIT, SMTP_DATA_OVER);
    check_length(SMTP_DATA_LINE_LIMIT + 1, SMTP_DATA_LONG | SMTP_DATA_OVER);
    return done_testing();
}
