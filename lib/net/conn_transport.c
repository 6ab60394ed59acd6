/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is below a connection's lines: its descriptors, the layer between (TLS, compression), and how long a
 * read or a write may wait.
 */
#include "net/conn_private.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RATE_GRACE_MS 30000
#define OUTPUT_MS 300000 /* a write may block so long when no idle limit is set */

void conn_deadlines(struct conn *c, int idle_ms, unsigned rate)
{
    c->idle_ms = idle_ms;
    c->rate = rate;
}

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
            conn_end_with(c, CONN_TIMEOUT);
            return false;
        }
        if (errno != EINTR) {
            conn_end_with(c, CONN_GONE);
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

int conn_read_fd(const struct conn *c)
{
    return c->rfd;
}

int conn_write_fd(const struct conn *c)
{
    return c->wfd;
}
