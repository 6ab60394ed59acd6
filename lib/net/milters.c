/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connecting to filters; see milters.h.
 *
 * Only the look-up of a name may take time, and then the first answer of the process that does it: the client
 * has its greeting from another. Addresses, and names that stand in /etc/hosts, are as quick as a Unix
 * socket.
 */
#include "net/milters.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

bool milters_wanted(const struct settings *s, unsigned uses)
{
    for (size_t i = 0; i < s->milter_count; i++)
        if (s->milters[i].uses & uses)
            return true;
    return false;
}

/* -1 with errno. */
static int begin(const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0)
        return -1;
    if (address->sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, address, size) == 0 || errno == EINPROGRESS)
        return fd;
    file_close(fd);
    return -1;
}

static int begin_unix(const struct milter_setting *m, const char **why)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = -1;
    errno = ENAMETOOLONG;
    if (span_copy(span_of(m->path), name.sun_path, sizeof name.sun_path))
        fd = begin((const struct sockaddr *)&name, sizeof name);
    *why = errno == EAGAIN ? "too many wait for it already" : strerror(errno);
    return fd;
}

/* The first address of it: a second would have to be tried when the first has failed. */
static int begin_inet(const struct milter_setting *m, const char **why)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV },
                    *list = NULL;
    int error = getaddrinfo(m->host, m->port, &hints, &list), fd = -1;
    if (error == EAI_NONAME) {
        hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
        error = getaddrinfo(m->host, m->port, &hints, &list);
    }
    *why = error ? gai_strerror(error) : NULL;
    if (error)
        return -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = begin(a->ai_addr, a->ai_addrlen);
    *why = strerror(errno);
    freeaddrinfo(list);
    return fd;
}

void milters_connect(const struct settings *s, unsigned uses, int fds[SETTINGS_MILTERS])
{
    for (size_t i = 0; i < SETTINGS_MILTERS; i++) {
        const struct milter_setting *m = i < s->milter_count ? &s->milters[i] : NULL;
        const char *why = NULL;
        fds[i] = -1;
        if (!m || !(m->uses & uses))
            continue;
        fds[i] = m->path ? begin_unix(m, &why) : begin_inet(m, &why);
        if (fds[i] < 0)
            log_event(LOG_ERR, "no-milter", "milter", m->address, "why", why, NULL);
    }
}

void milters_close(int fds[SETTINGS_MILTERS])
{
    for (size_t i = 0; i < SETTINGS_MILTERS; i++) {
        file_close(fds[i]);
        fds[i] = -1;
    }
}
