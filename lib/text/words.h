/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Encoded words (RFC 2047) and charsets, to UTF-8, without iconv (which would open files): UTF-8, US-ASCII,
 * ISO-8859-1, -2, -15, windows-1250, -1251, -1252, KOI8-R. Another charset's 8-bit bytes become U+FFFD.
 */
#ifndef POSTERN_TEXT_WORDS_H
#define POSTERN_TEXT_WORDS_H

#include "base/bytes.h"

/* Is it one of these, by one of its names, in any case? */
bool charset_known(struct span charset);
/* Appends `text` in UTF-8. Malformed input becomes U+FFFD. False only over out's limit. */
bool charset_to_utf8(struct span charset, struct span text, struct bytes *out);
/* Appends a header value unfolded, its encoded words decoded, in UTF-8. False only over out's limit. */
bool words_decode(struct span value, struct bytes *out);

#endif
