/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS on a connection, by GnuTLS: the server whose private key is elsewhere, and the
 * client that qrun's senders use.
 *
 * The server's side never holds the private key. The certificate is public and loaded
 * before the sandbox; signatures are asked of the guard through a function that the
 * caller passes in (net/tls_key.h is the guard's side of it). TLS 1.2 and 1.3, no RSA key exchange, no
 * tickets.
 */
#ifndef POSTERN_NET_TLS_H
#define POSTERN_NET_TLS_H

#include "base/settings.h"
#include "net/conn.h"

#define TLS_OWN_CHAIN_LIMIT 8 /* certificates of one of ours */

struct tls_server;

/* Signs a hash or, for Ed25519, data, by the key of certificate `which`: 0 is that of tls-certificate, from 1
 * on those of the settings' `certificates`. `algorithm` is GnuTLS's number of the signature algorithm. The
 * signature goes to *signature. ST_OK or ST_PERM. */
typedef enum status (*tls_sign)(void *arg, unsigned which, unsigned algorithm, struct span input,
                                struct bytes *signature);

/* Loads the certificate chains (PEM): tls-certificate, and those for other names. On failure of the first
 * *error has a line for a person; of the others the log has one, and their clients get the first. Allocates
 * all that GnuTLS needs, so that a session in its sandbox opens nothing. The settings must live as long. */
enum status tls_server_load(const struct settings *s, struct tls_server **server, struct bytes *error);
/* Takes all certificates apart now, for who forks more than once. */
void tls_server_ready(struct tls_server *server);
void tls_server_free(struct tls_server *server);

/* The handshake as server on c. What was buffered in plain must have been dealt with: it is refused (false)
 * if conn_pending(c) isn't empty. True: c now speaks TLS. False: c is gone. */
bool tls_accept(struct conn *c, struct tls_server *server, tls_sign sign, void *arg);

#define TLS_CHAIN_LIMIT 16 /* certificates of the other side that are looked at */

/* The handshake as client; it verifies nothing (net/tls_verify.h does, afterwards). Server name by SNI,
 * unless it is an address literal. */
bool tls_connect(struct conn *c, const char *server_name);
/* The other side's certificates (DER), its own first, within c as long as it lives. How many. */
size_t tls_peer_chain(const struct conn *c, struct span chain[TLS_CHAIN_LIMIT]);

/* "TLS1.3 TLS_AES_256_GCM_SHA384" of a connection with TLS; "" without. For Received and the log. */
const char *tls_description(const struct conn *c);

/* --- channel bindings, by which a login says which TLS connection it was made for. Each appends its data. */
/* tls-exporter (RFC 9266) of c. False: there is no TLS, or a TLS 1.2 without extended master secret, which
 * must not be bound to. */
bool tls_exporter(const struct conn *c, struct bytes *data);
/* tls-server-end-point (RFC 5929 4), which needs no connection: a hash of certificate `which`. False: there
 * is none, or its signature has no hash. */
bool tls_server_end_point(struct tls_server *server, unsigned which, struct bytes *data);

#endif
