/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SCRAM's messages, verifiers and SASLprep: what is read is within the message and of the form that its
 * header promises. The first byte of the input chooses the reader.
 */
#include "fuzz.h"

#include "text/base64.h"
#include "text/saslprep.h"
#include "text/scram.h"
#include "text/utf8.h"

static void first(struct span input)
{
    struct scram_first f;
    struct bytes name, again;
    if (!scram_read_first(input, &f))
        return;
    HOLDS(input.n <= SCRAM_MESSAGE_LIMIT && span_find(input, '\0') == input.n && utf8_valid(input));
    HOLDS(f.flag == 'n' || f.flag == 'y' || f.flag == 'p');
    HOLDS((f.flag == 'p') == (f.binding.n > 0));
    HOLDS(fuzz_within(f.gs2, input) && fuzz_within(f.bare, input) && f.gs2.n + f.bare.n == input.n);
    HOLDS(f.gs2.p == input.p && f.gs2.p[f.gs2.n - 1] == ',' && f.bare.p == input.p + f.gs2.n);
    HOLDS(fuzz_within(f.name, f.bare) && fuzz_within(f.nonce, f.bare));
    HOLDS(f.name.n && f.nonce.n && f.nonce.n <= SCRAM_NONCE_LIMIT && span_find(f.nonce, ',') == f.nonce.n);
    bytes_init(&name, FUZZ_OUT_LIMIT);
    bytes_init(&again, FUZZ_OUT_LIMIT);
    if (scram_name(f.name, &name)) {
        HOLDS(name.len && name.len <= f.name.n);
        for (size_t i = 0; i < name.len; i++)
            name.data[i] == ','   ? bytes_add_str(&again, "=2C")
            : name.data[i] == '=' ? bytes_add_str(&again, "=3D")
                                  : bytes_add_char(&again, name.data[i]);
        HOLDS(span_eq(span_bytes(&again), f.name));
    }
    bytes_free(&name);
    bytes_free(&again);
}

static void final(struct span input)
{
    struct scram_final f;
    struct bytes whole;
    if (!scram_read_final(input, &f))
        return;
    HOLDS(fuzz_within(f.without_proof, input) && f.without_proof.p == input.p);
    HOLDS(fuzz_within(f.binding, f.without_proof) && fuzz_within(f.nonce, f.without_proof));
    bytes_init(&whole, FUZZ_OUT_LIMIT);
    bytes_add_span(&whole, f.without_proof);
    bytes_add_str(&whole, ",p=");
    base64_encode((struct span){ (const char *)f.proof, sizeof f.proof }, &whole);
    HOLDS(span_eq(span_bytes(&whole), input));
    bytes_free(&whole);
}

static void verifier(struct span input)
{
    struct scram_verifier v, again;
    struct bytes text;
    if (!scram_read_verifier(input, &v))
        return;
    HOLDS(v.iterations >= SCRAM_ITERATIONS_LEAST && v.iterations <= SCRAM_ITERATIONS_MOST);
    HOLDS(v.salt_length && v.salt_length <= SCRAM_SALT_LIMIT);
    bytes_init(&text, SCRAM_VERIFIER_TEXT);
    HOLDS(scram_write_verifier(&v, &text) && scram_read_verifier(span_bytes(&text), &again));
    HOLDS(v.iterations == again.iterations && v.salt_length == again.salt_length &&
          memcmp(v.salt, again.salt, v.salt_length) == 0 &&
          memcmp(v.stored_key, again.stored_key, SCRAM_KEY) == 0 &&
          memcmp(v.server_key, again.server_key, SCRAM_KEY) == 0);
    bytes_free(&text);
}

static void prepare(struct span input)
{
    struct bytes once, twice;
    bytes_init(&once, FUZZ_OUT_LIMIT);
    bytes_init(&twice, FUZZ_OUT_LIMIT);
    if (saslprep(input, &once)) {
        HOLDS(utf8_valid(input) && once.len && utf8_valid(span_bytes(&once)));
        HOLDS(saslprep(span_bytes(&once), &twice) && span_eq(span_bytes(&once), span_bytes(&twice)));
    } else {
        HOLDS(once.len == 0);
    }
    bytes_free(&once);
    bytes_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct span) = { first, final, verifier, prepare };
    if (size)
        readers[data[0] % 4](fuzz_span(data + 1, size - 1));
    return 0;
}
