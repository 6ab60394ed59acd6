/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The names that a stranger gives: in HELO, and as the sender's domain.
 *
 *     helo-check   own     nobody else says our name or address
 *                  refuse  a whole name or an address literal (RFC 5321 4.1.1.1, 4.1.3)
 *                  strict  the name has an address or an MX, and the literal is the client's address
 *     sender-domain        the domain has an MX or an address, and its MX isn't null (RFC 7505)
 *     domain-block         neither is listed by a list of domains
 *
 * A name that is there can't be checked further: `own` is what a server never hears from anybody but itself,
 * and on its own machine: there somebody may say it. What DNS has to say is asked for both names in one
 * message, and again only when one of them is another. What can't be looked up is 4xx where the answer
 * decides, and nothing where it is a list.
 */
#include "guard_policy.h"
#include "net/idna.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* --- what kinds of names there are */

static struct span without_dot(struct span name)
{
    return name.n && name.p[name.n - 1] == '.' ? span_head(name, name.n - 1) : name;
}

bool policy_read_ip(struct span text, struct in6_addr *a)
{
    char copy[INET6_ADDRSTRLEN + 8], v6[sizeof copy + 8];
    if (!span_copy(text, copy, sizeof copy))
        return false;
    if (inet_pton(AF_INET6, copy, a) == 1)
        return true;
    snprintf(v6, sizeof v6, "::ffff:%s", copy);
    return !strchr(copy, ':') && inet_pton(AF_INET6, v6, a) == 1;
}

bool policy_read_literal(struct span text, struct in6_addr *a)
{
    if (text.n < 3 || text.p[0] != '[' || text.p[text.n - 1] != ']')
        return false;
    struct span inside = span_head(span_from(text, 1), text.n - 2);
    if (span_istarts(inside, "IPv6:"))
        return policy_read_ip(span_from(inside, 5), a) && !IN6_IS_ADDR_V4MAPPED(a);
    return policy_read_ip(inside, a) && IN6_IS_ADDR_V4MAPPED(a);
}

/* Labels of letters, digits, '-' and '_', two at least, and the last isn't a number. */
static bool is_whole_name(struct span name)
{
    size_t label = 0, labels = 1;
    bool number = true;
    name = without_dot(name);
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '.') {
            if (!label)
                return false;
            labels++;
            label = 0;
            number = true;
            continue;
        }
        if (!ascii_alpha(c) && !ascii_digit(c) && c != '-' && c != '_' && (unsigned char)c < 0x80)
            return false;
        number = number && ascii_digit(c);
        if (++label > 63)
            return false;
    }
    return label && labels > 1 && !number;
}

/* For questions: A-labels, in lower case and without the last dot; "" where it is no name to ask for. */
static void plain_name(struct span name, char to[DNS_NAME_LIMIT])
{
    char ascii[ADDRESS_DOMAIN_LIMIT + 1];
    name = without_dot(name);
    if (!is_whole_name(name) || !idna_to_ascii(name, ascii) || !span_copy(span_of(ascii), to, DNS_NAME_LIMIT))
        to[0] = '\0';
}

/* --- what DNS says of them */

struct batch {
    struct dns_query queries[DNS_QUERIES];
    struct resolver_answer answers[DNS_QUERIES];
    size_t count;
};

/* Appends a question; one that is too long becomes one for no name, to which the answer is "nothing". */
static void add(struct batch *b, const char *front, const char *behind, enum dns_type type)
{
    if (!policy_question(&b->queries[b->count], front, behind, type))
        b->queries[b->count].name[0] = '\0';
    b->count++;
}

static void add_host(struct batch *b, const char *name)
{
    add(b, name, "", DNS_MX);
    add(b, name, "", DNS_A);
    add(b, name, "", DNS_AAAA);
}

static void add_zones(struct batch *b, const char *name, const struct zones *zones)
{
    for (size_t i = 0; i < zones->count && name[0]; i++)
        add(b, name, zones->list[i].name, DNS_A);
}

