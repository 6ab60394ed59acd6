/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What dns.c and dns_many.c share.
 */
#ifndef POSTERN_NET_DNS_PRIVATE_H
#define POSTERN_NET_DNS_PRIVATE_H

#include "net/dns.h"

#define QUESTION_LIMIT 512

/* A connected socket that doesn't block, of SOCK_DGRAM or SOCK_STREAM; -1 with errno. */
int dns_open_socket(const struct sockaddr_in6 *server, int type);
/* One question over TCP; `until` is a time of clock_ms(). False without a whole answer. */
bool dns_ask_tcp(const struct sockaddr_in6 *server, struct span question, int64_t until, struct bytes *raw);
/* Is this datagram an answer of that ID? And was it cut, so that TCP has more? */
bool dns_is_for(struct span raw, uint16_t id);
bool dns_is_truncated(struct span raw);

#endif
