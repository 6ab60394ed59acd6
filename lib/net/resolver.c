/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Both ends of the channel to a resolver; see resolver.h. Neither believes the other: a question or answer
 * that isn't one ends it.
 */
#include "net/resolver.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define SLACK_MS 1000 /* that the resolver may be late by */

enum { RESOLVER_QUESTIONS = 1, RESOLVER_ANSWERS, RESOLVER_RAW_QUESTIONS, RESOLVER_RAW_ANSWERS };

/* --- the guard's end */

void resolver_put_queries(struct message *m, const struct dns_query *queries, size_t count)
{
    message_put_u64(m, count);
    for (size_t i = 0; i < count; i++) {
        message_put_str(m, queries[i].name);
        message_put_u64(m, queries[i].type);
    }
}

bool resolver_get_queries(struct message *m, struct dns_query queries[DNS_QUERIES], size_t *count)
{
    uint64_t n, type;
    if (!message_get_u64(m, &n) || n > DNS_QUERIES)
        return false;
    *count = (size_t)n;
    for (size_t i = 0; i < n; i++) {
        if (!message_get_str(m, queries[i].name, sizeof queries[i].name) || !message_get_u64(m, &type) ||
            type > UINT16_MAX)
            return false;
        queries[i].type = (enum dns_type)type;
    }
    return message_end(m);
}

static bool send_questions(int channel, unsigned verb, uint64_t number, const struct dns_query *queries,
                           size_t count)
{
    struct message *m = channel >= 0 && count <= DNS_QUERIES ? malloc(sizeof *m) : NULL;
    if (!m)
        return false;
    message_start(m, verb);
    message_put_u64(m, number);
    resolver_put_queries(m, queries, count);
    bool sent = channel_send(channel, m);
    free(m);
    return sent;
}

bool resolver_ask(int channel, uint64_t number, const struct dns_query *queries, size_t count)
{
    return send_questions(channel, RESOLVER_QUESTIONS, number, queries, count);
}

bool resolver_ask_raw(int channel, uint64_t number, const struct dns_query *queries, size_t count)
{
    return send_questions(channel, RESOLVER_RAW_QUESTIONS, number, queries, count);
}

static bool get_record(struct message *m, struct resolver_record *r)
{
    struct span address;
    if (!message_get(m, &address) || address.n != sizeof r->address)
        return false;
    memcpy(&r->address, address.p, address.n);
    return message_get_str(m, r->text, sizeof r->text);
}

static bool get_answer(struct message *m, struct resolver_answer *a)
{
    uint64_t status, count;
    if (!message_get_u64(m, &status) || status > ST_PERM || !message_get_u64(m, &count) ||
        count > RESOLVER_RECORDS)
        return false;
    *a = (struct resolver_answer){ .status = (enum status)status, .count = (size_t)count };
    for (size_t i = 0; i < count; i++)
        if (!get_record(m, &a->records[i]))
            return false;
    return (a->status == ST_OK) == (count > 0);
}

/* Reads up to the answers themselves. Those of other numbers are dropped, which makes nobody wait longer. */
static bool receive(int channel, unsigned verb, uint64_t number, struct message *m)
{
    const int64_t until = clock_ms() + RESOLVER_MS + SLACK_MS;
    uint64_t got;
    for (int64_t left; (left = until - clock_ms()) > 0;) {
        if (!channel_receive(channel, m, (int)left) || m->fd >= 0 ||
            (m->verb != RESOLVER_ANSWERS && m->verb != RESOLVER_RAW_ANSWERS) || !message_get_u64(m, &got))
            return false;
        if (got == number)
            return m->verb == verb;
    }
    return false;
}

void resolver_wait(int channel, uint64_t number, struct resolver_answer *answers, size_t count)
{
    struct message *m = channel >= 0 ? malloc(sizeof *m) : NULL;
    bool good = m && receive(channel, RESOLVER_ANSWERS, number, m);
    for (size_t i = 0; good && i < count; i++)
        good = get_answer(m, &answers[i]);
    good = good && message_end(m);
    for (size_t i = 0; !good && i < count; i++)
        answers[i] = (struct resolver_answer){ .status = ST_TEMP };
    free(m);
}

/* Are these so many raw answers? `m` is then as it was. */
static bool check_raw(struct message *m, size_t count)
{
    const size_t at = m->at;
    uint64_t status;
    struct span bytes;
    bool good = true;
    for (size_t i = 0; good && i < count; i++)
        good = message_get_u64(m, &status) && status <= ST_PERM && message_get(m, &bytes) &&
               bytes.n <= RESOLVER_RAW_LIMIT && (status == ST_OK || status == ST_NONE) == (bytes.n > 0);
    good = good && message_end(m);
    m->at = at;
    return good;
}

