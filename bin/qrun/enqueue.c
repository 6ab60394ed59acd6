/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the runner itself brings into the queue: reports, and messages for those whom an alias names outside
 * or whose mailbox can't be used. Under an ID that is made from the message's own, so that what a crash
 * repeats is seen.
 */
#include "qrun.h"

#include <errno.h>

enum status enqueue_prepare(struct qrun *q, const char *id, const struct queue_envelope *e,
                            const struct content *c, struct queue_new *new)
{
    enum status st = queue_prepare(q->settings->spool, id, e, c, new);
    if (st != ST_PERM || errno != EEXIST)
        return st;
    st = queue_sync(q->queue_dir, &(struct queue_changes){ .top = true }); /* the crash may have come first */
    return st == ST_OK ? ST_NONE : st;
}

bool enqueue_commit(struct qrun *q, struct queue_new *new)
{
    if (queue_publish(new) != ST_OK) {
        queue_abort(new);
        return false;
    }
    if (queue_finish(new) != ST_OK) {
        queue_withdraw(new);
        return false;
    }
    line_add(&q->forced, new->id, true);
    return true;
}
