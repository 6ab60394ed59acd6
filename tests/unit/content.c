/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Line ends and sizes of what goes to disk, in one piece, in many, from memory and from a file.
 */
#include "tap.h"

#include "base/files.h"
#include "store/content.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE ((size_t)700 * 1000) /* more than two pieces of a file */

static int scratch(void)
{
    char path[] = "/tmp/postern-content-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    return fd;
}

static struct span contents(int fd, char *to, size_t size)
{
    ssize_t n = pread(fd, to, size, 0);
    return (struct span){ to, n < 0 ? 0 : (size_t)n };
}

static const struct {
    const char *name, *trace, *message, *stored, *wire;
} rows[] = {
    { "nothing", "", "", "", "" },
    { "CRLF", "", "a\r\nb\r\n", "a\nb\n", "a\r\nb\r\n" },
    { "trace in front", "R: x\r\n", "a: b\r\n\r\nc\r\n", "R: x\na: b\n\nc\n", "R: x\r\na: b\r\n\r\nc\r\n" },
    { "no line end at the end", "", "a\r\nb", "a\nb", "a\r\nb" },
    { "bare LF", "", "a\nb\r\n", "a\nb\n", "a\r\nb\r\n" },
    { "bare CR", "", "a\rb\r\n", "a\rb\n", "a\rb\r\n" },
    { "CR at the very end", "", "a\r\n\r", "a\n\r", "a\r\n\r" },
    { "CR CR LF is served as CRLF", "", "a\r\r\nb\r\n", "a\r\nb\n", "a\r\nb\r\n" },
    { "only line ends", "", "\r\n\r\n\n\r\n", "\n\n\n\n", "\r\n\r\n\r\n\r\n" },
    { "CR LF parted between trace and message", "T: x\r", "\nb\r\n", "T: x\nb\n", "T: x\r\nb\r\n" },
};

static void check(size_t i, bool from_file)
{
    char stored[256];
    struct content c = { .trace = span_of(rows[i].trace),
                         .memory = span_of(rows[i].message),
                         .fd = -1,
                         .size = strlen(rows[i].message) };
    if (from_file) {
        c.fd = scratch();
        file_write(c.fd, c.memory);
    }
    int to = scratch();
    uint64_t lf = 99, crlf = 99;
    enum status st = content_write_lf(&c, to, &lf, &crlf);
    struct span s = contents(to, stored, sizeof stored);
    ok(st == ST_OK && span_eq_str(s, rows[i].stored) && lf == strlen(rows[i].stored) &&
           crlf == strlen(rows[i].wire) && lf_wire_size(s) == crlf,
       "%s, from %s: %zu bytes, %llu on the wire", rows[i].name, from_file ? "a file" : "memory", s.n,
       (unsigned long long)crlf);
    int raw = scratch();
    st = content_write_crlf(&c, raw);
    s = contents(raw, stored, sizeof stored);
    ok(st == ST_OK && span_starts(s, rows[i].trace) &&
           span_eq_str(span_from(s, strlen(rows[i].trace)), rows[i].message),
       "%s, from %s: unchanged for the queue", rows[i].name, from_file ? "a file" : "memory");
    close(raw);
    close(to);
    file_close(c.fd);
}

/* The same result however the bytes are cut. */
static void cut_everywhere(size_t i)
{
    struct span message = span_of(rows[i].message);
    bool same = true;
    for (size_t at = 0; at <= message.n; at++) {
        char out[256];
        struct lf_lines l = { 0 };
        size_t n = lf_lines_add(&l, span_of(rows[i].trace), out);
        n += lf_lines_add(&l, span_head(message, at), out + n);
        n += lf_lines_add(&l, span_from(message, at), out + n);
        n += lf_lines_end(&l, out + n);
        same &= span_eq_str((struct span){ out, n }, rows[i].stored) && l.crlf_size == strlen(rows[i].wire);
    }
    ok(same, "%s: in two pieces, cut anywhere", rows[i].name);
}

static void large_file(void)
{
    struct content c = { .trace = SPAN("T: x\r\n"), .fd = scratch() };
    char *line = malloc(LARGE * 2), *back = malloc(LARGE * 2);
    size_t n = 0;
    for (size_t i = 0; n < LARGE; i++)
        n += (size_t)sprintf(line + n, "%.*s\r\n", (int)(i % 78),
                             "012345678901234567890123456789012345678901234567890"
                             "123456789012345678901234567890");
    file_write(c.fd, (struct span){ line, n });
    c.size = n;
    int to = scratch(), raw = scratch();
    uint64_t lf, crlf;
    ok(content_write_lf(&c, to, &lf, &crlf) == ST_OK && crlf == n + 6, "a large file's size on the wire");
    struct span s = contents(to, back, LARGE * 2);
    ok(s.n == lf && !memchr(s.p, '\r', s.n) && lf_wire_size(s) == crlf, "a large file has LF line ends");
    ok(content_write_crlf(&c, raw) == ST_OK && contents(raw, back, LARGE * 2).n == n + 6 &&
           memcmp(back + 6, line, n) == 0,
       "a large file copied as it is");
    c.size = n + 1;
    ok(content_write_lf(&c, to, &lf, &crlf) == ST_TEMP, "a file that is shorter than it should be");
    ok(content_write_crlf(&c, to) == ST_TEMP, "a file that is shorter than it should be, for the queue");
    free(line);
    free(back);
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(i, false);
        check(i, true);
        cut_everywhere(i);
    }
    large_file();
    struct content c = { .memory = SPAN("a\r\n"), .fd = -1, .size = 3 };
    uint64_t lf, crlf;
    int full = open("/dev/full", O_WRONLY);
    ok(content_write_lf(&c, full, &lf, &crlf) == ST_TEMP, "a full disk is a temporary failure");
    ok(content_write_crlf(&c, full) == ST_TEMP, "a full disk, for the queue");
    return done_testing();
}
