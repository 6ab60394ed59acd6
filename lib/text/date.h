/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dates of messages (RFC 5322 3.3), of IMAP (RFC 3501 date-time, date) and of newer protocols (RFC 3339). No
 * call reads the time zone files: what we write is UTC.
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
/* Appends "2026-11-21T21:38:01Z" (RFC 3339). False over out's limit. */
bool date_write_internet(int64_t seconds, struct bytes *out);
/* Reads it, with any offset; a fraction of a second is dropped. False if it is none. */
bool date_read_internet(struct span text, int64_t *seconds);

#endif
