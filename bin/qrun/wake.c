/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The wake-up FIFO: each line an ID to try now, "learn ACCOUNT" (store/learn.h), or anything else for "look
 * what is due". It is emptied before a scan and never after: a writer has its message in place before it
 * writes here, so what was read here is found there.
 *
 * Mailbox processes have a descriptor of it where messages are learned. One that was taken over could write
 * lines, which only make us look, and change the mode, which is set right at each start.
 */
#include "qrun.h"

#include "base/log.h"
#include "net/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAKE_BUFFER 4096
#define WAKE_LINE (QUEUE_ID_LIMIT + ADDRESS_LIMIT)
#define WAKE_LINES 100000 /* in one go: a writer that never stops mustn't keep us here */
#define WAKE_FULL 32768   /* so much at once: the FIFO may have been full, and wake-ups lost */

static bool is_fifo(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && S_ISFIFO(st->st_mode);
}

static bool make_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

int wake_open(const struct settings *s, const struct activation *given)
{
    char path[PATH_MAX];
    struct stat in, named = { 0 };
    snprintf(path, sizeof path, "%s/wake", s->spool);
    bool there = lstat(path, &named) == 0;
    if (there && S_ISFIFO(named.st_mode) && (named.st_mode & 07777) != 0600)
        chmod(path, 0600);
    bool ours = is_fifo(given->in, &in) && (given->in != STDIN_FILENO ||
                                           (there && in.st_dev == named.st_dev && in.st_ino == named.st_ino));
    if (ours && make_nonblocking(given->in))
        return given->in;
    if (!there && mkfifo(path, 0600) != 0 && errno != EEXIST) {
        log_event(LOG_WARNING, "no-wake-up", "file", path, "text", strerror(errno), NULL);
        return -1;
    }
    /* Read and write: there is always a writer, so that it never reads as ended. */
    int fd = open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && is_fifo(fd, &in))
        return fd;
    log_event(LOG_WARNING, "no-wake-up", "file", path, "text", fd < 0 ? strerror(errno) : "is no FIFO", NULL);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* False: a scan is asked for. */
static bool take_line(struct qrun *q, struct span line)
{
    char id[QUEUE_ID_LIMIT];
    if (span_starts(line, QUEUE_WAKE_LEARN)) {
        learning_wake(q, span_from(line, sizeof QUEUE_WAKE_LEARN - 1));
        return true;
    }
    return span_copy(line, id, sizeof id) && queue_id_valid(id) && line_add(&q->forced, id, true);
}

bool wake_drain(struct qrun *q)
{
    char buffer[WAKE_BUFFER];
    size_t held = 0, total = 0, lines = 0;
    bool scan = false;
    while (q->wake >= 0 && lines < WAKE_LINES) {
        ssize_t n = read(q->wake, buffer + held, sizeof buffer - held);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        total += (size_t)n;
        struct span rest = { buffer, held + (size_t)n };
        for (size_t lf; (lf = span_find(rest, '\n')) < rest.n; rest = span_from(rest, lf + 1)) {
            scan = !take_line(q, span_head(rest, lf)) || scan;
            lines++;
        }
        held = rest.n;
        if (held >= WAKE_LINE) { /* no line of ours */
            held = 0;
            scan = true;
        }
        memmove(buffer, rest.p, held);
    }
    return scan || held || total >= WAKE_FULL;
}
