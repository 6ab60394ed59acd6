/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Filters (milters) as the guard sees them: it has their connections, begun before its sandbox, and gives
 * them to the session, which speaks with them; and it decides what becomes of what they want of the envelope.
 * A filter is the administrator's, but the guard has only the session's word that it was a filter who asked:
 *
 *     ADD      as RCPT by the same client, without the policy for strangers: who may not relay gets no
 *              recipient outside, and one who isn't there is a refusal as any other
 *     REMOVE   a recipient goes, with all that it alone leads to: the last RCPT for it
 *     SENDER   a stranger says what he likes; who has logged in, or is a user of this machine, stays within
 *              what he may say, the domain of what he said, or <>
 *
 * What a recipient leads to is each mailbox once, whoever brought it there: to take one away, all others are
 * expanded anew; or it is the last one, and cut off.
 */
#include "guard_private.h"
#include "base/log.h"
#include "net/milters.h"

#include <stdlib.h>
#include <string.h>

struct named {
    struct address address;
    struct rcpt_options options;
    size_t targets, copies; /* so many there were before it */
    bool changes; /* it also leads to some of these, and what is said of them is others' and its own */
};

unsigned guard_milter_uses(const struct serving *s)
{
    if (serving_flag(s, 'l'))
        return 0;
    return serving_flag(s, 's') || serving_flag(s, 'u') ? MILTER_FOR_SUBMISSION : MILTER_FOR_IN;
}

bool guard_filters(const struct smtp_guard *g)
{
    return g->settings->milter_count && milters_wanted(g->settings, guard_milter_uses(g->serving));
}

bool guard_filter_room(struct envelope *e)
{
    struct named *named = realloc(e->named, (e->recipients + 1) * sizeof *named);
    if (named)
        e->named = named;
    return named != NULL;
}

void guard_filter_keep(struct envelope *e, const struct address *a, const struct rcpt_options *o,
                       size_t targets, size_t copies, bool changes)
{
    e->named[e->recipients] = (struct named){
        .address = *a, .options = *o, .targets = targets, .copies = copies, .changes = changes
    };
}

void guard_filter_tell(struct smtp_guard *g, struct message *m)
{
    const char *name = policy_reverse_name(g);
    queue_new_id(g->envelope.id);
    message_put_str(m, g->envelope.id);
    message_put_str(m, name ? name : "");
    message_put_str(m, g->login.done ? g->login.account.text : "");
}

enum guard_next guard_milter(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    uint64_t which;
    if (!message_get_u64(m, &which) || !message_end(m) || !guard_filters(g) ||
        which >= g->settings->milter_count)
        return GUARD_END;
    int fd = g->milters[which];
    g->milters[which] = -1;
    guard_reply(m, fd >= 0 ? VERDICT_OK : VERDICT_FAILED);
    m->fd = fd;
    return GUARD_REPLY;
}

/* --- the envelope */

static void log_wish(struct smtp_guard *g, const char *what, const struct address *a, enum verdict v)
{
    if (!guard_may_log_message(g))
        return;
    log_event(v == VERDICT_OK ? LOG_INFO : LOG_WARNING, "filtered", "id", g->envelope.id, "peer",
              g->serving->peer.text, what, a->text, "why", v == VERDICT_OK ? NULL : "a filter may not", NULL);
}

static bool same_domain(const struct address *a, const struct address *b)
{
    return span_ieq(address_domain(a), address_domain(b));
}

/* The path that a filter wants. False: it is none, or there are no filters. */
static bool get_wish(struct smtp_guard *g, struct message *m, struct address *a)
{
    return guard_filters(g) && guard_get_path(m, a) && message_end(m) &&
           (g->envelope.options.smtputf8 || address_is_ascii(a));
}

