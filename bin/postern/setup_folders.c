/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The part of `postern setup` that is done as root, where it is root: the folders, and who owns them.
 *
 * Root makes the folders, and gives those that it made (or found empty) to their owner; then it becomes that
 * owner, as whom the handlers run, and all else is done by him. The owner is whoever has the spool or the
 * folder already, else the user postern; for a trial in a folder of one's own on a machine without that user,
 * nobody.
 */
#include "setup.h"
#include "base/files.h"
#include "net/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define OWNER "postern"

static bool is_empty(const char *path)
{
    DIR *d = opendir(path);
    size_t count = 0;
    if (!d)
        return false;
    while (readdir(d))
        count++;
    closedir(d);
    return count <= 2;
}

static int no_owner(void)
{
    return complain(EX_NOUSER,
                    "there is no user `" OWNER "`, as whom the server would run. Installing makes it "
                    "(systemd-sysusers); by hand: useradd --system --user-group --no-create-home "
                    "--home-dir /nonexistent --shell /usr/sbin/nologin " OWNER);
}

static int find_owner(struct setup *u)
{
    struct stat info;
    const char *places[] = { u->spool, u->folder };
    for (size_t i = 0; i < 2; i++)
        if (stat(places[i], &info) == 0 && info.st_uid != 0) {
            u->uid = info.st_uid;
            const struct passwd *p = getpwuid(info.st_uid);
            u->gid = p ? p->pw_gid : info.st_gid;
            return EX_OK;
        }
    const struct passwd *p = getpwnam(OWNER);
    if (!p && u->system)
        return no_owner();
    if (!p) {
        p = getpwnam(TRIAL_OWNER);
        u->trial = true;
    }
    if (!p || p->pw_uid == 0)
        return no_owner();
    u->uid = p->pw_uid;
    u->gid = p->pw_gid;
    return EX_OK;
}

/* As root, gives a folder to the owner: by descriptor, so that nobody puts a link in its place. */
static bool give_away(struct setup *u, const char *path, mode_t mode)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && fstat(fd, &info) == 0 && (mode == 0 || fchmod(fd, mode) == 0);
    if (ok && getuid() == 0 && info.st_uid == 0)
        ok = fchown(fd, u->uid, u->gid) == 0;
    file_close(fd);
    return ok;
}

/* Makes a folder and, as root, gives it to the owner if we made it or it is empty and root's. */
static int make_folder(struct setup *u, const char *path, mode_t mode)
{
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (!there && file_make_dirs(path, 0755) != ST_OK)
        return complain(EX_CANTCREAT, "%s: can't make it: %s", path, strerror(errno));
    if (there && (getuid() != 0 || info.st_uid != 0))
        return EX_OK;
    if (there && !is_empty(path) && strcmp(path, SYSTEM_FOLDER) != 0)
        return complain(EX_NOPERM,
                        "%s: belongs to root and isn't empty; Postern doesn't run as root. Choose another "
                        "folder, or give this one away: chown %u:%u %s",
                        path, (unsigned)u->uid, (unsigned)u->gid, path);
    if (!give_away(u, path, there ? 0 : mode))
        return complain(EX_NOPERM, "%s: can't give it to user %u: %s", path, (unsigned)u->uid,
                        strerror(errno));
    return EX_OK;
}

static int must_be_writable(const char *path)
{
    if (access(path, W_OK | X_OK) == 0)
        return EX_OK;
    return complain(EX_NOPERM, "%s: user %u, as whom the server runs, can't write there: %s", path,
                    (unsigned)geteuid(), strerror(errno));
}

/* Is the path in our own folder? Then it is made by its owner, who may do there what he likes, and not by
 * root. */
static bool in_folder(const struct setup *u, const char *path)
{
    size_t n = strlen(u->folder);
    return strncmp(path, u->folder, n) == 0 && path[n] == '/';
}

int setup_folders(struct setup *u)
{
    struct bytes error;
    const char *places[] = { u->spool, u->mail };
    int result = getuid() == 0 ? find_owner(u) : EX_OK;
    bytes_init(&error, 4096);
    if (result == EX_OK)
        result = make_folder(u, u->folder, 0755);
    for (size_t i = 0; result == EX_OK && i < 2; i++)
        if (!in_folder(u, places[i]))
            result = make_folder(u, places[i], 0700);
    if (result == EX_OK && sandbox_drop_root(in_folder(u, u->spool) ? u->folder : u->spool, &error) != ST_OK)
        result = complain(EX_NOPERM, "%s", bytes_str(&error));
    if (result == EX_OK)
        result = must_be_writable(u->folder);
    for (size_t i = 0; result == EX_OK && i < 2; i++) {
        if (in_folder(u, places[i]))
            result = make_folder(u, places[i], 0700);
        if (result == EX_OK)
            result = must_be_writable(places[i]);
    }
    bytes_free(&error);
    return result;
}
