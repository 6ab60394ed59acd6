/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Encoded words (RFC 2047) and charsets, to UTF-8, without iconv (which would open files): UTF-8, US-ASCII,
 * the ISO-8859 family, windows-874 and -1250 to -1258, KOI8-R and -U, a few of IBM and Apple. Another
 * charset's 8-bit bytes become U+FFFD.
 */
#ifndef POSTERN_TEXT_WORDS_H
#define POSTERN_TEXT_WORDS_H

#include "base/bytes.h"

/* Is it one of these, by one of its names, in any case? */
bool charset_known(struct span charset);
/* The n-th charset by the name that MIME prefers; NULL past the last. */
const char *charset_name(size_t n);
/* Is it UTF-8, or read as that? */
bool charset_is_utf8(struct span charset);
/* Is `text` valid in that charset? No if that isn't known. */
bool charset_holds(struct span charset, struct span text);
#define CHARSET_GROWTH 3 /* bytes that one byte becomes, at most */
/* Appends `text` in UTF-8. Malformed input becomes U+FFFD. False only over out's limit. */
bool charset_to_utf8(struct span charset, struct span text, struct bytes *out);
/* Appends a header value unfolded, its encoded words decoded, in UTF-8. False only over out's limit. */
bool words_decode(struct span value, struct bytes *out);
/* Appends the parameters of a header value that are encoded or in pieces as RFC 2231 has it, decoded, each
 * behind a newline; nothing if there are none. */
bool words_decode_parameters(struct span value, struct bytes *out);
/* Appends UTF-8 text as encoded words (RFC 2047), each of 75 bytes at most, a space between. False only over
 * out's limit. */
bool words_encode(struct span text, struct bytes *out);

#endif
