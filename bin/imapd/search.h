/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What SEARCH, SORT and THREAD share: finding the messages that keys are about, and the answers.
 */
#ifndef POSTERN_IMAPD_SEARCH_H
#define POSTERN_IMAPD_SEARCH_H

#include "imapd.h"

/* --- search.c */
/* Answers a search that found these messages (indexes, ascending). False with a reply. */
typedef bool search_answerer(struct imap *i, const struct search *search, const size_t *found, size_t count,
                             const void *context);
/* A command whose arguments are parsed, perhaps with p->error: finds the messages, has them answered, leaves
 * the tagged reply, and frees *search. */
void search_run(struct imap *i, const struct parser *p, struct search *search, search_answerer *answer,
                const void *context);

/* --- search_find.c, with search_keys.c */
/* The indexes of the messages that `search` (converted) is about, ascending; *found is malloc'd. False with a
 * reply, and nothing to free: BAD for a sequence number that isn't there, NO for what can't be looked at. */
bool search_messages(struct imap *i, const struct search *search, size_t **found, size_t *count);

/* --- esearch.c */
/* The untagged answer to SEARCH or SORT (`command`), and what SAVE asks for. `found` is in the answer's
 * order, which for SORT isn't that of the mailbox; `ascending` are the same messages in that order. False
 * with a reply if memory ran out. */
bool search_answer(struct imap *i, const struct search *search, const char *command, const size_t *found,
                   const size_t *ascending, size_t count);

#endif
