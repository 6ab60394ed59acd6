/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What DNS should have of this server; see records.h.
 *
 * Addresses come from getifaddrs(3); which IPv6 addresses are temporary, and so change each day, only
 * /proc/net/if_inet6 tells. A host behind a router that translates addresses can't know how others reach it:
 * its administrator says so by the setting `addresses`.
 */
#include "records.h"
#include "dkim.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define IF_INET6 "/proc/net/if_inet6"
enum { ADDRESS_TEMPORARY = 0x01, ADDRESS_DEPRECATED = 0x20, ADDRESS_TENTATIVE = 0x40 };

const struct record_service record_services[RECORD_SERVICES] = {
    { "_submissions._tcp", 0, 465, true }, { "_imaps._tcp", 0, 993, true },
    { "_submission._tcp", 10, 587, true }, { "_imap._tcp", 10, 143, true },
    { "_pop3s._tcp", 20, 995, false },     { "_pop3._tcp", 30, 110, false },
};

/* --- addresses --- */

/* Networks whose addresses mean something on this host or link, or within a site, only (RFC 6890). */
static const char *const not_public[] = {
    "0.0.0.0/8",     "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",   "::/128",      "::1/128",
    "fe80::/10",     "fc00::/7",       "ff00::/8",
};

/* Can anybody on the Internet reach it? */
static bool is_public(const struct in6_addr *address)
{
    struct network net;
    for (size_t i = 0; i < sizeof not_public / sizeof not_public[0]; i++)
        if (settings_parse_network(span_of(not_public[i]), &net) && network_has(&net, address))
            return false;
    return true;
}

const char *records_address_text(const struct in6_addr *address, char text[RECORDS_ADDRESS_TEXT])
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(address);
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address->s6_addr + 12 : address->s6_addr, text,
                   RECORDS_ADDRESS_TEXT))
        text[0] = '\0';
    return text;
}

static void add_address(struct host_addresses *to, const struct in6_addr *address)
{
    for (size_t i = 0; i < to->count; i++)
        if (memcmp(&to->list[i], address, sizeof *address) == 0)
            return;
    if (to->count < RECORDS_ADDRESSES)
        to->list[to->count++] = *address;
}

/* Is this IPv6 address one that stays? What the kernel's list doesn't have, does. */
static bool stays(const struct in6_addr *address)
{
    char wanted[33], hex[33];
    unsigned flags;
    bool passing = false;
    FILE *f = fopen(IF_INET6, "re");
    for (int i = 0; i < 16; i++)
        snprintf(wanted + 2 * i, 3, "%02x", address->s6_addr[i]);
    while (f && !passing && fscanf(f, "%32s %*x %*x %*x %x %*s", hex, &flags) == 2)
        passing =
            strcmp(hex, wanted) == 0 && flags & (ADDRESS_TEMPORARY | ADDRESS_DEPRECATED | ADDRESS_TENTATIVE);
    if (f)
        fclose(f);
    return !passing;
}

static void add_interface(struct host_addresses *to, const struct ifaddrs *i)
{
    struct in6_addr address = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
    if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
        return;
    if (i->ifa_addr->sa_family == AF_INET)
        memcpy(address.s6_addr + 12, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, 4);
    else if (i->ifa_addr->sa_family == AF_INET6)
        address = ((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
    else
        return;
    if (is_public(&address) && stays(&address))
        add_address(to, &address);
}

void records_addresses(const struct settings *s, struct host_addresses *to)
{
    struct span rest = span_of(s->addresses), word;
    struct network one;
    struct ifaddrs *all = NULL;
    *to = (struct host_addresses){ 0 };
    while (span_cut(&rest, ' ', &word))
        if (word.n && settings_parse_network(word, &one))
            add_address(to, &one.address);
    to->given = to->count > 0;
    if (to->given || getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        add_interface(to, i);
    freeifaddrs(all);
}

/* --- domains --- */

/* What a name is to us: in the table, or with keys alone. */
static int find_domain(struct admin *a, const struct bytes *table, const char *name, struct domain_entry *e,
                       bool *only_keys)
{
    struct span rest = span_bytes(table), line;
    struct dkim_keys keys;
    *only_keys = false;
    while (edit_next(&rest, &line))
        if (!tables_domain_entry(line, e) && strcmp(e->name, name) == 0)
            return EX_OK;
    int result = dkim_find(a, name, &keys);
    if (result != EX_OK)
        return result;
    *e = (struct domain_entry){ .kind = DOMAIN_OURS };
    snprintf(e->name, sizeof e->name, "%s", name);
    *only_keys = true;
    if (keys.count || strcasecmp(name, a->s.hostname) == 0)
        return EX_OK;
    return complain(EX_NOHOST, "%s: is no domain of this server; `postern domain add` makes it one", name);
}

int records_each_domain(struct admin *a, int argc, char **argv,
                        int (*each)(struct admin *a, const struct domain_entry *e, bool only_keys, void *arg),
                        void *arg)
{
    struct bytes table;
    struct span rest, line;
    struct domain_entry e;
    char name[ADDRESS_DOMAIN_LIMIT + 1];
    bool only_keys;
    int result = edit_read(a, TABLE_DOMAINS, &table);
    for (int i = 0; i < argc && result != EX_NOPERM; i++) {
        int one = dkim_domain_argument(argv[i], name);
        one = one == EX_OK ? find_domain(a, &table, name, &e, &only_keys) : one;
        one = one == EX_OK ? each(a, &e, only_keys, arg) : one;
        result = result == EX_OK ? one : result;
    }
    for (rest = span_bytes(&table); argc == 0 && edit_next(&rest, &line);) {
        int one = tables_domain_entry(line, &e) ? EX_OK : each(a, &e, false, arg);
        result = result == EX_OK ? one : result;
    }
    bytes_free(&table);
    return result;
}
