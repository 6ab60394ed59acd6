/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status: what events of the log count as, and when. Nothing is read or printed here.
 *
 * A reason is the setting that made us refuse, where one did, else what the log says why: both are words of
 * ours, so that they are few. Whatever else is in the log: behind STATUS_REASONS - 1 of them all are "other".
 */
#include "status.h"

#include <stdlib.h>
#include <string.h>

#define OTHER "other"
#define AHEAD 60 /* seconds that the log's clock may be before ours */

static const struct {
    const char *name;
    int64_t seconds;
} windows[] = {
    [LAST_HOUR] = { "hour", 3600 },
    [LAST_DAY] = { "day", 86400 },
    [LAST_WEEK] = { "week", 7 * 86400 },
};

static const char *const kinds[] = {
    [COUNT_RECEIVED] = "received",
    [COUNT_SENT] = "sent",
    [COUNT_DEFERRED] = "deferred",
    [COUNT_FAILED] = "failed",
    [COUNT_REFUSED] = "refused",
    [COUNT_LOGINS] = "logins",
    [COUNT_LOGINS_FAILED] = "logins-failed",
};

static const struct {
    const char *event, *outcome; /* outcome NULL: whatever it is */
    enum count_kind kind;
    const char *reason; /* NULL: the event's */
} rows[] = {
    { "accepted", NULL, COUNT_RECEIVED, NULL },
    { "delivered", NULL, COUNT_SENT, NULL },
    { "deferred", NULL, COUNT_DEFERRED, NULL },
    { "failed", NULL, COUNT_FAILED, NULL },
    { "expired", NULL, COUNT_FAILED, NULL },
    { "refused", NULL, COUNT_REFUSED, NULL },
    { "too-many-connections", NULL, COUNT_REFUSED, "too many connections" },
    { "checked", "refuse", COUNT_REFUSED, "sender authentication" },
    { "checked", "defer", COUNT_REFUSED, "sender authentication, for now" },
    { "login", NULL, COUNT_LOGINS, NULL },
    { "login-failed", NULL, COUNT_LOGINS_FAILED, NULL },
    { "login-refused", NULL, COUNT_LOGINS_FAILED, NULL },
    { "login-disabled", NULL, COUNT_LOGINS_FAILED, NULL },
    { "login-no-account", NULL, COUNT_LOGINS_FAILED, NULL },
};

const char *count_kind_name(enum count_kind kind)
{
    return kinds[kind];
}

const char *count_window_name(enum count_window window)
{
    return windows[window].name;
}

bool count_kind_find(struct span name, enum count_kind *kind)
{
    for (size_t k = 0; k < COUNT_KINDS; k++)
        if (span_eq_str(name, kinds[k])) {
            *kind = (enum count_kind)k;
            return true;
        }
    return false;
}

static void add(uint64_t times[COUNT_WINDOWS], int64_t age, uint64_t n)
{
    for (size_t w = 0; w < COUNT_WINDOWS; w++)
        times[w] += age < windows[w].seconds ? n : 0;
}

static struct count_reason *find_reason(struct counts *c, const char *name)
{
    struct span short_name = span_head(span_of(name), STATUS_REASON_LIMIT - 1);
    for (size_t i = 0; i < c->reason_count; i++)
        if (span_eq_str(short_name, c->reasons[i].name))
            return &c->reasons[i];
    if (c->reason_count == STATUS_REASONS)
        return &c->reasons[STATUS_REASONS - 1];
    struct count_reason *r = &c->reasons[c->reason_count++];
    *r = (struct count_reason){ .times = { 0 } };
    if (c->reason_count == STATUS_REASONS)
        short_name = SPAN(OTHER);
    span_copy(short_name, r->name, sizeof r->name);
    return r;
}

bool count_what(const struct counted *e, enum count_kind *kind, const char **reason)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].event, e->event) != 0 ||
            (rows[i].outcome && strcmp(rows[i].outcome, e->outcome) != 0))
            continue;
        const char *why = rows[i].reason ? rows[i].reason : e->setting[0] ? e->setting : e->why;
        *kind = rows[i].kind;
        *reason = *kind != COUNT_REFUSED ? "" : why[0] ? why : OTHER;
        return true;
    }
    return false;
}

void count_add(struct counts *c, enum count_kind kind, const char *reason, int64_t at, uint64_t n)
{
    int64_t age = c->now - at;
    if (at <= 0 || age < -AHEAD || age >= windows[COUNT_WINDOWS - 1].seconds)
        return;
    add(c->times[kind], age, n);
    if (kind == COUNT_REFUSED)
        add(find_reason(c, reason)->times, age, n);
}

void count_event(struct counts *c, const struct counted *e)
{
    enum count_kind kind;
    const char *reason;
    if (count_what(e, &kind, &reason))
        count_add(c, kind, reason, e->at, 1);
}

static int most_first(const void *a, const void *b)
{
    const struct count_reason *x = a, *y = b;
    bool x_other = strcmp(x->name, OTHER) == 0, y_other = strcmp(y->name, OTHER) == 0;
    if (x_other != y_other)
        return x_other ? 1 : -1;
    for (size_t w = COUNT_WINDOWS; w-- > 0;)
        if (x->times[w] != y->times[w])
            return x->times[w] < y->times[w] ? 1 : -1;
    return strcmp(x->name, y->name);
}

void count_finish(struct counts *c)
{
    qsort(c->reasons, c->reason_count, sizeof c->reasons[0], most_first);
}
