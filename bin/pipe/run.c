/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One command: /bin/sh -c, in a process group of its own, with the message on its standard input: Return-Path
 * and Delivered-To, then the message, lines ended by LF. What it prints goes into the reply, up to
 * PIPE_OUTPUT_LIMIT bytes; more is read and forgotten. It needn't read its input.
 *
 * Its exit status decides, as sysexits(3) say: 0 is delivered; EX_TEMPFAIL, EX_OSERR, EX_IOERR and EX_CONFIG
 * are tried again, and so are 126 and 127, by which a shell says that there is no such command, death by a
 * signal, and a command that takes longer than `pipe-timeout`, which is killed: no mail bounces for a mistake
 * of ours. Everything else fails.
 */
#include "pipe.h"
#include "base/clock.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define PIECE 32768
#define NO_SUCH_COMMAND 126 /* and 127 */

struct command {
    const struct request *request;
    pid_t pid;
    int in, out, end; /* its standard input, output and errors; readable when it has ended; -1: closed */
    int64_t until;
    struct lf_lines lines;
    uint64_t read;            /* bytes of the message */
    char piece[PIECE + 1024]; /* to be written */
    size_t start, length;
    char said[PIPE_OUTPUT_LIMIT + 1];
    size_t said_length;
};

static const struct {
    int status;
    enum status means;
    const char *text;
} meanings[] = {
    { EX_OK, ST_OK, "2.0.0 The command took it" },
    { EX_USAGE, ST_PERM, "5.3.0 The command: usage error" },
    { EX_DATAERR, ST_PERM, "5.6.0 The command: data format error" },
    { EX_NOINPUT, ST_PERM, "5.3.0 The command: cannot open input" },
    { EX_NOUSER, ST_PERM, "5.1.1 The command: user unknown" },
    { EX_NOHOST, ST_PERM, "5.1.2 The command: host name unknown" },
    { EX_UNAVAILABLE, ST_PERM, "5.3.0 The command: service unavailable" },
    { EX_SOFTWARE, ST_PERM, "5.3.0 The command: internal software error" },
    { EX_OSERR, ST_TEMP, "4.3.0 The command: system resource problem" },
    { EX_OSFILE, ST_PERM, "5.3.0 The command: critical system file missing" },
    { EX_CANTCREAT, ST_PERM, "5.2.0 The command: cannot create its output file" },
    { EX_IOERR, ST_TEMP, "4.3.0 The command: input or output error" },
    { EX_TEMPFAIL, ST_TEMP, "4.3.0 The command: temporary failure" },
    { EX_PROTOCOL, ST_PERM, "5.5.0 The command: protocol error" },
    { EX_NOPERM, ST_PERM, "5.7.0 The command: permission denied" },
    { EX_CONFIG, ST_TEMP, "4.3.5 The command: configuration error" },
};

/* --- the child */

static void become(const char *command, char **environment, int in, int out)
{
    setsid();
    signal(SIGPIPE, SIG_DFL);
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0 ||
        chdir("/") != 0)
        _exit(EX_OSERR);
    close_range(STDERR_FILENO + 1, ~0U, 0);
    umask(077);
    execle("/bin/sh", "sh", "-c", command, (char *)NULL, environment);
    _exit(EX_OSERR);
}

static bool start(struct command *c, const struct settings *s, const char *command)
{
    int in[2], out[2];
    char **environment = environment_make(s, c->request);
    if (!environment || pipe2(in, O_CLOEXEC) != 0)
        return false;
    if (pipe2(out, O_CLOEXEC) != 0) {
        file_close(in[0]);
        file_close(in[1]);
        return false;
    }
    c->pid = fork();
    if (c->pid == 0)
        become(command, environment, in[0], out[1]);
    file_close(in[0]);
    file_close(out[1]);
    c->in = in[1];
    c->out = out[0];
    c->end = c->pid > 0 ? (int)syscall(SYS_pidfd_open, c->pid, 0) : -1;
    fcntl(c->in, F_SETFL, O_NONBLOCK);
    fcntl(c->out, F_SETFL, O_NONBLOCK);
    return c->end >= 0;
}

/* --- its input and output */

static void begin_message(struct command *c)
{
    if (c->request->learns)
        return;
    int n = snprintf(c->piece, sizeof c->piece, "Return-Path: <%s>\nDelivered-To: %s\n", c->request->sender,
                     c->request->recipient.text);
    c->length = n > 0 && (size_t)n < sizeof c->piece ? (size_t)n : 0;
}

