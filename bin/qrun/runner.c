/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client of who runs programs, as a user of its own, behind the socket of the setting `pipe-socket`
 * (bin/pipe; store/programs.h has the protocol): a connection for each program and message. Nothing here
 * waits.
 */
#include "qrun.h"

#include "base/clock.h"
#include "base/files.h"
#include "store/programs.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#define GRACE_MS 30000 /* beyond the time that a program may take */

int runner_connect(const struct qrun *q)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    if (!span_copy(span_of(q->settings->pipe_socket), name.sun_path, sizeof name.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) != 0) {
        file_close(fd);
        fd = -1;
    }
    return fd;
}

int64_t runner_until(const struct qrun *q)
{
    return clock_ms() + (int64_t)q->settings->pipe_timeout * 1000 + GRACE_MS;
}

bool runner_ask(struct qrun *q, int fd, const struct runner_request *r)
{
    message_start(&q->packet, PROGRAM_RUN);
    message_put_str(&q->packet, r->program);
    message_put_str(&q->packet, r->id);
    message_put_str(&q->packet, r->sender);
    message_put_str(&q->packet, r->to);
    message_put_str(&q->packet, r->original);
    message_put_u64(&q->packet, r->content);
    message_put_u64(&q->packet, r->size);
    q->packet.fd = r->fd;
    return channel_send(fd, &q->packet);
}

/* The runner is another user: what it says is one line of printable text. */
static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
}

char runner_answer(struct qrun *q, int fd, char reply[QUEUE_REPLY_LIMIT])
{
    uint64_t mark = 0;
    bool came = channel_receive(fd, &q->packet, 0);
    if (came)
        file_close(q->packet.fd);
    if (came && q->packet.verb == PROGRAM_ENDED && message_get_u64(&q->packet, &mark) &&
        message_get_str(&q->packet, reply, QUEUE_REPLY_LIMIT) && message_end(&q->packet) &&
        (mark == QUEUE_DONE || mark == QUEUE_TODO || mark == QUEUE_FAILED)) {
        clean(reply);
        return (char)mark;
    }
    snprintf(reply, QUEUE_REPLY_LIMIT, "4.3.0 Who runs programs ended without an answer");
    return QUEUE_TODO;
}
