/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files about a connection's processes share.
 */
#ifndef POSTERN_NET_CONNECTION_PRIVATE_H
#define POSTERN_NET_CONNECTION_PRIVATE_H

#include "net/connection.h"

#include <sys/types.h>

/* --- connection_session.c */
/* Waits on the channel `from` for what connection_give() sends: the client's peer and descriptors, into s.
 * False: there will be none. */
bool connection_take(struct serving *s, int from);
/* Do the limits let the client in? Where they don't, it has been told so. */
bool connection_admits(struct handler *h);
/* Gives the client, if the limits let it in, to the session at the other end of that channel. False: it has
 * been told why not. */
bool connection_pass_on(struct handler *h, int session);
/* The session's process, with its channel in h->serving. `next`: there is no client yet, it comes by that
 * channel. */
_Noreturn void connection_run_session(struct handler *h, bool next);

/* --- connection_children.c */
/* fork(); the child is killed when this process ends. */
pid_t connection_fork(void);
/* Enters `box` and closes the other sandboxes' descriptors, which this process has no use for. False as
 * sandbox_enter(). */
bool connection_enter(struct handler *h, struct sandbox *box);
/* Makes a process that asks DNS; the channel to it is h->serving.resolver then. Where it can't be made that
 * stays -1, and nothing can be looked up. */
void connection_start_resolver(struct handler *h);
/* Closes a client's descriptors, which may be the same. */
void connection_close(int in, int out);

#endif
