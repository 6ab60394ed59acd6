/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connections to the filters of the setting `milter`, made before the sandbox of the one who makes them, for
 * another who can open nothing. Nobody waits: a connection is on its way when it is returned.
 */
#ifndef POSTERN_NET_MILTERS_H
#define POSTERN_NET_MILTERS_H

#include "base/settings.h"

/* Is there a filter for connections of these kinds (MILTER_FOR_*)? */
bool milters_wanted(const struct settings *s, unsigned uses);
/* fds[i] becomes a socket, close-on-exec, to the i-th filter of the settings where it is for these kinds,
 * else -1. Where it couldn't even be begun it is -1 too, and the log has the reason. */
void milters_connect(const struct settings *s, unsigned uses, int fds[SETTINGS_MILTERS]);
/* Closes what is left of them. */
void milters_close(int fds[SETTINGS_MILTERS]);

#endif
