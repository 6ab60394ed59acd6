/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern metrics: the figures of `postern status` in the text format of OpenMetrics 1.0, which
 * node_exporter's textfile collector reads too.
 *
 * All are gauges: what a log says of the last hour or day goes up and down, and a counter must not. So
 * nothing has to be kept between two runs. What couldn't be read has no sample, since 0 would be a lie.
 */
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

/* unit "": it has none */
static void family(const char *name, const char *unit, const char *help)
{
    printf("# TYPE postern_%s gauge\n", name);
    if (unit[0])
        printf("# UNIT postern_%s %s\n", name, unit);
    printf("# HELP postern_%s %s\n", name, help);
}

/* A label's value; control bytes and what isn't UTF-8 are made harmless first. */
static void label(const char *before, const char *name, const char *value)
{
    struct bytes text;
    bytes_init(&text, 65536);
    text_escape(span_of(value), false, &text);
    printf("%s%s=\"", before, name);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            putchar('\\');
        putchar(text.data[i]);
    }
    putchar('"');
    bytes_free(&text);
}

static void put_connections(const struct overview *o)
{
    family("connections", "", "Connections that are established now to the ports of mail.");
    for (size_t i = 0; i < STATUS_PROTOCOLS; i++)
        printf("postern_connections{protocol=\"%s\"} %" PRIu64 "\n", status_protocols[i].name,
               o->connections[i]);
}

static void put_counts(const struct counts *c, size_t windows)
{
    family(
        "events", "",
        "Messages received; recipients sent to, deferred, failed or refused; logins; of the log's last hour "
        "or day.");
    for (size_t k = 0; k < COUNT_KINDS; k++)
        for (size_t w = 0; w < windows; w++)
            printf("postern_events{kind=\"%s\",last=\"%s\"} %" PRIu64 "\n",
                   count_kind_name((enum count_kind)k), count_window_name((enum count_window)w),
                   c->times[k][w]);
    family("refused", "", "What was refused, by the setting that did it or the log's reason.");
    for (size_t i = 0; i < c->reason_count; i++)
        for (size_t w = 0; w < windows; w++) {
            label("postern_refused{", "reason", c->reasons[i].name);
            printf(",last=\"%s\"} %" PRIu64 "\n", count_window_name((enum count_window)w),
                   c->reasons[i].times[w]);
        }
}

static void put_queue(const struct overview *o)
{
    family("queue_messages", "", "Messages in the queue.");
    printf("postern_queue_messages %" PRIu64 "\n", o->queued);
    family("queue_waiting", "", "Those of them that have a recipient who waits.");
    printf("postern_queue_waiting %" PRIu64 "\n", o->waiting);
    family("queue_held", "", "Those of them that have a recipient who is held.");
    printf("postern_queue_held %" PRIu64 "\n", o->held);
    family("queue_oldest_seconds", "seconds", "Since the oldest of them came; 0: there is none.");
    printf("postern_queue_oldest_seconds %" PRId64 "\n", o->oldest);
}

static uint64_t used_bytes(const struct mailbox_size *m)
{
    return m->used.bytes;
}
static uint64_t used_messages(const struct mailbox_size *m)
{
    return m->used.messages;
}
static uint64_t most_bytes(const struct mailbox_size *m)
{
    return m->quota.bytes;
}
static uint64_t most_messages(const struct mailbox_size *m)
{
    return m->quota.messages;
}

static void put_mailboxes(const struct overview *o)
{
    static const struct {
        const char *name, *unit, *help;
        uint64_t (*value)(const struct mailbox_size *m);
        bool limit; /* 0 is none, and has no sample */
    } rows[] = {
        { "mailbox_bytes", "bytes", "What an account's mail takes.", used_bytes, false },
        { "mailbox_limit_bytes", "bytes", "What it may take, where there is a limit.", most_bytes, true },
        { "mailbox_messages", "", "How many messages an account has.", used_messages, false },
        { "mailbox_limit_messages", "", "How many it may have, where there is a limit.", most_messages,
          true },
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        family(rows[r].name, rows[r].unit, rows[r].help);
        for (size_t i = 0; i < o->mailbox_count; i++) {
            const struct mailbox_size *m = &o->mailboxes[i];
            if (!m->known || (rows[r].limit && rows[r].value(m) == 0))
                continue;
            printf("postern_%s{", rows[r].name);
            label("", "account", m->account);
            printf("} %" PRIu64 "\n", rows[r].value(m));
        }
    }
}

/* Settings may name one file for several names: a series is there once. */
static bool is_repeated(const struct overview *o, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (span_eq_str(span_of(o->certificates[i].file), o->certificates[at].file))
            return true;
    return false;
}

static void put_certificates(const struct overview *o)
{
    family("certificate_expiry_timestamp_seconds", "seconds", "When a certificate of the settings expires.");
    for (size_t i = 0; i < o->certificate_count; i++) {
        if (!o->certificates[i].known || is_repeated(o, i))
            continue;
        label("postern_certificate_expiry_timestamp_seconds{", "file", o->certificates[i].file);
        printf("} %" PRId64 "\n", o->certificates[i].to);
    }
}

int metrics_command(struct admin *a, int argc, char **argv)
{
    struct overview o = { .a = a, .proc = "/proc" };
    int result = overview_arguments(&o, argc, argv);
    if (result != EX_OK)
        return result;
    if (o.json)
        return complain(EX_USAGE, "--json: metrics have one form; `postern status --json` has another");
    result = overview_read(&o);
    if (o.connections_known)
        put_connections(&o);
    if (o.log_known)
        put_counts(&o.counts, LAST_DAY + 1);
    if (o.queue_known)
        put_queue(&o);
    if (o.mailboxes_known)
        put_mailboxes(&o);
    put_certificates(&o);
    family("up", "", "Could everything be read? What couldn't has no samples.");
    printf("postern_up %d\n# EOF\n", result == EX_OK);
    overview_free(&o);
    return result;
}
