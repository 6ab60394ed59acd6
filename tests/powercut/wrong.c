/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Preloaded into what delivers, leaves out some of what makes a message safe, and says that it was done. The
 * test of power cuts (tests/powercut/run) has to find each of these.
 *
 *     POWERCUT_FAULT  nothing: no file and no directory is synced
 *                     names: only directories are, so that a name may be there for good without contents
 *                     late: contents aren't written out before the file has its name; it is fsynced after
 * that
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool leaves_out(const char *fault)
{
    const char *chosen = getenv("POWERCUT_FAULT");
    return chosen && strcmp(chosen, fault) == 0;
}

static bool is_directory(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

#define REAL(name)                                                                                           \
    static __typeof__(&name) real;                                                                           \
    if (!real)                                                                                               \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

int fsync(int fd)
{
    REAL(fsync);
    bool left_out = leaves_out("nothing") || (leaves_out("names") && !is_directory(fd));
    return left_out ? 0 : real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return leaves_out("nothing") || leaves_out("names") ? 0 : real(fd);
}

int sync_file_range(int fd, off_t at, off_t length, unsigned flags)
{
    REAL(sync_file_range);
    return leaves_out("nothing") || leaves_out("names") || leaves_out("late") ? 0
                                                                              : real(fd, at, length, flags);
}
