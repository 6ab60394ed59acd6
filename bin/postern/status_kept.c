/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status: what is kept of the journal (status_kept.h). Nothing is read or written here.
 *
 * The last hour is always read from the log, to the second; day and week end at a whole minute. The last
 * minute isn't kept yet, as lines of it may still come. The file is written anew when an hour has come
 * together: until then little is to be read, and a disk that sleeps is left asleep.
 */
#include "status_kept.h"
#include "text/xtext.h"

#include <inttypes.h>
#include <string.h>

#define HEAD "postern-status 1 "
#define HOUR 3600
#define WEEK (7 * 86400)
#define TEXT_LIMIT ((size_t)16 << 20)

static int64_t minute_of(int64_t t)
{
    return t - t % KEPT_MINUTE;
}

static bool take_number(struct span *line, int64_t *to)
{
    uint64_t value;
    size_t n = span_find(*line, ' ');
    bool good = span_u64(span_head(*line, n), INT64_MAX, &value);
    *to = good ? (int64_t)value : 0;
    *line = span_from(*line, n + 1);
    return good;
}

/* A line of the file: counted where it is older than what is read, and kept for a week. */
static bool take_line(struct kept *k, struct span line, struct counts *c)
{
    struct span rest = line;
    struct bytes reason;
    enum count_kind kind;
    int64_t minute, times;
    if (!take_number(&rest, &minute) || !count_kind_find(span_head(rest, span_find(rest, ' ')), &kind))
        return false;
    rest = span_from(rest, span_find(rest, ' ') + 1);
    bytes_init(&reason, STATUS_REASON_LIMIT - 1);
    bool good = take_number(&rest, &times) && xtext_decode(rest, &reason) && minute <= k->to;
    int64_t end = minute + KEPT_MINUTE - 1;
    if (good && minute < k->read_since)
        count_add(c, kind, bytes_str(&reason), end, (uint64_t)times);
    if (good && end >= c->now - WEEK) {
        bytes_add_span(&k->text, line);
        bytes_add_char(&k->text, '\n');
    }
    bytes_free(&reason);
    return good;
}

static bool take_head(struct kept *k, struct span line, int64_t now)
{
    struct span rest = span_from(line, sizeof HEAD - 1);
    return span_starts(line, HEAD) && take_number(&rest, &k->from) && take_number(&rest, &k->to) &&
           k->from <= now - WEEK && k->from < k->to && k->to <= now;
}

static bool take_file(struct kept *k, struct span file, struct counts *c)
{
    struct span line;
    if (!span_cut(&file, '\n', &line) || !take_head(k, line, c->now))
        return false;
    int64_t hour = minute_of(c->now - HOUR);
    k->read_since = k->to < hour ? k->to : hour;
    while (span_cut(&file, '\n', &line))
        if (line.n && !take_line(k, line, c))
            return false;
    return !k->text.failed;
}

void kept_start(struct kept *k, struct span file, struct counts *c)
{
    struct counts before = *c;
    *k = (struct kept){ .write_to = minute_of(c->now - KEPT_MINUTE) };
    bytes_init(&k->text, TEXT_LIMIT);
    if (take_file(k, file, c))
        return;
    *c = before;
    bytes_clear(&k->text);
    k->from = k->to = k->read_since = minute_of(c->now - WEEK);
}

/* The tallies of a minute become lines. */
static void write_minute(struct kept *k)
{
    for (size_t i = 0; i < k->tally_count; i++) {
        bytes_printf(&k->text, "%" PRId64 " %s %" PRIu64, k->minute, count_kind_name(k->tallies[i].kind),
                     k->tallies[i].times);
        bytes_add_str(&k->text, k->tallies[i].reason[0] ? " " : "");
        xtext_encode(span_of(k->tallies[i].reason), &k->text);
        bytes_add_char(&k->text, '\n');
    }
    k->tally_count = 0;
}

void kept_add(struct kept *k, const struct counted *e)
{
    enum count_kind kind;
    const char *why;
    size_t i = 0;
    if (e->at < k->to || e->at >= k->write_to || !count_what(e, &kind, &why))
        return;
    struct span reason = span_head(span_of(why), STATUS_REASON_LIMIT - 1);
    if (minute_of(e->at) != k->minute)
        write_minute(k);
    k->minute = minute_of(e->at);
    while (i < k->tally_count && (k->tallies[i].kind != kind || !span_eq_str(reason, k->tallies[i].reason)))
        i++;
    if (i == STATUS_REASONS) {
        write_minute(k);
        i = 0;
    }
    if (i == k->tally_count) {
        k->tallies[i].kind = kind;
        k->tallies[i].times = 0;
        span_copy(reason, k->tallies[i].reason, sizeof k->tallies[i].reason);
        k->tally_count++;
    }
    k->tallies[i].times++;
}

bool kept_finish(struct kept *k, struct bytes *file)
{
    write_minute(k);
    bytes_init(file, TEXT_LIMIT + 100);
    if (k->text.failed || k->write_to - k->to < HOUR)
        return false;
    bytes_printf(file, HEAD "%" PRId64 " %" PRId64 "\n", k->from, k->write_to);
    return bytes_add_span(file, span_bytes(&k->text));
}

void kept_free(struct kept *k)
{
    bytes_free(&k->text);
}
