/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LIST's patterns (RFC 3501 6.3.8): pure functions, without input or output.
 */
#ifndef POSTERN_IMAPD_PATTERN_H
#define POSTERN_IMAPD_PATTERN_H

#include "base/bytes.h"

#define PATTERN_LIMIT 1024     /* bytes of a pattern, reference included */
#define PATTERN_NAME_LIMIT 960 /* bytes of a name */

/* Does the name match? `*` stands for anything, `%` for anything within one level; levels are parted by '.'.
 * INBOX matches in any case, and so does INBOX as the first level (RFC 3501 5.1). What is over a limit
 * matches nothing. */
bool pattern_matches(struct span pattern, struct span name);

#endif
