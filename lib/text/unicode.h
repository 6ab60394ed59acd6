/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What needs the Unicode tables: comparing without regard to case, and normalisation. Safe in a
 * session: no locale, no files, only memory.
 */
#ifndef POSTERN_TEXT_UNICODE_H
#define POSTERN_TEXT_UNICODE_H

#include "base/bytes.h"

/* Does `haystack` hold `needle`, without regard to case or to how characters are composed? For IMAP SEARCH
 * (RFC 5051 i;unicode-casemap). Both should be UTF-8; malformed bytes count as U+FFFD. The empty needle is
 * everywhere. False as well if memory runs out. */
bool unicode_contains(struct span haystack, struct span needle);
/* Appends the form in which unicode_contains compares, so that a caller can keep it: equal forms are equal
 * texts. */
bool unicode_fold(struct span text, struct bytes *out);
/* Appends `text` in normalisation form C. False if it isn't valid UTF-8 or goes over out's limit. */
bool unicode_nfc(struct span text, struct bytes *out);
/* The same in form KC, which makes one of what only looks different (U+FB01 is "fi"). */
bool unicode_nfkc(struct span text, struct bytes *out);

/* Which way a character is written: strongly, or (digits, punctuation, what is unassigned) neither. */
enum unicode_direction { UNICODE_NEUTRAL, UNICODE_LEFT_TO_RIGHT, UNICODE_RIGHT_TO_LEFT };
enum unicode_direction unicode_direction(uint32_t character);

#endif
