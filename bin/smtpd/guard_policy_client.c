/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What DNS says of a client's address: lists that block or allow it (RFC 5782), and its reverse name (a PTR
 * record), which counts as confirmed where one of its addresses is the client's (RFC 8601 3, "iprev").
 *
 * These questions are asked when the connection begins, in one message, and their answers waited for at the
 * first recipient that is otherwise right: so they cost a stranger no time who says EHLO first, and waits at
 * most RESOLVER_MS. What follows from them (the text of a listing, the addresses of the reverse name) is a
 * second message. A list that doesn't answer lists nobody; one that answers 127.255.255.* tells that it can't
 * be asked through this resolver, which the log says.
 */
#include "guard_policy.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define REVERSED_LIMIT 64   /* nibbles of an IPv6 address with dots */
#define REVERSE_NAMES 4     /* of a client that are looked up */
#define QUESTIONS_LIMIT 500 /* a connection */

/* --- asking */

static void all_temporary(struct resolver_answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        answers[i] = (struct resolver_answer){ .status = ST_TEMP };
}

/* Room for so many more? If not, the connection is at its end. */
static bool may_ask(struct smtp_guard *g, size_t count)
{
    struct policy *p = g->policy;
    if (g->serving->resolver < 0 || count > DNS_QUERIES)
        return false;
    p->spent = p->spent || p->questions + count > QUESTIONS_LIMIT;
    if (p->spent)
        return false;
    p->questions += (unsigned)count;
    return true;
}

static void know_client(struct smtp_guard *g);

/* The client's questions may be under way: their answers come first. */
void policy_ask(struct smtp_guard *g, const struct dns_query *queries, size_t count,
                struct resolver_answer *answers)
{
    struct policy *p = g->policy;
    int channel = g->serving->resolver;
    if (p->client_asked && !p->client_known)
        know_client(g);
    if (count && may_ask(g, count) && resolver_ask(channel, ++g->serving->dns_asked, queries, count))
        resolver_wait(channel, g->serving->dns_asked, answers, count);
    else
        all_temporary(answers, count);
}

void policy_ask_raw(struct smtp_guard *g, const struct dns_query *queries, size_t count, struct message *to)
{
    struct policy *p = g->policy;
    int channel = g->serving->resolver;
    if (p->client_asked && !p->client_known)
        know_client(g);
    bool sent = resolver_ask_raw(channel, ++g->serving->dns_asked, queries, count);
    resolver_wait_raw(sent ? channel : -1, g->serving->dns_asked, count, to);
}

bool policy_question(struct dns_query *q, const char *front, const char *behind, enum dns_type type)
{
    int n = snprintf(q->name, sizeof q->name, "%s%s%s", front, behind[0] ? "." : "", behind);
    q->type = type;
    return n > 0 && (size_t)n < sizeof q->name;
}

void policy_ask_text(struct smtp_guard *g, const char *front, const struct zone *z,
                     char text[RESOLVER_TEXT_LIMIT + 1])
{
    struct dns_query q;
    struct resolver_answer a;
    text[0] = '\0';
    if (!policy_question(&q, front, z->name, DNS_TXT))
        return;
    policy_ask(g, &q, 1, &a);
    if (a.status == ST_OK)
        memcpy(text, a.records[0].text, sizeof a.records[0].text);
}

bool policy_is_listed(const struct zone *z, const struct resolver_answer *a)
{
    for (size_t i = 0; i < a->count; i++) {
        if (zone_counts(z, &a->records[i].address))
            return true;
        if (zone_is_error(&a->records[i].address))
            log_event(LOG_WARNING, "dns-list-unusable", "list", z->name, "why",
                      "it answers 127.255.255.*: not to be asked so", "do",
                      "ask it by a resolver of your own", NULL);
    }
    return false;
}

/* --- the client's address */

/* 1.2.0.192, or the nibbles of an IPv6 address, the last first. */
static void reverse_address(const struct in6_addr *a, char to[REVERSED_LIMIT + 1])
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *o = a->s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(a)) {
        snprintf(to, REVERSED_LIMIT + 1, "%u.%u.%u.%u", o[15], o[14], o[13], o[12]);
        return;
    }
    for (size_t i = 0; i < 16; i++) {
        to[4 * i] = digits[o[15 - i] & 15];
        to[4 * i + 1] = '.';
        to[4 * i + 2] = digits[o[15 - i] >> 4];
        to[4 * i + 3] = '.';
    }
    to[REVERSED_LIMIT - 1] = '\0';
}

/* The questions, always the same for a connection: lists that block, lists that allow, the PTR. */
static size_t make_questions(const struct smtp_guard *g, struct dns_query *q)
{
    char reversed[REVERSED_LIMIT + 1];
    const struct settings *s = g->settings;
    const struct in6_addr *a = &g->serving->peer.address;
    size_t n = 0;
    reverse_address(a, reversed);
    for (size_t i = 0; i < s->dns_block.count; i++)
        policy_question(&q[n++], reversed, s->dns_block.list[i].name, DNS_A);
    for (size_t i = 0; i < s->dns_allow.count; i++)
        policy_question(&q[n++], reversed, s->dns_allow.list[i].name, DNS_A);
    if (s->reverse_dns != REVERSE_OFF)
        policy_question(&q[n++], reversed, IN6_IS_ADDR_V4MAPPED(a) ? "in-addr.arpa" : "ip6.arpa", DNS_PTR);
    return n;
}

