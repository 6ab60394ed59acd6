/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the warm listener share:
 *
 *     warm.c             accepts, counts and forks
 *     warm_next.c        makes processes before their client is there
 *     warm_guards.c      keeps standing guards
 *     warm_renew.c       executes the listener anew
 *     warm_caretaker.c   watches connections whose listener has ended
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

#define WARM_GOODBYE_MS 3000 /* what a session may take to say goodbye when its guard is through with it */
#define WARM_KILLED (-1)     /* in child.kill_at */
#define WARM_GONE (-1)       /* in warm_guard.session */

/* What lies where in warm.polled. */
enum { WARM_POLLED_LISTENING, WARM_POLLED_NOTICES, WARM_POLLED_GUARDS };

/* A connection. */
struct child {
    pid_t pid;  /* its first process; with a standing guard its session, and the guard once that has ended */
    bool known; /* `from` is set */
    struct in6_addr from;
    char id[LOG_SESSION_LENGTH + 1]; /* with a standing guard: the session's ID in the log; else "" */
    int64_t kill_at; /* clock_ms() when the session is killed, as its guard is through; 0; WARM_KILLED */
};

/* A standing guard (connection.h). */
struct warm_guard {
    pid_t pid;
    int control;     /* the channel to it */
    pid_t session;   /* whose guard it is; 0: idle; WARM_GONE: that has ended, and child.pid is this guard */
    bool last;       /* it gets no other connection */
    unsigned served; /* connections so far */
    int64_t made, idle_since; /* clock_ms() */
};

/* A file whose change makes the listener execute itself anew. */
struct watched {
    const char *path;
    struct stat seen; /* st_ino 0: it wasn't there */
};

struct warm {
    struct handler *handler;
    int listening;
    char **argv;
    sigset_t waiting_mask, busy_mask; /* signals that are blocked while it waits: see warm.c */
    int64_t busy_until;    /* clock_ms(): until then only clients and notices end a wait */
    struct pollfd *polled; /* WARM_POLLED_*; from WARM_POLLED_GUARDS on the guards that serve */

    struct child *children;
    size_t count, room;

    bool standing; /* connections get standing guards */
    struct warm_guard *guards;
    size_t guard_count, guard_room;
    int client; /* that a session and guard which are being made mustn't inherit; -1: there is none */

    pid_t next;         /* the first process of the next connection, or its session; 0: none */
    int next_to;        /* the channel by which it gets its client */
    char next_id[LOG_SESSION_LENGTH + 1]; /* with standing guards: that session's ID in the log */
    bool next_wanted;   /* make it, */
    long next_pause_us; /* once nothing has happened for so long */
    int disk_notices;   /* where guards tell that they wait for the disk (serving_waits()); -1: nowhere */

    bool renew; /* a child died by a signal: time to execute itself anew */
    struct watched *files;
    size_t watched;
    char *program; /* the executable's path, or NULL. No array, as children copy pages of our stack */
};

/* --- warm.c */
/* fork(); the child is left with nothing that is the listener's alone. */
pid_t warm_fork(struct warm *w);
/* In a process that the listener has forked: signals as they were, and all its descriptors closed but those
 * of its guards. */
void warm_unlisten(const struct warm *w);
/* Counts a connection. False: no memory. */
bool warm_remember(struct warm *w, const struct child *child);
/* The connection with this process, or NULL. */
struct child *warm_child(struct warm *w, pid_t pid);
/* The connection with this process is over. */
void warm_forget(struct warm *w, pid_t pid);
/* Looks after guards and children where nothing else does, as while it is busy. */
void warm_catch_up(struct warm *w);

/* --- warm_next.c */
/* With standing guards: makes the socket by which they tell that they wait for the disk. */
void warm_next_open(struct warm *w);
/* A client has been accepted: the next one's processes are to be made soon. */
void warm_next_want(struct warm *w);
/* The descriptor on which a notice of a guard would come now, or -1 where none is of use. */
int warm_next_notices(const struct warm *w);
/* Reads the notices that have come, and forgets them. Were there any? */
bool warm_next_take_notices(struct warm *w);
/* After poll(): has a guard told that it waits for the disk, the next one's processes are to be made at
 * once. */
void warm_next_hear(struct warm *w);
/* Makes them where they aren't there. Should that fail, they are made when the client comes. */
void warm_next_make(struct warm *w);

/* --- warm_guards.c */
/* Makes w->polled, with room for no guard. False: no memory. */
bool warm_guards_ready(struct warm *w);
/* Makes the next connection's session and an idle guard where they aren't there. */
void warm_guards_prepare(struct warm *w);
/* Serves the client by those that wait, or by new ones. Its session, or -1. */
pid_t warm_guards_begin(struct warm *w, int client, const struct peer *peer);
/* Fills w->polled with the guards that serve. How many. */
size_t warm_guards_poll(struct warm *w);
/* After poll(), with that many: finds out which are through with their connections. */
void warm_guards_hear(struct warm *w, size_t polled);
/* Is that a standing guard? */
bool warm_guards_have(const struct warm *w, pid_t pid);
/* A child has ended, perhaps a guard or a session. */
void warm_guards_reap(struct warm *w, pid_t pid);
/* No guard gets another connection. */
void warm_guards_retire(struct warm *w);
/* Kills sessions that haven't ended WARM_GOODBYE_MS after their guards were through. Milliseconds until it
 * has more to do; -1: nothing is left. */
int64_t warm_guards_kill(struct warm *w);
/* Lets surplus idle guards go. Returns the same as warm_guards_kill(). */
int64_t warm_guards_thin(struct warm *w);
/* In a child: closes the channels to all guards. */
void warm_guards_leave(const struct warm *w);
/* For a listener that is about to execute itself anew: adds a line for each guard that serves, whose channel
 * will stay open. */
void warm_guards_hand_on(const struct warm *w, struct bytes *to);
/* That failed: the channels are closed on exec again. */
void warm_guards_keep(const struct warm *w);
/* A guard of such a line; session 0: it has ended. */
void warm_guards_take(struct warm *w, pid_t pid, int control, pid_t session);

/* --- warm_caretaker.c */
/* Before the listener ends at SIGTERM: leaves connections with standing guards to a caretaker, if there are
 * any. */
void warm_leave(struct warm *w);

/* --- warm_renew.c */
/* Notes what the executable, the settings, certificates and keys are now. */
void warm_watch(struct warm *w);
/* Has one of them changed, or did a child die by a signal? */
bool warm_must_renew(const struct warm *w);
/* Executes itself anew. Returns where that fails, and the listener goes on. */
void warm_renew(struct warm *w);
/* Takes over the connections and guards of a listener that has just done so. */
void warm_take_children(struct warm *w);

#endif
