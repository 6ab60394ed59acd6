/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which TLS a domain's hosts must have: by DANE (RFC 7672), which comes first, by MTA-STS (RFC 8461), or
 * because a message requires it (RFC 8689). Part of the connector.
 */
#ifndef POSTERN_QRUN_POLICY_H
#define POSTERN_QRUN_POLICY_H

#include "connector.h"
#include "route.h"
#include "security.h"

#include "text/mta_sts.h"

struct policy {
    const struct connector_start *start;
    const struct dns_resolver *resolver;
    int channel;
    struct message *packet; /* to be used for what is said on the way */
    bool searched;          /* for MTA-STS */
    bool found;
    struct sts_policy sts;
};

/* Tells the scheduler, for the log and reports, what came of a policy before there was a connection. */
void policy_note(struct policy *p, enum tls_policy kind, enum tls_result result, const char *host,
                 const char *text);

/* What the host number `host` of the route, with these addresses, must have. ST_TEMP: it can't be known now,
 * or it isn't one of the policy's: not this host. ST_PERM: it can't do what the message requires. *why then
 * has an enhanced code and a sentence. */
enum status policy_find(struct policy *p, const struct route *route, size_t host,
                        const struct route_addresses *a, struct security *s, struct bytes *why);

#endif
