/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The resolver's process and its guard: servers that are silent, fail, or answer something else; a resolver
 * that lies, and a guard that does.
 */
#include "tap.h"

#include "base/clock.h"
#include "net/resolver.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWERS, SILENT, FAILS, WRONG_ID, TWICE_LATE };

static struct resolver_answer answers[DNS_QUERIES];

/* --- a DNS server: each question gets an A record 127.0.0.N, N the length of its first label */

static void answer_one(int fd, int how, unsigned *heard)
{
    unsigned char packet[512];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(fd, packet, sizeof packet - 16, 0, (struct sockaddr *)&from, &size);
    if (n < 12 || how == SILENT || (how == TWICE_LATE && ++*heard < 2))
        return;
    size_t at = 12;
    while (at < (size_t)n && packet[at])
        at += packet[at] + 1u;
    at += 5; /* the root, type, class: the OPT record behind goes */
    const unsigned char record[16] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, packet[12] };
    memcpy(packet + at, record, sizeof record);
    packet[2] = 0x81;
    packet[3] = how == FAILS ? 0x82 : 0x80;
    packet[7] = how == FAILS ? 0 : 1;
    packet[11] = 0;
    if (how == WRONG_ID) {
        packet[0] = (unsigned char)~packet[0];
        sendto(fd, packet, at + sizeof record, 0, (struct sockaddr *)&from, size);
        packet[0] = (unsigned char)~packet[0];
    }
    sendto(fd, packet, at + sizeof record, 0, (struct sockaddr *)&from, size);
}

/* One that doesn't outlive us. */
static pid_t fork_child(void)
{
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static pid_t serve(int how, struct sockaddr_in6 *where)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof here;
    unsigned heard = 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&here, &size) != 0)
        abort();
    *where = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = here.sin_port };
    if (inet_pton(AF_INET6, "::ffff:127.0.0.1", &where->sin6_addr) != 1)
        abort();
    pid_t pid = fork_child();
    if (pid == 0)
        for (;;)
            answer_one(fd, how, &heard);
    close(fd);
    return pid;
}

/* --- a guard asks */

struct scene {
    struct dns_resolver resolver;
    uint64_t asked; /* so many messages of questions */
    pid_t servers[2], pid;
    int channel;
};

static void begin(struct scene *s, int first, int second)
{
    int pair[2];
    fflush(stdout);
    *s = (struct scene){ .resolver = { .count = second < 0 ? 1 : 2 } };
    s->servers[0] = serve(first, &s->resolver.servers[0]);
    s->servers[1] = second < 0 ? 0 : serve(second, &s->resolver.servers[1]);
    if (channel_pair(pair) != ST_OK)
        abort();
    s->pid = fork_child();
    if (s->pid == 0) {
        close(pair[0]);
        resolver_run(pair[1], &s->resolver);
        _exit(0);
    }
    close(pair[1]);
    s->channel = pair[0];
}

static void end(struct scene *s)
{
    int status;
    close(s->channel);
    waitpid(s->pid, &status, 0);
    ok(status == 0, "the resolver ends with its channel");
    for (int i = 0; i < 2; i++)
        if (s->servers[i]) {
            kill(s->servers[i], SIGKILL);
            waitpid(s->servers[i], NULL, 0);
        }
}

/* Asks for x.test, xx.test and so on, and returns how many were answered right. */
static size_t ask(struct scene *s, size_t count)
{
    static const char x[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    struct dns_query queries[DNS_QUERIES];
    size_t right = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(queries[i].name, sizeof queries[i].name, "%.*s.test", (int)i + 1, x);
        queries[i].type = DNS_A;
    }
    if (!resolver_ask(s->channel, ++s->asked, queries, count))
        return 99;
    resolver_wait(s->channel, s->asked, answers, count);
    for (size_t i = 0; i < count; i++)
        right += answers[i].status == ST_OK && answers[i].count == 1 &&
                 answers[i].records[0].address.s6_addr[15] == i + 1;
    return right;
}

