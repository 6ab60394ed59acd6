/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A day's file of lines: what is left of a line where the disk had no room, or its writer ended, doesn't run
 * into the next one.
 */
#include "tap.h"

#include "store/day_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOW 1795696711 /* 2026-11-26 12:38:31 */
#define FILE_NAME "lines/2026-11-26"

static char spool[] = "/tmp/postern-day-XXXXXX";
static const struct day_file kind = { "lines", 1 << 20, 10 };

static enum status add(const char *text)
{
    struct bytes line;
    bytes_init(&line, 200000);
    bytes_add_str(&line, text);
    enum status st = day_file_append(&kind, spool, NOW, &line);
    int why = errno;
    bytes_free(&line);
    errno = why;
    return st;
}

static const char *all(void)
{
    static char text[300000];
    int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    return text;
}

/* What somebody who ended in the middle of it has left. */
static void leave(const char *text, size_t n)
{
    int fd = open(FILE_NAME, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (write(fd, text, n) != (ssize_t)n)
        exit(1);
    close(fd);
}

/* A disk on which no file may be larger stands for a full one. */
static void full_disk(void)
{
    struct rlimit before, limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    ok(add("a=1") == ST_OK && add("b=2") == ST_OK, "two lines");
    limit.rlim_cur = 11;
    setrlimit(RLIMIT_FSIZE, &limit);
    bool refused = add("c=345678") == ST_TEMP && errno == EFBIG;
    setrlimit(RLIMIT_FSIZE, &before);
    ok(refused && strcmp(all(), "a=1\nb=2\n") == 0, "of one that has no room nothing is left");
    ok(add("d=4") == ST_OK && strcmp(all(), "a=1\nb=2\nd=4\n") == 0, "and the next one is whole");
}

static void ended(void)
{
    static char large[20001];
    leave("e=5 quoted=\"some", 16);
    ok(add("f=6") == ST_OK && strcmp(all(), "a=1\nb=2\nd=4\nf=6\n") == 0,
       "the next line takes the place of half a one");
    memset(large, 'x', sizeof large - 1);
    leave(large, sizeof large - 1);
    ok(add("g=7") == ST_OK && strcmp(all(), "a=1\nb=2\nd=4\nf=6\ng=7\n") == 0, "also of half a long one");
    unlink(FILE_NAME);
    leave("half", 4);
    ok(add("h=8") == ST_OK && strcmp(all(), "h=8\n") == 0, "and of half the first one");
    ok(add(large) == ST_OK && strlen(all()) == 4 + sizeof large && add("i=9") == ST_OK &&
           strlen(all()) == 8 + sizeof large,
       "whole ones stay");
}

int main(void)
{
    char command[64];
    if (!mkdtemp(spool) || chdir(spool) != 0)
        return 1;
    full_disk();
    ended();
    snprintf(command, sizeof command, "rm -r %s", spool);
    return system(command) == 0 ? done_testing() : 1;
}
