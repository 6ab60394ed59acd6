/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ARC: any message is verified, sealed and verified again. What we seal passes, and goes on to do so; a chain
 * that failed is sealed once more, and then no further.
 */
#include "fuzz.h"

#include "../helpers/zone.h"
#include "text/fields.h"
#include "text/header.h"
#include "trust/arc.h"
#include "trust/dmarc.h"

#define NOW 1750000000

static struct dns_zone zone;
static struct signature_key key;

static void prepare(void)
{
    struct bytes pem, public, line;
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    bytes_init(&line, 4096);
    HOLDS(signature_make(SIGNATURE_ED25519_SHA256, &pem) == ST_OK);
    HOLDS(signature_key_load(span_bytes(&pem), &key) == ST_OK && signature_public(&key, &public) == ST_OK);
    bytes_add_str(&line, "s._domainkey.a.test TXT ");
    HOLDS(dkim_record(key.algorithm, span_bytes(&public), &line));
    zone_add(&zone, bytes_str(&line));
    zone_add(&zone, "_dmarc.b.test TXT v=DMARC1; p=reject");
    zone_add(&zone, "gone.test TIMEOUT");
    bytes_free(&pem);
    bytes_free(&public);
    bytes_free(&line);
}

static enum status sign(void *arg, struct span data, struct bytes *signature)
{
    unsigned char hash[HASH_SIZE];
    (void)arg;
    HOLDS(hash_sha256(data, hash));
    return signature_sign(&key, hash, signature);
}

static struct arc_result verify(struct span message)
{
    const struct trust_lookup lookup = zone_lookup(&zone);
    struct span header = span_head(message, header_end(message));
    struct dkim_result dkim[DKIM_SIGNATURES];
    struct dns_query queries[8];
    struct dmarc_author author;
    struct arc_result result;
    struct arc_witness witness;
    struct dkim_verifier *body = dkim_verify_start(header, NOW);
    struct arc_verifier *v = arc_verify_start(header, NOW, body);
    HOLDS(v && arc_verify_queries(v, queries, 8) <= 8);
    dkim_verify_body(body, span_from(message, header.n));
    dkim_verify_end(body, &lookup, dkim);
    arc_verify_end(v, body, &lookup, &result);
    HOLDS(result.newest <= ARC_INSTANCES && result.oldest_pass <= result.newest);
    HOLDS(result.result != TRUST_PASS || (result.newest && !result.why[0] && !result.ended));
    HOLDS((result.result == TRUST_FAIL) == (result.why[0] != '\0'));
    dmarc_author(header, &author);
    if (arc_trusted(v, &result, "a.test x.test", &author, &lookup, &witness))
        HOLDS(result.result == TRUST_PASS && witness.instance && witness.instance <= result.newest);
    arc_verify_free(v);
    dkim_verify_free(body);
    return result;
}

/* One set more; false where none is put. */
static bool seal(struct bytes *message, const struct arc_result *chain)
{
    struct bytes out;
    char results[128];
    bytes_init(&out, FUZZ_OUT_LIMIT);
    snprintf(results, sizeof results,
             "ARC-Authentication-Results: i=%u; a.test; dmarc=pass header.from=b.test\r\n",
             arc_next_instance(chain));
    const struct arc_sealing what = {
        .header = span_head(span_bytes(message), header_end(span_bytes(message))),
        .body = span_from(span_bytes(message), header_end(span_bytes(message))),
        .chain = chain,
        .results = span_of(results),
        .domain = "a.test",
        .selector = "s",
        .algorithm = key.algorithm,
        .now = NOW,
    };
    enum status st = arc_seal(&what, sign, NULL, &out);
    HOLDS(st == ST_OK || (st == ST_PERM && !out.len));
    bytes_add_span(&out, span_bytes(message));
    bytes_free(message);
    *message = out;
    return st == ST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes message;
    if (!key.handle)
        prepare();
    struct arc_result result = verify(fuzz_span(data, size));
    if (!fields_begin(fuzz_span(data, size)))
        return 0;
    bytes_init(&message, FUZZ_OUT_LIMIT);
    bytes_add(&message, data, size);
    for (int i = 0; i < 3; i++) {
        struct arc_result before = result;
        bool sealed = seal(&message, &before);
        result = verify(span_bytes(&message));
        HOLDS(result.newest == before.newest + sealed);
        if (sealed && before.result == TRUST_FAIL)
            HOLDS(result.ended && result.result == TRUST_FAIL);
        else if (sealed)
            HOLDS(result.result == TRUST_PASS);
    }
    bytes_free(&message);
    return 0;
}
