/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern queue: what waits to go out, and what an administrator does about it.
 *
 * The list has a line for each recipient that still waits, so that grep and awk need no more than that.
 * Whatever changes a message takes its lock first: one that is being sent just now says so and is left alone.
 */
#include "admin.h"
#include "base/clock.h"
#include "store/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define SHOW_PIECE 65536

static int open_queue(struct admin *a, int *dir)
{
    if (queue_open(a->s.spool, dir) == ST_OK)
        return EX_OK;
    return complain(EX_NOINPUT, "%s/queue: %s", a->s.spool, strerror(errno));
}

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

static bool waits(char mark)
{
    return mark != QUEUE_DONE && mark != QUEUE_BOUNCED;
}

static void format_next(const struct queue_message *m, char mark, char *to, size_t size)
{
    if (mark == QUEUE_HELD)
        snprintf(to, size, "held");
    else if (mark == QUEUE_FAILED)
        snprintf(to, size, "bounce");
    else if (mark != QUEUE_TODO)
        snprintf(to, size, "report");
    else if (m->next_attempt <= clock_now())
        snprintf(to, size, "now");
    else
        format_time(m->next_attempt - clock_now(), to, size);
}

static void list_message(const struct queue_message *m)
{
    char age[32], next[32], size[32];
    format_time(clock_now() - m->queued, age, sizeof age);
    format_size(m->size, size, sizeof size);
    for (size_t i = 0; i < m->recipient_count; i++) {
        if (!waits(m->recipients[i].mark))
            continue;
        format_next(m, m->recipients[i].mark, next, sizeof next);
        printf("%-31s %4s %6s %6s  <", m->id, age, size, next);
        say_text(span_of(m->sender));
        fputs("> <", stdout);
        say_text(span_of(m->recipients[i].address.text));
        fputs("> ", stdout);
        say_text(span_of(m->replies[i] ? m->replies[i] : "-"));
        putchar('\n');
    }
}

/* Calls for each message, without its lock. A message that left meanwhile is passed over; a damaged one is
 * named. */
static int for_each(int dir, void (*call)(const struct queue_message *m), size_t *count)
{
    char **ids;
    int result = EX_OK;
    *count = 0;
    if (queue_list(dir, false, &ids, count) != ST_OK)
        return complain(EX_IOERR, "the queue can't be listed: %s", strerror(errno));
    for (size_t i = 0; i < *count; i++) {
        struct queue_message m;
        enum status st = queue_read(dir, ids[i], false, &m);
        if (st == ST_OK) {
            call(&m);
            queue_message_free(&m);
        } else if (st != ST_NONE) {
            result = complain(EX_DATAERR, "%s: %s", ids[i],
                              st == ST_PERM ? "the file is damaged" : strerror(errno));
        }
        free(ids[i]);
    }
    free(ids);
    return result;
}

int queue_list_command(struct admin *a, int argc, char **argv)
{
    int dir;
    size_t count;
    (void)argc, (void)argv;
    int result = open_queue(a, &dir);
    if (result != EX_OK)
        return result;
    if (isatty(STDOUT_FILENO))
        printf("%-31s %4s %6s %6s  %s\n", "ID", "AGE", "SIZE", "NEXT", "SENDER RECIPIENT LAST-REPLY");
    result = for_each(dir, list_message, &count);
    if (count == 0 && isatty(STDOUT_FILENO))
        puts("(the queue is empty)");
    close(dir);
    return result;
}

/* Reads one message that an argument names, with its lock if it is to be changed. */
static int open_message(int dir, const char *id, bool lock, struct queue_message *m)
{
    if (!queue_id_valid(id))
        return complain(EX_DATAERR, "%s: is no ID of a message; `postern queue` shows them", id);
    enum status st = queue_read(dir, id, lock, m);
    if (st == ST_OK)
        return EX_OK;
    if (st == ST_NONE)
        return complain(EX_NOINPUT, "%s: isn't in the queue; it was sent, or bounced", id);
    if (st == ST_PERM)
        return complain(EX_DATAERR, "%s: the file is damaged; it lies in the spool as it is", id);
    if (errno == EWOULDBLOCK)
        return complain(EX_TEMPFAIL, "%s: is being sent just now; look again in a moment", id);
    return complain(EX_TEMPFAIL, "%s: %s", id, strerror(errno));
}

static void show_time(const char *what, int64_t when)
{
    char text[64];
    time_t t = (time_t)when;
    struct tm tm;
    if (localtime_r(&t, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &tm))
        printf("%-10s %s\n", what, text);
}

