/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One filter's connection; see session_milter.h. The guard's process has begun it, and gives it here when it
 * is first needed; it may still be on its way then, or fail.
 *
 * Every wait has an end: the setting's time for an answer, and all answers at the end of a message together
 * TOGETHER_MS, as a client waits ten minutes for its reply then (RFC 5321 4.5.3.2.6). MILTER_PROGRESS begins
 * the answer's time anew.
 */
#include "session_milter.h"
#include "base/clock.h"
#include "base/files.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define RECEIVE_SIZE 16384
#define IN_LIMIT (MILTER_ANSWER_LIMIT + 4 + RECEIVE_SIZE)

void milter_close(struct milter *m)
{
    file_close(m->fd);
    m->fd = -1;
    bytes_free(&m->in);
    bytes_free(&m->out);
    bytes_free(&m->negotiated);
}

void milter_fail(struct milters *all, struct milter *m, const char *why)
{
    char text[512];
    snprintf(text, sizeof text, "%s: %s", m->setting->address, why);
    guard_log(all->session->serving->channel, "milter", span_of(text));
    milter_close(m);
    m->state = MILTER_DOWN;
    m->accepted = m->in_message = false;
}

void milter_give_time(struct milters *all, struct milter *m, unsigned times)
{
    m->until = clock_ms() + (int64_t)m->setting->timeout * 1000 * times;
    if (all->until && m->until > all->until)
        m->until = all->until;
}

/* False: too late. */
static bool await(const struct milter *m, short events)
{
    struct pollfd p = { .fd = m->fd, .events = events };
    for (;;) {
        int64_t left = m->until - clock_ms();
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n >= 0 || errno != EINTR)
            return n > 0;
    }
}

bool milter_flush(struct milters *all, struct milter *m)
{
    struct span rest = span_bytes(&m->out);
    bool failed = m->out.failed;
    const char *why = failed ? "no memory for what it is to be told" : NULL;
    while (rest.n && !why) {
        ssize_t n = send(m->fd, rest.p, rest.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            rest = span_from(rest, (size_t)n);
        else if (errno != EAGAIN && errno != EINTR)
            why = "it can't be reached, or has hung up";
        else if (!await(m, POLLOUT))
            why = "it takes nothing for too long";
    }
    bytes_clear(&m->out);
    if (why)
        milter_fail(all, m, why);
    return !why;
}

static void forget_taken(struct milter *m)
{
    if (m->taken)
        memmove(m->in.data, m->in.data + m->taken, m->in.len - m->taken);
    m->in.len -= m->taken;
    m->taken = 0;
}

/* More bytes, which may come all the time. NULL, or what is wrong. */
static const char *fill(struct milter *m)
{
    char bytes[RECEIVE_SIZE];
    ssize_t n;
    if (clock_ms() >= m->until)
        return "it doesn't answer in time";
    while ((n = recv(m->fd, bytes, sizeof bytes, MSG_DONTWAIT)) < 0 && (errno == EAGAIN || errno == EINTR))
        if (!await(m, POLLIN))
            return "it doesn't answer in time";
    if (n <= 0)
        return "it has hung up";
    return bytes_add(&m->in, bytes, (size_t)n) ? NULL : "no memory for its answer";
}

bool milter_receive(struct milters *all, struct milter *m, char *code, struct span *data)
{
    const char *why = NULL;
    while (!why) {
        size_t used;
        switch (milter_take(span_from(span_bytes(&m->in), m->taken), &used, code, data)) {
        case MILTER_PACKET:
            m->taken += used;
            return true;
        case MILTER_BAD:
            why = "its answer is none of the milter protocol";
            break;
        case MILTER_INCOMPLETE:
            forget_taken(m);
            why = fill(m);
        }
    }
    milter_fail(all, m, why);
    return false;
}

/* The guard's process has begun to connect. */
static bool get_socket(struct milters *all, struct milter *m)
{
    struct message *packet = all->session->message;
    message_start(packet, VERB_MILTER);
    message_put_u64(packet, m->place);
    m->fd = ask(all->session) == VERDICT_OK ? packet->fd : -1;
    return m->fd >= 0;
}

static bool negotiate(struct milters *all, struct milter *m)
{
    char code;
    struct span data;
    milter_give_time(all, m, 1);
    milter_put_negotiate(&m->out, MILTER_ACTIONS, MILTER_STEPS);
    if (!milter_flush(all, m) || !milter_receive(all, m, &code, &data))
        return false;
    bytes_add_span(&m->negotiated, data);
    if (code != MILTER_NEGOTIATE || m->negotiated.failed ||
        !milter_read_options(span_bytes(&m->negotiated), &m->options)) {
        milter_fail(all, m, "it wants a version, actions or steps that there aren't");
        return false;
    }
    return true;
}

bool milter_open(struct milters *all, struct milter *m)
{
    if (m->state != MILTER_UNTRIED)
        return m->state == MILTER_OPEN;
    bytes_init(&m->in, IN_LIMIT);
    bytes_init(&m->out, 8 * MILTER_CHUNK);
    bytes_init(&m->negotiated, MILTER_ANSWER_LIMIT);
    m->state = MILTER_OPEN;
    if (!get_socket(all, m)) {
        milter_fail(all, m, "it can't be reached");
        return false;
    }
    return negotiate(all, m);
}
