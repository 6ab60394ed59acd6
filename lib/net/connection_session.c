/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process of a connection that talks with the client, and how the client gets to it; see connection.h. It
 * enters its sandbox before it reads anything from the client, and where it waits for one before it has it.
 */
#include "net/connection_private.h"
#include "base/files.h"
#include "base/log.h"
#include "net/guard.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define SESSION_RATE 64        /* bytes a second a client must send, after its first half minute */
#define SPOOL_SLACK (1u << 20) /* what a spooled message may take above the announced size */
#define LINGER_MS 500 /* how long unread input is drained, so that the last reply isn't lost to a reset */
#define BUSY_LIMIT 128 /* of the line for who isn't let in */
#define LINGER_BYTES (256 * 1024)

void connection_refuse(const struct handler *h, int out, const char *line)
{
    size_t n = strlen(line);
    if (h->serving.implicit_tls)
        return;
    if (send(out, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ENOTSOCK && write(out, line, n) < 0)
        return; /* nobody is there to be told */
}

void connection_busy(const struct handler *h, int out, const char *setting)
{
    char line[BUSY_LIMIT];
    snprintf(line, sizeof line, "%s%s%s%s\r\n", h->serving.service->busy, setting ? " (" : "",
             setting ? setting : "", setting ? ")" : "");
    connection_refuse(h, out, line);
}

/* Drains a little: closing a socket with unread input resets it, and the client may never see the last
 * reply. */
static void linger(struct conn *c)
{
    char sink[4096];
    struct pollfd p = { .fd = conn_read_fd(c), .events = POLLIN };
    shutdown(conn_write_fd(c), SHUT_WR);
    for (size_t total = 0; total < LINGER_BYTES && poll(&p, 1, LINGER_MS) > 0;) {
        ssize_t n = recv(p.fd, sink, sizeof sink, MSG_DONTWAIT);
        if (n <= 0)
            return;
        total += (size_t)n;
    }
}

static bool input_waits(struct conn *c)
{
    char one;
    return conn_pending(c).n || recv(conn_read_fd(c), &one, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* --- a client that comes when its processes are there */

enum { GIVEN_CLIENT = 1 };

bool connection_give(const struct handler *h, int to, int client, const struct peer *peer)
{
    struct message *m = h->serving.message;
    message_start(m, GIVEN_CLIENT);
    message_put(m, (struct span){ (const char *)peer, sizeof *peer });
    m->fd = client;
    return channel_send(to, m);
}

bool connection_take(struct serving *s, int from)
{
    struct span peer;
    struct message *m = s->message;
    bool taken = channel_receive(from, m, -1);
    if (taken) {
        s->client_in = s->client_out = m->fd;
        taken = m->fd >= 0 && m->verb == GIVEN_CLIENT && message_get(m, &peer) && message_end(m) &&
                peer.n == sizeof s->peer;
        if (taken)
            memcpy(&s->peer, peer.p, sizeof s->peer);
    }
    return taken;
}

bool connection_admits(struct handler *h)
{
    struct serving *s = &h->serving;
    const char *against = s->service->admit ? s->service->admit(s) : NULL;
    if (against)
        connection_busy(h, s->client_out, against);
    return !against;
}

bool connection_pass_on(struct handler *h, int session)
{
    struct serving *s = &h->serving;
    if (!connection_admits(h))
        return false;
    if (connection_give(h, session, s->client_in, &s->peer))
        return true;
    connection_refuse(h, s->client_out, s->service->unavailable);
    return false;
}

/* Limits, sandbox, and no descriptor that it has no use for. False: the sandbox can't be entered. */
static bool enter_session(struct handler *h)
{
    const struct serving *s = &h->serving;
    const int kept[] = { s->channel, s->relay, s->client_in, s->client_out };
    struct rlimit most = { h->settings.message_size + SPOOL_SLACK, h->settings.message_size + SPOOL_SLACK };
    setrlimit(RLIMIT_FSIZE, &most);
    file_close(s->place);
    /* It logs then, by a descriptor that isn't known here. */
    if (log_is_verbose() || h->settings.sandbox == SANDBOX_NONE)
        return connection_enter(h, h->session_box);
    log_leave();
    bool boxed = sandbox_enter_as_is(h->session_box);
    files_close_but(kept, sizeof kept / sizeof kept[0]);
    return boxed;
}

_Noreturn void connection_run_session(struct handler *h, bool next)
{
    struct serving *s = &h->serving;
    bool boxed = enter_session(h);
    if (next && !connection_take(s, s->channel))
        _exit(EX_OK);
    s->conn = boxed ? conn_new(s->client_in, s->client_out) : NULL;
    if (!s->conn) {
        connection_refuse(h, s->client_out, s->service->unavailable);
        _exit(EX_CONFIG);
    }
    conn_trace(s->conn, log_is_verbose());
    conn_deadlines(s->conn, (int)(s->settings->timeout * 1000), SESSION_RATE);
    if (!s->implicit_tls || tls_accept(s->conn, s->tls, guard_sign, &s->channel))
        s->service->session(s);
    if (s->handed_over)
        _exit(EX_OK);
    conn_flush(s->conn);
    bool drain = !conn_is_gone(s->conn) && input_waits(s->conn);
    if (drain)
        linger(s->conn);
    conn_free(s->conn);
    _exit(EX_OK);
}
