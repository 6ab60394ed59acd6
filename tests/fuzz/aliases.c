/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * aliases(5): entries lie in order inside the text, and targets come to an end.
 */
#include "fuzz.h"

#include "text/aliases.h"

static void check_targets(struct span value)
{
    struct bytes target;
    const char *wrong = NULL;
    size_t count = 0, before = value.n;
    bytes_init(&target, FUZZ_OUT_LIMIT);
    while (alias_target_next(&value, &target, &wrong) && !wrong) {
        HOLDS(target.len > 0 && value.n <= before);
        HOLDS(++count <= before + 1);
    }
    bytes_free(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = fuzz_span(data, size);
    struct alias_reader reader;
    struct alias_entry entry;
    const char *wrong = NULL;
    size_t before = 0;
    alias_reader_init(&reader, input);
    alias_entry_init(&entry);
    while (alias_next(&reader, &entry, &wrong)) {
        HOLDS(entry.begin >= before && entry.begin < entry.value_end && entry.value_end <= entry.end &&
              entry.end <= size);
        HOLDS(entry.name.len > 0 && entry.value.len <= ALIASES_VALUE_LIMIT);
        before = entry.end;
        check_targets(span_bytes(&entry.value));
    }
    alias_entry_free(&entry);
    check_targets(input);
    return 0;
}
