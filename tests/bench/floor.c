/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * floor fork|exec|fsync|loopback COUNT [DIRECTORY|OCTETS]: what the machine itself costs, median and mean
 * microseconds of
 *
 *     fork      a child that ends at once, until it has been waited for
 *     exec      the same with an empty program (this one, called `floor nothing`) in between
 *     fsync     a 4 KiB file as a Maildir's, below DIRECTORY: created, written, fsynced, renamed to another directory,
 *               that one fsynced
 *     loopback  OCTETS over a TCP connection on 127.0.0.1, written and read in pieces of 64 KiB
 */
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE 65536

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

/* Writes `octets` for each byte that comes, until the connection ends. */
static void serve_octets(int fd, size_t octets)
{
    static char piece[PIECE];
    while (read(fd, piece, 1) == 1)
        for (size_t left = octets; left;) {
            ssize_t n = write(fd, piece, left < PIECE ? left : PIECE);
            if (n < 0)
                _exit(1);
            left -= (size_t)n;
        }
    _exit(0);
}

/* A connection to a process that serves octets. */
static int octets_server(size_t octets)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    int listening = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listening, (struct sockaddr *)&at, size) < 0 || listen(listening, 1) < 0 ||
        getsockname(listening, (struct sockaddr *)&at, &size) < 0 ||
        connect(fd, (struct sockaddr *)&at, size) < 0)
        bench_die("loopback");
    if (fork() == 0) {
        close(fd);
        serve_octets(accept(listening, NULL, NULL), octets);
    }
    close(listening);
    return fd;
}

static void one_transfer(int fd, size_t octets)
{
    static char piece[PIECE];
    if (write(fd, "x", 1) != 1)
        bench_die("loopback");
    while (octets) {
        ssize_t n = read(fd, piece, octets < PIECE ? octets : PIECE);
        if (n <= 0)
            bench_die("loopback");
        octets -= (size_t)n;
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "nothing") == 0)
        return 0;
    if (argc < 3)
        return 64;
    size_t count = (size_t)atoi(argv[2]);
    double *times = calloc(count, sizeof *times);
    bool fsyncs = strcmp(argv[1], "fsync") == 0, loopback = strcmp(argv[1], "loopback") == 0;
    if ((fsyncs || loopback) && argc < 4)
        return 64;
    size_t octets = loopback ? strtoul(argv[3], NULL, 10) : 0;
    int dir = fsyncs ? open(argv[3], O_RDONLY | O_DIRECTORY) : -1,
        peer = loopback ? octets_server(octets) : -1;
    struct bench_files files = { 0 };
    if (fsyncs)
        files = bench_files(dir);
    for (size_t i = 0; i < count; i++) {
        double begin = bench_now();
        if (fsyncs)
            bench_file(&files);
        else if (loopback)
            one_transfer(peer, octets);
        else
            one_fork(strcmp(argv[1], "exec") == 0);
        times[i] = bench_now() - begin;
    }
    if (dir >= 0)
        bench_files_remove(&files, dir);
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += times[i];
    printf("%.0f %.0f\n", bench_median(times, count), count ? sum / (double)count : 0);
    free(times);
    return 0;
}
