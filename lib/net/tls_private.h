/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What tls.c and tls_server.c share: a TLS session on a connection.
 */
#ifndef POSTERN_NET_TLS_PRIVATE_H
#define POSTERN_NET_TLS_PRIVATE_H

#include "net/tls.h"

struct tls_state;
struct gnutls_session_int; /* what gnutls_session_t points to */

/* A session that reads and writes c's transport; `flags` of gnutls_init(). NULL without memory. */
struct tls_state *tls_state_new(struct conn *c, unsigned flags);
struct gnutls_session_int *tls_state_session(struct tls_state *state);
void tls_state_free(struct tls_state *state);
/* Runs the handshake and, when it worked, puts TLS between c and its transport. Else frees state, and c is
 * gone. */
bool tls_handshake(struct conn *c, struct tls_state *state);

#endif
