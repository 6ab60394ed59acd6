/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SHA-256, HMAC, PBKDF2 and some other hashes by GnuTLS, which has them in the processor's own instructions
 * where there are some; see hash.h. Safe in every sandbox: they need memory only.
 */
#include "net/hash.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <limits.h>

bool hash_sha256(struct span data, unsigned char out[HASH_SIZE])
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, data.p, data.n, out) == 0;
}

bool hash_start(struct hash *h)
{
    gnutls_hash_hd_t state = NULL;
    h->failed = gnutls_hash_init(&state, GNUTLS_DIG_SHA256) != 0;
    h->state = h->failed ? NULL : state;
    return !h->failed;
}

void hash_add(struct hash *h, struct span data)
{
    if (h->state && data.n && gnutls_hash(h->state, data.p, data.n) != 0)
        h->failed = true;
}

bool hash_copy(const struct hash *from, struct hash *to)
{
    to->state = from->state && !from->failed ? gnutls_hash_copy(from->state) : NULL;
    to->failed = !to->state;
    return !to->failed;
}

bool hash_end(struct hash *h, unsigned char out[HASH_SIZE])
{
    unsigned char result[HASH_SIZE];
    bool good = h->state && !h->failed;
    if (h->state)
        gnutls_hash_deinit(h->state, result);
    if (good)
        memcpy(out, result, HASH_SIZE);
    h->state = NULL;
    return good;
}

void hash_drop(struct hash *h)
{
    if (h->state)
        gnutls_hash_deinit(h->state, NULL);
    h->state = NULL;
}

bool hash_hmac_sha256(struct span key, struct span data, unsigned char out[HASH_SIZE])
{
    return gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.p, key.n, data.p, data.n, out) == 0;
}

bool hash_hmac_sha1(struct span key, struct span data, unsigned char out[HASH_SHA1_SIZE])
{
    return gnutls_hmac_fast(GNUTLS_MAC_SHA1, key.p, key.n, data.p, data.n, out) == 0;
}

static bool pbkdf2(gnutls_mac_algorithm_t mac, struct span password, struct span salt, unsigned iterations,
                   unsigned char *out, size_t size)
{
    if (password.n > UINT_MAX || salt.n > UINT_MAX)
        return false;
    gnutls_datum_t key = { (unsigned char *)(uintptr_t)password.p, (unsigned)password.n };
    gnutls_datum_t salting = { (unsigned char *)(uintptr_t)salt.p, (unsigned)salt.n };
    return gnutls_pbkdf2(mac, &key, &salting, iterations, out, size) == 0;
}

bool hash_pbkdf2_sha256(struct span password, struct span salt, unsigned iterations,
                        unsigned char out[HASH_SIZE])
{
    return pbkdf2(GNUTLS_MAC_SHA256, password, salt, iterations, out, HASH_SIZE);
}

bool hash_pbkdf2_sha1(struct span password, struct span salt, unsigned iterations,
                      unsigned char out[HASH_SHA1_SIZE])
{
    return pbkdf2(GNUTLS_MAC_SHA1, password, salt, iterations, out, HASH_SHA1_SIZE);
}

static const gnutls_digest_algorithm_t kinds[] = {
    [HASH_OF_MD5] = GNUTLS_DIG_MD5,
    [HASH_OF_SHA1] = GNUTLS_DIG_SHA1,
    [HASH_OF_SHA256] = GNUTLS_DIG_SHA256,
    [HASH_OF_SHA512] = GNUTLS_DIG_SHA512,
};

size_t hash_length(enum hash_kind kind)
{
    return gnutls_hash_get_len(kinds[kind]);
}

bool hash_pieces(enum hash_kind kind, struct span a, struct span b, unsigned char out[HASH_MOST])
{
    gnutls_hash_hd_t state;
    if (gnutls_hash_init(&state, kinds[kind]) != 0)
        return false;
    bool good = (!a.n || gnutls_hash(state, a.p, a.n) == 0) && (!b.n || gnutls_hash(state, b.p, b.n) == 0);
    gnutls_hash_deinit(state, out);
    return good;
}

bool hash_same(const unsigned char a[HASH_SIZE], const unsigned char b[HASH_SIZE])
{
    return gnutls_memcmp(a, b, HASH_SIZE) == 0;
}
