/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compacting the index; see index.h. A record stays when its message is gone, so that QRESYNC can tell of it
 * (RFC 7162 3.2.5.2). When many have gathered, the index is written anew with the last GONE_KEPT of them; a
 * client whose state is older (than expunged_from) can't be told which exactly went since.
 */
#include "store/index.h"

#include <stdlib.h>

#define GONE_KEPT 2048

bool index_has_waste(const struct index *ix)
{
    return ix->header.gone > 2 * GONE_KEPT && ix->header.gone > ix->header.count / 4;
}

static int compare_modseqs(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* Of those that are gone only the ones above it stay. */
static uint64_t oldest_kept(const struct index *ix)
{
    uint64_t *modseqs = malloc((ix->header.gone + 1) * sizeof *modseqs), last = ix->header.modseq;
    size_t n = 0;
    struct index_record r;
    for (uint32_t i = 0; modseqs && i < ix->header.count && n < ix->header.gone; i++)
        if (index_get(ix, i, &r) && r.bits & INDEX_GONE)
            modseqs[n++] = r.modseq;
    if (n > GONE_KEPT) {
        qsort(modseqs, n, sizeof *modseqs, compare_modseqs);
        last = modseqs[GONE_KEPT];
    }
    free(modseqs);
    return last;
}

void index_compact(struct index *ix)
{
    struct index to;
    if (!index_has_waste(ix) || ix->writing)
        return;
    uint64_t from = oldest_kept(ix);
    if (index_begin(ix->dir, &ix->header, ix->header.count - ix->header.gone, ix->header.names_used, &to) !=
        ST_OK)
        return;
    to.header.expunged_from = from;
    for (uint32_t i = 0; i < ix->header.count; i++) {
        struct index_record r;
        char name[FILENAME_LIMIT + 1];
        if (!index_get(ix, i, &r) || (r.bits & INDEX_GONE && r.modseq <= from))
            continue;
        if (!index_name(ix, &r, name)) { /* damaged: let whoever reads it find out */
            index_close(&to);
            return;
        }
        index_add(&to, &r, name, true);
    }
    if (index_commit(&to) != ST_OK) {
        index_close(&to);
        return;
    }
    index_close(ix);
    *ix = to;
}
