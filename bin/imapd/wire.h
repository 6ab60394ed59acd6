/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A stored message as the wire wants it, with CRLF line ends (on disk it has LF), walked over in
 * place.
 *
 * A file with CRLF, or with both, comes out right too: only an LF without CR before it grows. NUL, which no
 * literal may hold (RFC 3501 4.3), leaves as 0x80.
 */
#ifndef POSTERN_IMAPD_WIRE_H
#define POSTERN_IMAPD_WIRE_H

#include "net/conn.h"

struct wire {
    struct span stored;
    size_t at; /* in stored */
    bool half; /* the CR of the LF at `at` has been passed */
};

/* From the beginning of stored. */
void wire_start(struct wire *w, struct span stored);
/* How many bytes are left on the wire, but no more than max. w stays. */
uint64_t wire_left(const struct wire *w, uint64_t max);
/* Passes over n bytes, or to the end. */
void wire_skip(struct wire *w, uint64_t n);
/* Writes exactly n bytes: if fewer are left, because somebody changed the file meanwhile, spaces make up for
 * them, as the literal's count is already gone. */
void wire_write(struct wire *w, struct conn *c, uint64_t n);

#endif
