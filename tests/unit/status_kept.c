/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status: what is kept of the journal. A log of ten days is counted again and again as time goes by,
 * with what was kept and without: the figures are the same, and little is read.
 */
#include "tap.h"

#include "../../bin/postern/status_kept.h"

#include <string.h>

#define NOW INT64_C(1800000000)
#define MINUTE 60
#define HOUR 3600
#define DAY (24 * HOUR)
#define EVENTS 20000

static struct counted events[EVENTS];

/* In ten days before and two after NOW, never at the first second of a minute, where windows end. */
static void make_log(void)
{
    static const struct counted kinds[] = {
        { 0, "accepted", "", "", "" },         { 0, "refused", "", "greylist", "" },
        { 0, "refused", "", "", "a = b\n+c" }, { 0, "checked", "refuse", "", "" },
        { 0, "login", "", "", "" },            { 0, "something", "", "", "" },
    };
    for (size_t i = 0; i < EVENTS; i++) {
        int64_t minute = NOW - 10 * DAY + (int64_t)i * 12 * DAY / EVENTS / MINUTE * MINUTE;
        events[i] = kinds[(i * 7919) % 6];
        events[i].at = minute + 1 + (int64_t)(i % 59);
    }
}

static void count_all(struct counts *c)
{
    for (size_t i = 0; i < EVENTS; i++)
        if (events[i].at <= c->now)
            count_event(c, &events[i]);
    count_finish(c);
}

/* With what is in *file, which is replaced where it is to be written. How many events were read. */
static size_t count_with(struct counts *c, struct bytes *file, bool *written)
{
    struct kept k;
    struct bytes new;
    size_t read = 0;
    kept_start(&k, span_bytes(file), c);
    for (size_t i = 0; i < EVENTS; i++) {
        if (events[i].at < k.read_since || events[i].at > c->now)
            continue;
        count_event(c, &events[i]);
        kept_add(&k, &events[i]);
        read++;
    }
    count_finish(c);
    *written = kept_finish(&k, &new);
    if (*written) {
        bytes_clear(file);
        bytes_add_span(file, span_bytes(&new));
    }
    bytes_free(&new);
    kept_free(&k);
    return read;
}

static bool is_same(const struct counts *a, const struct counts *b)
{
    if (memcmp(a->times, b->times, sizeof a->times) != 0 || a->reason_count != b->reason_count)
        return false;
    for (size_t i = 0; i < a->reason_count; i++)
        if (strcmp(a->reasons[i].name, b->reasons[i].name) != 0 ||
            memcmp(a->reasons[i].times, b->reasons[i].times, sizeof a->reasons[i].times) != 0)
            return false;
    return true;
}

static const struct {
    const char *name;
    int64_t later; /* than NOW */
    bool written;
    size_t most; /* events that are read */
} steps[] = {
    { "nothing is kept yet", 0, true, EVENTS },
    { "at once again", 0, false, 100 },
    { "half an hour later", 30 * MINUTE, false, 150 },
    { "an hour later", HOUR + 2 * MINUTE, true, 200 },
    { "a minute after that", HOUR + 3 * MINUTE, false, 100 },
    { "five hours later", 5 * HOUR, true, 400 },
    { "a day later", 29 * HOUR, true, 2000 },
    { "soon after", 29 * HOUR + 7 * MINUTE, false, 100 },
};

static void as_time_goes_by(void)
{
    struct bytes file;
    bool written;
    bytes_init(&file, 1 << 24);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        static struct counts all, with;
        all = with = (struct counts){ .now = NOW + steps[i].later };
        count_all(&all);
        size_t read = count_with(&with, &file, &written);
        ok(is_same(&all, &with), "%s: the figures are right", steps[i].name);
        ok(read <= steps[i].most, "%s: %zu events are read", steps[i].name, read);
        ok(written == steps[i].written, "%s: %s", steps[i].name, written ? "written" : "not written");
    }
    bytes_free(&file);
}

#define LINE "1799990000 received 5\n"
static const struct {
    const char *name, *file;
    uint64_t received;
} files[] = {
    { "a file", "postern-status 1 1799000000 1799999000\n" LINE, 5 },
    { "one that is empty", "", 0 },
    { "one of another version", "postern-status 2 1799000000 1799999000\n" LINE, 0 },
    { "one that begins too late", "postern-status 1 1799900000 1799999000\n" LINE, 0 },
    { "one that ends later than now", "postern-status 1 1799000000 1800000060\n" LINE, 0 },
    { "one that ends before it begins", "postern-status 1 1799000000 1798999000\n" LINE, 0 },
    { "one with a word that it can't have",
      "postern-status 1 1799000000 1799999000\n" LINE "1799990000 x 5\n", 0 },
    { "one with a number that is none",
      "postern-status 1 1799000000 1799999000\n" LINE "1799990000 sent -5\n", 0 },
    { "one that was cut", "postern-status 1 1799000000 1799999000\n" LINE "17999", 0 },
    { "one with a reason that is no xtext",
      "postern-status 1 1799000000 1799999000\n" LINE "1799990000 refused 1 +x\n", 0 },
    { "one with a minute behind its end",
      "postern-status 1 1799000000 1799999000\n" LINE "1799999900 sent 1\n", 0 },
};

static void odd_files(void)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct counts c = { .now = NOW };
        struct kept k;
        kept_start(&k, span_of(files[i].file), &c);
        ok(c.times[COUNT_RECEIVED][LAST_WEEK] == files[i].received &&
               (k.read_since == NOW - 7 * DAY) == (files[i].received == 0),
           "%s is %s", files[i].name, files[i].received ? "used" : "as if there was none");
        kept_free(&k);
    }
}

int main(void)
{
    make_log();
    as_time_goes_by();
    odd_files();
    return done_testing();
}
