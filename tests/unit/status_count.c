/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status: what events count as, in which windows, and refusals by their reasons.
 */
#include "tap.h"

#include "../../bin/postern/status.h"

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1800000000)
#define NONE COUNT_KINDS

static const struct {
    const char *name;
    struct counted event;
    enum count_kind kind; /* NONE: it counts nowhere */
    unsigned windows;     /* of hour, day and week, how many, from the longest */
    const char *reason;   /* NULL: none is counted */
} rows[] = {
    { "accepted, now", { NOW, "accepted", "", "", "" }, COUNT_RECEIVED, 3, NULL },
    { "a clock that is a little ahead", { NOW + 60, "accepted", "", "", "" }, COUNT_RECEIVED, 3, NULL },
    { "the future", { NOW + 61, "accepted", "", "", "" }, NONE, 0, NULL },
    { "the last second of the hour", { NOW - 3599, "delivered", "", "", "" }, COUNT_SENT, 3, NULL },
    { "an hour ago", { NOW - 3600, "delivered", "", "", "" }, COUNT_SENT, 2, NULL },
    { "a day ago", { NOW - 86400, "deferred", "", "", "" }, COUNT_DEFERRED, 1, NULL },
    { "the last second of the week", { NOW - 604799, "failed", "", "", "" }, COUNT_FAILED, 1, NULL },
    { "a week ago", { NOW - 604800, "failed", "", "", "" }, NONE, 0, NULL },
    { "no time", { 0, "accepted", "", "", "" }, NONE, 0, NULL },
    { "expired", { NOW, "expired", "", "", "" }, COUNT_FAILED, 3, NULL },
    { "a setting", { NOW, "refused", "", "greylist", "seen first" }, COUNT_REFUSED, 3, "greylist" },
    { "why", { NOW, "refused", "", "", "no such user" }, COUNT_REFUSED, 3, "no such user" },
    { "no reason", { NOW, "refused", "", "", "" }, COUNT_REFUSED, 3, "other" },
    { "connections", { NOW, "too-many-connections", "", "x", "" }, COUNT_REFUSED, 3, "too many connections" },
    { "DMARC", { NOW, "checked", "refuse", "", "" }, COUNT_REFUSED, 3, "sender authentication" },
    { "checked and taken", { NOW, "checked", "accept", "", "" }, NONE, 0, NULL },
    { "login", { NOW, "login", "", "", "" }, COUNT_LOGINS, 3, NULL },
    { "login-failed", { NOW, "login-failed", "", "", "" }, COUNT_LOGINS_FAILED, 3, NULL },
    { "login-refused", { NOW, "login-refused", "", "x", "y" }, COUNT_LOGINS_FAILED, 3, NULL },
    { "another event", { NOW, "connected", "", "", "" }, NONE, 0, NULL },
};

static bool is_as_expected(size_t row, const struct counts *c)
{
    for (size_t k = 0; k < COUNT_KINDS; k++)
        for (size_t w = 0; w < COUNT_WINDOWS; w++)
            if (c->times[k][w] != (k == rows[row].kind && COUNT_WINDOWS - w <= rows[row].windows))
                return false;
    if (!rows[row].reason)
        return c->reason_count == 0;
    return c->reason_count == 1 && strcmp(c->reasons[0].name, rows[row].reason) == 0 &&
           c->reasons[0].times[LAST_WEEK] == 1;
}

/* More reasons than there is room for, and one that is longer than it may be. */
static void many_reasons(void)
{
    static struct counts c = { .now = NOW };
    char why[200];
    uint64_t sum = 0;
    memset(why, 'x', sizeof why - 1);
    why[sizeof why - 1] = '\0';
    struct counted e = { NOW, "refused", "", "", why };
    for (int i = 0; i < 3; i++)
        count_event(&c, &e);
    ok(c.reason_count == 1 && strlen(c.reasons[0].name) == STATUS_REASON_LIMIT - 1, "a long reason is cut");
    for (int i = 0; i < 100; i++) {
        snprintf(why, sizeof why, "reason %d", i);
        count_event(&c, &e);
    }
    count_finish(&c);
    for (size_t i = 0; i < c.reason_count; i++)
        sum += c.reasons[i].times[LAST_HOUR];
    ok(c.reason_count == STATUS_REASONS && sum == 103, "all of many reasons are counted");
    ok(c.reasons[0].times[LAST_HOUR] == 3, "the most frequent comes first");
    ok(strcmp(c.reasons[STATUS_REASONS - 1].name, "other") == 0 &&
           c.reasons[STATUS_REASONS - 1].times[LAST_HOUR] == 100 - (STATUS_REASONS - 2),
       "the others come last, however many they are");
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct counts c = { .now = NOW };
        count_event(&c, &rows[i].event);
        count_finish(&c);
        ok(is_as_expected(i, &c), "%s", rows[i].name);
    }
    many_reasons();
    return done_testing();
}
