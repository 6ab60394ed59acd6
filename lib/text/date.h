/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dates of messages (RFC 5322 3.3) and of IMAP (RFC 3501 date-time, date). No call reads
 * the time zone files: what we write is UTC.
 */
#ifndef POSTERN_TEXT_DATE_H
#define POSTERN_TEXT_DATE_H

#include "base/bytes.h"

/* Appends "Fri, 21 Nov 2026 21:38:01 +0000" for seconds since 1970. False over out's limit. */
bool date_write(int64_t seconds, struct bytes *out);
/* Reads a Date: value, with comments, obsolete zones and two-digit years (RFC 5322 4.3). False if it can't be
 * read. */
bool date_read(struct span text, int64_t *seconds, int *zone_minutes);
/* Appends `"21-Nov-2026 21:38:01 +0000"`, with the quotes (RFC 3501 9 date-time). False over out's limit. */
bool date_write_imap(int64_t seconds, struct bytes *out);
/* Reads it, without the quotes. False if it is none. */
bool date_read_imap(struct span text, int64_t *seconds);
/* Reads `21-Nov-2026` (a SEARCH date): the day's first second in UTC. */
bool date_read_imap_day(struct span text, int64_t *seconds);

#endif
