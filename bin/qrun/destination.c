/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A destination is a domain. It has parts of messages in line and, while it has a slot, a connector and a
 * sender:
 *
 *     IDLE        a part comes in line: WAITING
 *     WAITING     for a slot: CONNECTING
 *     CONNECTING  a socket from the connector: GREETING; no host left: everything in line gets that answer
 *     GREETING    the sender is ready: SENDING; refused: CONNECTING to the next host, or the same without TLS
 *     SENDING     one part is with the sender; its result: the next part, or CONNECTING again
 *
 * and back to IDLE when nothing is in line. Slots are the setting `destinations`; one that shows no progress
 * for STALL_MS no longer counts, up to SLOTS_FACTOR times as many in all. Half of those are for destinations
 * with a message that was never tried, and what a wake-up named comes first and has twice the slots: so
 * hosts known to be slow never stop new mail, and even many new slow ones hardly do.
 *
 * After the hosts of a destination have all failed, what comes for it within FAILED_MS gets the same answer
 * at once.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FULL_PARTS 8 /* in line; further messages stay closed */
#define REFILL_PARTS 4
#define STALL_MS 3000
#define SLOTS_FACTOR 10
#define SLOTS_LIMIT 200
#define FAILED_MS 60000
#define CONNECTION_MESSAGES 100 /* over one connection */
#define LOST_LIMIT 6 /* connections that broke one after the other, until the whole destination waits */

enum urgency {
    RETRY,
    FRESH, /* never tried */
    WOKEN, /* asked for by name: somebody has just sent it */
};
enum state { IDLE, WAITING, CONNECTING, GREETING, SENDING };

struct destination {
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    struct destination *hash_next, *list_next;
    enum state state;
    struct part *first, *last;
    size_t count;
    struct line parked;
    struct part *current;  /* with the sender */
    int connector, sender; /* channels, or -1 */
    unsigned completed;    /* messages over this connection */
    unsigned lost;         /* connections that broke since a message last got through */
    int64_t progress;      /* clock_ms() of the last sign of life */
    int64_t failed_until;
    char failure[QUEUE_REPLY_LIMIT];
    char failed_host[HOST_TEXT];
    enum urgency urgency; /* of the most urgent message in line */
    bool no_tls;
    char host[DNS_NAME_LIMIT], shown[HOST_TEXT]; /* "mx.test", "mx.test[192.0.2.1]" */
    char tls[64];
};

static void next_message(struct qrun *q, struct destination *d);

/* --- finding them */

static size_t bucket_of(const char *domain)
{
    uint32_t hash = 2166136261u;
    for (; *domain; domain++)
        hash = (hash ^ (unsigned char)*domain) * 16777619u;
    return hash % DESTINATION_BUCKETS;
}

struct destination *destination_get(struct qrun *q, const char *domain)
{
    struct destination **at = &q->table[bucket_of(domain)];
    for (struct destination *d = *at; d; d = d->hash_next)
        if (strcmp(d->domain, domain) == 0)
            return d;
    struct destination *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    span_copy(span_of(domain), d->domain, sizeof d->domain);
    d->connector = d->sender = -1;
    d->hash_next = *at;
    *at = d;
    return d;
}

bool destination_is_full(const struct destination *d)
{
    return d->count >= FULL_PARTS;
}

/* --- outcomes */

static void part_outcome(struct qrun *q, struct part *p, char mark, const char *reply, const char *host)
{
    for (size_t i = 0; i < p->count; i++)
        job_outcome(q, p->job, p->indexes[i], mark, reply, host);
    job_marks(q, p);
    part_finish(q, p);
}

static struct part *take_part(struct destination *d)
{
    struct part *p = d->first;
    if (!p)
        return NULL;
    d->first = p->next;
    if (!d->first)
        d->last = NULL;
    p->next = NULL;
    d->count--;
    return p;
}

