/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process that finds a destination's hosts and connects to them, one after the other, as the scheduler
 * asks.
 */
#ifndef POSTERN_QRUN_CONNECTOR_H
#define POSTERN_QRUN_CONNECTOR_H

#include "base/settings.h"
#include "net/dns.h"

struct connector_start {
    const struct settings *settings;
    const struct dns_resolver *resolver;
    const char *domain;
};

/* In SANDBOX_RESOLVER; returns when the scheduler has closed its end. */
void connector_run(int channel, const struct connector_start *start);

#endif