enum guard_next guard_filter_sender(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct envelope *e = &g->envelope;
    struct address sender;
    if (!get_wish(g, m, &sender))
        return GUARD_END;
    bool bound = g->login.done || guard_by_user(g);
    enum verdict v = !bound || address_is_null(&sender) || same_domain(&sender, &e->sender)
                         ? VERDICT_OK
                         : guard_check_sender(g, &sender);
    if (v == VERDICT_OK)
        e->sender = sender;
    log_wish(g, "sender", &sender, v);
    return guard_reply(m, v);
}

enum guard_next guard_filter_add(struct guard *guard, struct message *m)
{
    static const struct rcpt_options none = { .notify = 0 };
    struct smtp_guard *g = guard->program;
    struct address recipient;
    if (!get_wish(g, m, &recipient) || address_is_null(&recipient))
        return GUARD_END;
    enum verdict v = VERDICT_TOO_MANY;
    if (g->envelope.wished < SMTPD_FILTER_ADDS)
        v = guard_add_recipient(g, &recipient, &none, true);
    g->envelope.wished += v == VERDICT_OK;
    log_wish(g, "added", &recipient, v);
    return guard_reply_judged(g, m, v);
}

static void forget_targets(struct envelope *e)
{
    targets_free(&e->targets);
    targets_free(&e->copies);
    guard_notice_forget(e);
    e->recipients = 0;
}

/* Those that are left, `count` of them, expanded anew. */
static enum verdict expand_all(struct smtp_guard *g, size_t count)
{
    struct envelope *e = &g->envelope;
    enum verdict v = VERDICT_OK;
    forget_targets(e);
    for (size_t i = 0; i < count && v == VERDICT_OK; i++) {
        struct named *n = &e->named[i];
        struct targets found = { .count = 0 };
        n->targets = e->targets.count;
        n->copies = e->copies.count;
        v = guard_expand(g, &n->address, &found);
        if (v == VERDICT_OK && !guard_copies_recipient(g, &n->address))
            v = VERDICT_TABLES;
        if (v == VERDICT_OK)
            v = guard_join(e, &n->address, &n->options, &found, &n->changes);
        targets_free(&found);
        e->recipients++;
    }
    guard_bound_local(&e->targets);
    if (count)
        e->recipient = e->named[0].address;
    return v;
}

/* Was it named before already? Then it has led to nothing more. */
static bool is_repeated(const struct envelope *e, size_t which)
{
    for (size_t i = 0; i < which; i++)
        if (address_same(&e->named[i].address, &e->named[which].address))
            return true;
    return false;
}

static enum verdict drop(struct smtp_guard *g, size_t which)
{
    struct envelope *e = &g->envelope;
    struct named *n = &e->named[which];
    size_t last = e->recipients - 1;
    bool silent = !n->options.notify && !n->options.orcpt[0] && !n->changes;
    bool repeated = silent && is_repeated(e, which);
    if (silent && !repeated && which == last && which) {
        targets_cut(&e->targets, n->targets);
        targets_cut(&e->copies, n->copies);
    }
    bool cheap = repeated || (silent && which == last && which);
    memmove(n, n + 1, (last - which) * sizeof *n);
    if (!cheap)
        return expand_all(g, last);
    e->recipients = last;
    return VERDICT_OK;
}

enum guard_next guard_filter_remove(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct envelope *e = &g->envelope;
    struct address recipient;
    enum verdict v = VERDICT_NO_USER;
    if (!get_wish(g, m, &recipient))
        return GUARD_END;
    for (size_t i = e->recipients; i-- > 0 && v == VERDICT_NO_USER;)
        if (address_same(&e->named[i].address, &recipient))
            v = drop(g, i);
    if (v != VERDICT_NO_USER)
        log_wish(g, "removed", &recipient, v);
    if (v != VERDICT_OK && v != VERDICT_NO_USER) { /* half of them are gone */
        guard_forget_envelope(e);
        guard->state = GUARD_IDLE;
    }
    return guard_reply(m, v);
}
