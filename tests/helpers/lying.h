/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the handlers with a lying session share: requests to a guard and what it answers, told to the client
 * as "status N", "ended" or "silence"; what a process tries in its sandbox, told as "COULD ..."; and the
 * table of lies.
 */
#ifndef POSTERN_TESTS_LYING_H
#define POSTERN_TESTS_LYING_H

#include "net/channel.h"
#include "net/guard.h"
#include "net/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define DESCRIPTORS 64

static struct message packet; /* CHANNEL_PACKET bytes: too much for a stack */

/* --- what a session may send */

static void say_answer(struct serving *s)
{
    struct pollfd p = { .fd = s->channel, .events = POLLIN };
    uint64_t status;
    if (poll(&p, 1, PATIENCE_MS) == 0)
        conn_write_str(s->conn, "silence\r\n");
    else if (!channel_receive(s->channel, &packet, PATIENCE_MS))
        conn_write_str(s->conn, "ended\r\n");
    else if (message_get_u64(&packet, &status))
        conn_printf(s->conn, "status %d\r\n", (int)status);
    else
        conn_write_str(s->conn, "no status\r\n");
}

static void ask(struct serving *s)
{
    channel_send(s->channel, &packet);
    say_answer(s);
}

static void send_raw(struct serving *s, const void *data, size_t n)
{
    send(s->channel, data, n, MSG_NOSIGNAL);
    say_answer(s);
}

/* --- what a process tries */

struct attempt {
    struct conn *conn; /* what succeeded is told here; NULL: on standard error, the log */
    int worked;
};

static void tell(struct attempt *a, const char *what, bool worked)
{
    if (!worked)
        return;
    a->worked++;
    if (a->conn)
        conn_printf(a->conn, "COULD %s\r\n", what);
    else
        dprintf(STDERR_FILENO, "COULD %s\n", what);
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* What no process may do, whatever its part is. */
static void try_all(struct attempt *a)
{
    char *const none[] = { NULL };
    pid_t parent = getppid();
    tell(a, "open /etc/hostname", opens("/etc/hostname", O_RDONLY));
    tell(a, "open /proc/self/mem", opens("/proc/self/mem", O_RDWR));
    tell(a, "create in /tmp", opens("/tmp/postern-lying-session", O_WRONLY | O_CREAT));
    tell(a, "make a TCP socket", socket(AF_INET, SOCK_STREAM, 0) >= 0);
    tell(a, "make a Unix socket", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    tell(a, "execute", execve("/bin/true", none, none) == 0);
    tell(a, "fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) > 0);
    tell(a, "signal its parent", kill(parent, 0) == 0);
    tell(a, "signal its group", kill(0, 0) == 0);
    tell(a, "trace its parent", ptrace(PTRACE_ATTACH, parent, 0, 0) == 0);
    tell(a, "open its parent by pidfd", syscall(SYS_pidfd_open, parent, 0) >= 0);
    tell(a, "read its parent's memory", syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0) >= 0);
    tell(a, "make a pipe's file", mkfifo("/tmp/postern-lying-fifo", 0600) == 0);
    tell(a, "load code",
         mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    tell(a, "change its user", setuid(0) == 0);
    tell(a, "use io_uring", syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != EPERM);
    tell(a, "use bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno != EPERM);
    tell(a, "unshare", syscall(SYS_unshare, 0) == 0);
}

static bool confined(const struct serving *s)
{
    return s->settings->sandbox != SANDBOX_NONE;
}

/* --- which lie */

struct lie {
    const char *name;
    void (*run)(struct serving *s);
};

/* The client's first line names it. */
static void tell_lie(struct serving *s, const struct lie *lies, size_t count)
{
    struct span line;
    if (conn_line(s->conn, 200, &line) != CONN_OK)
        return;
    for (size_t i = 0; i < count; i++)
        if (span_eq_str(line, lies[i].name)) {
            lies[i].run(s);
            return;
        }
    conn_write_str(s->conn, "no such lie\r\n");
}

/* Standard error is the log, or the client under inetd. */
static void lie_standard_error(struct serving *s)
{
    static const char line[] = "\npop3d[1]: event=forged\n";
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (fd != s->client_in && fd != s->client_out && fd != s->channel &&
            write(fd, line, sizeof line - 1) < 0)
            continue;
    conn_write_str(s->conn, "written\r\n");
}

/* A socket that the guard holds and that isn't its own: the client's. */
static void try_client(struct attempt *a, const struct serving *s)
{
    struct stat st;
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (fd != s->channel && fd != s->control)
            tell(a, "use the client's socket", fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode));
}

#endif
