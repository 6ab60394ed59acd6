/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking for a text in others, without regard to case or to how characters are composed (UNICODE_SEARCH of
 * unicode.h), for IMAP SEARCH. What is sought is folded once; a haystack of any size comes in pieces and
 * takes no memory in its size.
 */
#ifndef POSTERN_TEXT_UNICODE_SEARCH_H
#define POSTERN_TEXT_UNICODE_SEARCH_H

#include "base/bytes.h"

/* What is sought. Not changed by searching, so that all threads can share it. */
struct unicode_needle {
    struct bytes folded;
    bool ascii;
    struct span word; /* its longest run without blanks */
};
/* Free with unicode_needle_free, also after a failure: no memory. */
bool unicode_needle_init(struct unicode_needle *n, struct span text);
void unicode_needle_free(struct unicode_needle *n);

/* What one thread searches with. */
struct unicode_search;
struct unicode_search *unicode_search_new(void); /* NULL without memory */
void unicode_search_free(struct unicode_search *s);
/* A haystack: begin, add its pieces in UTF-8 (cut anywhere; malformed bytes count as U+FFFD), end. True once
 * the needle was met, in these and all later calls for this haystack. The empty needle is everywhere. */
bool unicode_search_begin(struct unicode_search *s, const struct unicode_needle *n);
bool unicode_search_add(struct unicode_search *s, struct span utf8);
bool unicode_search_end(struct unicode_search *s);
/* Memory ran out since unicode_search_new(): what was not found may have been there. */
bool unicode_search_failed(const struct unicode_search *s);

/* Does `text` hold the ASCII text `folded` (in small letters), without regard to the case of ASCII
 * letters? */
bool unicode_holds_ascii(struct span text, struct span folded);
/* Surely the needle is in nothing that `raw`, header fields or text as they stand in a message, decodes
 * to. */
bool unicode_rules_out(const struct unicode_needle *n, struct span raw);

/* Does `haystack` hold `needle`? False as well if memory runs out. For single questions. */
bool unicode_contains(struct span haystack, struct span needle);

#endif
