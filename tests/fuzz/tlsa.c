/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLSA records whatever a zone's owner wrote, a chain whatever a server sent, and both against each other.
 */
#include "fuzz.h"

#include "net/tls_verify.h"

/* The input is pieces, each with its length in two bytes in front; the first byte says how many are
 * records. */
static size_t split(struct span input, struct span *pieces, size_t room)
{
    size_t count = 0;
    while (input.n >= 2 && count < room) {
        const unsigned char *p = (const unsigned char *)input.p;
        pieces[count] = span_head(span_from(input, 2), (size_t)p[0] << 8 | p[1]);
        input = span_from(input, 2 + pieces[count].n);
        count++;
    }
    return count;
}

static void select_and_print(const struct span *records, size_t count, struct tlsa *usable, size_t *kept)
{
    struct bytes out;
    *kept = tlsa_select(records, count, usable);
    HOLDS(*kept <= count && *kept <= TLSA_LIMIT);
    for (size_t i = 0; i < *kept; i++) {
        bool inside = false;
        for (size_t k = 0; k < count; k++)
            inside = inside || fuzz_within(usable[i].data, records[k]);
        HOLDS(inside && (usable[i].usage == TLSA_TA || usable[i].usage == TLSA_EE));
    }
    bytes_init(&out, FUZZ_OUT_LIMIT);
    for (size_t i = 0; i < count; i++)
        tlsa_print(records[i], &out);
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "mx.test", "test" };
    struct span pieces[TLSA_LIMIT + TLS_CHAIN_LIMIT];
    struct tlsa usable[TLSA_LIMIT];
    size_t kept;
    if (size < 1)
        return 0;
    size_t count = split(fuzz_span(data + 1, size - 1), pieces, TLSA_LIMIT + TLS_CHAIN_LIMIT);
    size_t records = data[0] < count ? data[0] : count;
    if (records > TLSA_LIMIT)
        records = TLSA_LIMIT;
    select_and_print(pieces, records, usable, &kept);
    const struct span *chain = pieces + records;
    enum tls_verdict v = tls_verify_tlsa(chain, count - records, usable, kept, names, 2);
    HOLDS(v <= TLS_NO_MATCH && (kept || v == TLS_NO_MATCH) && (count > records || v != TLS_VERIFIED));
    v = tls_verify_roots(chain, count - records, count ? pieces[0] : SPAN(""), "mx.test");
    HOLDS(v <= TLS_NO_MATCH && tls_verdict_text(v)[0]);
    return 0;
}
