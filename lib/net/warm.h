/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The warm listener: a process that holds a listening socket and forks for each connection, the next one
 * included.
 */
#ifndef POSTERN_NET_WARM_H
#define POSTERN_NET_WARM_H

#include "net/connection.h"

#define WARM_CHILDREN "POSTERN_WARM_CHILDREN" /* in the environment of one that executed itself anew */

/* Accepts on `listening` until it has been idle for settings.idle_exit seconds. argv is needed to execute
 * itself anew in place, with the same listening socket, when settings, certificate or executable change on
 * disk or a child died by a signal. With h->broken, clients are told so. Returns the exit code. */
int warm_run(struct handler *h, int listening, char **argv);

#endif
