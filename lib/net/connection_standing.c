/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A standing guard: one that serves one connection of a warm listener after another; see connection.h. It
 * enters its sandbox and has its resolver before it hears of the first. It keeps nothing of a connection, as
 * its program's `guard` function promises. It ends when something of one is left over (an answer of DNS that
 * nobody waited for), and when its resolver has ended.
 *
 * What the listener sends it for a connection, with the channel to the session as the descriptor:
 *
 *     SERVED_SESSION, the session's ID in the log, the peer      the session has its client already
 *
 * or, where limits have to be looked at first:
 *
 *     ASSIGNED_SESSION, the same
 *     GIVEN_CLIENT, the peer; the client as the descriptor       the guard passes the client on
 *
 * When the guard is through it answers with one byte, and may then be given the next.
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

#define RESOLVER_END_MS 500 /* how long it may take a resolver to end once it has closed its channel */
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
    file_close(h->serving.disk_notices);
    log_join_session(id);
    connection_run_session(h, true);
}

static bool is_there(int guard)
{
    struct pollfd p = { .fd = guard };
    return poll(&p, 1, 0) == 0;
}

/* Where there is no limit. False too if the session is dead: the guard then tells the client. */
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
    /* A client who has a session mustn't get another. */
    return given || (sent && connection_give(h, guard, client, peer));
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

/* Waits for a connection; s->client_in is -1 where its session has the client. False: there will be none. */
static bool take_assignment(struct serving *s, int control)
{
    char id[LOG_SESSION_LENGTH + 1];
    bool taken = channel_receive(control, s->message, -1) && read_assignment(s, id);
    bool served = taken && s->message->verb == SERVED_SESSION;
    s->client_in = s->client_out = -1;
    s->noticed = false;
    if (taken)
        log_join_session(id);
    return taken && (served || connection_take(s, control));
}

/* --- its resolver */

/* Has the resolver ended? With `control` (not -1), waits until it has or there is something to read there.
 * This is asked before each connection: somebody who sends answers of DNS may have made it crash, so that the
 * next client is judged without DNS. */
static bool resolver_is_gone(int resolver, int control)
{
    struct pollfd p[] = { { .fd = resolver }, { .fd = control, .events = POLLIN } };
    while (poll(p, control < 0 ? 1 : 2, control < 0 ? 0 : -1) < 0 && errno == EINTR)
        ;
    return p[0].revents & (POLLHUP | POLLERR);
}

/* The resolver has closed its channel. Did it die by a signal? */
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
    if (s->disk_notices >= 0 && !s->noticed)
        s->noticed = send(s->disk_notices, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

/* Serves the connection that was taken. False: it is to serve no other. */
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

/* The resolver has died: a client who is coming is told to come again. One who has a session hears it from
 * that, as it has no guard. */
static void turn_away(struct handler *h, int control)
{
    struct pollfd p = { .fd = control, .events = POLLIN };
    if (poll(&p, 1, 0) > 0 && take_assignment(&h->serving, control) && h->serving.client_out >= 0)
        connection_refuse(h, h->serving.client_out, h->serving.service->unavailable);
}

/* Serves connection after connection; the exit code. A resolver also ends, but not by a signal, where its
 * configuration is wrong: one connection is then served without it. */
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
    log_begin_session(); /* it has its own connection to the journal */
    s->standing = true;
    s->channel = control; /* its resolver closes that */
    if (h->resolver_box)
        connection_start_resolver(h);
    int resolver = s->resolver;
    if (!connection_enter(h, h->guard_box))
        return EX_CONFIG;
    int code = serve_all(h, control, resolver);
    log_settle();
    return code;
}
