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

/* Writes trace and message as they are. A file is copied with copy_file_range where the kernel can. ST_TEMP with errno. */
enum status content_write_crlf(const struct content *c, int fd);
/* Writes them with LF line ends; *lf_size is what was written, *crlf_size what it would be with CRLF. */
enum status content_write_lf(const struct content *c, int fd, uint64_t *lf_size, uint64_t *crlf_size);

#endif
