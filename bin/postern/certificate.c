/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The self-signed certificate that `setup` begins with, so that TLS works before a real one is there: ECDSA
 * P-256, for the host's name, ten years. Includes GnuTLS (its X.509 part), which otherwise only files of
 * lib/net do.
 */
#include "admin.h"
#include "base/clock.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>

#define VALID_SECONDS (3650 * INT64_C(86400))
#define SERIAL_SIZE 16
#define KEY_ID_SIZE 20

static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *hostname)
{
    unsigned char serial[SERIAL_SIZE], id[64];
    size_t id_size = sizeof id;
    time_t now = (time_t)clock_now();
    int e = gnutls_x509_crt_set_version(crt, 3);
    random_bytes(serial, sizeof serial);
    serial[0] &= 0x7f;
    serial[0] |= 1;
    e = e ? e : gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    e = e ? e : gnutls_x509_crt_set_activation_time(crt, now - 86400);
    e = e ? e : gnutls_x509_crt_set_expiration_time(crt, now + (time_t)VALID_SECONDS);
    e = e ? e
          : gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, hostname,
                                          (unsigned)strnlen(hostname, 64)); /* the attribute's limit */
    e = e ? e
          : gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, hostname,
                                                 (unsigned)strlen(hostname), GNUTLS_FSAN_SET);
    e = e ? e : gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
    e = e ? e : gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    e = e ? e : gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    e = e ? e : gnutls_x509_crt_set_key(crt, key);
    e = e ? e : gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &id_size);
    e = e ? e : gnutls_x509_crt_set_subject_key_id(crt, id, id_size < KEY_ID_SIZE ? id_size : KEY_ID_SIZE);
    return e ? e : gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

static enum status write_pem(const char *file, const gnutls_datum_t *pem, mode_t mode, struct bytes *error)
{
    if (file_replace(AT_FDCWD, file, (struct span){ (char *)pem->data, pem->size }, mode) == ST_OK)
        return ST_OK;
    bytes_printf(error, "%s: can't write it: %s", file, strerror(errno));
    return ST_TEMP;
}

enum status certificate_make(const char *hostname, const char *certificate_file, const char *key_file,
                             struct bytes *error)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    gnutls_datum_t key_pem = { 0 }, crt_pem = { 0 };
    int e = gnutls_x509_privkey_init(&key);
    e = e ? e : gnutls_x509_crt_init(&crt);
    e = e ? e
          : gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    e = e ? e : fill(crt, key, hostname);
    e = e ? e
          : gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &key_pem);
    e = e ? e : gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem);
    enum status st = ST_TEMP;
    if (e)
        bytes_printf(error, "%s: can't make a certificate: %s", certificate_file, gnutls_strerror(e));
    else if ((st = write_pem(key_file, &key_pem, 0600, error)) == ST_OK)
        st = write_pem(certificate_file, &crt_pem, 0644, error);
    if (key_pem.data)
        gnutls_memset(key_pem.data, 0, key_pem.size);
    gnutls_free(key_pem.data);
    gnutls_free(crt_pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return st;
}
