/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the programs of `make bench` share: time in microseconds, the median, and giving up: a surprise of any
 * kind ends a measurement, so that no figure stands for less work than it says.
 */
#ifndef POSTERN_TESTS_BENCH_H
#define POSTERN_TESTS_BENCH_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BENCH_FILE "floor.file"
#define BENCH_FILE_BYTES 4096

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

/* An answer that isn't the right one. */
_Noreturn static inline void bench_wrong(const char *what)
{
    fprintf(stderr, "wrong: %s\n", what);
    exit(1);
}

_Noreturn static inline void bench_die(const char *what)
{
    perror(what);
    exit(1);
}

/* The least that a durable file of 4 KiB takes: created in `dir`, written, fsynced, renamed to BENCH_FILE,
 * `dir` fsynced. */
static inline void bench_file(int dir)
{
    static const char contents[BENCH_FILE_BYTES];
    int fd = openat(dir, BENCH_FILE ".new", O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd < 0 || write(fd, contents, sizeof contents) != BENCH_FILE_BYTES || fsync(fd) < 0 ||
        close(fd) < 0 || renameat(dir, BENCH_FILE ".new", dir, BENCH_FILE) < 0 || fsync(dir) < 0)
        bench_die("file");
}

#endif
