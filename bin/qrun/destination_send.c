/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A destination and its sender: handing over one part of a message after the other, and what the results lead
 * to.
 */
#include "destination.h"
#include "dsn.h"

#include "base/files.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define CONNECTION_MESSAGES 100 /* of a link, over one connection if the server takes as many */

static void remember_failure(struct link *l, const char *reply)
{
    snprintf(l->d->failure, sizeof l->d->failure, "%s", reply);
    snprintf(l->d->failed_host, sizeof l->d->failed_host, "%s", l->shown);
}

/* A connection that brought messages through is worth opening again; else the next host has its turn. */
static void reconnect(struct qrun *q, struct link *l)
{
    link_failed(q, l, l->completed ? VERB_CONNECT_FIRST : VERB_CONNECT_NEXT);
}

static bool hand_over(struct qrun *q, const struct link *l)
{
    const struct part *p = l->current;
    const struct queue_message *m = &p->job->m;
    struct address rewritten;
    int fd = queue_reopen(q->queue_dir, m);
    if (fd < 0)
        return false;
    message_start(&q->packet, VERB_MESSAGE);
    message_put_str(&q->packet, forward_sender(q, p, &rewritten));
    message_put_u64(&q->packet, (uint64_t)m->content);
    message_put_u64(&q->packet, m->size);
    message_put_u64(&q->packet,
                    (m->eight_bit ? MESSAGE_EIGHT_BIT : 0) | (m->options.smtputf8 ? MESSAGE_UTF8 : 0));
    dsn_put_mail(&q->packet, &m->options);
    message_put_u64(&q->packet, p->count);
    for (size_t i = 0; i < p->count; i++)
        dsn_put_recipient(&q->packet, &m->recipients[p->indexes[i]]);
    q->packet.fd = fd;
    bool sent = channel_send(l->sender, &q->packet);
    file_close(fd);
    return sent;
}

/* Enough for now: somebody else's turn, or a new connection. */
static void give_way(struct qrun *q, struct link *l)
{
    struct destination *d = l->d;
    if (!link_is_last(l)) {
        link_close(q, l);
        destination_grow(q, d);
    } else if (destination_is_next(q)) {
        destination_leave(q, d);
        destination_start_waiting(q);
        d->urgency = FRESH; /* it has shown that it is no waste of a slot */
        destination_wait_next(q, d);
    } else {
        destination_connect(q, l, VERB_CONNECT_FIRST);
    }
}

/* Nothing to be sent now: the sender says QUIT. What the rate holds up waits for a slot again. */
static void rest(struct qrun *q, struct link *l)
{
    struct destination *d = l->d;
    link_close(q, l);
    if (d->state == IDLE && (d->normal.first || d->bulk.first))
        destination_wait(q, d);
}

static void next_message(struct qrun *q, struct link *l)
{
    struct destination *d = l->d;
    destination_refill(q, d);
    if (l->turn >= CONNECTION_MESSAGES && destination_waits(d)) {
        give_way(q, l);
        return;
    }
    struct part_line *line = destination_turn(d);
    if (!line) {
        rest(q, l);
        return;
    }
    l->current = destination_take(q, l, line);
    if (!l->current) {
        link_renew(q, l);
        return;
    }
    l->state = SENDING;
    if (!hand_over(q, l)) {
        struct part *p = l->current;
        l->current = NULL;
        destination_answer(q, p, QUEUE_TODO, "4.3.0 The message could not be handed to its sender", NULL);
        reconnect(q, l);
        return;
    }
    destination_grow(q, d);
}

/* Is it a refusal that another attempt won't change? A host that takes no mail says so before TLS, where
 * anybody may have said it for a host whose TLS a policy asks for; and who wrote a route can mend it. */
static bool is_for_ever(const struct link *l, uint64_t why)
{
    bool open = l->security.need == NEED_NOTHING || l->security.need == NEED_TESTING;
    return why == REFUSED_UNFIT || (why == REFUSED_NO_MAIL && open && l->d->hop.direct);
}

