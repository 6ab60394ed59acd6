/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who is told what (RFC 3461 4.1 and 5.2), when the attempts of a run at a message are over:
 *
 *     failed      unless NOTIFY leaves FAILURE out: a bounce
 *     late        unless NOTIFY leaves DELAY out: one notice a message, after the setting `delay-notice`
 *     succeeded   only where NOTIFY names SUCCESS, and nobody else will say it: passed on to a server without
 *                 DSN, delivered here, or expanded to several addresses
 *
 * What is owed is a mark on disk (F; R, L, X) until the report is; a notice of delay is remembered in ID.why,
 * which is synced for it. Reports of very many recipients come in blocks of REPORT_RECIPIENTS, by the
 * recipients' places in the message, so that after a crash the same blocks, and so the same IDs, come out.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_RECIPIENTS 2000

struct owed {
    size_t *indexes;
    size_t count;
};

static bool is_success(char mark)
{
    return mark == QUEUE_RELAYED || mark == QUEUE_DELIVERED || mark == QUEUE_EXPANDED;
}

/* Recipients of the block that begins with index `from`, in their order. */
static void collect(const struct job *j, bool success, size_t from, bool told, struct owed *o)
{
    o->count = 0;
    for (size_t i = from; i < j->m.recipient_count && i < from + REPORT_RECIPIENTS; i++) {
        const struct queue_recipient *r = &j->m.recipients[i];
        bool owed = success ? is_success(r->mark) : r->mark == QUEUE_FAILED;
        if (owed && rcpt_wants(r->options, success ? NOTIFY_SUCCESS : NOTIFY_FAILURE) == told)
            o->indexes[o->count++] = i;
    }
}

static void mark_told(struct job *j, const struct owed *o, bool success)
{
    char mark = success ? QUEUE_DONE : QUEUE_BOUNCED;
    if (o->count && queue_mark_all(&j->m, o->indexes, o->count, mark) != ST_OK &&
        queue_mark_all(&j->m, o->indexes, o->count, mark) != ST_OK) /* else it would be told again */
        log_event(LOG_ERR, "mark-not-written", "id", j->m.id, "text", strerror(errno), NULL);
}

/* Delivered, where a report tells of several kinds of success. */
static enum report_action action_of(const struct job *j, const struct owed *o, bool success)
{
    char mark = j->m.recipients[o->indexes[0]].mark;
    for (size_t i = 1; i < o->count; i++)
        if (j->m.recipients[o->indexes[i]].mark != mark)
            return success ? REPORT_DELIVERED : REPORT_FAILED;
    return !success                 ? REPORT_FAILED
           : mark == QUEUE_RELAYED  ? REPORT_RELAYED
           : mark == QUEUE_EXPANDED ? REPORT_EXPANDED
                                    : REPORT_DELIVERED;
}

static enum status settle_block(struct qrun *q, struct job *j, bool success, size_t from, struct owed *o)
{
    enum status st = ST_OK;
    collect(j, success, from, false, o);
    mark_told(j, o, success);
    collect(j, success, from, true, o);
    if (o->count)
        st = bounce_send(q, j, action_of(j, o, success), o->indexes, o->count);
    if (st == ST_OK)
        mark_told(j, o, success);
    return st;
}

enum status notices_settle(struct qrun *q, struct job *j)
{
    struct owed o = { .count = 0 };
    enum status all = ST_OK;
    bool owed = false;
    for (size_t i = 0; i < j->m.recipient_count && !owed; i++)
        owed = j->m.recipients[i].mark == QUEUE_FAILED || is_success(j->m.recipients[i].mark);
    if (!owed)
        return ST_OK;
    job_sync_marks(j);
    o.indexes = malloc(REPORT_RECIPIENTS * sizeof *o.indexes);
    if (!o.indexes)
        return ST_TEMP;
    for (size_t from = 0; from < j->m.recipient_count; from += REPORT_RECIPIENTS)
        for (int success = 0; success < 2; success++)
            if (settle_block(q, j, success, from, &o) != ST_OK)
                all = ST_TEMP;
    free(o.indexes);
    return all;
}

/* The first REPORT_RECIPIENTS of very many are named. */
void notice_of_delay(struct qrun *q, struct job *j)
{
    struct owed o = { 0 };
    uint64_t after = q->settings->delay_notice;
    if (!after || j->m.told || !j->tried || clock_now() - lifetime_began(q, j) < (int64_t)after)
        return;
    o.indexes = malloc(REPORT_RECIPIENTS * sizeof *o.indexes);
    if (!o.indexes)
        return;
    for (size_t i = 0; i < j->m.recipient_count && o.count < REPORT_RECIPIENTS; i++) {
        const struct queue_recipient *r = &j->m.recipients[i];
        if (r->mark == QUEUE_TODO && rcpt_wants(r->options, NOTIFY_DELAY))
            o.indexes[o.count++] = i;
    }
    if (o.count && bounce_send(q, j, REPORT_DELAYED, o.indexes, o.count) == ST_OK) {
        j->m.told = clock_now();
        j->m.sync_why = true;
    }
    free(o.indexes);
}
