/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of the table `domains`: what is taken has names that are some, and its compiled value reads back the
 * same.
 */
#include "fuzz.h"

#include "text/domains.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct domain_entry e, again;
    struct bytes value;
    char name[ADDRESS_DOMAIN_LIMIT + 1];
    struct span input = fuzz_span(data, size);
    domain_entry_read(SPAN("x.test"), input, &e);
    if (domain_entry_parse(input, &e))
        return 0;
    HOLDS(domain_name(span_of(e.name), name) && strcmp(name, e.name) == 0);
    HOLDS((e.kind == DOMAIN_ALIAS) == (e.target[0] != '\0'));
    bytes_init(&value, FUZZ_OUT_LIMIT);
    domain_entry_value(&e, &value);
    HOLDS(domain_entry_read(span_of(e.name), span_bytes(&value), &again));
    HOLDS(again.kind == e.kind && strcmp(again.name, e.name) == 0 && strcmp(again.target, e.target) == 0);
    bytes_free(&value);
    return 0;
}
