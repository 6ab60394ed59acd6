/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * BDAT when memory runs out for what it brings: the chunk is lost, so the connection ends, and no later chunk
 * is taken for the whole message. A guard that agrees to everything says whether a message was handed over.
 * The sanitizers have an allocator of their own, under which nothing is refused.
 */
#include "../../bin/smtpd/incoming.h"
#include "tap.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char said[] = "EHLO client.test\r\nMAIL FROM:<a@far.test>\r\nRCPT TO:<alice@example.test>\r\n"
                           "BDAT 14\r\nSubject: one\r\nBDAT 10 LAST\r\n\r\nsecond\r\nQUIT\r\n";

#if !defined(__SANITIZE_ADDRESS__)
static bool refuse; /* what BDAT keeps its message in, once */

extern void *__libc_malloc(size_t n);

void *malloc(size_t n)
{
    if (!refuse || n != sizeof(struct incoming))
        return __libc_malloc(n);
    refuse = false;
    return NULL;
}
#endif

struct agreeing {
    int channel;
    unsigned commits;
    struct message m;
};

static void *agree(void *arg)
{
    struct agreeing *g = arg;
    while (channel_receive(g->channel, &g->m, -1)) {
        unsigned verb = g->m.verb;
        if (verb != VERB_MAIL && verb != VERB_RCPT && verb != VERB_AUTHOR && verb != VERB_COMMIT)
            continue;
        g->commits += verb == VERB_COMMIT;
        message_start(&g->m, 0);
        message_put_u64(&g->m, VERDICT_OK);
        if (verb == VERB_MAIL)
            message_put_u64(&g->m, 0);
        if (verb == VERB_COMMIT)
            message_put_str(&g->m, "ID");
        channel_send(g->channel, &g->m);
    }
    return NULL;
}

/* What the server said to `said`; how many messages it handed over. */
static unsigned play(char *output, size_t room)
{
    static char hostname[] = "mail.example.test";
    static struct settings settings = { .message_size = 8000, .timeout = 60, .hostname = hostname };
    static const struct service service = { .name = "smtpd", .unavailable = "421 4.3.0 later\r\n" };
    static struct message message;
    struct serving serving = { .service = &service, .settings = &settings, .message = &message };
    struct agreeing g = { .commits = 0 };
    int client[2], channel[2];
    pthread_t thread;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, client) != 0 || channel_pair(channel) != ST_OK ||
        write(client[1], said, sizeof said - 1) != sizeof said - 1)
        abort();
    g.channel = channel[1];
    serving.channel = channel[0];
    serving.conn = conn_new(client[0], client[0]);
    if (!serving.conn || pthread_create(&thread, NULL, agree, &g) != 0)
        abort();
    session_run(&serving);
    conn_free(serving.conn);
    close(client[0]);
    close(channel[0]);
    pthread_join(thread, NULL);
    size_t n = 0;
    for (ssize_t got; n < room - 1 && (got = read(client[1], output + n, room - 1 - n)) > 0;)
        n += (size_t)got;
    output[n] = '\0';
    close(client[1]);
    close(channel[1]);
    return g.commits;
}

int main(void)
{
    char output[4096];
    unsigned commits = play(output, sizeof output);
    ok(commits == 1 && strstr(output, "250 2.0.0 14 bytes\r\n") && strstr(output, "221 "),
       "with memory the chunks are a message: %s", output);
#if !defined(__SANITIZE_ADDRESS__)
    refuse = true;
    commits = play(output, sizeof output);
    const char *end = strstr(output, "421 4.3.0 Internal error, try again later\r\n");
    ok(!refuse && commits == 0, "without, nothing is handed over");
    ok(end && strcmp(strchr(end, '\n'), "\n") == 0, "and the connection ends: %s", output);
#endif
    return done_testing();
}
