/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * sendmail -bs: SMTP on standard input and output. The other side is an smtpd reached as submit.c does, for
 * which the kernel vouches who calls; here bytes are only moved, both ways at once, so that neither side ever
 * waits for the other. What is typed at a terminal gets its CRs, and so does a client whose first line ends
 * in LF alone, as scripts write them. (Then a chunk of BDAT isn't what its size says: who sends chunks writes
 * CRLF.)
 *
 * The descriptors are the caller's and stay blocking: nothing is read that isn't there, and no more is
 * written at a time than a pipe takes that has room.
 */
#include "sendmail.h"
#include "base/files.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define FLOW_BUFFER 65536

struct flow {
    int from, to;
    bool judged; /* `typed` is known */
    bool typed;  /* LF becomes CRLF */
    char last;   /* byte that was read */
    bool closed; /* nothing more comes */
    size_t start, end;
    char buffer[FLOW_BUFFER];
};

/* `before`: the byte that came before the text. */
static bool is_bare(const char *text, size_t i, char before)
{
    return text[i] == '\n' && (i ? text[i - 1] : before) != '\r';
}

static size_t add_returns(char *text, size_t n, char before)
{
    size_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += is_bare(text, i, before);
    for (size_t i = n, to = n + lines; to > i; i--) {
        bool bare = is_bare(text, i - 1, before);
        text[--to] = text[i - 1];
        if (bare)
            text[--to] = '\r';
    }
    return n + lines;
}

/* The first line tells. */
static void judge(struct flow *f, size_t n)
{
    const char *end = memchr(f->buffer, '\n', n);
    if (f->judged || !end)
        return;
    f->judged = true;
    f->typed = is_bare(f->buffer, (size_t)(end - f->buffer), f->last);
}

static void fill(struct flow *f)
{
    ssize_t n = read(f->from, f->buffer, sizeof f->buffer / 2);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    f->closed = n <= 0;
    f->start = 0;
    f->end = n <= 0 ? 0 : (size_t)n;
    if (!f->end)
        return;
    judge(f, f->end);
    char before = f->last;
    f->last = f->buffer[f->end - 1];
    if (f->typed)
        f->end = add_returns(f->buffer, f->end, before);
}

/* False: nobody takes it any more. */
static bool drain(struct flow *f)
{
    size_t left = f->end - f->start, n = left < PIPE_BUF ? left : PIPE_BUF;
    ssize_t done = write(f->to, f->buffer + f->start, n);
    if (done < 0)
        return errno == EINTR || errno == EAGAIN;
    f->start += (size_t)done;
    return true;
}

static bool waits(const struct flow *f)
{
    return f->start < f->end;
}

/* One turn, with what may be done without waiting. False: it is over. */
static bool turn(struct flow *in, struct flow *out)
{
    struct pollfd p[] = {
        { .fd = waits(in) || in->closed ? -1 : in->from, .events = POLLIN },
        { .fd = waits(in) ? in->to : -1, .events = POLLOUT },
        { .fd = waits(out) || out->closed ? -1 : out->from, .events = POLLIN },
        { .fd = waits(out) ? out->to : -1, .events = POLLOUT },
    };
    if (poll(p, sizeof p / sizeof p[0], -1) < 0)
        return errno == EINTR;
    if (p[0].revents)
        fill(in);
    if (p[2].revents)
        fill(out);
    if ((p[1].revents && !drain(in)) || (p[3].revents && !drain(out)))
        return false;
    if (p[0].revents && in->closed)
        shutdown(in->to, SHUT_WR);
    return !out->closed || waits(out);
}

/* Who is vouched for is who calls us, and behind a connection that would be anybody: inetd's line for SMTP
 * must name smtpd. */
static bool is_connection(int fd)
{
    int domain;
    socklen_t size = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
}

int relay(struct job *job)
{
    static struct flow in, out; /* all 0: large, and so not in the file */
    signal(SIGPIPE, SIG_IGN);
    if (is_connection(STDIN_FILENO)) {
        puts(RELAY_UNAVAILABLE);
        return complain(EX_USAGE, "-bs doesn't serve a network: smtpd(8) does");
    }
    int fd = reach_smtpd(job);
    if (fd < 0) {
        int why = errno;
        puts(RELAY_UNAVAILABLE);
        return complain(EX_TEMPFAIL, "smtpd can't be reached: %s", strerror(why));
    }
    in.from = STDIN_FILENO;
    out.to = STDOUT_FILENO;
    in.to = out.from = fd;
    out.judged = true;
    in.judged = in.typed = isatty(STDIN_FILENO);
    while (turn(&in, &out))
        ;
    file_close(fd);
    return EX_OK;
}
