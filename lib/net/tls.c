/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS over a connection by GnuTLS, and the client's side; see tls.h. tls_server.c is the server's. Includes
 * GnuTLS for sessions.
 *
 * GnuTLS reads and writes through conn's own transport functions, so deadlines, flushing and
 * sticky errors are the same with and without TLS.
 */
#include "net/tls_private.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESCRIPTION_LIMIT 96
#define CLIENT_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define EXPORTER_SIZE 32
#define HANDSHAKE_STEPS 1000 /* messages and retries of one handshake */

struct tls_state {
    gnutls_session_t session;
    gnutls_certificate_credentials_t client_credentials; /* NULL on the server's side */
    struct conn *conn;
    char description[DESCRIPTION_LIMIT];
};

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

void tls_state_free(struct tls_state *state)
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
    tls_state_free(state);
}

static const char *layer_describe(void *s)
{
    struct tls_state *state = s;
    return state->description;
}

struct tls_state *tls_state_new(struct conn *c, unsigned flags)
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

gnutls_session_t tls_state_session(struct tls_state *state)
{
    return state->session;
}

bool tls_handshake(struct conn *c, struct tls_state *state)
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
        tls_state_free(state);
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

bool tls_connect(struct conn *c, const char *server_name)
{
    if (conn_pending(c).n || !conn_flush(c)) {
        conn_abandon(c);
        return false;
    }
    struct tls_state *state = tls_state_new(c, GNUTLS_CLIENT | GNUTLS_NO_TICKETS);
    bool ready =
        state && gnutls_certificate_allocate_credentials(&state->client_credentials) == 0 &&
        gnutls_priority_set_direct(state->session, CLIENT_PRIORITY, NULL) == 0 &&
        gnutls_credentials_set(state->session, GNUTLS_CRD_CERTIFICATE, state->client_credentials) == 0 &&
        (server_name[0] == '[' ||
         gnutls_server_name_set(state->session, GNUTLS_NAME_DNS, server_name, strlen(server_name)) == 0);
    if (!ready) {
        if (state)
            tls_state_free(state);
        conn_abandon(c);
        return false;
    }
    return tls_handshake(c, state);
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
