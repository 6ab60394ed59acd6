/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The server's side of TLS; see tls.h. Includes GnuTLS for certificates.
 *
 * There is one certificate for all, and one for each name that the setting `certificate` has. Which of them a
 * client gets is chosen here, by the name that it asks for (RFC 6066 3), and not by GnuTLS, which would fall
 * back to any that fits. The files are read before the sandbox; those beside the default are taken apart only
 * when somebody asks for them (a warm listener does it for all), so that many of them cost a cold start
 * little.
 *
 * Everything that opens files (certificates, the system's priority file) happens in tls_server_load().
 */
#include "net/tls_private.h"
#include "base/files.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_FILE_LIMIT (1u << 20)
#define NAME_LIMIT 256 /* bytes of a server name */
#define SERVER_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-DHE-DSS:%SERVER_PRECEDENCE"
#define SIGNATURE_LIMIT 1024

struct certificate {
    struct tls_server *server;
    unsigned which;   /* its number, for the guard */
    struct bytes pem; /* until it is taken apart */
    gnutls_pcert_st chain[TLS_OWN_CHAIN_LIMIT];
    unsigned length;      /* of the chain; 0: not taken apart, or unusable */
    gnutls_privkey_t key; /* asks for its signatures */
    int pk, bits;
};

struct tls_server {
    const struct settings *settings;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    struct certificate *certificates; /* the default, and behind it those of the settings, in their order */
    size_t count;
    tls_sign sign; /* of the one connection that this process serves */
    void *sign_arg;
};

/* --- the key that is elsewhere */

static int ask_signature(const struct certificate *c, gnutls_sign_algorithm_t algorithm,
                         const gnutls_datum_t *input, gnutls_datum_t *signature)
{
    struct tls_server *server = c->server;
    struct bytes got;
    bytes_init(&got, SIGNATURE_LIMIT);
    struct span in = { (const char *)input->data, input->size };
    if (!server->sign ||
        server->sign(server->sign_arg, c->which, (unsigned)algorithm, in, &got) != ST_OK) {
        bytes_free(&got);
        return GNUTLS_E_PK_SIGN_FAILED;
    }
    signature->data = gnutls_malloc(got.len + 1);
    if (signature->data) {
        memcpy(signature->data, got.data, got.len);
        signature->size = (unsigned)got.len;
    }
    bytes_free(&got);
    return signature->data ? 0 : GNUTLS_E_MEMORY_ERROR;
}

static int on_sign(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *userdata, unsigned flags,
                   const gnutls_datum_t *input, gnutls_datum_t *signature)
{
    (void)key;
    (void)flags;
    return ask_signature(userdata, algorithm, input, signature);
}

static int on_info(gnutls_privkey_t key, unsigned flags, void *userdata)
{
    const struct certificate *c = userdata;
    (void)key;
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
        return c->pk;
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
        return c->bits;
    if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) {
        gnutls_sign_algorithm_t algorithm = GNUTLS_FLAGS_TO_SIGN_ALGO(flags);
        return algorithm == GNUTLS_SIGN_RSA_RAW
                   ? c->pk == GNUTLS_PK_RSA
                   : (int)gnutls_sign_supports_pk_algorithm(algorithm, (gnutls_pk_algorithm_t)c->pk);
    }
    return -1;
}

static int attach_key(struct certificate *c)
{
    unsigned bits = 0;
    c->pk = gnutls_pubkey_get_pk_algorithm(c->chain[0].pubkey, &bits);
    c->bits = (int)bits;
    int err = gnutls_privkey_init(&c->key);
    bool whole_data = c->pk == GNUTLS_PK_EDDSA_ED25519;
    return err ? err
               : gnutls_privkey_import_ext4(c->key, c, whole_data ? on_sign : NULL, on_sign, NULL, NULL,
                                            on_info, 0);
}

/* --- certificates */

