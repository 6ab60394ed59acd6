/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The resolver that a session gives to the checks of lib/trust: it asks its guard, which has the questions
 * asked and counts them, and reads the answers itself. Those that are expected are asked for with the next
 * that is wanted, in one go. Answers are kept for the messages behind this one.
 */
#ifndef POSTERN_SMTPD_SESSION_DNS_H
#define POSTERN_SMTPD_SESSION_DNS_H

#include "session.h"
#include "trust/lookup.h"

/* For one message, of a transaction that the guard wants to have checked (ORIGIN_CHECK), once it has a
 * recipient. What it returns is good until the next call. Where the guard says that the connection has asked
 * enough, s->dns_spent is set, and everything is a temporary failure. */
struct trust_lookup session_dns_begin(struct session *s);
/* At the connection's end. */
void session_dns_free(struct session *s);

#endif
