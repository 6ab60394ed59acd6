/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The loop: wake-ups first, then a scan if one is due, then messages are taken up while there is room, then
 * destinations get slots, then it waits for whatever comes. It waits for nothing else: not for DNS, a
 * connection or a reply, which are the children's, so a wake-up is answered at once whoever is slow.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_MS 60000 /* between scans while there is something to do */
#define SLOT_MS 200   /* between looks for a slot while destinations wait */
#define POLL_FDS 512
#define TAKE_UP 64 /* messages, before the children are looked at again */
#define FORCED_LIMIT 100000

bool line_add(struct line *l, const char *id, bool forced)
{
    struct ticket *t = l->count < FORCED_LIMIT || !forced ? malloc(sizeof *t) : NULL;
    if (!t)
        return false;
    *t = (struct ticket){ .forced = forced };
    snprintf(t->id, sizeof t->id, "%s", id);
    if (l->last)
        l->last->next = t;
    else
        l->first = t;
    l->last = t;
    l->count++;
    return true;
}

bool line_take(struct line *l, struct ticket *t)
{
    struct ticket *first = l->first;
    if (!first)
        return false;
    *t = *first;
    l->first = first->next;
    if (!l->first)
        l->last = NULL;
    l->count--;
    free(first);
    t->next = NULL;
    return true;
}

/* Tables may have changed since the last time. */
static void reopen_tables(struct qrun *q)
{
    struct directory *fresh;
    struct routes *routes;
    if (directory_open(q->settings, &fresh) != ST_OK)
        return;
    directory_close(q->directory);
    q->directory = fresh;
    if (routes_open(q->settings, &routes) != ST_OK)
        return;
    routes_close(q->routes);
    q->routes = routes;
}

/* A scan replaces what the one before found: nothing is in line twice. */
static void scan(struct qrun *q)
{
    struct queue_place *places;
    size_t count;
    struct ticket old;
    q->next_scan = clock_ms() + SCAN_MS;
    learning_sweep(q);
    while (line_take(&q->scanned, &old))
        continue;
    destination_unpark_scanned(q);
    if (queue_list(q->queue_dir, true, &places, &count) != ST_OK) {
        log_event(LOG_ERR, "cannot-scan", "text", strerror(errno), NULL);
        return;
    }
    for (size_t i = 0; i < count; i++)
        line_add(&q->scanned, places[i].id, false);
    free(places);
}

/* New mail finds room also where everything that was found is waiting for silent servers. */
static bool take_one(struct qrun *q, struct ticket *t)
{
    return (q->job_count < 2 * JOBS_LIMIT && line_take(&q->forced, t)) ||
           (q->job_count < JOBS_LIMIT && line_take(&q->scanned, t));
}

/* A few at a time, so that the first are on their way while the rest is read. */
static void take_up(struct qrun *q)
{
    struct ticket t;
    for (int i = 0; i < TAKE_UP && take_one(q, &t); i++)
        job_load(q, &t);
}

static bool can_take_up(const struct qrun *q)
{
    return (q->job_count < 2 * JOBS_LIMIT && q->forced.count) ||
           (q->job_count < JOBS_LIMIT && q->scanned.count);
}

static bool has_work(const struct qrun *q)
{
    return q->jobs || q->active || q->programs || q->learners || q->waiting_first || q->forced.count ||
           q->scanned.count;
}

static void wait_and_answer(struct qrun *q)
{
    int fds[POLL_FDS];
    struct destination *owners[POLL_FDS];
    struct pollfd p[POLL_FDS + 1];
    size_t n = destination_fds(q, fds, owners, POLL_FDS), destinations = n;
    n += program_fds(q, fds + n, POLL_FDS - n);
    n += learning_fds(q, fds + n, POLL_FDS - n);
    int64_t left = q->next_scan - clock_ms();
    if (q->waiting_first)
        left = destinations_pause(q, left < SLOT_MS ? left : SLOT_MS);
    if ((q->programs || q->learners) && left > SLOT_MS)
        left = SLOT_MS;
    if (can_take_up(q))
        left = 0;
    for (size_t i = 0; i < n; i++)
        p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
    p[n] = (struct pollfd){ .fd = q->wake, .events = POLLIN };
    if (poll(p, n + 1, left > 0 ? (int)left : 0) <= 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (p[i].revents && i < destinations)
            destination_input(q, owners[i], fds[i]);
        else if (p[i].revents && !learning_input(q, fds[i]))
            program_input(q, fds[i]);
}

void scheduler_run(struct qrun *q)
{
    for (;;) {
        bool asked = wake_drain(q);
        if (asked || clock_ms() >= q->next_scan) {
            if (q->jobs || q->active)
                reopen_tables(q);
            scan(q);
        }
        take_up(q);
        destination_start_waiting(q);
        program_look(q);
        learning_look(q);
        if (!has_work(q)) {
            jobs_sync(q);
            return;
        }
        if (q->active || q->waiting_first || q->programs || q->learners)
            wait_and_answer(q);
        destinations_settle(q);
    }
}
