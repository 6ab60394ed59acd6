/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * BINARY[...] and BINARY.SIZE[...] (RFC 3516, RFC 9051 6.4.5.1): a part with its transfer encoding undone.
 */
#ifndef POSTERN_IMAPD_BINARY_H
#define POSTERN_IMAPD_BINARY_H

#include "fetch.h"

/* False: the item is one of these two, and the part's encoding is none that we know. */
bool binary_decodable(const struct fetching *f, const struct fetch_item *item);
/* Appends `{n}`, or `~{n}` where there are NULs, to i->line and streams the bytes; NIL where there is no such
 * part. */
void binary_write(struct fetching *f, const struct fetch_item *item);
/* How many bytes binary_write would send of all of it; 0 where there is no such part. */
uint64_t binary_size(const struct fetching *f, const struct fetch_item *item);

#endif
