/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SHA-256 and what is made of it: HMAC (RFC 2104) and PBKDF2 (RFC 8018 5.2), and a comparison of secrets. And
 * the hashes in which other programs have kept passwords.
 *
 * The functions that make a value return false, and leave *out as it was, only where the library refuses:
 * then nothing may be believed.
 */
#ifndef POSTERN_NET_HASH_H
#define POSTERN_NET_HASH_H

#include "base/bytes.h"

#define HASH_SIZE 32 /* bytes of each of them */

bool hash_sha256(struct span data, unsigned char out[HASH_SIZE]);
/* The same of what comes in pieces. hash_start() is followed by hash_end() or hash_drop(); after a failure
 * the others do nothing, and hash_end() says false. */
struct hash {
    void *state; /* gnutls_hash_hd_t */
    bool failed;
};
bool hash_start(struct hash *h);
void hash_add(struct hash *h, struct span data);
/* What came so far, to go on in two ways. False, and *to has nothing to be freed, where it can't. */
bool hash_copy(const struct hash *from, struct hash *to);
bool hash_end(struct hash *h, unsigned char out[HASH_SIZE]);
void hash_drop(struct hash *h); /* also where it has ended, or is { 0 } */

bool hash_hmac_sha256(struct span key, struct span data, unsigned char out[HASH_SIZE]);
#define HASH_SHA1_SIZE 20
/* For formats that ask for it. */
bool hash_hmac_sha1(struct span key, struct span data, unsigned char out[HASH_SHA1_SIZE]);
/* One block of output: as long as the hash. `iterations` at least 1. */
bool hash_pbkdf2_sha256(struct span password, struct span salt, unsigned iterations,
                        unsigned char out[HASH_SIZE]);

/* Those of others. */
enum hash_kind { HASH_OF_MD5, HASH_OF_SHA1, HASH_OF_SHA256, HASH_OF_SHA512 };
#define HASH_MOST 64 /* bytes of the longest */
size_t hash_length(enum hash_kind kind);
/* Of two pieces, one behind the other. */
bool hash_pieces(enum hash_kind kind, struct span a, struct span b, unsigned char out[HASH_MOST]);
/* PBKDF2 with HMAC-SHA-1, one block. */
bool hash_pbkdf2_sha1(struct span password, struct span salt, unsigned iterations,
                      unsigned char out[HASH_SHA1_SIZE]);

/* How long it takes tells nothing of where they differ. */
bool hash_same(const unsigned char a[HASH_SIZE], const unsigned char b[HASH_SIZE]);

#endif
