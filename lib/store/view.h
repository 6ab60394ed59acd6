/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which records of the index a session shows, in order: sequence number n is at n - 1. Numbers move only when
 * the session says so, whatever happens to the index.
 *
 * While every record is shown nothing is stored. What is shown and has no record any more (the index was made
 * anew, the message is gone and the client doesn't know yet) is a ghost, of which is left what a client was
 * told.
 */
#ifndef POSTERN_STORE_VIEW_H
#define POSTERN_STORE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIEW_GHOST 0x80000000u /* this bit of a list's item: the rest is a number in ghosts */

struct ghost {
    uint32_t uid, flags;
    uint64_t modseq;
};

struct view {
    size_t count;     /* shown */
    uint32_t *list;   /* of records, ascending but for ghosts; NULL: record n is at n */
    size_t room;
    struct ghost *ghosts;
    size_t ghost_count;
};

void view_free(struct view *v);
/* All of `records` but those whose bit is set in `hidden` (which may be NULL). False if memory runs out. */
bool view_start(struct view *v, size_t records, const unsigned char *hidden);
/* One more record behind the others. False if memory runs out. */
bool view_add(struct view *v, uint32_t record);
/* Forgets records that were added behind the first `count`. */
void view_cut(struct view *v, size_t count);
/* One more that has no record. */
bool view_add_ghost(struct view *v, struct ghost ghost);
/* The record at an index; false for a ghost. */
bool view_record(const struct view *v, size_t index, uint32_t *record);
/* The ghost at an index that has no record. */
struct ghost view_ghost(const struct view *v, size_t index);
/* Takes out those whose bit in `gone` (by index) is set. False if memory runs out: nothing changed then. */
bool view_remove(struct view *v, const unsigned char *gone);

#endif
