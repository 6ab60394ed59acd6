/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The standing guards of a warm listener: each serves one connection after another, and only the session is
 * made anew for each. What takes a guard time (its sandbox, tables, a process that asks DNS) is done once for
 * many connections.
 *
 * A guard is let go after GUARD_CONNECTIONS, or when it is GUARD_AGE_MS old, or when it has been idle for
 * GUARD_IDLE_MS and there are more than GUARDS_IDLE such. When a process has died by a signal all guards are
 * let go, as nobody knows what led to that. "Let go" means that the listener closes its channel to the guard,
 * which then ends; one that serves finishes that connection first.
 *
 * When a guard is through with a connection, or has died, the session has WARM_GOODBYE_MS to say goodbye and
 * is then killed: nothing is left of the connection, whatever was taken over.
 *
 * When the listener executes itself anew, guards that serve finish their connections and go, and the new one
 * hears when they are through (warm_guards_take()). When it ends, a caretaker hears it (warm_caretaker.c).
 */
#include "net/warm_private.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "net/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUARD_CONNECTIONS 200
#define GUARD_AGE_MS 300000
#define GUARD_PATIENCE_MS 100 /* for one that doesn't read what it is told */
#define GUARDS_IDLE 8
#define GUARD_IDLE_MS 1000

bool warm_guards_ready(struct warm *w)
{
    w->polled = malloc(WARM_POLLED_GUARDS * sizeof *w->polled);
    return w->polled != NULL;
}

static bool make_room(struct warm *w)
{
    if (w->guard_count < w->guard_room)
        return true;
    size_t room = w->guard_room ? w->guard_room * 2 : 8;
    struct warm_guard *guards = realloc(w->guards, room * sizeof *guards);
    if (!guards)
        return false;
    w->guards = guards;
    struct pollfd *polled = realloc(w->polled, (room + WARM_POLLED_GUARDS) * sizeof *polled);
    if (!polled)
        return false;
    w->polled = polled;
    w->guard_room = room;
    return true;
}

/* The child doesn't inherit the client: a session gets its own by its channel, a guard never has one. */
static pid_t fork_clientless(struct warm *w)
{
    pid_t pid = warm_fork(w);
    if (pid == 0)
        file_close(w->client);
    return pid;
}

static struct warm_guard *make_guard(struct warm *w)
{
    int pair[2];
    if (!make_room(w) || channel_pair(pair) != ST_OK)
        return NULL;
    pid_t pid = fork_clientless(w);
    if (pid == 0) {
        close(pair[0]);
        _exit(connection_stand(w->handler, pair[1]));
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return NULL;
    }
    channel_patience(pair[0], GUARD_PATIENCE_MS);
    w->guards[w->guard_count] =
        (struct warm_guard){ .pid = pid, .control = pair[0], .made = clock_ms(), .idle_since = clock_ms() };
    return &w->guards[w->guard_count++];
}

static bool make_session(struct warm *w)
{
    int pair[2];
    if (channel_pair(pair) != ST_OK)
        return false;
    channel_patience(pair[0], CONNECTION_GUARD_PATIENCE_MS); /* the guard's end */
    log_make_session(w->next_id);
    pid_t pid = fork_clientless(w);
    if (pid == 0) {
        close(pair[0]);
        connection_await_client(w->handler, pair[1], w->next_id);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return false;
    }
    w->next = pid;
    w->next_to = pair[0];
    return true;
}

/* Lets it go. */
static void dismiss(struct warm *w, struct warm_guard *g)
{
    close(g->control);
    *g = w->guards[--w->guard_count];
}

/* An idle guard, or NULL. Always from the end of the list: so the others stay idle, and can go. */
static struct warm_guard *find_idle(struct warm *w)
{
    for (size_t i = w->guard_count; i-- > 0;)
        if (!w->guards[i].session)
            return &w->guards[i];
    return NULL;
}

void warm_guards_prepare(struct warm *w)
{
    if (!w->next)
        make_session(w);
    if (!find_idle(w))
        make_guard(w);
}

/* Gives a guard the session that waits, and that the client. The session, or -1: it is lost, and so is the
 * guard if there was one. */
static pid_t assign(struct warm *w, int client, const struct peer *peer)
{
    struct warm_guard *g = find_idle(w);
    if ((!w->next && !make_session(w)) || (!g && !(g = make_guard(w))))
        return -1;
    pid_t session = w->next;
    bool given = connection_assign(w->handler, g->control, w->next_to, w->next_id, client, peer);
    close(w->next_to);
    w->next = 0;
    g->session = session;
    g->served++;
    if (given)
        return session;
    dismiss(w, g);
    return -1;
}

/* Tries twice, as the guard that waited may have died. */
pid_t warm_guards_begin(struct warm *w, int client, const struct peer *peer)
{
    w->client = client;
    pid_t session = assign(w, client, peer);
    if (session < 0)
        session = assign(w, client, peer);
    w->client = -1;
    return session;
}

/* --- when they are through */

size_t warm_guards_poll(struct warm *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->guard_count; i++)
        if (w->guards[i].session)
            w->polled[WARM_POLLED_GUARDS + n++] =
                (struct pollfd){ .fd = w->guards[i].control, .events = POLLIN };
    return n;
}

