/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What POP3's two halves share: before login the session (session.c), after it the
 * mailbox process (maildrop.c). Each reads commands with pop3_serve() from a table of its own; a reply
 * begins with pop3_ok() or one of the errors.
 */
#ifndef POSTERN_POP3D_POP3_H
#define POSTERN_POP3D_POP3_H

#include "net/command.h"
#include "net/conn.h"
#include "net/serve.h"
#include "store/handover.h"

#define POP3_LINE_LIMIT 253 /* a command without its CRLF (RFC 2449 4: 255 with it) */
#define POP3_WRONG_LIMIT 20 /* so many wrong commands end a connection */

#define POP3_CONTEXT_UTF8 "utf8" /* handed over at login: the client has said UTF8 */

/* States: bits of a command's row. A command that no state of its table allows has 0. */
enum { POP3_START = 1, POP3_NAMED = 2, POP3_TRANSACTION = 4 };
/* Flags of a command's row. */
enum { POP3_NO_ARGUMENT = 1 };

struct pop3 {
    struct conn *conn;
    const struct command *table;
    const char *untimely; /* why a command of the table isn't allowed now */
    unsigned state;       /* one of the bits above */
    unsigned wrong;       /* commands that were no commands, or not now */
    int64_t until;        /* clock_ms() at which all is over, whatever is said till then; 0: never */
    unsigned rate;        /* bytes a second that a line must come with; where `until` is set */
    bool over;            /* the connection ends: serve no more */
};

/* Reads and runs commands until one sets p->over, the client is gone or silent for too long, or too many were
 * wrong. `self` is what the table's functions get. */
void pop3_serve(struct pop3 *p, void *self);

/* "+OK text". The format without its line end. */
void pop3_ok(struct pop3 *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "-ERR text": the command was right and could not be done. */
void pop3_err(struct pop3 *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "-ERR text", and the command counts as wrong: the 20th ends the connection. */
void pop3_wrong(struct pop3 *p, const char *text);

/* The answer to CAPA (RFC 2449 5). `tls`: the connection is encrypted; `stls`: STLS would be heard. */
void pop3_capabilities(struct pop3 *p, const struct settings *s, bool tls, bool stls);

/* struct service's session and mailbox. */
void session_run(struct serving *s);
void maildrop_run(struct mailbox_start *start);

#endif