static enum status judge_host(const struct resolver_answer *a, bool *null_mx)
{
    bool temp = false;
    *null_mx = a[0].status == ST_OK && a[0].count == 1 && !a[0].records[0].text[0];
    for (int i = 0; i < 3; i++) {
        if (a[i].status == ST_OK)
            return ST_OK;
        temp = temp || a[i].status == ST_TEMP;
        if (i == 0 && temp)
            break; /* an MX that isn't known decides everything */
    }
    return temp ? ST_TEMP : ST_NONE;
}

static bool asks_helo(const struct settings *s)
{
    return s->helo_check == HELO_MARK || s->helo_check == HELO_STRICT;
}

static void judge_zones(struct policy *p, const struct settings *s, const struct resolver_answer *a,
                        const char *name)
{
    for (size_t i = 0; i < s->domain_block.count && name[0] && !p->listed; i++)
        if (policy_is_listed(&s->domain_block.list[i], &a[i])) {
            p->listed = &s->domain_block.list[i];
            p->listed_name = name;
        }
}

static void ask(struct smtp_guard *g)
{
    struct policy *p = g->policy;
    const struct settings *s = g->settings;
    struct batch b = { .count = 0 };
    bool helo_null;
    p->listed = NULL;
    p->helo_status = p->domain_status = ST_OK;
    size_t helo = b.count;
    if (asks_helo(s) && p->helo[0])
        add_host(&b, p->helo);
    size_t domain = b.count;
    if (s->sender_domain != DOMAIN_OFF && p->domain[0])
        add_host(&b, p->domain);
    size_t helo_zones = b.count;
    add_zones(&b, p->helo, &s->domain_block);
    size_t domain_zones = b.count;
    add_zones(&b, p->domain, &s->domain_block);
    if (!b.count)
        return;
    policy_ask(g, b.queries, b.count, b.answers);
    if (domain > helo)
        p->helo_status = judge_host(&b.answers[helo], &helo_null);
    if (helo_zones > domain)
        p->domain_status = judge_host(&b.answers[domain], &p->null_mx);
    judge_zones(p, s, &b.answers[helo_zones], p->helo);
    judge_zones(p, s, &b.answers[domain_zones], p->domain);
}

/* Once for the same names. */
static void know_names(struct smtp_guard *g)
{
    struct policy *p = g->policy;
    char helo[DNS_NAME_LIMIT], domain[DNS_NAME_LIMIT];
    plain_name(span_of(g->envelope.helo), helo);
    plain_name(address_domain(&g->envelope.sender), domain);
    if (p->names_known && strcmp(helo, p->helo) == 0 && strcmp(domain, p->domain) == 0)
        return;
    memcpy(p->helo, helo, sizeof helo);
    memcpy(p->domain, domain, sizeof domain);
    p->null_mx = false;
    p->names_known = true;
    ask(g);
}

/* --- HELO */

/* From this machine itself our name is true. */
static bool is_ourselves(const struct peer *peer)
{
    return IN6_IS_ADDR_LOOPBACK(&peer->address) ||
           (IN6_IS_ADDR_V4MAPPED(&peer->address) && peer->address.s6_addr[12] == 127) ||
           memcmp(&peer->address, &peer->here, sizeof peer->here) == 0;
}

static bool says_own_name(const struct smtp_guard *g, struct span helo)
{
    struct in6_addr a;
    const struct peer *peer = &g->serving->peer;
    bool is_address = policy_read_literal(helo, &a) || policy_read_ip(helo, &a);
    bool own = is_address ? memcmp(&a, &peer->here, sizeof a) == 0
                          : span_ieq_str(without_dot(helo), g->settings->hostname);
    return own && !is_ourselves(peer);
}

struct helo_fault {
    const char *why, *code, *text;
};

