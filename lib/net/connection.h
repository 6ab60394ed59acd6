/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The processes of one connection, and what a handler prepares for them once: settings, certificate,
 * sandboxes. Used by serve.c and warm.c.
 */
#ifndef POSTERN_NET_CONNECTION_H
#define POSTERN_NET_CONNECTION_H

#include "net/serve.h"

struct handler {
    struct serving serving; /* copied into each process; its peer, conn and descriptors are set there */
    struct settings settings;
    struct sandbox *session_box, *guard_box, *mailbox_box, *resolver_box, *waiting_box; /* the last two NULL for smtpd */
    bool broken; /* settings or sandbox: clients are told `unavailable` */
};

/* Serves the client on these descriptors with the processes described in serve.h, and closes them. Returns,
 * when the connection is over, the exit code: EX_SOFTWARE if one of the processes died by a signal. */
int connection_run(struct handler *h, int in, int out);
/* The same for a client who isn't there yet: the processes are made, and wait in their sandboxes. connection_give() on
 * the other end of `from` gives them one; EX_OK where that closes first. The client's peer is looked at and
 * TCP_NODELAY is set by who gives. */
int connection_run_next(struct handler *h, int from);
/* False: nobody takes it. */
bool connection_give(int to, int client, const struct peer *peer);
/* Tells a client one line (nothing with implicit TLS, where it couldn't be read). Doesn't wait. */
void connection_refuse(const struct handler *h, int out, const char *line);

#endif
