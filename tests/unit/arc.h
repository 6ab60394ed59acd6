/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tests of ARC share: a key of their own, verifying a message and putting one more set on it.
 */
#ifndef POSTERN_TESTS_UNIT_ARC_H
#define POSTERN_TESTS_UNIT_ARC_H

#include "../helpers/zone.h"
#include "text/header.h"
#include "trust/arc.h"

#define ARC_TEST_NOW 1750000000
#define ARC_TEST_LIMIT ((size_t)4 << 20)

static struct signature_key key;

/* Makes the key, and appends its record's text to `record`. */
__attribute__((unused)) static bool make_key(struct bytes *record)
{
    struct bytes pem, public;
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    bool good = signature_make(SIGNATURE_ED25519_SHA256, &pem) == ST_OK &&
                signature_key_load(span_bytes(&pem), &key) == ST_OK &&
                signature_public(&key, &public) == ST_OK &&
                dkim_record(key.algorithm, span_bytes(&public), record);
    bytes_free(&public);
    bytes_wipe(&pem);
    return good;
}

__attribute__((unused)) static enum status sign(void *arg, struct span data, struct bytes *signature)
{
    unsigned char hash[HASH_SIZE];
    ++*(unsigned *)arg;
    return hash_sha256(data, hash) ? signature_sign(&key, hash, signature) : ST_TEMP;
}

/* As the session does it: one verifier of the body for both. */
static struct arc_verifier *verify(const struct trust_lookup *lookup, struct span message,
                                   struct arc_result *result)
{
    struct span header = span_head(message, header_end(message));
    struct dkim_result dkim[DKIM_SIGNATURES];
    struct dkim_verifier *body = dkim_verify_start(header, ARC_TEST_NOW);
    struct arc_verifier *v = arc_verify_start(header, ARC_TEST_NOW, body);
    for (struct span rest = span_from(message, header.n); rest.n; rest = span_from(rest, 7))
        dkim_verify_body(body, span_head(rest, 7));
    dkim_verify_end(body, lookup, dkim);
    arc_verify_end(v, body, lookup, result);
    dkim_verify_free(body);
    return v;
}

/* One set more on the message's head, by `domain` with selector "s", for a chain that came to `chain`.
 * `says`: what stands behind the server's name. Nothing is changed unless it is ST_OK. */
__attribute__((unused)) static enum status seal_chain(struct bytes *message, const struct arc_result *chain,
                                                      const char *domain, const char *says)
{
    struct bytes results, out;
    unsigned asked = 0;
    bytes_init(&results, 4096);
    bytes_init(&out, ARC_TEST_LIMIT);
    bytes_printf(&results, "ARC-Authentication-Results: i=%u; mx.%s;\r\n\t%s\r\n", arc_next_instance(chain),
                 domain, says);
    const struct arc_sealing what = {
        .header = span_head(span_bytes(message), header_end(span_bytes(message))),
        .body = span_from(span_bytes(message), header_end(span_bytes(message))),
        .chain = chain,
        .results = span_bytes(&results),
        .domain = domain,
        .selector = "s",
        .algorithm = key.algorithm,
        .now = ARC_TEST_NOW,
    };
    enum status st = arc_seal(&what, sign, &asked, &out);
    if (st == ST_OK ? asked != 2 : out.len != 0)
        st = ST_TEMP;
    bytes_add_span(&out, span_bytes(message));
    bytes_free(message);
    *message = out;
    bytes_free(&results);
    return st;
}

__attribute__((unused)) static enum status seal_as(const struct trust_lookup *lookup, struct bytes *message,
                                                   const char *domain, const char *says)
{
    struct arc_result chain;
    arc_verify_free(verify(lookup, span_bytes(message), &chain));
    return seal_chain(message, &chain, domain, says);
}

#endif
