/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Accepting, counting and forking; see warm.h.
 *
 * The listener holds no secret and reads nothing from clients. It counts connections in all and by source,
 * and tells those over a limit so. When it has one connection, and nobody else has come for a moment or that one waits
 * for the disk, it makes the processes of the next, which wait in their sandboxes for a client: a greeting then takes
 * a part of the time. SIGCHLD is blocked except while it waits, so no ended child is missed. While client follows
 * client, children that ended and guards that are through are heard of when the next one comes: none of them wakes it
 * meanwhile. How it executes itself anew: warm_renew.c.
 *
 * It never ends with a connection unaccepted: it looks once more after deciding to go, and what comes later
 * wakes systemd or inetd, which own the socket.
 */
#include "net/warm_private.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "net/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define BROKEN_PAUSE_MS 1000
#define NEXT_PAUSE_US 200 /* from a client's coming to making the next one's processes: his first replies come before */
#define NEXT_PAUSE_STANDING_US 1000 /* the same where a guard will say when it is a good moment; if it does */
#define MOMENT_PAUSE_US 30 /* from a guard's word that it will wait for the disk: until it does, on the processor that we are on */
#define SESSION_HEAP (120 * 1024) /* its buffers; a piece of 128 KiB malloc(3) would map elsewhere */
#define MOMENTS_AT_ONCE 8
#define LULL_MS 20 /* without a client, and it hears of children and guards as they come */
#define ACCEPT_PAUSE_MS 100 /* after an accept that failed for want of descriptors or memory */

static void on_child(int signal_number)
{
    (void)signal_number; /* only interrupts the wait */
}

static volatile sig_atomic_t is_to_end; /* the one thing that a handler can say */

static void on_end(int signal_number)
{
    (void)signal_number;
    is_to_end = 1;
}

/* --- children */

struct child *warm_child(struct warm *w, pid_t pid)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->children[i].pid == pid)
            return &w->children[i];
    return NULL;
}

bool warm_remember(struct warm *w, const struct child *child)
{
    if (w->count == w->room) {
        size_t room = w->room ? w->room * 2 : 64;
        struct child *more = realloc(w->children, room * sizeof *more);
        if (!more)
            return false;
        w->children = more;
        w->room = room;
    }
    w->children[w->count++] = *child;
    return true;
}

void warm_forget(struct warm *w, pid_t pid)
{
    struct child *child = warm_child(w, pid);
    if (child)
        *child = w->children[--w->count];
}

/* Of a connection with a standing guard, perhaps one of before we executed ourselves anew, nobody else would say it. */
static void log_death(const struct warm *w, const struct child *child, pid_t pid, int how)
{
    bool guard = warm_guards_have(w, pid);
    if (!w->standing && !guard && !(child && child->id[0]))
        return;
    log_join_session(child ? child->id : pid == w->next ? w->next_id : "");
    connection_log_death(guard || (!child && pid != w->next) ? "guard" : "session", how);
    log_join_session("");
}

static void reap_one(struct warm *w, pid_t pid, int how)
{
    struct child *child = warm_child(w, pid);
    bool died = WIFSIGNALED(how) && !(child && child->kill_at == WARM_KILLED);
    if (died)
        log_death(w, child, pid, how);
    if (died || (WIFEXITED(how) && WEXITSTATUS(how) == EX_SOFTWARE))
        w->renew = true;
    if (pid == w->next) {
        close(w->next_to);
        w->next = 0;
    }
    warm_guards_reap(w, pid);
    if (w->renew)
        warm_guards_retire(w);
    warm_forget(w, pid);
}

static void reap(struct warm *w)
{
    int how;
    for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;)
        reap_one(w, pid, how);
}

static bool over_limit(const struct warm *w, const struct peer *peer)
{
    const struct settings *s = &w->handler->settings;
    if (w->count >= s->connections)
        return true;
    if (!peer->known || settings_trusts(s, &peer->address))
        return false;
    size_t same = 0;
    for (size_t i = 0; i < w->count; i++)
        same += w->children[i].known && peer_same_source(&w->children[i].from, &peer->address);
    return same >= s->connections_per_source;
}

/* --- accepting */

pid_t warm_fork(struct warm *w)
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGCHLD, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        sigprocmask(SIG_SETMASK, &w->waiting_mask, NULL);
        close(w->listening);
        file_close(w->moment);
        if (w->next)
            close(w->next_to);
        warm_guards_leave(w);
    }
    return pid;
}

