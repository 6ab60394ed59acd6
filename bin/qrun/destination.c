/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The destinations: finding one, what comes in line there, and the end of a line that nobody can take. The
 * states that each goes through stand in destination.h.
 *
 * After the hosts of a destination have all failed, what comes for it within FAILED_MS gets the same answer
 * at once.
 */
#include "destination.h"

#include "base/clock.h"
#include "base/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILED_MS 60000

static size_t bucket_of(const char *domain)
{
    uint32_t hash = 2166136261u;
    for (; *domain; domain++)
        hash = (hash ^ (unsigned char)*domain) * 16777619u;
    return hash % DESTINATION_BUCKETS;
}

static void add(struct destination **at, struct destination *d, const struct hop *hop, const char *key,
                const char *domain, enum lane lane)
{
    span_copy(span_of(key), d->key, sizeof d->key);
    span_copy(span_of(hop->direct ? domain : hop->name), d->domain, sizeof d->domain);
    d->hop = *hop;
    d->lane = lane;
    d->connector = -1;
    d->hash_next = *at;
    *at = d;
}

struct destination *destination_get(struct qrun *q, const struct hop *hop, const char *domain, enum lane lane)
{
    struct bytes key;
    bytes_init(&key, HOP_TEXT_LIMIT - 1);
    if (hop->direct)
        bytes_add_str(&key, domain);
    else
        hop_write(hop, &key);
    struct destination **at = &q->table[bucket_of(bytes_str(&key))], *d = *at;
    while (d && (d->lane != lane || strcmp(d->key, bytes_str(&key)) != 0))
        d = d->hash_next;
    if (!d && !key.failed && (d = calloc(1, sizeof *d)) != NULL)
        add(at, d, hop, bytes_str(&key), domain, lane);
    bytes_free(&key);
    return d;
}

void destination_answer(struct qrun *q, struct part *p, char mark, const char *reply, const char *host)
{
    for (size_t i = 0; i < p->count; i++)
        job_outcome(q, p->job, p->indexes[i], mark, reply, host, NULL);
    job_put_marks(q, p);
    part_finish(q, p);
}

void destination_fail(struct qrun *q, struct destination *d, char mark, const char *reply, const char *host)
{
    struct part *p;
    destination_leave(q, d);
    d->proven = false;
    snprintf(d->failure, sizeof d->failure, "%s", reply);
    snprintf(d->failed_host, sizeof d->failed_host, "%s", host ? host : "");
    if (mark == QUEUE_TODO)
        d->failed_until = clock_ms() + FAILED_MS;
    while ((p = destination_take_any(d)) != NULL)
        destination_answer(q, p, mark, d->failure, d->failed_host[0] ? d->failed_host : NULL);
    destination_refill(q, d);
}

void destination_add(struct qrun *q, struct destination *d, struct part *p)
{
    bool insists = p->job->forced && p->job->m.attempts; /* somebody asks for another attempt */
    if (d->state == IDLE && clock_ms() < d->failed_until && !insists) {
        destination_answer(q, p, QUEUE_TODO, d->failure, d->failed_host[0] ? d->failed_host : NULL);
        destination_refill(q, d);
        return;
    }
    d->insists = d->insists || insists;
    destination_append(d, p);
    enum urgency urgency = p->job->bulk              ? RETRY
                           : p->job->forced          ? WOKEN
                           : p->job->m.attempts == 0 ? FRESH
                                                     : RETRY;
    if (urgency > d->urgency)
        d->urgency = urgency;
    if (d->state == IDLE)
        destination_wait(q, d);
}

void destination_close_channel(int *channel)
{
    file_close(*channel);
    *channel = -1;
}

size_t destination_fds(struct qrun *q, int *fds, struct destination **owners, size_t room)
{
    size_t n = 0;
    for (struct destination *d = q->active; d; d = d->list_next) {
        if (d->connector >= 0 && n < room) {
            fds[n] = d->connector;
            owners[n++] = d;
        }
        for (const struct link *l = d->links; l; l = l->next)
            if (l->sender >= 0 && n < room) {
                fds[n] = l->sender;
                owners[n++] = d;
            }
    }
    return n;
}

void destination_input(struct qrun *q, struct destination *d, int fd)
{
    struct link *l = d->links;
    d->progress = clock_ms();
    while (l && l->sender != fd)
        l = l->next;
    if (fd == d->connector)
        destination_connector_input(q, d);
    else if (l)
        destination_sender_input(q, l);
    destination_renew(q, d);
}
