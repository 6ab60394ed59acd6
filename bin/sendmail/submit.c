/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Handing the message to smtpd, in SMTP, over a Unix socket on whose other side the kernel says who we are:
 * that of the unit postern-submit.socket, or, where that isn't there (or other settings than the system's
 * were asked for) and we may write the spool ourselves, a pair whose other end is an smtpd that we start.
 */
#include "sendmail.h"
#include "net/conn.h"
#include "text/reply.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define REPLY_LINE_LIMIT 2000
#define REPLY_MS 600000 /* a slow disk is done by then */

struct submission {
    struct job *job;
    struct conn *conn;
    struct reply reply;
    int code; /* of sysexits: the worst so far */
};

/* --- reaching smtpd */

int run_program(const char *name, char *const argv[])
{
    static const char *const places[] = { "", "../libexec/postern/", "../bin/" };
    char self[PATH_MAX], path[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return complain(EX_OSFILE, "/proc/self/exe: %s", strerror(errno));
    self[n] = '\0';
    *(strrchr(self, '/') + 1) = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(path, sizeof path, "%s%s%s", self, places[i], name);
        execv(path, argv);
        if (errno != ENOENT && errno != ENOTDIR)
            break;
    }
    return complain(EX_OSFILE, "%s can't be run: %s", name, strerror(errno));
}

static int connect_socket(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    if (!span_copy(span_of(path), to.sun_path, sizeof to.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* Its log goes to syslog, as under inetd, not into what our caller shows or mails. */
static int start_smtpd(const struct job *job)
{
    int pair[2];
    char name[] = "smtpd", option[] = "-uc";
    char *argv[] = { name, option, job->settings.file, NULL };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(pair[1], 0) == 0 && dup2(pair[1], 1) == 1 && dup2(pair[1], 2) == 2)
            run_program(name, argv);
        _exit(EX_OSFILE);
    }
    int why = errno;
    close(pair[1]);
    if (pid > 0)
        return pair[0];
    close(pair[0]);
    errno = why;
    return -1;
}

int reach_smtpd(const struct job *job)
{
    const char *path = getenv("POSTERN_SUBMIT");
    if (path)
        return connect_socket(path);
    if (!job->settings_file) {
        int fd = connect_socket(SUBMIT_SOCKET);
        if (fd >= 0 || (errno != ENOENT && errno != ECONNREFUSED))
            return fd;
    }
    if (access(job->settings.spool, W_OK) != 0)
        return -1;
    return start_smtpd(job);
}

/* --- the dialogue */

/* Reads a reply. Its code; 421 where the connection ended. */
static unsigned get_reply(struct submission *s)
{
    struct span line;
    reply_start(&s->reply);
    while (conn_line(s->conn, REPLY_LINE_LIMIT, &line) == CONN_OK) {
        enum reply_state state = reply_line(&s->reply, line);
        if (state == REPLY_DONE)
            return s->reply.code;
        if (state == REPLY_BAD)
            break;
    }
    snprintf(s->reply.text, sizeof s->reply.text, "smtpd hung up");
    return 421;
}

/* The exit code that a reply means: `refused` if it is a refusal for ever. */
static int code_of(unsigned reply, int refused)
{
    return reply / 100 == 2 || reply / 100 == 3 ? EX_OK : reply / 100 == 5 ? refused : EX_TEMPFAIL;
}

/* "Try again" outranks every refusal, so that nothing that may still work is given up. */
static void note(struct submission *s, int code, const char *about)
{
    if (code == EX_OK)
        return;
    if (s->code != EX_TEMPFAIL)
        s->code = code;
    complain(code, "%s: %s", about, s->reply.text);
}

static void write_message(struct conn *c, struct span message)
{
    while (message.n) {
        struct span line = span_head(message, span_find(message, '\n') + 1);
        message = span_from(message, line.n);
        if (line.p[0] == '.')
            conn_write_str(c, ".");
        conn_write_span(c, line);
    }
    conn_write_str(c, ".\r\n");
}

/* How many recipients were accepted. One that is too many for a transaction, and those behind it, stay
 * pending. */
static size_t send_recipients(struct submission *s)
{
    size_t accepted = 0;
    for (size_t i = 0; i < s->job->recipient_count; i++) {
        struct recipient *r = &s->job->recipients[i];
        char status[12];
        if (r->state != PENDING)
            continue;
        conn_printf(s->conn, "RCPT TO:<%s>\r\n", r->address.text);
        unsigned reply = get_reply(s);
        reply_status(s->reply.text, reply, status);
        if (reply == 452 && accepted)
            break;
        r->state = reply / 100 == 2 ? ACCEPTED : REFUSED;
        accepted += r->state == ACCEPTED;
        note(s, code_of(reply, strncmp(status, "5.1.", 4) == 0 ? EX_NOUSER : EX_UNAVAILABLE),
             r->address.text);
        if (reply == 421)
            return 0;
    }
    return accepted;
}

/* Is there an address that needs SMTPUTF8? Our smtpd always offers it. */
static bool needs_utf8(const struct job *job)
{
    bool ascii = address_is_ascii(&job->sender);
    for (size_t i = 0; i < job->recipient_count; i++)
        ascii = ascii && address_is_ascii(&job->recipients[i].address);
    return !ascii;
}

/* One transaction. False if there is no point in another. */
static bool send_transaction(struct submission *s)
{
    struct job *job = s->job;
    conn_printf(s->conn, "MAIL FROM:<%s> SIZE=%zu%s%s\r\n", job->sender.text, job->message.len,
                job->eight_bit ? " BODY=8BITMIME" : "", needs_utf8(job) ? " SMTPUTF8" : "");
    unsigned reply = get_reply(s);
    if (reply / 100 != 2) {
        note(s, code_of(reply, reply == 552 ? EX_DATAERR : EX_NOPERM), "refused");
        return false;
    }
    if (!send_recipients(s))
        return false;
    conn_write_str(s->conn, "DATA\r\n");
    reply = get_reply(s);
    if (reply == 354) {
        write_message(s->conn, span_bytes(&job->message));
        reply = get_reply(s);
    }
    note(s, code_of(reply, EX_UNAVAILABLE), "refused");
    return reply / 100 == 2;
}

static bool any_pending(const struct job *job)
{
    for (size_t i = 0; i < job->recipient_count; i++)
        if (job->recipients[i].state == PENDING)
            return true;
    return false;
}

static void converse(struct submission *s)
{
    unsigned reply = get_reply(s);
    if (reply == 220) {
        conn_printf(s->conn, "EHLO %s\r\n", s->job->settings.hostname);
        reply = get_reply(s);
    }
    if (reply != 250) {
        note(s, EX_TEMPFAIL, "smtpd is not available");
        return;
    }
    while (any_pending(s->job) && send_transaction(s))
        ;
    conn_write_str(s->conn, "QUIT\r\n");
    conn_flush(s->conn);
}

int submit(struct job *job)
{
    struct submission s = { .job = job, .code = EX_OK };
    signal(SIGPIPE, SIG_IGN);
    int fd = reach_smtpd(job);
    if (fd < 0)
        return complain(EX_TEMPFAIL, "smtpd can't be reached: %s", strerror(errno));
    s.conn = conn_new(fd, fd);
    if (!s.conn) {
        close(fd);
        return complain(EX_TEMPFAIL, "out of memory");
    }
    conn_deadlines(s.conn, REPLY_MS, 0);
    converse(&s);
    conn_free(s.conn);
    close(fd);
    return s.code;
}
