/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message's way to POP3's wire: the first byte is TOP's number of lines (255: RETR), the rest the file.
 * What a client makes of it is the message again with CRLF line ends, or its top.
 */
#include "fuzz.h"

#include "../../bin/pop3d/wire.c"

#include "base/files.h"

#include <sys/mman.h>

/* The same, written the slow way: what the client must get before the final dot, without stuffing. */
static void expected(struct span file, uint64_t lines, struct bytes *out)
{
    struct span rest = file, line;
    bool body = false;
    while (rest.n && (!body || lines)) {
        bool ended = span_find(rest, '\n') < rest.n;
        span_cut(&rest, '\n', &line);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        else if (!ended && line.n == 0)
            break;
        bytes_add_span(out, line);
        bytes_add_str(out, "\r\n");
        lines -= body;
        body = body || line.n == 0;
    }
}

/* What a client does: takes one dot off, and ends at the dot alone. */
static void received(struct span wire, struct bytes *out)
{
    struct span rest = wire, line;
    bool ended = false;
    while (rest.n) {
        HOLDS(!ended && span_find(rest, '\n') < rest.n);
        span_cut(&rest, '\n', &line);
        HOLDS(line.n && line.p[line.n - 1] == '\r');
        ended = span_eq(line, SPAN(".\r"));
        if (ended)
            continue;
        if (line.p[0] == '.') {
            HOLDS(line.p[1] == '.');
            line = span_from(line, 1);
        }
        bytes_add_span(out, line);
        bytes_add_char(out, '\n');
    }
    HOLDS(ended);
}

static void read_all(int fd, struct bytes *out)
{
    HOLDS(lseek(fd, 0, SEEK_SET) == 0);
    for (ssize_t n = 1; n > 0;) {
        HOLDS(bytes_reserve(out, 65536));
        n = read(fd, out->data + out->len, 65536);
        HOLDS(n >= 0);
        out->len += (size_t)n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes wire, got, wanted;
    if (size == 0)
        return 0;
    uint64_t lines = data[0] == 255 ? WIRE_ALL : data[0];
    struct span file = fuzz_span(data + 1, size - 1);
    bytes_init(&wire, FUZZ_OUT_LIMIT);
    bytes_init(&got, FUZZ_OUT_LIMIT);
    bytes_init(&wanted, FUZZ_OUT_LIMIT);
    int in = memfd_create("file", MFD_CLOEXEC), out = memfd_create("wire", MFD_CLOEXEC);
    HOLDS(in >= 0 && out >= 0 && file_write(in, file) == ST_OK && lseek(in, 0, SEEK_SET) == 0);
    struct conn *c = conn_new(out, out);
    HOLDS(c && wire_send(c, in, lines) && conn_flush(c));
    read_all(out, &wire);
    received(span_bytes(&wire), &got);
    expected(file, lines, &wanted);
    HOLDS(span_eq(span_bytes(&got), span_bytes(&wanted)));
    conn_free(c);
    close(in);
    close(out);
    bytes_free(&wire);
    bytes_free(&got);
    bytes_free(&wanted);
    return 0;
}
