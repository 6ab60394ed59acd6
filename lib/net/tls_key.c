/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signing with the private key, in the guard; see tls_key.h. Includes GnuTLS for signatures.
 *
 * The session is not trusted to ask only for its own handshake, so what it may have signed is
 * narrowed to what a TLS server signs: with RSA and ECDSA a SHA-2 hash of the right length, with
 * Ed25519 (which signs whole data) the fixed forms of RFC 8446 4.4.3 and RFC 8422 5.4.
 */
#include "net/tls_key.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <string.h>

#define KEY_FILE_LIMIT 65536
#define TLS12_PARAMS_LIMIT 256 /* two randoms and the curve's point */

void tls_key_init(struct tls_key *k, const struct settings *s)
{
    *k = (struct tls_key){ .settings = s };
}

static enum status open_key(struct tls_key *k)
{
    struct bytes pem;
    gnutls_privkey_t key = NULL;
    const char *file = settings_key_file(k->settings, k->opened);
    bytes_init(&pem, KEY_FILE_LIMIT);
    enum status st = file_read(AT_FDCWD, file, &pem);
    int err = 0;
    if (st == ST_OK) {
        gnutls_datum_t datum = { (unsigned char *)pem.data, (unsigned)pem.len };
        err = gnutls_privkey_init(&key);
        if (err == 0)
            err = gnutls_privkey_import_x509_raw(key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    bytes_wipe(&pem);
    if (st != ST_OK || err != 0) {
        log_event(LOG_ERR, "tls-key-unusable", "file", file, "why",
                  st != ST_OK ? strerror(errno) : gnutls_strerror(err), "do",
                  "check that tls-key, or certificate, names a PEM key that the user postern can read", NULL);
        if (key)
            gnutls_privkey_deinit(key);
        return ST_TEMP;
    }
    k->key = key;
    return ST_OK;
}

/* The hash inside a DigestInfo (RFC 8017 9.2) of SHA-256, -384 or -512; anything else is refused. */
static bool digest_info(struct span input, gnutls_sign_algorithm_t *algorithm, struct span *hash)
{
    static const struct { gnutls_sign_algorithm_t algorithm; unsigned char size, oid;
    } rows[] = {
        { GNUTLS_SIGN_RSA_SHA256, 32, 1 },
        { GNUTLS_SIGN_RSA_SHA384, 48, 2 },
        { GNUTLS_SIGN_RSA_SHA512, 64, 3 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned char n = rows[i].size;
        unsigned char prefix[] = { 0x30, (unsigned char)(17 + n), 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1,
                                   0x65, 3, 4, 2, rows[i].oid, 5, 0, 4, n };
        if (input.n == sizeof prefix + n && memcmp(input.p, prefix, sizeof prefix) == 0) {
            *algorithm = rows[i].algorithm;
            *hash = span_from(input, sizeof prefix);
            return true;
        }
    }
    return false;
}

/* May this hash be signed with this algorithm, by a key of this kind? */
static bool hash_fits(gnutls_pk_algorithm_t pk, gnutls_sign_algorithm_t algorithm, struct span hash)
{
    gnutls_digest_algorithm_t digest = gnutls_sign_get_hash_algorithm(algorithm);
    bool sha2 = digest == GNUTLS_DIG_SHA256 || digest == GNUTLS_DIG_SHA384 || digest == GNUTLS_DIG_SHA512;
    return sha2 && hash.n == gnutls_hash_get_len(digest) && gnutls_sign_supports_pk_algorithm(algorithm, pk);
}

/* What a TLS server signs with Ed25519: the CertificateVerify of TLS 1.3, or two randoms and the key share of
 * TLS 1.2. */
static bool data_fits(struct span data)
{
    static const char context[] = "TLS 1.3, server CertificateVerify";
    if (data.n > 64 && data.p[0] == ' ') {
        for (int i = 0; i < 64; i++)
            if (data.p[i] != ' ')
                return false;
        struct span rest = span_from(data, 64);
        return (rest.n == sizeof context + 32 || rest.n == sizeof context + 48) &&
               memcmp(rest.p, context, sizeof context) == 0;
    }
    return data.n > 64 + 4 && data.n <= TLS12_PARAMS_LIMIT && data.p[64] == 3 /* named curve */ &&
           data.n == 64u + 4 + (unsigned char)data.p[67];
}

static int sign(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, struct span input,
                gnutls_datum_t *out)
{
    gnutls_pk_algorithm_t pk = (gnutls_pk_algorithm_t)gnutls_privkey_get_pk_algorithm(key, NULL);
    gnutls_datum_t datum;
    if (algorithm == GNUTLS_SIGN_EDDSA_ED25519) {
        if (pk != GNUTLS_PK_EDDSA_ED25519 || !data_fits(input))
            return GNUTLS_E_INVALID_REQUEST;
        datum = (gnutls_datum_t){ (unsigned char *)(uintptr_t)input.p, (unsigned)input.n };
        return gnutls_privkey_sign_data2(key, algorithm, 0, &datum, out);
    }
    if (algorithm == GNUTLS_SIGN_RSA_RAW && !digest_info(input, &algorithm, &input))
        return GNUTLS_E_INVALID_REQUEST;
    if (!hash_fits(pk, algorithm, input))
        return GNUTLS_E_INVALID_REQUEST;
    datum = (gnutls_datum_t){ (unsigned char *)(uintptr_t)input.p, (unsigned)input.n };
    return gnutls_privkey_sign_hash2(key, algorithm, 0, &datum, out);
}

/* Another certificate's key takes the place of the one that is open. */
static void choose(struct tls_key *k, unsigned which)
{
    if (which != k->opened)
        tls_key_free(k);
    k->opened = which;
}

enum status tls_key_sign(struct tls_key *k, unsigned which, unsigned algorithm, struct span input,
                         struct bytes *signature)
{
    if (k->signed_count >= TLS_KEY_SIGNATURES || which > k->settings->certificate_count)
        return ST_PERM;
    k->signed_count++;
    choose(k, which);
    if (!k->key && open_key(k) != ST_OK)
        return ST_TEMP;
    gnutls_datum_t out = { NULL, 0 };
    int err = sign(k->key, (gnutls_sign_algorithm_t)algorithm, input, &out);
    if (err != 0) {
        log_event(LOG_WARNING, "signature-refused", "algorithm",
                  gnutls_sign_get_name((gnutls_sign_algorithm_t)algorithm), "why", gnutls_strerror(err),
                  NULL);
        return ST_PERM;
    }
    bool ok = bytes_add(signature, out.data, out.size);
    gnutls_free(out.data);
    k->given += ok;
    if (ok)
        k->which = which;
    return ok ? ST_OK : ST_PERM;
}

void tls_key_free(struct tls_key *k)
{
    if (k->key)
        gnutls_privkey_deinit(k->key);
    k->key = NULL;
}