static void servers(void)
{
    static const struct {
        const char *name;
        int first, second;
        size_t right;
        int64_t least, most;
    } rows[] = {
        { "a server", ANSWERS, -1, DNS_QUERIES, 0, 10000 },
        { "answers to something else before the right one", WRONG_ID, -1, DNS_QUERIES, 0, 10000 },
        { "a server that fails, and another", FAILS, ANSWERS, DNS_QUERIES, 0, 10000 },
        { "a silent server, and another", SILENT, ANSWERS, DNS_QUERIES, 900, 10000 },
        { "a server that only fails", FAILS, -1, 0, 0, 10000 },
        { "a silent server", SILENT, -1, 0, 1900, RESOLVER_MS + 10000 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        begin(&s, rows[i].first, rows[i].second);
        int64_t begun = clock_ms();
        size_t right = ask(&s, DNS_QUERIES);
        int64_t took = clock_ms() - begun;
        ok(right == rows[i].right && took >= rows[i].least && took <= rows[i].most,
           "%s: %zu answers in %lld ms", rows[i].name, right, (long long)took);
        end(&s);
    }
    struct scene s;
    begin(&s, TWICE_LATE, -1);
    ok(ask(&s, 1) == 1 && ask(&s, 3) == 3,
       "what is lost once is asked again; and more than one message of questions");
    struct dns_query none = { "", DNS_A };
    ok(resolver_ask(s.channel, ++s.asked, &none, 1), "a question for no name");
    resolver_wait(s.channel, s.asked, answers, 1);
    ok(answers[0].status == ST_NONE, "has the answer that there is nothing");
    ok(!resolver_ask(s.channel, ++s.asked, &none, DNS_QUERIES + 1), "too many questions aren't sent");
    ok(!resolver_ask(-1, 1, &none, 1), "nor is one where there is no resolver");
    end(&s);
}

/* What is put there is read from the beginning. */
static void start_reading(struct message *to)
{
    message_start(to, 0);
    to->at = to->len;
}

static void raw(void)
{
    struct message *to = malloc(sizeof *to);
    struct dns_query queries[2] = { { "x.test", DNS_A }, { "", DNS_A } };
    struct dns_answer *a = calloc(1, sizeof *a);
    struct scene s;
    uint64_t status, none;
    struct span bytes = SPAN("\0\0"), no_bytes;
    begin(&s, ANSWERS, -1);
    start_reading(to);
    ok(resolver_ask_raw(s.channel, 1, queries, 2), "two questions for raw answers");
    resolver_wait_raw(s.channel, 1, 2, to);
    bool good = message_get_u64(to, &status) && message_get(to, &bytes) && message_get_u64(to, &none) &&
                message_get(to, &no_bytes) && message_end(to);
    ok(good && status == ST_OK && none == ST_TEMP && !no_bytes.n, "have answers in their order");
    bytes_init(&a->raw, 1000);
    bytes_add_span(&a->raw, bytes);
    uint16_t id = (uint16_t)((unsigned char)bytes.p[0] << 8 | (unsigned char)bytes.p[1]);
    ok(dns_read(a, "x.test", DNS_A, id) == ST_OK && a->records[0].address.s6_addr[15] == 1,
       "that are DNS's own bytes");
    ok(resolver_ask(s.channel, 2, queries, 1), "a question of the other kind");
    start_reading(to);
    resolver_wait_raw(s.channel, 2, 1, to);
    ok(message_get_u64(to, &status) && status == ST_TEMP, "has no raw answer");
    s.asked = 2;
    ok(ask(&s, 3) == 3, "and then all is well");
    end(&s);
    dns_answer_free(a);
    free(a);
    free(to);
}

/* What a resolver may say of one question, and what it may not. */
static void raw_lies(void)
{
    static const struct {
        const char *name;
        uint64_t status;
        size_t n;
        bool good;
    } rows[] = {
        { "an answer", ST_OK, 40, true },
        { "one for which there was no room", ST_PERM, 0, true },
        { "the largest", ST_OK, RESOLVER_RAW_LIMIT, true },
        { "a larger one", ST_OK, RESOLVER_RAW_LIMIT + 1, false },
        { "a failure with bytes", ST_TEMP, 40, false },
        { "an answer without", ST_OK, 0, false },
        { "no status", 4, 0, false },
    };
    struct message *m = malloc(sizeof *m), *to = malloc(sizeof *to);
    static char bytes[RESOLVER_RAW_LIMIT + 1];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int pair[2];
        uint64_t status;
        struct span got;
        if (channel_pair(pair) != ST_OK)
            abort();
        message_start(m, 4);
        message_put_u64(m, 7);
        message_put_u64(m, rows[i].status);
        message_put(m, (struct span){ bytes, rows[i].n });
        channel_send(pair[1], m);
        start_reading(to);
        resolver_wait_raw(pair[0], 7, 1, to);
        bool got_it = message_get_u64(to, &status) && message_get(to, &got) && message_end(to);
        ok(got_it &&
               (rows[i].good ? status == rows[i].status && got.n == rows[i].n : status == ST_TEMP && !got.n),
           "raw answers: %s", rows[i].name);
        close(pair[0]);
        close(pair[1]);
    }
    free(m);
    free(to);
}

