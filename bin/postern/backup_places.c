/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The backups that lie in a directory, by their names, and how one is removed. What is removed is renamed
 * first, so that half a backup is never taken for one; no link is followed, and no other file system entered.
 */
#include "backup.h"
#include "base/clock.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_LIMIT 40 /* of a tree that is removed */
#define NAMES_LIMIT 100000

/* Is it the name of a backup, a time? */
static bool is_name(const char *name)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    if (strlen(name) != sizeof form - 1)
        return false;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == '0' ? !ascii_digit(name[i]) : name[i] != form[i])
            return false;
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void backup_free_names(char **names, ssize_t count)
{
    for (ssize_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

ssize_t backup_names(int top, char ***names)
{
    int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    size_t count = 0, room = 0;
    *names = NULL;
    if (!d) {
        file_close(fd);
        return -1;
    }
    while (count < NAMES_LIMIT && (e = readdir(d))) {
        if (!is_name(e->d_name))
            continue;
        if (count == room) {
            char **more = realloc(*names, (room += 64) * sizeof **names);
            if (!more)
                break;
            *names = more;
        }
        if (!((*names)[count] = strdup(e->d_name)))
            break;
        count++;
    }
    closedir(d);
    if (count)
        qsort(*names, count, sizeof **names, compare);
    return (ssize_t)count;
}

static bool remove_below(int parent, const char *name, unsigned depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    bool all = d && depth;
    if (!d)
        file_close(fd);
    while (d && depth && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        bool gone = e->d_type != DT_DIR && (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT);
        all = (gone || remove_below(dirfd(d), e->d_name, depth - 1)) && all;
    }
    int saved = errno;
    if (d)
        closedir(d);
    errno = saved;
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

bool backup_remove(int top, const char *name)
{
    return unlinkat(top, name, 0) == 0 || remove_below(top, name, DEPTH_LIMIT);
}

bool backup_forget(int top, const char *name)
{
    char hidden[64];
    snprintf(hidden, sizeof hidden, BACKUP_OLD "%016llx", (unsigned long long)random_u64());
    if (renameat(top, name, top, hidden) != 0)
        return errno == ENOENT;
    return file_sync_dir(top, NULL) == ST_OK && backup_remove(top, hidden);
}
