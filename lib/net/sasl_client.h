/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SASL as a client: PLAIN (RFC 4616), LOGIN, and SCRAM-SHA-256 (RFC 5802, RFC 7677) with the server's proof
 * checked. Messages are bytes; their base64 is the protocol's.
 */
#ifndef POSTERN_NET_SASL_CLIENT_H
#define POSTERN_NET_SASL_CLIENT_H

#include "base/bytes.h"
#include "base/status.h"

#define SASL_CLIENT_MESSAGE 4096 /* bytes of a message, ours or the server's */

enum { SASL_OFFERS_PLAIN = 1, SASL_OFFERS_LOGIN = 2, SASL_OFFERS_SCRAM = 4 };

struct sasl_client;

/* The best of what is offered: SCRAM, then PLAIN, then LOGIN; these two only if the password may be shown
 * (the connection is encrypted, or somebody said that it needn't be). NULL: none will do, or out of memory.
 * Keeps copies of name and password. */
struct sasl_client *sasl_client_new(unsigned offered, bool may_show, struct span name, struct span password);
/* Wipes and frees; NULL is allowed. */
void sasl_client_free(struct sasl_client *c);
/* "PLAIN" and so on. */
const char *sasl_client_mechanism(const struct sasl_client *c);
/* Appends the initial response. False: there is none (LOGIN), the server speaks first. */
bool sasl_client_first(struct sasl_client *c, struct bytes *out);
/* Appends the answer to a challenge. ST_PERM: it is malformed, comes out of turn, asks for more work than is
 * reasonable, or the server doesn't know the password: give up. */
enum status sasl_client_answer(struct sasl_client *c, struct span challenge, struct bytes *out);
/* May the server's success be believed? */
bool sasl_client_done(const struct sasl_client *c);

#endif
