/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * To whom: what smtpd's guard says to RCPT. A recipient is expanded at once to the mailboxes and outside
 * addresses that it means, each of which gets the message once.
 */
#include "guard_policy.h"
#include "base/clock.h"
#include "store/srs.h"
#include "text/xtext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Mailboxes for which a process hasn't descriptors enough are reached like outside addresses: by the queue,
 * and from there here again. */
void guard_bound_local(struct targets *t)
{
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->list[i].local && ++count > LOCAL_LIMIT)
            t->list[i].local = false;
}

/* An address that we made of a sender when his mail was sent on: a bounce goes back to him, and nothing else
 * goes there. VERDICT_NO_USER: it isn't one of those. */
static enum verdict turn_back(struct smtp_guard *g, const struct address *a, struct targets *found)
{
    struct bytes key;
    struct address sender;
    enum status ours = srs_is(a) ? directory_domain(g->directory, address_domain(a)) : ST_NONE;
    if (ours != ST_OK)
        return ours == ST_NONE ? VERDICT_NO_USER : VERDICT_TABLES;
    enum status st = srs_key(g->settings, &key);
    if (st == ST_OK)
        st = address_is_null(&g->envelope.sender) ? srs_reverse(span_bytes(&key), a, clock_now(), &sender)
                                                  : ST_PERM;
    bytes_wipe(&key);
    if (st != ST_OK)
        return st == ST_PERM ? VERDICT_NO_BOUNCE : st == ST_NONE ? VERDICT_NO_USER : VERDICT_TABLES;
    return targets_add_outside(found, &sender) ? VERDICT_OK : VERDICT_FAILED;
}

enum verdict guard_expand(struct smtp_guard *g, const struct address *a, struct targets *found)
{
    if (!guard_open_directory(g))
        return VERDICT_TABLES;
    enum verdict back = turn_back(g, a, found);
    if (back != VERDICT_NO_USER)
        return back;
    enum status st = directory_expand(g->directory, a, found);
    int why = errno;
    if (st == ST_OK)
        return VERDICT_OK;
    if (st == ST_NONE)
        return VERDICT_NO_USER;
    if (st == ST_PERM && why == EREMOTE) {
        if (!guard_may_relay(g))
            return VERDICT_NO_RELAY;
        return targets_add_outside(found, a) ? VERDICT_OK : VERDICT_FAILED;
    }
    if (st == ST_PERM)
        return why == E2BIG ? VERDICT_ALIASES : VERDICT_ALIAS;
    return why == ENOLINK ? VERDICT_INCLUDE : VERDICT_TABLES;
}

/* A recipient that is a mailbox is refused if that is full, even if it has copies sent elsewhere: 552, as
 * Postfix and Dovecot do. Of an alias' other mailboxes one that is full keeps the message from nobody else:
 * COMMIT looks again. */
static bool is_full(const struct smtp_guard *g, const struct address *a, const struct targets *t)
{
    char detail[ADDRESS_LOCAL_LIMIT + 1];
    struct address own, base;
    bool has_own = directory_account(g->directory, a, &own) == ST_OK ||
                   (address_part(a, g->settings->recipient_delimiter, &base, detail) &&
                    directory_account(g->directory, &base, &own) == ST_OK);
    for (size_t i = 0; i < t->count; i++) {
        bool meant = t->count == 1 || (has_own && address_same(&t->list[i].address, &own));
        if (meant && t->list[i].local && !guard_has_room(g, &t->list[i].address, g->envelope.size))
            return true;
    }
    return false;
}

/* Whose domain may seal the message, where an alias sends it on. */
static void note_forward(struct envelope *e, const struct address *a, size_t before)
{
    for (size_t i = before; i < e->targets.count; i++)
        if (e->targets.list[i].forwarded) {
            sign_domains_add(&e->forwards, address_domain(a));
            return;
        }
}

enum verdict guard_join(struct envelope *e, const struct address *a, const struct rcpt_options *o,
                        struct targets *found, bool *changes)
{
    size_t *places = calloc(found->count + 1, sizeof *places);
    if (!places)
        return VERDICT_FAILED;
    enum verdict v = VERDICT_FAILED;
    if (targets_places(&e->targets, found, places) > TARGETS_LIMIT)
        v = VERDICT_TOO_FAR;
    else if (targets_reserve(&e->targets, found->count) && guard_notice_keep(e, a, o, found, places, changes))
        v = VERDICT_OK;
    if (v == VERDICT_OK)
        targets_join(&e->targets, found, places);
    free(places);
    return v;
}

