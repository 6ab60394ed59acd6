/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The bytes that BODY[...] means (RFC 3501 6.4.5).
 */
#ifndef POSTERN_IMAPD_SECTION_H
#define POSTERN_IMAPD_SECTION_H

#include "parse.h"
#include "text/mime.h"

/* `root` is needed only for an item with part numbers, and may be NULL else. *found points into the message,
 * or into `built` (emptied here) for HEADER.FIELDS. False: there is no such section; the answer is NIL. */
bool section_find(const struct fetch *fetch, const struct fetch_item *item, struct span message,
                  const struct mime_part *root, struct bytes *built, struct span *found);
/* The part that an item's numbers mean; NULL: there is none. */
const struct mime_part *section_part(const struct fetch_item *item, const struct mime_part *root);
/* `BODY[1.HEADER.FIELDS (From)]<0>`, or the item's own name. */
void section_label(const struct fetch *fetch, const struct fetch_item *item, struct bytes *out);

#endif
