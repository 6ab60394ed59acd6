/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines, deadlines, flushing and sticky errors of a connection, over a socket pair.
 */
#include "tap.h"

#include "base/clock.h"
#include "net/conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int far; /* the client's end */

static struct conn *fresh(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        abort();
    far = pair[1];
    return conn_new(pair[0], pair[0]);
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

static void lines(void)
{
    static const struct {
        const char *name;
        struct span input;
        enum conn_result result;
        const char *line; /* of CONN_OK */
        const char *next; /* the line behind it, that must not suffer */
    } rows[] = {
        { "a line", { "NOOP\r\nnext\r\n", 12 }, CONN_OK, "NOOP", "next" },
        { "an empty line", { "\r\nnext\r\n", 8 }, CONN_OK, "", "next" },
        { "a lone LF", { "NOOP\nnext\r\n", 11 }, CONN_BARE, NULL, "next" },
        { "a CR inside", { "NO\rOP\r\nnext\r\n", 13 }, CONN_BARE, NULL, "next" },
        { "a NUL", { "NO\0OP\r\nnext\r\n", 13 }, CONN_NUL, NULL, "next" },
        { "exactly the maximum",
          { "12345678901234567890\r\nnext\r\n", 28 },
          CONN_OK,
          "12345678901234567890",
          "next" },
        { "one over", { "123456789012345678901\r\nnext\r\n", 29 }, CONN_TOO_LONG, NULL, "next" },
        { "far over",
          { "12345678901234567890123456789012345678901234567890\r\nnext\r\n", 58 },
          CONN_TOO_LONG,
          NULL,
          "next" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct conn *c = fresh();
        struct span line;
        say(rows[i].input.p, rows[i].input.n);
        enum conn_result r = conn_line(c, 20, &line);
        ok(r == rows[i].result && (r != CONN_OK || span_eq_str(line, rows[i].line)), "%s", rows[i].name);
        r = conn_line(c, 20, &line);
        ok(r == CONN_OK && span_eq_str(line, rows[i].next), "%s: the next line is whole", rows[i].name);
        drop(c);
    }
}

static void one_byte_at_a_time(void)
{
    struct conn *c = fresh();
    struct span line;
    static const char text[] = "EHLO client.test\r\n";
    if (fork() == 0) {
        for (size_t i = 0; i < sizeof text - 1; i++)
            say(text + i, 1);
        _exit(0);
    }
    ok(conn_line(c, 512, &line) == CONN_OK && span_eq_str(line, "EHLO client.test"),
       "a line that comes byte by byte");
    drop(c);
}

static void output_waits(void)
{
    struct conn *c = fresh();
    struct span line;
    char got[64];
    say("a\r\nb\r\n", 6);
    conn_line(c, 20, &line);
    conn_write_str(c, "1\r\n");
    conn_line(c, 20, &line);
    conn_write_str(c, "2\r\n");
    ok(recv(far, got, sizeof got, MSG_DONTWAIT) < 0, "replies to pipelined commands wait for each other");
    ok(!(conn_wait(c, -1, 0) & CONN_INPUT), "nothing more is there");
    ok(recv(far, got, sizeof got, MSG_DONTWAIT) == 6 && memcmp(got, "1\r\n2\r\n", 6) == 0,
       "and they left together when input would block");
    shutdown(far, SHUT_WR);
    ok(conn_line(c, 20, &line) == CONN_GONE && conn_is_gone(c), "the end of input is CONN_GONE");
    ok(conn_line(c, 20, &line) == CONN_GONE, "for good");
    drop(c);
}

static void deadlines(void)
{
    struct conn *c = fresh();
    struct span line;
    char got[64];
    conn_deadlines(c, 50, 0);
    say("half a line", 11);
    int64_t before = clock_ms();
    ok(conn_line(c, 20, &line) == CONN_TIMEOUT, "silence ends in a timeout");
    ok(clock_ms() - before >= 45 && clock_ms() - before < 5000, "after the time that was set");
    ok(conn_line(c, 20, &line) == CONN_TIMEOUT, "which is sticky");
    conn_write_str(c, "421 bye\r\n");
    conn_deadlines(c, 60000, 0);
    before = clock_ms();
    ok(conn_line(c, 20, &line) == CONN_TIMEOUT && clock_ms() - before < 20000, "and isn't waited for again");
    ok(conn_flush(c) && recv(far, got, sizeof got, MSG_DONTWAIT) == 9, "but one can still say goodbye");
    drop(c);
}

static void numbers(void)
{
    struct conn *c = fresh();
    char got[64];
    conn_write_u64(c, 0);
    conn_write_str(c, " ");
    conn_write_u64(c, 1209600);
    conn_write_str(c, " ");
    conn_write_u64(c, UINT64_MAX);
    ok(conn_flush(c) && recv(far, got, sizeof got, MSG_DONTWAIT) == 30 &&
           memcmp(got, "0 1209600 18446744073709551615", 30) == 0,
       "numbers are decimal");
    drop(c);
}

static void writes_fail(void)
{
    struct conn *c = fresh();
    struct span line;
    say("x\r\n", 3);
    close(far);
    far = -1;
    conn_write_str(c, "hello\r\n");
    ok(!conn_flush(c), "a failed write is seen");
    conn_write_str(c, "more\r\n");
    ok(!conn_flush(c) && conn_line(c, 20, &line) == CONN_GONE, "and sticky for writes and reads");
    close(conn_read_fd(c));
    conn_free(c);
}

static void unread(void)
{
    struct conn *c = fresh();
    struct span line, have;
    say("world\r\n", 7);
    conn_peek(c, &have);
    ok(have.n == 7 && conn_unread(c, SPAN("hello ")), "bytes can be put back in front");
    ok(conn_line(c, 20, &line) == CONN_OK && span_eq_str(line, "hello world"), "and are read first");
    drop(c);
}

static void large_output(void)
{
    struct conn *c = fresh();
    size_t n = 3 * CONN_OUTPUT + 17, total = 0;
    char *big = malloc(n);
    if (!big)
        abort();
    memset(big, 'x', n);
    if (fork() == 0) {
        conn_write(c, "a", 1);
        conn_write(c, big, n);
        conn_write(c, "b", 1);
        _exit(!conn_flush(c));
    }
    close(conn_read_fd(c));
    char piece[5000], last = 0;
    for (ssize_t got; (got = read(far, piece, sizeof piece)) > 0; last = piece[got - 1])
        total += (size_t)got;
    ok(total == n + 2 && last == 'b', "output larger than the buffer arrives whole and in order");
    close(far);
    conn_free(c);
    free(big);
}

int main(void)
{
    lines();
    one_byte_at_a_time();
    output_waits();
    deadlines();
    numbers();
    writes_fail();
    unread();
    large_output();
    return done_testing();
}
