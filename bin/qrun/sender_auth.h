/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sender's login at a host that a route names. Part of the sender.
 */
#ifndef POSTERN_QRUN_SENDER_AUTH_H
#define POSTERN_QRUN_SENDER_AUTH_H

#include "sender.h"
#include "sender_tls.h"
#include "store/routes.h"

/* The packet with the login, which the scheduler sends first where the route asks for one. False: none
 * came. */
bool sender_login_receive(int channel, struct message *m, struct route_login *login);
/* AUTH (RFC 4954), by the best mechanism that both know; a password is shown only over TLS, or where the
 * route says tls=none. Wipes the login. False: not this host; the reply says why, and never that the message
 * will never get there. */
bool sender_login(struct smtp *s, const struct sender_start *start, const struct secured *secured,
                  struct route_login *login);

#endif
