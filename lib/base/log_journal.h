/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Events for systemd's journal with fields to search by, in its own protocol: a datagram an event, each line
 * of it `NAME=value`. log.c uses it where standard error is the journal.
 *
 *     MESSAGE             the event's line, as everywhere
 *     PRIORITY, SYSLOG_FACILITY (2: mail), SYSLOG_IDENTIFIER (the program)
 *     POSTERN_EVENT       accepted, refused, login, delivered ...
 *     POSTERN_SESSION     the connection
 *     POSTERN_QUEUE_ID    the message
 *     POSTERN_USER        who is logged in, or tries to, or whose mailbox it is
 *     POSTERN_PEER        the client's address
 *     POSTERN_FROM, _TO   the envelope
 *     POSTERN_VERDICT     what became of it, in few words: see verdicts[]
 *     POSTERN_SETTING     the setting that refused it
 *     POSTERN_SPF, _DKIM, _DMARC, _ARC    what an event "checked" has found
 */
#ifndef POSTERN_BASE_LOG_JOURNAL_H
#define POSTERN_BASE_LOG_JOURNAL_H

#include "base/bytes.h"

#include <sys/stat.h>

/* Is `out` what JOURNAL_STREAM of the environment names? Others may have put another file there. */
bool journal_is(const struct stat *out);
/* A socket to it, or -1. Before a sandbox. */
int journal_open(void);

/* Appends the field that an event's pair of this name has, if it has one; `event` too is such a name. */
void journal_add(struct bytes *fields, const char *name, struct span value);
/* Sends the event: `line`, and what was added to `fields`. False: it couldn't be, and has to be said
 * elsewhere. */
bool journal_send(int fd, int level, const char *program, struct span line, struct span fields);

/* Waits, a tenth of a second at most, until the journal has read what was sent; and, if that was `recent`,
 * for as long as it may take to look who sent it. */
void journal_settle(int fd, bool recent);

#endif
