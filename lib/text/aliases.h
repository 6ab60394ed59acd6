/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The text of aliases(5): `name: target, target`, comments, continuation lines (they begin with a blank),
 * quotes around names and targets. Pure: it reads entries and says where in the text each one stands, so that
 * an editor can leave everything else as it is.
 */
#ifndef POSTERN_TEXT_ALIASES_H
#define POSTERN_TEXT_ALIASES_H

#include "text/address.h"

#define ALIASES_VALUE_LIMIT 65536   /* bytes of one entry's targets */
#define ALIASES_INCLUDE ":include:" /* a target that begins so is a file of targets */

struct alias_entry {
    unsigned line;      /* of its name, from 1 */
    size_t begin;       /* of its name in the text */
    size_t end;         /* behind its last line, with that one's LF if it has one */
    size_t value_end;   /* behind its last target */
    struct bytes name;  /* unquoted, as written */
    struct bytes value; /* its targets on one line, comments taken out */
};

struct alias_reader {
    struct span text;
    size_t at;
    unsigned line;
};

void alias_reader_init(struct alias_reader *r, struct span text);
/* The next entry into *e, which alias_entry_init made and which is used again for each. False at the end; or
 * where the text is wrong: *wrong then says what is, e->line where. */
bool alias_next(struct alias_reader *r, struct alias_entry *e, const char **wrong);
void alias_entry_init(struct alias_entry *e);
void alias_entry_free(struct alias_entry *e);

/* The next target of a value, without blanks and outer quotes, into *target (cleared first). False at the end
 * or, with *wrong set, at a quote that isn't closed. Empty ones, as after a last comma, are passed over. */
bool alias_target_next(struct span *value, struct bytes *target, const char **wrong);

/* A line without its comment, trimmed: as targets stand in a file that is included. */
struct span aliases_uncomment(struct span line);
/* A target that is an address or, without a domain, a name; a backslash in front is taken off. False for
 * anything else. */
bool aliases_address(struct span target, struct address *a);
/* Appends a target as it can stand in an entry: in quotes where it needs them. */
void aliases_quote(struct span target, struct bytes *to);

#endif
