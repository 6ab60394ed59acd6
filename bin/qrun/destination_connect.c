/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A destination and its connector: asking for a host, the socket that comes back, or the answer for
 * everything in line when no host is left.
 */
#include "destination.h"

#include "base/files.h"

#include <stdio.h>
#include <string.h>

#define LOST_LIMIT 6 /* connections that broke one after the other, until the whole destination waits */

void destination_connect(struct qrun *q, struct destination *d, unsigned verb)
{
    destination_close_channel(&d->sender);
    d->state = CONNECTING;
    d->completed = 0;
    if (d->connector < 0 && verb != VERB_CONNECT_FIRST) { /* it knew what comes next, and died */
        destination_fail(q, d, QUEUE_TODO, "4.3.0 The connector died", NULL);
        return;
    }
    if (d->connector < 0)
        d->connector = child_start(
            q, &(struct child_start){ .kind = CHILD_CONNECTOR, .domain = d->domain, .socket = -1 });
    message_start(&q->packet, verb);
    if (d->connector < 0 || !channel_send(d->connector, &q->packet))
        destination_fail(q, d, QUEUE_TODO, "4.3.0 The connector died, or could not be started", NULL);
}

static void connected(struct qrun *q, struct destination *d)
{
    char address[INET6_ADDRSTRLEN];
    struct message *m = &q->packet;
    message_get_str(m, d->host, sizeof d->host);
    message_get_str(m, address, sizeof address);
    int socket = m->fd;
    if (!message_end(m) || socket < 0) {
        destination_fail(q, d, QUEUE_TODO, "4.3.0 The connector failed", NULL);
    } else {
        if (d->host[0] == '[') /* a literal */
            snprintf(d->shown, sizeof d->shown, "%s", d->host);
        else
            snprintf(d->shown, sizeof d->shown, "%s[%s]", d->host, address);
        d->state = GREETING;
        d->sender = child_start(
            q, &(struct child_start){
                   .kind = CHILD_SENDER, .socket = socket, .host = d->host, .no_tls = d->no_tls });
        if (d->sender < 0)
            destination_fail(q, d, QUEUE_TODO, "4.3.0 No process could be started to send", NULL);
    }
    file_close(socket);
}

/* The last host broke off in the middle of a message. It may be that message's fault: it waits, the others
 * are tried. */
static bool blame_message(struct qrun *q, struct destination *d)
{
    if (!d->first || !d->first->lost || d->lost >= LOST_LIMIT || !d->failure[0])
        return false;
    destination_answer(q, destination_take(d), QUEUE_TODO, d->failure, d->failed_host);
    destination_refill(q, d);
    if (d->first || d->parked.count)
        destination_connect(q, d, VERB_CONNECT_FIRST);
    else
        destination_leave(q, d);
    return true;
}

/* What a host said is better known than that no further one could be reached. */
static void no_host(struct qrun *q, struct destination *d)
{
    uint64_t permanent;
    char text[QUEUE_REPLY_LIMIT], said[QUEUE_REPLY_LIMIT], host[HOST_TEXT];
    message_get_u64(&q->packet, &permanent);
    message_get_str(&q->packet, text, sizeof text);
    if (!message_end(&q->packet))
        destination_fail(q, d, QUEUE_TODO, "4.3.0 The connector failed", NULL);
    else if (blame_message(q, d))
        return;
    else if (d->failure[0]) {
        memcpy(said, d->failure, sizeof said);
        memcpy(host, d->failed_host, sizeof host);
        destination_fail(q, d, QUEUE_TODO, said, host[0] ? host : NULL);
    } else
        destination_fail(q, d, permanent ? QUEUE_FAILED : QUEUE_TODO, text, NULL);
}

void destination_connector_input(struct qrun *q, struct destination *d)
{
    if (!channel_receive(d->connector, &q->packet, 0)) {
        destination_close_channel(&d->connector);
        if (d->state == CONNECTING)
            destination_fail(q, d, QUEUE_TODO, "4.3.0 The connector died", NULL);
        return;
    }
    int fd = q->packet.fd;
    if (d->state == CONNECTING && q->packet.verb == VERB_CONNECTED) {
        connected(q, d);
        return;
    }
    file_close(fd);
    if (d->state == CONNECTING && q->packet.verb == VERB_NO_HOST)
        no_host(q, d);
    else if (d->state == CONNECTING)
        destination_fail(q, d, QUEUE_TODO, "4.3.0 The connector failed", NULL);
    else
        destination_close_channel(&d->connector);
}
