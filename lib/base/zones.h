/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists in DNS (RFC 5782) as settings name them: zones, each with the answers that count where not all do.
 *
 *     zen.example.org                          any answer in 127.0.0.0/8 but 127.255.255.*, which tell of
 * errors zen.example.org=127.0.0.2-11             a filter: four numbers or ranges
 *     zen.example.org=127.0.[0..1].[2;4;10..11]    or as Postfix writes them
 */
#ifndef POSTERN_BASE_ZONES_H
#define POSTERN_BASE_ZONES_H

#include "base/bytes.h"

#include <netinet/in.h>

#define ZONES_LIMIT 8
#define ZONE_NAME_LIMIT 190 /* letters: an IPv6 address in front must fit into a name */

struct zone {
    char name[ZONE_NAME_LIMIT + 1];
    bool filtered;
    unsigned char octets[4][32]; /* a bit for each value that counts */
};
struct zones {
    char *text; /* as it was written */
    struct zone *list;
    size_t count;
};

/* Reads zones with blanks between them. False, and z as it was, for anything else; ZONES_LIMIT at most. */
bool zones_parse(const char *text, struct zones *z);
void zones_free(struct zones *z);
/* Does this answer (IPv4-mapped) say that what was asked for is listed? */
bool zone_counts(const struct zone *z, const struct in6_addr *answer);
/* Is it one by which lists say that they can't be asked so: 127.255.255.*? */
bool zone_is_error(const struct in6_addr *answer);

#endif
