/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A compressed connection: nothing waits inside, everything arrives, and what a client's bytes may grow to
 * stays within conn's bounds. The far end is zlib itself.
 */
#include "tap.h"

#include "base/clock.h"
#include "net/deflate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#define BOMB (64u << 20)
#define BOMB_RESIDENT 4096 /* KiB that it may cost */

static int far; /* the client's end */

static struct conn *fresh(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        abort();
    far = pair[1];
    return conn_new(pair[0], pair[0]);
}

static struct conn *fresh_deflated(void)
{
    struct conn *c = fresh();
    struct deflate *d = deflate_new();
    if (!d)
        abort();
    deflate_start(c, d);
    return c;
}

static void drop(struct conn *c)
{
    close(conn_read_fd(c));
    close(far);
    conn_free(c);
}

static void say(const void *data, size_t n)
{
    if (send(far, data, n, 0) != (ssize_t)n)
        abort();
}

/* One deflate stream of the client's. */
static void client(z_stream *z, int level)
{
    *z = (z_stream){ 0 };
    if (deflateInit2(z, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
}

static void say_deflated(z_stream *z, const void *data, size_t n, int flush)
{
    unsigned char out[65536];
    z->next_in = (unsigned char *)(uintptr_t)data;
    z->avail_in = (unsigned)n;
    do {
        z->next_out = out;
        z->avail_out = sizeof out;
        deflate(z, flush);
        say(out, sizeof out - z->avail_out);
    } while (z->avail_out == 0);
}

static void fill(char *text, size_t n, bool random)
{
    static const char line[] = "* 1 FETCH (FLAGS (\\Seen))\r\n";
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        text[i] = random ? (char)(x >> 24) : line[i % (sizeof line - 1)];
    }
}

static void round_trip(void)
{
    static const size_t sizes[] = { 1, CONN_OUTPUT - 1, CONN_OUTPUT, 3 * CONN_OUTPUT + 17, 5u << 20 };
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        struct conn *c = fresh_deflated();
        size_t n = sizes[i / 2], at = 0;
        char *text = malloc(n);
        if (!text)
            abort();
        fill(text, n, i % 2);
        if (fork() == 0) {
            z_stream z;
            client(&z, 6);
            close(conn_read_fd(c));
            say_deflated(&z, text, n, Z_SYNC_FLUSH);
            _exit(0);
        }
        struct span have;
        bool same = true;
        while (at < n && same && conn_peek(c, &have) == CONN_OK) {
            same = have.n <= n - at && memcmp(have.p, text + at, have.n) == 0;
            at += have.n;
            conn_take(c, have.n);
        }
        ok(same && at == n, "%zu %s bytes from the client", n, i % 2 ? "random" : "repeated");
        wait(NULL);
        free(text);
        drop(c);
    }
}

static bool inflates_to(const char *text, size_t n)
{
    z_stream z = { 0 };
    if (inflateInit2(&z, -15) != Z_OK)
        abort();
    size_t at = 0;
    bool same = true;
    while (at < n && same) {
        unsigned char in[5000], out[8000];
        ssize_t got = recv(far, in, sizeof in, 0);
        if (got <= 0)
            break;
        z.next_in = in;
        z.avail_in = (unsigned)got;
        do {
            z.next_out = out;
            z.avail_out = sizeof out;
            inflate(&z, Z_SYNC_FLUSH);
            size_t made = sizeof out - z.avail_out;
            same = same && made <= n - at && memcmp(out, text + at, made) == 0;
            at += made;
        } while (z.avail_out == 0);
    }
    inflateEnd(&z);
    return same && at == n;
}

static void output(void)
{
    static const size_t sizes[] = { 1, 10, CONN_OUTPUT - 1, CONN_OUTPUT, 3 * CONN_OUTPUT + 17, 5u << 20 };
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        struct conn *c = fresh_deflated();
        size_t n = sizes[i / 2];
        char *text = malloc(n);
        if (!text)
            abort();
        fill(text, n, i % 2);
        if (fork() == 0) {
            close(far);
            conn_write(c, text, 1);
            conn_write(c, text + 1, n - 1);
            conn_wait(c, -1, 10000); /* flushes, and holds the connection open: nothing comes of its end */
            _exit(0);
        }
        ok(inflates_to(text, n), "%zu %s bytes to the client, all of them when it waits", n,
           i % 2 ? "random" : "repeated");
        drop(c);
        wait(NULL);
        free(text);
    }
}

static long resident_most(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss;
}

static void bomb(void)
{
    struct conn *c = fresh_deflated();
    struct span have;
    size_t total = 0, most = 0;
    if (fork() == 0) {
        static const char zeros[65536];
        z_stream z;
        client(&z, 9);
        close(conn_read_fd(c));
        for (size_t i = 0; i < BOMB / sizeof zeros; i++)
            say_deflated(&z, zeros, sizeof zeros, Z_NO_FLUSH);
        say_deflated(&z, "\r\nNOOP\r\n", 8, Z_SYNC_FLUSH);
        _exit(0);
    }
    long before = resident_most();
    while (total < BOMB && conn_peek(c, &have) == CONN_OK) {
        most = have.n > most ? have.n : most;
        if (have.n > BOMB - total)
            have.n = BOMB - total;
        total += have.n;
        conn_take(c, have.n);
    }
    ok(total == BOMB && most <= CONN_BUFFER, "64 MiB that came in 64 KiB are never held at once");
    ok(resident_most() - before < BOMB_RESIDENT, "nor do they take memory");
    ok(conn_line(c, 20, &have) == CONN_OK && have.n == 0 && conn_line(c, 20, &have) == CONN_OK &&
           span_eq_str(have, "NOOP"),
       "what stands behind them is read");
    wait(NULL);
    drop(c);
}

