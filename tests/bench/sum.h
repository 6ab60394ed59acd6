/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How a generated message can be checked without its file: its header says which number it has and what its
 * body, with CRLF, adds up to (64-bit FNV-1a).
 *
 *     Message-ID: <NUMBER.bench@example.test>
 *     X-Sum: SIXTEEN HEX DIGITS
 */
#ifndef POSTERN_TESTS_SUM_H
#define POSTERN_TESTS_SUM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUM_FIELD "\r\nX-Sum: "
#define SUM_BEGIN 14695981039346656037u
#define SUM_ID "<%lu.bench@example.test>"

static inline uint64_t sum_add(uint64_t sum, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ (unsigned char)data[i]) * 1099511628211u;
    return sum;
}

/* Has the message, with CRLF, the body that its header speaks of? */
static inline bool sum_is_right(const char *message, size_t n)
{
    const char *field = memmem(message, n, SUM_FIELD, strlen(SUM_FIELD)),
               *end = memmem(message, n, "\r\n\r\n", 4);
    if (!field || !end || field > end)
        return false;
    uint64_t said = strtoull(field + strlen(SUM_FIELD), NULL, 16);
    return said == sum_add(SUM_BEGIN, end + 4, n - (size_t)(end + 4 - message));
}

/* Is it message `number`? `n` bytes of header or of an answer about it. */
static inline bool sum_is_number(const char *data, size_t n, unsigned long number)
{
    char id[64];
    int length = snprintf(id, sizeof id, SUM_ID, number);
    return memmem(data, n, id, (size_t)length) != NULL;
}

#endif
