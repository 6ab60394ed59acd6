/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the fuzz targets share: HOLDS(condition) ends the run with the input kept when a promise of a header
 * is broken.
 */
#ifndef POSTERN_TESTS_FUZZ_H
#define POSTERN_TESTS_FUZZ_H

#include "base/bytes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                   \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* More than any output of inputs as small as the fuzzer's. */
#define FUZZ_OUT_LIMIT ((size_t)64 << 20)

__attribute__((unused)) static struct span fuzz_span(const uint8_t *data, size_t size)
{
    return (struct span){ (const char *)data, size };
}

/* Is `inner` within `outer`? */
__attribute__((unused)) static bool fuzz_within(struct span inner, struct span outer)
{
    return inner.p >= outer.p && inner.n <= outer.n && (size_t)(inner.p - outer.p) <= outer.n - inner.n;
}

#endif