enum verdict guard_add_recipient(struct smtp_guard *g, const struct address *a, const struct rcpt_options *o,
                                 bool by_filter)
{
    struct envelope *e = &g->envelope;
    struct targets found = { .count = 0 };
    size_t before = e->targets.count, copies = e->copies.count;
    bool changes;
    if (e->recipients >= g->settings->recipients)
        return VERDICT_TOO_MANY;
    if (guard_is_lmtp(g) && e->recipients >= SMTPD_LMTP_RECIPIENTS)
        return VERDICT_TOO_FAR;
    enum verdict v = guard_expand(g, a, &found);
    if (v == VERDICT_OK && is_full(g, a, &found))
        v = VERDICT_FULL;
    if (v == VERDICT_OK && !by_filter)
        v = policy_recipient(g, a);
    if (v == VERDICT_OK && !guard_copies_recipient(g, a))
        v = VERDICT_TABLES;
    if (v == VERDICT_OK && guard_filters(g) && !guard_filter_room(e))
        v = VERDICT_FAILED;
    if (v == VERDICT_OK)
        v = guard_join(e, a, o, &found, &changes);
    targets_free(&found);
    if (v != VERDICT_OK)
        return v;
    if (guard_filters(g))
        guard_filter_keep(e, a, o, before, copies, changes);
    guard_bound_local(&e->targets);
    if (guard_is_lmtp(g))
        v = guard_lmtp_keep(e, a);
    if (v != VERDICT_OK)
        return v;
    note_forward(e, a, before);
    if (e->recipients++ == 0)
        e->recipient = *a;
    return v;
}

/* Whom mail goes to at an address by which we are reached is somebody at our name (RFC 1123 5.2.17). */
static void name_literal(const struct smtp_guard *g, struct address *a)
{
    struct in6_addr literal, own;
    struct span words = span_of(g->settings->addresses), word;
    const struct peer *peer = &g->serving->peer;
    if (!policy_read_literal(address_domain(a), &literal))
        return;
    bool ours = peer->known && memcmp(&literal, &peer->here, sizeof literal) == 0;
    while (!ours && span_cut(&words, ' ', &word))
        ours = policy_read_ip(word, &own) && memcmp(&literal, &own, sizeof own) == 0;
    char text[sizeof a->text];
    struct address named;
    int n = snprintf(text, sizeof text, "%.*s@%s", SPAN_FMT(address_local(a)), g->settings->hostname);
    if (ours && n > 0 && (size_t)n < sizeof text && address_parse(span_of(text), &named) == ADDRESS_OK)
        *a = named;
}

/* NOTIFY and ORCPT, judged again, where they were said. */
static bool get_options(struct message *m, bool utf8, struct rcpt_options *o)
{
    uint64_t notify;
    struct span orcpt;
    *o = (struct rcpt_options){ .notify = 0 };
    if (message_end(m))
        return true;
    if (!message_get_u64(m, &notify) || notify > NOTIFY_BITS || !message_get(m, &orcpt) || !message_end(m) ||
        (notify & NOTIFY_NEVER && notify != NOTIFY_NEVER))
        return false;
    o->notify = (unsigned)notify;
    return span_copy(orcpt, o->orcpt, sizeof o->orcpt) && (!orcpt.n || orcpt_valid(orcpt, utf8));
}

/* It has said why. */
static bool is_policy(enum verdict v)
{
    return v == VERDICT_POLICY || v == VERDICT_DELAYED;
}

/* As the log has them. */
static const struct {
    const char *why, *setting;
} reasons[] = {
    [VERDICT_NO_RELAY] = { "relaying denied", "networks" },
    [VERDICT_NO_USER] = { "no such user", NULL },
    [VERDICT_NO_BOUNCE] = { "no bounce of mail that was sent on", "srs" },
    [VERDICT_TOO_MANY] = { "too many recipients", "recipients" },
    [VERDICT_TOO_FAR] = { "too many recipients", NULL },
    [VERDICT_ALIAS] = { "its aliases go round in a circle", NULL },
    [VERDICT_ALIASES] = { "its aliases lead to too many", NULL },
    [VERDICT_INCLUDE] = { "a file that its alias includes can't be read", NULL },
    [VERDICT_TABLES] = { "tables can't be read", NULL },
    [VERDICT_FAILED] = { "out of memory", NULL },
    [VERDICT_FULL] = { "over quota", NULL },
    [VERDICT_SPENT] = { "too many questions to DNS for one connection", NULL },
};

enum guard_next guard_rcpt(struct guard *guard, struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct address recipient;
    struct rcpt_options options;
    if (!guard_get_path(m, &recipient) || !get_options(m, g->envelope.options.smtputf8, &options) ||
        !(g->envelope.options.smtputf8 || address_is_ascii(&recipient)))
        return GUARD_END;
    name_literal(g, &recipient);
    enum verdict v = guard_add_recipient(g, &recipient, &options, false);
    if (v == VERDICT_OK)
        guard->state = GUARD_RCPTS;
    else if (!is_policy(v))
        guard_log_refusal(g, reasons[v].why, reasons[v].setting, &recipient);
    enum guard_next next = guard_reply_judged(g, m, v);
    if (is_policy(v) && next == GUARD_REPLY)
        message_put_str(m, g->said);
    if (v == VERDICT_OK)
        message_put_u64(m, guard_checks(g) && policy_exempts(g, &recipient));
    return next;
}
