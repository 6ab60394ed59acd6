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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BENCH_FROM "floor.tmp"
#define BENCH_TO "floor.new"
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

/* The least that a durable message of 4 KiB takes in a Maildir: created in one directory, written, fsynced,
 * renamed to a new name in another, that one fsynced. They stay there, as messages do, until they are
 * removed. */
struct bench_files {
    int from, to;
    unsigned long count;
};

static inline int bench_dir(int dir, const char *name)
{
    int fd = mkdirat(dir, name, 0700) == 0 ? openat(dir, name, O_RDONLY | O_DIRECTORY) : -1;
    if (fd < 0)
        bench_die(name);
    return fd;
}

static inline struct bench_files bench_files(int dir)
{
    return (struct bench_files){ bench_dir(dir, BENCH_FROM), bench_dir(dir, BENCH_TO), 0 };
}

static inline void bench_file(struct bench_files *f)
{
    static const char contents[BENCH_FILE_BYTES];
    char name[32];
    snprintf(name, sizeof name, "%lu", f->count++);
    int fd = openat(f->from, name, O_CREAT | O_WRONLY | O_EXCL, 0600);
    if (fd < 0 || write(fd, contents, sizeof contents) != BENCH_FILE_BYTES || fsync(fd) < 0 ||
        close(fd) < 0 || renameat(f->from, name, f->to, name) < 0 || fsync(f->to) < 0)
        bench_die("file");
}

static inline void bench_files_remove(struct bench_files *f, int dir)
{
    char name[32];
    while (f->count) {
        snprintf(name, sizeof name, "%lu", --f->count);
        unlinkat(f->to, name, 0);
    }
    unlinkat(dir, BENCH_FROM, AT_REMOVEDIR);
    unlinkat(dir, BENCH_TO, AT_REMOVEDIR);
}

#endif
