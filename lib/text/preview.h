/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The beginning of what a message says, as one line of plain text (PREVIEW, RFC 8970).
 */
#ifndef POSTERN_TEXT_PREVIEW_H
#define POSTERN_TEXT_PREVIEW_H

#include "text/mime.h"

#define PREVIEW_CHARACTERS 200

/* Appends up to PREVIEW_CHARACTERS characters of UTF-8: of the first text/plain part that isn't an
 * attachment, or of a text/html part without its markup; blanks and line ends are one space, quoted lines are
 * left out where there are others. Nothing is appended where there is no text. False only over out's limit.
 */
bool preview_write(const struct mime_part *root, struct bytes *out);

#endif
