/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the warm listener share.
 */
#ifndef POSTERN_NET_WARM_PRIVATE_H
#define POSTERN_NET_WARM_PRIVATE_H

#include "net/warm.h"

#include "base/log.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>

#define WARM_KILLED (-1)
#define WARM_GOODBYE_MS 3000 /* what a session may take to say goodbye when its guard is through with it */
#define WARM_GONE (-1)
#define WARM_OTHERS 2 /* that are polled before the guards */

/* A connection: its first process, or its session where that has a standing guard; that guard, once the session is gone. */
struct child {
    pid_t pid;
    bool known; /* `from` counts */
    struct in6_addr from;
    char id[LOG_SESSION_LENGTH + 1]; /* the log's, of a session; else "" */
    int64_t kill_at; /* clock_ms(): its guard is through with it, and it ends until then; 0, or WARM_KILLED */
};

/* A standing guard (connection.h). */
struct warm_guard {
    pid_t pid;
    int control;
    pid_t session; /* whom it serves; 0: it is idle; WARM_GONE: the child with its own pid is the connection */
    bool last;     /* it serves no other */
    unsigned served; /* connections */
    int64_t made, idle_since; /* clock_ms() */
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
    char *program; /* its path, or NULL. Not here: all of our stack lies below, and is copied page by page for each child */
    struct watched *files; /* executable, settings, certificates, keys */
    size_t watched;
    bool renew; /* a child died by a signal */
    bool next_wanted; /* the next connection's processes are to be made, */
    long next_pause_us; /* when nothing happens for so long */
    pid_t next; /* the first of the next connection's processes, which wait for it, or its session; 0: there are none */
    int next_to; /* to that one */
    int client;  /* whom processes with standing guards are made for, or -1 */
    char next_id[LOG_SESSION_LENGTH + 1]; /* the log's, of the session that waits */
    bool standing; /* its guards are */
    struct warm_guard *guards;
    size_t guard_count, guard_room;
    int moment;  /* where serving_waits() of guards is heard, or -1 */
    struct pollfd *polled; /* the socket, `moment`, and the busy guards */
    int64_t busy_until; /* clock_ms(): until then only clients wake us */
    sigset_t waiting_mask, busy_mask;
};

/* --- warm.c */
/* fork(), the child without what is the listener's only. */
pid_t warm_fork(struct warm *w);
/* False: no memory. */
bool warm_remember(struct warm *w, const struct child *child);
/* The child of that pid, or NULL. */
struct child *warm_child(struct warm *w, pid_t pid);
void warm_forget(struct warm *w, pid_t pid);

/* --- warm_guards.c */
/* Room in w->polled before there is a guard. False: no memory. */
bool warm_guards_ready(struct warm *w);
/* Makes the next connection's session and a guard for it, where they aren't there. */
void warm_guards_prepare(struct warm *w);
/* Serves the client, by those who wait or by new ones. Its session, or -1. */
pid_t warm_guards_begin(struct warm *w, int client, const struct peer *peer);
/* Fills w->polled behind its first WARM_OTHERS; how many there are. */
size_t warm_guards_poll(struct warm *w);
/* After poll(): which guards are through with their connections. */
void warm_guards_hear(struct warm *w, size_t polled);
/* Is that a standing guard? */
bool warm_guards_have(const struct warm *w, pid_t pid);
/* A child has ended, perhaps a guard or a session. */
void warm_guards_reap(struct warm *w, pid_t pid);
/* None serves another connection. */
void warm_guards_retire(struct warm *w);
/* Kills sessions that didn't end after their guards had. Milliseconds until it is time for that again, -1: there is none. */
int64_t warm_guards_kill(struct warm *w);
/* Lets surplus idle guards go. Milliseconds until it is time for that again, -1: there are none. */
int64_t warm_guards_thin(struct warm *w);
/* Closes what only the listener has. */
void warm_guards_leave(const struct warm *w);
/* For a listener that executes itself anew: a line of text for each busy guard, whose descriptor stays open; or doesn't, where
 * that failed; and a guard as its line says. */
void warm_guards_hand_on(const struct warm *w, struct bytes *to);
void warm_guards_keep(const struct warm *w);
void warm_guards_take(struct warm *w, pid_t pid, int control, pid_t session);

/* --- warm_caretaker.c */
/* Before the listener ends at SIGTERM: connections with standing guards are left to a caretaker, if there are any. */
void warm_leave(struct warm *w);

/* --- warm_renew.c */
/* Notes what the executable, the settings, certificates and keys are now. */
void warm_watch(struct warm *w);
/* Has one of them changed, or did a child die by a signal? */
bool warm_must_renew(const struct warm *w);
/* Executes itself anew. It returns where that fails, and all goes on. */
void warm_renew(struct warm *w);
/* The children that one which did so had, its guards among them. */
void warm_take_children(struct warm *w);

#endif
