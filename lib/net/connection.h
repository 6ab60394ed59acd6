/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The processes of one connection, and what a handler prepares for them once: settings, certificate,
 * sandboxes. Used by serve.c and warm.c.
 */
#ifndef POSTERN_NET_CONNECTION_H
#define POSTERN_NET_CONNECTION_H

#include "net/serve.h"

/* For channel_patience() of a guard: a session that wasn't taken over reads its replies at once. */
#define CONNECTION_GUARD_PATIENCE_MS 5000

/* A server as it is before there is a client. */
struct handler {
    struct serving serving; /* copied into each process; its peer, conn and descriptors are set there */
    struct settings settings;
    /* NULL: mailbox_box and waiting_box for smtpd, resolver_box where nobody asks DNS. */
    struct sandbox *session_box, *guard_box, *mailbox_box, *resolver_box, *waiting_box;
    bool broken; /* settings, certificate or sandboxes can't be used: clients are told `unavailable` */
};

/* Serves the client on these descriptors with the processes described in serve.h, and closes them. Returns,
 * when the connection is over, the exit code: EX_SOFTWARE if one of the processes died by a signal. */
int connection_run(struct handler *h, int in, int out);
/* The same for a client who isn't there yet: makes the processes, which wait in their sandboxes until
 * connection_give() at the other end of the channel `from` gives them one. EX_OK if that end is closed
 * first. */
int connection_run_next(struct handler *h, int from);
/* Gives a client to processes that wait at the other end of the channel `to`. The caller has found out who
 * `peer` is, has set TCP_NODELAY, and still has to close `client`. False: nobody is there any more. */
bool connection_give(const struct handler *h, int to, int client, const struct peer *peer);

/* Standing guards. Where its program allows it (`stands` of struct service), a warm listener makes only a new
 * session for each connection, and gives it a guard that has served others before. Both are the listener's
 * children, and wait in their sandboxes. */

/* Does this handler's warm listener have them? */
bool connection_stands(const struct handler *h);
/* The process of such a guard. It serves each connection that connection_assign() gives it at the other end
 * of the channel `control`, and then writes a byte there. Returns the exit code when it won't serve another,
 * or when that end is closed. */
int connection_stand(struct handler *h, int control);
/* The process of a session. Its guard and the client come by the other end of `channel`; it ends if that is
 * closed before. `id`: the session's in the log, from log_make_session(). */
_Noreturn void connection_await_client(struct handler *h, int channel, const char *id);
/* Gives a client to the session that waits at the other end of `session`, and that end itself to the guard
 * that stands at the other end of `guard`. Where limits have to be looked at, the guard gets the client and
 * passes it on. The caller still has to close both descriptors. False: the guard is gone, and nobody has the
 * client. */
bool connection_assign(const struct handler *h, int guard, int session, const char *id, int client,
                       const struct peer *peer);

/* Logs that a process ("session", "guard", "resolver") died by a signal; `how` is what wait() said. */
void connection_log_death(const char *what, int how);
/* Tells a client one line (nothing with implicit TLS, where it couldn't be read). Doesn't wait. */
void connection_refuse(const struct handler *h, int out, const char *line);
/* The same where there are too many connections, by this setting; NULL: for the machine. */
void connection_busy(const struct handler *h, int out, const char *setting);

#endif