/* Hears of guards and children that nobody was woken by. */
static void catch_up(struct warm *w)
{
    size_t guards = warm_guards_poll(w);
    if (guards && poll(w->polled + WARM_OTHERS, guards, 0) > 0)
        warm_guards_hear(w, guards);
    reap(w);
}

/* Without them the next connection's are made when it comes. */
static void make_next(struct warm *w)
{
    int pair[2];
    if (w->standing) {
        catch_up(w);
        warm_guards_prepare(w);
        return;
    }
    if (w->next || channel_pair(pair) != ST_OK)
        return;
    pid_t pid = warm_fork(w);
    if (pid == 0) {
        close(pair[0]);
        _exit(connection_run_next(w->handler, pair[1]));
    }
    close(pair[1]);
    w->next_to = pair[0];
    if (pid > 0)
        w->next = pid;
    else
        close(pair[0]);
}

/* To those who wait for it, else to new ones. The first of them, or -1. */
static pid_t begin(struct warm *w, int fd, const struct peer *peer)
{
    pid_t pid = w->next;
    w->next = 0;
    if (pid > 0) {
        bool given = connection_give(w->handler, w->next_to, fd, peer);
        close(w->next_to);
        if (given)
            return pid;
    }
    pid = warm_fork(w);
    if (pid == 0)
        _exit(connection_run(w->handler, fd, fd));
    return pid;
}

static void start(struct warm *w, int fd, const struct peer *peer)
{
    const struct service *service = w->handler->serving.service;
    if (over_limit(w, peer)) {
        log_event(LOG_NOTICE, "too-many-connections", "peer", peer->text, NULL);
        connection_refuse(w->handler, fd, service->busy);
        return;
    }
    struct child child = { .known = peer->known, .from = peer->address };
    child.pid = w->standing ? warm_guards_begin(w, fd, peer) : begin(w, fd, peer);
    if (w->standing)
        memcpy(child.id, w->next_id, sizeof child.id); /* still that of the session which was given away */
    if (child.pid < 0 || !warm_remember(w, &child)) {
        log_event(LOG_ERR, "fork-failed", "why", strerror(errno), NULL);
        connection_refuse(w->handler, fd, service->busy);
    }
}

static void accept_one(struct warm *w)
{
    int one = 1;
    struct peer peer;
    int fd = accept4(w->listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            poll(NULL, 0, ACCEPT_PAUSE_MS);
        return;
    }
    if (!peer_get(fd, &peer)) {
        close(fd);
        return;
    }
    if (w->handler->broken) {
        connection_refuse(w->handler, fd, w->handler->serving.service->unavailable);
        poll(NULL, 0, BROKEN_PAUSE_MS);
    } else {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        start(w, fd, &peer);
    }
    close(fd);
    w->busy_until = clock_ms() + LULL_MS;
    w->next_wanted = !w->handler->broken;
    w->next_pause_us = w->standing ? NEXT_PAUSE_STANDING_US : NEXT_PAUSE_US;
}

static void prepare_signals(struct warm *w)
{
    struct sigaction action = { .sa_handler = on_child };
    sigset_t block;
    sigaction(SIGCHLD, &action, NULL);
    action.sa_handler = on_end;
    if (w->standing)
        sigaction(SIGTERM, &action, NULL);
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &w->waiting_mask);
    sigdelset(&w->waiting_mask, SIGTERM);
    sigdelset(&w->waiting_mask, SIGCHLD);
    w->busy_mask = w->waiting_mask;
    sigaddset(&w->busy_mask, SIGCHLD);
}

/* Behind all that we have: a session takes its memory there, not from holes in pages of ours, which would have to be copied. Nor
 * need it ask the kernel for more, and give that back before it ends. */
static void make_heap_room(void)
{
    mallopt(M_TRIM_THRESHOLD, 8 * SESSION_HEAP);
    void *volatile room = malloc(SESSION_HEAP); /* volatile: else no compiler would do it */
    free(room);
}

/* What every child would else do for itself. */
static void make_ready(struct handler *h)
{
    struct sandbox *boxes[] = { h->session_box, h->guard_box, h->mailbox_box, h->resolver_box, h->waiting_box };
    for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++)
        if (boxes[i])
            sandbox_make_ready(boxes[i]);
    log_prepare_leave();
    if (h->serving.tls)
        tls_server_ready(h->serving.tls);
    make_heap_room();
}

