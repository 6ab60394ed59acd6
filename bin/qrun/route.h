/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which hosts take a domain's mail (RFC 5321 5.1, RFC 7505), in the order in which to try them.
 */
#ifndef POSTERN_QRUN_ROUTE_H
#define POSTERN_QRUN_ROUTE_H

#include "net/dns.h"

#define ROUTE_HOSTS 16    /* of a domain that are tried */
#define ROUTE_ADDRESSES 4 /* of a host, for each of IPv6 and IPv4 */

struct route {
    char hosts[ROUTE_HOSTS][DNS_NAME_LIMIT]; /* names; or one literal's text */
    size_t count;
    bool secure;  /* the names of the hosts are verified by DNSSEC */
    bool bogus;   /* they should be, and aren't: with ST_TEMP */
    bool literal; /* `address` is all there is */
    struct in6_addr address;
};

/* ST_OK; ST_TEMP or ST_PERM with an enhanced status code and a sentence in why. `self` is our host name:
 * hosts no better than ourselves are left out, and where none is left that is a loop. */
enum status route_find(const struct dns_resolver *r, const char *domain, const char *self,
                       struct route *route, struct bytes *why);
/* The one host of this name, or the address of this literal. Who named it vouches for it. */
enum status route_exact(const char *name, struct route *route, struct bytes *why);

struct route_addresses {
    struct in6_addr list[2 * ROUTE_ADDRESSES];
    size_t count;
    bool secure;                    /* verified by DNSSEC, aliases included */
    char canonical[DNS_NAME_LIMIT]; /* where the host's name leads as an alias; else that name */
};

/* The addresses of a host, IPv6 first, each family shuffled. ST_NONE if it has none; ST_TEMP. */
enum status route_addresses(const struct dns_resolver *r, const char *host, struct route_addresses *a);

#endif
