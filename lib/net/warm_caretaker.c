/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What becomes of connections with standing guards when SIGTERM ends their listener: they go on, and a
 * caretaker, a process of the listener's without its socket, stays until the last is over. It does what the
 * listener would do: when a guard is through it is let go, and its session has WARM_GOODBYE_MS to say goodbye
 * and is then killed. As sessions aren't the caretaker's own children, it watches them by pidfds.
 */
#include "net/warm_private.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

/* A connection that goes on. */
struct care {
    int control; /* the channel to its guard; -1: that is through */
    int session; /* its session's pidfd; -1: that has ended */
    const char *id; /* the session's, in the log */
    int64_t kill_at; /* clock_ms(): when the session is killed, where its guard is through */
};

static int open_process(pid_t pid)
{
    return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

static struct care care_for(const struct child *session)
{
    return (struct care){
        .control = -1, .session = open_process(session->pid), .id = session->id, .kill_at = session->kill_at
    };
}

/* All connections, into room for w->guard_count + w->count. */
static size_t gather(struct warm *w, struct care *care)
{
    size_t n = 0;
    for (size_t i = 0; i < w->guard_count; i++) {
        const struct warm_guard *g = &w->guards[i];
        const struct child *session = g->session > 0 ? warm_child(w, g->session) : NULL;
        if (!g->session)
            continue;
        care[n] = session ? care_for(session) : (struct care){ .session = -1, .id = "" };
        care[n++].control = g->control;
    }
    for (size_t i = 0; i < w->count; i++)
        if (w->children[i].kill_at > 0)
            care[n++] = care_for(&w->children[i]);
    return n;
}

/* Closes it, so that poll() passes over it. */
static void let_go(int *fd)
{
    file_close(*fd);
    *fd = -1;
}

/* After poll(), with what it said of control and session. */
static void look(struct care *c, const struct pollfd p[2], int64_t now)
{
    if (p[0].revents) {
        let_go(&c->control);
        c->kill_at = now + WARM_GOODBYE_MS;
    }
    if (p[1].revents)
        let_go(&c->session);
    if (c->control < 0 && c->session >= 0 && c->kill_at <= now) {
        log_join_session(c->id);
        log_event(LOG_WARNING, "process-killed", "process", "session", "why",
                  "it didn't end with its connection", NULL);
        syscall(SYS_pidfd_send_signal, c->session, SIGKILL, NULL, 0);
        let_go(&c->session);
    }
}

/* Milliseconds until one is to be killed, -1: none is. */
static int time_left(const struct care *care, size_t count, int64_t now)
{
    int64_t least = -1;
    for (size_t i = 0; i < count; i++) {
        int64_t left = care[i].kill_at > now ? care[i].kill_at - now : 0;
        if (care[i].control < 0 && care[i].session >= 0 && (least < 0 || left < least))
            least = left;
    }
    return (int)least;
}

/* Until all connections are over. */
static void stay(struct care *care, size_t count, struct pollfd *polled)
{
    for (size_t open = count; open > 0;) {
        open = 0;
        for (size_t i = 0; i < count; i++) {
            polled[2 * i] = (struct pollfd){ .fd = care[i].control, .events = POLLIN };
            polled[2 * i + 1] = (struct pollfd){ .fd = care[i].session, .events = POLLIN };
        }
        if (poll(polled, 2 * count, time_left(care, count, clock_ms())) < 0 && errno != EINTR)
            return;
        for (size_t i = 0; i < count; i++) {
            look(&care[i], polled + 2 * i, clock_ms());
            open += care[i].control >= 0 || care[i].session >= 0;
        }
    }
}

void warm_leave(struct warm *w)
{
    struct care *care = calloc(w->guard_count + w->count + 1, sizeof *care);
    size_t count = care ? gather(w, care) : 0;
    struct pollfd *polled = calloc(2 * count + 1, sizeof *polled);
    if (count == 0 || !polled || fork() != 0)
        return;
    warm_unlisten(w);
    for (size_t i = 0; i < w->guard_count; i++)
        if (!w->guards[i].session)
            close(w->guards[i].control);
    stay(care, count, polled);
    log_settle();
    _exit(EX_OK);
}
