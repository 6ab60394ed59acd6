/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * idle PORT USER PASSWORD MAILDIR COUNT: how long it takes until a client in IDLE is told of a new message,
 * from the rename of its file into new/ to the untagged EXISTS with the right number. COUNT messages, with
 * pauses. INBOX must be empty. Prints the median and the longest in microseconds.
 */
#include "wire.h"

#include <fcntl.h>

#define PAUSE_US 1200000 /* so that each comes to a mailbox at rest */

static void deliver(const char *maildir, long number, double *begin)
{
    static const char message[] = "From: a@example.test\nSubject: idle\n\nHello.\n";
    char from[4096], to[4096];
    snprintf(from, sizeof from, "%s/tmp/1795000000.M%ldP9.bench", maildir, number);
    snprintf(to, sizeof to, "%s/new/1795000000.M%ldP9.bench", maildir, number);
    int fd = open(from, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, message, sizeof message - 1) < 0 || close(fd) < 0)
        bench_die(from);
    *begin = bench_now();
    if (rename(from, to) < 0)
        bench_die(to);
}

int main(int argc, char **argv)
{
    struct wire w = { 0 };
    char wanted[64];
    if (argc != 6)
        return 64;
    long count = atol(argv[5]);
    double *times = calloc((size_t)count, sizeof *times);
    wire_imap_login(&w, argv[1], argv[2], argv[3]);
    wire_imap(&w, "x SELECT INBOX\r\n");
    wire_say(&w, "x IDLE\r\n");
    wire_until(&w, "+ ");
    for (long i = 0; i < count; i++) {
        double begin;
        usleep(PAUSE_US);
        snprintf(wanted, sizeof wanted, "* %ld EXISTS\r\n", i + 1);
        w.len = 0;
        deliver(argv[4], i, &begin);
        while (!memmem(w.data, w.len, wanted, strlen(wanted)))
            wire_more(&w);
        times[i] = bench_now() - begin;
    }
    double median = bench_median(times, (size_t)count);
    printf("%.0f %.0f\n", median, count ? times[count - 1] : 0);
    free(times);
    wire_imap(&w, "DONE\r\n");
    wire_imap(&w, "x LOGOUT\r\n");
    return 0;
}
