/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A message from its first look to its end in this run:
 *
 *     load    lock and read it; a mark F is a bounce that a crash prevented: that comes first
 *     split   recipients of ours are delivered here and now; the others go in parts to their destinations
 *     end     when no part is left: what waited too long fails, what failed bounces, the rest is deferred
 */
#include "qrun.h"
#include "dsn.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/idna.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A message with more, or for more recipients than a transaction has, is a bulk message. */
#define BULK_PARTS 20
#define HELD_SECONDS 3600 /* a message that is only held is looked at again then */

static void set_text(char **to, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    free(*to);
    *to = copy;
}

void job_outcome(struct qrun *q, struct job *j, size_t index, char mark, const char *reply, const char *host,
                 const char *tls)
{
    struct queue_recipient *r = &j->m.recipients[index];
    (void)q;
    j->tried = true;
    r->mark = mark;
    set_text(&j->m.replies[index], reply);
    set_text(&j->hosts[index], host);
    log_event(mark == QUEUE_FAILED ? LOG_NOTICE : LOG_INFO,
              mark == QUEUE_TODO     ? "deferred"
              : mark == QUEUE_FAILED ? "failed"
                                     : "delivered",
              "id", j->m.id, "from", j->m.sender, "to", r->address.text, "host", host, "tls", tls, "reply",
              reply, NULL);
}

/* The marks of some of its recipients that aren't T; what can't be written is kept in memory, and said. */
static void put_some(struct qrun *q, struct job *j, const size_t *indexes, size_t count)
{
    static const char marks[] = { QUEUE_DONE, QUEUE_FAILED, QUEUE_RELAYED, QUEUE_DELIVERED, QUEUE_EXPANDED };
    size_t *some = malloc((count + 1) * sizeof *some);
    for (size_t k = 0; some && k < sizeof marks; k++) {
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            if (j->m.recipients[indexes[i]].mark == marks[k])
                some[n++] = indexes[i];
        if (queue_put_marks(&j->m, some, n, marks[k]) != ST_OK)
            log_event(LOG_ERR, "mark-not-written", "id", j->m.id, "text", strerror(errno), NULL);
        j->unsynced = j->unsynced || n;
    }
    q->unsynced = q->unsynced || j->unsynced;
    free(some);
}

void job_put_marks(struct qrun *q, const struct part *p)
{
    put_some(q, p->job, p->indexes, p->count);
}

void job_sync_marks(struct job *j)
{
    if (j->unsynced && queue_sync_marks(&j->m) != ST_OK)
        log_event(LOG_ERR, "mark-not-written", "id", j->m.id, "text", strerror(errno), NULL);
    j->unsynced = false;
}

void jobs_sync(struct qrun *q)
{
    for (struct job *j = q->unsynced ? q->jobs : NULL; j; j = j->next)
        job_sync_marks(j);
    q->unsynced = false;
    if (queue_sync(q->queue_dir, &q->later) != ST_OK)
        log_event(LOG_ERR, "queue-not-synced", "text", strerror(errno), NULL);
}

static void job_free(struct qrun *q, struct job *j)
{
    if (j->at) {
        *j->at = j->next;
        if (j->next)
            j->next->at = j->at;
        q->job_count--;
    }
    for (size_t i = 0; i < j->m.recipient_count && j->hosts; i++)
        free(j->hosts[i]);
    free(j->hosts);
    free(j->expired);
    queue_message_free(&j->m);
    free(j);
}

/* --- the end */

static void give_up_old(struct qrun *q, struct job *j)
{
    if (!j->tried || !lifetime_is_over(q, j))
        return;
    for (size_t i = 0; i < j->m.recipient_count; i++) {
        if (j->m.recipients[i].mark != QUEUE_TODO)
            continue;
        j->expired[i] = true;
        j->m.recipients[i].mark = QUEUE_FAILED;
        put_some(q, j, &i, 1);
        log_event(LOG_NOTICE, "expired", "id", j->m.id, "to", j->m.recipients[i].address.text, "reply",
                  j->m.replies[i], NULL);
    }
}

