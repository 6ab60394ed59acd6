/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The processes of one connection, and what a handler prepares for them once: settings, certificate,
 * sandboxes. Used by serve.c and warm.c.
 */
#ifndef POSTERN_NET_CONNECTION_H
#define POSTERN_NET_CONNECTION_H

#include "net/serve.h"

/* A session reads its guard's reply at once, unless it was taken over: for channel_patience(). */
#define CONNECTION_GUARD_PATIENCE_MS 5000

struct handler {
    struct serving serving; /* copied into each process; its peer, conn and descriptors are set there */
    struct settings settings;
    struct sandbox *session_box, *guard_box, *mailbox_box, *resolver_box,
        *waiting_box; /* the last two NULL for smtpd */
    bool broken;      /* settings or sandbox: clients are told `unavailable` */
};

/* Serves the client on these descriptors with the processes described in serve.h, and closes them. Returns,
 * when the connection is over, the exit code: EX_SOFTWARE if one of the processes died by a signal. */
int connection_run(struct handler *h, int in, int out);
/* The same for a client who isn't there yet: the processes are made, and wait in their sandboxes.
 * connection_give() on the other end of `from` gives them one; EX_OK where that closes first. The client's
 * peer is looked at and TCP_NODELAY is set by who gives. */
int connection_run_next(struct handler *h, int from);
/* False: nobody takes it. */
bool connection_give(const struct handler *h, int to, int client, const struct peer *peer);

/* Standing guards: a warm listener whose program allows it (`stands` of struct service) makes of a connection
 * only its session anew, and gives it a guard that has served others. Both are the listener's children, and
 * wait in their sandboxes. */
bool connection_stands(const struct handler *h);
/* The process of such a guard. It takes what connection_assign() sends over the other end of `control`, and
 * puts a byte there whenever it has served that connection; where it won't serve another it returns, with the
 * exit code, and also when that end is closed and it is idle. */
int connection_stand(struct handler *h, int control);
/* The process of a session, which ends where the other end of `channel` is closed before it has a client.
 * `id`: the log's, of log_make_session(). */
_Noreturn void connection_await_client(struct handler *h, int channel, const char *id);
/* Gives the guard at `guard` the session, by the other end of its channel, and the session the client: at
 * once where no limit is to be looked at, else by its guard. False: there is no guard, and the client has
 * nobody yet. */
bool connection_assign(const struct handler *h, int guard, int session, const char *id, int client,
                       const struct peer *peer);

/* In the log: a process, "session" or "guard", died by a signal; `how` is wait()'s. */
void connection_log_death(const char *what, int how);
/* Tells a client one line (nothing with implicit TLS, where it couldn't be read). Doesn't wait. */
void connection_refuse(const struct handler *h, int out, const char *line);

#endif
