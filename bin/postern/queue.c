/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern queue list and show: what waits to go out.
 *
 * The list has a line for each recipient that still waits, so that grep and awk need no more than that:
 * blanks in an address are escaped, and the reply, which has blanks, is the last column. On a terminal a line
 * is no wider than it is, and the reply has one of its own.
 */
#include "queue.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define SHOW_PIECE 65536
#define FIXED_COLUMNS 52 /* ID to NEXT, with the blanks behind each */
#define LEAST_ADDRESS 10 /* columns */

/* "90s", "45m", "7h", "3d": the coarsest unit that leaves two digits or so. */
static void format_time(int64_t seconds, char *to, size_t size)
{
    if (seconds < 0)
        seconds = 0;
    if (seconds < 100)
        snprintf(to, size, "%" PRId64 "s", seconds);
    else if (seconds < 100 * 60)
        snprintf(to, size, "%" PRId64 "m", seconds / 60);
    else if (seconds < 72 * 3600)
        snprintf(to, size, "%" PRId64 "h", seconds / 3600);
    else
        snprintf(to, size, "%" PRId64 "d", seconds / 86400);
}

static void format_size(uint64_t bytes, char *to, size_t size)
{
    if (bytes < 10000)
        snprintf(to, size, "%" PRIu64, bytes);
    else if (bytes < 10000 * UINT64_C(1024))
        snprintf(to, size, "%" PRIu64 "K", bytes / 1024);
    else
        snprintf(to, size, "%" PRIu64 "M", bytes / 1048576);
}

int64_t queue_next(const struct queue_message *m)
{
    return m->next_attempt > m->options.release ? m->next_attempt : m->options.release;
}

static void format_next(const struct queue_message *m, char mark, char *to, size_t size)
{
    if (mark == QUEUE_HELD)
        snprintf(to, size, "held");
    else if (mark == QUEUE_FAILED)
        snprintf(to, size, "bounce");
    else if (mark != QUEUE_TODO)
        snprintf(to, size, "report");
    else if (queue_next(m) <= clock_now())
        snprintf(to, size, "now");
    else
        format_time(queue_next(m) - clock_now(), to, size);
}

/* The sender and a recipient, in the columns that a terminal has left; `width` 0: as wide as they are. */
static void list_addresses(const struct queue_message *m, const struct queue_recipient *r, size_t width)
{
    size_t each = width > FIXED_COLUMNS + 2 * LEAST_ADDRESS ? (width - FIXED_COLUMNS - 1) / 2 : LEAST_ADDRESS;
    const char *parts[] = { m->sender, r->address.text };
    for (size_t i = 0; i < 2; i++) {
        struct bytes text;
        bytes_init(&text, 8 * ADDRESS_LIMIT);
        bytes_add_char(&text, '<');
        text_escape(span_of(parts[i]), true, &text);
        bytes_add_char(&text, '>');
        say_cut(span_bytes(&text), width ? each : SIZE_MAX, i == 0);
        putchar(i == 0 ? ' ' : width ? '\n' : ' ');
        bytes_free(&text);
    }
}

static void list_reply(const char *reply, size_t width)
{
    struct bytes text;
    if (width && !reply)
        return;
    bytes_init(&text, 8 * QUEUE_REPLY_LIMIT);
    text_escape(span_of(reply ? reply : "-"), false, &text);
    if (width)
        fputs("    ", stdout);
    say_cut(span_bytes(&text), width > 4 ? width - 4 : SIZE_MAX, false);
    putchar('\n');
    bytes_free(&text);
}

static int list_message(struct selection *s, struct queue_message *m)
{
    char age[32], next[32], size[32];
    if (s->json)
        return queue_json(m, false);
    if (s->seen == 1 && s->width)
        printf("%-31s %4s %6s %6s  SENDER RECIPIENT, LAST REPLY\n", "ID", "AGE", "SIZE", "NEXT");
    format_time(clock_now() - m->queued, age, sizeof age);
    format_size(m->size, size, sizeof size);
    for (size_t i = 0; i < m->recipient_count; i++) {
        if (!selection_has(s, &m->recipients[i]))
            continue;
        format_next(m, m->recipients[i].mark, next, sizeof next);
        printf("%-31s %4s %6s %6s  ", m->id, age, size, next);
        list_addresses(m, &m->recipients[i], s->width);
        list_reply(m->replies[i], s->width);
    }
    return EX_OK;
}

int queue_list_command(struct admin *a, int argc, char **argv)
{
    struct selection s;
    int result = selection_read(&s, a, argc, argv);
    if (result == EX_OK && s.id_count)
        return complain(EX_USAGE, "'queue %s' is no command; `postern help` shows them", s.ids[0]);
    if (result == EX_OK)
        result = selection_each(&s, false, list_message);
    if (result == EX_OK && s.seen == 0 && !s.json && isatty(STDOUT_FILENO))
        puts(selection_filters(&s) ? "(no such message waits)" : "(the queue is empty)");
    return result;
}

