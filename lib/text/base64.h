/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Base64 (RFC 4648) and quoted-printable (RFC 2045 6.7).
 */
#ifndef POSTERN_TEXT_BASE64_H
#define POSTERN_TEXT_BASE64_H

#include "base/bytes.h"

/* Strict, for protocols: the alphabet, right padding, nothing else. False otherwise; *out is then partly
 * filled. */
bool base64_decode(struct span text, struct bytes *out);
/* Lenient, for message bodies: what isn't in the alphabet is passed over; stops at padding. False only over
 * out's limit. */
bool base64_decode_body(struct span text, struct bytes *out);
/* Appends `data` as one line with padding. False over out's limit. */
bool base64_encode(struct span data, struct bytes *out);
/* Lenient: a broken escape is kept as it stands. False only over out's limit. */
bool quoted_printable_decode(struct span text, struct bytes *out);

#endif
