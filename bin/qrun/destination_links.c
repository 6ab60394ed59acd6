/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The links of a destination: its connections at a time.
 *
 * It begins with one. While all that there are are ready one more may follow, up to the setting
 * `destination-connections`: but only while LINE_PER_LINK parts are in line for each that is there, as a
 * connection costs more than a message, and while nobody else waits for a slot. Where a host doesn't take a
 * further one it keeps those it has.
 *
 * A connection that has carried all that the server takes on one (destination_limits.c) is followed by
 * another to the same host, which took mail just now. It waits for the old one's end and for a further one's
 * beginning: a host that counts connections would else refuse it, and all that is in line with it.
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
        if (l->state == CONNECTING || l->state == GREETING || l->state == ENDING)
            return;
    struct link *l = destination_link_is_free(q) ? link_new(q, d) : NULL;
    if (l)
        destination_connect(q, l, VERB_CONNECT_MORE);
}

void link_renew(struct qrun *q, struct link *l)
{
    l->state = ENDING;
    message_start(&q->packet, VERB_QUIT);
    if (l->sender >= 0)
        channel_send(l->sender, &q->packet); /* where that fails, its end is there to be read */
    else
        destination_renew(q, l->d);
}

/* One that waits for its turn with the connector. */
static struct link *next_ended(const struct destination *d)
{
    struct link *l = d->links;
    while (l && (l->state != ENDING || l->sender >= 0))
        l = l->next;
    return l;
}

/* Those that will soon take a part out of line. *further: one of them is a further one, and the host may not
 * take so many. */
static size_t coming(const struct destination *d, bool *further)
{
    size_t n = 0;
    *further = false;
    for (const struct link *l = d->links; l; l = l->next)
        if (l->state == CONNECTING || l->state == GREETING) {
            *further = *further || l->turn == 0;
            n++;
        }
    return n;
}

void destination_renew(struct qrun *q, struct destination *d)
{
    bool further;
    struct link *l;
    while (!d->asking && (l = next_ended(d)) != NULL) {
        size_t others = coming(d, &further);
        bool able = d->connector >= 0 || d->hop.local; /* to find the same host */
        if (destination_waits(d) <= others)
            link_close(q, l);
        else if (further)
            return;
        else
            destination_connect(q, l, able ? VERB_CONNECT_MORE : VERB_CONNECT_FIRST);
    }
}
