/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files about a connection's processes share.
 */
#ifndef POSTERN_NET_CONNECTION_PRIVATE_H
#define POSTERN_NET_CONNECTION_PRIVATE_H

#include "net/connection.h"

#include <sys/types.h>

/* --- connection_session.c */
/* Waits on `from` for what connection_give() sends: peer and descriptors of the client, into s. */
bool connection_take(struct serving *s, int from);
/* Do the limits let the client in? It has been told where they don't. */
bool connection_admits(struct handler *h);
/* Gives the client to the session at the other end of that channel, where it may come in. False: it was told
 * why not. */
bool connection_pass_on(struct handler *h, int session);
/* The session's process, its channel in h->serving. `next`: its client comes by that. */
_Noreturn void connection_run_session(struct handler *h, bool next);

/* --- connection_children.c */
/* fork() of a child that doesn't outlive us. */
pid_t connection_fork(void);
/* Enters `box` and leaves the others, whose descriptors are nobody else's business. */
bool connection_enter(struct handler *h, struct sandbox *box);
/* Makes a process that asks DNS, and is heard at h->serving.resolver. Where it can't be made, nothing can be
 * looked up. */
void connection_start_resolver(struct handler *h);
void connection_close(int in, int out);

#endif
