/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LMTP in the guard (RFC 2033): behind the message each recipient has an answer of its own, so each is a
 * delivery of its own, with its own commit point (guard_commit.c) and ID: one whose mailbox is full or whose
 * disk fails is refused or deferred, and the others have their mail.
 *
 * What a recipient expands to, and what it asked to be told, stays with it; the envelope's `targets` and
 * `asked` are empty between RCPTs. A mailbox, or an address outside, that several recipients lead to gets the
 * message once: who comes later shares the answer, if it was good, and what he wants to hear goes along.
 */
#include "guard_private.h"

#include <stdlib.h>
#include <string.h>

struct lmtp_recipient {
    struct address address;
    struct targets targets;
    struct asked *asked;  /* what it asked to be told, or NULL */
    enum verdict verdict; /* once delivered */
    char id[QUEUE_ID_LIMIT];
};

enum verdict guard_lmtp_keep(struct envelope *e, const struct address *recipient)
{
    size_t all = e->targets.count;
    for (size_t i = 0; i < e->recipients; i++)
        all += e->each[i].targets.count;
    struct lmtp_recipient *each =
        all <= TARGETS_LIMIT ? realloc(e->each, (e->recipients + 1) * sizeof *each) : NULL;
    if (each) {
        e->each = each;
        each[e->recipients] =
            (struct lmtp_recipient){ .address = *recipient, .targets = e->targets, .asked = e->asked };
    } else {
        targets_free(&e->targets);
        guard_notice_forget(e);
    }
    e->targets = (struct targets){ .count = 0 };
    e->asked = NULL;
    return each ? VERDICT_OK : all > TARGETS_LIMIT ? VERDICT_TOO_FAR : VERDICT_FAILED;
}

void guard_lmtp_forget(struct envelope *e)
{
    for (size_t i = 0; e->each && i < e->recipients; i++) {
        targets_free(&e->each[i].targets);
        e->asked = e->each[i].asked;
        guard_notice_forget(e);
    }
    free(e->each);
    e->each = NULL;
}

/* The same one among these; NULL: none is. */
static const struct target *find_target(const struct targets *among, const struct target *t)
{
    for (size_t i = 0; i < among->count; i++)
        if (among->list[i].local == t->local && target_same(&among->list[i], t))
            return &among->list[i];
    return NULL;
}

/* Who of those before `n` brought the message there; NULL: nobody. */
static const struct lmtp_recipient *find_delivered(const struct envelope *e, size_t n, const struct target *t)
{
    for (size_t i = 0; i < n; i++)
        if (e->each[i].verdict == VERDICT_OK && find_target(&e->each[i].targets, t))
            return &e->each[i];
    return NULL;
}

/* Asks of each of *left what those behind the n-th, who won't bring the message there, want to hear of it.
 * False: no memory. */
static bool join_later(struct envelope *e, size_t n, struct target *left, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = n + 1; k < e->recipients; k++) {
            const struct target *t = find_target(&e->each[k].targets, &left[i]);
            if (t && !guard_notice_join(e, &left[i], t->options))
                return false;
        }
    return true;
}

/* The targets of the n-th that have nothing yet. Their number; `id` is that of the message others have. */
static size_t find_left(const struct envelope *e, size_t n, struct target *left, char id[QUEUE_ID_LIMIT])
{
    const struct targets *all = &e->each[n].targets;
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct lmtp_recipient *has = find_delivered(e, n, &all->list[i]);
        if (has)
            memcpy(id, has->id, QUEUE_ID_LIMIT);
        else
            left[count++] = all->list[i];
    }
    return count;
}

/* One delivery. */
struct one {
    struct smtp_guard guard; /* with this recipient alone: shares everything else with the connection's */
    struct commit *commit;   /* what is left of it to do */
};

/* As if it were the only recipient. */
static enum verdict deliver(struct smtp_guard *g, size_t n, struct span tls, struct content *c,
                            struct one *one)
{
    struct lmtp_recipient *r = &g->envelope.each[n];
    struct target *left = calloc(r->targets.count + 1, sizeof *left);
    if (!left)
        return VERDICT_FAILED;
    one->guard = *g;
    struct envelope *e = &one->guard.envelope;
    size_t count = find_left(&g->envelope, n, left, r->id);
    e->recipients = 1;
    e->recipient = r->address;
    e->targets = (struct targets){ .list = left, .count = count };
    e->asked = r->asked;
    if (!join_later(&g->envelope, n, left, count))
        return VERDICT_FAILED;
    enum verdict v = count ? guard_commit(&one->guard, tls, c, r->id, &one->commit) : VERDICT_OK;
    if (v == VERDICT_OK)
        guard_notice_passed_on(&one->guard, r->id, c);
    return v;
}

/* Before the next recipient, whose quota may be the same; behind the last one nobody waits for it. */
static void end_delivery(struct one *one)
{
    guard_commit_end(one->commit);
    free(one->guard.envelope.targets.list);
    one->commit = NULL;
    one->guard.envelope.targets.list = NULL;
}

void guard_lmtp_commit(struct guard *guard, enum verdict so_far, struct span tls, struct content *c,
                       struct message *m)
{
    struct smtp_guard *g = guard->program;
    struct envelope *e = &g->envelope;
    struct one one = { .commit = NULL };
    for (size_t i = 0; i < e->recipients; i++) {
        end_delivery(&one);
        e->each[i].verdict = so_far == VERDICT_OK ? deliver(g, i, tls, c, &one) : so_far;
    }
    message_start(m, 0); /* only now: tls and what came last lie in it */
    for (size_t i = 0; i < e->recipients; i++) {
        message_put_u64(m, e->each[i].verdict);
        message_put_str(m, e->each[i].id);
    }
    guard_answer(guard, m);
    end_delivery(&one);
}
