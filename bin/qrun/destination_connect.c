/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A destination and its connector: asking for a host, the socket that comes back, or the answer for
 * everything in line when no host is left.
 */
#include "destination.h"

#include "base/files.h"
#include "store/tls_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LOST_LIMIT 6 /* connections that broke one after the other, until the whole destination waits */

/* No way to connect, for our own reasons. */
static void give_up(struct qrun *q, struct link *l, const char *reply)
{
    if (link_is_last(l))
        destination_fail(q, l->d, QUEUE_TODO, reply, NULL);
    else
        link_failed(q, l, VERB_CONNECT_NEXT);
}

static int start_connector(struct qrun *q, const struct destination *d)
{
    struct tls_state_policy cached;
    destination_tls_cached(q, d, &cached);
    int channel = child_start(q, &(struct child_start){ .kind = CHILD_CONNECTOR,
                                                        .domain = d->domain,
                                                        .hop = &d->hop,
                                                        .lane = d->lane,
                                                        .cached = &cached,
                                                        .socket = -1 });
    bytes_free(&cached.text);
    return channel;
}

/* The last host broke off in the middle of a message. It may be that message's fault: it waits, the others
 * are tried. */
static bool blame_message(struct qrun *q, struct link *l)
{
    struct destination *d = l->d;
    struct part *p = d->lost < LOST_LIMIT && d->failure[0] ? destination_take_lost(d) : NULL;
    if (!p)
        return false;
    destination_answer(q, p, QUEUE_TODO, d->failure, d->failed_host);
    destination_refill(q, d);
    if (destination_waits(d))
        destination_connect(q, l, VERB_CONNECT_FIRST);
    else
        destination_leave(q, d);
    return true;
}

/* What a host said is better known than that no further one could be reached. It is for ever if all of them
 * could be asked, and said so. */
static void nobody_left(struct qrun *q, struct link *l, const char *text, bool permanent, bool all_asked)
{
    struct destination *d = l->d;
    char said[QUEUE_REPLY_LIMIT], host[HOST_TEXT];
    if (blame_message(q, l))
        return;
    if (d->failure[0]) {
        memcpy(said, d->failure, sizeof said);
        memcpy(host, d->failed_host, sizeof host);
        bool never = d->unfit && !d->hindered && all_asked;
        destination_fail(q, d, never ? QUEUE_FAILED : QUEUE_TODO, said, host[0] ? host : NULL);
    } else
        destination_fail(q, d, permanent ? QUEUE_FAILED : QUEUE_TODO, text, NULL);
}

static bool give_login(struct qrun *q, const struct link *l)
{
    struct message *m = &q->packet;
    message_start(m, VERB_LOGIN);
    message_put_str(m, q->login.name);
    message_put_str(m, q->login.password);
    bool sent = channel_send(l->sender, m);
    explicit_bzero(m->data, sizeof m->data);
    return sent;
}

/* A sender on a connected socket, which stays the caller's. The login is read here, handed over and
 * forgotten, so that no other sender is forked with it in its memory. */
static void start_sender(struct qrun *q, struct link *l, int socket)
{
    struct destination *d = l->d;
    char text[QUEUE_REPLY_LIMIT];
    struct bytes why;
    bool no_tls = d->hop.tls == HOP_TLS_NONE || strcmp(d->plain_host, l->shown) == 0;
    l->state = GREETING;
    l->sender = child_start(q, &(struct child_start){ .kind = CHILD_SENDER,
                                                      .socket = socket,
                                                      .hop = &d->hop,
                                                      .security = &l->security,
                                                      .others = l->others,
                                                      .no_tls = no_tls });
    if (l->sender < 0) {
        give_up(q, l, "4.3.0 No process could be started to send");
        return;
    }
    if (!d->hop.auth)
        return;
    bytes_init(&why, QUEUE_REPLY_LIMIT / 2);
    enum status st = routes_login(q->settings, &d->hop, &q->login, &why);
    bool given = st == ST_OK && give_login(q, l);
    explicit_bzero(&q->login, sizeof q->login);
    snprintf(text, sizeof text, "4.7.0 No login for %s: %s", d->hop.name,
             why.len       ? bytes_str(&why)
             : st == ST_OK ? "the sender died"
                           : "route-secrets has none");
    bytes_free(&why);
    if (!given)
        give_up(q, l, text);
}

/* A Unix socket: no DNS, and no waiting: it takes the connection at once or not at all. */
static void connect_local(struct qrun *q, struct link *l, unsigned verb)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    char text[QUEUE_REPLY_LIMIT];
    int fd = -1;
    span_copy(span_of(l->d->hop.name), to.sun_path, sizeof to.sun_path);
    if (verb != VERB_CONNECT_NEXT) /* there is no next one */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
        l->security = (struct security){ .need = NEED_NOTHING };
        l->others = false;
        snprintf(l->host, sizeof l->host, "%s", to.sun_path);
        snprintf(l->shown, sizeof l->shown, "%s", to.sun_path);
        start_sender(q, l, fd);
    } else {
        snprintf(text, sizeof text, "4.4.1 Can't connect to %s: %s", to.sun_path, strerror(errno));
        if (link_is_last(l))
            nobody_left(q, l, text, false, false);
        else
            link_failed(q, l, VERB_CONNECT_NEXT);
    }
    file_close(fd);
}

