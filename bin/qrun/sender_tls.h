/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sender's TLS: whether there is any, whether it is what it must be. Part of the sender.
 */
#ifndef POSTERN_QRUN_SENDER_TLS_H
#define POSTERN_QRUN_SENDER_TLS_H

#include "sender.h"
#include "smtp.h"
#include "verbs.h"

#define SECURED_TEXT 160

struct secured {
    enum protection protection;
    enum tls_result result; /* also what was wrong in spite of which it goes on */
    enum refusal refusal;   /* where it doesn't */
    char text[SECURED_TEXT];
};

/* After EHLO: STARTTLS, a look at the certificate, EHLO again, as start->security says. False: not to this
 * host; the reply says why. */
bool sender_secure(struct smtp *s, const struct sender_start *start, struct secured *to);

/* The same before the greeting, for a port where TLS comes first (RFC 8314 3.3). */
bool sender_secure_first(struct smtp *s, const struct sender_start *start, struct secured *to);

/* sender.c: EHLO, or HELO. False: neither will do. */
bool say_hello(struct smtp *s, const char *hostname);

#endif
