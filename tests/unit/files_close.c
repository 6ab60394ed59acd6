/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Closing all descriptors but some: those stay, in whatever order they are named, and so do the three that
 * every process has; no other does.
 */
#include "tap.h"

#include "base/files.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIGHEST 60

static const struct row {
    const char *name;
    int kept[3];
} rows[] = {
    { "none", { -1, -1, -1 } },
    { "the first", { 3, -1, -1 } },
    { "neighbours", { 5, 4, -1 } },
    { "one twice", { 9, 9, 3 } },
    { "the last", { -1, HIGHEST, 7 } },
    { "one that stays anyway", { 0, 2, 8 } },
};

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* 0, or the first that is open and should not be, or the other way round. */
static int wrong(const int kept[3])
{
    for (int fd = 3; fd <= HIGHEST; fd++)
        if (dup2(0, fd) != fd)
            return fd;
    files_close_but(kept, 3);
    for (int fd = 0; fd <= HIGHEST; fd++)
        if (is_open(fd) != (fd < 3 || fd == kept[0] || fd == kept[1] || fd == kept[2]))
            return fd ? fd : HIGHEST + 1;
    return 0;
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int how = -1;
        pid_t pid = fork();
        if (pid == 0) {
            for (int fd = 0; fd < 3; fd++)
                if (!is_open(fd) && open("/dev/null", O_RDWR) != fd)
                    _exit(99);
            _exit(wrong(rows[i].kept));
        }
        waitpid(pid, &how, 0);
        ok(WIFEXITED(how) && WEXITSTATUS(how) == 0, "kept: %s (%d)", rows[i].name, how >> 8);
    }
    return done_testing();
}
