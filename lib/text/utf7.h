/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modified UTF-7 of mailbox names (RFC 3501 5.1.3).
 */
#ifndef POSTERN_TEXT_UTF7_H
#define POSTERN_TEXT_UTF7_H

#include "base/bytes.h"

/* Is this a well-formed modified UTF-7 name, in its one canonical form? */
bool utf7_valid(struct span name);
/* Appends the name in UTF-8. False if it isn't modified UTF-7, or goes over out's limit. */
bool utf7_to_utf8(struct span name, struct bytes *out);
/* Appends a UTF-8 name in modified UTF-7. False if it isn't valid UTF-8 or holds a NUL, or over out's
 * limit. */
bool utf7_from_utf8(struct span name, struct bytes *out);

#endif
