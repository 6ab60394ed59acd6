/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SCRAM in the session: it takes the client's messages apart and tells the client what is wrong with them;
 * what is right, the guard decides (login_scram.c), from the same bytes. See sasl.h.
 *
 * A refusal is said in the protocol's own reply, not as SCRAM's e= in a last challenge: that would be one
 * more round, and tells a client nothing that the reply doesn't.
 */
#include "store/sasl_private.h"
#include "text/saslprep.h"
#include "text/scram.h"

#include <stdlib.h>
#include <string.h>

struct exchange {
    const struct sasl *sasl;
    bool plus;
    struct scram_first first;
    struct bytes name, prepared;
    struct bytes exporter;        /* the data to bind to where the client binds by it */
    struct bytes challenge, text; /* what we say; what the client says */
    struct message *message;
};

/* The name that is logged in with, and as whom: only oneself. */
static enum sasl_result read_names(struct exchange *x)
{
    struct bytes as;
    bytes_init(&as, SCRAM_MESSAGE_LIMIT);
    bool ok = scram_name(x->first.name, &x->name) && scram_name(x->first.authzid, &as) &&
              (as.len == 0 || span_eq(span_bytes(&as), span_bytes(&x->name)));
    bytes_free(&as);
    if (!ok)
        return SASL_MALFORMED;
    return saslprep(span_bytes(&x->name), &x->prepared) && x->prepared.len <= LOGIN_NAME_LIMIT ? SASL_DONE
                                                                                               : SASL_WRONG;
}

/* May this client bind, or not bind, so? */
static enum sasl_result check_binding(struct exchange *x)
{
    const struct conn *conn = x->sasl->serving->conn;
    const struct scram_first *f = &x->first;
    if (f->flag == 'y' && conn_layer(conn))
        return SASL_DOWNGRADE;
    if (x->plus != (f->flag == 'p'))
        return SASL_BINDING;
    if (!x->plus || span_eq_str(f->binding, "tls-server-end-point"))
        return SASL_DONE;
    return span_eq_str(f->binding, "tls-exporter") && tls_exporter(conn, &x->exporter) ? SASL_DONE
                                                                                       : SASL_BINDING;
}

/* Asks, and reads the answer's status and text. */
static enum sasl_result ask_guard(struct exchange *x)
{
    uint64_t says;
    struct span text;
    if (x->message->bad)
        return SASL_WRONG;
    if (!channel_call(x->sasl->serving->channel, x->message) || !message_get_u64(x->message, &says) ||
        !message_get(x->message, &text) || !message_end(x->message))
        return SASL_OVER;
    bytes_clear(&x->challenge);
    bytes_add_span(&x->challenge, text);
    return sasl_judged(says);
}

static enum sasl_result client_first(struct exchange *x, struct span text)
{
    if (!scram_read_first(text, &x->first))
        return SASL_MALFORMED;
    enum sasl_result result = check_binding(x);
    if (result == SASL_DONE)
        result = read_names(x);
    if (result != SASL_DONE)
        return result;
    message_start(x->message, SASL_FIRST);
    message_put_u64(x->message, x->plus);
    message_put(x->message, x->first.gs2);
    message_put(x->message, x->first.bare);
    message_put(x->message, span_bytes(&x->prepared));
    message_put(x->message, x->first.nonce);
    message_put(x->message, span_bytes(&x->exporter));
    return ask_guard(x);
}

static enum sasl_result client_final(struct exchange *x)
{
    struct scram_final f;
    enum sasl_result result = sasl_ask(x->sasl, span_bytes(&x->challenge), &x->text);
    if (result != SASL_DONE)
        return result;
    if (!scram_read_final(span_bytes(&x->text), &f))
        return SASL_MALFORMED;
    message_start(x->message, SASL_FINAL);
    message_put(x->message, f.without_proof);
    message_put(x->message, (struct span){ (const char *)f.proof, sizeof f.proof });
    return ask_guard(x);
}

/* The client has seen our signature and answers with nothing, or cancels: it may not know us. */
static enum sasl_result enter(struct exchange *x)
{
    enum sasl_result result = sasl_ask(x->sasl, span_bytes(&x->challenge), &x->text);
    if (result != SASL_DONE)
        return result;
    if (x->text.len)
        return SASL_MALFORMED;
    message_start(x->message, SASL_ENTER);
    message_put(x->message, x->sasl->context);
    return ask_guard(x);
}

static enum sasl_result run(const struct sasl *s, struct span first, bool plus)
{
    struct exchange x = { .sasl = s, .plus = plus };
    bytes_init(&x.name, SCRAM_MESSAGE_LIMIT);
    bytes_init(&x.prepared, SCRAM_MESSAGE_LIMIT);
    bytes_init(&x.exporter, SCRAM_KEY);
    bytes_init(&x.challenge, SASL_MESSAGE);
    bytes_init(&x.text, SASL_MESSAGE);
    x.message = malloc(sizeof *x.message);
    enum sasl_result result = x.message ? client_first(&x, first) : SASL_TEMP;
    if (result == SASL_DONE)
        result = client_final(&x);
    if (result == SASL_DONE)
        result = enter(&x);
    free(x.message);
    bytes_free(&x.name);
    bytes_free(&x.prepared);
    bytes_free(&x.exporter);
    bytes_free(&x.challenge);
    bytes_free(&x.text);
    return result;
}

enum sasl_result sasl_scram(const struct sasl *s, struct bytes *first)
{
    return run(s, span_bytes(first), false);
}

enum sasl_result sasl_scram_plus(const struct sasl *s, struct bytes *first)
{
    return run(s, span_bytes(first), true);
}
