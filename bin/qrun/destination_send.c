/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A destination and its sender: handing over one part of a message after the other, and what the results lead
 * to.
 */
#include "destination.h"

#include "base/files.h"
#include "base/log.h"

#include <stdio.h>

#define CONNECTION_MESSAGES 100 /* over one connection */

static void remember_failure(struct destination *d, const char *reply)
{
    snprintf(d->failure, sizeof d->failure, "%s", reply);
    snprintf(d->failed_host, sizeof d->failed_host, "%s", d->shown);
}

/* Puts the current part back in front. */
static void put_back(struct destination *d)
{
    struct part *p = d->current;
    d->current = NULL;
    if (!p)
        return;
    p->next = d->first;
    d->first = p;
    if (!d->last)
        d->last = p;
    d->count++;
}

/* A connection that brought messages through is worth opening again; else the next host has its turn. */
static void reconnect(struct qrun *q, struct destination *d)
{
    destination_connect(q, d, d->completed ? VERB_CONNECT_FIRST : VERB_CONNECT_NEXT);
}

static bool hand_over(struct qrun *q, struct destination *d, const struct part *p)
{
    const struct queue_message *m = &p->job->m;
    int fd = queue_reopen(q->queue_dir, m);
    if (fd < 0)
        return false;
    message_start(&q->packet, VERB_MESSAGE);
    message_put_str(&q->packet, m->sender);
    message_put_u64(&q->packet, (uint64_t)m->content);
    message_put_u64(&q->packet, m->size);
    message_put_u64(&q->packet, m->eight_bit);
    message_put_u64(&q->packet, p->count);
    for (size_t i = 0; i < p->count; i++)
        message_put_str(&q->packet, m->recipients[p->indexes[i]].address.text);
    q->packet.fd = fd;
    bool sent = channel_send(d->sender, &q->packet);
    file_close(fd);
    return sent;
}

static void next_message(struct qrun *q, struct destination *d)
{
    destination_refill(q, d);
    if (!d->first) {
        destination_leave(q, d); /* the sender says QUIT */
        return;
    }
    if (d->completed >= CONNECTION_MESSAGES && q->waiting_first) { /* now somebody else */
        destination_leave(q, d);
        destination_wait(q, d);
        return;
    }
    if (d->completed >= CONNECTION_MESSAGES) {
        destination_connect(q, d, VERB_CONNECT_FIRST);
        return;
    }
    d->current = destination_take(d);
    d->state = SENDING;
    if (!hand_over(q, d, d->current)) {
        struct part *p = d->current;
        d->current = NULL;
        destination_answer(q, p, QUEUE_TODO, "4.3.0 The message could not be handed to its sender", NULL);
        reconnect(q, d);
    }
}

static void refused(struct qrun *q, struct destination *d)
{
    uint64_t why;
    char reply[QUEUE_REPLY_LIMIT];
    message_get_u64(&q->packet, &why);
    message_get_str(&q->packet, reply, sizeof reply);
    if (!message_end(&q->packet))
        snprintf(reply, sizeof reply, "4.3.0 The sender failed");
    log_event(LOG_INFO, why == REFUSED_TLS ? "tls-failed" : "host-refused", "host", d->shown, "reply", reply,
              NULL);
    remember_failure(d, reply);
    if (why == REFUSED_TLS && !d->no_tls) {
        d->no_tls = true;
        destination_connect(q, d, VERB_CONNECT_SAME);
        return;
    }
    d->no_tls = false;
    destination_connect(q, d, VERB_CONNECT_NEXT);
}

/* Takes out of a part the recipients that have an outcome; what is left of it is to be tried again. */
static void keep_unanswered(struct part *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->job->m.recipients[p->indexes[i]].mark == QUEUE_TODO)
            p->indexes[kept++] = p->indexes[i];
    p->count = kept;
}

/* Reads the outcomes. False: malformed; then nothing of it counts. */
static bool read_result(struct qrun *q, struct destination *d, uint64_t *after, char *reply, size_t size)
{
    struct message *m = &q->packet;
    struct part *p = d->current;
    uint64_t count, mark;
    message_get_u64(m, after);
    message_get_u64(m, &count);
    if (m->bad || count != p->count)
        return false;
    size_t begin = m->at;
    for (int pass = 0; pass < 2; pass++) {
        m->at = begin;
        for (size_t i = 0; i < p->count; i++) {
            bool good = message_get_u64(m, &mark) && message_get_str(m, reply, size) &&
                        (mark == QUEUE_DONE || mark == QUEUE_FAILED || mark == QUEUE_TODO);
            if (!good)
                return false;
            if (pass == 1 && (*after != AFTER_LOST || mark == QUEUE_FAILED))
                job_outcome(q, p->job, p->indexes[i], (char)mark, reply, d->shown);
        }
        if (!message_end(m))
            return false;
    }
    return true;
}

static bool got_through(const struct part *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->job->m.recipients[p->indexes[i]].mark != QUEUE_TODO)
            return true;
    return false;
}

static void result(struct qrun *q, struct destination *d)
{
    uint64_t after;
    char reply[QUEUE_REPLY_LIMIT];
    struct part *p = d->current;
    if (!read_result(q, d, &after, reply, sizeof reply)) {
        d->current = NULL;
        destination_answer(q, p, QUEUE_TODO, "4.3.0 The sender failed", d->shown);
        reconnect(q, d);
        return;
    }
    job_marks(q, p);
    if (after == AFTER_LOST)
        keep_unanswered(p);
    bool progress = got_through(p);
    if (after == AFTER_LOST && p->count) {
        remember_failure(d, reply);
        p->lost = true;
        d->lost++;
        put_back(d);
        reconnect(q, d);
        return;
    }
    d->current = NULL;
    part_finish(q, p);
    if (progress)
        d->lost = 0;
    d->completed += progress || after == AFTER_READY;
    if (after == AFTER_READY) {
        next_message(q, d);
        return;
    }
    if (!progress)
        remember_failure(d, reply);
    if (d->first || d->parked.count)
        reconnect(q, d);
    else
        destination_leave(q, d);
}

static void sender_died(struct qrun *q, struct destination *d)
{
    struct part *p = d->current;
    destination_close_channel(&d->sender);
    if (d->state != GREETING && d->state != SENDING)
        return;
    remember_failure(d, "4.3.0 The sender died");
    d->current = NULL;
    if (p)
        destination_answer(q, p, QUEUE_TODO, "4.3.0 The sender died", d->shown);
    destination_connect(q, d, VERB_CONNECT_NEXT);
}

void destination_sender_input(struct qrun *q, struct destination *d)
{
    if (!channel_receive(d->sender, &q->packet, 0)) {
        sender_died(q, d);
        return;
    }
    file_close(q->packet.fd);
    if (d->state == GREETING && q->packet.verb == VERB_READY) {
        message_get_str(&q->packet, d->tls, sizeof d->tls);
        d->failure[0] = d->failed_host[0] = '\0'; /* what a host said before is over */
        log_event(LOG_INFO, "connected", "host", d->shown, "tls", d->tls[0] ? d->tls : NULL, NULL);
        next_message(q, d);
    } else if (d->state == GREETING && q->packet.verb == VERB_REFUSED) {
        refused(q, d);
    } else if (d->state == SENDING && d->current && q->packet.verb == VERB_RESULT) {
        result(q, d);
    } else {
        sender_died(q, d);
    }
}