static void free_certificate(struct certificate *c)
{
    for (unsigned i = 0; i < c->length; i++)
        gnutls_pcert_deinit(&c->chain[i]);
    if (c->key)
        gnutls_privkey_deinit(c->key);
    c->key = NULL;
    c->length = 0;
    bytes_free(&c->pem);
}

/* Takes it apart, once. GnuTLS's code; 0 also where that was done already. */
static int take_apart(struct certificate *c)
{
    unsigned length = TLS_OWN_CHAIN_LIMIT;
    if (c->length)
        return 0;
    gnutls_datum_t pem = { (unsigned char *)c->pem.data, (unsigned)c->pem.len };
    int err = pem.size ? gnutls_pcert_list_import_x509_raw(c->chain, &length, &pem, GNUTLS_X509_FMT_PEM, 0)
                       : GNUTLS_E_NO_CERTIFICATE_FOUND;
    if (!err) {
        c->length = length;
        err = attach_key(c);
    }
    if (err)
        free_certificate(c);
    bytes_free(&c->pem);
    return err;
}

static enum status read_certificate(struct tls_server *server, size_t n, const char *file)
{
    struct certificate *c = &server->certificates[n];
    c->server = server;
    c->which = (unsigned)n;
    bytes_init(&c->pem, CHAIN_FILE_LIMIT);
    return file_read(AT_FDCWD, file, &c->pem);
}

static void log_unusable(const struct settings *s, size_t n, const char *why)
{
    log_event(LOG_ERR, "certificate-unusable", "domain", s->certificates[n - 1].domain, "file",
              s->certificates[n - 1].certificate, "why", why, "do",
              "its clients get that of tls-certificate; see the setting certificate", NULL);
}

/* Those beside the default: one that can't be used is nobody else's trouble. */
static void read_named(struct tls_server *server)
{
    const struct settings *s = server->settings;
    for (size_t i = 1; i < server->count; i++) {
        struct certificate *c = &server->certificates[i];
        if (read_certificate(server, i, s->certificates[i - 1].certificate) != ST_OK)
            log_unusable(s, i, strerror(errno));
        else if (!c->pem.len || !strstr(c->pem.data, "-----BEGIN CERTIFICATE-----"))
            log_unusable(s, i, "no certificate in PEM is in it");
    }
}

/* For the name that the client asks for; the default for any other, and for none. */
static struct certificate *choose(struct tls_server *server, gnutls_session_t session)
{
    char name[NAME_LIMIT];
    size_t size = sizeof name;
    unsigned type;
    if (server->count == 1 || gnutls_server_name_get(session, name, &size, &type, 0) != 0 ||
        type != GNUTLS_NAME_DNS)
        return &server->certificates[0];
    size_t n = settings_certificate_of(server->settings, (struct span){ name, strnlen(name, size) });
    struct certificate *c = n + 1 < server->count ? &server->certificates[n + 1] : &server->certificates[0];
    return take_apart(c) == 0 ? c : &server->certificates[0];
}

static int on_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                          gnutls_pcert_st **chain, unsigned *length, gnutls_ocsp_data_st **ocsp,
                          unsigned *ocsp_length, gnutls_privkey_t *key, unsigned *flags)
{
    (void)info;
    struct certificate *c = choose(gnutls_session_get_ptr(session), session);
    *chain = c->chain;
    *length = c->length;
    *ocsp = NULL;
    *ocsp_length = 0;
    *key = c->key;
    *flags = 0; /* they stay ours */
    return 0;
}

/* --- the server */

static int make_credentials(struct tls_server *server)
{
    int err = gnutls_certificate_allocate_credentials(&server->credentials);
    if (!err)
        gnutls_certificate_set_retrieve_function3(server->credentials, on_certificate);
    return err ? err : gnutls_priority_init(&server->priority, SERVER_PRIORITY, NULL);
}

