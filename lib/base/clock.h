/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Time and randomness, by calls that every sandbox allows.
 */
#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_ms(void);     /* milliseconds that only go forward; for deadlines */
int64_t clock_now(void);    /* seconds since 1970, UTC */
int64_t clock_now_us(void); /* microseconds since 1970, UTC */

/* Fills with random bytes from the kernel; ends the process if it can't, as nothing safe can follow. */
void random_bytes(void *to, size_t n);
uint64_t random_u64(void);

#endif