/* NULL: nothing is wrong. */
static const struct helo_fault *find_fault(struct smtp_guard *g, bool marks)
{
    static const struct helo_fault own = { "our own name", "550 5.7.1", "That is our name, not yours" };
    static const struct helo_fault part = { "no whole name", "504 5.5.2",
                                            "HELO needs a whole host name, or an address in brackets" };
    static const struct helo_fault other = { "another address", "550 5.7.1",
                                             "The address in HELO isn't yours" };
    static const struct helo_fault none = { "no such host", "550 5.7.1",
                                            "The host named in HELO doesn't exist" };
    static const struct helo_fault temp = { "can't be looked up", "450 4.7.1",
                                            "The host named in HELO can't be looked up now" };
    struct in6_addr a;
    const enum helo_check how = g->settings->helo_check;
    struct span helo = span_of(g->envelope.helo);
    bool literal = policy_read_literal(helo, &a);
    if (says_own_name(g, helo))
        return &own;
    if (how < HELO_REFUSE && !marks)
        return NULL;
    if (!literal && !is_whole_name(helo))
        return &part;
    if (how == HELO_REFUSE)
        return NULL;
    if (literal)
        return memcmp(&a, &g->serving->peer.address, sizeof a) == 0 ? NULL : &other;
    know_names(g);
    enum status st = g->policy->helo_status;
    return st == ST_OK ? NULL : st == ST_NONE ? &none : &temp;
}

enum verdict policy_helo(struct smtp_guard *g, const struct address *recipient)
{
    const enum helo_check how = g->settings->helo_check;
    if (how == HELO_OFF || !g->serving->peer.known)
        return VERDICT_OK;
    const struct helo_fault *fault = find_fault(g, how == HELO_MARK);
    if (!fault)
        return VERDICT_OK;
    const struct finding f = { .setting = "helo-check", .why = fault->why };
    if (how == HELO_MARK && strcmp(fault->why, "our own name") != 0)
        return policy_mark(g, &f);
    return policy_refuse(g, recipient, &f, fault->code, fault->text);
}

/* --- the sender's domain */

enum verdict policy_sender_domain(struct smtp_guard *g, const struct address *recipient)
{
    static const struct finding none = { .setting = "sender-domain", .why = "no such domain" };
    static const struct finding null = { .setting = "sender-domain", .why = "the domain takes no mail" };
    static const struct finding temp = { .setting = "sender-domain", .why = "the domain can't be looked up" };
    const struct policy *p = g->policy;
    struct span domain = address_domain(&g->envelope.sender);
    const enum sender_domain how = g->settings->sender_domain;
    if (how == DOMAIN_OFF || !g->serving->peer.known || domain.n == 0 || domain.p[0] == '[')
        return VERDICT_OK;
    know_names(g);
    enum status st = p->domain[0] ? p->domain_status : ST_NONE;
    if (st == ST_OK && !p->null_mx)
        return VERDICT_OK;
    const struct finding *f = st == ST_OK ? &null : st == ST_NONE ? &none : &temp;
    if (how == DOMAIN_MARK)
        return policy_mark(g, f);
    if (st == ST_OK)
        return policy_refuse(g, recipient, f, "550 5.7.27", "The sender's domain takes no mail (null MX)");
    return st == ST_NONE
               ? policy_refuse(g, recipient, f, "550 5.1.8", "The sender's domain doesn't exist")
               : policy_refuse(g, recipient, f, "450 4.1.8", "The sender's domain can't be looked up now");
}

enum verdict policy_domain_block(struct smtp_guard *g, const struct address *recipient)
{
    char said[RESOLVER_TEXT_LIMIT + 1], text[2 * DNS_NAME_LIMIT + sizeof said + 100];
    const struct policy *p = g->policy;
    if (!g->settings->domain_block.count)
        return VERDICT_OK;
    know_names(g);
    if (!p->listed)
        return VERDICT_OK;
    const struct finding f = { .setting = "domain-block",
                               .why = "the domain is listed",
                               .list = p->listed->name };
    policy_ask_text(g, p->listed_name, p->listed, said);
    snprintf(text, sizeof text, "Domain %s is listed by %s%s%s", p->listed_name, p->listed->name,
             said[0] ? ": " : "", said);
    return policy_refuse(g, recipient, &f, "554 5.7.1", text);
}
