/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A connection's buffers, lines and deadlines; see conn.h.
 *
 * Input is tried without waiting first; only when that would block, or the last try took all there was, is
 * output flushed and the deadline waited for. Limits: CONN_BUFFER bytes of input and CONN_OUTPUT bytes of
 * output are held; a line that doesn't end within its maximum is thrown away as it comes.
 */
#include "net/conn.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RATE_GRACE_MS 30000
#define FIRST_OUTPUT 4000 /* room from the start: most replies that leave together fit */
#define OUTPUT_MS 300000 /* a write may block so long when no idle limit is set */

struct conn {
    int rfd, wfd;
    bool rsocket, wsocket;
    enum conn_result end;
    bool mute; /* a write failed: later ones do nothing */
    int idle_ms;
    unsigned rate;
    int64_t begun;  /* clock_ms() of the first byte since conn_begin(); 0 before it */
    uint64_t since; /* bytes since then */
    size_t start, len; /* in `in` */
    struct bytes out;
    struct conn_layer layer;
    bool drained; /* the last read took all that had come: output needn't wait for another */
    bool layered, trace, mask;
    char in[CONN_BUFFER]; /* here, so that a few short lines need no page but ours */
};

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

void conn_deadlines(struct conn *c, int idle_ms, unsigned rate)
{
    c->idle_ms = idle_ms;
    c->rate = rate;
}

void conn_begin(struct conn *c)
{
    c->begun = c->len ? clock_ms() : 0;
    c->since = 0;
}

static void end_with(struct conn *c, enum conn_result why)
{
    if (c->end == CONN_OK)
        c->end = why;
}

void conn_abandon(struct conn *c)
{
    end_with(c, CONN_GONE);
    c->mute = true;
}

/* --- the transport */

static ssize_t raw_read(struct conn *c, void *to, size_t n)
{
    if (c->rsocket)
        return recv(c->rfd, to, n, MSG_DONTWAIT);
    struct pollfd p = { .fd = c->rfd, .events = POLLIN };
    if (poll(&p, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return read(c->rfd, to, n);
}

ssize_t conn_raw_read(struct conn *c, void *to, size_t n)
{
    ssize_t got = raw_read(c, to, n);
    if (got > 0 && c->layered && c->layer.grows)
        c->since += (uint64_t)got;
    return got;
}

/* Milliseconds that may still pass before a deadline; -1 for ever. */
static int time_left(const struct conn *c)
{
    int64_t left = c->idle_ms ? c->idle_ms : -1;
    if (c->rate && c->begun) {
        int64_t until = c->begun + RATE_GRACE_MS + (int64_t)(c->since * 1000 / c->rate);
        int64_t rest = until - clock_ms();
        if (rest < 0)
            rest = 0;
        if (left < 0 || rest < left)
            left = rest;
    }
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

bool conn_raw_wait(struct conn *c)
{
    struct pollfd p = { .fd = c->rfd, .events = POLLIN };
    for (;;) {
        int n = poll(&p, 1, time_left(c));
        if (n > 0)
            return true;
        if (n == 0) {
            end_with(c, CONN_TIMEOUT);
            return false;
        }
        if (errno != EINTR) {
            end_with(c, CONN_GONE);
            return false;
        }
    }
}

static bool wait_for_output(struct conn *c)
{
    struct pollfd p = { .fd = c->wfd, .events = POLLOUT };
    int n;
    do
        n = poll(&p, 1, c->idle_ms ? c->idle_ms : OUTPUT_MS);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

ssize_t conn_raw_write(struct conn *c, const void *data, size_t n)
{
    const char *at = data;
    size_t left = n;
    while (left) {
        if (!c->wsocket && !wait_for_output(c))
            return -1;
        ssize_t done =
            c->wsocket ? send(c->wfd, at, left, MSG_DONTWAIT | MSG_NOSIGNAL) : write(c->wfd, at, left);
        if (done > 0) {
            at += done;
            left -= (size_t)done;
        } else if (done < 0 && errno == EAGAIN && c->wsocket) {
            if (!wait_for_output(c))
                return -1;
        } else if (done < 0 && errno != EINTR && errno != EAGAIN) {
            return -1;
        }
    }
    return (ssize_t)n;
}

void conn_set_layer(struct conn *c, struct conn_layer layer)
{
    c->layer = layer;
    c->layered = true;
    c->drained = false;
}

const struct conn_layer *conn_layer(const struct conn *c)
{
    return c->layered ? &c->layer : NULL;
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
        end_with(c, CONN_GONE);
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

int conn_read_fd(const struct conn *c)
{
    return c->rfd;
}

int conn_write_fd(const struct conn *c)
{
    return c->wfd;
}
