/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern trace: what the log says about a message. trace_log.c reads lines, wherever they come from; trace.c
 * finds those that belong together and prints them.
 */
#ifndef POSTERN_TRACE_H
#define POSTERN_TRACE_H

#include "admin.h"

#include <stdio.h>

#define TRACE_TIME_LIMIT 32

/* One event: a line of ours, cut into its parts; the text is the event's. */
struct event {
    char *text;                  /* "event=... id=..." */
    char time[TRACE_TIME_LIMIT]; /* as it is shown; "": the line had none */
    int64_t at;                  /* the same in seconds since 1970; 0: unknown */
    char program[16];
    bool wanted;
};

/* The value of a field as it was before log_event() escaped it, into `value`; false if there is no such
 * field. */
bool event_field(const struct event *e, const char *name, struct bytes *value);
/* The next field of *rest, which begins as the event's text: its name and value; false at the end. */
bool event_next(struct span *rest, struct span *name, struct bytes *value);
/* A line of a log, of any of the forms that journalctl -o short-unix, syslog and our own standard error have,
 * into *e (whose text the caller frees). False: it is no event. */
bool event_read(struct span line, struct event *e);

/* The journal of this machine, by journalctl(1), since a time that it understands; or a file, or standard
 * input ("-"). NULL after complaining. */
FILE *trace_open(const char *file, const char *since, bool *journal);
/* EX_OK, or what went wrong after complaining. */
int trace_close(FILE *f, bool journal);

#endif
