/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * floor fork|exec|fsync COUNT [DIRECTORY]: what the machine itself costs, median microseconds of
 *
 *     fork    a child that ends at once, until it has been waited for
 *     exec    the same with an empty program (this one, called `floor nothing`) in between
 *     fsync   a 4 KiB file in DIRECTORY: created, written, fsynced, renamed, its directory fsynced
 */
#include "bench.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES 4096

static void one_fork(bool exec)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (exec)
            execl("/proc/self/exe", "floor", "nothing", (char *)NULL);
        _exit(exec);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        bench_die("fork");
}

static void one_file(int dir)
{
    static const char contents[FILE_BYTES];
    int fd = openat(dir, "floor.tmp", O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd < 0 || write(fd, contents, sizeof contents) != FILE_BYTES || fsync(fd) < 0 || close(fd) < 0 ||
        renameat(dir, "floor.tmp", dir, "floor.file") < 0 || fsync(dir) < 0)
        bench_die("file");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "nothing") == 0)
        return 0;
    if (argc < 3)
        return 64;
    size_t count = (size_t)atoi(argv[2]);
    double *times = calloc(count, sizeof *times);
    int dir = argc > 3 ? open(argv[3], O_RDONLY | O_DIRECTORY) : -1;
    for (size_t i = 0; i < count; i++) {
        double begin = bench_now();
        if (strcmp(argv[1], "fsync") == 0)
            one_file(dir);
        else
            one_fork(strcmp(argv[1], "exec") == 0);
        times[i] = bench_now() - begin;
    }
    if (dir >= 0)
        unlinkat(dir, "floor.file", 0);
    printf("%.0f\n", bench_median(times, count));
    free(times);
    return 0;
}
