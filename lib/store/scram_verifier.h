/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What SCRAM-SHA-256 (RFC 5802 3, RFC 7677) computes: a verifier from a password, and with it whether a
 * proof is right. In the guard and in `postern`; a session never sees a verifier.
 */
#ifndef POSTERN_STORE_SCRAM_VERIFIER_H
#define POSTERN_STORE_SCRAM_VERIFIER_H

#include "base/status.h"
#include "text/scram.h"

#define SCRAM_SCHEME "SCRAM-SHA-256"
#define SCRAM_SALT 16           /* bytes of the salts that we make, as Dovecot's */
#define SCRAM_ITERATIONS 65536 /* of the verifiers that we make; the source says why */

/* A verifier of `password`. The password is prepared by SASLprep; one that this refuses is taken as it is.
 * False: memory has run out. */
bool scram_verifier_make(struct span password, struct span salt, unsigned iterations,
                         struct scram_verifier *v);
/* Appends "{SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey", with a salt of its own, or with salt and
 * iterations of `like` where that isn't NULL. */
enum status scram_verifier_hash(struct span password, const struct scram_verifier *like, struct bytes *out);
/* Is it the password of this verifier (which another program may have made without SASLprep)? ST_OK, ST_PERM,
 * or ST_TEMP. */
enum status scram_verifier_check(const struct scram_verifier *v, struct span password);

/* Does the proof (SCRAM_KEY bytes) fit the messages of the exchange, that is, does who made it know the
 * password? */
bool scram_verifier_proves(const struct scram_verifier *v, struct span messages,
                           const unsigned char proof[SCRAM_KEY]);
/* What tells the client that we know its verifier. */
bool scram_verifier_sign(const struct scram_verifier *v, struct span messages,
                         unsigned char signature[SCRAM_KEY]);

#endif
