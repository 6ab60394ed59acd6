/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNS for a session that checks who sent a stranger's message: its questions go to the resolver's process, and the
 * answers back to it, as bytes that nobody reads here. The guard only counts: SMTPD_QUESTIONS_LIMIT questions a message,
 * which a session never goes above that isn't taken over, and CONNECTION_QUESTIONS in all, after which the client has to
 * connect again.
 */
#include "guard_policy.h"

#include <string.h>

#define CONNECTION_QUESTIONS 5000

/* Its own addresses are this machine's: what DNS has to say of them is nothing. */
static bool is_ourselves(const struct peer *peer)
{
    return memcmp(&peer->address, &peer->here, sizeof peer->here) == 0;
}

bool guard_checks(const struct smtp_guard *g)
{
    const struct settings *s = g->settings;
    const struct peer *peer = &g->serving->peer;
    return guard_is_stranger(g) && !guard_is_submission(g) && peer->known && !is_ourselves(peer) &&
           (s->spf != SPF_OFF || s->dmarc != DMARC_OFF);
}

enum guard_next guard_dns(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct dns_query queries[DNS_QUERIES];
    size_t count;
    if (!g->policy || !guard_checks(g) || !resolver_get_queries(m, queries, &count) ||
        count == 0)
        return GUARD_END;
    g->envelope.questions += (unsigned)count;
    g->questions += (unsigned)count;
    if (g->envelope.questions > SMTPD_QUESTIONS_LIMIT)
        return GUARD_END;
    if (g->questions > CONNECTION_QUESTIONS) {
        guard_reply(m, VERDICT_SPENT);
        return GUARD_DONE;
    }
    guard_reply(m, VERDICT_OK);
    policy_ask_raw(g, queries, count, m);
    return GUARD_REPLY;
}
