/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The guard's side of TLS: it alone opens a private key, that of the certificate which the handshake chose,
 * when the first signature is asked for, and signs only what a server's handshake needs: a hash of the right
 * length in an algorithm that fits the key (a full DigestInfo or PSS is made here, not taken from the
 * session; for Ed25519 the bytes of a TLS 1.3 CertificateVerify or a TLS 1.2 ServerKeyExchange). Never
 * decrypts.
 */
#ifndef POSTERN_NET_TLS_KEY_H
#define POSTERN_NET_TLS_KEY_H

#include "base/bytes.h"
#include "base/settings.h"
#include "base/status.h"

#define TLS_KEY_SIGNATURES 2 /* a connection gets */

struct tls_key {
    const struct settings *settings; /* which have its files */
    void *key;             /* gnutls_privkey_t once opened */
    unsigned opened;       /* its number, as tls.h has it */
    unsigned signed_count; /* asked for */
    unsigned given;        /* and not refused: the handshake has come so far */
    unsigned which;        /* whose the last one is: that certificate was sent */
};

void tls_key_init(struct tls_key *k, const struct settings *s);
/* With the key of certificate `which`. ST_PERM for what it refuses to sign, a key that isn't in the settings
 * or a third signature, ST_TEMP if the key can't be read. */
enum status tls_key_sign(struct tls_key *k, unsigned which, unsigned algorithm, struct span input,
                         struct bytes *signature);
void tls_key_free(struct tls_key *k);

#endif
