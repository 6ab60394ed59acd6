/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Adding a set to a message (RFC 8617 5.1); see arc.h. The message signature covers what our DKIM signatures
 * do, and the DKIM signatures that are there (4.1.2); never fields of ARC, nor Authentication-Results.
 */
#include "trust/arc_private.h"

#include <stdlib.h>

#define ARC_FIELD_LIMIT 131072 /* bytes of one that we write: h= may be long */

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
static bool hash_sets(const struct arc_sealing *s, unsigned instance, struct span message, struct span seal,
                      unsigned char hash[HASH_SIZE])
{
    unsigned char(*hashes)[HASH_SIZE] = calloc(ARC_INSTANCES, sizeof *hashes);
    struct arc_chain *chain = malloc(sizeof *chain);
    bool good = hashes && chain, failed = s->chain->result == TRUST_FAIL;
    if (good) {
        arc_chain_read(s->header, chain);
        struct header_field *own = chain->sets[instance - 1].fields;
        good = (failed || (!chain->broken && chain->newest == instance - 1)) &&
               read_field(s->results, &own[ARC_RESULTS]) && read_field(message, &own[ARC_MESSAGE]) &&
               read_field(seal, &own[ARC_SEAL]);
        chain->newest = instance;
        good = good && arc_chain_hash(chain, failed ? instance : 1, hashes);
    }
    if (good)
        memcpy(hash, hashes[instance - 1], HASH_SIZE);
    free(chain);
    free(hashes);
    return good;
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
    struct dkim_signer *signer = dkim_sign_start_arc(s->header, &what, instance);
    enum status st = signer ? dkim_sign_hashed(signer, s->body_hash, sign, arg, out) : ST_PERM;
    dkim_sign_free(signer);
    return st;
}

static enum status sign_sets(const struct arc_sealing *s, unsigned instance, struct span message,
                             arc_sign sign, void *arg, struct bytes *out)
{
    unsigned char hash[HASH_SIZE];
    struct bytes signature;
    bytes_init(&signature, SIGNATURE_LIMIT);
    bytes_printf(out, "ARC-Seal: i=%u; a=%s; cv=%s;\r\n\td=%s; s=%s;\r\n\tt=%lld;\r\n\tb=", instance,
                 signature_algorithm_name(s->algorithm), chain_status(s->chain), s->domain, s->selector,
                 (long long)s->now);
    enum status st = ST_TEMP;
    if (!out->failed && hash_sets(s, instance, message, span_bytes(out), hash))
        st = sign(arg, 0, hash, &signature);
    if (st == ST_OK && !dkim_sign_value(out, &signature))
        st = ST_TEMP;
    bytes_free(&signature);
    return st;
}

enum status arc_seal(const struct arc_sealing *s, arc_sign sign, void *arg, struct bytes *out)
{
    unsigned instance = arc_next_instance(s->chain);
    struct bytes message, seal;
    bytes_init(&message, ARC_FIELD_LIMIT);
    bytes_init(&seal, ARC_FIELD_LIMIT);
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
