/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Slots: which destinations may have children at a time.
 *
 * Slots are the setting `destinations`, and further links of destinations at work take what is left of them;
 * one that shows no progress for STALL_MS no longer counts, up to SLOTS_FACTOR times as many in all. Half of
 * those are for destinations with a message that was never tried, and what a wake-up named comes first and
 * has twice the slots: so hosts known to be slow never stop new mail, and even many new slow ones hardly do.
 */
#include "destination.h"

#include "base/clock.h"

#define STALL_MS 1000
#define SLOTS_FACTOR 10
#define SLOTS_LIMIT 200

void destination_wait(struct qrun *q, struct destination *d)
{
    d->state = WAITING;
    d->list_next = NULL;
    if (q->waiting_last)
        q->waiting_last->list_next = d;
    else
        q->waiting_first = d;
    q->waiting_last = d;
}

void destination_wait_next(struct qrun *q, struct destination *d)
{
    d->state = WAITING;
    d->list_next = q->waiting_first;
    q->waiting_first = d;
    if (!q->waiting_last)
        q->waiting_last = d;
}

static uint64_t most_slots(const struct qrun *q)
{
    uint64_t most = q->settings->destinations * SLOTS_FACTOR;
    return most < SLOTS_LIMIT ? most : SLOTS_LIMIT;
}

bool destination_is_next(const struct qrun *q)
{
    int64_t now = clock_ms();
    for (const struct destination *d = q->waiting_first; d; d = d->list_next)
        if (destination_ready_at(d) <= now)
            return true;
    return false;
}

int64_t destinations_pause(const struct qrun *q, int64_t most)
{
    int64_t now = clock_ms();
    for (const struct destination *d = q->waiting_first; d; d = d->list_next) {
        int64_t left = destination_ready_at(d) - now;
        if (left > 0 && left < most)
            most = left;
    }
    return most;
}

/* Those that make progress count for the setting, all of them for the limit. */
bool destination_link_is_free(const struct qrun *q)
{
    uint64_t busy = 0;
    int64_t now = clock_ms();
    if (q->link_count >= SLOTS_LIMIT || destination_is_next(q))
        return false;
    for (const struct destination *d = q->active; d; d = d->list_next)
        busy += now - d->progress < STALL_MS ? d->link_count : 0;
    return busy < q->settings->destinations;
}

static bool slot_is_free(const struct qrun *q, enum urgency urgency)
{
    uint64_t busy = 0, slots = q->settings->destinations;
    int64_t now = clock_ms();
    for (const struct destination *d = q->active; d; d = d->list_next)
        busy += now - d->progress < STALL_MS;
    return busy < (urgency == WOKEN ? 2 * slots : slots) &&
           q->active_count < (urgency == RETRY ? most_slots(q) / 2 : most_slots(q));
}

/* The first in line that is urgent enough, and *before, who stands before it. */
static struct destination *find_waiting(struct qrun *q, enum urgency urgency, bool proven,
                                        struct destination **before)
{
    int64_t now = clock_ms();
    struct destination *d = q->waiting_first;
    *before = NULL;
    for (; d && (d->urgency < urgency || destination_ready_at(d) > now || (proven && !d->proven));
         d = d->list_next)
        *before = d;
    return d;
}

/* Takes the most urgent that waits, and for which there is a slot, out of the line. Every other slot is for
 * one that is known to take mail, if there is such: so a long line of hosts that nobody knows yet doesn't
 * stop it. */
static struct destination *next_waiting(struct qrun *q)
{
    for (int urgency = WOKEN; urgency >= RETRY; urgency--) {
        struct destination *before, *d = NULL;
        if (!slot_is_free(q, (enum urgency)urgency))
            continue;
        if (q->turn % 2 == 0)
            d = find_waiting(q, (enum urgency)urgency, true, &before);
        if (!d)
            d = find_waiting(q, (enum urgency)urgency, false, &before);
        if (!d)
            continue;
        q->turn++;
        if (before)
            before->list_next = d->list_next;
        else
            q->waiting_first = d->list_next;
        if (q->waiting_last == d)
            q->waiting_last = before;
        return d;
    }
    return NULL;
}

void destination_leave(struct qrun *q, struct destination *d)
{
    struct destination **at = &q->active;
    while (*at && *at != d)
        at = &(*at)->list_next;
    if (*at) {
        *at = d->list_next;
        q->active_count--;
    }
    d->state = IDLE;
    d->insists = false;
    destination_close_channel(&d->connector);
    while (d->links)
        link_close(q, d->links);
}

void destination_start_waiting(struct qrun *q)
{
    struct destination *d;
    while ((d = next_waiting(q)) != NULL) {
        d->urgency = RETRY; /* what comes from now on says it again */
        d->list_next = q->active;
        q->active = d;
        q->active_count++;
        d->progress = clock_ms();
        d->unfit = d->hindered = false;
        d->lost = 0;
        d->failure[0] = d->failed_host[0] = d->plain_host[0] = '\0';
        d->link_ceiling = SLOTS_LIMIT;
        d->state = AT_WORK;
        struct link *l = link_new(q, d);
        if (l)
            destination_connect(q, l, VERB_CONNECT_FIRST);
        else
            destination_fail(q, d, QUEUE_TODO, "4.3.0 Memory is short", NULL);
    }
}