static void refill(struct qrun *q, struct destination *d)
{
    struct ticket t;
    for (size_t n = d->count; n < REFILL_PARTS && line_take(&d->parked, &t); n++)
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

/* --- slots */

static void close_channel(int *channel)
{
    file_close(*channel);
    *channel = -1;
}

static void leave(struct qrun *q, struct destination *d)
{
    struct destination **at = &q->active;
    while (*at && *at != d)
        at = &(*at)->list_next;
    if (*at) {
        *at = d->list_next;
        q->active_count--;
    }
    close_channel(&d->connector);
    close_channel(&d->sender);
    d->state = IDLE;
}

static void wait_for_slot(struct qrun *q, struct destination *d)
{
    d->state = WAITING;
    d->list_next = NULL;
    if (q->waiting_last)
        q->waiting_last->list_next = d;
    else
        q->waiting_first = d;
    q->waiting_last = d;
}

static uint64_t most_slots(const struct qrun *q)
{
    uint64_t most = q->settings->destinations * SLOTS_FACTOR;
    return most < SLOTS_LIMIT ? most : SLOTS_LIMIT;
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

/* Takes the most urgent that waits, and for which there is a slot, out of the line. */
static struct destination *take_waiting(struct qrun *q)
{
    for (int urgency = WOKEN; urgency >= RETRY; urgency--) {
        struct destination *before = NULL, *d = q->waiting_first;
        for (; d && (int)d->urgency < urgency; d = d->list_next)
            before = d;
        if (!d || !slot_is_free(q, (enum urgency)urgency))
            continue;
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

/* Everything in line gets this answer, and for a while what comes after. */
static void fail_all(struct qrun *q, struct destination *d, char mark, const char *reply, const char *host)
{
    struct part *p;
    leave(q, d);
    snprintf(d->failure, sizeof d->failure, "%s", reply);
    snprintf(d->failed_host, sizeof d->failed_host, "%s", host ? host : "");
    if (mark == QUEUE_TODO)
        d->failed_until = clock_ms() + FAILED_MS;
    while ((p = take_part(d)) != NULL)
        part_outcome(q, p, mark, d->failure, d->failed_host[0] ? d->failed_host : NULL);
    refill(q, d);
}

void destination_add(struct qrun *q, struct destination *d, struct part *p)
{
    if (d->state == IDLE && clock_ms() < d->failed_until) {
        part_outcome(q, p, QUEUE_TODO, d->failure, d->failed_host[0] ? d->failed_host : NULL);
        refill(q, d);
        return;
    }
    if (d->last)
        d->last->next = p;
    else
        d->first = p;
    d->last = p;
    d->count++;
    enum urgency urgency = p->job->forced ? WOKEN : p->job->m.attempts == 0 ? FRESH : RETRY;
    if (urgency > d->urgency)
        d->urgency = urgency;
    if (d->state == IDLE)
        wait_for_slot(q, d);
}

/* --- connecting */

static void ask_connector(struct qrun *q, struct destination *d, unsigned verb)
{
    close_channel(&d->sender);
    d->state = CONNECTING;
    d->completed = 0;
    if (d->connector < 0 && verb != VERB_CONNECT_FIRST) { /* it knew what comes next, and died */
        fail_all(q, d, QUEUE_TODO, "4.3.0 The connector died", NULL);
        return;
    }
    if (d->connector < 0)
        d->connector = child_start(
            q, &(struct child_start){ .kind = CHILD_CONNECTOR, .domain = d->domain, .socket = -1 });
    message_start(&q->packet, verb);
    if (d->connector < 0 || !channel_send(d->connector, &q->packet))
        fail_all(q, d, QUEUE_TODO, "4.3.0 The connector died, or could not be started", NULL);
}

void destination_start_waiting(struct qrun *q)
{
    struct destination *d;
    while ((d = take_waiting(q)) != NULL) {
        d->urgency = RETRY; /* what comes from now on says it again */
        d->list_next = q->active;
        q->active = d;
        q->active_count++;
        d->progress = clock_ms();
        d->no_tls = false;
        d->lost = 0;
        d->failure[0] = d->failed_host[0] = '\0';
        ask_connector(q, d, VERB_CONNECT_FIRST);
    }
}

static void connected(struct qrun *q, struct destination *d)
{
    char address[INET6_ADDRSTRLEN];
    struct message *m = &q->packet;
    message_get_str(m, d->host, sizeof d->host);
    message_get_str(m, address, sizeof address);
    int socket = m->fd;
    if (!message_end(m) || socket < 0) {
        fail_all(q, d, QUEUE_TODO, "4.3.0 The connector failed", NULL);
    } else {
        if (d->host[0] == '[') /* a literal */
            snprintf(d->shown, sizeof d->shown, "%s", d->host);
        else
            snprintf(d->shown, sizeof d->shown, "%s[%s]", d->host, address);
        d->state = GREETING;
        d->sender = child_start(
            q, &(struct child_start){
                   .kind = CHILD_SENDER, .socket = socket, .host = d->host, .no_tls = d->no_tls });
        if (d->sender < 0)
            fail_all(q, d, QUEUE_TODO, "4.3.0 No process could be started to send", NULL);
    }
    file_close(socket);
}

/* The last host broke off in the middle of a message. It may be that message's fault: it waits, the others
 * are tried. */
static bool blame_message(struct qrun *q, struct destination *d)
{
    if (!d->first || !d->first->lost || d->lost >= LOST_LIMIT || !d->failure[0])
        return false;
    part_outcome(q, take_part(d), QUEUE_TODO, d->failure, d->failed_host);
    refill(q, d);
    if (d->first || d->parked.count)
        ask_connector(q, d, VERB_CONNECT_FIRST);
    else
        leave(q, d);
    return true;
}

/* What a host said is better known than that no further one could be reached. */
static void no_host(struct qrun *q, struct destination *d)
{
    uint64_t permanent;
    char text[QUEUE_REPLY_LIMIT], said[QUEUE_REPLY_LIMIT], host[HOST_TEXT];
    message_get_u64(&q->packet, &permanent);
    message_get_str(&q->packet, text, sizeof text);
    if (!message_end(&q->packet))
        fail_all(q, d, QUEUE_TODO, "4.3.0 The connector failed", NULL);
    else if (blame_message(q, d))
        return;
    else if (d->failure[0]) {
        memcpy(said, d->failure, sizeof said);
        memcpy(host, d->failed_host, sizeof host);
        fail_all(q, d, QUEUE_TODO, said, host[0] ? host : NULL);
    } else
        fail_all(q, d, permanent ? QUEUE_FAILED : QUEUE_TODO, text, NULL);
}

static void connector_input(struct qrun *q, struct destination *d)
{
    if (!channel_receive(d->connector, &q->packet, 0)) {
        close_channel(&d->connector);
        if (d->state == CONNECTING)
            fail_all(q, d, QUEUE_TODO, "4.3.0 The connector died", NULL);
        return;
    }
    int fd = q->packet.fd;
    if (d->state == CONNECTING && q->packet.verb == VERB_CONNECTED) {
        connected(q, d);
        return;
    }
    file_close(fd);
    if (d->state == CONNECTING && q->packet.verb == VERB_NO_HOST)
        no_host(q, d);
    else if (d->state == CONNECTING)
        fail_all(q, d, QUEUE_TODO, "4.3.0 The connector failed", NULL);
    else
        close_channel(&d->connector);
}

/* --- sending */

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
    ask_connector(q, d, d->completed ? VERB_CONNECT_FIRST : VERB_CONNECT_NEXT);
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
    refill(q, d);
    if (!d->first) {
        leave(q, d); /* the sender says QUIT */
        return;
    }
    if (d->completed >= CONNECTION_MESSAGES && q->waiting_first) { /* now somebody else */
        leave(q, d);
        wait_for_slot(q, d);
        return;
    }
    if (d->completed >= CONNECTION_MESSAGES) {
        ask_connector(q, d, VERB_CONNECT_FIRST);
        return;
    }
    d->current = take_part(d);
    d->state = SENDING;
    if (!hand_over(q, d, d->current)) {
        struct part *p = d->current;
        d->current = NULL;
        part_outcome(q, p, QUEUE_TODO, "4.3.0 The message could not be handed to its sender", NULL);
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
        ask_connector(q, d, VERB_CONNECT_SAME);
        return;
    }
    d->no_tls = false;
    ask_connector(q, d, VERB_CONNECT_NEXT);
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
        part_outcome(q, p, QUEUE_TODO, "4.3.0 The sender failed", d->shown);
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
        leave(q, d);
}

static void sender_died(struct qrun *q, struct destination *d)
{
    struct part *p = d->current;
    close_channel(&d->sender);
    if (d->state != GREETING && d->state != SENDING)
        return;
    remember_failure(d, "4.3.0 The sender died");
    d->current = NULL;
    if (p)
        part_outcome(q, p, QUEUE_TODO, "4.3.0 The sender died", d->shown);
    ask_connector(q, d, VERB_CONNECT_NEXT);
}

static void sender_input(struct qrun *q, struct destination *d)
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

/* --- for the loop */

size_t destination_fds(struct qrun *q, int *fds, struct destination **owners, size_t room)
{
    size_t n = 0;
    for (struct destination *d = q->active; d; d = d->list_next) {
        const int both[2] = { d->connector, d->sender };
        for (size_t i = 0; i < 2; i++)
            if (both[i] >= 0 && n < room) {
                fds[n] = both[i];
                owners[n++] = d;
            }
    }
    return n;
}

void destination_input(struct qrun *q, struct destination *d, int fd)
{
    d->progress = clock_ms();
    if (fd == d->connector)
        connector_input(q, d);
    else if (fd == d->sender)
        sender_input(q, d);
}