int64_t job_longest_wait(const struct settings *s)
{
    uint64_t most = s->retry_max > s->retry_first ? s->retry_max : s->retry_first;
    most = most < INT32_MAX ? most + most / 10 : INT32_MAX;
    return most > HELD_SECONDS ? (int64_t)most : HELD_SECONDS;
}

static void defer(struct qrun *q, struct job *j, bool only_held)
{
    int64_t wait = HELD_SECONDS;
    if (!only_held) {
        j->m.attempts++;
        wait = queue_backoff(q->settings->retry_first, q->settings->retry_max, j->m.attempts, random_u64());
    }
    j->m.next_attempt = clock_now() + wait;
    enum status st = queue_defer_later(q->queue_dir, &j->m, &q->later);
    if (st != ST_OK && j->m.sync_why) /* once more: else the sender would be told again */
        st = queue_defer_later(q->queue_dir, &j->m, &q->later);
    if (st != ST_OK)
        log_event(LOG_ERR, "not-deferred", "id", j->m.id, "text", strerror(errno), NULL);
}

static void job_end(struct qrun *q, struct job *j)
{
    size_t left[128] = { 0 };
    give_up_old(q, j);
    notices_settle(q, j);
    for (size_t i = 0; i < j->m.recipient_count; i++)
        left[(unsigned char)j->m.recipients[i].mark % 128]++;
    size_t over = left[QUEUE_DONE] + left[QUEUE_BOUNCED];
    if (over < j->m.recipient_count) {
        notice_of_delay(q, j);
        defer(q, j, over + left[QUEUE_HELD] == j->m.recipient_count);
    } else {
        if (queue_remove_later(q->queue_dir, &j->m, &q->later) == ST_TEMP)
            log_event(LOG_ERR, "not-removed", "id", j->m.id, "text", strerror(errno), NULL);
        else
            log_event(LOG_INFO, "removed", "id", j->m.id, NULL);
    }
    job_free(q, j);
}

void part_finish(struct qrun *q, struct part *p)
{
    struct job *j = p->job;
    free(p);
    if (--j->parts == 0)
        job_end(q, j);
}

/* --- the beginning */

/* Nothing, not even a wake-up, sends it earlier (RFC 4865 4). It goes where a scan doesn't see it until
 * then. */
static void keep_until_release(struct qrun *q, struct job *j)
{
    if (j->m.next_attempt >= j->m.options.release)
        return;
    j->m.next_attempt = j->m.options.release;
    if (queue_defer_later(q->queue_dir, &j->m, &q->later) != ST_OK)
        log_event(LOG_ERR, "not-deferred", "id", j->m.id, "text", strerror(errno), NULL);
    else
        log_event(LOG_INFO, "kept", "id", j->m.id, "text", "until its release time", NULL);
}

static struct job *job_open(struct qrun *q, const struct ticket *t, enum status *st)
{
    struct job *j = calloc(1, sizeof *j);
    *st = ST_TEMP;
    if (!j)
        return NULL;
    *st = queue_read(q->queue_dir, t->id, true, &j->m);
    if (*st != ST_OK) {
        if (*st == ST_TEMP && errno != EWOULDBLOCK)
            log_event(LOG_ERR, "cannot-read", "id", t->id, "text", strerror(errno), NULL);
        free(j);
        return NULL;
    }
    j->forced = t->forced;
    j->lane = lane_of(&j->m);
    j->hosts = calloc(j->m.recipient_count, sizeof *j->hosts);
    j->expired = calloc(j->m.recipient_count, sizeof *j->expired);
    if (!t->forced && j->m.next_attempt > clock_now())
        *st = ST_NONE;
    if (j->m.options.release > clock_now()) {
        keep_until_release(q, j);
        *st = ST_NONE;
    }
    if (!j->hosts || !j->expired)
        *st = ST_TEMP;
    if (*st != ST_OK) {
        job_free(q, j);
        return NULL;
    }
    j->next = q->jobs;
    j->at = &q->jobs;
    if (j->next)
        j->next->at = &j->next;
    q->jobs = j;
    q->job_count++;
    return j;
}

