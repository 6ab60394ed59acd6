/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A merge sort from below; see sort.h. qsort() isn't stable, and where there is much to sort it asks the
 * system for the size of memory, which a sandbox forbids.
 */
#include "base/sort.h"

#include <stdlib.h>
#include <string.h>

#define SMALL 16 /* runs that are sorted by insertion first */

static bool is_behind(const struct sort_item *a, const struct sort_item *b, sort_tie *tie,
                      const void *context)
{
    return a->key != b->key ? a->key > b->key : tie && tie(context, a->item, b->item) > 0;
}

static void insert_run(struct sort_item *items, size_t n, sort_tie *tie, const void *context)
{
    for (size_t i = 1; i < n; i++) {
        struct sort_item moved = items[i];
        size_t at = i;
        for (; at > 0 && is_behind(&items[at - 1], &moved, tie, context); at--)
            items[at] = items[at - 1];
        items[at] = moved;
    }
}

/* Merges from[0, middle) and from[middle, n). */
static void merge(const struct sort_item *from, size_t middle, size_t n, struct sort_item *to, sort_tie *tie,
                  const void *context)
{
    size_t a = 0, b = middle;
    for (size_t i = 0; i < n; i++)
        to[i] = a == middle || (b < n && is_behind(&from[a], &from[b], tie, context)) ? from[b++] : from[a++];
}

bool sort_items(struct sort_item *items, size_t n, sort_tie *tie, const void *context)
{
    struct sort_item *from = items, *to = malloc((n + 1) * sizeof *to), *other = to;
    if (!to)
        return false;
    for (size_t at = 0; at < n; at += SMALL)
        insert_run(items + at, n - at < SMALL ? n - at : SMALL, tie, context);
    for (size_t run = SMALL; run < n; run *= 2) {
        for (size_t at = 0; at < n; at += 2 * run) {
            size_t left = n - at;
            merge(from + at, left < run ? left : run, left < 2 * run ? left : 2 * run, to + at, tie, context);
        }
        struct sort_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, n * sizeof *items);
    free(other);
    return true;
}

uint64_t sort_key_of(int64_t number)
{
    return (uint64_t)number ^ UINT64_C(1) << 63;
}