static void refused(struct qrun *q, struct link *l)
{
    struct destination *d = l->d;
    uint64_t why, result;
    char reply[QUEUE_REPLY_LIMIT], shown[HOST_TEXT];
    message_get_u64(&q->packet, &why);
    message_get_u64(&q->packet, &result);
    message_get_str(&q->packet, reply, sizeof reply);
    if (!message_end(&q->packet))
        snprintf(reply, sizeof reply, "4.3.0 The sender failed");
    log_event(LOG_INFO, why == REFUSED_TLS ? "tls-failed" : "host-refused", "host", l->shown, "reply", reply,
              NULL);
    if (result != TLS_RESULT_SUCCESS && result < TLS_RESULTS)
        destination_tls_refused(q, l, (enum tls_result)result, reply);
    d->unfit = d->unfit || is_for_ever(l, why);
    d->hindered = d->hindered || !is_for_ever(l, why);
    if (!link_is_last(l)) {
        link_failed(q, l, VERB_CONNECT_NEXT);
        return;
    }
    remember_failure(l, reply);
    if (why == REFUSED_OURSELVES) {
        span_copy(span_of(l->shown), shown, sizeof shown);
        destination_fail(q, d, QUEUE_TODO, reply, shown);
        return;
    }
    if (why == REFUSED_HOST && strncmp(reply, "4.4.2 ", 6) == 0) /* it said nothing, or not enough in time */
        hosts_failed(q->hosts, l->to);
    if (why == REFUSED_TLS && strcmp(d->plain_host, l->shown) != 0) {
        memcpy(d->plain_host, l->shown, sizeof d->plain_host);
        destination_connect(q, l, VERB_CONNECT_SAME);
        return;
    }
    destination_connect(q, l, VERB_CONNECT_NEXT);
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

static bool is_mark(uint64_t mark)
{
    return mark == QUEUE_DONE || mark == QUEUE_RELAYED || mark == QUEUE_DELIVERED || mark == QUEUE_FAILED ||
           mark == QUEUE_TODO || mark == RESULT_AGAIN;
}

/* To the others that go again, in front. */
static void keep_for_again(struct part *p, size_t i)
{
    size_t index = p->indexes[i];
    p->indexes[i] = p->indexes[p->again];
    p->indexes[p->again++] = index;
}

/* The outcome of one recipient. Again is no outcome, where others got through. */
static void take_result(struct qrun *q, struct link *l, size_t i, char mark, bool through)
{
    struct part *p = l->current;
    if (mark == RESULT_AGAIN && through && l->after != AFTER_LOST)
        keep_for_again(p, i);
    else if (l->after != AFTER_LOST || mark == QUEUE_FAILED)
        job_outcome(q, p->job, p->indexes[i], mark == RESULT_AGAIN ? QUEUE_TODO : mark, l->reply, l->shown,
                    protection_name(l->protection));
}

/* Reads the outcomes. False: malformed; then nothing of it counts. */
static bool read_result(struct qrun *q, struct link *l)
{
    struct message *m = &q->packet;
    struct part *p = l->current;
    uint64_t count, mark;
    bool through = false;
    message_get_u64(m, &l->after);
    message_get_u64(m, &count);
    if (m->bad || count != p->count)
        return false;
    size_t begin = m->at;
    p->again = 0;
    for (int pass = 0; pass < 2; pass++) {
        m->at = begin;
        for (size_t i = 0; i < p->count; i++) {
            if (!message_get_u64(m, &mark) || !message_get_str(m, l->reply, sizeof l->reply) ||
                !is_mark(mark))
                return false;
            through = through || (mark != QUEUE_TODO && mark != QUEUE_FAILED && mark != RESULT_AGAIN);
            if (pass == 1)
                take_result(q, l, i, (char)mark, through);
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

/* The marks are in the file at once, so that nothing but a power cut undoes them; the rest waits for the
 * disk, together with what other senders have to say by then. */
static void result(struct qrun *q, struct link *l)
{
    struct destination *d = l->d;
    struct part *p = l->current;
    if (!read_result(q, l)) {
        l->current = NULL;
        destination_answer(q, p, QUEUE_TODO, "4.3.0 The sender failed", l->shown);
        reconnect(q, l);
        return;
    }
    job_put_marks(q, p);
    if (l->after == AFTER_LOST) {
        log_event(LOG_INFO, "host-refused", "host", l->shown, "reply", l->reply, NULL);
        keep_unanswered(p);
    }
    bool progress = got_through(p);
    if (progress)
        d->lost = 0;
    if (l->after == AFTER_READY || (progress && l->after != AFTER_LOST)) {
        l->completed++;
        l->turn++;
    }
    if (!progress && l->after != AFTER_READY)
        remember_failure(l, l->reply);
    l->state = SETTLING;
    l->settle_next = q->settling;
    q->settling = l;
}

/* A part whose connection broke under it goes to the next. Where others get through meanwhile, once. */
static void part_is_lost(struct qrun *q, struct link *l, struct part *p)
{
    struct destination *d = l->d;
    if (p->lost && !link_is_last(l)) {
        destination_answer(q, p, QUEUE_TODO, l->reply, l->shown);
        return;
    }
    p->lost = true;
    d->lost++;
    destination_put_back(d, p);
}

/* What was too many at a time. */
static void part_again(struct destination *d, struct part *p)
{
    p->count = p->again;
    p->again = 0;
    destination_put_back(d, p);
}

/* Its outcome is on disk: on to the next. */
static void after_result(struct qrun *q, struct link *l)
{
    struct destination *d = l->d;
    if (l->after == AFTER_READY) {
        next_message(q, l);
    } else if (destination_waits(d)) {
        reconnect(q, l);
    } else {
        link_close(q, l);
    }
}

void destinations_settle(struct qrun *q)
{
    struct link *list = q->settling, *next;
    q->settling = NULL;
    for (struct link *l = list; l; l = l->settle_next) {
        struct part *p = l->current;
        l->current = NULL;
        if (l->after == AFTER_LOST && p->count)
            part_is_lost(q, l, p);
        else if (p->again)
            part_again(l->d, p);
        else
            part_finish(q, p);
    }
    jobs_sync(q);
    for (struct link *l = list; l; l = next) {
        next = l->settle_next;
        after_result(q, l);
    }
}

static void sender_died(struct qrun *q, struct link *l)
{
    struct part *p = l->current;
    destination_close_channel(&l->sender);
    if (l->state != GREETING && l->state != SENDING)
        return;
    remember_failure(l, "4.3.0 The sender died");
    l->d->hindered = true;
    l->current = NULL;
    if (p)
        destination_answer(q, p, QUEUE_TODO, "4.3.0 The sender died", l->shown);
    link_failed(q, l, VERB_CONNECT_NEXT);
}

static void log_connected(const struct link *l)
{
    struct bytes limits;
    bytes_init(&limits, LIMITS_TEXT);
    limits_write(l, &limits);
    log_event(LOG_INFO, "connected", "host", l->shown, "tls", l->tls[0] ? l->tls : NULL, "security",
              protection_name(l->protection), "limits", limits.len ? bytes_str(&limits) : NULL, NULL);
    bytes_free(&limits);
}

/* False: they are none that an EHLO can name. */
static bool read_limits(struct message *m, struct ehlo_limits *limits)
{
    unsigned *const all[] = { &limits->mails, &limits->recipients, &limits->domains };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        uint64_t n;
        if (!message_get_u64(m, &n) || n > EHLO_LIMITS_MOST)
            return false;
        *all[i] = (unsigned)n;
    }
    return true;
}

static void ready(struct qrun *q, struct link *l)
{
    struct destination *d = l->d;
    uint64_t protection, result;
    char text[QUEUE_REPLY_LIMIT];
    struct ehlo_limits limits;
    message_get_str(&q->packet, l->tls, sizeof l->tls);
    message_get_u64(&q->packet, &protection);
    message_get_u64(&q->packet, &result);
    message_get_str(&q->packet, text, sizeof text);
    if (!read_limits(&q->packet, &limits) || !message_end(&q->packet) || protection >= PROTECTIONS ||
        result >= TLS_RESULTS) {
        sender_died(q, l);
        return;
    }
    limits_begin(l, &limits);
    l->protection = (enum protection)protection;
    d->proven = d->hindered = true; /* whatever others say, there is one that takes mail */
    hosts_worked(q->hosts, l->to);
    d->failure[0] = d->failed_host[0] = '\0'; /* what a host said before is over */
    log_connected(l);
    destination_tls_ready(q, l, (enum tls_result)result, text);
    next_message(q, l);
}

void destination_sender_input(struct qrun *q, struct link *l)
{
    if (!channel_receive(l->sender, &q->packet, 0)) {
        sender_died(q, l);
        return;
    }
    file_close(q->packet.fd);
    if (l->state == GREETING && q->packet.verb == VERB_READY) {
        ready(q, l);
    } else if (l->state == GREETING && q->packet.verb == VERB_REFUSED) {
        refused(q, l);
    } else if (l->state == SENDING && l->current && q->packet.verb == VERB_RESULT) {
        result(q, l);
    } else {
        sender_died(q, l);
    }
}
