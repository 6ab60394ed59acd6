/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A request, and the reading of its response until it is whole; see https.h. Limits: HTTP_HEAD_LIMIT, the
 * body's, a tenth of that again for chunks' sizes, and the time for everything.
 */
#include "net/https.h"
#include "base/clock.h"
#include "net/conn.h"
#include "net/tls.h"
#include "net/tls_verify.h"
#include "text/http.h"

struct response {
    struct conn *conn;
    enum https_type type;
    int64_t until; /* clock_ms() */
    struct bytes raw;
    struct http_head head;
    size_t head_size; /* 0: not read yet */
};

/* ST_OK: it is all there, in *body. ST_NONE: more must come; at the end of the connection that is too little,
 * but for a body that says no length. */
static enum status examine(struct response *r, struct bytes *body, struct bytes *why)
{
    if (!r->head_size) {
        enum status st = http_head_read(span_bytes(&r->raw), &r->head, &r->head_size);
        if (st != ST_OK) {
            r->head_size = 0;
            bytes_add_str(why, st == ST_PERM ? "the server's answer is no HTTP" : "");
            return st;
        }
        if (r->head.status != 200)
            bytes_printf(why, "the server answers %u", r->head.status);
        else if ((r->type == HTTPS_TEXT_PLAIN && !r->head.plain) || r->head.encoded)
            bytes_add_str(why, "the server's answer isn't plain text");
        else if (r->head.length > body->limit)
            bytes_add_str(why, "the server's answer is too long");
        if (why->len)
            return ST_PERM;
    }
    struct span have = span_from(span_bytes(&r->raw), r->head_size);
    bytes_clear(body);
    if (r->head.chunked) {
        enum status st = http_chunks_read(have, body);
        if (st == ST_PERM)
            bytes_add_str(why, "the server's answer is too long, or malformed");
        return st;
    }
    if (r->head.has_length && have.n < r->head.length)
        return ST_NONE;
    if (r->head.has_length)
        return bytes_add(body, have.p, (size_t)r->head.length) ? ST_OK : ST_TEMP;
    if (!bytes_add_span(body, have)) {
        bytes_add_str(why, "the server's answer is too long");
        return ST_PERM;
    }
    return ST_NONE;
}

static bool read_response(struct response *r, struct bytes *body, struct bytes *why)
{
    for (;;) {
        struct span more;
        int64_t left = r->until - clock_ms();
        conn_deadlines(r->conn, left > 0 ? (int)left : 1, 0);
        enum conn_result got = left > 0 ? conn_peek(r->conn, &more) : CONN_TIMEOUT;
        if (got == CONN_OK && !bytes_add_span(&r->raw, more)) {
            bytes_add_str(why, "the server's answer is too long");
            return false;
        }
        if (got == CONN_OK)
            conn_take(r->conn, more.n);
        enum status st = got == CONN_OK ? examine(r, body, why) : ST_NONE;
        if (st == ST_OK)
            return true;
        if (st != ST_NONE)
            return false;
        if (got == CONN_OK)
            continue;
        bool whole = got == CONN_GONE && r->head_size && !r->head.has_length && !r->head.chunked;
        if (!whole)
            bytes_add_str(why, got == CONN_TIMEOUT ? "the server took too long" : "the server hung up");
        return whole;
    }
}

static enum https_result ask(struct response *r, const char *host, const char *path, struct span roots,
                             struct bytes *body, struct bytes *why)
{
    struct span chain[TLS_CHAIN_LIMIT];
    if (!tls_connect(r->conn, host)) {
        bytes_add_str(why, "the TLS handshake failed");
        return HTTPS_FAILED;
    }
    size_t count = tls_peer_chain(r->conn, chain);
    enum tls_verdict verdict = tls_verify_roots(chain, count, roots, host);
    if (verdict != TLS_VERIFIED) {
        bytes_add_str(why, tls_verdict_text(verdict));
        return HTTPS_UNTRUSTED;
    }
    conn_printf(r->conn,
                "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Postern\r\nAccept: %s\r\n"
                "Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
                path, host, r->type == HTTPS_TEXT_PLAIN ? "text/plain" : "*/*");
    if (!conn_flush(r->conn)) {
        bytes_add_str(why, "the server hung up");
        return HTTPS_FAILED;
    }
    return read_response(r, body, why) ? HTTPS_OK : HTTPS_FAILED;
}

enum https_result https_get(int socket, const char *host, const char *path, enum https_type type,
                            struct span roots, int ms, struct bytes *body, struct bytes *why)
{
    struct response r = { .conn = conn_new(socket, socket), .type = type, .until = clock_ms() + ms };
    enum https_result result = HTTPS_FAILED;
    bytes_init(&r.raw, HTTP_HEAD_LIMIT + body->limit + body->limit / 10);
    if (r.conn) {
        conn_deadlines(r.conn, ms, 20);
        conn_begin(r.conn);
        result = ask(&r, host, path, roots, body, why);
        conn_free(r.conn);
    }
    bytes_free(&r.raw);
    return result;
}
