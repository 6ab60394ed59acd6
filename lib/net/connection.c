/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Forking and joining the processes of one connection; see connection.h and serve.h.
 *
 * Each enters its sandbox as the first thing after fork, but for smtpd's guard, which waits before, without
 * reading anything, until its session asks something. Each keeps only the descriptors that its part needs, so
 * that the client sees the end when the session ends.
 *
 * The kernel kills the children when the first process ends, and that one waits for them only so long:
 * whichever of them dies, and whatever a session that was taken over does, nothing is left of the connection.
 */
#include "net/connection_private.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "net/channel.h"
#include "net/guard.h"
#include "net/milters.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define GOODBYE_MS 3000     /* what a session may take to say goodbye when its guard is gone */
#define RELAY_END_MS 300000 /* or to bring a slow client the last of its mailbox */

/* Takes a client that comes on the channel `from`, closes that, and gives the client to the session if the
 * limits let it in. */
static bool take_and_pass_on(struct handler *h, int from, int session)
{
    struct serving *s = &h->serving;
    bool taken = connection_take(s, from);
    close(from);
    return taken && connection_pass_on(h, session);
}

/* --- processes */

static _Noreturn void run_guard(struct handler *h)
{
    file_close(h->serving.place);
    if (!connection_enter(h, h->guard_box))
        _exit(EX_CONFIG);
    int code = h->serving.service->guard(&h->serving);
    log_settle();
    _exit(code);
}

static void on_child(int signal_number)
{
    (void)signal_number; /* only interrupts the wait */
}

/* False: it still runs. */
static bool wait_for(pid_t pid, int64_t until, int *how)
{
    struct sigaction action = { .sa_handler = on_child };
    sigset_t block, before;
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, &before);
    sigdelset(&before, SIGCHLD);
    *how = 0;
    for (;;) {
        pid_t got = waitpid(pid, how, WNOHANG);
        int64_t left = until - clock_ms();
        if (got == pid || (got < 0 && errno != EINTR))
            return true;
        if (left <= 0)
            return false;
        struct timespec wait = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };
        ppoll(NULL, 0, &wait, &before);
    }
}

/* Waits for a child to end. False also if it still runs at `until`: it is then killed when we end. */
static bool died_by_signal(const struct handler *h, pid_t pid, int64_t until, const char *what)
{
    int how;
    if (!wait_for(pid, until, &how)) {
        log_event(LOG_WARNING, "process-killed", "process", what, "peer", h->serving.peer.text, "why",
                  "it didn't end with its connection", NULL);
        return false;
    }
    if (!WIFSIGNALED(how))
        return false;
    connection_log_death(what, how);
    return true;
}

/* Descriptors or processes have run out: tells the client. The exit code. */
static int no_processes(const struct handler *h)
{
    log_event(LOG_ERR, "no-processes", "peer", h->serving.peer.text, "why", strerror(errno), NULL);
    if (h->serving.client_out >= 0)
        connection_refuse(h, h->serving.client_out, h->serving.service->unavailable);
    return EX_OSERR;
}

/* Waits for the session's first request, or its end; false: its end. Nothing of a request is read, and no
 * secret has been read yet: a session can't take over this process, and would gain nothing by that. */
static bool guard_is_wanted(int channel)
{
    struct pollfd p = { .fd = channel, .events = POLLIN };
    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        ;
    return recv(channel, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) > 0; /* its length */
}

/* Serves as smtpd's guard, after it has started a resolver and connected to filters where it needs them. The
 * exit code. */
static int become_guard(struct handler *h)
{
    struct serving *s = &h->serving;
    enum dns_need need = h->resolver_box ? s->service->asks_dns(s, false) : DNS_NEVER;
    unsigned uses = s->service->milter_uses ? s->service->milter_uses(s) : 0;
    bool filtered = milters_wanted(s->settings, uses);
    if (need != DNS_AT_ONCE && (filtered || need == DNS_ON_REQUEST) && !guard_is_wanted(s->channel))
        return EX_OK;
    if (need != DNS_NEVER)
        connection_start_resolver(h);
    if (filtered)
        milters_connect(s->settings, uses, s->milters);
    int code = connection_enter(h, h->guard_box) ? s->service->guard(s) : EX_CONFIG;
    if (filtered)
        milters_close(s->milters);
    return code;
}

/* smtpd: this process becomes the guard, its child is the session. `from`: the channel by which their client
 * comes; -1: it is there. The exit code. */
