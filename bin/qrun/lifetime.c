/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How long a message is tried: for the setting `queue-lifetime`, from when it was queued or released. Where
 * that time is no good to count from, an `until`, which ID.why keeps, says when the message goes back:
 *
 *   - It was queued while the clock was ahead: its lifetime begins when that is seen.
 *   - It wasn't tried when it was due, as the machine was off, or nothing ran, and its lifetime is over, or
 *     nearly: the next attempt may come before the network does, and would be the last. It is tried for
 *     queue_grace() from then, from the first interval on; once.
 *   - It was held, and is released (bin/postern/queue_change.c).
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/log.h"

#define OVERDUE_SECONDS 3600 /* an attempt that comes later than this after its time */

int64_t lifetime_began(const struct qrun *q, const struct job *j)
{
    int64_t now = clock_now(), since = queue_since(&j->m);
    if (since <= now)
        return since;
    return j->m.until ? j->m.until - (int64_t)q->settings->queue_lifetime : now;
}

int64_t lifetime_ends(const struct qrun *q, const struct job *j)
{
    int64_t end = lifetime_began(q, j) + (int64_t)q->settings->queue_lifetime;
    return end > j->m.until ? end : j->m.until;
}

bool lifetime_is_over(const struct qrun *q, const struct job *j)
{
    return clock_now() >= lifetime_ends(q, j);
}

void lifetime_look(const struct qrun *q, struct job *j)
{
    int64_t now = clock_now(), since = queue_since(&j->m);
    int64_t due = j->m.next_attempt > since ? j->m.next_attempt : since;
    int64_t grace = queue_grace(q->settings->queue_lifetime);
    if (j->m.until)
        return;
    if (since > now) {
        j->m.until = now + (int64_t)q->settings->queue_lifetime;
    } else if (now - due > OVERDUE_SECONDS && lifetime_ends(q, j) < now + grace) {
        j->m.until = now + grace;
        j->m.attempts = 0;
        log_event(LOG_NOTICE, "overdue", "id", j->m.id, "text",
                  "it wasn't tried when it was due, and so is tried for longer", NULL);
    }
}
