/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking into a message for SEARCH: header fields and text, decoded (RFC 2047, RFC 2231, RFC 2045, charsets)
 * and without regard to case. Functions of the bytes, the needle and the caller's struct match, so that
 * threads with one of these each can look into messages side by side.
 */
#ifndef POSTERN_IMAPD_MATCH_H
#define POSTERN_IMAPD_MATCH_H

#include "text/mime.h"
#include "text/unicode_search.h"

#define MATCH_FIELD_LIMIT (1u << 20) /* decoded bytes of one header field that are looked at */

/* Memory that is used again from message to message; no more than a few times MATCH_FIELD_LIMIT. */
struct match {
    struct unicode_search *search;
    struct mime_decoder decoder;
    struct bytes text, value;
    bool failed; /* memory ran out: what didn't match may do so */
};
bool match_init(struct match *m); /* false without memory; to be freed all the same */
void match_free(struct match *m);

/* Has a field of that name the needle in its value? "" is in every value. */
bool match_header(struct match *m, struct span header, struct span name, const struct unicode_needle *needle);
/* Any field, name included. */
bool match_any_header(struct match *m, struct span header, const struct unicode_needle *needle);
/* Any text part of the message, and the headers of messages inside. With `fields`, what describes each part
 * too (its MIME header fields; RFC 9051 6.4.4, TEXT). */
bool match_body(struct match *m, struct span message, bool fields, const struct unicode_needle *needle);

#endif