void resolver_wait_raw(int channel, uint64_t number, size_t count, struct message *to)
{
    struct message *m = channel >= 0 ? malloc(sizeof *m) : NULL;
    bool good = m && receive(channel, RESOLVER_RAW_ANSWERS, number, m) && check_raw(m, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t status = ST_TEMP;
        struct span bytes = { "", 0 };
        if (good) {
            message_get_u64(m, &status);
            message_get(m, &bytes);
        }
        message_put_u64(to, status);
        message_put(to, bytes);
    }
    free(m);
}

/* --- the resolver's end */

/* A TXT record's text, to its limit. */
static void take_text(const struct dns_record *from, char to[RESOLVER_TEXT_LIMIT + 1])
{
    struct bytes text;
    bytes_init(&text, DNS_ANSWER_LIMIT);
    dns_text(from, &text);
    struct span kept = span_head(span_bytes(&text), RESOLVER_TEXT_LIMIT);
    memcpy(to, kept.p, kept.n);
    to[kept.n] = '\0';
    bytes_free(&text);
}

static void take_record(const struct dns_record *from, struct resolver_record *to)
{
    to->address = from->address;
    if (from->type == DNS_TXT)
        take_text(from, to->text);
    else if (!span_copy(span_of(from->name), to->text, sizeof to->text))
        to->text[0] = '\0';
}

static void take_answer(void *arg, size_t i, enum status st, const struct dns_answer *answer)
{
    struct resolver_answer *to = (struct resolver_answer *)arg + i;
    to->status = st;
    to->count = answer->count < RESOLVER_RECORDS ? answer->count : RESOLVER_RECORDS;
    for (size_t k = 0; k < to->count; k++)
        take_record(&answer->records[k], &to->records[k]);
}

static void put_answers(struct message *m, uint64_t number, const struct resolver_answer *answers,
                        size_t count)
{
    message_start(m, RESOLVER_ANSWERS);
    message_put_u64(m, number);
    for (size_t i = 0; i < count; i++) {
        message_put_u64(m, answers[i].status);
        message_put_u64(m, answers[i].count);
        for (size_t k = 0; k < answers[i].count; k++) {
            const struct resolver_record *r = &answers[i].records[k];
            message_put(m, (struct span){ (const char *)&r->address, sizeof r->address });
            message_put_str(m, r->text);
        }
    }
}

struct raw_answer {
    enum status status;
    char *bytes; /* NULL: none */
    size_t n;
};

static void take_raw(void *arg, size_t i, enum status st, const struct dns_answer *answer)
{
    struct raw_answer *to = (struct raw_answer *)arg + i;
    struct span raw = span_bytes(&answer->raw);
    *to = (struct raw_answer){ .status = ST_TEMP };
    if ((st != ST_OK && st != ST_NONE) || !raw.n || raw.n > RESOLVER_RAW_LIMIT ||
        !(to->bytes = malloc(raw.n)))
        return;
    memcpy(to->bytes, raw.p, raw.n);
    to->n = raw.n;
    to->status = st;
}

static void put_raw(struct message *m, uint64_t number, struct raw_answer *answers, size_t count)
{
    size_t total = 0;
    message_start(m, RESOLVER_RAW_ANSWERS);
    message_put_u64(m, number);
    for (size_t i = 0; i < count; i++) {
        struct raw_answer *a = &answers[i];
        bool fits = total + a->n <= RESOLVER_RAW_TOTAL;
        total += fits ? a->n : 0;
        message_put_u64(m, fits ? a->status : ST_PERM);
        message_put(m, (struct span){ a->bytes ? a->bytes : "", fits ? a->n : 0 });
        free(a->bytes);
    }
}

static bool get_questions(struct message *m, uint64_t *number, struct dns_query *queries, size_t *count)
{
    return (m->verb == RESOLVER_QUESTIONS || m->verb == RESOLVER_RAW_QUESTIONS) && m->fd < 0 &&
           message_get_u64(m, number) && resolver_get_queries(m, queries, count);
}

static bool answer(int channel, const struct dns_resolver *r, struct message *m)
{
    struct dns_query queries[DNS_QUERIES];
    uint64_t number;
    size_t count;
    if (!get_questions(m, &number, queries, &count))
        return false;
    if (m->verb == RESOLVER_RAW_QUESTIONS) {
        struct raw_answer raw[DNS_QUERIES];
        dns_ask_many(r, queries, count, RESOLVER_MS, take_raw, raw);
        put_raw(m, number, raw, count);
        return channel_send(channel, m);
    }
    struct resolver_answer *answers = calloc(count + 1, sizeof *answers);
    if (!answers)
        return false;
    dns_ask_many(r, queries, count, RESOLVER_MS, take_answer, answers);
    put_answers(m, number, answers, count);
    free(answers);
    return channel_send(channel, m);
}

void resolver_run(int channel, const struct dns_resolver *r)
{
    struct message *m = malloc(sizeof *m);
    while (m && channel_receive(channel, m, -1) && answer(channel, r, m))
        ;
    free(m);
}
