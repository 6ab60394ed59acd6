/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The log: one logfmt line an event, `smtpd: event=accepted id=... to=... session=...`.
 *
 * It goes to standard error where that is a file, a pipe or a terminal, to the journal, with fields
 * (log_journal.h), where that is the journal, and to syslog(3) where it is the client's socket, as under
 * inetd. Everything from outside is escaped here: control bytes, quotes and what isn't printable ASCII can't
 * break or forge a line.
 */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include "base/bytes.h"

#include <syslog.h>

#define LOG_SESSION_LENGTH 12
#define LOG_VALUE_LIMIT 1024 /* bytes of a value that are logged; the rest is cut and marked with "..." */

/* Once, before anything else opens or closes descriptors. `program` must outlive the log. Opens syslog
 * where it will be needed, and the journal's socket, so that a sandbox may close the way there. */
void log_open(const char *program);

/* From now on to where the servers' events go, the journal or syslog, though standard error may be a
 * terminal: what an administrator does by hand stands there too. */
void log_to_system(void);

/* This process says nothing more: the way to the log is closed, so that nobody who takes it over can forge
 * lines. Before a sandbox. */
void log_leave(void);
/* Opens what that needs: for who forks one after another that leave. */
void log_prepare_leave(void);

/* What is logged from now on, by this process and by those that it forks, belongs to one connection: each
 * event ends with session=ID, a new random one of small letters and digits. */
void log_begin_session(void);
/* The same where another process made the ID, and gave it to those that serve the connection. Opens
 * nothing. */
void log_make_session(char id[LOG_SESSION_LENGTH + 1]);
void log_join_session(const char *id);
/* That ID; "" where there is none. Stays the log's. */
const char *log_session_id(void);

/* Before a process ends, when nobody waits for it any more: the journal may still have to look who it was. */
void log_settle(void);

/* With `-v`: log_trace() lines appear. */
void log_verbose(bool on);
/* Has -v been given? */
bool log_is_verbose(void);

/* level: LOG_ERR (we are broken), LOG_WARNING (somebody should look), LOG_NOTICE and LOG_INFO (daily life),
 * LOG_DEBUG (only with -v). Then pairs of name and NUL-terminated value, and NULL. A NULL value leaves the
 * pair out. */
void log_event(int level, const char *event, ...) __attribute__((sentinel));

/* A line of dialogue for -v: `direction` is 'C' or 'S'. The caller masks secrets. */
void log_trace(char direction, struct span line);

#endif
