/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern status, for people: a section for each thing, a line for each figure. Numbers come first and names
 * last, so that awk needs no more than blanks. On a terminal each number has a bar beside it, as long as it
 * is against the largest of its column. What couldn't be read is left out, and said on standard error.
 */
#include "status.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define BAR 8        /* columns of a bar */
#define MAILBOXES 20 /* that a terminal shows */
#define DAY 86400

struct look {
    bool colour;
    size_t width;    /* of the terminal; 0: it is none */
    const char *bar; /* one column of it */
};

static void head(const struct look *l, const char *text)
{
    printf(l->colour ? "\033[1m%s\033[0m\n" : "%s\n", text);
}

static void bar(const struct look *l, uint64_t value, uint64_t most, const char *colour)
{
    size_t n = value ? (size_t)((double)value / (double)most * BAR + 0.5) : 0;
    n = value && n == 0 ? 1 : n > BAR ? BAR : n;
    putchar(' ');
    fputs(l->colour && n ? colour : "", stdout);
    for (size_t i = 0; i < n; i++)
        fputs(l->bar, stdout);
    printf("%s%*s", l->colour && n ? "\033[0m" : "", (int)(BAR - n), "");
}

static void show_connections(const struct look *l, const struct overview *o)
{
    uint64_t most = 0;
    for (size_t i = 0; i < STATUS_PROTOCOLS; i++)
        most = o->connections[i] > most ? o->connections[i] : most;
    head(l, "connections now");
    for (size_t i = 0; i < STATUS_PROTOCOLS; i++) {
        printf("%8" PRIu64, o->connections[i]);
        if (l->width)
            bar(l, o->connections[i], most, "\033[36m");
        printf("  %s\n", status_protocols[i].name);
    }
}

static const char *colour_of(enum count_kind kind)
{
    return kind == COUNT_DEFERRED                                ? "\033[33m"
           : kind == COUNT_FAILED || kind == COUNT_LOGINS_FAILED ? "\033[31m"
           : kind == COUNT_REFUSED                               ? "\033[35m"
                                                                 : "\033[32m";
}

static void count_line(const struct look *l, const uint64_t times[COUNT_WINDOWS],
                       const uint64_t most[COUNT_WINDOWS], enum count_kind kind, const char *reason)
{
    struct bytes text;
    for (size_t w = 0; w < COUNT_WINDOWS; w++) {
        printf("%8" PRIu64, times[w]);
        if (l->width)
            bar(l, times[w], most[w], colour_of(kind));
    }
    size_t used = COUNT_WINDOWS * (8 + 1 + BAR) + 2;
    bytes_init(&text, 8 * STATUS_REASON_LIMIT);
    bytes_add_span(&text, span_of(reason ? "  " : count_kind_name(kind)));
    if (reason)
        text_escape(span_of(reason), false, &text);
    fputs("  ", stdout);
    say_cut(span_bytes(&text), l->width > used + 10 ? l->width - used : SIZE_MAX, false);
    putchar('\n');
    bytes_free(&text);
}

static void show_counts(const struct look *l, const struct counts *c)
{
    uint64_t most[COUNT_WINDOWS] = { 0 };
    for (size_t k = 0; k < COUNT_KINDS; k++)
        for (size_t w = 0; w < COUNT_WINDOWS; w++)
            most[w] = c->times[k][w] > most[w] ? c->times[k][w] : most[w];
    for (size_t w = 0; w < COUNT_WINDOWS; w++)
        printf("%s%8s%*s%s", l->colour ? "\033[1m" : "", count_window_name((enum count_window)w),
               l->width ? BAR + 1 : 0, "", l->colour ? "\033[0m" : "");
    fputs("  ", stdout);
    head(l, "messages and logins");
    for (size_t k = 0; k < COUNT_KINDS; k++) {
        count_line(l, c->times[k], most, (enum count_kind)k, NULL);
        for (size_t i = 0; k == COUNT_REFUSED && i < c->reason_count; i++)
            count_line(l, c->reasons[i].times, most, COUNT_REFUSED, c->reasons[i].name);
    }
}

static void show_queue(const struct look *l, const struct overview *o)
{
    head(l, "queue");
    printf("%8" PRIu64 "  messages\n%8" PRIu64 "  waiting\n%8" PRIu64 "  held\n", o->queued, o->waiting,
           o->held);
    printf("%8" PRId64 "  minutes since the oldest came\n", o->oldest / 60);
}

/* Used and allowed MiB, and the account; a line whose quota is nearly used up is red. */
static void show_mailboxes(const struct look *l, const struct overview *o)
{
    head(l, "mailboxes: MiB, of MiB, messages");
    for (size_t i = 0; i < o->mailbox_count && (!l->width || i < MAILBOXES); i++) {
        const struct mailbox_size *m = &o->mailboxes[i];
        bool full = m->quota.bytes && m->used.bytes / 9 >= m->quota.bytes / 10;
        char limit[32] = "-";
        if (!m->known) {
            printf("%8s %8s %8s", "?", "?", "?");
        } else {
            if (m->quota.bytes)
                snprintf(limit, sizeof limit, "%.1f", (double)m->quota.bytes / 1048576);
            printf("%8.1f %8s %8" PRIu64, (double)m->used.bytes / 1048576, limit, m->used.messages);
        }
        if (l->width)
            bar(l, m->quota.bytes ? m->used.bytes : 0, m->quota.bytes, full ? "\033[31m" : "\033[32m");
        fputs("  ", stdout);
        say_word(span_of(m->account));
        putchar('\n');
    }
    if (l->width && o->mailbox_count > MAILBOXES)
        printf("(and %zu smaller ones)\n", o->mailbox_count - MAILBOXES);
}

static void show_certificates(const struct look *l, const struct overview *o)
{
    head(l, "certificates: days left");
    for (size_t i = 0; i < o->certificate_count; i++) {
        if (!o->certificates[i].known)
            continue;
        printf("%8" PRId64 "  ", (o->certificates[i].to - o->counts.now) / DAY);
        say_word(span_of(o->certificates[i].file));
        putchar('\n');
    }
}

static void show(const struct overview *o)
{
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    struct look l = { .width = terminal_width(), .bar = utf8 ? "\xe2\x96\x88" : "#" };
    l.colour = terminal_colour();
    if (o->connections_known)
        show_connections(&l, o);
    if (o->log_known)
        show_counts(&l, &o->counts);
    if (o->queue_known)
        show_queue(&l, o);
    if (o->mailboxes_known)
        show_mailboxes(&l, o);
    show_certificates(&l, o);
}

int overview_arguments(struct overview *o, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char **to = strcmp(argv[i], "--file") == 0   ? &o->log
                          : strcmp(argv[i], "--proc") == 0 ? &o->proc
                                                           : NULL;
        bool json = strcmp(argv[i], "--json") == 0;
        if (!to && !json)
            return complain(EX_USAGE, "%s: no such option; see `postern help`", argv[i]);
        if (to && ++i == argc)
            return complain(EX_USAGE, "%s: its value is missing", argv[i - 1]);
        o->json = o->json || json;
        if (to)
            *to = argv[i];
    }
    return EX_OK;
}

int status_command(struct admin *a, int argc, char **argv)
{
    struct overview o = { .a = a, .proc = "/proc" };
    int result = overview_arguments(&o, argc, argv);
    if (result != EX_OK)
        return result;
    result = overview_read(&o);
    (o.json ? overview_json : show)(&o);
    overview_free(&o);
    return result;
}
