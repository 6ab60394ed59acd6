/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Address lists: every call gets ahead, fields keep their limit and hold no line end.
 */
#include "fuzz.h"

#include "text/address.h"

static void check_field(const struct bytes *field)
{
    HOLDS(!field->failed && field->len <= ADDRESS_NAME_LIMIT);
    HOLDS(span_find(span_bytes(field), '\n') == field->len &&
          span_find(span_bytes(field), '\r') == field->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size), rest = input;
    struct address_entry entry;
    struct address a;
    size_t before = rest.n;
    while (address_list_next(&rest, &entry)) {
        HOLDS(rest.n < before && rest.p + rest.n == input.p + input.n);
        before = rest.n;
        check_field(&entry.name);
        check_field(&entry.local);
        check_field(&entry.domain);
        HOLDS(entry.kind == ADDRESS_MAILBOX || (entry.local.len == 0 && entry.domain.len == 0));
        HOLDS(entry.kind != ADDRESS_GROUP_END || entry.name.len == 0);
        if (address_of_entry(&entry, &a) == ADDRESS_OK)
            HOLDS(span_ieq(address_domain(&a), span_bytes(&entry.domain)) && address_local(&a).n > 0);
        else
            HOLDS(address_is_null(&a));
        address_entry_free(&entry);
    }
    HOLDS(rest.n == 0);
    return 0;
}
