/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Patterns are matched by walking over the pattern once with the set of places in the name that it may have
 * reached, so that no number of wildcards takes more than length times length. See pattern.h.
 */
#include "pattern.h"

#include <string.h>

/* One step of the pattern: from the places reached to those reached behind `c`. False: none. */
static bool pattern_step(bool *at, struct span name, char c, size_t fold)
{
    bool any = false;
    if (c == '*' || c == '%') {
        for (size_t n = 0; n < name.n; n++)
            at[n + 1] |= at[n] && (c == '*' || name.p[n] != '.');
        return true;
    }
    for (size_t n = name.n; n-- > 0;) {
        bool same = n < fold ? ascii_lower(name.p[n]) == ascii_lower(c) : name.p[n] == c;
        at[n + 1] = at[n] && same;
        any |= at[n + 1];
    }
    at[0] = false;
    return any;
}

bool pattern_matches(struct span pattern, struct span name)
{
    bool at[PATTERN_NAME_LIMIT + 1];
    if (name.n > PATTERN_NAME_LIMIT || pattern.n > PATTERN_LIMIT)
        return false;
    memset(at, 0, name.n + 1);
    at[0] = true;
    size_t fold = span_eq_str(name, "INBOX") || span_starts(name, "INBOX.") ? strlen("INBOX") : 0;
    for (size_t n = 0; n < pattern.n; n++)
        if (!pattern_step(at, name, pattern.p[n], fold))
            return false;
    return at[name.n];
}
