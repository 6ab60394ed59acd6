/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * UTF-8 (RFC 3629), one character at a time. No surrogates, no overlong forms, nothing
 * past U+10FFFF.
 */
#ifndef POSTERN_TEXT_UTF8_H
#define POSTERN_TEXT_UTF8_H

#include "base/bytes.h"

#define UTF8_REPLACEMENT 0xfffdU

/* Reads the character that s begins with. Returns its bytes, 1 to 4; 0 if s is empty or begins no
 * character. */
size_t utf8_read(struct span s, uint32_t *character);
/* Appends a character; what is none (surrogates, past U+10FFFF) as U+FFFD. */
bool utf8_write(uint32_t character, struct bytes *out);
bool utf8_valid(struct span s);
/* How many bytes at its start are ASCII. */
size_t utf8_ascii_run(struct span s);

#endif
