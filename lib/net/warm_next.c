/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The processes of the next connection, made before its client comes, and the moment at which they are made.
 *
 * Making them takes the processor away from the client who has just come. So it is done when nothing has
 * happened for a pause, in which his first replies leave. A standing guard has a better moment: it is about
 * to wait for the disk (serving_waits()), and tells so by a notice, a byte on a socket that all guards share.
 * Notices are only read once for each client, so that a guard which was taken over can't keep the listener
 * busy.
 */
#include "net/warm_private.h"
#include "base/files.h"
#include "net/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_US 200
#define PAUSE_STANDING_US 1000 /* where a guard's notice is expected, which may not come */
#define PAUSE_NOTICED_US 30    /* from a notice until the guard really waits, if it runs on our processor */
#define NOTICES_AT_ONCE 8      /* reads of them */

void warm_next_open(struct warm *w)
{
    int pair[2];
    if (!w->standing || channel_pair(pair) != ST_OK)
        return;
    w->disk_notices = pair[0];
    w->handler->serving.disk_notices = pair[1];
}

void warm_next_want(struct warm *w)
{
    w->next_wanted = !w->handler->broken;
    w->next_pause_us = w->standing ? PAUSE_STANDING_US : PAUSE_US;
}

int warm_next_notices(const struct warm *w)
{
    return w->next_wanted && w->next_pause_us > PAUSE_NOTICED_US ? w->disk_notices : -1;
}

/* A guard that was taken over may have shut down the guards' end, which is all the guards': then only pauses
 * are left. */
bool warm_next_take_notices(struct warm *w)
{
    char notices[64];
    bool some = false;
    ssize_t n = 1;
    if (w->disk_notices < 0)
        return false;
    for (int i = 0; i < NOTICES_AT_ONCE && n > 0; i++) {
        n = recv(w->disk_notices, notices, sizeof notices, MSG_DONTWAIT);
        some = some || n > 0;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        file_close(w->disk_notices);
        w->disk_notices = -1;
    }
    return some;
}

void warm_next_hear(struct warm *w)
{
    if (w->polled[WARM_POLLED_NOTICES].revents && warm_next_take_notices(w))
        w->next_pause_us = PAUSE_NOTICED_US;
}

/* All of them, without a standing guard. */
static void make_processes(struct warm *w)
{
    int pair[2];
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

void warm_next_make(struct warm *w)
{
    w->next_wanted = false;
    if (w->standing) {
        warm_catch_up(w); /* a guard that is through needn't be made */
        warm_guards_prepare(w);
    } else {
        make_processes(w);
    }
}
