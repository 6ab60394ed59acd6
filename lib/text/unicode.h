/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What needs the Unicode tables: the forms in which texts are compared, and normalisation. Safe in a
 * session: no locale, no files, only memory. unicode_search.h looks for one text in another.
 */
#ifndef POSTERN_TEXT_UNICODE_H
#define POSTERN_TEXT_UNICODE_H

#include "base/bytes.h"

enum unicode_form {
    /* Full case folding and compatibility decomposition, of each character's title case: equal for all that
     * i;unicode-casemap (RFC 5051) calls equal, and for "ß" and "SS" besides. Folding it changes nothing. */
    UNICODE_SEARCH,
    /* What i;unicode-casemap compares, byte by byte, so it sorts by it too. */
    UNICODE_CASEMAP,
};

/* Brings texts into one of the forms, and remembers what each character becomes. One thread's own. */
struct unicode_folder;
struct unicode_folder *unicode_folder_new(enum unicode_form form); /* NULL without memory */
void unicode_folder_free(struct unicode_folder *f);
/* Appends the form of `text`, which continues what was appended to *out before; malformed bytes count as
 * U+FFFD. False over out's limit or without memory. */
bool unicode_folder_add(struct unicode_folder *f, struct span text, struct bytes *out);

/* Appends the form UNICODE_SEARCH of one text. */
bool unicode_fold(struct span text, struct bytes *out);
/* Appends `text` in normalisation form C. False if it isn't valid UTF-8 or goes over out's limit. */
bool unicode_nfc(struct span text, struct bytes *out);
/* Appends `text` with its case folded, in form C: the same for all that differ in case only. False as
 * above. */
bool unicode_fold_nfc(struct span text, struct bytes *out);
/* The same as unicode_nfc in form KC, which makes one of what only looks different (U+FB01 is "fi"). */
bool unicode_nfkc(struct span text, struct bytes *out);

/* Which way a character is written: strongly, or (digits, punctuation, what is unassigned) neither. */
enum unicode_direction { UNICODE_NEUTRAL, UNICODE_LEFT_TO_RIGHT, UNICODE_RIGHT_TO_LEFT };
enum unicode_direction unicode_direction(uint32_t character);

#endif