static void show_envelope(const struct queue_message *m)
{
    printf("%-10s %s\n", "id", m->id);
    show_time("queued", m->queued);
    printf("%-10s %" PRIu64 "\n%-10s %u\n", "size", m->size, "attempts", m->attempts);
    if (m->next_attempt > 0)
        show_time("next", m->next_attempt);
    printf("%-10s <", "sender");
    say_text(span_of(m->sender));
    puts(">");
    for (size_t i = 0; i < m->recipient_count; i++) {
        static const struct {
            char mark;
            const char *word;
        } words[] = { { QUEUE_TODO, "waiting" },
                      { QUEUE_DONE, "sent" },
                      { QUEUE_FAILED, "failed" },
                      { QUEUE_BOUNCED, "bounced" },
                      { QUEUE_HELD, "held" },
                      { QUEUE_RELAYED, "relayed" },
                      { QUEUE_DELIVERED, "delivered" },
                      { QUEUE_EXPANDED, "expanded" } };
        const char *word = "unknown";
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
            if (words[w].mark == m->recipients[i].mark)
                word = words[w].word;
        printf("%-10s <", word);
        say_text(span_of(m->recipients[i].address.text));
        fputs(">", stdout);
        if (m->replies[i]) {
            putchar(' ');
            say_text(span_of(m->replies[i]));
        }
        putchar('\n');
    }
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

int queue_show(struct admin *a, int argc, char **argv)
{
    struct queue_message m;
    int dir;
    (void)argc;
    int result = open_queue(a, &dir);
    if (result != EX_OK)
        return result;
    result = open_message(dir, argv[0], false, &m);
    if (result == EX_OK) {
        show_envelope(&m);
        putchar('\n');
        result = show_content(&m);
        queue_message_free(&m);
    }
    close(dir);
    return result;
}

/* Makes it due now. What waits under a later time is moved; what lies open is due already. */
static int make_due(int dir, struct queue_message *m)
{
    if (m->next_attempt <= clock_now())
        return EX_OK;
    m->next_attempt = clock_now();
    if (queue_defer(dir, m) == ST_OK)
        return EX_OK;
    return complain(EX_IOERR, "%s: can't be made due: %s", m->id, strerror(errno));
}

static int retry_one(struct admin *a, int dir, const char *id)
{
    struct queue_message m;
    int result = open_message(dir, id, true, &m);
    if (result == EX_OK) {
        result = make_due(dir, &m);
        queue_message_free(&m);
        queue_wake(a->s.spool, id);
    }
    return result;
}

static int retry_all(struct admin *a, int dir)
{
    char **ids;
    size_t count;
    int result = EX_OK;
    if (queue_list(dir, false, &ids, &count) != ST_OK)
        return complain(EX_IOERR, "the queue can't be listed: %s", strerror(errno));
    for (size_t i = 0; i < count; i++) {
        struct queue_message m;
        enum status st = queue_read(dir, ids[i], true, &m);
        if (st == ST_OK) { /* else it is being sent just now, gone, or damaged: nothing to retry */
            int one = make_due(dir, &m);
            result = one == EX_OK ? result : one;
            queue_message_free(&m);
        }
        free(ids[i]);
    }
    free(ids);
    queue_wake(a->s.spool, NULL);
    return result;
}

int queue_retry(struct admin *a, int argc, char **argv)
{
    int dir;
    int result = open_queue(a, &dir);
    if (result != EX_OK)
        return result;
    result = argc ? retry_one(a, dir, argv[0]) : retry_all(a, dir);
    close(dir);
    return result;
}

/* Turns every mark `from` into `to`. EX_DATAERR if there is none. */
static int change_marks(struct queue_message *m, char from, char to, const char *none)
{
    size_t changed = 0;
    for (size_t i = 0; i < m->recipient_count; i++) {
        if (m->recipients[i].mark != from)
            continue;
        if (queue_mark(m, i, to) != ST_OK)
            return complain(EX_IOERR, "%s: can't be marked: %s", m->id, strerror(errno));
        changed++;
    }
    return changed ? EX_OK : complain(EX_DATAERR, "%s: %s", m->id, none);
}

static int do_hold(struct admin *a, int dir, struct queue_message *m)
{
    (void)a, (void)dir;
    return change_marks(m, QUEUE_TODO, QUEUE_HELD, "has no recipient that waits");
}

static int do_release(struct admin *a, int dir, struct queue_message *m)
{
    (void)a;
    int result = change_marks(m, QUEUE_HELD, QUEUE_TODO, "has no recipient that is held");
    return result == EX_OK ? make_due(dir, m) : result;
}

static int do_drop(struct admin *a, int dir, struct queue_message *m)
{
    (void)a;
    if (queue_remove(dir, m) == ST_OK)
        return EX_OK;
    return complain(EX_IOERR, "%s: can't be removed: %s", m->id, strerror(errno));
}

static int with_message(struct admin *a, const char *id,
                        int (*act)(struct admin *, int, struct queue_message *))
{
    struct queue_message m;
    int dir;
    int result = open_queue(a, &dir);
    if (result != EX_OK)
        return result;
    result = open_message(dir, id, true, &m);
    if (result == EX_OK) {
        result = act(a, dir, &m);
        queue_message_free(&m);
    }
    close(dir);
    return result;
}

int queue_hold(struct admin *a, int argc, char **argv)
{
    (void)argc;
    return with_message(a, argv[0], do_hold);
}

int queue_release(struct admin *a, int argc, char **argv)
{
    (void)argc;
    int result = with_message(a, argv[0], do_release);
    if (result == EX_OK)
        queue_wake(a->s.spool, argv[0]);
    return result;
}

int queue_drop(struct admin *a, int argc, char **argv)
{
    (void)argc;
    return with_message(a, argv[0], do_drop);
}
