/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The connection of the clients that are timed, on 127.0.0.1: an answer is read in large pieces and looked at
 * only once it is there whole, so that the time is the server's and the wire's, not that of a client that
 * takes lines apart.
 *
 * An answer may be as large as WIRE_LIMIT; the server may be silent for WIRE_PATIENCE seconds. Anything else
 * ends the run.
 */
#ifndef POSTERN_TESTS_WIRE_H
#define POSTERN_TESTS_WIRE_H

#include "bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WIRE_LIMIT ((size_t)1 << 30)
#define WIRE_ROOM ((size_t)64 << 20) /* touched before anything is timed */
#define WIRE_PIECE ((size_t)1 << 20)
#define WIRE_PATIENCE 120

struct wire {
    int fd;
    char *data; /* the answer so far */
    size_t len, room;
};

/* A connected socket; the run ends if there is none. */
static inline int wire_dial(const char *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(port)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = WIRE_PATIENCE };
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        bench_die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static inline void wire_make_room(struct wire *w, size_t room)
{
    char *data = room <= WIRE_LIMIT ? realloc(w->data, room) : NULL;
    if (!data)
        bench_die("an answer without end");
    w->data = data;
    w->room = room;
}

static inline void wire_open(struct wire *w, const char *port)
{
    if (!w->data) {
        wire_make_room(w, WIRE_ROOM);
        memset(w->data, 0, w->room);
    }
    w->len = 0;
    w->fd = wire_dial(port);
}

static inline void wire_send(struct wire *w, const char *data, size_t n)
{
    for (ssize_t done; n; data += done, n -= (size_t)done)
        if ((done = send(w->fd, data, n, MSG_NOSIGNAL)) <= 0)
            bench_die("send");
}

/* Begins a new answer. */
static inline void wire_say(struct wire *w, const char *text)
{
    w->len = 0;
    wire_send(w, text, strlen(text));
}

static inline void wire_more(struct wire *w)
{
    if (w->room - w->len < WIRE_PIECE)
        wire_make_room(w, w->room * 2);
    ssize_t n = recv(w->fd, w->data + w->len, WIRE_PIECE, 0);
    if (n <= 0) {
        fprintf(stderr, "hung up, or silent for %d s, after: %.*s\n", WIRE_PATIENCE,
                (int)(w->len < 200 ? w->len : 200), w->data);
        exit(1);
    }
    w->len += (size_t)n;
}

/* The last line if it has come whole, else NULL; *n is its length with CRLF. */
static inline const char *wire_last_line(const struct wire *w, size_t *n)
{
    if (w->len < 2 || memcmp(w->data + w->len - 2, "\r\n", 2) != 0)
        return NULL;
    const char *before = memrchr(w->data, '\n', w->len - 2), *line = before ? before + 1 : w->data;
    *n = w->len - (size_t)(line - w->data);
    return line;
}

/* Reads until the last line begins with `begin`: an IMAP tag with its blank, "+ " or "* ". Returns that
 * line. */
static inline const char *wire_until(struct wire *w, const char *begin)
{
    size_t n, wanted = strlen(begin);
    for (;;) {
        const char *line = wire_last_line(w, &n);
        if (line && n >= wanted && memcmp(line, begin, wanted) == 0)
            return line;
        wire_more(w);
    }
}

/* An IMAP command whose answer must be OK; `line` has tag "x" and ends with CRLF. */
static inline void wire_imap(struct wire *w, const char *line)
{
    wire_say(w, line);
    if (strncmp(wire_until(w, "x "), "x OK", 4) != 0) {
        fprintf(stderr, "%.*s: %.*s\n", (int)strcspn(line, "\r"), line, (int)(w->len < 300 ? w->len : 300),
                w->data);
        exit(1);
    }
}

static inline void wire_imap_login(struct wire *w, const char *port, const char *user, const char *password)
{
    char line[512];
    wire_open(w, port);
    wire_until(w, "* OK");
    snprintf(line, sizeof line, "x LOGIN %s %s\r\n", user, password);
    wire_imap(w, line);
}

#endif
