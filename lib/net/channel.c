/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Packets between the processes of one connection; see channel.h.
 *
 * A packet is the verb (4 bytes, host order: both ends are one machine) and fields, each a
 * 4-byte length and its bytes. A number is a field of 8 bytes.
 */
#include "net/channel.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

enum status channel_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 ? ST_OK : ST_TEMP;
}

void channel_patience(int end, int ms)
{
    struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
    setsockopt(end, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

void message_start(struct message *m, unsigned verb)
{
    uint32_t v = verb;
    m->verb = verb;
    m->fd = -1;
    m->bad = false;
    m->at = 0;
    memcpy(m->data, &v, sizeof v);
    m->len = sizeof v;
}

void message_put(struct message *m, struct span field)
{
    uint32_t n = (uint32_t)field.n;
    if (m->bad || field.n > sizeof m->data || m->len + sizeof n > sizeof m->data - field.n) {
        m->bad = true;
        return;
    }
    memcpy(m->data + m->len, &n, sizeof n);
    m->len += sizeof n;
    if (field.n)
        memcpy(m->data + m->len, field.p, field.n);
    m->len += field.n;
}

void message_put_u64(struct message *m, uint64_t value)
{
    message_put(m, (struct span){ (const char *)&value, sizeof value });
}

void message_put_str(struct message *m, const char *field)
{
    message_put(m, span_of(field));
}

bool message_get(struct message *m, struct span *field)
{
    uint32_t n;
    *field = (struct span){ "", 0 };
    if (m->bad || m->len - m->at < sizeof n) {
        m->bad = true;
        return false;
    }
    memcpy(&n, m->data + m->at, sizeof n);
    if (n > m->len - m->at - sizeof n) {
        m->bad = true;
        return false;
    }
    *field = (struct span){ (const char *)m->data + m->at + sizeof n, n };
    m->at += sizeof n + n;
    return true;
}

bool message_get_u64(struct message *m, uint64_t *value)
{
    struct span field;
    *value = 0;
    if (!message_get(m, &field) || field.n != sizeof *value) {
        m->bad = true;
        return false;
    }
    memcpy(value, field.p, sizeof *value);
    return true;
}

bool message_get_str(struct message *m, char *to, size_t size)
{
    struct span field;
    if (!message_get(m, &field) || !span_copy(field, to, size)) {
        to[0] = '\0';
        m->bad = true;
        return false;
    }
    return true;
}

bool message_end(const struct message *m)
{
    return !m->bad && m->at == m->len;
}

bool channel_send(int channel, struct message *m)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = { .iov_base = m->data, .iov_len = m->len };
    struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1 };
    if (m->bad)
        return false;
    if (m->fd >= 0) {
        memset(&control, 0, sizeof control);
        h.msg_control = control.space;
        h.msg_controllen = sizeof control.space;
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &m->fd, sizeof m->fd);
    }
    ssize_t n;
    do
        n = sendmsg(channel, &h, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)m->len;
}

/* Takes the one descriptor that may have come; closes any further ones, which make the packet bad. */
static void take_descriptors(struct msghdr *h, struct message *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (m->fd < 0) {
                m->fd = fd;
            } else {
                close(fd);
                m->bad = true;
            }
        }
    }
}

static bool wait_readable(int fd, int ms)
{
    int64_t until = clock_ms() + ms;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    for (;;) {
        int64_t left = until - clock_ms();
        int n = poll(&p, 1, left > 0 ? (int)left : 0);
        if (n >= 0 || errno != EINTR)
            return n > 0;
    }
}

bool channel_receive(int channel, struct message *m, int ms)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec part = { .iov_base = m->data, .iov_len = sizeof m->data };
    struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
                        .msg_controllen = sizeof control.space };
    uint32_t verb;
    m->fd = -1;
    m->bad = false;
    if (ms >= 0 && !wait_readable(channel, ms))
        return false;
    ssize_t n;
    do
        n = recvmsg(channel, &h, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    take_descriptors(&h, m);
    if (m->bad || (size_t)n < sizeof verb || h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        if (m->fd >= 0)
            close(m->fd);
        m->fd = -1;
        m->bad = true;
        return false;
    }
    memcpy(&verb, m->data, sizeof verb);
    m->verb = verb;
    m->len = (size_t)n;
    m->at = sizeof verb;
    return true;
}

bool channel_call(int channel, struct message *m)
{
    return channel_send(channel, m) && channel_receive(channel, m, -1);
}
