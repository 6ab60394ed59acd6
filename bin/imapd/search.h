/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What SEARCH, SORT and THREAD share: finding the messages that keys are about, and the answers.
 */
#ifndef POSTERN_IMAPD_SEARCH_H
#define POSTERN_IMAPD_SEARCH_H

#include "imapd.h"

/* --- search.c */
/* Puts what is sought into UTF-8, from the charset that was given; `text` holds it and must outlive the
 * search. False with a reply: [BADCHARSET], or text that isn't in its charset. */
bool search_convert(struct imap *i, struct search *search, struct bytes *text);
/* MODSEQ makes this session one that knows of mod-sequences (RFC 7162 3.1). False, with a reply, where the
 * mailbox has none. */
bool search_enable(struct imap *i, const struct search *search);

/* --- search_keys.c */
/* The indexes of the messages that `search` (converted) is about, ascending; *found is malloc'd. False with a
 * reply, and nothing to free: BAD for a sequence number that isn't there, NO for what can't be looked at. */
bool search_messages(struct imap *i, const struct search *search, size_t **found, size_t *count);

/* --- esearch.c */
/* The untagged answer to SEARCH or SORT (`command`), and what SAVE asks for. `found` is in the answer's order,
 * which for SORT isn't that of the mailbox; `ascending` are the same messages in that order. False with a
 * reply if memory ran out. */
bool search_answer(struct imap *i, const struct search *search, const char *command, const size_t *found,
                   const size_t *ascending, size_t count);

#endif
