/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DNS answers that are verified (RFC 4033 to 4035) by libunbound, here and not by the resolver that was
 * asked: what lies between it and us may be anybody. The resolver need only pass signatures on.
 *
 * A struct dnssec is for one process, which asks one question at a time. It is opened before the sandbox
 * (SANDBOX_RESOLVER), where it then needs sockets and nothing else: no file, no thread.
 */
#ifndef POSTERN_NET_DNSSEC_H
#define POSTERN_NET_DNSSEC_H

#include "net/dns.h"

#define DNSSEC_ANCHORS_LIMIT 65536 /* bytes of a file of trust anchors */

struct dnssec;

/* Reads the trust anchors: DS or DNSKEY records, one a line, `;` comments. `file` "": the system's; where
 * there is none, ST_NONE. With another status but ST_OK *error has a line for a person. */
enum status dnssec_read_anchors(const char *file, struct bytes *anchors, struct bytes *error);

/* Opens it over the servers of `r`. `exempt`: names, parted by blanks, below which nothing need be signed.
 * ST_TEMP: memory; ST_PERM: a trust anchor or name is none. */
enum status dnssec_open(const struct dns_resolver *r, struct span anchors, const char *exempt,
                        struct dnssec **d);

/* Does the resolver pass on the root's keys with signatures that hold? */
bool dnssec_works(struct dnssec *d);

/* As dns_ask(), with secure and bogus set; `d` is a struct dnssec, for struct dns_resolver. */
enum status dnssec_ask(void *d, const char *name, enum dns_type type, struct dns_answer *answer);

#endif
