/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What postern status keeps of the journal, so that it doesn't read a week of it each time: in the file
 * status-counts of the spool, a line for each minute, kind and reason of which there was any. It is text, and
 * may be deleted at any moment.
 *
 *     postern-status 1 FROM TO        complete from this second up to that one, which isn't in it
 *     MINUTE KIND COUNT [REASON]      its first second; the reason is xtext (RFC 3461)
 */
#ifndef POSTERN_ADMIN_STATUS_KEPT_H
#define POSTERN_ADMIN_STATUS_KEPT_H

#include "status.h"

#define KEPT_MINUTE 60

struct kept {
    int64_t from, to;   /* what the file has; from == to: nothing, or there is no file that can be used */
    int64_t read_since; /* from here on the log itself is to be read, and counts */
    int64_t write_to;   /* up to here what is read then may be kept */
    struct bytes text;  /* the lines to be written */
    int64_t minute;     /* of those that are no line yet */
    struct {
        enum count_kind kind;
        char reason[STATUS_REASON_LIMIT]; /* "": none */
        uint64_t times;
    } tallies[STATUS_REASONS];
    size_t tally_count;
};

/* Starts with the contents of a file (empty: there is none), counting into c what is older than what is to be
 * read. Anything odd in it: as if there was none. */
void kept_start(struct kept *k, struct span file, struct counts *c);
/* An event that was read from the log. */
void kept_add(struct kept *k, const struct counted *e);
/* The new contents of the file; false: it needn't be written. */
bool kept_finish(struct kept *k, struct bytes *file);
void kept_free(struct kept *k);

#endif