void policy_client_ask(struct smtp_guard *g)
{
    struct dns_query queries[DNS_QUERIES];
    size_t count = make_questions(g, queries);
    g->policy->client_asked = count && may_ask(g, count) &&
                              resolver_ask(g->serving->resolver, ++g->serving->dns_asked, queries, count);
}

static const struct zone *first_listed(const struct zones *zones, const struct resolver_answer *answers)
{
    for (size_t i = 0; i < zones->count; i++)
        if (policy_is_listed(&zones->list[i], &answers[i]))
            return &zones->list[i];
    return NULL;
}

static bool has_address(const struct smtp_guard *g, const struct resolver_answer *a)
{
    for (size_t i = 0; i < a->count; i++)
        if (memcmp(&a->records[i].address, &g->serving->peer.address, sizeof(struct in6_addr)) == 0)
            return true;
    return false;
}

/* One of the names must lead back to the address. */
static void confirm_reverse(struct smtp_guard *g, const struct resolver_answer *names)
{
    struct policy *p = g->policy;
    struct dns_query queries[REVERSE_NAMES];
    struct resolver_answer answers[REVERSE_NAMES];
    enum dns_type type = IN6_IS_ADDR_V4MAPPED(&g->serving->peer.address) ? DNS_A : DNS_AAAA;
    size_t count = names->count < REVERSE_NAMES ? names->count : REVERSE_NAMES;
    p->reverse = REVERSE_UNCONFIRMED;
    memcpy(p->reverse_name, names->records[0].text, sizeof p->reverse_name);
    for (size_t i = 0; i < count; i++)
        policy_question(&queries[i], names->records[i].text, "", type);
    policy_ask(g, queries, count, answers);
    for (size_t i = 0; i < count; i++) {
        if (has_address(g, &answers[i])) {
            p->reverse = REVERSE_CONFIRMED;
            memcpy(p->reverse_name, names->records[i].text, sizeof p->reverse_name);
            return;
        }
        if (answers[i].status == ST_TEMP)
            p->reverse = REVERSE_TEMP;
    }
}

static void judge_reverse(struct smtp_guard *g, const struct resolver_answer *ptr)
{
    if (ptr->status == ST_OK)
        confirm_reverse(g, ptr);
    else
        g->policy->reverse = ptr->status == ST_NONE ? REVERSE_NONE : REVERSE_TEMP;
}

/* Once a connection. */
static void know_client(struct smtp_guard *g)
{
    struct policy *p = g->policy;
    const struct settings *s = g->settings;
    struct dns_query queries[DNS_QUERIES];
    struct resolver_answer answers[DNS_QUERIES];
    char reversed[REVERSED_LIMIT + 1];
    if (p->client_known)
        return;
    p->client_known = true;
    size_t count = make_questions(g, queries);
    if (p->client_asked)
        resolver_wait(g->serving->resolver, g->serving->dns_asked, answers, count);
    else
        all_temporary(answers, count);
    p->blocked = first_listed(&s->dns_block, answers);
    p->allowed = first_listed(&s->dns_allow, answers + s->dns_block.count);
    if (p->blocked && !p->allowed) {
        reverse_address(&g->serving->peer.address, reversed);
        policy_ask_text(g, reversed, p->blocked, p->blocked_text);
    }
    if (s->reverse_dns != REVERSE_OFF)
        judge_reverse(g, &answers[count - 1]);
}

bool policy_client_allowed(struct smtp_guard *g)
{
    if (!g->settings->dns_allow.count)
        return false;
    know_client(g);
    return g->policy->allowed != NULL;
}

/* --- checks */

enum verdict policy_dns_block(struct smtp_guard *g, const struct address *recipient)
{
    char text[RESOLVER_TEXT_LIMIT + ZONE_NAME_LIMIT + 100];
    const struct policy *p = g->policy;
    if (!g->settings->dns_block.count)
        return VERDICT_OK;
    know_client(g);
    if (!p->blocked)
        return VERDICT_OK;
    const struct finding f = { .setting = "dns-block",
                               .why = "the client is listed",
                               .list = p->blocked->name };
    snprintf(text, sizeof text, "Client [%s] is listed by %s%s%s", g->serving->peer.text, p->blocked->name,
             p->blocked_text[0] ? ": " : "", p->blocked_text);
    return policy_refuse(g, recipient, &f, "554 5.7.1", text);
}

/* RFC 7372 3.3 has the code. */
enum verdict policy_reverse_dns(struct smtp_guard *g, const struct address *recipient)
{
    static const struct {
        const char *why, *code, *text;
    } replies[] = {
        [REVERSE_TEMP] = { "the reverse name can't be looked up", "450 4.7.25",
                           "The name of your address can't be looked up now" },
        [REVERSE_NONE] = { "no reverse name", "550 5.7.25", "Your address has no name (PTR record)" },
        [REVERSE_UNCONFIRMED] = { "the reverse name leads elsewhere", "550 5.7.25",
                                  "The name of your address doesn't lead back to it" },
    };
    const enum reverse_dns how = g->settings->reverse_dns;
    if (how == REVERSE_OFF)
        return VERDICT_OK;
    know_client(g);
    enum reverse_state state = g->policy->reverse;
    if (state == REVERSE_CONFIRMED || state == REVERSE_NOT_ASKED ||
        (how == REVERSE_REFUSE && state != REVERSE_NONE &&
         !(state == REVERSE_TEMP && !g->policy->reverse_name[0])))
        return VERDICT_OK;
    const struct finding f = { .setting = "reverse-dns", .why = replies[state].why };
    if (how == REVERSE_MARK)
        return policy_mark(g, &f);
    return policy_refuse(g, recipient, &f, replies[state].code, replies[state].text);
}
