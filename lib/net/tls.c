/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS over a connection by GnuTLS; see tls.h. Includes GnuTLS for sessions.
 *
 * GnuTLS reads and writes through conn's own transport functions, so deadlines, flushing and
 * sticky errors are the same with and without TLS. Everything that opens files (certificates, the
 * system's priority file) happens in tls_server_load(), before a sandbox.
 */
#include "net/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_LIMIT 8
#define DESCRIPTION_LIMIT 96
#define SERVER_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-DHE-DSS:%SERVER_PRECEDENCE"
#define CLIENT_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define SIGNATURE_LIMIT 1024
#define EXPORTER_SIZE 32
#define HANDSHAKE_STEPS 1000 /* messages and retries of one handshake */

struct tls_server {
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    gnutls_privkey_t key; /* owned by the credentials once set there */
    int pk, bits;
    tls_sign sign; /* of the one connection that this process serves */
    void *sign_arg;
};

struct tls_state {
    gnutls_session_t session;
    gnutls_certificate_credentials_t client_credentials; /* NULL on the server's side */
    struct conn *conn;
    char description[DESCRIPTION_LIMIT];
};

/* --- the key that is elsewhere */

static int ask_signature(struct tls_server *server, gnutls_sign_algorithm_t algorithm,
                         const gnutls_datum_t *input, gnutls_datum_t *signature)
{
    struct bytes got;
    bytes_init(&got, SIGNATURE_LIMIT);
    struct span in = { (const char *)input->data, input->size };
    if (!server->sign || server->sign(server->sign_arg, (unsigned)algorithm, in, &got) != ST_OK) {
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
    const struct tls_server *server = userdata;
    (void)key;
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
        return server->pk;
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
        return server->bits;
    if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) {
        gnutls_sign_algorithm_t algorithm = GNUTLS_FLAGS_TO_SIGN_ALGO(flags);
        return algorithm == GNUTLS_SIGN_RSA_RAW
                   ? server->pk == GNUTLS_PK_RSA
                   : (int)gnutls_sign_supports_pk_algorithm(algorithm, (gnutls_pk_algorithm_t)server->pk);
    }
    return -1;
}

static int attach_key(struct tls_server *server, const gnutls_pcert_st *leaf)
{
    unsigned bits = 0;
    server->pk = gnutls_pubkey_get_pk_algorithm(leaf->pubkey, &bits);
    server->bits = (int)bits;
    int err = gnutls_privkey_init(&server->key);
    bool whole_data = server->pk == GNUTLS_PK_EDDSA_ED25519;
    return err ? err
               : gnutls_privkey_import_ext4(server->key, server, whole_data ? on_sign : NULL, on_sign, NULL,
                                            NULL, on_info, 0);
}

/* --- the server's credentials */

static int load_chain(struct tls_server *server, const char *file)
{
    gnutls_pcert_st chain[CHAIN_LIMIT];
    unsigned count = CHAIN_LIMIT;
    int err = gnutls_pcert_list_import_x509_file(chain, &count, file, GNUTLS_X509_FMT_PEM, NULL, NULL, 0);
    if (err)
        return err;
    err = attach_key(server, &chain[0]);
    if (!err)
        err = gnutls_certificate_set_key(server->credentials, NULL, 0, chain, (int)count, server->key);
    if (err)
        for (unsigned i = 0; i < count; i++)
            gnutls_pcert_deinit(&chain[i]);
    return err;
}

enum status tls_server_load(const char *certificate_file, struct tls_server **out, struct bytes *error)
{
    struct tls_server *server = calloc(1, sizeof *server);
    if (!server)
        return ST_TEMP;
    int err = gnutls_certificate_allocate_credentials(&server->credentials);
    if (!err) {
        gnutls_certificate_set_flags(server->credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
        err = gnutls_priority_init(&server->priority, SERVER_PRIORITY, NULL);
    }
    if (!err)
        err = load_chain(server, certificate_file);
    if (err) {
        bytes_printf(error, "%s: %s; tls-certificate must name a PEM certificate chain", certificate_file,
                     gnutls_strerror(err));
        tls_server_free(server);
        return ST_TEMP;
    }
    *out = server;
    return ST_OK;
}

void tls_server_free(struct tls_server *server)
{
    if (!server)
        return;
    if (server->credentials)
        gnutls_certificate_free_credentials(server->credentials);
    if (server->priority)
        gnutls_priority_deinit(server->priority);
    free(server);
}

/* --- a session on a connection */

static ssize_t on_pull(gnutls_transport_ptr_t p, void *to, size_t n)
{
    struct tls_state *state = p;
    ssize_t got = conn_raw_read(state->conn, to, n);
    if (got < 0)
        gnutls_transport_set_errno(state->session, errno);
    return got;
}

static int on_pull_timeout(gnutls_transport_ptr_t p, unsigned ms)
{
    (void)p;
    (void)ms;
    return 1; /* reading never waits */
}

static ssize_t on_push(gnutls_transport_ptr_t p, const void *data, size_t n)
{
    struct tls_state *state = p;
    ssize_t done = conn_raw_write(state->conn, data, n);
    if (done < 0)
        gnutls_transport_set_errno(state->session, EPIPE);
    return done;
}

static ssize_t layer_read(void *s, void *to, size_t n)
{
    struct tls_state *state = s;
    for (;;) {
        ssize_t got = gnutls_record_recv(state->session, to, n);
        if (got == GNUTLS_E_AGAIN) {
            errno = EAGAIN;
            return -1;
        }
        if (got == GNUTLS_E_REHANDSHAKE) {
            gnutls_alert_send(state->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
            got = GNUTLS_E_INVALID_REQUEST;
        }
        if (got >= 0)
            return got;
        if (gnutls_error_is_fatal((int)got)) {
            errno = EIO;
            return -1;
        }
    }
}

static ssize_t layer_write(void *s, const void *data, size_t n)
{
    struct tls_state *state = s;
    const char *at = data;
    for (size_t left = n; left;) {
        ssize_t done = gnutls_record_send(state->session, at, left);
        if (done < 0 && gnutls_error_is_fatal((int)done))
            return -1;
        if (done > 0) {
            at += done;
            left -= (size_t)done;
        }
    }
    return (ssize_t)n;
}

static bool layer_pending(void *s)
{
    struct tls_state *state = s;
    return gnutls_record_check_pending(state->session) > 0;
}

static void free_state(struct tls_state *state)
{
    gnutls_deinit(state->session);
    if (state->client_credentials)
        gnutls_certificate_free_credentials(state->client_credentials);
    free(state);
}

static void layer_close(void *s)
{
    struct tls_state *state = s;
    gnutls_bye(state->session, GNUTLS_SHUT_WR);
    free_state(state);
}

static const char *layer_describe(void *s)
{
    struct tls_state *state = s;
    return state->description;
}

static struct tls_state *new_state(struct conn *c, unsigned flags)
{
    struct tls_state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    if (gnutls_init(&state->session, flags) != 0) {
        free(state);
        return NULL;
    }
    state->conn = c;
    gnutls_transport_set_ptr(state->session, state);
    gnutls_transport_set_pull_function(state->session, on_pull);
    gnutls_transport_set_pull_timeout_function(state->session, on_pull_timeout);
    gnutls_transport_set_push_function(state->session, on_push);
    gnutls_handshake_set_timeout(state->session, GNUTLS_INDEFINITE_TIMEOUT); /* conn has the deadlines */
    return state;
}

/* Runs the handshake and, when it worked, puts TLS between c and its transport. Frees state otherwise. */
static bool handshake(struct conn *c, struct tls_state *state)
{
    int err = GNUTLS_E_AGAIN;
    conn_begin(c);
    for (int i = 0; i < HANDSHAKE_STEPS && err != 0; i++) {
        err = gnutls_handshake(state->session);
        if (err == GNUTLS_E_AGAIN && !conn_raw_wait(c))
            break;
        if (err < 0 && gnutls_error_is_fatal(err)) {
            gnutls_alert_send_appropriate(state->session, err);
            break;
        }
    }
    if (err != 0) {
        conn_abandon(c);
        free_state(state);
        return false;
    }
    const char *suite = gnutls_ciphersuite_get(state->session);
    snprintf(state->description, sizeof state->description, "%s %s",
             gnutls_protocol_get_name(gnutls_protocol_get_version(state->session)), suite ? suite : "");
    conn_set_layer(c, (struct conn_layer){ .state = state,
                                           .read = layer_read,
                                           .write = layer_write,
                                           .pending = layer_pending,
                                           .close = layer_close,
                                           .describe = layer_describe });
    return true;
}

bool tls_accept(struct conn *c, struct tls_server *server, tls_sign sign, void *arg)
{
    if (conn_pending(c).n || !conn_flush(c)) {
        conn_abandon(c);
        return false;
    }
    struct tls_state *state = new_state(c, GNUTLS_SERVER | GNUTLS_NO_TICKETS);
    if (!state || gnutls_priority_set(state->session, server->priority) != 0 ||
        gnutls_credentials_set(state->session, GNUTLS_CRD_CERTIFICATE, server->credentials) != 0) {
        if (state)
            free_state(state);
        conn_abandon(c);
        return false;
    }
    server->sign = sign;
    server->sign_arg = arg;
    return handshake(c, state);
}

bool tls_connect(struct conn *c, const char *server_name)
{
    if (conn_pending(c).n || !conn_flush(c)) {
        conn_abandon(c);
        return false;
    }
    struct tls_state *state = new_state(c, GNUTLS_CLIENT | GNUTLS_NO_TICKETS);
    bool ready =
        state && gnutls_certificate_allocate_credentials(&state->client_credentials) == 0 &&
        gnutls_priority_set_direct(state->session, CLIENT_PRIORITY, NULL) == 0 &&
        gnutls_credentials_set(state->session, GNUTLS_CRD_CERTIFICATE, state->client_credentials) == 0 &&
        (server_name[0] == '[' || gnutls_server_name_set(state->session, GNUTLS_NAME_DNS, server_name, strlen(server_name)) == 0);
    if (!ready) {
        if (state)
            free_state(state);
        conn_abandon(c);
        return false;
    }
    return handshake(c, state);
}

size_t tls_peer_chain(const struct conn *c, struct span chain[TLS_CHAIN_LIMIT])
{
    const struct conn_layer *layer = conn_layer(c);
    unsigned count = 0;
    const gnutls_datum_t *list =
        layer ? gnutls_certificate_get_peers(((struct tls_state *)layer->state)->session, &count) : NULL;
    size_t n = !list ? 0 : count < TLS_CHAIN_LIMIT ? count : TLS_CHAIN_LIMIT;
    for (size_t i = 0; i < n; i++)
        chain[i] = (struct span){ (const char *)list[i].data, list[i].size };
    return n;
}

const char *tls_description(const struct conn *c)
{
    const struct conn_layer *layer = conn_layer(c);
    return layer && layer->describe ? layer->describe(layer->state) : "";
}

/* --- channel bindings */

bool tls_exporter(const struct conn *c, struct bytes *data)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    const struct conn_layer *layer = conn_layer(c);
    char value[EXPORTER_SIZE];
    if (!layer)
        return false;
    gnutls_session_t session = ((struct tls_state *)layer->state)->session;
    if (gnutls_protocol_get_version(session) != GNUTLS_TLS1_3 &&
        !gnutls_session_ext_master_secret_status(session))
        return false;
    /* An empty context, which in TLS 1.2 isn't the same as none (RFC 9266 2, RFC 5705 4). */
    return gnutls_prf_rfc5705(session, sizeof label - 1, label, 0, "", sizeof value, value) == 0 &&
           bytes_add(data, value, sizeof value);
}

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

bool tls_server_end_point(const struct tls_server *server, struct bytes *data)
{
    gnutls_datum_t der;
    unsigned char hash[64];
    if (gnutls_certificate_get_crt_raw(server->credentials, 0, 0, &der) != 0)
        return false;
    gnutls_digest_algorithm_t digest = end_point_digest(&der);
    size_t size = digest == GNUTLS_DIG_UNKNOWN ? 0 : gnutls_hash_get_len(digest);
    return size && size <= sizeof hash && gnutls_hash_fast(digest, der.data, der.size, hash) == 0 &&
           bytes_add(data, hash, size);
}