enum status tls_server_load(const struct settings *s, struct tls_server **out, struct bytes *error)
{
    const char *why = "out of memory";
    struct tls_server *server = calloc(1, sizeof *server);
    if (server)
        server->certificates = calloc(s->certificate_count + 1, sizeof *server->certificates);
    if (server && server->certificates) {
        server->settings = s;
        server->count = s->certificate_count + 1;
        bool read = read_certificate(server, 0, s->tls_certificate) == ST_OK;
        why = read ? NULL : strerror(errno);
        int err = read ? take_apart(&server->certificates[0]) : 0;
        err = err ? err : make_credentials(server);
        why = err ? gnutls_strerror(err) : why;
    }
    if (why) {
        bytes_printf(error, "%s: %s; tls-certificate must name a PEM certificate chain", s->tls_certificate,
                     why);
        tls_server_free(server);
        return ST_TEMP;
    }
    read_named(server);
    *out = server;
    return ST_OK;
}

void tls_server_ready(struct tls_server *server)
{
    for (size_t i = 1; i < server->count; i++) {
        bool there = server->certificates[i].pem.len != 0;
        int err = take_apart(&server->certificates[i]);
        if (err && there)
            log_unusable(server->settings, i, gnutls_strerror(err));
    }
}

void tls_server_free(struct tls_server *server)
{
    if (!server)
        return;
    if (server->credentials)
        gnutls_certificate_free_credentials(server->credentials);
    if (server->priority)
        gnutls_priority_deinit(server->priority);
    for (size_t i = 0; i < server->count; i++)
        free_certificate(&server->certificates[i]);
    free(server->certificates);
    free(server);
}

bool tls_accept(struct conn *c, struct tls_server *server, tls_sign sign, void *arg)
{
    if (conn_pending(c).n || !conn_flush(c)) {
        conn_abandon(c);
        return false;
    }
    struct tls_state *state = tls_state_new(c, GNUTLS_SERVER | GNUTLS_NO_TICKETS);
    gnutls_session_t session = state ? tls_state_session(state) : NULL;
    if (!state || gnutls_priority_set(session, server->priority) != 0 ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, server->credentials) != 0) {
        if (state)
            tls_state_free(state);
        conn_abandon(c);
        return false;
    }
    gnutls_session_set_ptr(session, server);
    server->sign = sign;
    server->sign_arg = arg;
    return tls_handshake(c, state);
}

/* --- tls-server-end-point */

/* The hash of the certificate's own signature, but SHA-256 for MD5 and SHA-1. */
static gnutls_digest_algorithm_t end_point_digest(const gnutls_datum_t *der)
{
    gnutls_x509_crt_t crt;
    gnutls_digest_algorithm_t digest = GNUTLS_DIG_UNKNOWN;
    if (gnutls_x509_crt_init(&crt) != 0)
        return digest;
    if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) == 0) {
        int algorithm = gnutls_x509_crt_get_signature_algorithm(crt);
        if (algorithm > 0)
            digest = gnutls_sign_get_hash_algorithm((gnutls_sign_algorithm_t)algorithm);
    }
    gnutls_x509_crt_deinit(crt);
    return digest == GNUTLS_DIG_MD5 || digest == GNUTLS_DIG_SHA1 ? GNUTLS_DIG_SHA256 : digest;
}

bool tls_server_end_point(struct tls_server *server, unsigned which, struct bytes *data)
{
    unsigned char hash[64];
    if (which >= server->count || take_apart(&server->certificates[which]) != 0)
        return false;
    const gnutls_datum_t *der = &server->certificates[which].chain[0].cert;
    gnutls_digest_algorithm_t digest = end_point_digest(der);
    size_t size = digest == GNUTLS_DIG_UNKNOWN ? 0 : gnutls_hash_get_len(digest);
    return size && size <= sizeof hash && gnutls_hash_fast(digest, der->data, der->size, hash) == 0 &&
           bytes_add(data, hash, size);
}
