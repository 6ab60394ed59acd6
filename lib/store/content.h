/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The bytes of one message on their way to disk: trace headers in front, then the
 * message, from memory or from an unlinked file. Always CRLF line ends, never dot-stuffed.
 */
#ifndef POSTERN_STORE_CONTENT_H
#define POSTERN_STORE_CONTENT_H

#include "base/bytes.h"
#include "base/status.h"

#include <sys/types.h>

struct content {
    struct span trace;  /* our header fields, CRLF */
    struct span memory; /* the message, when fd is -1 */
    int fd;             /* or an open file that holds it, from offset 0 */
    uint64_t size;      /* of the message in memory or file, without trace */
};

/* Writes trace and message as they are. A file is copied with copy_file_range where the kernel can. ST_TEMP
 * with errno. */
enum status content_write_crlf(const struct content *c, int fd);
/* Writes them with LF line ends; *lf_size is what was written, *crlf_size what it would be with CRLF. */
enum status content_write_lf(const struct content *c, int fd, uint64_t *lf_size, uint64_t *crlf_size);

/* Copies `size` bytes from offset 0 of `from` to the end of `to`, inside the kernel where it can. ST_TEMP
 * with errno; EIO if `from` is shorter. */
enum status content_copy(int from, uint64_t size, int to);

/* CRLF to LF in pieces. A bare CR or LF stays as it is; the sizes tell how such a file is served: each LF
 * that no CR precedes becomes CRLF. Begin with a struct of zeros. */
struct lf_lines {
    bool held;          /* the last piece ended in a CR that is not written yet */
    char last;          /* the last byte written */
    uint64_t lf_size;   /* bytes written so far */
    uint64_t crlf_size; /* bytes these are with CRLF line ends */
};
/* Writes to `out`, which has room for in.n + 1 bytes; returns how many. */
size_t lf_lines_add(struct lf_lines *l, struct span in, char *out);
/* At the end: a CR that was held back. At most one byte. */
size_t lf_lines_end(struct lf_lines *l, char *out);
/* The size with CRLF line ends of bytes that have LF, CRLF or both. */
uint64_t lf_wire_size(struct span file);

#endif
