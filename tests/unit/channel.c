/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages between processes: what is put is got, and nothing malformed gets through; the guard's loop ends
 * at the first untimely word.
 */
#include "tap.h"

#include "net/guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct message m; /* large */

static void round_trip(int a, int b)
{
    uint64_t n;
    struct span s;
    char text[8];
    message_start(&m, 77);
    message_put_u64(&m, 1ull << 63);
    message_put(&m, SPAN("a\0b"));
    message_put_str(&m, "word");
    ok(channel_send(a, &m) && channel_receive(b, &m, 1000) && m.verb == 77 && m.fd == -1,
       "a message arrives");
    ok(message_get_u64(&m, &n) && n == 1ull << 63, "with its number");
    ok(message_get(&m, &s) && s.n == 3 && memcmp(s.p, "a\0b", 3) == 0, "its bytes");
    ok(!message_end(&m), "and is not done before its last field");
    ok(message_get_str(&m, text, sizeof text) && strcmp(text, "word") == 0 && message_end(&m),
       "its string, and its end");
    ok(!message_get(&m, &s) && !message_end(&m), "a field too many is bad, for good");
}

static void malformed(int a, int b)
{
    static const struct { const char *name; unsigned char bytes[16]; size_t n; } rows[] = {
        { "a length past the end", { 1, 0, 0, 0, 9, 0, 0, 0, 'x' }, 9 },
        { "a length of 4 GiB", { 1, 0, 0, 0, 255, 255, 255, 255, 'x' }, 9 },
        { "half a length", { 1, 0, 0, 0, 1, 0 }, 6 },
    };
    struct span s;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        send(a, rows[i].bytes, rows[i].n, 0);
        ok(channel_receive(b, &m, 1000) && !message_get(&m, &s) && !message_end(&m), "%s", rows[i].name);
    }
    send(a, "abc", 3, 0);
    ok(!channel_receive(b, &m, 1000), "less than a verb");
    char text[4];
    message_start(&m, 1);
    message_put_str(&m, "too long");
    channel_send(a, &m);
    ok(channel_receive(b, &m, 1000) && !message_get_str(&m, text, sizeof text) && m.bad,
       "a string that doesn't fit");
    message_start(&m, 1);
    message_put(&m, SPAN("a\0b"));
    channel_send(a, &m);
    ok(channel_receive(b, &m, 1000) && !message_get_str(&m, text, sizeof text), "a string with a NUL");
    ok(!channel_receive(b, &m, 10), "nothing comes: too late");
}

static void bounds(int a, int b)
{
    char *big = calloc(1, CHANNEL_PACKET + 64);
    if (!big)
        abort();
    message_start(&m, 1);
    message_put(&m, (struct span){ big, CHANNEL_PACKET });
    ok(m.bad && !channel_send(a, &m), "a field larger than a packet isn't sent");
    message_start(&m, 1);
    message_put(&m, (struct span){ big, CHANNEL_PIECE });
    ok(channel_send(a, &m) && channel_receive(b, &m, 1000) && m.len == CHANNEL_PIECE + 8,
       "a piece of 64 KiB is");
    ok(send(a, big, CHANNEL_PACKET + 64, 0) > 0 && !channel_receive(b, &m, 1000),
       "an oversized packet is refused");
    free(big);
}

static void descriptor(int a, int b)
{
    int ends[2];
    char c = 0;
    if (pipe(ends) != 0)
        abort();
    message_start(&m, 5);
    m.fd = ends[1];
    ok(channel_send(a, &m) && channel_receive(b, &m, 1000) && m.fd >= 0 && m.fd != ends[1],
       "a descriptor comes along");
    ok(write(m.fd, "x", 1) == 1 && read(ends[0], &c, 1) == 1 && c == 'x', "and works");
    close(m.fd);
    close(ends[0]);
    close(ends[1]);
}

enum { FIRST = GUARD_OWN, SECOND };

static enum guard_next run_first(struct guard *g, struct message *request)
{
    if (!message_end(request))
        return GUARD_END;
    g->state = 2;
    message_start(request, 0);
    return GUARD_REPLY;
}

static enum guard_next run_second(struct guard *g, struct message *request)
{
    (void)g;
    message_start(request, 0);
    return GUARD_DONE;
}

static const struct guard_verb verbs[] = {
    { FIRST, 1, "first", run_first },
    { SECOND, 2, "second", run_second },
    { 0, 0, NULL, NULL },
};

/* Plays verbs to a guard; how many it answered. */
static int answered(const unsigned *play, size_t count, const char *extra)
{
    int pair[2], got = 0;
    if (channel_pair(pair) != ST_OK)
        abort();
    pid_t guard = fork();
    if (guard == 0) {
        close(pair[0]);
        struct guard g = { .channel = pair[1], .state = 1, .peer = "test" };
        close(STDERR_FILENO);
        _exit(guard_loop(&g, verbs));
    }
    close(pair[1]);
    for (size_t i = 0; i < count; i++) {
        message_start(&m, play[i]);
        if (extra)
            message_put_str(&m, extra);
        if (!channel_call(pair[0], &m))
            break;
        got++;
    }
    close(pair[0]);
    waitpid(guard, NULL, 0);
    return got;
}

int main(void)
{
    int pair[2];
    if (channel_pair(pair) != ST_OK)
        abort();
    round_trip(pair[0], pair[1]);
    malformed(pair[0], pair[1]);
    bounds(pair[0], pair[1]);
    descriptor(pair[0], pair[1]);
    ok(answered((unsigned[]){ FIRST, SECOND, FIRST }, 3, NULL) == 2,
       "the guard answers in order, and is done");
    ok(answered((unsigned[]){ SECOND, FIRST }, 2, NULL) == 0, "an untimely verb ends it");
    ok(answered((unsigned[]){ FIRST, FIRST }, 2, NULL) == 1, "so does a step taken twice");
    ok(answered((unsigned[]){ 4711 }, 1, NULL) == 0, "and an unknown verb");
    ok(answered((unsigned[]){ FIRST }, 1, "more") == 0, "and a field too many");
    ok(answered((unsigned[]){ GUARD_SIGN }, 1, NULL) == 0, "and a malformed signature request");
    close(pair[0]);
    ok(!channel_receive(pair[1], &m, 1000), "the other side has gone");
    return done_testing();
}
