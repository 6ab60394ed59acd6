/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNS for the checks that a session makes; see session_dns.h. The guard passes questions on and counts them,
 * and bytes come back, which are read here (net/dns.h), anew for each time that they are asked for.
 *
 * Bounds: SMTPD_QUESTIONS_LIMIT questions and MESSAGE_MS of waiting for a message (RFC 7208 4.6.4 wants 20
 * seconds at least), after which everything is a temporary failure; CACHE_ENTRIES answers and CACHE_BYTES are
 * kept, for CACHE_MS whatever their TTL, temporary failures for the message at hand only. Where they have no
 * more room all go.
 */
#include "session_dns.h"
#include "base/clock.h"
#include "net/resolver.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_ENTRIES 256
#define CACHE_BYTES 262144
#define CACHE_MS 60000
#define MESSAGE_MS 20000

struct entry {
    struct dns_query query;
    enum status status;
    char *bytes; /* none with ST_TEMP */
    size_t n;
    int64_t until;
};

struct session_dns {
    struct entry entries[CACHE_ENTRIES];
    size_t count, bytes;
    struct dns_query expected[DNS_QUERIES];
    size_t expected_count;
    unsigned questions; /* of this message */
    int64_t waited;     /* for this message */
};

static void drop(struct session_dns *d, size_t i)
{
    d->bytes -= d->entries[i].n;
    free(d->entries[i].bytes);
    d->entries[i] = d->entries[--d->count];
}

static const struct entry *find(const struct session_dns *d, const struct dns_query *q)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->entries[i].query.type == q->type && strcmp(d->entries[i].query.name, q->name) == 0)
            return &d->entries[i];
    return NULL;
}

static void keep(struct session_dns *d, const struct dns_query *q, enum status st, struct span bytes,
                 int64_t now)
{
    char *copy = NULL;
    if (bytes.n && !(copy = malloc(bytes.n)))
        st = ST_TEMP;
    if (copy)
        memcpy(copy, bytes.p, bytes.n);
    d->entries[d->count++] = (struct entry){
        .query = *q, .status = st, .bytes = copy, .n = copy ? bytes.n : 0, .until = now + CACHE_MS
    };
    d->bytes += copy ? bytes.n : 0;
}

/* The question, and those that are expected: as many as may be asked. */
static size_t gather(struct session_dns *d, const struct dns_query *first, struct dns_query *queries)
{
    size_t count = 0, most = SMTPD_QUESTIONS_LIMIT - d->questions;
    if (most > DNS_QUERIES)
        most = DNS_QUERIES;
    if (count < most)
        queries[count++] = *first;
    for (size_t i = 0; i < d->expected_count && count < most; i++) {
        const struct dns_query *q = &d->expected[i];
        if (!find(d, q) && (q->type != first->type || strcmp(q->name, first->name) != 0))
            queries[count++] = *q;
    }
    d->expected_count = 0;
    return count;
}

static void make_room(struct session_dns *d, size_t count)
{
    if (d->count + count > CACHE_ENTRIES || d->bytes + RESOLVER_RAW_TOTAL > CACHE_BYTES)
        while (d->count)
            drop(d, 0);
}

static void fetch(struct session *s, const struct dns_query *first)
{
    struct session_dns *d = s->dns;
    struct dns_query queries[DNS_QUERIES];
    int64_t begun = clock_ms();
    size_t count = gather(d, first, queries);
    if (!count || d->waited > MESSAGE_MS || s->ended || s->dns_spent)
        return;
    d->questions += (unsigned)count;
    message_start(s->message, VERB_DNS);
    resolver_put_queries(s->message, queries, count);
    enum verdict v = ask(s);
    int64_t now = clock_ms();
    d->waited += now - begun;
    s->dns_spent = v == VERDICT_SPENT;
    if (v != VERDICT_OK)
        return;
    make_room(d, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t status;
        struct span bytes;
        if (message_get_u64(s->message, &status) && message_get(s->message, &bytes) && status != ST_PERM)
            keep(d, &queries[i], (enum status)status, bytes, now);
    }
}

/* The ID in it has been compared with the question's already. */
static enum status read_answer(const struct entry *e, struct dns_answer *answer)
{
    if (e->n < 2 || !bytes_add(&answer->raw, e->bytes, e->n))
        return ST_TEMP;
    uint16_t id = (uint16_t)((unsigned char)e->bytes[0] << 8 | (unsigned char)e->bytes[1]);
    return dns_read(answer, e->query.name, e->query.type, id);
}

static bool is_name(const char *name, enum dns_type type)
{
    struct bytes question;
    bytes_init(&question, 2 * DNS_NAME_LIMIT);
    bool good = dns_question(name, type, 0, &question) == ST_OK;
    bytes_free(&question);
    return good;
}

static enum status ask_dns(void *session, const char *name, enum dns_type type, struct dns_answer *answer)
{
    struct session *s = session;
    struct dns_query q = { .type = type };
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    if (!span_copy(span_of(name), q.name, sizeof q.name) || !is_name(name, type))
        return ST_PERM;
    if (!s->dns)
        return ST_TEMP;
    const struct entry *e = find(s->dns, &q);
    if (!e) {
        fetch(s, &q);
        e = find(s->dns, &q);
    }
    return e && e->status != ST_TEMP ? read_answer(e, answer) : ST_TEMP;
}

static void expect(void *session, const struct dns_query *queries, size_t count)
{
    struct session_dns *d = ((struct session *)session)->dns;
    for (size_t i = 0; d && i < count && d->expected_count < DNS_QUERIES; i++)
        if (!find(d, &queries[i]) && is_name(queries[i].name, queries[i].type))
            d->expected[d->expected_count++] = queries[i];
}

struct trust_lookup session_dns_begin(struct session *s)
{
    struct session_dns *d = s->dns;
    if (!d)
        d = s->dns = calloc(1, sizeof *d);
    for (size_t i = d ? d->count : 0; i-- > 0;)
        if (d->entries[i].status == ST_TEMP || d->entries[i].until < clock_ms())
            drop(d, i);
    if (d) {
        d->expected_count = 0;
        d->questions = 0;
        d->waited = 0;
    }
    return (struct trust_lookup){ .arg = s, .ask = ask_dns, .expect = expect };
}

void session_dns_free(struct session *s)
{
    while (s->dns && s->dns->count)
        drop(s->dns, 0);
    free(s->dns);
    s->dns = NULL;
}
