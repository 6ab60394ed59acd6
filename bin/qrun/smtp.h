/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client's side of SMTP: commands out, replies in, each with a deadline for the whole reply (RFC
 * 5321 4.5.3.2).
 *
 * Waits are those of the RFC, but never longer than the setting `timeout` (twice that for the reply to the
 * end of data).
 */
#ifndef POSTERN_QRUN_SMTP_H
#define POSTERN_QRUN_SMTP_H

#include "net/conn.h"
#include "text/reply.h"

#include <stdint.h>

struct smtp {
    struct conn *conn;
    int64_t timeout_ms; /* the setting */
    bool lmtp;          /* RFC 2033 */
    struct ehlo ehlo;   /* what the server offers now */
    struct reply reply; /* the last one */
    bool gone; /* nothing more can be said on this connection; reply.text says why if reply.code is 0 */
};

/* One command line; it leaves when a reply is waited for. */
void smtp_command(struct smtp *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reads a reply within `ms`. False, and `gone`, if none came or it was none; a 421 also sets `gone`. With
 * `is_ehlo` its lines are also taken as what the server offers. */
bool smtp_reply(struct smtp *s, int64_t ms, bool is_ehlo);
/* A command's class: 2, 3, 4 or 5; 0 if there was no reply. */
unsigned smtp_class(const struct smtp *s);
/* Says why the connection is over, in place of a reply. */
void smtp_lost(struct smtp *s, const char *why);

/* How long to wait for what (RFC 5321 4.5.3.2.1 to 4.5.3.2.6). */
#define SMTP_GREETING_MS 300000
#define SMTP_COMMAND_MS 300000
#define SMTP_DATA_MS 120000
#define SMTP_BLOCK_MS 180000
#define SMTP_END_MS 600000

#endif
