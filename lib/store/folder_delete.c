/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Clearing removed folders; see folder_delete.h. A folder is two levels deep (cur/FILE). Deeper trees are
 * none of ours, perhaps made to keep us busy, and are left where they are.
 */
#include "store/folder_delete.h"
#include "base/bytes.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FOLDER_DEPTH 2

static DIR *open_entries(int dir, const char *name)
{
    int fd = file_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries)
        file_close(fd);
    return entries;
}

static void remove_tree(int dir, const char *name, int depth)
{
    DIR *entries = open_entries(dir, name);
    if (!entries)
        return;
    struct dirent *e;
    while ((e = readdir(entries))) {
        struct span entry = span_of(e->d_name);
        if (span_eq_str(entry, ".") || span_eq_str(entry, ".."))
            continue;
        if (unlinkat(dirfd(entries), e->d_name, 0) != 0 && errno == EISDIR && depth > 1)
            remove_tree(dirfd(entries), e->d_name, depth - 1);
    }
    closedir(entries);
    unlinkat(dir, name, AT_REMOVEDIR);
}

void folders_clear_deleted(int maildir)
{
    DIR *entries = open_entries(maildir, ".");
    if (!entries)
        return;
    struct dirent *e;
    while ((e = readdir(entries)))
        if (span_starts(span_of(e->d_name), FOLDER_DELETED_PREFIX))
            remove_tree(maildir, e->d_name, FOLDER_DEPTH);
    closedir(entries);
}
