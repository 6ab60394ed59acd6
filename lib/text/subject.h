/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What of a subject SORT and THREAD compare (RFC 5256 2.1), and the name that an address is shown by (RFC
 * 5957).
 */
#ifndef POSTERN_TEXT_SUBJECT_H
#define POSTERN_TEXT_SUBJECT_H

#include "base/bytes.h"

/* Appends the base subject of a Subject: value (raw, as header_next() finds it), in UTF-8: decoded, blanks in
 * a row made one, without "Re:", "Fwd:", "[list]" and the like. *reply tells whether something of it said
 * that this is a reply or was forwarded. False over out's limit or without memory. */
bool subject_base(struct span value, struct bytes *out, bool *reply);

/* What of an address field's first address SORT compares, appended in UTF-8 or as it came: the part before
 * the
 * '@' of FROM, TO, CC; with `display` the name, or else the whole address, of DISPLAYFROM, DISPLAYTO. A group
 * has its name for both. Nothing if there is no address. False as above. */
bool subject_address(struct span value, bool display, struct bytes *out);

#endif
