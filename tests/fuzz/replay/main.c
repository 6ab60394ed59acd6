/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * main() of a fuzz target without a fuzzer: gives it each file that is named, and VARIANTS that are made of
 * each, the same ones every time: so that `make check` sees when a target or what it plays with has changed,
 * and that what was once found stays mended.
 */
#include "../fuzz.h"

#include "base/files.h"

#include <fcntl.h>
#include <unistd.h>

#define VARIANTS 20
#define INPUT_LIMIT 16384 /* bytes, as tests/fuzz/run has it */
#define SECONDS 120

static uint64_t state = 1;

/* Below `limit`. */
static size_t any(size_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return limit ? (size_t)(state >> 33) % limit : 0;
}

/* A copy of its own size, so that a sanitizer sees who reads beyond it. */
static void play(struct span input)
{
    uint8_t *copy = malloc(input.n + !input.n);
    HOLDS(copy != NULL);
    memcpy(copy, input.p, input.n);
    LLVMFuzzerTestOneInput(copy, input.n);
    free(copy);
}

/* Some bytes changed, and perhaps the end cut off or repeated. */
static void play_variant(struct span seed)
{
    struct bytes b;
    bytes_init(&b, INPUT_LIMIT);
    size_t start = any(seed.n + 1);
    bytes_add_span(&b, any(4) ? seed : span_head(seed, start));
    if (!any(4))
        bytes_add_span(&b, span_from(seed, start));
    for (size_t i = any(4); i > 0 && b.len; i--)
        b.data[any(b.len)] ^= (char)(1 << any(8));
    play(span_bytes(&b));
    bytes_free(&b);
}

int main(int argc, char **argv)
{
    struct bytes seed;
    alarm(SECONDS);
    bytes_init(&seed, INPUT_LIMIT);
    for (int i = 1; i < argc; i++) {
        bytes_clear(&seed);
        HOLDS(file_read(AT_FDCWD, argv[i], &seed) == ST_OK);
        play(span_bytes(&seed));
        for (int j = 0; j < VARIANTS; j++)
            play_variant(span_bytes(&seed));
    }
    bytes_free(&seed);
    play(SPAN(""));
    printf("%d inputs\n", argc > 1 ? (argc - 1) * (VARIANTS + 1) + 1 : 1);
    return 0;
}