static void end_session(struct warm *w, pid_t session)
{
    struct child *child = session > 0 ? warm_child(w, session) : NULL;
    if (child)
        child->kill_at = clock_ms() + WARM_GOODBYE_MS;
}

static bool has_served_enough(const struct warm_guard *g)
{
    return g->served >= GUARD_CONNECTIONS || clock_ms() - g->made > GUARD_AGE_MS;
}

/* The guard is through with its connection, which counts until its session has ended too. One whose session
 * ended first has counted until now, by the guard's pid. */
static void leave_connection(struct warm *w, const struct warm_guard *g)
{
    if (g->session == WARM_GONE)
        warm_forget(w, g->pid);
    else
        end_session(w, g->session);
}

static void hear_one(struct warm *w, struct warm_guard *g)
{
    char byte;
    ssize_t n = recv(g->control, &byte, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    leave_connection(w, g);
    g->session = 0;
    g->idle_since = clock_ms();
    if (n <= 0 || g->last || has_served_enough(g))
        dismiss(w, g);
}

int64_t warm_guards_thin(struct warm *w)
{
    int64_t now = clock_ms();
    size_t idle = 0;
    for (size_t i = 0; i < w->guard_count; i++)
        idle += !w->guards[i].session;
    for (size_t i = w->guard_count; i-- > 0 && idle > GUARDS_IDLE;)
        if (!w->guards[i].session && now - w->guards[i].idle_since >= GUARD_IDLE_MS) {
            dismiss(w, &w->guards[i]);
            idle--;
        }
    return idle > GUARDS_IDLE ? GUARD_IDLE_MS : -1;
}

static struct warm_guard *find(struct warm *w, int control)
{
    for (size_t i = 0; i < w->guard_count; i++)
        if (w->guards[i].control == control)
            return &w->guards[i];
    return NULL;
}

void warm_guards_hear(struct warm *w, size_t polled)
{
    for (size_t i = WARM_POLLED_GUARDS; i < WARM_POLLED_GUARDS + polled; i++) {
        struct warm_guard *g = w->polled[i].revents ? find(w, w->polled[i].fd) : NULL;
        if (g)
            hear_one(w, g);
    }
}

bool warm_guards_have(const struct warm *w, pid_t pid)
{
    for (size_t i = 0; i < w->guard_count; i++)
        if (w->guards[i].pid == pid)
            return true;
    return false;
}

/* The session has ended before its guard. The connection still counts, under the guard's pid, until that is
 * through. */
static void lose_session(struct warm *w, struct warm_guard *g)
{
    struct child *child = warm_child(w, g->session);
    g->session = WARM_GONE;
    if (!child)
        return;
    child->pid = g->pid;
    child->kill_at = 0;
}

void warm_guards_reap(struct warm *w, pid_t pid)
{
    for (size_t i = 0; i < w->guard_count; i++) {
        struct warm_guard *g = &w->guards[i];
        if (g->session == pid)
            lose_session(w, g);
        if (g->pid != pid)
            continue;
        leave_connection(w, g);
        dismiss(w, g);
        return;
    }
}

void warm_guards_retire(struct warm *w)
{
    for (size_t i = w->guard_count; i-- > 0;) {
        w->guards[i].last = true;
        if (!w->guards[i].session)
            dismiss(w, &w->guards[i]);
    }
}

int64_t warm_guards_kill(struct warm *w)
{
    int64_t now = clock_ms(), next = -1;
    for (size_t i = 0; i < w->count; i++) {
        struct child *c = &w->children[i];
        if (c->kill_at > 0 && c->kill_at <= now) {
            log_join_session(c->id);
            log_event(LOG_WARNING, "process-killed", "process", "session", "why",
                      "it didn't end with its connection", NULL);
            log_join_session("");
            kill(c->pid, SIGKILL);
            c->kill_at = WARM_KILLED;
        } else if (c->kill_at > 0 && (next < 0 || c->kill_at - now < next)) {
            next = c->kill_at - now;
        }
    }
    return next;
}

void warm_guards_leave(const struct warm *w)
{
    for (size_t i = 0; i < w->guard_count; i++)
        close(w->guards[i].control);
}

/* --- executing the listener anew */

void warm_guards_hand_on(const struct warm *w, struct bytes *to)
{
    for (size_t i = 0; i < w->guard_count; i++) {
        const struct warm_guard *g = &w->guards[i];
        if (!g->session)
            continue;
        fcntl(g->control, F_SETFD, 0);
        bytes_printf(to, "guard %d %d %d\n", (int)g->pid, g->control, g->session > 0 ? (int)g->session : 0);
    }
}

/* A guard ends when the listener's end of its channel is closed. One that is idle when the next exec works
 * must see that. */
void warm_guards_keep(const struct warm *w)
{
    for (size_t i = 0; i < w->guard_count; i++)
        fcntl(w->guards[i].control, F_SETFD, FD_CLOEXEC);
}

void warm_guards_take(struct warm *w, pid_t pid, int control, pid_t session)
{
    fcntl(control, F_SETFD, FD_CLOEXEC);
    if (!make_room(w)) {
        close(control);
        return;
    }
    w->guards[w->guard_count++] = (struct warm_guard){
        .pid = pid, .control = control, .session = session ? session : WARM_GONE, .last = true
    };
}
