/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads certificates and keys for `postern dns` and `postern doctor`. Includes GnuTLS (its X.509 part), as
 * certificate.c does: what handlers know of their certificate is in lib/net, and doesn't tell such things.
 */
#include "certificate.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#define DER_LIMIT ((size_t)1 << 20)

static enum status read_file(const char *file, struct bytes *pem, struct bytes *error)
{
    enum status st = file_read(AT_FDCWD, file, pem);
    if (st != ST_OK)
        bytes_printf(error, "%s: %s", file, st == ST_PERM ? "larger than 1 MiB" : strerror(errno));
    return st == ST_PERM ? ST_TEMP : st;
}

static bool add_der(gnutls_x509_crt_t crt, struct certificate_info *info)
{
    gnutls_datum_t der = { 0 };
    bool ok = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der) == 0;
    if (ok && info->count < TLS_CHAIN_LIMIT) {
        info->chain[info->count].n = der.size;
        ok = bytes_add(&info->der, der.data, der.size);
        info->count += ok;
    }
    gnutls_free(der.data);
    return ok;
}

/* Of the chain's first certificate. */
static bool tell(gnutls_x509_crt_t crt, const char *name, struct certificate_info *info)
{
    size_t size = sizeof info->key;
    info->from = (int64_t)gnutls_x509_crt_get_activation_time(crt);
    info->to = (int64_t)gnutls_x509_crt_get_expiration_time(crt);
    info->has_name = name && gnutls_x509_crt_check_hostname(crt, name) != 0;
    info->self_signed = gnutls_x509_crt_check_issuer(crt, crt) != 0;
    return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, info->key, &size) == 0;
}

enum status certificate_parse(struct span pem, const char *file, const char *name,
                              struct certificate_info *info, struct bytes *error)
{
    gnutls_x509_crt_t *list = NULL;
    unsigned count = 0;
    gnutls_datum_t data = { (unsigned char *)(uintptr_t)pem.p, (unsigned)pem.n };
    *info = (struct certificate_info){ 0 };
    bytes_init(&info->der, DER_LIMIT);
    if (pem.n > CERTIFICATE_FILE_LIMIT ||
        gnutls_x509_crt_list_import2(&list, &count, &data, GNUTLS_X509_FMT_PEM, 0) < 0 || count == 0) {
        bytes_printf(error, "%s: holds no certificate in PEM", file);
        return ST_PERM;
    }
    bool ok = tell(list[0], name, info);
    info->in_order = count < 2 || gnutls_x509_crt_check_issuer(list[0], list[1]) != 0;
    for (unsigned i = 0; i < count; i++) {
        ok = ok && add_der(list[i], info);
        gnutls_x509_crt_deinit(list[i]);
    }
    gnutls_free(list);
    for (size_t i = 0, at = 0; i < info->count; at += info->chain[i++].n)
        info->chain[i].p = info->der.data + at;
    if (!ok)
        bytes_printf(error, "%s: can't be read", file);
    return ok ? ST_OK : ST_PERM;
}

enum status certificate_read(const char *file, const char *name, struct certificate_info *info,
                             struct bytes *error)
{
    struct bytes pem;
    *info = (struct certificate_info){ 0 };
    bytes_init(&pem, CERTIFICATE_FILE_LIMIT);
    enum status st = read_file(file, &pem, error);
    if (st == ST_OK)
        st = certificate_parse(span_bytes(&pem), file, name, info, error);
    bytes_free(&pem);
    return st;
}

void certificate_free(struct certificate_info *info)
{
    bytes_free(&info->der);
}

enum status certificate_key_digest(const char *file, unsigned char digest[HASH_SIZE], struct bytes *error)
{
    struct certificate_info info;
    enum status st = certificate_read(file, NULL, &info, error);
    memcpy(digest, info.key, HASH_SIZE);
    certificate_free(&info);
    return st;
}

/* Of a kind that lib/net/tls_key.c signs with. */
static bool can_sign(gnutls_x509_privkey_t key)
{
    int pk = gnutls_x509_privkey_get_pk_algorithm(key);
    return pk == GNUTLS_PK_RSA || pk == GNUTLS_PK_ECDSA || pk == GNUTLS_PK_EDDSA_ED25519;
}

enum status certificate_private_parse(struct span pem, const char *file, unsigned char digest[HASH_SIZE],
                                      struct bytes *error)
{
    gnutls_x509_privkey_t key = NULL;
    size_t size = HASH_SIZE;
    gnutls_datum_t data = { (unsigned char *)(uintptr_t)pem.p, (unsigned)pem.n };
    enum status st = ST_PERM;
    if (pem.n > CERTIFICATE_FILE_LIMIT || gnutls_x509_privkey_init(&key) != 0 ||
        gnutls_x509_privkey_import2(key, &data, GNUTLS_X509_FMT_PEM, NULL, 0) != 0)
        bytes_printf(error, "%s: holds no private key in PEM without a password", file);
    else if (!can_sign(key) ||
             gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, digest, &size) != 0)
        bytes_printf(error, "%s: is of a kind that isn't used here; it may be RSA, ECDSA or Ed25519", file);
    else
        st = ST_OK;
    if (key)
        gnutls_x509_privkey_deinit(key);
    return st;
}

enum status certificate_private_digest(const char *file, unsigned char digest[HASH_SIZE], struct bytes *error)
{
    struct bytes pem;
    bytes_init(&pem, CERTIFICATE_FILE_LIMIT);
    enum status st = read_file(file, &pem, error);
    if (st == ST_OK)
        st = certificate_private_parse(span_bytes(&pem), file, digest, error);
    bytes_wipe(&pem);
    return st;
}
