/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signatures over a SHA-256 hash, as mail is signed (DKIM, ARC): RSA with PKCS #1 v1.5 (RFC 8301), and
 * Ed25519 whose message is the 32 bytes of the hash (RFC 8463). Verifying with the key of a DNS record,
 * signing with a private key in PEM, and making such keys.
 *
 * Keys from DNS are a stranger's: their size and exponent are bounded before anything is computed with them,
 * so that no key makes verifying dear. SHA-1 isn't there at all. Only memory is needed: it works in every
 * sandbox.
 */
#ifndef POSTERN_NET_SIGNATURE_H
#define POSTERN_NET_SIGNATURE_H

#include "base/bytes.h"
#include "base/status.h"
#include "net/hash.h"

enum signature_algorithm { SIGNATURE_RSA_SHA256, SIGNATURE_ED25519_SHA256 };

#define SIGNATURE_RSA_LEAST 1024 /* bits of a key that is believed (RFC 8301 3.2) */
#define SIGNATURE_RSA_MOST 8192
#define SIGNATURE_EXPONENT_MOST 32 /* bits; 17 in use. Time grows with them */
#define SIGNATURE_RSA_MADE 2048
#define SIGNATURE_LIMIT (SIGNATURE_RSA_MOST / 8) /* bytes of a signature */
#define SIGNATURE_PUBLIC_LIMIT 2048              /* bytes of a public key that are read */
#define SIGNATURE_PEM_LIMIT 16384                /* and of a private one */

/* As in a=: "rsa-sha256", "ed25519-sha256"; as in a record's k=: "rsa", "ed25519". */
const char *signature_algorithm_name(enum signature_algorithm algorithm);
const char *signature_key_type(enum signature_algorithm algorithm);
/* False, and *algorithm as it was, for any other name. Case counts not (RFC 6376 doesn't say; others do
 * so). */
bool signature_algorithm_of(struct span name, enum signature_algorithm *algorithm);

enum signature_verdict {
    SIGNATURE_GOOD,
    SIGNATURE_BAD,       /* not made with that key over that hash */
    SIGNATURE_KEY_BAD,   /* that is no public key of this kind */
    SIGNATURE_KEY_SHORT, /* RSA under SIGNATURE_RSA_LEAST: not tried */
    SIGNATURE_KEY_LONG,  /* RSA over SIGNATURE_RSA_MOST, or SIGNATURE_EXPONENT_MOST: not tried */
    SIGNATURE_FAILED,    /* the library couldn't, for want of memory */
};
/* `key` is what a record has in p=, decoded: for RSA the DER of a SubjectPublicKeyInfo or of a bare
 * RSAPublicKey, for Ed25519 the 32 bytes. `*bits` is the size of a key that could be read, else 0. */
enum signature_verdict signature_verify(enum signature_algorithm algorithm, struct span key,
                                        const unsigned char hash[HASH_SIZE], struct span signature,
                                        unsigned *bits);

/* A private key, opened. */
struct signature_key {
    enum signature_algorithm algorithm;
    unsigned bits; /* 256 for Ed25519 */
    void *handle;  /* gnutls_privkey_t */
};

/* From PEM (PKCS #8, or PKCS #1 for RSA). ST_PERM: that is no private key of these kinds, or RSA of a size
 * that is not believed; ST_TEMP: no memory. Freed with signature_key_free() after ST_OK. */
enum status signature_key_load(struct span pem, struct signature_key *key);
void signature_key_free(struct signature_key *key);
/* Appends the signature. ST_TEMP where the library refuses or `out` is full. */
enum status signature_sign(const struct signature_key *key, const unsigned char hash[HASH_SIZE],
                           struct bytes *out);
/* Appends its public part as p= has it, before base64: SubjectPublicKeyInfo for RSA, 32 bytes for Ed25519. */
enum status signature_public(const struct signature_key *key, struct bytes *out);
/* Makes a new private key, RSA with SIGNATURE_RSA_MADE bits or Ed25519, and appends it as PEM (PKCS #8), to
 * be wiped by the caller. RSA takes a good part of a second. */
enum status signature_make(enum signature_algorithm algorithm, struct bytes *pem);

#endif
