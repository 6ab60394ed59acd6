/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signing: whatever a message is, its signature verifies, also after what SMTP does to line ends, and not
 * with a byte of the body added. The first byte chooses the canonicalization and the size of the pieces.
 */
#include "fuzz.h"

#include "text/fields.h"
#include "text/header.h"
#include "trust/dkim.h"

static struct signature_key key;
static struct bytes record;

static void make_key(void)
{
    struct bytes pem, public;
    bytes_init(&pem, SIGNATURE_PEM_LIMIT);
    bytes_init(&public, SIGNATURE_PUBLIC_LIMIT);
    bytes_init(&record, 256);
    HOLDS(signature_make(SIGNATURE_ED25519_SHA256, &pem) == ST_OK);
    HOLDS(signature_key_load(span_bytes(&pem), &key) == ST_OK && signature_public(&key, &public) == ST_OK);
    bytes_add_char(&record, ' ');
    HOLDS(dkim_record(SIGNATURE_ED25519_SHA256, span_bytes(&public), &record));
    record.data[0] = (char)(record.len - 1);
    bytes_free(&pem);
    bytes_free(&public);
}

static enum status ask(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    (void)arg;
    (void)type;
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    if (strcmp(name, "s._domainkey.example.org") != 0)
        return ST_NONE;
    bytes_add_span(&answer->raw, span_bytes(&record));
    answer->count = 1;
    answer->records[0].data = span_bytes(&answer->raw);
    return ST_OK;
}

static enum status sign_hash(void *arg, size_t which, const unsigned char hash[HASH_SIZE],
                             struct bytes *signature)
{
    (void)arg;
    HOLDS(which == 0);
    return signature_sign(&key, hash, signature);
}

static enum trust_result first_result(struct span message)
{
    static struct dkim_result results[DKIM_SIGNATURES];
    const struct trust_lookup lookup = { NULL, ask, NULL };
    size_t head = header_end(message);
    struct dkim_verifier *v = dkim_verify_start(span_head(message, head), 1700000000);
    HOLDS(v);
    dkim_verify_body(v, span_from(message, head));
    HOLDS(dkim_verify_end(v, &lookup, results) > 0);
    dkim_verify_free(v);
    return results[0].result;
}

/* Every LF gets its CR, and the last line its CRLF. */
static void as_sent(struct span message, struct bytes *out)
{
    for (size_t i = 0; i < message.n; i++) {
        if (message.p[i] == '\n' && (i == 0 || message.p[i - 1] != '\r'))
            bytes_add_char(out, '\r');
        bytes_add_char(out, message.p[i]);
    }
    if (message.n && message.p[message.n - 1] != '\n')
        bytes_add_str(out, "\r\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!key.handle)
        make_key();
    if (size == 0 || !fields_begin(fuzz_span(data + 1, size - 1)))
        return 0;
    struct span message = fuzz_span(data + 1, size - 1);
    struct dkim_signing what = {
        .domain = "example.org", .keys = { { "s", SIGNATURE_ED25519_SHA256 } }, .count = 1, .now = 1700000000
    };
    what.header = data[0] & 1 ? DKIM_RELAXED : DKIM_SIMPLE;
    what.body = data[0] & 2 ? DKIM_RELAXED : DKIM_SIMPLE;
    size_t head = header_end(message), piece = 1u + (data[0] >> 2);
    struct dkim_signer *s = dkim_sign_start(span_head(message, head), &what);
    HOLDS((s != NULL) == (header_count(message, "From") > 0));
    if (!s)
        return 0;
    struct bytes out, sent;
    bytes_init(&out, FUZZ_OUT_LIMIT);
    bytes_init(&sent, FUZZ_OUT_LIMIT);
    for (struct span body = span_from(message, head); body.n; body = span_from(body, piece))
        dkim_sign_body(s, span_head(body, piece));
    HOLDS(dkim_sign_end(s, sign_hash, NULL, &out) == ST_OK);
    dkim_sign_free(s);
    bytes_add_span(&out, message);
    HOLDS(first_result(span_bytes(&out)) == TRUST_PASS);
    as_sent(span_bytes(&out), &sent);
    if (message.n && message.p[message.n - 1] != '\r') /* whose line end came in two */
        HOLDS(first_result(span_bytes(&sent)) == TRUST_PASS);
    if (head < message.n) {
        bytes_add_str(&out, "\r\n.");
        HOLDS(first_result(span_bytes(&out)) == TRUST_FAIL);
    }
    bytes_free(&out);
    bytes_free(&sent);
    return 0;
}
