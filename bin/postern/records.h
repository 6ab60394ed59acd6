/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What DNS should have of this server: its addresses, the services of a domain, the texts of records.
 * `postern dns` prints it and `postern doctor` compares with it, so that the two never differ.
 */
#ifndef POSTERN_RECORDS_H
#define POSTERN_RECORDS_H

#include "admin.h"
#include "net/dns.h"
#include "net/hash.h"

#include <netinet/in.h>

#define RECORDS_ADDRESSES 32

struct host_addresses {
    size_t count;
    struct in6_addr list[RECORDS_ADDRESSES]; /* IPv4-mapped for IPv4 */
    bool given;                              /* by the setting `addresses` */
};
/* By the setting `addresses`; else the addresses of the interfaces that others can reach: none of this
 * machine or link alone, private, temporary (RFC 8981) or deprecated. */
void records_addresses(const struct settings *s, struct host_addresses *to);
/* "192.0.2.1", "2001:db8::1" */
#define RECORDS_ADDRESS_TEXT 48
const char *records_address_text(const struct in6_addr *address, char text[RECORDS_ADDRESS_TEXT]);

/* How mail programs find their server (RFC 6186, 8314): those with TLS from the first byte come first. */
struct record_service {
    const char *label; /* "_imaps._tcp" */
    unsigned priority, port;
    bool usual; /* opened by postern.target as it comes */
};
#define RECORD_SERVICES 6
extern const struct record_service record_services[RECORD_SERVICES];

/* The text for a domain: SPF of a domain and of a host's own name, DMARC, TLS reports. */
#define RECORDS_SPF "v=spf1 mx -all"
#define RECORDS_SPF_HOST "v=spf1 a -all"
#define RECORDS_DMARC "v=DMARC1; p=none; rua=mailto:postmaster@%s"
#define RECORDS_TLS_REPORTS "v=TLSRPTv1; rua=mailto:postmaster@%s"

/* The domains of an argument list, or all of the table; what is done for each gets the entry. The name of a
 * host that is in no table but has keys comes as DOMAIN_OURS with `only_keys`. Complains of those that aren't
 * ours; the worst of what `each` returns. */
int records_each_domain(struct admin *a, int argc, char **argv,
                        int (*each)(struct admin *a, const struct domain_entry *e, bool only_keys, void *arg),
                        void *arg);

#endif