/* As DNS has it; what can't be there is left as it is, and DNS says so. */
static void domain_of(const struct address *a, char to[ADDRESS_DOMAIN_LIMIT + 1])
{
    if (!idna_to_ascii(address_domain(a), to))
        span_copy(address_domain(a), to, ADDRESS_DOMAIN_LIMIT + 1);
}

/* Where recipient i goes that isn't ours. NULL: the tables can't be read, or memory is short. */
static struct destination *destination_for(struct qrun *q, const struct job *j, size_t i)
{
    const struct address *a = &j->m.recipients[i].address;
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    struct hop hop;
    domain_of(a, domain);
    return routes_find(q->routes, a, &hop) == ST_OK ? destination_get(q, &hop, domain, j->lane) : NULL;
}

/* Are all destinations it would go to full? One that isn't is reason enough to take the message up. */
static struct destination *full_destination(struct qrun *q, const struct job *j)
{
    struct destination *full = NULL;
    for (size_t i = 0; i < j->m.recipient_count; i++) {
        if (j->m.recipients[i].mark != QUEUE_TODO)
            continue;
        struct destination *d = destination_for(q, j, i);
        if (!d || !destination_is_full(d))
            return NULL;
        full = d;
    }
    return full;
}

/* The message stays in its file, mapped: only the kernel holds it. */
static void deliver_here(struct qrun *q, struct job *j, size_t i)
{
    struct bytes why;
    off_t page = sysconf(_SC_PAGESIZE), start = j->m.content / page * page;
    size_t before = (size_t)(j->m.content - start), length = before + (size_t)j->m.size;
    bytes_init(&why, QUEUE_REPLY_LIMIT);
    char *map = mmap(NULL, length ? length : 1, PROT_READ, MAP_PRIVATE, j->m.fd, start);
    char mark = QUEUE_DONE;
    enum status st = ST_TEMP;
    const struct queue_recipient *r = &j->m.recipients[i];
    if (map != MAP_FAILED) {
        struct local_mail m = { .sender = j->m.sender,
                                .message = { map + before, (size_t)j->m.size },
                                .eight_bit = j->m.eight_bit,
                                .options = &j->m.options,
                                .recipient = r->options };
        st = local_deliver(q, &r->address, &m, &mark, &why);
        munmap(map, length ? length : 1);
    } else {
        bytes_add_str(&why, "4.3.0 The message can't be read");
    }
    job_outcome(q, j, i,
                st == ST_OK     ? rcpt_wants(r->options, NOTIFY_SUCCESS) && j->m.sender[0] ? mark : QUEUE_DONE
                : st == ST_PERM ? QUEUE_FAILED
                                : QUEUE_TODO,
                st == ST_OK ? "2.1.5 Delivered here" : bytes_str(&why), NULL, NULL);
    put_some(q, j, &i, 1);
    job_sync_marks(j);
    bytes_free(&why);
}

/* A message on its way into parts, each with its destination. */
struct split {
    struct part **parts;
    struct destination **owners;
    size_t count;
    bool forwarded; /* those come last that aliases lead to: theirs is another sender */
};

/* The recipients of a transaction; with a rate no more than a minute's. */
static size_t part_size(const struct qrun *q)
{
    uint64_t rate = q->settings->destination_rate;
    return rate && rate < TRANSACTION_RECIPIENTS ? (size_t)rate : TRANSACTION_RECIPIENTS;
}

/* NULL: no memory. */
static struct part *new_part(struct job *j, struct split *s, struct destination *d)
{
    struct part *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->job = j;
    s->owners[s->count] = d;
    s->parts[s->count++] = p;
    return p;
}

