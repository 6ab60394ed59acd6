/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNS for a session that checks who sent a stranger's message: its questions go to the resolver's process,
 * and the answers back to it, as bytes that nobody reads here. The guard only counts: SMTPD_QUESTIONS_LIMIT
 * questions a message, which a session never goes above that isn't taken over, and CONNECTION_QUESTIONS in
 * all, after which the client has to connect again.
 *
 * Of what the session found the log has a line, once a message, in the session's words: they decide nothing
 * but what a session could do anyway, refuse a message or take it.
 */
#include "guard_policy.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/idna.h"
#include "store/dmarc_results.h"

#include <errno.h>
#include <string.h>

#define CONNECTION_QUESTIONS 5000
#define RESULTS 4 /* of SPF, DKIM, DMARC, ARC */

/* Who connects from the address that he connects to is this machine. */
bool guard_may_check(const struct serving *s)
{
    const struct settings *set = s->settings;
    return (set->spf != SPF_OFF || set->dmarc != DMARC_OFF) && s->peer.known &&
           memcmp(&s->peer.address, &s->peer.here, sizeof s->peer.here) != 0;
}

bool guard_checks(const struct smtp_guard *g)
{
    return guard_is_stranger(g) && !guard_is_submission(g) && guard_may_check(g->serving);
}

enum guard_next guard_dns(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct dns_query queries[DNS_QUERIES];
    size_t count;
    if (!g->policy || !guard_checks(g) || !resolver_get_queries(m, queries, &count) || count == 0)
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

/* --- what it found */

static const char *const outcomes[] = { "accept", "junk", "refuse", "defer" };

static void log_checked(struct smtp_guard *g, enum outcome outcome, const char *reply,
                        char results[RESULTS][SMTPD_RESULT_LIMIT + 1])
{
    const struct envelope *e = &g->envelope;
    const char *text[RESULTS];
    if (!(outcome >= OUTCOME_REFUSE ? guard_may_log_refusal(g) : guard_may_log_message(g)))
        return;
    for (int i = 0; i < RESULTS; i++)
        text[i] = results[i][0] ? results[i] : NULL;
    log_event(LOG_INFO, "checked", "peer", g->serving->peer.text, "helo", e->helo, "from", e->sender.text,
              "to", e->recipient.text, "spf", text[0], "dkim", text[1], "dmarc", text[2], "arc", text[3],
              "outcome",
              outcomes[outcome], "reply", outcome >= OUTCOME_REFUSE ? reply : NULL, NULL);
}

void guard_record_dmarc(struct smtp_guard *g)
{
    struct envelope *e = &g->envelope;
    struct address to = e->recipient;
    bool named = e->recipients == 1 && idna_address(&to);
    const char *domain = named && address_domain(&to).n ? address_domain(&to).p : NULL;
    if (e->report.len && dmarc_results_add(g->settings->spool, clock_now(), g->serving->peer.text, domain,
                                           span_bytes(&e->report)) == ST_TEMP)
        log_event(LOG_WARNING, "not-recorded", "what", "dmarc", "why", strerror(errno), NULL);
    bytes_clear(&e->report);
}

enum guard_next guard_checked(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    char reply[SMTPD_POLICY_LIMIT], results[RESULTS][SMTPD_RESULT_LIMIT + 1];
    struct span report;
    uint64_t outcome;
    if (g->envelope.checked || !guard_checks(g) || !message_get_u64(m, &outcome) || outcome >= OUTCOMES ||
        !message_get_str(m, reply, sizeof reply))
        return GUARD_END;
    for (int i = 0; i < RESULTS; i++)
        if (!message_get_str(m, results[i], sizeof results[i]))
            return GUARD_END;
    if (!message_get(m, &report) || !message_end(m) || !bytes_add_span(&g->envelope.report, report))
        return GUARD_END;
    g->envelope.checked = true;
    bool late = outcome == OUTCOME_DEFER && !policy_defers(g);
    if (outcome == OUTCOME_REFUSE)
        guard_record_dmarc(g);
    log_checked(g, late ? OUTCOME_ACCEPT : (enum outcome)outcome, reply, results);
    return guard_reply_judged(g, m,
                              outcome == OUTCOME_REFUSE           ? VERDICT_POLICY
                              : outcome == OUTCOME_DEFER && !late ? VERDICT_DELAYED
                                                                  : VERDICT_OK);
}
