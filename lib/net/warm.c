/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Accepting, counting and forking; see warm.h.
 *
 * The listener holds no secret and reads nothing from clients. It counts connections in all and by source,
 * and tells those over a limit so. Once it has one connection it makes the processes of the next, which wait in
 * their sandboxes for a client: a greeting then takes a part of the time. SIGCHLD is blocked except while it waits,
 * so no ended child is missed. Executing itself anew keeps the process id, the children and the socket; what it knew of its children goes
 * along in a memory file named by POSTERN_WARM_CHILDREN.
 *
 * It never ends with a connection unaccepted: it looks once more after deciding to go, and what comes later
 * wakes systemd or inetd, which own the socket.
 */
#include "net/warm.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define BROKEN_PAUSE_MS 1000
#define ACCEPT_PAUSE_MS 100 /* after an accept that failed for want of descriptors or memory */

struct child {
    pid_t pid;
    bool known; /* `from` counts */
    struct in6_addr from;
};

struct watched {
    const char *path;
    struct stat seen; /* st_ino 0: was not there */
};

struct warm {
    struct handler *handler;
    int listening;
    char **argv;
    struct child *children;
    size_t count, room;
    char program[4096];
    struct watched *files; /* executable, settings, certificates, keys */
    size_t watched;
    bool renew; /* a child died by a signal */
    pid_t next; /* the first of the next connection's processes, which wait for it; 0: there are none */
    int next_to; /* to that one */
    sigset_t waiting_mask;
};

static void on_child(int signal_number)
{
    (void)signal_number; /* only interrupts the wait */
}

static void watch(struct warm *w, const char *path)
{
    struct watched *f = &w->files[w->watched++];
    f->path = path ? path : "";
    if (stat(f->path, &f->seen) != 0)
        f->seen = (struct stat){ 0 };
}

static bool has_changed(const struct watched *w)
{
    struct stat now;
    if (!w->path[0] || stat(w->path, &now) != 0)
        return false; /* in the middle of a replacement: look again at the next connection */
    return now.st_ino != w->seen.st_ino || now.st_dev != w->seen.st_dev || now.st_size != w->seen.st_size ||
           now.st_mtim.tv_sec != w->seen.st_mtim.tv_sec || now.st_mtim.tv_nsec != w->seen.st_mtim.tv_nsec;
}

/* Where the program lies. Of a file that was replaced since it was executed the kernel says so, behind its path. */
static void find_program(struct warm *w)
{
    static const char gone[] = " (deleted)";
    ssize_t n = readlink("/proc/self/exe", w->program, sizeof w->program - 1);
    if (n > (ssize_t)sizeof gone && memcmp(w->program + n - (sizeof gone - 1), gone, sizeof gone - 1) == 0)
        n -= sizeof gone - 1;
    w->program[n > 0 ? n : 0] = '\0';
}

/* Keys too: the guard's sandbox lets it open those that were there when it was made. Without memory nothing is
 * watched. */
static void watch_files(struct warm *w)
{
    find_program(w);
    const struct settings *s = &w->handler->settings;
    const char *file = w->handler->serving.settings_file;
    w->watched = 0;
    if (!w->files)
        w->files = calloc(4 + 2 * s->certificate_count, sizeof *w->files);
    if (!w->files)
        return;
    watch(w, w->program);
    stat("/proc/self/exe", &w->files[0].seen); /* what runs, not what lies there by now */
    watch(w, file ? file : SETTINGS_DEFAULT_FILE);
    watch(w, s->tls_certificate);
    watch(w, s->tls_key);
    for (size_t i = 0; i < s->certificate_count; i++) {
        watch(w, s->certificates[i].certificate);
        watch(w, s->certificates[i].key);
    }
}

/* --- children */

static bool remember(struct warm *w, pid_t pid, const struct peer *peer)
{
    if (w->count == w->room) {
        size_t room = w->room ? w->room * 2 : 64;
        struct child *more = realloc(w->children, room * sizeof *more);
        if (!more)
            return false;
        w->children = more;
        w->room = room;
    }
    w->children[w->count++] = (struct child){ pid, peer->known, peer->address };
    return true;
}

static void reap(struct warm *w)
{
    int how;
    for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) {
        if (WIFSIGNALED(how) || WEXITSTATUS(how) == EX_SOFTWARE)
            w->renew = true;
        if (pid == w->next) {
            close(w->next_to);
            w->next = 0;
        }
        for (size_t i = 0; i < w->count; i++)
            if (w->children[i].pid == pid) {
                w->children[i] = w->children[--w->count];
                break;
            }
    }
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

