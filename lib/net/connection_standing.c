/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A standing guard: one that serves a connection after another of a warm listener; see connection.h. It is in
 * its sandbox, and has its resolver, before it hears of the first. Of a connection it keeps nothing, as its
 * program's `guard` function promises; and it ends where something of one is left over, an answer of DNS that
 * nobody waited for, and where its resolver has ended.
 *
 *     listener                                       guard
 *     SERVED_SESSION, the log's ID, the peer,
 *     the channel                                    is the guard of that session, which has its client
 * already or, where limits are to be looked at: ASSIGNED_SESSION, the same GIVEN_CLIENT, the peer, the client
 * passes the client on, and is that session's guard one byte: it may be given another
 */
#include "net/connection_private.h"
#include "base/files.h"
#include "base/log.h"
#include "net/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define RESOLVER_END_MS 500 /* from closing its channel to having ended */
#define RESOLVER_POLL_MS 2

enum { ASSIGNED_SESSION = 2, SERVED_SESSION };

bool connection_stands(const struct handler *h)
{
    const struct service *service = h->serving.service;
    return !h->broken && service->stands && service->stands(&h->serving);
}

_Noreturn void connection_await_client(struct handler *h, int channel, const char *id)
{
    h->serving.channel = channel;
    file_close(h->serving.moment);
    log_join_session(id);
    connection_run_session(h, true);
}

static bool is_there(int guard)
{
    struct pollfd p = { .fd = guard };
    return poll(&p, 1, 0) == 0;
}

/* A session that is dead can't take its client: the guard then tells him. */
static bool give_at_once(const struct handler *h, int guard, int session, int client, const struct peer *peer)
{
    const struct service *service = h->serving.service;
    bool limited = service->admit && service->limited(&h->serving, peer);
    return !limited && is_there(guard) && connection_give(h, session, client, peer);
}

bool connection_assign(const struct handler *h, int guard, int session, const char *id, int client,
                       const struct peer *peer)
{
    bool given = give_at_once(h, guard, session, client, peer);
    struct message *m = h->serving.message;
    message_start(m, given ? SERVED_SESSION : ASSIGNED_SESSION);
    message_put_str(m, id);
    message_put(m, (struct span){ (const char *)peer, sizeof *peer });
    m->fd = session;
    bool sent = channel_send(guard, m);
    return given || (sent && connection_give(h, guard, client,
                                             peer)); /* nobody else gets a client who has a session */
}

static bool read_assignment(struct serving *s, char id[LOG_SESSION_LENGTH + 1])
{
    struct span peer;
    struct message *m = s->message;
    s->channel = m->fd;
    if (m->fd < 0 || (m->verb != ASSIGNED_SESSION && m->verb != SERVED_SESSION) ||
        !message_get_str(m, id, LOG_SESSION_LENGTH + 1) || !message_get(m, &peer) || !message_end(m) ||
        peer.n != sizeof s->peer)
        return false;
    memcpy(&s->peer, peer.p, sizeof s->peer);
    return true;
}

/* s->client_in is -1 where the session has its client. */
static bool take_assignment(struct serving *s, int control)
{
    char id[LOG_SESSION_LENGTH + 1];
    bool taken = channel_receive(control, s->message, -1) && read_assignment(s, id);
    bool served = taken && s->message->verb == SERVED_SESSION;
    s->client_in = s->client_out = -1;
    s->waited = false;
    if (taken)
        log_join_session(id);
    return taken && (served || connection_take(s, control));
}

/* --- its resolver */

/* Whoever sends answers of DNS may have taken it over, or tried to: whoever comes next isn't to go without
 * what DNS says. */
static bool resolver_is_gone(int resolver, int control)
{
    struct pollfd p[] = { { .fd = resolver }, { .fd = control, .events = POLLIN } };
    while (poll(p, control < 0 ? 1 : 2, control < 0 ? 0 : -1) < 0 && errno == EINTR)
        ;
    return p[0].revents & (POLLHUP | POLLERR);
}

/* It has closed its channel: did it die by a signal? */
static bool resolver_died(void)
{
    int how = 0;
    pid_t pid = 0;
    for (int i = 0; i < RESOLVER_END_MS / RESOLVER_POLL_MS && (pid = waitpid(-1, &how, WNOHANG)) == 0; i++)
        poll(NULL, 0, RESOLVER_POLL_MS);
    if (pid <= 0 || !WIFSIGNALED(how))
        return false;
    connection_log_death("resolver", how);
    return true;
}

/* --- connections */

void serving_waits(struct serving *s)
{
    if (s->moment >= 0 && !s->waited)
        s->waited = send(s->moment, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/* Has it served one, and did its program like that? */
static bool serve_one(struct handler *h, int resolver)
{
    struct serving *s = &h->serving;
    bool served = s->client_in < 0, passed = served || connection_pass_on(h, s->channel);
    if (!served)
        connection_close(s->client_in, s->client_out);
    s->resolver = resolver >= 0 && s->service->asks_dns(s, false) != DNS_NEVER ? resolver : -1;
    bool good = !passed || s->service->guard(s) == EX_OK;
    close(s->channel);
    return good && !s->dns_awaited;
}

/* One that comes when the resolver has died is told to come again, if not by us then by his session, which
 * has no guard. */
static void turn_away(struct handler *h, int control)
{
    struct pollfd p = { .fd = control, .events = POLLIN };
    if (poll(&p, 1, 0) > 0 && take_assignment(&h->serving, control) && h->serving.client_out >= 0)
        connection_refuse(h, h->serving.client_out, h->serving.service->unavailable);
}

/* Connection after connection; the exit code. Where the resolver ended otherwise than by a signal, as it does
 * without a right configuration, one connection more. */
static int serve_all(struct handler *h, int control, int resolver)
{
    bool good = true;
    while (good) {
        if (resolver >= 0 && resolver_is_gone(resolver, control)) {
            if (resolver_died()) {
                turn_away(h, control);
                return EX_SOFTWARE;
            }
            file_close(resolver);
            resolver = -1;
            good = false;
        }
        good = take_assignment(&h->serving, control) && serve_one(h, resolver) && good;
        if (good && resolver >= 0 && resolver_is_gone(resolver, -1)) /* before it is given another */
            return resolver_died() ? EX_SOFTWARE : EX_OK;
        good = good && send(control, "", 1, MSG_NOSIGNAL) == 1;
    }
    return EX_OK;
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
    int code = serve_all(h, control, resolver);
    log_settle();
    return code;
}
