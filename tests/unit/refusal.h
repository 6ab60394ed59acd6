/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An allocator that can be told to refuse: for the one file of a test that includes it, and the library. The
 * sanitizers have an allocator of their own, under which nothing is refused.
 */
#ifndef POSTERN_TESTS_REFUSAL_H
#define POSTERN_TESTS_REFUSAL_H

#include <stdbool.h>
#include <stdlib.h>

static long left = -1; /* allocations until one is refused; -1: none is */
static bool refused;

#if !defined(__SANITIZE_ADDRESS__)
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *old, size_t n);

static bool refuse(void)
{
    bool now = left == 0;
    left -= left >= 0;
    refused |= now;
    return now;
}

void *malloc(size_t n)
{
    return refuse() ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
    return refuse() ? NULL : __libc_calloc(count, n);
}

void *realloc(void *old, size_t n)
{
    return refuse() ? NULL : __libc_realloc(old, n);
}
#endif

#endif