static void show_time(const char *what, int64_t when)
{
    char text[64];
    time_t t = (time_t)when;
    struct tm tm;
    if (localtime_r(&t, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &tm))
        printf("%-10s %s\n", what, text);
}

const char *queue_mark_word(char mark)
{
    static const struct {
        char mark;
        const char *word;
    } words[] = { { QUEUE_TODO, "waiting" },        { QUEUE_DONE, "sent" },
                  { QUEUE_FAILED, "failed" },       { QUEUE_BOUNCED, "bounced" },
                  { QUEUE_HELD, "held" },           { QUEUE_RELAYED, "relayed" },
                  { QUEUE_DELIVERED, "delivered" }, { QUEUE_EXPANDED, "expanded" } };
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
        if (words[w].mark == mark)
            return words[w].word;
    return "unknown";
}

static void show_text(const char *name, const char *value)
{
    if (!value[0])
        return;
    printf("%-10s ", name);
    say_text(span_of(value));
    putchar('\n');
}

/* What was said at MAIL beside the sender. */
static void show_options(const struct queue_message *m)
{
    const struct mail_options *o = &m->options;
    printf("%-10s %s%s%s\n", "body", m->eight_bit ? "8bit" : "7bit", o->smtputf8 ? " SMTPUTF8" : "",
           o->require_tls ? " REQUIRETLS" : "");
    if (o->ret != RET_UNSAID)
        show_text("return", o->ret == RET_FULL ? "full" : "headers");
    show_text("envid", o->envid);
    if (o->release)
        show_time("release", o->release);
    if (o->junk)
        show_text("folder", "junk");
}

static void show_recipient_options(const struct rcpt_options *o)
{
    static const char *const words[] = { "never", "success", "failure", "delay" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (o->notify & 1u << i)
            printf("%s%s", o->notify & ((1u << i) - 1) ? "," : "           notify ", words[i]);
    if (o->notify)
        putchar('\n');
    if (o->orcpt[0])
        show_text("           orcpt", o->orcpt);
    if (o->forwarded)
        puts("           forwarded by an alias");
    if (o->program[0])
        show_text("           program", o->program);
}

static void show_recipient(const struct queue_message *m, size_t i)
{
    printf("%-10s <", queue_mark_word(m->recipients[i].mark));
    say_text(span_of(m->recipients[i].address.text));
    fputs(">", stdout);
    if (m->replies[i]) {
        putchar(' ');
        say_text(span_of(m->replies[i]));
    }
    putchar('\n');
    if (m->recipients[i].options)
        show_recipient_options(m->recipients[i].options);
}

static void show_envelope(const struct queue_message *m)
{
    printf("%-10s %s\n", "id", m->id);
    show_time("queued", m->queued);
    printf("%-10s %" PRIu64 "\n", "size", m->size);
    show_options(m);
    printf("%-10s %u\n", "attempts", m->attempts);
    if (queue_next(m) > 0)
        show_time("next", queue_next(m));
    printf("%-10s <", "sender");
    say_text(span_of(m->sender));
    puts(">");
    for (size_t i = 0; i < m->recipient_count; i++)
        show_recipient(m, i);
}

/* The message: as it is into a pipe or file; on a terminal line by line and harmless. */
static int show_content(const struct queue_message *m)
{
    char piece[SHOW_PIECE];
    struct bytes line;
    off_t at = m->content;
    ssize_t n;
    bool terminal = isatty(STDOUT_FILENO);
    bytes_init(&line, SHOW_PIECE);
    while ((n = pread(m->fd, piece, sizeof piece, at)) > 0) {
        at += n;
        if (!terminal) {
            fwrite(piece, 1, (size_t)n, stdout);
            continue;
        }
        for (ssize_t i = 0; i < n; i++) {
            if (piece[i] != '\n' && line.len < SHOW_PIECE) {
                bytes_add_char(&line, piece[i] == '\t' ? ' ' : piece[i]);
                continue;
            }
            say_text(span_trim(span_bytes(&line)).n
                         ? span_head(span_bytes(&line), line.len - (line.data[line.len - 1] == '\r'))
                         : SPAN(""));
            putchar('\n');
            bytes_clear(&line);
        }
    }
    bytes_free(&line);
    return n == 0 ? EX_OK : complain(EX_IOERR, "%s: %s", m->id, strerror(errno));
}

static int show_message(struct selection *s, struct queue_message *m)
{
    if (s->json)
        return queue_json(m, true);
    show_envelope(m);
    putchar('\n');
    return show_content(m);
}

int queue_show(struct admin *a, int argc, char **argv)
{
    struct selection s;
    int result = selection_read(&s, a, argc, argv);
    if (result == EX_OK && !s.id_count)
        return complain(EX_USAGE, "which message? `postern queue` shows the IDs");
    return result == EX_OK ? selection_each(&s, false, show_message) : result;
}
