/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signatures by GnuTLS; see signature.h.
 *
 * RSA keys are taken out of their DER here, by lib/net/der.h, and given to the library as two numbers: what
 * it would make of a stranger's DER, or of a modulus that is even or an exponent of thousands of bits, is
 * then no question. 3.7's verifying with a key of 8,192 bits takes some tenths of a millisecond.
 */
#include "net/signature.h"
#include "net/der.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define ED25519_SIZE 32
#define ED25519_SIGNATURE 64

static const struct row {
    const char *name, *type;
    gnutls_pk_algorithm_t pk;
    gnutls_sign_algorithm_t sign;
} rows[] = {
    [SIGNATURE_RSA_SHA256] = { "rsa-sha256", "rsa", GNUTLS_PK_RSA, GNUTLS_SIGN_RSA_SHA256 },
    [SIGNATURE_ED25519_SHA256] = { "ed25519-sha256", "ed25519", GNUTLS_PK_EDDSA_ED25519,
                                   GNUTLS_SIGN_EDDSA_ED25519 },
};

const char *signature_algorithm_name(enum signature_algorithm algorithm)
{
    return rows[algorithm].name;
}

const char *signature_key_type(enum signature_algorithm algorithm)
{
    return rows[algorithm].type;
}

bool signature_algorithm_of(struct span name, enum signature_algorithm *algorithm)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (span_ieq_str(name, rows[i].name)) {
            *algorithm = (enum signature_algorithm)i;
            return true;
        }
    return false;
}

/* For the library, which changes none of it. Only for spans under INT_MAX. */
static gnutls_datum_t datum(struct span s)
{
    return (gnutls_datum_t){ (unsigned char *)(uintptr_t)s.p, (unsigned)s.n };
}

static enum signature_verdict import_rsa(gnutls_pubkey_t public, struct span key, unsigned *bits)
{
    struct span modulus, exponent;
    if (!der_rsa_public(key, &modulus, &exponent))
        return SIGNATURE_KEY_BAD;
    *bits = der_bits(modulus);
    if (*bits < SIGNATURE_RSA_LEAST)
        return SIGNATURE_KEY_SHORT;
    if (*bits > SIGNATURE_RSA_MOST || der_bits(exponent) > SIGNATURE_EXPONENT_MOST)
        return SIGNATURE_KEY_LONG;
    if (!der_is_odd(modulus) || !der_is_odd(exponent) || der_bits(exponent) < 2)
        return SIGNATURE_KEY_BAD;
    gnutls_datum_t n = datum(modulus), e = datum(exponent);
    return gnutls_pubkey_import_rsa_raw(public, &n, &e) == 0 ? SIGNATURE_GOOD : SIGNATURE_KEY_BAD;
}

static enum signature_verdict import(enum signature_algorithm algorithm, gnutls_pubkey_t public,
                                     struct span key, unsigned *bits)
{
    if (key.n > SIGNATURE_PUBLIC_LIMIT)
        return algorithm == SIGNATURE_RSA_SHA256 ? SIGNATURE_KEY_LONG : SIGNATURE_KEY_BAD;
    if (algorithm == SIGNATURE_RSA_SHA256)
        return import_rsa(public, key, bits);
    if (key.n != ED25519_SIZE)
        return SIGNATURE_KEY_BAD;
    *bits = ED25519_SIZE * 8;
    gnutls_datum_t x = datum(key);
    return gnutls_pubkey_import_ecc_raw(public, GNUTLS_ECC_CURVE_ED25519, &x, NULL) == 0 ? SIGNATURE_GOOD
                                                                                         : SIGNATURE_KEY_BAD;
}

enum signature_verdict signature_verify(enum signature_algorithm algorithm, struct span key,
                                        const unsigned char hash[HASH_SIZE], struct span signature,
                                        unsigned *bits)
{
    gnutls_pubkey_t public = NULL;
    *bits = 0;
    if (gnutls_pubkey_init(&public) != 0)
        return SIGNATURE_FAILED;
    enum signature_verdict verdict = import(algorithm, public, key, bits);
    size_t most = algorithm == SIGNATURE_RSA_SHA256 ? (*bits + 7) / 8 : ED25519_SIGNATURE;
    if (verdict == SIGNATURE_GOOD && (signature.n == 0 || signature.n > most))
        verdict = SIGNATURE_BAD;
    if (verdict == SIGNATURE_GOOD) {
        gnutls_datum_t data = datum((struct span){ (const char *)hash, HASH_SIZE }), value = datum(signature);
        int err = algorithm == SIGNATURE_RSA_SHA256
                      ? gnutls_pubkey_verify_hash2(public, rows[algorithm].sign, 0, &data, &value)
                      : gnutls_pubkey_verify_data2(public, rows[algorithm].sign, 0, &data, &value);
        verdict = err >= 0 ? SIGNATURE_GOOD : err == GNUTLS_E_MEMORY_ERROR ? SIGNATURE_FAILED : SIGNATURE_BAD;
    }
    gnutls_pubkey_deinit(public);
    return verdict;
}

