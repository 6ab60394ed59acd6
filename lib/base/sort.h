/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sorting many things by a number each: what most comparisons are decided by lies in the array itself.
 */
#ifndef POSTERN_BASE_SORT_H
#define POSTERN_BASE_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sort_item {
    uint64_t key;
    uint32_t item; /* the caller's */
};

/* Which of two items of the same key comes first: less than, equal to or more than 0. */
typedef int sort_tie(const void *context, uint32_t a, uint32_t b);

/* Sorts by key, among equal keys by `tie` (NULL: none), and leaves others in their order. In n log n steps
 * whatever the order, without recursion or calls of the system but for memory. False, with nothing changed,
 * without that. */
bool sort_items(struct sort_item *items, size_t n, sort_tie *tie, const void *context);
/* The key by which signed numbers sort. */
uint64_t sort_key_of(int64_t number);

#endif