static void long_line(void)
{
    struct conn *c = fresh_deflated();
    struct span line;
    if (fork() == 0) {
        static char text[1000000];
        z_stream z;
        client(&z, 9);
        close(conn_read_fd(c));
        memset(text, 'x', sizeof text);
        say_deflated(&z, text, sizeof text, Z_NO_FLUSH);
        say_deflated(&z, "\r\nNOOP\r\n", 8, Z_SYNC_FLUSH);
        _exit(0);
    }
    ok(conn_line(c, 512, &line) == CONN_TOO_LONG, "a line of a megabyte is too long");
    ok(conn_line(c, 512, &line) == CONN_OK && span_eq_str(line, "NOOP"), "the next one is whole");
    wait(NULL);
    drop(c);
}

static void waiting(void)
{
    struct conn *c = fresh_deflated();
    struct span line;
    z_stream z;
    client(&z, 6);
    ok(conn_wait(c, -1, 0) == 0, "nothing is there");
    say("\0\0\0\xff\xff", 5);
    int64_t before = clock_ms();
    ok(conn_wait(c, -1, 100) == 0 && clock_ms() - before >= 95, "an empty block is nothing either");
    say_deflated(&z, "a\r\nb\r\n", 6, Z_SYNC_FLUSH);
    ok(conn_wait(c, -1, 5000) == CONN_INPUT && conn_wait(c, -1, 5000) == CONN_INPUT, "two lines are");
    ok(conn_line(c, 20, &line) == CONN_OK && conn_wait(c, -1, 0) == CONN_INPUT, "one of two is");
    ok(conn_line(c, 20, &line) == CONN_OK && conn_wait(c, -1, 0) == 0, "then there is nothing more");
    conn_deadlines(c, 50, 0);
    say_deflated(&z, "half a line", 11, Z_SYNC_FLUSH);
    ok(conn_line(c, 20, &line) == CONN_TIMEOUT, "silence ends in a timeout");
    deflateEnd(&z);
    drop(c);
}

static void taken_along(void)
{
    struct conn *c = fresh();
    struct span line;
    z_stream z;
    client(&z, 6);
    say("COMPRESS\r\n", 10);
    say_deflated(&z, "NOOP\r\nLOGOUT\r\n", 14, Z_SYNC_FLUSH);
    ok(conn_line(c, 20, &line) == CONN_OK && conn_pending(c).n > 0 && !deflate_is_on(c),
       "bytes came with the command");
    deflate_start(c, deflate_new());
    ok(deflate_is_on(c) && conn_wait(c, -1, 0) == CONN_INPUT, "compressed, and they are input");
    ok(conn_line(c, 20, &line) == CONN_OK && span_eq_str(line, "NOOP") &&
           conn_line(c, 20, &line) == CONN_OK && span_eq_str(line, "LOGOUT"),
       "as what they were");
    deflateEnd(&z);
    drop(c);
}

static void ends(void)
{
    static const struct {
        const char *name;
        struct span input;
        bool line; /* NOOP comes first */
    } rows[] = {
        { "a block of the reserved kind", { "\x07", 1 }, false },
        { "a stored block whose length is wrong", { "\x00\x05\x00\x00\x00", 5 }, false },
        { "a distance before the start", { "\x4b\x04\x12\x00", 4 }, false },
        { "the same behind a line",
          { "\x00\x06\x00\xf9\xff"
            "NOOP\r\n"
            "\x07",
            12 },
          true },
        { "the end of the stream",
          { "\x01\x06\x00\xf9\xff"
            "NOOP\r\n"
            "NOOP\r\n",
            17 },
          true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct conn *c = fresh_deflated();
        struct span line;
        say(rows[i].input.p, rows[i].input.n);
        conn_deadlines(c, 2000, 0);
        ok(!rows[i].line || (conn_line(c, 20, &line) == CONN_OK && span_eq_str(line, "NOOP")),
           "%s: what came before", rows[i].name);
        ok(conn_line(c, 20, &line) == CONN_GONE && conn_wait(c, -1, 5000) == CONN_INPUT, "%s: gone",
           rows[i].name);
        drop(c);
    }
}

static void empty_blocks(void)
{
    struct conn *c = fresh_deflated();
    struct span line;
    if (fork() == 0) {
        static char blocks[5 * 100000];
        close(conn_read_fd(c));
        for (size_t i = 0; i < sizeof blocks; i += 5)
            memcpy(blocks + i, "\0\0\0\xff\xff", 5);
        send(far, blocks, sizeof blocks, MSG_NOSIGNAL);
        _exit(0);
    }
    close(far);
    ok(conn_line(c, 20, &line) == CONN_GONE, "empty blocks without end are an end");
    close(conn_read_fd(c));
    conn_free(c);
    wait(NULL);
}

int main(void)
{
    round_trip();
    output();
    bomb();
    long_line();
    waiting();
    taken_along();
    ends();
    empty_blocks();
    return done_testing();
}
