/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * On what a handler was started: LISTEN_FDS of systemd (sd_listen_fds(3)), else fd 0.
 */
#ifndef POSTERN_NET_ACTIVATION_H
#define POSTERN_NET_ACTIVATION_H

#include <netinet/in.h>
#include <stdbool.h>

enum activation_kind {
    ACTIVATION_LISTENING, /* accept connections: warm */
    ACTIVATION_CONNECTED, /* serve this one */
    ACTIVATION_STREAM,    /* a pipe, file or terminal: serve stdin and stdout */
};

struct activation {
    enum activation_kind kind;
    int in;  /* the socket, or stdin */
    int out; /* the same socket, or stdout */
    char error[256];
};

struct peer {
    bool known; /* false for a stream or a Unix socket */
    bool local; /* a Unix socket: uid is set */
    bool named; /* and it came in at a name in the file system. One end of a pair has none, and its other end
                 * may be a relay (socat, a shell) for anybody: its uid says nothing of who speaks */
    struct in6_addr address; /* IPv4-mapped for IPv4 */
    struct in6_addr here;    /* ours, that it connected to */
    unsigned port, here_port;
    unsigned uid;
    char text[INET6_ADDRSTRLEN]; /* "192.0.2.1", "2001:db8::1", "local" */
};

/* Finds out what we were started on, and closes what else came along from whoever started us: all descriptors
 * above standard error but the first of LISTEN_FDS, as a program that a web server or cron starts mustn't
 * hold their files. To be called first, before log_open(). False where systemd passed something and
 * libsystemd can't be loaded: a->error says why. */
bool activation_get(struct activation *a);
/* Leaves a socket open as `in` alone: what of standard input and output isn't `in` becomes /dev/null, and so
 * does standard error where it is that socket too (not where it is a log). To be called after log_open(). */
void activation_alone(const struct activation *a);
/* Who the client is: from getpeername, never from anybody's word. False: it has gone already, and can't be
 * told any more. It isn't to be served then, though it can have left a whole session to be read. */
bool peer_get(int fd, struct peer *p);
/* Peers that share limits: the same IPv4 address, the same IPv6 /64. */
bool peer_same_source(const struct in6_addr *a, const struct in6_addr *b);

#endif
