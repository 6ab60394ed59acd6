/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * sink PORT COUNT COMMAND...: a mail server that takes everything and keeps nothing, on 127.0.0.1 and
 * 127.0.1.1 to .100. Starts COMMAND when it listens, and when COUNT messages have come and COMMAND has ended
 * prints
 *
 *     SECONDS CONNECTIONS MOST MESSAGES
 *
 * the seconds from the start of COMMAND to the last message, how many connections there were, how many at
 * once, and the messages. One process, so that what it costs beside the sender stays small. After 120 seconds
 * it gives up.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ADDRESSES 101
#define CLIENTS 512
#define ROOM 65536
#define LIMIT_US 120e6

struct client {
    bool in_data;
    size_t held;
    char *buffer;
};

static struct pollfd polled[ADDRESSES + CLIENTS];
static struct client clients[CLIENTS];
static size_t taken, connections, now_open, most_open;
static double last;

static void listen_on(size_t i, int port)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(i ? 0x7f000100u + (uint32_t)i : INADDR_LOOPBACK) };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1024) < 0)
        bench_die("listen");
    polled[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return; /* it is noticed when it is read from */
}

static void open_client(int listening)
{
    int on = 1, fd;
    while ((fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        size_t i = 0;
        while (i < CLIENTS && polled[ADDRESSES + i].fd >= 0)
            i++;
        if (i == CLIENTS)
            bench_wrong("too many connections");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        polled[ADDRESSES + i] = (struct pollfd){ .fd = fd, .events = POLLIN };
        if (!clients[i].buffer && !(clients[i].buffer = malloc(ROOM)))
            bench_die("memory");
        clients[i].in_data = false;
        clients[i].held = 0;
        connections++;
        if (++now_open > most_open)
            most_open = now_open;
        say(fd, "220 sink.test ESMTP\r\n");
    }
}

static void close_client(size_t i)
{
    close(polled[ADDRESSES + i].fd);
    polled[ADDRESSES + i].fd = -1;
    now_open--;
}

/* False: it said QUIT. Replies are collected in `out`. */
static bool take_line(struct client *c, const char *line, size_t n, char *out)
{
    if (c->in_data) {
        if (n != 3 || line[0] != '.')
            return true;
        c->in_data = false;
        taken++;
        last = bench_now();
        strcat(out, "250 ok\r\n");
    } else if (strncasecmp(line, "EHLO", 4) == 0) {
        strcat(out, "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n");
    } else if (strncasecmp(line, "DATA", 4) == 0) {
        c->in_data = true;
        strcat(out, "354 go\r\n");
    } else if (strncasecmp(line, "QUIT", 4) == 0) {
        strcat(out, "221 bye\r\n");
        return false;
    } else {
        strcat(out, "250 ok\r\n");
    }
    return true;
}

static void serve(size_t i)
{
    struct client *c = &clients[i];
    int fd = polled[ADDRESSES + i].fd;
    char out[4096] = "";
    ssize_t n = read(fd, c->buffer + c->held, ROOM - c->held);
    bool more = n > 0;
    c->held += n > 0 ? (size_t)n : 0;
    size_t at = 0;
    for (char *lf; more && (lf = memchr(c->buffer + at, '\n', c->held - at)) != NULL;) {
        size_t end = (size_t)(lf - c->buffer) + 1;
        more = take_line(c, c->buffer + at, end - at, out);
        at = end;
        if (strlen(out) > sizeof out - 128) {
            say(fd, out);
            out[0] = '\0';
        }
    }
    if (out[0])
        say(fd, out);
    memmove(c->buffer, c->buffer + at, c->held - at);
    c->held -= at;
    if (!more || c->held == ROOM)
        close_client(i);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 64;
    size_t want = strtoul(argv[2], NULL, 10);
    for (size_t i = 0; i < ADDRESSES; i++)
        listen_on(i, atoi(argv[1]));
    for (size_t i = 0; i < CLIENTS; i++)
        polled[ADDRESSES + i].fd = -1;
    double begin = last = bench_now();
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (bench_now() - begin > LIMIT_US)
            bench_wrong("not everything came within two minutes");
        if (poll(polled, ADDRESSES + CLIENTS, 100) <= 0)
            continue;
        for (size_t i = 0; i < ADDRESSES; i++)
            if (polled[i].revents)
                open_client(polled[i].fd);
        for (size_t i = 0; i < CLIENTS; i++)
            if (polled[ADDRESSES + i].fd >= 0 && polled[ADDRESSES + i].revents)
                serve(i);
    }
    if (status != 0 || taken != want)
        bench_wrong("the sender failed, or not every message came once");
    printf("%.4f %zu %zu %zu\n", (last - begin) / 1e6, connections, most_open, taken);
    return 0;
}
