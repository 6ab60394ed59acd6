/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the programs of `make bench` share: time in microseconds, the median, and giving up: a surprise of any kind ends
 * a measurement, so that no figure stands for less work than it says.
 */
#ifndef POSTERN_TESTS_BENCH_H
#define POSTERN_TESTS_BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the times. */
static inline double bench_median(double *times, size_t count)
{
    qsort(times, count, sizeof *times, bench_compare);
    return count ? times[count / 2] : 0;
}

_Noreturn static inline void bench_die(const char *what)
{
    perror(what);
    exit(1);
}

#endif
