/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rewritten senders: what was rewritten comes back as it was, and what strangers make up is an address or
 * nothing.
 */
#include "fuzz.h"

#include "store/srs.h"

#include <string.h>

#define NOW 1764154800

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address a, out, back;
    if (address_parse(fuzz_span(data, size), &a) != ADDRESS_OK)
        return 0;
    if (srs_reverse(SPAN("secret\n"), &a, NOW, &out) == ST_OK)
        HOLDS(address_parse(span_of(out.text), &back) == ADDRESS_OK && strcmp(out.text, back.text) == 0);
    if (srs_forward(SPAN("secret\n"), &a, SPAN("ours.test"), NOW, &out) != ST_OK)
        return 0;
    HOLDS(srs_is(&out) && span_eq_str(address_domain(&out), "ours.test"));
    HOLDS(srs_reverse(SPAN("secret\n"), &out, NOW, &back) == ST_OK);
    HOLDS(srs_is(&a) || address_same(&a, &back));
    return 0;
}
