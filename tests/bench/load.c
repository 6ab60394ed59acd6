/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The clients of `make bench`, on 127.0.0.1. Every reply is checked; one that isn't right ends the run.
 *
 *     load banner PORT COUNT
 *         connects, reads the greeting, hangs up. Prints the median and the least in microseconds
 *     load messages PORT COUNT WORKERS [SIZE EACH]
 *         COUNT messages of SIZE bytes (4096), EACH (1) over a connection, from WORKERS clients at a time. Prints
 *         messages a second
 *     load sessions PORT COUNT imap|imaps [login]
 *         IMAP sessions one after the other: greeting, LOGIN or NOOP, LOGOUT
 *     load hold PORT COUNT smtp|imap [tls]
 *         opens COUNT connections: smtp to EHLO, imap logged in, selected and idle; prints `ready` and holds
 *         them until its standard input ends
 */
#include "bench.h"

#include "base/bytes.h"
#include "net/conn.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define MESSAGE_BYTES 4096
#define LINE_BYTES 64 /* of the message's text */

static int dial(const char *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(port)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        bench_die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static struct conn *open_conn(const char *port)
{
    int fd = dial(port);
    struct conn *c = conn_new(fd, fd);
    if (!c)
        bench_die("memory");
    conn_deadlines(c, PATIENCE_MS, 0);
    return c;
}

static void close_conn(struct conn *c)
{
    int fd = conn_read_fd(c);
    conn_free(c);
    close(fd);
}

/* Reads lines until one that begins with `last`; any other must begin with `more`. */
static void expect(struct conn *c, const char *last, const char *more)
{
    struct span line;
    do {
        if (conn_line(c, 8000, &line) != CONN_OK) {
            fprintf(stderr, "load: hung up while waiting for %s\n", last);
            exit(1);
        }
        if (span_starts(line, last))
            return;
    } while (more && span_starts(line, more));
    fprintf(stderr, "load: wanted %s, got %.*s\n", last, SPAN_FMT(line));
    exit(1);
}

static void say(struct conn *c, const char *line, const char *last, const char *more)
{
    conn_write_str(c, line);
    expect(c, last, more);
}

static void banners(const char *port, size_t count)
{
    double *times = calloc(count, sizeof *times);
    for (size_t i = 0; i < count; i++) {
        char greeting[512];
        double begin = bench_now();
        int fd = dial(port);
        if (read(fd, greeting, sizeof greeting) <= 0)
            bench_die("greeting");
        times[i] = bench_now() - begin;
        if (greeting[0] != '2' && greeting[0] != '*' && greeting[0] != '+') {
            fprintf(stderr, "load: no greeting: %.40s\n", greeting);
            exit(1);
        }
        close(fd);
    }
    double median = bench_median(times, count);
    printf("%.0f %.0f\n", median, count ? times[0] : 0);
    free(times);
}

static void one_connection(const char *port, const char *text, size_t count)
{
    struct conn *c = open_conn(port);
    expect(c, "220 ", "220-");
    say(c, "EHLO client.test\r\n", "250 ", "250-");
    for (size_t i = 0; i < count; i++) {
        conn_write_str(c, "MAIL FROM:<load@client.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n");
        expect(c, "250 ", NULL);
        expect(c, "250 ", NULL);
        expect(c, "354 ", NULL);
        say(c, text, "250 ", NULL);
    }
    say(c, "QUIT\r\n", "221 ", NULL);
    close_conn(c);
}

static char *message_text(size_t size)
{
    char *text = malloc(size + 256);
    if (!text)
        bench_die("memory");
    size_t n =
        (size_t)sprintf(text, "From: load@client.test\r\nTo: alice@example.test\r\nSubject: bench\r\n\r\n");
    while (n + LINE_BYTES < size) {
        memset(text + n, 'x', LINE_BYTES - 2);
        memcpy(text + n + LINE_BYTES - 2, "\r\n", 2);
        n += LINE_BYTES;
    }
    memcpy(text + n, ".\r\n", 4);
    return text;
}

static void messages(const char *port, size_t count, size_t workers, size_t size, size_t each)
{
    char *text = message_text(size);
    double begin = bench_now();
    for (size_t w = 0; w < workers; w++)
        if (fork() == 0) {
            for (size_t left = count / workers + (w < count % workers); left;) {
                size_t now = left < each ? left : each;
                one_connection(port, text, now);
                left -= now;
            }
            _exit(0);
        }
    int status;
    bool failed = false;
    while (wait(&status) > 0)
        failed |= status != 0;
    if (failed)
        exit(1);
    printf("%.2f\n", (double)count / (bench_now() - begin) * 1e6);
    free(text);
}

static struct conn *hold_smtp(const char *port, bool tls)
{
    struct conn *c = open_conn(port);
    expect(c, "220 ", "220-");
    say(c, "EHLO client.test\r\n", "250 ", "250-");
    if (tls) {
        say(c, "STARTTLS\r\n", "220 ", NULL);
        if (!tls_connect(c, "mail.example.test"))
            bench_die("TLS");
        say(c, "EHLO client.test\r\n", "250 ", "250-");
    }
    return c;
}

static void sessions(const char *port, size_t count, bool tls, bool login)
{
    for (size_t i = 0; i < count; i++) {
        struct conn *c = open_conn(port);
        if (tls && !tls_connect(c, "mail.example.test"))
            bench_die("TLS");
        expect(c, "* OK", NULL);
        say(c, login ? "a LOGIN bob@example.test bob-secret\r\n" : "a NOOP\r\n", "a OK", "* ");
        say(c, "b LOGOUT\r\n", "b OK", "* ");
        close_conn(c);
    }
}

static struct conn *hold_imap(const char *port, bool tls)
{
    struct conn *c = open_conn(port);
    expect(c, "* OK", NULL);
    if (tls) {
        say(c, "s STARTTLS\r\n", "s OK", "* ");
        if (!tls_connect(c, "mail.example.test"))
            bench_die("TLS");
    }
    say(c, "a LOGIN bob@example.test bob-secret\r\n", "a OK", "* ");
    say(c, "b SELECT INBOX\r\n", "b OK", "* ");
    say(c, "c IDLE\r\n", "+ ", "* ");
    return c;
}

static void hold(const char *port, size_t count, bool imap, bool tls)
{
    struct rlimit files = { 4096, 4096 };
    setrlimit(RLIMIT_NOFILE, &files);
    struct conn **held = calloc(count, sizeof *held);
    for (size_t i = 0; i < count; i++)
        held[i] = imap ? hold_imap(port, tls) : hold_smtp(port, tls);
    char byte;
    puts("ready");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    for (size_t i = 0; i < count; i++)
        close_conn(held[i]);
    free(held);
}

int main(int argc, char **argv)
{
    size_t count = argc > 3 ? (size_t)atoi(argv[3]) : 0;
    if (argc == 4 && strcmp(argv[1], "banner") == 0)
        banners(argv[2], count);
    else if ((argc == 5 || argc == 7) && strcmp(argv[1], "messages") == 0)
        messages(argv[2], count, (size_t)atoi(argv[4]), argc == 7 ? (size_t)atol(argv[5]) : MESSAGE_BYTES,
                 argc == 7 ? (size_t)atoi(argv[6]) : 1);
    else if (argc >= 5 && strcmp(argv[1], "sessions") == 0)
        sessions(argv[2], count, strcmp(argv[4], "imaps") == 0, argc > 5);
    else if (argc >= 5 && strcmp(argv[1], "hold") == 0)
        hold(argv[2], count, strcmp(argv[4], "imap") == 0, argc > 5);
    else
        return 64;
    return 0;
}