/* Waits until one comes, a guard has something to say, or (if not `busy`) a child ends. False: there was nothing; or not for a
 * moment, if the next one's processes are to be made then. */
static bool wait_for_client(struct warm *w, int64_t left_ms, size_t guards, bool busy)
{
    struct timespec wait = { .tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000 };
    if (w->next_wanted)
        wait = (struct timespec){ .tv_nsec = w->next_pause_us * 1000 };
    w->polled[0] = (struct pollfd){ .fd = w->listening, .events = POLLIN };
    bool for_moment = w->next_wanted && w->next_pause_us > MOMENT_PAUSE_US; /* once for each client, whatever guards write */
    w->polled[1] = (struct pollfd){ .fd = for_moment ? w->moment : -1, .events = POLLIN };
    return ppoll(w->polled, WARM_OTHERS + guards, &wait, busy ? &w->busy_mask : &w->waiting_mask) != 0;
}

/* Milliseconds until it is idle for long enough, or has something else to do than to hear of clients and children. */
static int64_t time_left(struct warm *w, int64_t idle_since, int64_t idle_ms, bool busy)
{
    int64_t left = w->count ? (idle_ms ? idle_ms : 1) : idle_since + idle_ms - clock_ms();
    int64_t kill_in = warm_guards_kill(w), thin_in = warm_guards_thin(w);
    if (kill_in >= 0 && kill_in < left)
        left = kill_in;
    if (thin_in >= 0 && thin_in < left)
        left = thin_in;
    if (busy && left > LULL_MS)
        left = LULL_MS;
    return left > 0 ? left : 0;
}

/* Takes the words of guards that are about to wait for the disk. One that was taken over may have shut down its end, which is
 * everybody's: then the next processes are made after the pause. */
static bool take_moments(struct warm *w)
{
    char words[64];
    bool some = false;
    ssize_t n = 1;
    for (int i = 0; i < MOMENTS_AT_ONCE && n > 0; i++) {
        n = recv(w->moment, words, sizeof words, MSG_DONTWAIT);
        some = some || n > 0;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        file_close(w->moment);
        w->moment = -1;
    }
    return some;
}

static void hear_moment(struct warm *w)
{
    if (w->polled[1].revents && take_moments(w))
        w->next_pause_us = MOMENT_PAUSE_US;
}

static void make_moment(struct warm *w)
{
    int pair[2];
    if (!w->standing || channel_pair(pair) != ST_OK)
        return;
    w->moment = pair[0];
    w->handler->serving.moment = pair[1];
}

static void begin_listening(struct warm *w)
{
    fcntl(w->listening, F_SETFL, fcntl(w->listening, F_GETFL) | O_NONBLOCK);
    fcntl(w->listening, F_SETFD, FD_CLOEXEC);
    w->standing = connection_stands(w->handler);
    make_moment(w);
    prepare_signals(w);
    warm_watch(w);
    warm_take_children(w);
    make_ready(w->handler);
    w->handler->serving.warm = true;
}

int warm_run(struct handler *h, int listening, char **argv)
{
    struct warm w = { .handler = h, .listening = listening, .argv = argv, .client = -1, .moment = -1 };
    int64_t idle_ms = (int64_t)(h->broken ? 1 : h->settings.idle_exit) * 1000, last = clock_ms();
    if (!warm_guards_ready(&w))
        return EX_OSERR;
    begin_listening(&w);
    for (;;) {
        bool busy = clock_ms() < w.busy_until;
        if (!busy)
            reap(&w);
        int64_t left = time_left(&w, last, idle_ms, busy);
        size_t guards = busy ? 0 : warm_guards_poll(&w);
        bool heard = wait_for_client(&w, left, guards, busy);
        if (is_to_end) {
            warm_leave(&w);
            return EX_OK;
        }
        if (heard) {
            hear_moment(&w);
            warm_guards_hear(&w, guards);
        } else if (w.next_wanted) {
            make_next(&w);
            w.next_wanted = false;
        } else if (w.count == 0 && left <= 0) {
            return EX_OK;
        }
        if (heard && w.polled[0].revents) {
            if (busy)
                catch_up(&w);
            if (w.moment >= 0)
                take_moments(&w); /* of connections before this one */
            if (warm_must_renew(&w))
                warm_renew(&w);
            accept_one(&w);
        }
        if (heard || w.count)
            last = clock_ms();
    }
}
