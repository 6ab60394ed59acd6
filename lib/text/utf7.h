/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modified UTF-7 of mailbox names (RFC 3501 5.1.3).
 */
#ifndef POSTERN_TEXT_UTF7_H
#define POSTERN_TEXT_UTF7_H

#include "base/bytes.h"

/* Is this a well-formed modified UTF-7 name, in its one canonical form? */
bool utf7_valid(struct span name);
bool utf7_to_utf8(struct span name, struct bytes *out);
bool utf7_from_utf8(struct span name, struct bytes *out);

#endif
