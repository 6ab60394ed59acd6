/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys in DNS: whatever the data of TXT records is, a signature comes to a result; none passes, for nobody
 * made it. The first byte says which algorithm, the second where the data is cut into two records.
 */
#include "fuzz.h"

#include "trust/dkim_private.h"

static enum status ask(void *arg, const char *name, enum dns_type type, struct dns_answer *answer)
{
    const struct span *data = arg;
    (void)name;
    (void)type;
    bytes_init(&answer->raw, DNS_ANSWER_LIMIT);
    bytes_add_span(&answer->raw, span_from(*data, 2));
    struct span all = span_bytes(&answer->raw);
    answer->count = 2;
    answer->records[0].data = span_head(all, (unsigned char)data->p[1]);
    answer->records[1].data = span_from(all, (unsigned char)data->p[1]);
    return ST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dkim_signature s;
    struct span input = fuzz_span(data, size);
    const struct trust_lookup lookup = { &input, ask, NULL };
    if (size < 2)
        return 0;
    memset(&s, 0, sizeof s);
    span_copy(SPAN("example.org"), s.result.domain, sizeof s.result.domain);
    span_copy(SPAN("sel"), s.result.selector, sizeof s.result.selector);
    s.algorithm = data[0] & 1 ? SIGNATURE_RSA_SHA256 : SIGNATURE_ED25519_SHA256;
    s.own_identity = data[0] & 2;
    memset(s.value, 0x17, sizeof s.value);
    s.value_length = data[0] & 1 ? 128 : 64;
    dkim_signature_verify(&s, &lookup);
    HOLDS(s.result.result != TRUST_NONE && s.result.result != TRUST_TEMPERROR &&
          s.result.result != TRUST_PASS);
    HOLDS(s.result.why[0] && memchr(s.result.why, '\0', sizeof s.result.why));
    HOLDS(s.result.bits <= 8 * SIGNATURE_PUBLIC_LIMIT);
    return 0;
}
