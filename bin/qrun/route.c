/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From a domain to hosts; see route.h. The resolver follows CNAMEs, and dns_read() as many as one answer
 * holds.
 *
 * A failure to look is never "no such domain": where any question that matters got no answer, the mail waits.
 */
#include "route.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <string.h>

static void shuffle_equals(struct dns_record *list, size_t count)
{
    for (size_t i = count; i-- > 1;) {
        size_t k = (size_t)(random_u64() % (i + 1));
        struct dns_record other = list[k];
        list[k] = list[i];
        list[i] = other;
    }
    for (size_t i = 1; i < count; i++) { /* stable, so what is equal stays shuffled */
        struct dns_record one = list[i];
        size_t k = i;
        for (; k > 0 && list[k - 1].preference > one.preference; k--)
            list[k] = list[k - 1];
        list[k] = one;
    }
}

static enum status take_hosts(struct dns_answer *answer, const char *self, struct route *route,
                              struct bytes *why)
{
    if (answer->count == 1 && answer->records[0].name[0] == '\0') {
        bytes_add_str(why, "5.1.10 The domain accepts no mail (null MX)");
        return ST_PERM;
    }
    shuffle_equals(answer->records, answer->count);
    bool ourselves = false;
    unsigned ours = 0;
    for (size_t i = 0; i < answer->count && !ourselves; i++)
        if (span_ieq_str(span_of(self), answer->records[i].name)) {
            ourselves = true;
            ours = answer->records[i].preference;
        }
    for (size_t i = 0; i < answer->count && route->count < ROUTE_HOSTS; i++) {
        const struct dns_record *r = &answer->records[i];
        if (r->name[0] == '\0' || (ourselves && r->preference >= ours))
            continue;
        memcpy(route->hosts[route->count++], r->name, DNS_NAME_LIMIT);
    }
    if (route->count)
        return ST_OK;
    bytes_add_str(
        why, ourselves
                 ? "5.4.6 The domain's mail exchanger is this server, which doesn't take its mail: a loop"
                 : "5.4.4 The domain names no usable mail exchanger");
    return ST_PERM;
}

/* `[192.0.2.1]` or `[IPv6:2001:db8::1]`. */
static bool read_literal(const char *domain, struct in6_addr *address)
{
    char text[INET6_ADDRSTRLEN];
    struct span s = span_of(domain);
    struct in_addr v4;
    if (s.n < 3 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return false;
    s = span_head(span_from(s, 1), s.n - 2);
    if (span_istarts(s, "IPv6:"))
        return span_copy(span_from(s, 5), text, sizeof text) && inet_pton(AF_INET6, text, address) == 1;
    if (!span_copy(s, text, sizeof text) || inet_pton(AF_INET, text, &v4) != 1)
        return false;
    *address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
    memcpy(address->s6_addr + 12, &v4, sizeof v4);
    return true;
}

/* The domain's own addresses stand in for a missing MX (RFC 5321 5.1). */
static enum status implicit(const struct dns_resolver *r, const char *domain, struct route *route,
                            struct bytes *why)
{
    struct route_addresses addresses;
    enum status st = route_addresses(r, domain, &addresses);
    if (st == ST_TEMP)
        bytes_add_str(why, "4.4.3 DNS didn't answer for the domain's addresses");
    else if (st != ST_OK)
        bytes_add_str(why, "5.1.2 The domain doesn't exist, or has neither a mail exchanger nor an address");
    if (st != ST_OK)
        return st == ST_TEMP ? ST_TEMP : ST_PERM;
    if (!span_copy(span_of(domain), route->hosts[0], DNS_NAME_LIMIT))
        return ST_PERM;
    route->count = 1;
    return ST_OK;
}

enum status route_exact(const char *name, struct route *route, struct bytes *why)
{
    *route = (struct route){ .count = 1, .secure = name[0] != '[' };
    route->literal = read_literal(name, &route->address);
    if (!span_copy(span_of(name), route->hosts[0], DNS_NAME_LIMIT) || (name[0] == '[' && !route->literal)) {
        bytes_add_str(why, "5.1.2 The domain is no address literal");
        return ST_PERM;
    }
    return ST_OK;
}

enum status route_find(const struct dns_resolver *r, const char *domain, const char *self,
                       struct route *route, struct bytes *why)
{
    *route = (struct route){ 0 };
    if (domain[0] == '[')
        return route_exact(domain, route, why);
    struct dns_answer answer;
    enum status st = dns_ask(r, domain, DNS_MX, &answer);
    route->secure = answer.secure;
    route->bogus = answer.bogus;
    if (st == ST_OK)
        st = take_hosts(&answer, self, route, why);
    else if (st == ST_NONE)
        st = implicit(r, domain, route, why);
    else
        bytes_add_str(why, answer.bogus ? "4.4.3 DNS has forged signatures for the domain's mail exchangers"
                           : st == ST_TEMP ? "4.4.3 DNS didn't answer for the domain's mail exchangers"
                                           : "5.1.2 The domain is no domain name");
    dns_answer_free(&answer);
    return st;
}

static enum status add_family(const struct dns_resolver *r, const char *host, enum dns_type type,
                              struct route_addresses *to)
{
    struct dns_answer answer;
    enum status st = dns_ask(r, host, type, &answer);
    if (st == ST_OK)
        shuffle_equals(answer.records, answer.count); /* all have preference 0 */
    for (size_t i = 0, added = 0; st == ST_OK && i < answer.count && added < ROUTE_ADDRESSES; i++) {
        const struct in6_addr *a = &answer.records[i].address;
        static const unsigned char any4[16] = { [10] = 0xff, [11] = 0xff };
        bool multicast = IN6_IS_ADDR_MULTICAST(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] >= 224);
        if (multicast || IN6_IS_ADDR_UNSPECIFIED(a) || memcmp(a, any4, sizeof any4) == 0)
            continue;
        to->list[to->count++] = *a;
        added++;
    }
    if (st == ST_OK) {
        to->secure = to->secure && answer.secure;
        memcpy(to->canonical, answer.canonical, sizeof to->canonical);
    }
    dns_answer_free(&answer);
    return st;
}

enum status route_addresses(const struct dns_resolver *r, const char *host, struct route_addresses *a)
{
    *a = (struct route_addresses){ .secure = true };
    enum status v6 = add_family(r, host, DNS_AAAA, a);
    enum status v4 = add_family(r, host, DNS_A, a);
    if (a->count)
        return ST_OK;
    a->secure = false;
    return v6 == ST_TEMP || v4 == ST_TEMP ? ST_TEMP : ST_NONE;
}
