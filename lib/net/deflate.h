/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * COMPRESS=DEFLATE (RFC 4978) on a connection: raw deflate (RFC 1951) in both directions, by zlib.
 */
#ifndef POSTERN_NET_DEFLATE_H
#define POSTERN_NET_DEFLATE_H

#include "net/conn.h"

struct deflate;

/* All the memory that compressing takes, so that a command can still be refused; the other direction's window
 * of 32 KiB comes with the first byte. NULL if it runs out. */
struct deflate *deflate_new(void);
/* Behind the reply to COMPRESS: sends what is buffered, in plain, and compresses from the next byte on. What
 * the client sent behind its command is taken as compressed. c owns d then. c has no layer yet: TLS is
 * another process's. */
void deflate_start(struct conn *c, struct deflate *d);
/* Is c compressed? */
bool deflate_is_on(const struct conn *c);

#endif
