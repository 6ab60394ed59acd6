/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The warm listener: a process that holds a listening socket and serves each connection by processes that it
 * forks. It makes those of the next connection in advance, so that a client needn't wait for them.
 */
#ifndef POSTERN_NET_WARM_H
#define POSTERN_NET_WARM_H

#include "net/connection.h"

/* In the environment of a listener that executed itself anew: the descriptor of a file that lists its
 * children. */
#define WARM_CHILDREN "POSTERN_WARM_CHILDREN"

/* Accepts on `listening` until no connection has been there for settings.idle_exit seconds, or SIGTERM comes.
 * When settings, certificate or executable change on disk, or a child died by a signal, it executes itself
 * anew in place, with `argv` and the same socket. With h->broken each client is told `unavailable`. Returns
 * the exit code. */
int warm_run(struct handler *h, int listening, char **argv);

#endif