void destination_connect(struct qrun *q, struct link *l, unsigned verb)
{
    struct destination *d = l->d;
    destination_close_channel(&l->sender);
    l->state = CONNECTING;
    l->completed = 0;
    if (verb != VERB_CONNECT_MORE)
        l->turn = 0;
    l->more = verb == VERB_CONNECT_MORE;
    if (d->hop.local) {
        connect_local(q, l, verb);
        return;
    }
    if (d->connector < 0 && verb != VERB_CONNECT_FIRST) { /* it knew what comes next, and died */
        give_up(q, l, "4.3.0 The connector died");
        return;
    }
    if (d->connector < 0)
        d->connector = start_connector(q, d);
    d->asking = l;
    message_start(&q->packet, verb);
    if (d->connector < 0 || !channel_send(d->connector, &q->packet))
        give_up(q, l, "4.3.0 The connector died, or could not be started");
}

/* Our own address on a connection; "" where it can't be known. */
static void local_address(int socket, char text[INET6_ADDRSTRLEN])
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } from = { .v6 = { .sin6_family = AF_UNSPEC } };
    socklen_t size = sizeof from;
    text[0] = '\0';
    if (getsockname(socket, &from.any, &size) != 0)
        return;
    if (from.any.sa_family == AF_INET)
        inet_ntop(AF_INET, &from.v4.sin_addr, text, INET6_ADDRSTRLEN);
    else if (from.any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &from.v6.sin6_addr, text, INET6_ADDRSTRLEN);
}

static void connected(struct qrun *q, struct link *l)
{
    struct message *m = &q->packet;
    uint64_t others = 0;
    message_get_str(m, l->host, sizeof l->host);
    message_get_str(m, l->to, sizeof l->to);
    message_get_u64(m, &others);
    l->others = others;
    bool known = security_get(m, &l->security);
    int socket = m->fd;
    if (!known || !message_end(m) || socket < 0) {
        give_up(q, l, "4.3.0 The connector failed");
    } else {
        if (l->host[0] == '[') /* a literal */
            snprintf(l->shown, sizeof l->shown, "%s", l->host);
        else
            snprintf(l->shown, sizeof l->shown, "%s[%s]", l->host, l->to);
        local_address(socket, l->from);
        start_sender(q, l, socket);
    }
    file_close(socket);
}

static void no_host(struct qrun *q, struct link *l)
{
    uint64_t permanent, all_asked;
    char text[QUEUE_REPLY_LIMIT];
    message_get_u64(&q->packet, &permanent);
    message_get_u64(&q->packet, &all_asked);
    message_get_str(&q->packet, text, sizeof text);
    if (permanent && !l->d->hop.direct &&
        l->d->lane != LANE_REQUIRE) { /* whoever wrote the route can mend it */
        permanent = 0;
        text[0] = '4';
    }
    if (message_end(&q->packet))
        nobody_left(q, l, text, permanent, all_asked);
    else
        destination_fail(q, l->d, QUEUE_TODO, "4.3.0 The connector failed", NULL);
}

/* Without its connector a destination still sends over what links there are. */
static void connector_died(struct qrun *q, struct destination *d, const char *reply)
{
    struct link *l = d->asking;
    destination_close_channel(&d->connector);
    d->asking = NULL;
    if (l)
        give_up(q, l, reply);
}

/* What the connector asks or tells about an address. */
static bool about_host(struct qrun *q, const struct destination *d)
{
    char address[INET6_ADDRSTRLEN];
    struct message *m = &q->packet;
    unsigned verb = m->verb;
    if (verb != VERB_TRYING && verb != VERB_DEAD_HOST)
        return false;
    file_close(m->fd);
    message_get_str(m, address, sizeof address);
    bool known = message_end(m);
    if (verb == VERB_DEAD_HOST) {
        if (known)
            hosts_failed(q->hosts, address);
        return true;
    }
    int64_t left = known && !d->insists ? hosts_dead(q->hosts, address) : 0;
    message_start(m, VERB_TRY);
    message_put_u64(m, (uint64_t)left);
    channel_send(d->connector, m);
    return true;
}

void destination_connector_input(struct qrun *q, struct destination *d)
{
    struct link *l = d->asking;
    if (!channel_receive(d->connector, &q->packet, 0)) {
        connector_died(q, d, "4.3.0 The connector died");
        return;
    }
    if (l && (destination_tls_packet(q, d) || about_host(q, d)))
        return;
    int fd = q->packet.fd;
    d->asking = NULL;
    if (l && q->packet.verb == VERB_CONNECTED) {
        connected(q, l);
        return;
    }
    file_close(fd);
    if (!l || q->packet.verb != VERB_NO_HOST) {
        d->asking = l;
        connector_died(q, d, "4.3.0 The connector failed");
    } else if (link_is_last(l) && l->more) /* those it was to help are gone */
        destination_connect(q, l, VERB_CONNECT_NEXT);
    else if (link_is_last(l))
        no_host(q, l);
    else
        link_failed(q, l, VERB_CONNECT_NEXT);
}
