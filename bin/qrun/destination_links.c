/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The links of a destination: its connections at a time.
 *
 * It begins with one. While all that there are are ready one more may follow, up to the setting
 * `destination-connections`: but only while LINE_PER_LINK parts are in line for each that is there, as a
 * connection costs more than a message, and while nobody else waits for a slot. Where a host doesn't take a
 * further one it keeps those it has.
 */
#include "destination.h"

#include "base/clock.h"

#include <stdlib.h>

#define LINE_PER_LINK 3

struct link *link_new(struct qrun *q, struct destination *d)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->d = d;
    l->sender = -1;
    l->next = d->links;
    d->links = l;
    d->link_count++;
    q->link_count++;
    return l;
}

bool link_is_last(const struct link *l)
{
    return l->d->link_count == 1;
}

void link_close(struct qrun *q, struct link *l)
{
    struct destination *d = l->d;
    struct link **at = &d->links;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    d->link_count--;
    q->link_count--;
    if (d->asking == l)
        d->asking = NULL;
    destination_close_channel(&l->sender);
    free(l);
    if (!d->links && d->state == AT_WORK)
        destination_leave(q, d);
}

void link_failed(struct qrun *q, struct link *l, unsigned verb)
{
    struct destination *d = l->d;
    if (link_is_last(l)) {
        destination_connect(q, l, verb);
        return;
    }
    if (l->state == CONNECTING || l->state == GREETING)
        d->link_ceiling = d->link_count - 1;
    link_close(q, l);
}

void destination_grow(struct qrun *q, struct destination *d)
{
    if (d->state != AT_WORK || (d->connector < 0 && !d->hop.local) || d->link_count >= d->link_ceiling ||
        d->link_count >= q->settings->destination_connections ||
        destination_waits(d) < LINE_PER_LINK * d->link_count || destination_ready_at(d) > clock_ms())
        return;
    for (const struct link *l = d->links; l; l = l->next)
        if (l->state == CONNECTING || l->state == GREETING)
            return;
    struct link *l = destination_link_is_free(q) ? link_new(q, d) : NULL;
    if (l)
        destination_connect(q, l, VERB_CONNECT_MORE);
}
