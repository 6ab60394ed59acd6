/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MTA-STS (RFC 8461 3 and 5.1): the record says whether the cached policy is the current one; if it isn't, or
 * a day has passed since it was fetched, it is fetched anew. That is tried again after RETRY seconds at the
 * earliest, or at once where the record has another id.
 *
 *     record                    cached, holds       what applies
 *     one, with the same id     yes, of today       the cached one
 *     one                       yes or no           the fetched one; where that fails the cached one, or none
 *     none, or no answer        yes                 the cached one
 *     none, or no answer        no                  none
 */
#include "policy_fetch.h"
#include "fetcher.h"
#include "verbs.h"

#include "base/clock.h"
#include "base/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RECORD "_mta-sts."
#define HOST "mta-sts."
#define TXT_LIMIT 1024
#define REFRESH 86400
#define RETRY 300

/* ST_OK: exactly one record, with its id. ST_NONE: none, or none that counts. ST_TEMP: DNS doesn't say. */
static enum status find_record(struct policy *p, char id[STS_ID_LIMIT])
{
    char name[DNS_NAME_LIMIT];
    struct dns_answer answer;
    struct bytes text;
    size_t found = 0;
    enum status one = ST_NONE;
    if (snprintf(name, sizeof name, RECORD "%s", p->start->domain) >= (int)sizeof name)
        return ST_NONE;
    bytes_init(&text, TXT_LIMIT);
    enum status st = dns_ask(p->resolver, name, DNS_TXT, &answer);
    for (size_t i = 0; st == ST_OK && i < answer.count; i++) {
        char read[STS_ID_LIMIT];
        bytes_clear(&text);
        enum status this_one =
            dns_text(&answer.records[i], &text) ? sts_record_read(span_bytes(&text), read) : ST_NONE;
        if (this_one == ST_NONE)
            continue;
        found++;
        one = this_one;
        memcpy(id, read, STS_ID_LIMIT);
    }
    bytes_free(&text);
    dns_answer_free(&answer);
    if (st == ST_OK)
        st = found == 1 && one == ST_OK ? ST_OK : ST_NONE;
    return st == ST_PERM ? ST_NONE : st;
}

/* A socket to the domain's web server, or -1 with *why. */
static int connect_server(struct policy *p, const char *host, struct bytes *why)
{
    struct route_addresses a;
    int fd = -1;
    enum status st = route_addresses(p->resolver, host, &a);
    if (st != ST_OK) {
        bytes_printf(why, "%s has no address%s", host, st == ST_TEMP ? " now" : "");
        return -1;
    }
    for (size_t i = 0; i < a.count && fd < 0; i++)
        fd = connect_to(p->channel, &a.list[i], p->start->settings->https_port, p->start->settings);
    if (fd < 0)
        bytes_printf(why, "%s can't be reached: %s", host, strerror(errno));
    return fd;
}

/* A fetcher's channel, for this socket, from the scheduler. */
static int ask_fetcher(struct policy *p, const char *host, int socket)
{
    message_start(p->packet, VERB_FETCH);
    message_put_str(p->packet, host);
    p->packet->fd = socket;
    bool answered = channel_send(p->channel, p->packet) && channel_receive(p->channel, p->packet, -1);
    if (answered && p->packet->verb == VERB_FETCHER && message_end(p->packet))
        return p->packet->fd;
    if (answered)
        file_close(p->packet->fd);
    return -1;
}

static enum tls_result read_fetched(struct message *m, struct bytes *policy, struct bytes *why)
{
    uint64_t result;
    struct span text, said;
    message_get_u64(m, &result);
    message_get(m, &said);
    message_get(m, &text);
    if (m->verb != VERB_FETCHED || !message_end(m) || result >= TLS_RESULTS ||
        !bytes_add_span(policy, text)) {
        bytes_add_str(why, "the process that was to fetch it failed");
        return TLS_RESULT_FETCH_ERROR;
    }
    bytes_add_span(why, said);
    return (enum tls_result)result;
}

static enum tls_result fetch(struct policy *p, struct bytes *policy, struct bytes *why)
{
    char host[DNS_NAME_LIMIT];
    enum tls_result result = TLS_RESULT_FETCH_ERROR;
    if (snprintf(host, sizeof host, HOST "%s", p->start->domain) >= (int)sizeof host)
        return result;
    int socket = connect_server(p, host, why);
    int fetcher = socket >= 0 ? ask_fetcher(p, host, socket) : -1;
    file_close(socket);
    if (fetcher >= 0 && channel_receive(fetcher, p->packet, 2 * FETCH_MS)) {
        file_close(p->packet->fd);
        result = read_fetched(p->packet, policy, why);
    } else if (socket >= 0) {
        bytes_add_str(why, "the process that was to fetch it died");
    }
    file_close(fetcher);
    return result;
}

/* To the scheduler, which writes it down. */
static void keep(struct policy *p, const struct tls_state_policy *k)
{
    message_start(p->packet, VERB_POLICY);
    message_put_str(p->packet, k->id);
    message_put_u64(p->packet, (uint64_t)k->fetched);
    message_put_u64(p->packet, (uint64_t)k->expires);
    message_put_u64(p->packet, (uint64_t)k->retry);
    message_put(p->packet, span_bytes(&k->text));
    channel_send(p->channel, p->packet);
}

/* Fetches, and keeps what came of it. True: p->sts is the new one. */
static bool renew(struct policy *p, const char *id, int64_t now)
{
    struct tls_state_policy k = { .fetched = now };
    struct bytes why;
    bytes_init(&k.text, TLS_STATE_POLICY_LIMIT);
    bytes_init(&why, 200);
    snprintf(k.id, sizeof k.id, "%s", id);
    enum tls_result result = fetch(p, &k.text, &why);
    bool good = result == TLS_RESULT_SUCCESS && sts_policy_read(span_bytes(&k.text), &p->sts) == ST_OK;
    if (good) {
        k.expires = now + (int64_t)p->sts.max_age;
        keep(p, &k);
    } else {
        const struct tls_state_policy *old = p->start->cached;
        policy_note(p, TLS_POLICY_STS, result == TLS_RESULT_SUCCESS ? TLS_RESULT_POLICY_INVALID : result, "",
                    bytes_str(&why));
        bytes_clear(&k.text);
        bytes_add_span(&k.text, span_bytes(&old->text));
        k.expires = old->expires;
        k.fetched = 0; /* so the old text isn't taken for what this id stands for */
        k.retry = now + RETRY;
        keep(p, &k);
    }
    bytes_free(&k.text);
    bytes_free(&why);
    return good;
}

bool policy_sts(struct policy *p)
{
    const struct tls_state_policy *cached = p->start->cached;
    char id[STS_ID_LIMIT];
    int64_t now = clock_now();
    bool holds = cached->expires > now && cached->text.len;
    bool known = find_record(p, id) == ST_OK;
    bool same = known && strcmp(id, cached->id) == 0;
    bool fresh = holds && same && now - cached->fetched < REFRESH;
    if (known && !fresh && !(same && now < cached->retry) && renew(p, id, now))
        return true;
    return holds && sts_policy_read(span_bytes(&cached->text), &p->sts) == ST_OK;
}