/* Who gave up waiting for the first answer asks again before it comes. */
static void late(void)
{
    struct scene s;
    struct dns_query first = { "x.test", DNS_A }, second = { "xx.test", DNS_A };
    begin(&s, ANSWERS, -1);
    ok(resolver_ask(s.channel, 1, &first, 1) && resolver_ask(s.channel, 2, &second, 1), "two questions");
    resolver_wait(s.channel, 2, answers, 1);
    ok(answers[0].status == ST_OK && answers[0].records[0].address.s6_addr[15] == 2,
       "a late answer isn't taken for the next question's");
    s.asked = 2;
    ok(ask(&s, 3) == 3, "and then all is well");
    end(&s);
}

/* --- lies */

static void guard_lies(void)
{
    struct message *m = malloc(sizeof *m);
    for (int i = 0; i < 5; i++) {
        struct scene s;
        begin(&s, ANSWERS, -1);
        message_start(m, i == 0 ? 7 : 1);
        message_put_u64(m, 1);
        message_put_u64(m, i == 1 ? DNS_QUERIES + 1 : i == 2 ? 2 : 1);
        if (i == 3)
            message_put(m, (struct span){ (char[300]){ 'a' }, 300 });
        else
            message_put_str(m, "a.test");
        message_put_u64(m, i == 4 ? 70000 : DNS_A);
        ok(channel_send(s.channel, m) && !channel_receive(s.channel, m, 5000),
           "a message that is none ends it, %d", i);
        end(&s);
    }
    free(m);
}

static void put_record(struct message *m, size_t octets, const char *text)
{
    static const char zeroes[64];
    message_put(m, (struct span){ zeroes, octets });
    message_put_str(m, text);
}

static void resolver_lies(void)
{
    static char text[RESOLVER_TEXT_LIMIT + 2];
    struct message *m = malloc(sizeof *m);
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 9; i++) {
        int pair[2];
        if (channel_pair(pair) != ST_OK)
            abort();
        message_start(m, i == 1 ? 3 : 2);
        message_put_u64(m, 5);
        message_put_u64(m, i == 2 ? 9 : ST_OK);
        message_put_u64(m, i == 3 ? RESOLVER_RECORDS + 1 : i == 4 ? 0 : 1);
        put_record(m, i == 5 ? 4 : 16, i == 6 ? text : "x.test");
        if (i == 7)
            message_put_str(m, "more");
        if (i == 8)
            close(pair[1]);
        else
            channel_send(pair[1], m);
        memset(answers, 0xff, sizeof answers);
        resolver_wait(pair[0], 5, answers, 1);
        ok(i == 0 ? answers[0].status == ST_OK && answers[0].count == 1
                  : answers[0].status == ST_TEMP && answers[0].count == 0,
           "what a resolver says is %s, %d", i ? "no answer" : "an answer", i);
        close(pair[0]);
        if (i != 8)
            close(pair[1]);
    }
    resolver_wait(-1, 5, answers, 2);
    ok(answers[1].status == ST_TEMP, "without one nothing is known");
    free(m);
}

/* Who asks one question after the other waits for a silent server once. */
static void one_by_one(void)
{
    static struct dns_answer answer;
    struct dns_resolver r = { .count = 2 };
    size_t last = 0;
    int64_t begun;
    fflush(stdout);
    pid_t servers[2] = { serve(SILENT, &r.servers[0]), serve(ANSWERS, &r.servers[1]) };
    r.answers = &last;
    begun = clock_ms();
    ok(dns_ask(&r, "xx.test", DNS_A, &answer) == ST_OK && last == 1, "the second server answers");
    ok(clock_ms() - begun >= 1000, "after the first one was waited for");
    dns_answer_free(&answer);
    begun = clock_ms();
    ok(dns_ask(&r, "xxx.test", DNS_A, &answer) == ST_OK && answer.records[0].address.s6_addr[15] == 3,
       "it answers");
    ok(clock_ms() - begun < 4000, "the next question at once"); /* or it would wait for 5 s */
    dns_answer_free(&answer);
    for (int i = 0; i < 2; i++) {
        kill(servers[i], SIGKILL);
        waitpid(servers[i], NULL, 0);
    }
    last = 0;
    ok(dns_ask(&r, "x.test", DNS_A, &answer) == ST_TEMP && last == 0, "nobody there: nothing is learnt");
    dns_answer_free(&answer);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    servers();
    late();
    raw();
    raw_lies();
    guard_lies();
    resolver_lies();
    one_by_one();
    return done_testing();
}
