/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status: what it counts of the log. As root that is the journal, read by libsystemd, which is
 * quicker than journalctl(1) by far; for others, and where there is no such library, what journalctl shows
 * them; or a file.
 */
#ifndef POSTERN_ADMIN_STATUS_LOG_H
#define POSTERN_ADMIN_STATUS_LOG_H

#include "import.h"
#include "status_kept.h"

#include <stdio.h>

struct journal_reader;

struct status_log {
    struct kept kept;
    bool keep;               /* the journal, as root: nobody else is sure to see all of it */
    struct journal_reader *journal; /* NULL: lines are read from `lines` */
    FILE *lines;
    bool from_journalctl;
    struct bytes values[4];
    struct progress progress;
};

/* As root, if that is who we are; it may become somebody else then. EX_OK, or complains. */
int status_log_open(struct status_log *l, struct overview *o);
/* Counts all of it into *o, whose log_known says then whether it could; and closes it, whether it could be
 * opened or not. EX_OK, or complains. */
int status_log_read(struct status_log *l, struct overview *o);

/* --- status_journal.c: the journal of this machine, by libsystemd */
/* Of Postern alone, from this second on. NULL: it can't be opened, or the library isn't there. */
struct journal_reader *journal_reader_open(int64_t since);
/* The next event; its texts are those of `values` (event, outcome, setting, why), read only as far as
 * counting needs them. False at the end; *failed then says whether something went wrong. */
bool journal_reader_next(struct journal_reader *j, struct bytes values[4], struct counted *e, bool *failed);
void journal_reader_close(struct journal_reader *j);
/* The texts of a line's event into values. */
void status_log_fields(const char *text, struct bytes values[4]);

#endif