/* --- executing itself anew */

static int hand_on_children(const struct warm *w)
{
    char number[16];
    int fd = memfd_create("children", 0); /* kept across exec */
    if (fd < 0)
        return fd;
    size_t size = w->count * sizeof *w->children;
    if (size == 0 || write(fd, w->children, size) == (ssize_t)size) {
        snprintf(number, sizeof number, "%d", fd);
        setenv(WARM_CHILDREN, number, 1);
    }
    return fd;
}

static void take_children(struct warm *w)
{
    const char *number = getenv(WARM_CHILDREN);
    if (!number)
        return;
    int fd = atoi(number);
    struct child child;
    for (off_t at = 0; pread(fd, &child, sizeof child, at) == (ssize_t)sizeof child;
         at += (off_t)sizeof child)
        remember(w, child.pid, &(struct peer){ .known = child.known, .address = child.from });
    close(fd);
    unsetenv(WARM_CHILDREN);
}

static void execute_anew(struct warm *w)
{
    log_event(LOG_INFO, "renewed", "why", w->renew ? "a child died" : "files changed", NULL);
    w->renew = false;
    int children = hand_on_children(w);
    fcntl(w->listening, F_SETFD, 0);
    execv(w->program, w->argv);
    log_event(LOG_ERR, "exec-failed", "file", w->program, "why", strerror(errno), NULL);
    fcntl(w->listening, F_SETFD, FD_CLOEXEC);
    unsetenv(WARM_CHILDREN);
    if (children >= 0)
        close(children);
    watch_files(w);
}

/* --- accepting */

static pid_t fork_child(struct warm *w)
{
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGCHLD, SIG_DFL);
        sigprocmask(SIG_SETMASK, &w->waiting_mask, NULL);
        close(w->listening);
    }
    return pid;
}

/* Without them the next connection's are made when it comes. */
static void make_next(struct warm *w)
{
    int pair[2];
    if (w->next || channel_pair(pair) != ST_OK)
        return;
    pid_t pid = fork_child(w);
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
        bool given = connection_give(w->next_to, fd, peer);
        close(w->next_to);
        if (given)
            return pid;
    }
    pid = fork_child(w);
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
    pid_t pid = begin(w, fd, peer);
    if (pid < 0 || !remember(w, pid, peer)) {
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
    if (!w->handler->broken)
        make_next(w);
}

static bool must_renew(const struct warm *w)
{
    for (size_t i = 0; i < w->watched; i++)
        if (has_changed(&w->files[i]))
            return true;
    return w->renew;
}

static void prepare_signals(struct warm *w)
{
    struct sigaction action = { .sa_handler = on_child };
    sigset_t block;
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, &w->waiting_mask);
    sigdelset(&w->waiting_mask, SIGCHLD);
}

/* What every child would else do for itself. */
static void make_ready(struct handler *h)
{
    struct sandbox *boxes[] = { h->session_box, h->guard_box, h->mailbox_box, h->resolver_box, h->waiting_box };
    for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++)
        if (boxes[i])
            sandbox_compile(boxes[i]);
    if (h->serving.tls)
        tls_server_ready(h->serving.tls);
}

int warm_run(struct handler *h, int listening, char **argv)
{
    struct warm w = { .handler = h, .listening = listening, .argv = argv };
    struct pollfd p = { .fd = listening, .events = POLLIN };
    int64_t idle_ms = (int64_t)(h->broken ? 1 : h->settings.idle_exit) * 1000, last = clock_ms();
    fcntl(listening, F_SETFL, fcntl(listening, F_GETFL) | O_NONBLOCK);
    fcntl(listening, F_SETFD, FD_CLOEXEC);
    prepare_signals(&w);
    watch_files(&w);
    take_children(&w);
    make_ready(h);
    h->serving.warm = true;
    for (;;) {
        reap(&w);
        int64_t left = last + idle_ms - clock_ms();
        if (w.count)
            left = idle_ms ? idle_ms : 1;
        struct timespec wait = { .tv_sec = left > 0 ? left / 1000 : 0,
                                 .tv_nsec = left > 0 ? left % 1000 * 1000000 : 0 };
        int n = ppoll(&p, 1, &wait, &w.waiting_mask);
        if (n > 0) {
            if (must_renew(&w))
                execute_anew(&w);
            accept_one(&w);
        } else if (n == 0 && w.count == 0 && left <= 0) {
            return EX_OK;
        }
        if (n > 0 || w.count)
            last = clock_ms();
    }
}
