/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status --json: one object. What couldn't be read is left out. Sizes are bytes, times seconds; a
 * limit that isn't there is null.
 */
#include "status.h"

#include <inttypes.h>
#include <stdio.h>

static void put_times(const uint64_t times[COUNT_WINDOWS])
{
    for (size_t w = 0; w < COUNT_WINDOWS; w++)
        printf("%s\"%s\":%" PRIu64, w ? "," : "{", count_window_name((enum count_window)w), times[w]);
    putchar('}');
}

static void put_counts(const struct counts *c)
{
    for (size_t k = 0; k < COUNT_KINDS; k++) {
        printf(",\"%s\":", count_kind_name((enum count_kind)k));
        put_times(c->times[k]);
    }
    fputs(",\"reasons\":{", stdout);
    for (size_t i = 0; i < c->reason_count; i++) {
        fputs(i ? "," : "", stdout);
        json_string(span_of(c->reasons[i].name));
        putchar(':');
        put_times(c->reasons[i].times);
    }
    putchar('}');
}

static void put_limit(const char *name, uint64_t limit)
{
    if (limit)
        printf(",\"%s\":%" PRIu64, name, limit);
    else
        printf(",\"%s\":null", name);
}

static void put_mailboxes(const struct overview *o)
{
    const char *before = "";
    fputs(",\"mailboxes\":[", stdout);
    for (size_t i = 0; i < o->mailbox_count; i++) {
        const struct mailbox_size *m = &o->mailboxes[i];
        if (!m->known)
            continue;
        printf("%s{\"account\":", before);
        json_string(span_of(m->account));
        printf(",\"bytes\":%" PRIu64 ",\"messages\":%" PRIu64, m->used.bytes, m->used.messages);
        put_limit("bytes-limit", m->quota.bytes);
        put_limit("messages-limit", m->quota.messages);
        putchar('}');
        before = ",";
    }
    putchar(']');
}

static void put_certificates(const struct overview *o)
{
    const char *before = "";
    fputs(",\"certificates\":[", stdout);
    for (size_t i = 0; i < o->certificate_count; i++) {
        if (!o->certificates[i].known)
            continue;
        printf("%s{\"file\":", before);
        json_string(span_of(o->certificates[i].file));
        printf(",\"expires\":%" PRId64 "}", o->certificates[i].to);
        before = ",";
    }
    putchar(']');
}

void overview_json(const struct overview *o)
{
    printf("{\"time\":%" PRId64, o->counts.now);
    for (size_t i = 0; o->connections_known && i < STATUS_PROTOCOLS; i++)
        printf("%s\"%s\":%" PRIu64, i ? "," : ",\"connections\":{", status_protocols[i].name,
               o->connections[i]);
    fputs(o->connections_known ? "}" : "", stdout);
    if (o->log_known)
        put_counts(&o->counts);
    if (o->queue_known)
        printf(",\"queue\":{\"messages\":%" PRIu64 ",\"waiting\":%" PRIu64 ",\"held\":%" PRIu64
               ",\"oldest\":%" PRId64 "}",
               o->queued, o->waiting, o->held, o->oldest);
    if (o->mailboxes_known)
        put_mailboxes(o);
    put_certificates(o);
    puts("}");
}
