/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Many questions at once, for who can wait only so long in all; see dns.h. Each has a socket and an ID of its
 * own, as with dns_ask(), and a new one for each try, so answers from elsewhere never reach us. An answer
 * that was cut is fetched over TCP while the others wait, which their servers' answers survive in their
 * sockets.
 */
#include "net/dns_private.h"
#include "base/clock.h"
#include "base/files.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define TRY_MS 1000

struct asking {
    const struct dns_query *query;
    int fd; /* -1: no try is under way */
    uint16_t id;
    unsigned tries;
    int64_t next; /* when to try again */
    bool finished;
};

struct many {
    const struct dns_resolver *resolver;
    struct asking list[DNS_QUERIES];
    size_t count, left;
    int64_t until;
    struct dns_answer answer; /* of the one that is read */
    void (*done)(void *arg, size_t i, enum status st, const struct dns_answer *answer);
    void *arg;
};

static void finish(struct many *m, struct asking *a, enum status st)
{
    file_close(a->fd);
    a->fd = -1;
    a->finished = true;
    m->left--;
    if (st != ST_OK)
        m->answer.count = 0;
    m->done(m->arg, (size_t)(a - m->list), st, &m->answer);
}

static const struct sockaddr_in6 *server_of(const struct many *m, const struct asking *a)
{
    return &m->resolver->servers[(a->tries - 1) % m->resolver->count];
}

/* To the next server. After each has failed twice there is no answer. */
static void try_next(struct many *m, struct asking *a)
{
    struct bytes question;
    file_close(a->fd);
    a->fd = -1;
    if (a->tries++ >= 2 * m->resolver->count) {
        finish(m, a, ST_TEMP);
        return;
    }
    a->id = (uint16_t)random_u64();
    a->next = clock_ms() + TRY_MS;
    bytes_init(&question, QUESTION_LIMIT);
    enum status st = dns_question(a->query->name, a->query->type, a->id, &question);
    if (st == ST_OK && (a->fd = dns_open_socket(server_of(m, a), SOCK_DGRAM)) >= 0 &&
        send(a->fd, question.data, question.len, MSG_NOSIGNAL) < 0)
        a->next = 0; /* nobody listens there */
    bytes_free(&question);
    if (st == ST_PERM) {
        bytes_clear(&m->answer.raw);
        finish(m, a, ST_NONE); /* no domain name: nothing is there */
    }
}

static bool take_datagram(struct many *m, const struct asking *a)
{
    struct bytes *raw = &m->answer.raw;
    bytes_clear(raw);
    if (!bytes_reserve(raw, DNS_ANSWER_LIMIT))
        return false;
    ssize_t n = recv(a->fd, raw->data, DNS_ANSWER_LIMIT, 0);
    raw->len = n > 0 ? (size_t)n : 0;
    raw->data[raw->len] = '\0';
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static bool fetch_rest(struct many *m, const struct asking *a)
{
    struct bytes question;
    bytes_init(&question, QUESTION_LIMIT);
    bool good = dns_question(a->query->name, a->query->type, a->id, &question) == ST_OK &&
                dns_ask_tcp(server_of(m, a), span_bytes(&question), m->until, &m->answer.raw);
    bytes_free(&question);
    return good;
}

static void read_one(struct many *m, struct asking *a)
{
    if (!take_datagram(m, a)) {
        try_next(m, a);
        return;
    }
    if (!dns_is_for(span_bytes(&m->answer.raw), a->id))
        return;
    enum status st = ST_TEMP;
    if (!dns_is_truncated(span_bytes(&m->answer.raw)) || fetch_rest(m, a))
        st = dns_read(&m->answer, a->query->name, a->query->type, a->id);
    if (st == ST_TEMP)
        try_next(m, a);
    else
        finish(m, a, st);
}

/* Waits for the first answer, or the first that is to be asked again. */
static void wait_once(struct many *m)
{
    struct pollfd p[DNS_QUERIES];
    int64_t now = clock_ms(), wake = m->until;
    for (size_t i = 0; i < m->count; i++) {
        p[i] = (struct pollfd){ .fd = m->list[i].fd, .events = POLLIN }; /* -1 is passed over */
        if (!m->list[i].finished && m->list[i].next < wake)
            wake = m->list[i].next;
    }
    if (poll(p, m->count, wake > now ? (int)(wake - now) : 0) < 0)
        return;
    now = clock_ms();
    for (size_t i = 0; i < m->count; i++) {
        struct asking *a = &m->list[i];
        if (a->finished)
            continue;
        if (p[i].fd >= 0 && p[i].revents)
            read_one(m, a);
        else if (now >= a->next)
            try_next(m, a);
    }
}

void dns_ask_many(const struct dns_resolver *r, const struct dns_query *queries, size_t count, int ms,
                  void (*done)(void *arg, size_t i, enum status st, const struct dns_answer *answer),
                  void *arg)
{
    struct many m = {
        .resolver = r, .count = count < DNS_QUERIES ? count : DNS_QUERIES, .done = done, .arg = arg
    };
    m.left = m.count;
    m.until = clock_ms() + ms;
    bytes_init(&m.answer.raw, DNS_ANSWER_LIMIT);
    for (size_t i = 0; i < m.count; i++)
        m.list[i] = (struct asking){ .query = &queries[i], .fd = -1 };
    while (m.left && clock_ms() < m.until && r->count)
        wait_once(&m);
    for (size_t i = 0; i < m.count; i++)
        if (!m.list[i].finished)
            finish(&m, &m.list[i], ST_TEMP);
    dns_answer_free(&m.answer);
}
