/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern queue retry, hold, release and drop: what an administrator does about the queue. Whatever changes a
 * message takes its lock first: one that is being sent just now says so and is left alone. What becomes of a
 * recipient by that is an event of the log, as what qrun does is: held, released or dropped.
 */
#include "base/clock.h"
#include "base/log.h"
#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int defer_to_now(struct selection *s, struct queue_message *m)
{
    m->next_attempt = clock_now();
    if (queue_defer_later(s->dir, m, &s->later) == ST_OK)
        return EX_OK;
    return complain(EX_IOERR, "%s: can't be made due: %s", m->id, strerror(errno));
}

/* Makes it due now. What waits under a later time is moved; what lies open is due already. */
static int make_due(struct selection *s, struct queue_message *m)
{
    return m->next_attempt <= clock_now() ? EX_OK : defer_to_now(s, m);
}

static void note(const struct queue_message *m, const struct queue_recipient *r, const char *event)
{
    log_event(LOG_NOTICE, event, "id", m->id, "from", m->sender, "to", r->address.text, NULL);
}

/* Turns the mark `from` of every recipient that is meant into `to`. *changed counts them. */
static int change_marks(struct selection *s, struct queue_message *m, char from, char to, const char *event,
                        size_t *changed)
{
    *changed = 0;
    for (size_t i = 0; i < m->recipient_count; i++) {
        if (m->recipients[i].mark != from || !selection_has(s, &m->recipients[i]))
            continue;
        if (queue_mark(m, i, to) != ST_OK)
            return complain(EX_IOERR, "%s: can't be marked: %s", m->id, strerror(errno));
        note(m, &m->recipients[i], event);
        ++*changed;
    }
    return EX_OK;
}

/* Whoever names a message is told that there was nothing to do. */
static int none(const struct selection *s, const struct queue_message *m, const char *why)
{
    return s->id_count ? complain(EX_DATAERR, "%s: %s", m->id, why) : EX_OK;
}

static int hold(struct selection *s, struct queue_message *m)
{
    size_t changed;
    int result = change_marks(s, m, QUEUE_TODO, QUEUE_HELD, "held", &changed);
    return result == EX_OK && !changed ? none(s, m, "has no recipient that waits") : result;
}

/* What was held for longer than messages are tried gets time to be tried in all the same. */
static int release(struct selection *s, struct queue_message *m)
{
    size_t changed;
    int result = change_marks(s, m, QUEUE_HELD, QUEUE_TODO, "released", &changed);
    if (result == EX_OK && !changed)
        return none(s, m, "has no recipient that is held");
    if (result != EX_OK)
        return result;
    uint64_t lifetime = s->a->s.queue_lifetime;
    int64_t until = clock_now() + queue_grace(lifetime);
    if (queue_since(m) + (int64_t)lifetime >= until)
        return make_due(s, m);
    m->until = until;
    m->attempts = 0;
    return defer_to_now(s, m);
}

static void say_dropped(const struct queue_message *m, const struct queue_recipient *r)
{
    printf("dropped %s <", m->id);
    say_word(span_of(m->sender));
    fputs("> <", stdout);
    say_word(span_of(r->address.text));
    puts(">");
    note(m, r, "dropped");
}

/* Where other recipients wait, those that are meant are marked as done with; else the message is removed. */
static int drop(struct selection *s, struct queue_message *m)
{
    size_t left = 0;
    for (size_t i = 0; i < m->recipient_count; i++) {
        char mark = m->recipients[i].mark;
        left += mark != QUEUE_DONE && mark != QUEUE_BOUNCED && !selection_has(s, &m->recipients[i]);
    }
    for (size_t i = 0; left && i < m->recipient_count; i++)
        if (selection_has(s, &m->recipients[i])) {
            if (queue_mark(m, i, QUEUE_DONE) != ST_OK)
                return complain(EX_IOERR, "%s: can't be marked: %s", m->id, strerror(errno));
            say_dropped(m, &m->recipients[i]);
        }
    if (left)
        return EX_OK;
    if (queue_remove_later(s->dir, m, &s->later) != ST_OK)
        return complain(EX_IOERR, "%s: can't be removed: %s", m->id, strerror(errno));
    for (size_t i = 0; i < m->recipient_count; i++)
        if (selection_has(s, &m->recipients[i]))
            say_dropped(m, &m->recipients[i]);
    log_event(LOG_INFO, "removed", "id", m->id, NULL);
    return EX_OK;
}

static int change(struct selection *s, selection_act *act)
{
    if (s->json)
        return complain(EX_USAGE, "--json is for list and show");
    log_to_system();
    return selection_each(s, true, act);
}

/* Without arguments only `retry` means all. */
static int change_named(struct admin *a, int argc, char **argv, struct selection *s, selection_act *act)
{
    int result = selection_read(s, a, argc, argv);
    if (result == EX_OK && !s->id_count && !s->all && !selection_filters(s))
        return complain(EX_USAGE, "which messages? IDs, filters, or `all`");
    return result == EX_OK ? change(s, act) : result;
}

/* What was made due is tried at once. */
static int woken(const struct selection *s, int result)
{
    if (s->seen)
        queue_wake(s->a->s.spool, s->id_count == 1 ? s->ids[0] : NULL);
    return result;
}

int queue_retry(struct admin *a, int argc, char **argv)
{
    struct selection s;
    int result = selection_read(&s, a, argc, argv);
    return result == EX_OK ? woken(&s, change(&s, make_due)) : result;
}

int queue_hold(struct admin *a, int argc, char **argv)
{
    struct selection s;
    return change_named(a, argc, argv, &s, hold);
}

int queue_release(struct admin *a, int argc, char **argv)
{
    struct selection s;
    return woken(&s, change_named(a, argc, argv, &s, release));
}

int queue_drop(struct admin *a, int argc, char **argv)
{
    struct selection s;
    return change_named(a, argc, argv, &s, drop);
}