static int run_guarded(struct handler *h, int pair[2], int from)
{
    struct serving *s = &h->serving;
    pid_t session = connection_fork();
    if (session == 0) {
        close(pair[0]);
        file_close(from);
        s->channel = pair[1];
        connection_run_session(h, from >= 0);
    }
    close(pair[1]);
    if (session < 0)
        return no_processes(h);
    s->channel = pair[0];
    channel_patience(s->channel, CONNECTION_GUARD_PATIENCE_MS);
    int code = EX_OK;
    if (from < 0 || take_and_pass_on(h, from, s->channel)) {
        connection_close(s->client_in, s->client_out);
        code = become_guard(h);
    }
    close(s->channel);
    file_close(s->resolver);
    return died_by_signal(h, session, clock_ms() + GOODBYE_MS, "session") ? EX_SOFTWARE : code;
}

/* What joins the three processes of imapd and pop3d. */
struct joints {
    int channel[2]; /* session, guard */
    int control[2]; /* mailbox process, guard */
    int relay[2];   /* session, mailbox process */
};

static bool make_joints(struct joints *j)
{
    return channel_pair(j->channel) == ST_OK && channel_pair(j->control) == ST_OK &&
           socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, j->relay) == 0;
}

static pid_t fork_session(struct handler *h, const struct joints *j, int from)
{
    pid_t pid = connection_fork();
    if (pid != 0)
        return pid;
    close(j->channel[1]);
    connection_close(j->control[0], j->control[1]);
    close(j->relay[1]);
    file_close(from);
    h->serving.channel = j->channel[0];
    h->serving.relay = j->relay[0];
    connection_run_session(h, from >= 0);
}

static pid_t fork_guard(struct handler *h, const struct joints *j)
{
    pid_t pid = connection_fork();
    if (pid != 0)
        return pid;
    close(j->control[0]);
    close(j->relay[1]);
    connection_close(h->serving.client_in, h->serving.client_out);
    h->serving.channel = j->channel[1];
    h->serving.control = j->control[1];
    run_guard(h);
}

/* imapd and pop3d: this process becomes the mailbox process. Until a guard is wanted it waits in a sandbox in
 * which it can still make the guard; each of the two then enters its own. `from` as above. The exit code. */
static int run_with_mailbox(struct handler *h, int from)
{
    struct joints j;
    struct serving *s = &h->serving;
    if (!make_joints(&j))
        return no_processes(h);
    channel_patience(j.channel[1], CONNECTION_GUARD_PATIENCE_MS);
    pid_t session = fork_session(h, &j, from);
    if (session < 0)
        return no_processes(h);
    sandbox_compile(h->guard_box); /* while nothing forbids it */
    sandbox_compile(h->mailbox_box);
    close(j.channel[0]);
    close(j.relay[0]);
    sandbox_leave(h->session_box);
    s->control = j.control[0];
    s->relay = j.relay[1];
    pid_t guard = -1; /* without it the session hears that its channel is closed, and says so */
    if (sandbox_enter(h->waiting_box) && (from < 0 || take_and_pass_on(h, from, j.channel[1])) &&
        guard_is_wanted(j.channel[1]))
        guard = fork_guard(h, &j);
    close(j.channel[1]);
    close(j.control[1]);
    bool served = guard > 0 && connection_enter(h, h->mailbox_box) && s->service->await(s);
    file_close(s->control);
    file_close(s->relay);
    int64_t until = clock_ms() + (served ? RELAY_END_MS : GOODBYE_MS);
    bool died = died_by_signal(h, session, until, "session");
    died = (guard > 0 && died_by_signal(h, guard, clock_ms() + GOODBYE_MS, "guard")) || died;
    return died ? EX_SOFTWARE : EX_OK;
}

static int run_processes(struct handler *h, int from)
{
    int pair[2];
    /* Before forking, as a child would copy all the memory that libseccomp touches. Only the session's: a
     * greeting needn't wait for the other filters, which are compiled when the session runs. */
    sandbox_compile(h->session_box);
    if (h->serving.service->mailbox)
        return run_with_mailbox(h, from);
    return channel_pair(pair) == ST_OK ? run_guarded(h, pair, from) : no_processes(h);
}

static int run(struct handler *h, int in, int out)
{
    int one = 1;
    struct serving *s = &h->serving;
    if (!peer_get(in, &s->peer))
        return EX_OK;
    log_begin_session();
    setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->client_in = in;
    s->client_out = out;
    return connection_admits(h) ? run_processes(h, -1) : EX_OK;
}

int connection_run_next(struct handler *h, int from)
{
    h->serving.client_in = h->serving.client_out = -1;
    log_begin_session();
    int code = run_processes(h, from);
    log_settle();
    return code;
}

int connection_run(struct handler *h, int in, int out)
{
    int code = run(h, in, out);
    log_settle();
    return code;
}
