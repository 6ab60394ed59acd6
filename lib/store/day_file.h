/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is recorded for reports: a file a day (UTC) in a folder of the spool, one line of text for each thing
 * that happened, of pairs `name=value` with blanks between.
 *
 *     spool/tls-results/2026-11-26
 *     at=1795696711 domain=example.org policy=sts text="what a stranger said"
 *
 * A file has a limit, beyond which nothing more of that day is recorded, and goes after some days. Any number
 * of processes may record at the same time: each locks the file (flock) while it writes its line to the end.
 * Of a line that the disk had no room for nothing is left, and where a process or the machine ended in the
 * middle of one, the next line takes the place of what is left; so a reader takes for lines what ends in a
 * line end. It isn't forced to disk: a report without a minute's messages is better than a message that
 * waits.
 */
#ifndef POSTERN_STORE_DAY_FILE_H
#define POSTERN_STORE_DAY_FILE_H

#include "base/bytes.h"
#include "base/status.h"

struct day_file {
    const char *folder; /* in the spool */
    size_t limit;       /* bytes of a day */
    unsigned days;      /* that are kept, today not counted */
};

/* Appends " name=value" to a line, or name="value" where it is `quoted` and may hold blanks. What isn't
 * printable ASCII, quotes and backslashes become '?', and so do blanks that aren't quoted. Nothing for NULL
 * or "". */
void day_line_add(struct bytes *line, const char *name, const char *value, bool quoted);
/* Appends the line and a line end to the file of the day of `at` (seconds since 1970). ST_PERM: that is full.
 * ST_TEMP with errno, also for a line that is over its limit (EMSGSIZE). Neither need stop anybody. The first
 * line of a day sweeps. */
enum status day_file_append(const struct day_file *kind, const char *spool, int64_t at, struct bytes *line);
/* Removes what is too old. */
void day_file_sweep(const struct day_file *kind, const char *spool, int64_t now);

#endif