/* What kind of key it is. False for one that isn't for mail. */
static bool recognise(struct signature_key *key)
{
    int pk = gnutls_privkey_get_pk_algorithm(key->handle, &key->bits);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (pk == (int)rows[i].pk) {
            key->algorithm = (enum signature_algorithm)i;
            return pk != GNUTLS_PK_RSA ||
                   (key->bits >= SIGNATURE_RSA_LEAST && key->bits <= SIGNATURE_RSA_MOST);
        }
    return false;
}

enum status signature_key_load(struct span pem, struct signature_key *key)
{
    gnutls_privkey_t handle = NULL;
    *key = (struct signature_key){ .handle = NULL };
    if (pem.n > SIGNATURE_PEM_LIMIT)
        return ST_PERM;
    if (gnutls_privkey_init(&handle) != 0)
        return ST_TEMP;
    gnutls_datum_t text = datum(pem);
    int err = gnutls_privkey_import_x509_raw(handle, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    key->handle = handle;
    if (err == 0 && recognise(key))
        return ST_OK;
    signature_key_free(key);
    return err == GNUTLS_E_MEMORY_ERROR ? ST_TEMP : ST_PERM;
}

void signature_key_free(struct signature_key *key)
{
    if (key->handle)
        gnutls_privkey_deinit(key->handle);
    key->handle = NULL;
}

enum status signature_sign(const struct signature_key *key, const unsigned char hash[HASH_SIZE],
                           struct bytes *out)
{
    gnutls_datum_t data = datum((struct span){ (const char *)hash, HASH_SIZE }), value = { NULL, 0 };
    gnutls_sign_algorithm_t sign = rows[key->algorithm].sign;
    int err = key->algorithm == SIGNATURE_RSA_SHA256
                  ? gnutls_privkey_sign_hash2(key->handle, sign, 0, &data, &value)
                  : gnutls_privkey_sign_data2(key->handle, sign, 0, &data, &value);
    bool good = err == 0 && bytes_add(out, value.data, value.size);
    gnutls_free(value.data);
    return good ? ST_OK : ST_TEMP;
}

/* The raw key of Ed25519. */
static bool ed25519_public(gnutls_pubkey_t public, struct bytes *out)
{
    gnutls_datum_t x = { NULL, 0 };
    bool good = gnutls_pubkey_export_ecc_raw2(public, NULL, &x, NULL, 0) == 0 && x.size == ED25519_SIZE &&
                bytes_add(out, x.data, x.size);
    gnutls_free(x.data);
    return good;
}

static bool rsa_public(gnutls_pubkey_t public, struct bytes *out)
{
    gnutls_datum_t der = { NULL, 0 };
    bool good =
        gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &der) == 0 && bytes_add(out, der.data, der.size);
    gnutls_free(der.data);
    return good;
}

enum status signature_public(const struct signature_key *key, struct bytes *out)
{
    gnutls_pubkey_t public = NULL;
    if (gnutls_pubkey_init(&public) != 0)
        return ST_TEMP;
    bool good = gnutls_pubkey_import_privkey(public, key->handle, 0, 0) == 0 &&
                (key->algorithm == SIGNATURE_RSA_SHA256 ? rsa_public : ed25519_public)(public, out);
    gnutls_pubkey_deinit(public);
    return good ? ST_OK : ST_TEMP;
}

enum status signature_make(enum signature_algorithm algorithm, struct bytes *pem)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t text = { NULL, 0 };
    unsigned bits = algorithm == SIGNATURE_RSA_SHA256 ? SIGNATURE_RSA_MADE
                                                      : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519);
    if (gnutls_x509_privkey_init(&key) != 0)
        return ST_TEMP;
    bool good =
        gnutls_x509_privkey_generate(key, rows[algorithm].pk, bits, 0) == 0 &&
        gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &text) == 0 &&
        bytes_add(pem, text.data, text.size);
    if (text.data)
        explicit_bzero(text.data, text.size);
    gnutls_free(text.data);
    gnutls_x509_privkey_deinit(key);
    return good ? ST_OK : ST_TEMP;
}
