/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking into a message for SEARCH: header fields and text, decoded (RFC 2047, RFC 2045) and without
 * regard to case.
 */
#ifndef POSTERN_IMAPD_MATCH_H
#define POSTERN_IMAPD_MATCH_H

#include "text/mime.h"

#define MATCH_LIMIT (16u << 20) /* decoded bytes of one part that are looked at */

/* Memory that is used again from message to message. */
struct match {
    struct bytes decoded, text;
};
void match_init(struct match *m);
void match_free(struct match *m);

/* Has a field of that name `sought` in its value? "" is in every value. `sought` is UTF-8. */
bool match_header(struct match *m, struct span header, struct span name, struct span sought);
/* Any field, name included. */
bool match_any_header(struct match *m, struct span header, struct span sought);
/* Any text part below (and including) root, and the headers of messages inside. */
bool match_body(struct match *m, const struct mime_part *root, struct span sought);

#endif
