/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Aliases that aren't a table yet, looked through for loops: an alias that leads back to itself is an error
 * that an administrator is told of when he makes it, not that mail waits for.
 */
#ifndef POSTERN_STORE_ALIAS_DRAFT_H
#define POSTERN_STORE_ALIAS_DRAFT_H

#include "base/settings.h"

struct alias_draft_entry;
struct alias_draft {
    struct alias_draft_entry *list;
    size_t count, room;
};

/* Adds an entry: its line in the text, key and targets as they are compiled. False: no memory. */
bool alias_draft_add(struct alias_draft *draft, unsigned line, struct span key, struct span value);
/* The line of an entry that is part of a loop, or at the head of too many aliases of aliases, and what is
 * wrong in *why. 0: none, or the tables of domains and accounts can't be read yet. Sorts the draft. */
unsigned alias_draft_loop(struct alias_draft *draft, const struct settings *s, struct bytes *why);
void alias_draft_free(struct alias_draft *draft);

#endif
