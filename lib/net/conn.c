/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A connection's buffers and lines; see conn.h. What is below them is conn_transport.c's.
 *
 * Input is tried without waiting first; only when that would block, or the last try took all there was, is
 * output flushed and the deadline waited for. Limits: CONN_BUFFER bytes of input and CONN_OUTPUT bytes of
 * output are held; a line that doesn't end within its maximum is thrown away as it comes.
 */
#include "net/conn_private.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FIRST_OUTPUT 4000 /* room from the start: most replies that leave together fit */

/* Asked in a way that a session in its sandbox may ask too. */
static bool is_socket(int fd)
{
    char none;
    return recv(fd, &none, 0, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != ENOTSOCK;
}

struct conn *conn_new(int rfd, int wfd)
{
    struct conn *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    memset(c, 0, offsetof(struct conn, in));
    c->rfd = rfd;
    c->wfd = wfd;
    c->rsocket = is_socket(rfd);
    c->wsocket = wfd == rfd ? c->rsocket : is_socket(wfd);
    c->drained = c->rsocket; /* of a client that waits for our greeting */
    bytes_init(&c->out, CONN_OUTPUT);
    bytes_reserve(&c->out, FIRST_OUTPUT);
    return c;
}

void conn_free(struct conn *c)
{
    if (!c)
        return;
    if (c->layered)
        c->layer.close(c->layer.state);
    bytes_free(&c->out);
    free(c);
}

void conn_begin(struct conn *c)
{
    c->begun = c->len ? clock_ms() : 0;
    c->since = 0;
}

void conn_abandon(struct conn *c)
{
    conn_end_with(c, CONN_GONE);
    c->mute = true;
}

/* --- input */

/* One attempt to read more. 1: got some; 0: it would block; -1: over. There must be room. */
static int read_some(struct conn *c)
{
    if (c->end != CONN_OK)
        return -1;
    if (c->start && c->start + c->len == CONN_BUFFER) {
        memmove(c->in, c->in + c->start, c->len);
        c->start = 0;
    }
    char *to = c->in + c->start + c->len;
    size_t room = CONN_BUFFER - c->start - c->len;
    for (;;) {
        ssize_t n = c->layered ? c->layer.read(c->layer.state, to, room) : conn_raw_read(c, to, room);
        if (n > 0) {
            if (!c->begun && c->rate)
                c->begun = clock_ms();
            if (!c->layered || !c->layer.grows)
                c->since += (uint64_t)n;
            c->len += (size_t)n;
            c->drained = (size_t)n < room && !c->layered;
            return 1;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        conn_end_with(c, CONN_GONE);
        return -1;
    }
}

/* Waits until more has come. */
static bool fill(struct conn *c)
{
    for (;;) {
        int got = c->drained && c->out.len && c->end == CONN_OK ? 0 : read_some(c);
        if (got)
            return got > 0;
        if (!conn_flush(c) || !conn_raw_wait(c))
            return false;
    }
}

bool conn_try(struct conn *c)
{
    return c->len < CONN_BUFFER && read_some(c) >= 0;
}

void conn_take(struct conn *c, size_t n)
{
    if (n > c->len)
        n = c->len;
    c->start += n;
    c->len -= n;
    if (c->len == 0)
        c->start = 0;
}

struct span conn_pending(const struct conn *c)
{
    return (struct span){ c->in + c->start, c->len };
}

bool conn_unread(struct conn *c, struct span data)
{
    if (data.n > CONN_BUFFER - c->len)
        return false;
    memmove(c->in + data.n, c->in + c->start, c->len);
    if (data.n)
        memcpy(c->in, data.p, data.n);
    c->start = 0;
    c->len += data.n;
    return true;
}

enum conn_result conn_peek_more(struct conn *c, size_t n, struct span *have)
{
    while (c->len < n)
        if (!fill(c))
            return c->end;
    *have = conn_pending(c);
    return CONN_OK;
}

enum conn_result conn_peek(struct conn *c, struct span *have)
{
    return conn_peek_more(c, 1, have);
}

/* Throws away up to and with the next LF. */
static enum conn_result discard_line(struct conn *c)
{
    for (;;) {
        struct span have = conn_pending(c);
        size_t lf = span_find(have, '\n');
        if (lf < have.n) {
            conn_take(c, lf + 1);
            return CONN_TOO_LONG;
        }
        conn_take(c, have.n);
        if (!fill(c))
            return c->end;
    }
}

/* Judges the line that ends with the LF at `lf`, and consumes it. */
static enum conn_result finish_line(struct conn *c, size_t lf, size_t max, struct span *line)
{
    *line = span_head(conn_pending(c), lf);
    conn_take(c, lf + 1);
    if (!line->n || line->p[line->n - 1] != '\r')
        return CONN_BARE;
    line->n--;
    if (line->n > max)
        return CONN_TOO_LONG;
    if (span_find(*line, '\r') < line->n)
        return CONN_BARE;
    if (span_find(*line, '\0') < line->n)
        return CONN_NUL;
    if (c->trace)
        log_trace('C', c->mask ? SPAN("(hidden)") : *line);
    return CONN_OK;
}

enum conn_result conn_line(struct conn *c, size_t max, struct span *line)
{
    size_t scanned = 0;
    conn_begin(c);
    for (;;) {
        struct span have = conn_pending(c);
        size_t lf = scanned + span_find(span_from(have, scanned), '\n');
        if (lf < have.n)
            return finish_line(c, lf, max, line);
        if (have.n >= max + 2)
            return discard_line(c);
        scanned = have.n;
        if (!fill(c))
            return c->end;
    }
}

/* --- output */

static void send_now(struct conn *c, const char *data, size_t n)
{
    if (c->mute || n == 0)
        return;
    ssize_t done = c->layered ? c->layer.write(c->layer.state, data, n) : conn_raw_write(c, data, n);
    if (done < 0)
        conn_abandon(c);
}

static void trace_output(const struct conn *c)
{
    struct span rest = span_bytes(&c->out), line;
    while (rest.n && span_cut(&rest, '\n', &line))
        log_trace('S', span_trim(line));
}

bool conn_flush(struct conn *c)
{
    if (c->trace)
        trace_output(c);
    send_now(c, c->out.data, c->out.len);
    bytes_clear(&c->out);
    return !c->mute;
}

void conn_write(struct conn *c, const void *data, size_t n)
{
    if (c->mute)
        return;
    if (n > CONN_OUTPUT - c->out.len)
        conn_flush(c);
    if (n >= CONN_OUTPUT)
        send_now(c, data, n);
    else if (!bytes_add(&c->out, data, n))
        conn_abandon(c);
}

void conn_write_span(struct conn *c, struct span s)
{
    conn_write(c, s.p, s.n);
}

void conn_write_str(struct conn *c, const char *s)
{
    conn_write(c, s, strlen(s));
}

void conn_write_u64(struct conn *c, uint64_t n)
{
    char digits[SPAN_U64_DIGITS];
    conn_write_span(c, span_decimal(n, digits));
}

void conn_printf(struct conn *c, const char *format, ...)
{
    struct bytes text;
    va_list ap;
    bytes_init(&text, CONN_OUTPUT);
    va_start(ap, format);
    bytes_vprintf(&text, format, ap);
    va_end(ap);
    if (text.failed)
        conn_abandon(c);
    conn_write(c, text.data, text.len);
    bytes_free(&text);
}

bool conn_is_gone(const struct conn *c)
{
    return c->end != CONN_OK;
}

/* Of a layer's transport, bytes may come that are no input yet: half a TLS record, a deflate block without
 * contents. */
static bool has_input(struct conn *c, bool came)
{
    if (c->end != CONN_OK || c->len)
        return true;
    if (!c->layered)
        return came;
    return (came || c->layer.pending(c->layer.state)) && read_some(c) != 0;
}

int conn_wait(struct conn *c, int other_fd, int ms)
{
    struct pollfd p[2] = { { .fd = c->rfd, .events = POLLIN }, { .fd = other_fd, .events = POLLIN } };
    int64_t until = clock_ms() + ms;
    if (!conn_flush(c) || has_input(c, false))
        return CONN_INPUT;
    for (;;) {
        int n = poll(p, 2, ms);
        if (n < 0 && errno != EINTR)
            return CONN_INPUT;
        bool came = n > 0 && p[0].revents;
        int what = (came && has_input(c, true) ? CONN_INPUT : 0) | (n > 0 && p[1].revents ? CONN_OTHER : 0);
        if (what || n == 0)
            return what;
        if (ms >= 0) {
            int64_t left = until - clock_ms();
            ms = left > 0 ? (int)left : 0;
        }
    }
}

void conn_trace(struct conn *c, bool on)
{
    c->trace = on;
}

void conn_mask(struct conn *c, bool on)
{
    c->mask = on;
}
