/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is in line at a destination: parts of messages, and behind them the IDs of messages that stay closed.
 *
 * A message to many recipients (job->bulk) stands in a line of its own, which has its turn when nothing else
 * is there, and after each BULK_TURN other parts: what is sent after it doesn't wait for all of it, and it
 * doesn't wait for ever.
 *
 * The setting `destination-rate` says how many recipients a minute there may be. Each part moves d->free_at
 * ahead by the time that its recipients are worth. A bulk part goes when that time has come; others up to
 * BURST_MS earlier, so that a single message goes at once beside a long list.
 */
#include "destination.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* In line; further messages stay closed. */
#define FULL_PARTS 8
#define FULL_PARTS_A_LINK 4
#define BULK_TURN 3
#define BURST_MS 60000
#define LOOK_AHEAD 16 /* parts, for one that a connection may still carry */

static size_t full_at(const struct destination *d)
{
    return FULL_PARTS + FULL_PARTS_A_LINK * d->link_count;
}

bool destination_is_full(const struct destination *d)
{
    return d->normal.count >= full_at(d);
}

static struct part_line *line_of(struct destination *d, const struct part *p)
{
    return p->job->bulk ? &d->bulk : &d->normal;
}

struct part **destination_filling(struct destination *d)
{
    return &d->filling;
}

void destination_append(struct destination *d, struct part *p)
{
    struct part_line *l = line_of(d, p);
    p->next = NULL;
    if (l->last)
        l->last->next = p;
    else
        l->first = p;
    l->last = p;
    l->count++;
}

void destination_put_back(struct destination *d, struct part *p)
{
    struct part_line *l = line_of(d, p);
    p->next = l->first;
    l->first = p;
    if (!l->last)
        l->last = p;
    l->count++;
}

/* The one behind `before`, or the first if that is NULL. */
static struct part *take(struct part_line *l, struct part *before)
{
    struct part **at = before ? &before->next : &l->first, *p = *at;
    *at = p->next;
    if (!p->next)
        l->last = before;
    p->next = NULL;
    l->count--;
    return p;
}

struct part *destination_take_any(struct destination *d)
{
    return d->normal.first ? take(&d->normal, NULL) : d->bulk.first ? take(&d->bulk, NULL) : NULL;
}

struct part *destination_take_lost(struct destination *d)
{
    struct part_line *lines[2] = { &d->normal, &d->bulk };
    for (size_t i = 0; i < 2; i++)
        if (lines[i]->first && lines[i]->first->lost)
            return take(lines[i], NULL);
    return NULL;
}

size_t destination_waits(const struct destination *d)
{
    return d->normal.count + d->bulk.count + d->parked.count;
}

int64_t destination_ready_at(const struct destination *d)
{
    if (d->normal.first || d->parked.first)
        return d->free_at - BURST_MS;
    return d->free_at;
}

struct part_line *destination_turn(struct destination *d)
{
    int64_t now = clock_ms();
    bool normal = d->normal.first && d->free_at - BURST_MS <= now, bulk = d->bulk.first && d->free_at <= now;
    if (normal && bulk)
        normal = d->turn++ % (BULK_TURN + 1) != BULK_TURN;
    return normal ? &d->normal : bulk ? &d->bulk : NULL;
}

/* The first n recipients of a part go now. The others stand in line again, at its end: what is there has its
 * turn first, however small the pieces are. */
static void cut(struct qrun *q, struct destination *d, struct part *p, size_t n)
{
    struct part *rest = malloc(sizeof *rest);
    if (rest) {
        *rest = (struct part){ .job = p->job, .forwarded = p->forwarded, .count = p->count - n };
        memcpy(rest->indexes, p->indexes + n, rest->count * sizeof *rest->indexes);
        p->job->parts++;
        destination_append(d, rest);
    } else {
        for (size_t i = n; i < p->count; i++)
            job_outcome(q, p->job, p->indexes[i], QUEUE_TODO, "4.3.0 Memory is short", NULL, NULL);
    }
    p->count = n;
}

static void charge(const struct qrun *q, struct destination *d, size_t recipients)
{
    int64_t now = clock_ms();
    uint64_t rate = q->settings->destination_rate;
    if (!rate)
        return;
    if (d->free_at < now)
        d->free_at = now;
    d->free_at += (int64_t)(recipients * 60000 / rate);
}

struct part *destination_take(struct qrun *q, struct link *l, struct part_line *line)
{
    struct part *before = NULL, *p = line->first;
    size_t n = 0;
    for (int i = 0; p && i < LOOK_AHEAD && (n = limits_admit(q, l, p)) == 0; i++) {
        before = p;
        p = p->next;
    }
    if (n == 0)
        return NULL;
    take(line, before);
    if (n < p->count)
        cut(q, l->d, p, n);
    charge(q, l->d, p->count);
    return p;
}

void destination_refill(struct qrun *q, struct destination *d)
{
    struct ticket t;
    for (size_t n = d->normal.count; n < full_at(d) / 2 && line_take(&d->parked, &t); n++)
        line_add(t.forced ? &q->forced : &q->scanned, t.id, t.forced);
}

void destination_park(struct destination *d, const struct ticket *t)
{
    line_add(&d->parked, t->id, t->forced);
}

void destination_unpark_scanned(struct qrun *q)
{
    for (size_t i = 0; i < DESTINATION_BUCKETS; i++)
        for (struct destination *d = q->table[i]; d; d = d->hash_next) {
            struct line old = d->parked;
            struct ticket t;
            d->parked = (struct line){ 0 };
            while (line_take(&old, &t))
                if (t.forced)
                    line_add(&d->parked, t.id, true);
        }
}
