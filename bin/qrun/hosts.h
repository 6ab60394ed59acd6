/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Addresses that couldn't be connected to, or that took a connection and said nothing: remembered for a
 * while, also from run to run (spool/hosts), so that the domains which share a dead host don't each wait for
 * it.
 */
#ifndef POSTERN_QRUN_HOSTS_H
#define POSTERN_QRUN_HOSTS_H

#include "base/settings.h"

#include <netinet/in.h>

struct hosts;

/* What the file has; without one, or without memory, nothing is known (NULL is allowed in all of these). */
struct hosts *hosts_open(const struct settings *s);
/* Writes the file if something has changed, and frees. */
void hosts_close(struct hosts *h);
/* Seconds for which the address is better left alone; 0: try it. */
int64_t hosts_dead(const struct hosts *h, const char *address);
/* It failed: left alone from now on, the longer the oftener it has failed. `address` is an IP address as
 * text, and may be anything. */
void hosts_failed(struct hosts *h, const char *address);
/* It took a connection and spoke. */
void hosts_worked(struct hosts *h, const char *address);

#endif
