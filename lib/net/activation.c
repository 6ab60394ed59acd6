/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Telling apart what a handler was started on; see activation.h. The one file that includes libsystemd.
 *
 * libsystemd is loaded for the one question it is asked, and only where a LISTEN_PID says that there is
 * something to ask: it brings six more libraries, 36 of 128 mappings, and each process of each connection
 * would copy and drop them all (measured: a third of what a connection costs a warm listener). Loading takes
 * 0.5 ms, once. Reading LISTEN_FDS by hand was tried and refused: a kept library is worth that.
 */
#include "net/activation.h"
#include "net/warm.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define LIBSYSTEMD "libsystemd.so.0"
#define SOURCE_BYTES 8 /* of an IPv6 address: a /64 is one source */

static enum activation_kind kind_of(int fd)
{
    struct stat st;
    int listening = 0;
    socklen_t size = sizeof listening;
    if (fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
        return ACTIVATION_STREAM;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening)
        return ACTIVATION_LISTENING;
    return ACTIVATION_CONNECTED;
}

static bool same_file(int a, int b)
{
    struct stat one, two;
    return fstat(a, &one) == 0 && fstat(b, &two) == 0 && one.st_ino == two.st_ino && one.st_dev == two.st_dev;
}

/* inetd gives the socket three times; a process that closes it must have closed it. */
static void only_once(int socket)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fd != socket && (fd != STDERR_FILENO || same_file(fd, socket)))
            dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
}

/* How many descriptors systemd passed to us; -1, with a->error, where that can't be known. */
static int passed(struct activation *a)
{
    union {
        void *symbol;
        __typeof__(&sd_listen_fds) call;
    } ask;
    if (!getenv("LISTEN_PID"))
        return 0;
    void *library = dlopen(LIBSYSTEMD, RTLD_NOW | RTLD_LOCAL);
    ask.symbol = library ? dlsym(library, "sd_listen_fds") : NULL;
    int count = ask.symbol ? ask.call(0) : -1;
    if (!ask.symbol)
        snprintf(a->error, sizeof a->error, "%s", dlerror());
    if (library)
        dlclose(library);
    return count;
}

bool activation_get(struct activation *a)
{
    *a = (struct activation){ .in = STDIN_FILENO };
    int count = passed(a);
    if (count > 0)
        a->in = SD_LISTEN_FDS_START;
    if (!getenv(WARM_CHILDREN)) /* a warm listener that executed itself anew has none of others any more */
        close_range(count > 0 ? SD_LISTEN_FDS_START + 1 : STDERR_FILENO + 1, ~0U, 0);
    a->kind = kind_of(a->in);
    a->out = a->kind == ACTIVATION_STREAM && a->in == STDIN_FILENO ? STDOUT_FILENO : a->in;
    return count >= 0 || !a->error[0]; /* a LISTEN_FDS that is no number is none */
}

void activation_alone(const struct activation *a)
{
    if (a->kind != ACTIVATION_STREAM)
        only_once(a->in);
}

static void from_unix(int fd, struct peer *p)
{
    struct ucred cred;
    struct sockaddr_un name;
    socklen_t size = sizeof cred, length = sizeof name;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0)
        return;
    p->local = true;
    p->named = getsockname(fd, (struct sockaddr *)&name, &length) == 0 && length > sizeof name.sun_family;
    p->uid = cred.uid;
    snprintf(p->text, sizeof p->text, "local");
}

/* Of IPv4 or IPv6: mapped. False for anything else. */
static bool get_address(const struct sockaddr_storage *from, struct in6_addr *to, unsigned *port)
{
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)from;
        *to = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
        memcpy(to->s6_addr + 12, &v4->sin_addr, 4);
        *port = ntohs(v4->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)from;
        *to = v6->sin6_addr;
        *port = ntohs(v6->sin6_port);
    }
    return from->ss_family == AF_INET || from->ss_family == AF_INET6;
}

bool peer_get(int fd, struct peer *p)
{
    struct sockaddr_storage from, to;
    socklen_t size = sizeof from, to_size = sizeof to;
    *p = (struct peer){ .text = "unknown" };
    if (getpeername(fd, (struct sockaddr *)&from, &size) != 0)
        return errno == ENOTSOCK; /* a pipe, a file, a terminal */
    if (from.ss_family == AF_UNIX)
        from_unix(fd, p);
    if (!get_address(&from, &p->address, &p->port))
        return true;
    bool mapped = IN6_IS_ADDR_V4MAPPED(&p->address);
    p->known = inet_ntop(mapped ? AF_INET : AF_INET6, p->address.s6_addr + (mapped ? 12 : 0), p->text,
                         sizeof p->text) != NULL;
    if (getsockname(fd, (struct sockaddr *)&to, &to_size) == 0)
        get_address(&to, &p->here, &p->here_port);
    return true;
}

bool peer_same_source(const struct in6_addr *a, const struct in6_addr *b)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(a);
    if (v4 != (bool)IN6_IS_ADDR_V4MAPPED(b))
        return false;
    return memcmp(a, b, v4 ? sizeof *a : SOURCE_BYTES) == 0;
}
