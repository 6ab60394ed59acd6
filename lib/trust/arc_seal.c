/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Adding a set to a message (RFC 8617 5.1); see arc.h. The message signature covers what our DKIM signatures
 * do, and the DKIM signatures that are there (4.1.2); never fields of ARC, nor Authentication-Results.
 */
#include "trust/arc_private.h"

#include <stdlib.h>

#define FIELD_LIMIT 131072           /* bytes of one that we write: h= may be long */
#define DATA_LIMIT ((size_t)4 << 20) /* and of what is hashed */

unsigned arc_next_instance(const struct arc_result *chain)
{
    return chain->ended || chain->newest >= ARC_INSTANCES ? 0 : chain->newest + 1;
}

/* cv=: the status of the chain before this set (4.4). */
static const char *chain_status(const struct arc_result *chain)
{
    return chain->result == TRUST_NONE ? "none" : chain->result == TRUST_PASS ? "pass" : "fail";
}

static bool read_field(struct span text, struct header_field *field)
{
    return header_next(&text, field);
}

/* What the seal is a signature of: all sets and this one; after a failure only this one (5.1.2). False too
 * where the header hasn't the chain any more that was verified. */
static bool gather_sets(const struct arc_sealing *s, unsigned instance, struct span message, struct span seal,
                        struct bytes *data)
{
    struct arc_chain *chain = malloc(sizeof *chain);
    bool good = chain, failed = s->chain->result == TRUST_FAIL;
    if (good) {
        arc_chain_read(s->header, chain);
        struct header_field *own = chain->sets[instance - 1].fields;
        good = (failed || (!chain->broken && chain->newest == instance - 1)) &&
               read_field(s->results, &own[ARC_RESULTS]) && read_field(message, &own[ARC_MESSAGE]) &&
               read_field(seal, &own[ARC_SEAL]);
        chain->newest = instance;
        good = good && arc_chain_data(chain, failed ? instance : 1, data);
    }
    free(chain);
    return good;
}

struct sign_data {
    const struct bytes *data; /* what was hashed */
    arc_sign sign;
    void *arg;
};

static enum status sign_data(void *arg, size_t key, const unsigned char hash[HASH_SIZE],
                             struct bytes *signature)
{
    const struct sign_data *d = arg;
    (void)key;
    (void)hash;
    return d->data->failed ? ST_TEMP : d->sign(d->arg, span_bytes(d->data), signature);
}

static enum status sign_message(const struct arc_sealing *s, unsigned instance, arc_sign sign, void *arg,
                                struct bytes *out)
{
    const struct dkim_signing what = {
        .domain = s->domain,
        .keys = { { s->selector, s->algorithm } },
        .count = 1,
        .now = s->now,
        .header = DKIM_RELAXED,
        .body = DKIM_RELAXED,
    };
    struct bytes data;
    struct sign_data how = { &data, sign, arg };
    bytes_init(&data, DATA_LIMIT);
    struct dkim_signer *signer = dkim_sign_start_arc(s->header, &what, instance, &data);
    enum status st = ST_PERM;
    if (signer) {
        dkim_sign_body(signer, s->body);
        st = dkim_sign_end(signer, sign_data, &how, out);
    }
    dkim_sign_free(signer);
    bytes_free(&data);
    return st;
}

static enum status sign_sets(const struct arc_sealing *s, unsigned instance, struct span message,
                             arc_sign sign, void *arg, struct bytes *out)
{
    struct bytes data, signature;
    bytes_init(&data, DATA_LIMIT);
    bytes_init(&signature, SIGNATURE_LIMIT);
    bytes_printf(out, "ARC-Seal: i=%u; a=%s; cv=%s;\r\n\td=%s; s=%s;\r\n\tt=%lld;\r\n\tb=", instance,
                 signature_algorithm_name(s->algorithm), chain_status(s->chain), s->domain, s->selector,
                 (long long)s->now);
    enum status st = ST_TEMP;
    if (!out->failed && gather_sets(s, instance, message, span_bytes(out), &data))
        st = sign(arg, span_bytes(&data), &signature);
    if (st == ST_OK && !dkim_sign_value(out, &signature))
        st = ST_TEMP;
    bytes_free(&signature);
    bytes_free(&data);
    return st;
}

enum status arc_seal(const struct arc_sealing *s, arc_sign sign, void *arg, struct bytes *out)
{
    unsigned instance = arc_next_instance(s->chain);
    struct bytes message, seal;
    bytes_init(&message, FIELD_LIMIT);
    bytes_init(&seal, FIELD_LIMIT);
    enum status st = instance ? sign_message(s, instance, sign, arg, &message) : ST_PERM;
    if (st == ST_OK)
        st = sign_sets(s, instance, span_bytes(&message), sign, arg, &seal);
    if (st == ST_OK && (!bytes_reserve(out, seal.len + message.len + s->results.n) ||
                        !bytes_add_span(out, span_bytes(&seal)) ||
                        !bytes_add_span(out, span_bytes(&message)) || !bytes_add_span(out, s->results)))
        st = ST_TEMP;
    bytes_free(&seal);
    bytes_free(&message);
    return st;
}
