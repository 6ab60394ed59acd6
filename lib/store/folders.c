/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Folders; see folders.h. A folder exists while its directory has a `cur`: that is made last and, on
 * the same file system, moved away first, so that a crash leaves a whole folder or none.
 * A folder being removed is first renamed to a name that no folder has
 * ("postern-deleted.*"); what a crash leaves of it, the next removal clears.
 *
 * Names come from clients and directories from whoever owns the mail, so every directory is
 * opened beneath the Maildir without following links before something is done in it.
 */
#include "store/folders.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/folder_delete.h"
#include "text/utf7.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name, *special_use;
} standard[] = {
    { "Drafts", "\\Drafts" }, { "Sent", "\\Sent" },       { "Junk", "\\Junk" },
    { "Trash", "\\Trash" },   { "Archive", "\\Archive" },
};

bool folder_is_inbox(struct span name)
{
    return span_ieq_str(name, "INBOX");
}

bool folder_name_valid(struct span name)
{
    if (name.n == 0 || name.n > FOLDER_NAME_LIMIT || name.p[0] == '.' || name.p[name.n - 1] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= 0x1f || name.p[i] >= 0x7f || name.p[i] == '/' ||
            (name.p[i] == '.' && name.p[i + 1] == '.'))
            return false;
    return utf7_valid(name);
}

bool folder_path(struct span name, char *to, size_t size)
{
    if (folder_is_inbox(name))
        return span_copy(SPAN("."), to, size);
    if (!folder_name_valid(name) || name.n + 2 > size)
        return false;
    to[0] = '.';
    return span_copy(name, to + 1, size - 1);
}

/* Whatever a hostile owner put where a folder should be, it is no folder. */
static enum status no_folder(int err)
{
    bool odd = err == ELOOP || err == EXDEV || err == EINVAL || err == ENOENT || err == ENOTDIR;
    return odd ? ST_NONE : ST_TEMP;
}

enum status folder_open(struct mail *mail, struct span name, int *dir)
{
    char path[FOLDER_NAME_LIMIT + 2];
    *dir = -1;
    if (!folder_path(name, path, sizeof path))
        return ST_NONE;
    int fd = file_open_beneath(mail_dir(mail), path, O_RDONLY | O_DIRECTORY, 0);
    struct stat cur;
    if (fd < 0)
        return no_folder(errno);
    if (fstatat(fd, "cur", &cur, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(cur.st_mode)) {
        close(fd);
        errno = ENOENT;
        return ST_NONE;
    }
    *dir = fd;
    return ST_OK;
}

enum status folder_exists(struct mail *mail, struct span name)
{
    int dir;
    enum status st = folder_open(mail, name, &dir);
    file_close(dir);
    return st;
}

enum status folder_make_parts(int dir)
{
    static const char *const parts[] = { "tmp", "new", "cur" };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (mkdirat(dir, parts[i], 0700) != 0 && errno != EEXIST)
            return ST_TEMP;
    return file_sync_dir(dir, NULL);
}

/* Over the limit, every command that lists folders would become slow. */
static enum status room_for_one(struct mail *mail)
{
    struct folder_list list;
    enum status st = folders_list(mail, &list);
    if (st != ST_OK)
        return st;
    if (list.count >= FOLDERS_LIMIT) {
        st = ST_PERM;
        errno = EDQUOT;
    }
    folders_free(&list);
    return st;
}

/* The mark of Maildir++ by which delivery programs know a folder. It is a courtesy: we don't read it. */
static void mark_folder(int dir)
{
    file_close(file_open_beneath(dir, "maildirfolder", O_WRONLY | O_CREAT, 0600));
}

static enum status create_at(struct mail *mail, const char *path)
{
    if (mkdirat(mail_dir(mail), path, 0700) != 0 && errno != EEXIST)
        return ST_TEMP;
    int dir = file_open_beneath(mail_dir(mail), path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0) {
        bool taken = no_folder(errno) == ST_NONE;
        errno = taken ? EEXIST : errno;
        return taken ? ST_PERM : ST_TEMP;
    }
    mark_folder(dir);
    enum status st = folder_make_parts(dir);
    int saved = errno;
    file_close(dir);
    errno = saved;
    return st == ST_OK ? file_sync_dir(mail_dir(mail), NULL) : st;
}

enum status folder_create(struct mail *mail, struct span name)
{
    char path[FOLDER_NAME_LIMIT + 2];
    if (!folder_path(name, path, sizeof path)) {
        errno = EINVAL;
        return ST_PERM;
    }
    enum status st = room_for_one(mail);
    if (st != ST_OK)
        return st;
    int lock = mail_lock(mail);
    if (lock < 0)
        return ST_TEMP;
    st = folder_exists(mail, name);
    if (st == ST_NONE) {
        st = create_at(mail, path);
    } else if (st == ST_OK) {
        st = ST_PERM;
        errno = EEXIST;
    }
    file_close(lock);
    return st;
}

enum status folder_delete(struct mail *mail, struct span name)
{
    char path[FOLDER_NAME_LIMIT + 2], hidden[64];
    if (folder_is_inbox(name)) {
        errno = EPERM;
        return ST_PERM;
    }
    enum status st = folder_exists(mail, name);
    if (st != ST_OK || !folder_path(name, path, sizeof path))
        return st == ST_OK ? ST_NONE : st;
    snprintf(hidden, sizeof hidden, FOLDER_DELETED_PREFIX "%016llx", (unsigned long long)random_u64());
    if (renameat(mail_dir(mail), path, mail_dir(mail), hidden) != 0)
        return status_of_errno(errno);
    st = file_sync_dir(mail_dir(mail), NULL);
    folders_clear_deleted(mail_dir(mail));
    return st;
}

enum status folders_make_standard(struct mail *mail)
{
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++) {
        struct span name = span_of(standard[i].name);
        enum status st = folder_create(mail, name);
        if (st != ST_OK && !(st == ST_PERM && errno == EEXIST))
            return st;
        st = folder_subscribe(mail, name, true);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

const char *folder_special_use(struct span name)
{
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
        if (span_eq_str(name, standard[i].name))
            return standard[i].special_use;
    return NULL;
}
