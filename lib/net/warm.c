/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The warm listener's loop: accepting, counting and forking; see warm.h.
 *
 * The listener holds no secret and reads nothing from clients. It counts connections, in all and by source,
 * and a client above a limit is told so. The processes of a connection are made before their client comes,
 * and wait in their sandboxes (warm_next.c), so that a greeting takes a part of the time.
 *
 * SIGCHLD and SIGTERM are blocked but for the wait, so that none is missed between a look and the wait. While
 * client follows client (until LULL_MS after the last) SIGCHLD is blocked there too, and guards aren't
 * polled: children that end and guards that are through don't wake the listener then. It looks after them
 * when the next client comes.
 *
 * No connection is left unaccepted: the last wait before it ends has found none, and what comes later wakes
 * systemd or inetd, which own the socket.
 */
#include "net/warm_private.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"

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

#define BROKEN_PAUSE_MS 1000 /* between clients that are told that nothing works */
#define SESSION_HEAP (120 * 1024) /* a session's buffers; pieces from 128 KiB on malloc(3) maps elsewhere */
#define LULL_MS 20 /* without a client; then it hears of children and guards as they come */
#define ACCEPT_PAUSE_MS 100 /* after an accept that failed for want of descriptors or memory */

static void on_child(int signal_number)
{
    (void)signal_number; /* only interrupts the wait */
}

static volatile sig_atomic_t is_to_end; /* SIGTERM has come: a handler can only tell by a global */

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

/* For connections with a standing guard: of others the first process logs it. Such a guard may be one of the
 * time before we executed ourselves anew, also where there are none now. */
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

/* By which setting are there too many; or NULL. */
static const char *over_limit(const struct warm *w, const struct peer *peer)
{
    const struct settings *s = &w->handler->settings;
    if (w->count >= s->connections)
        return "connections";
    if (!peer->known || settings_trusts(s, &peer->address))
        return NULL;
    size_t same = 0;
    for (size_t i = 0; i < w->count; i++)
        same += w->children[i].known && peer_same_source(&w->children[i].from, &peer->address);
    return same >= s->connections_per_source ? "connections-per-source" : NULL;
}

/* --- accepting */

void warm_unlisten(const struct warm *w)
{
    signal(SIGCHLD, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &w->waiting_mask, NULL);
    close(w->listening);
    file_close(w->disk_notices);
    if (w->next)
        close(w->next_to);
}

pid_t warm_fork(struct warm *w)
{
    pid_t pid = fork();
    if (pid == 0) {
        warm_unlisten(w);
        warm_guards_leave(w);
    }
    return pid;
}

void warm_catch_up(struct warm *w)
{
    size_t guards = warm_guards_poll(w);
    if (guards && poll(w->polled + WARM_POLLED_GUARDS, guards, 0) > 0)
        warm_guards_hear(w, guards);
    reap(w);
}

/* Gives the client to the processes that wait for it, else to new ones. The first of them, or -1. */
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
    const char *against = over_limit(w, peer);
    if (against) {
        log_event(LOG_NOTICE, "too-many-connections", "peer", peer->text, "setting", against, NULL);
        connection_busy(w->handler, fd, against);
        return;
    }
    struct child child = { .known = peer->known, .from = peer->address };
    child.pid = w->standing ? warm_guards_begin(w, fd, peer) : begin(w, fd, peer);
    if (w->standing)
        memcpy(child.id, w->next_id, sizeof child.id); /* of the session that has just been given away */
    if (child.pid < 0 || !warm_remember(w, &child)) {
        log_event(LOG_ERR, "fork-failed", "why", strerror(errno), NULL);
        connection_busy(w->handler, fd, NULL);
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
    warm_next_want(w);
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

/* Leaves free memory at the end of the heap. A session takes its buffers there, and not from holes in pages
 * that we have used, which the kernel would copy for it; and it need neither ask the kernel for memory nor
 * give it back. */
static void make_heap_room(void)
{
    mallopt(M_TRIM_THRESHOLD, 8 * SESSION_HEAP);
    void *volatile room = malloc(SESSION_HEAP); /* volatile: compilers leave out a malloc that isn't used */
    free(room);
}

/* Does once what every child would else do for itself. */
static void make_ready(struct handler *h)
{
    struct sandbox *boxes[] = { h->session_box, h->guard_box, h->mailbox_box, h->resolver_box,
                                h->waiting_box };
    for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++)
        if (boxes[i])
            sandbox_make_ready(boxes[i]);
    log_prepare_leave();
    if (h->serving.tls)
        tls_server_ready(h->serving.tls);
    make_heap_room();
}

/* Waits until a client comes, a guard has something to say or, if not `busy`, a child ends; for `left_ms`, or
 * until the next connection's processes are to be made. False: the time has passed. */
static bool wait_for_client(struct warm *w, int64_t left_ms, size_t guards, bool busy)
{
    struct timespec wait = { .tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000 };
    if (w->next_wanted)
        wait = (struct timespec){ .tv_nsec = w->next_pause_us * 1000 };
    w->polled[WARM_POLLED_LISTENING] = (struct pollfd){ .fd = w->listening, .events = POLLIN };
    w->polled[WARM_POLLED_NOTICES] = (struct pollfd){ .fd = warm_next_notices(w), .events = POLLIN };
    return ppoll(w->polled, WARM_POLLED_GUARDS + guards, &wait, busy ? &w->busy_mask : &w->waiting_mask) != 0;
}

/* Milliseconds until it has been idle for long enough to end, or there is something else to do. */
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

static void begin_listening(struct warm *w)
{
    fcntl(w->listening, F_SETFL, fcntl(w->listening, F_GETFL) | O_NONBLOCK);
    fcntl(w->listening, F_SETFD, FD_CLOEXEC);
    w->standing = connection_stands(w->handler);
    warm_next_open(w);
    prepare_signals(w);
    warm_watch(w);
    warm_take_children(w);
    make_ready(w->handler);
    w->handler->serving.warm = true;
}

int warm_run(struct handler *h, int listening, char **argv)
{
    struct warm w = { .handler = h, .listening = listening, .argv = argv, .client = -1, .disk_notices = -1 };
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
            warm_next_hear(&w);
            warm_guards_hear(&w, guards);
        } else if (w.next_wanted) {
            warm_next_make(&w);
        } else if (w.count == 0 && left <= 0) {
            return EX_OK;
        }
        if (heard && w.polled[WARM_POLLED_LISTENING].revents) {
            if (busy)
                warm_catch_up(&w);
            warm_next_take_notices(&w); /* those of the connections before this one */
            if (warm_must_renew(&w))
                warm_renew(&w);
            accept_one(&w);
        }
        if (heard || w.count)
            last = clock_ms();
    }
}
