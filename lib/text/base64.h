/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Base64 (RFC 4648) and quoted-printable (RFC 2045 6.7).
 */
#ifndef POSTERN_TEXT_BASE64_H
#define POSTERN_TEXT_BASE64_H

#include "base/bytes.h"

/* What a letter of the alphabet stands for, 0 to 63; 64 for what is none. */
static inline unsigned base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}
/* The value of a hexadecimal digit in either case; -1 for what is none. */
static inline int hex_value(char c)
{
    c = ascii_lower(c);
    return ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
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
