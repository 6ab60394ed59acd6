/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Leftovers; see leftovers.h. Directories are opened beneath the Maildir, and only what isn't a directory is
 * removed, by name: no link that the Maildir's owner made leads anywhere, and nothing is opened that could
 * hold us up. Both times of a file must be old: a program may give it the date of the message that it is
 * about to write.
 */
#include "store/leftovers.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/folder_delete.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD_SECONDS (36 * 3600) /* a temporary file that is older belongs to nobody any more */
#define TEMPORARY ".tmp"        /* behind the names of file_replace() */

static bool in_tmp(const char *name)
{
    return name[0] != '.';
}

static bool replaces_ours(const char *name)
{
    static const char *const begins[] = { "postern-", "maildirsize.", "subscriptions.", "dovecot-keywords." };
    size_t n = strlen(name), end = sizeof TEMPORARY - 1;
    if (n <= end || strcmp(name + n - end, TEMPORARY) != 0)
        return false;
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        if (span_starts(span_of(name), begins[i]))
            return true;
    return false;
}

static void clear(int dir, const char *path, bool (*which)(const char *name))
{
    int fd = file_open_beneath(dir, path, O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries) {
        file_close(fd);
        return;
    }
    int64_t before = clock_now() - OLD_SECONDS;
    for (struct dirent *e; (e = readdir(entries));) {
        struct stat st;
        if (which(e->d_name) && fstatat(dirfd(entries), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtim.tv_sec < before && st.st_ctim.tv_sec < before && !S_ISDIR(st.st_mode))
            unlinkat(dirfd(entries), e->d_name, 0);
    }
    closedir(entries);
}

void leftovers_clear_tmp(int folder)
{
    clear(folder, "tmp", in_tmp);
}

enum status leftovers_clear(struct mail *mail)
{
    struct folder_list list;
    enum status st = folders_list(mail, &list);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < list.count; i++) {
        int dir;
        if (!list.folders[i].exists || folder_open(mail, span_of(list.folders[i].name), &dir) != ST_OK)
            continue;
        leftovers_clear_tmp(dir);
        clear(dir, ".", replaces_ours);
        file_close(dir);
    }
    folders_free(&list);
    folders_clear_deleted(mail_dir(mail));
    return ST_OK;
}
