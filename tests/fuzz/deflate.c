/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A client's bytes behind COMPRESS, read as lines and literals. The first bytes choose how much of it had
 * come with the command, and how it is read.
 */
#include "fuzz.h"

#include "net/deflate.h"

#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#define READS 2000 /* a bomb isn't read to its end */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    int in = memfd_create("input", MFD_CLOEXEC), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    size_t early = data[0] < size - 2 ? data[0] : size - 2;
    struct span rest = fuzz_span(data + 2 + early, size - 2 - early);
    HOLDS(in >= 0 && null >= 0 && write(in, rest.p, rest.n) == (ssize_t)rest.n &&
          lseek(in, 0, SEEK_SET) == 0);
    struct conn *c = conn_new(in, null);
    struct deflate *d = deflate_new();
    HOLDS(c && d && conn_unread(c, fuzz_span(data + 2, early)));
    deflate_start(c, d);
    enum conn_result got = CONN_OK;
    for (unsigned i = 0; i < READS && got != CONN_GONE; i++) {
        struct span have;
        got = data[1] >> i % 8 & 1 ? conn_line(c, 512, &have) : conn_peek(c, &have);
        HOLDS(conn_pending(c).n <= CONN_BUFFER && (got != CONN_OK || have.n <= CONN_BUFFER));
        if (got == CONN_OK && !(data[1] >> i % 8 & 1))
            conn_take(c, have.n);
        conn_write_str(c, "* OK reply\r\n");
    }
    conn_free(c);
    close(in);
    close(null);
    return 0;
}
