/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A header section as a list of fields that somebody edits: what a milter adds, inserts, changes and deletes.
 *
 * Fields are counted as Sendmail counts them while one filter edits: one that was deleted keeps its place, so
 * that numbers said before it was deleted still mean the same fields.
 */
#ifndef POSTERN_TEXT_HEADER_LIST_H
#define POSTERN_TEXT_HEADER_LIST_H

#include "base/bytes.h"

struct header_item {
    struct span whole; /* with its CRLF */
    struct span name;
    char *own; /* `whole` lies here, where it isn't the section's own */
    bool deleted;
};

struct header_list {
    struct header_item *items;
    size_t count, room;
    bool failed; /* memory ran out: sticky */
};

/* Of a header section (see text/header.h), which must live as long as the list. False: no memory. */
bool header_list_read(struct span header, struct header_list *l);
void header_list_free(struct header_list *l);

/* The values are a filter's (milter_field()). False: no memory. */
bool header_list_add(struct header_list *l, struct span name, struct span value, bool leading_space);
/* At place `index`, 1 being the first, as is 0; behind the last: at the end. */
bool header_list_insert(struct header_list *l, size_t index, struct span name, struct span value,
                        bool leading_space);
/* The index-th field of that name, 1 being the first, as is 0. Where there are fewer, one is added. An empty
 * value deletes it, if it is there. */
bool header_list_change(struct header_list *l, size_t index, struct span name, struct span value,
                        bool leading_space);

/* Appends all that is left, without the empty line behind it. False: over the limit of *out. */
bool header_list_write(const struct header_list *l, struct bytes *out);

#endif