/* The part for a recipient's destination that has room, or a new one. */
static struct part *part_for(struct qrun *q, struct job *j, struct split *s, struct destination *d,
                             size_t bytes)
{
    struct part **filling = destination_filling(d);
    if (!*filling || (*filling)->count >= part_size(q) || (*filling)->forwarded != s->forwarded ||
        (*filling)->bytes + bytes > DSN_PACKET)
        *filling = new_part(j, s, d);
    if (*filling)
        (*filling)->forwarded = s->forwarded;
    return *filling;
}

/* A recipient that isn't ours goes into a part; one that is is delivered. */
static void place(struct qrun *q, struct job *j, size_t i, struct split *s)
{
    if (j->m.recipients[i].options && j->m.recipients[i].options->program[0]) {
        struct part *own = new_part(j, s, NULL); /* a program's */
        if (own)
            own->indexes[own->count++] = i;
        return;
    }
    enum status here = local_is(q, &j->m.recipients[i].address);
    if (here == ST_OK) {
        deliver_here(q, j, i);
        return;
    }
    struct destination *d = here == ST_NONE ? destination_for(q, j, i) : NULL;
    size_t bytes = dsn_recipient_size(&j->m.recipients[i]);
    struct part *p = d ? part_for(q, j, s, d, bytes) : NULL;
    if (p) {
        p->indexes[p->count++] = i;
        p->bytes += bytes;
    } else {
        job_outcome(q, j, i, QUEUE_TODO, "4.3.0 The tables can't be read, or memory is short", NULL, NULL);
    }
}

static void split(struct qrun *q, struct job *j)
{
    size_t n = j->m.recipient_count;
    struct split s = { .parts = calloc(n, sizeof *s.parts), .owners = calloc(n, sizeof *s.owners) };
    j->parts = 1; /* ours, while we are at it */
    for (size_t i = 0; i < 2 * n && s.parts && s.owners; i++) {
        const struct queue_recipient *r = &j->m.recipients[i % n];
        s.forwarded = i >= n;
        if (r->mark == QUEUE_TODO && (r->options && r->options->forwarded) == s.forwarded)
            place(q, j, i % n, &s);
    }
    j->parts += s.count;
    j->bulk = s.count > BULK_PARTS || n > TRANSACTION_RECIPIENTS;
    for (size_t i = 0; i < s.count; i++)
        if (s.owners[i])
            *destination_filling(s.owners[i]) = NULL;
    for (size_t i = 0; i < s.count; i++)
        if (s.owners[i])
            destination_add(q, s.owners[i], s.parts[i]);
        else
            program_add(q, s.parts[i]);
    free(s.parts);
    free(s.owners);
    if (--j->parts == 0)
        job_end(q, j);
}

/* Failures whose report an earlier run couldn't make, with what ID.why has for them. An answer that asked to
 * wait is the last of those that a message was given up with; before its time it is only older than the one
 * by which it failed, which wasn't recorded. */
static void recall_failures(struct qrun *q, struct job *j)
{
    for (size_t i = 0; i < j->m.recipient_count; i++) {
        const char *reply = j->m.replies[i];
        if (j->m.recipients[i].mark != QUEUE_FAILED || !reply || reply[0] != '4')
            continue;
        if (lifetime_is_over(q, j))
            j->expired[i] = true;
        else
            set_text(&j->m.replies[i], NULL);
    }
}

enum status job_load(struct qrun *q, const struct ticket *t)
{
    enum status st;
    struct job *j = job_open(q, t, &st);
    if (!j)
        return st;
    struct destination *full = full_destination(q, j);
    if (full) {
        destination_park(full, t);
        job_free(q, j);
        return ST_OK;
    }
    if (queue_try_mark(&j->m) != ST_OK) { /* else whoever gets it now would get it at each attempt */
        log_event(LOG_ERR, "not-tried", "id", j->m.id, "text", strerror(errno), NULL);
        job_free(q, j);
        return ST_TEMP;
    }
    j->recovered = true;
    recall_failures(q, j);
    if (notices_settle(q, j) != ST_OK) {
        job_end(q, j);
        return ST_OK;
    }
    j->recovered = false;
    lifetime_look(q, j);
    split(q, j);
    return ST_OK;
}
