/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A standing guard: one that serves a connection after another of a warm listener; see connection.h. It is in its
 * sandbox, and has its resolver, before it hears of the first. Of a connection it keeps nothing, as its program's
 * `guard` function promises; and it ends where something of one is left over, an answer of DNS that nobody waited for.
 *
 *     listener                                       guard
 *     ASSIGNED_SESSION, the log's ID, the channel
 *     GIVEN_CLIENT, the peer, the client             passes the client on, and is that session's guard
 *                                                    one byte: it may be given another
 */
#include "net/connection_private.h"
#include "base/files.h"
#include "base/log.h"
#include "net/channel.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

enum { ASSIGNED_SESSION = 2 };

bool connection_stands(const struct handler *h)
{
    const struct service *service = h->serving.service;
    return !h->broken && service->stands && service->stands(&h->serving);
}

_Noreturn void connection_await_client(struct handler *h, int channel, const char *id)
{
    h->serving.channel = channel;
    log_join_session(id);
    connection_run_session(h, true);
}

bool connection_assign(int guard, int session, const char *id, int client, const struct peer *peer)
{
    struct message *m = malloc(sizeof *m);
    if (!m)
        return false;
    message_start(m, ASSIGNED_SESSION);
    message_put_str(m, id);
    m->fd = session;
    bool sent = channel_send(guard, m);
    free(m);
    return sent && connection_give(guard, client, peer);
}

static bool take_assignment(struct serving *s, int control)
{
    char id[LOG_SESSION_LENGTH + 1];
    struct message *m = malloc(sizeof *m);
    bool taken = m && channel_receive(control, m, -1);
    if (taken) {
        s->channel = m->fd;
        taken = m->fd >= 0 && m->verb == ASSIGNED_SESSION && message_get_str(m, id, sizeof id) && message_end(m);
    }
    if (taken)
        log_join_session(id);
    free(m);
    return taken && connection_take(s, control);
}

/* May the client come in, and has the session got it? If not, it was told. */
static bool pass_on(struct handler *h)
{
    struct serving *s = &h->serving;
    if (!connection_admits(h))
        return false;
    if (connection_give(s->channel, s->client_in, &s->peer))
        return true;
    connection_refuse(h, s->client_out, s->service->unavailable);
    return false;
}

/* One connection. True: another may come. */
static bool serve_one(struct handler *h, int control, int resolver)
{
    struct serving *s = &h->serving;
    if (!take_assignment(s, control))
        return false;
    bool passed = pass_on(h);
    connection_close(s->client_in, s->client_out);
    s->resolver = resolver >= 0 && s->service->asks_dns(s, false) != DNS_NEVER ? resolver : -1;
    bool good = !passed || s->service->guard(s) == EX_OK;
    close(s->channel);
    return good && !s->dns_awaited && send(control, "", 1, MSG_NOSIGNAL) == 1;
}

int connection_stand(struct handler *h, int control)
{
    struct serving *s = &h->serving;
    log_begin_session(); /* what it says goes its own way to the journal */
    s->standing = true;
    s->channel = control; /* which its resolver leaves */
    if (h->resolver_box)
        connection_start_resolver(h);
    int resolver = s->resolver;
    if (!connection_enter(h, h->guard_box))
        return EX_CONFIG;
    while (serve_one(h, control, resolver))
        ;
    log_settle();
    return EX_OK;
}