/* The next piece of the message. False at its end, or where it can't be read: *bad. */
static bool next_piece(struct command *c, bool *bad)
{
    char wire[PIECE];
    uint64_t left = c->request->size - c->read;
    size_t want = left < sizeof wire ? (size_t)left : sizeof wire;
    c->start = 0;
    c->length = 0;
    if (want == 0) {
        c->length = lf_lines_end(&c->lines, c->piece);
        c->lines.held = false;
        return c->length > 0;
    }
    ssize_t n = pread(c->request->fd, wire, want, (off_t)(c->request->content + c->read));
    *bad = n <= 0;
    if (*bad)
        return false;
    c->read += (uint64_t)n;
    c->length = lf_lines_add(&c->lines, (struct span){ wire, (size_t)n }, c->piece);
    return true;
}

/* False: the message can't be read. */
static bool feed(struct command *c)
{
    bool bad = false;
    while (c->start == c->length)
        if (!next_piece(c, &bad)) {
            file_close(c->in);
            c->in = -1;
            return !bad;
        }
    ssize_t n = write(c->in, c->piece + c->start, c->length - c->start);
    if (n > 0)
        c->start += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR) { /* it doesn't read on: its exit status decides */
        file_close(c->in);
        c->in = -1;
    }
    return true;
}

static void listen_to(struct command *c)
{
    char text[4096];
    ssize_t n = read(c->out, text, sizeof text);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        file_close(c->out);
        c->out = -1;
    }
    for (ssize_t i = 0; i < n && c->said_length < PIPE_OUTPUT_LIMIT; i++)
        c->said[c->said_length++] = text[i];
}

/* Until it ends. ST_TEMP: it takes too long; ST_PERM: the message can't be read. */
static enum status attend(struct command *c)
{
    for (;;) {
        struct pollfd p[3] = { { .fd = c->in, .events = POLLOUT },
                               { .fd = c->out, .events = POLLIN },
                               { .fd = c->end, .events = POLLIN } };
        int64_t left = c->until - clock_ms();
        if (left <= 0)
            return ST_TEMP;
        if (poll(p, 3, left < INT32_MAX ? (int)left : INT32_MAX) < 0 && errno != EINTR)
            return ST_TEMP;
        if (c->out >= 0 && p[1].revents)
            listen_to(c);
        if (c->in >= 0 && p[0].revents && !feed(c))
            return ST_PERM;
        if (p[2].revents) {
            if (c->out >= 0)
                listen_to(c); /* what it said last */
            return ST_OK;
        }
    }
}

/* --- its end */

static void add_said(const struct command *c, struct bytes *why)
{
    struct span said = span_trim((struct span){ c->said, c->said_length });
    if (said.n)
        bytes_add_str(why, ": ");
    for (size_t i = 0; i < said.n; i++)
        bytes_add_char(why, said.p[i] >= ' ' && said.p[i] <= '~' ? said.p[i] : ' ');
}

static enum status judge(const struct command *c, int status, struct bytes *why)
{
    if (WIFSIGNALED(status)) {
        bytes_printf(why, "4.3.0 The command was ended by signal %d", WTERMSIG(status));
        return ST_TEMP;
    }
    int code = WEXITSTATUS(status);
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].status == code) {
            bytes_add_str(why, meanings[i].text);
            return meanings[i].means;
        }
    bool missing = code == NO_SUCH_COMMAND || code == NO_SUCH_COMMAND + 1;
    bytes_printf(why, "%s The command ended with status %d", missing ? "4.3.5" : "5.3.0", code);
    (void)c;
    return missing ? ST_TEMP : ST_PERM;
}

enum status run_command(const struct settings *s, const struct request *r, const char *command,
                        struct bytes *why)
{
    struct command c = { .request = r, .in = -1, .out = -1, .end = -1 };
    int status = 0;
    signal(SIGPIPE, SIG_IGN);
    begin_message(&c);
    c.until = clock_ms() + (int64_t)s->pipe_timeout * 1000;
    if (!start(&c, s, command)) {
        bytes_printf(why, "4.3.0 The command can't be started: %s", strerror(errno));
        if (c.pid > 0)
            kill(-c.pid, SIGKILL);
        return ST_TEMP;
    }
    enum status attended = attend(&c);
    if (attended != ST_OK)
        kill(-c.pid, SIGKILL);
    waitpid(c.pid, &status, 0);
    if (attended != ST_OK) {
        bytes_add_str(why, attended == ST_TEMP ? "4.3.0 The command took too long, and was ended"
                                               : "4.3.0 The message can't be read");
        add_said(&c, why);
        return ST_TEMP;
    }
    enum status st = judge(&c, status, why);
    add_said(&c, why);
    return st;
}
