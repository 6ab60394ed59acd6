/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process that finds a destination's hosts and connects to them, one after the other, as the scheduler
 * asks.
 */
#ifndef POSTERN_QRUN_CONNECTOR_H
#define POSTERN_QRUN_CONNECTOR_H

#include "base/settings.h"
#include "net/dns.h"
#include "net/dnssec.h"
#include "security.h"
#include "store/tls_state.h"
#include "text/hop.h"

struct connector_start {
    const struct settings *settings;
    const struct dns_resolver *resolver;
    const char *domain;
    const struct hop *hop;
    enum lane lane;
    struct dnssec *dnssec; /* NULL: answers aren't verified */
    bool dnssec_required;  /* without a look whether the resolver is able to */
    const struct tls_state_policy *cached; /* the domain's; its text empty where there is none */
};

/* The port its hosts listen on. */
uint64_t connector_port(const struct connector_start *start);

/* In SANDBOX_RESOLVER; returns when the scheduler has closed its end. */
void connector_run(int channel, const struct connector_start *start);

/* A socket connected to this address, or -1 with errno. The scheduler's end of `channel` is watched
 * meanwhile. */
int connect_to(int channel, const struct in6_addr *address, uint64_t port, const struct settings *s);

#endif
