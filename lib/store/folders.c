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
#include "store/durable.h"
#include "store/folder_delete.h"
#include "store/quota.h"
#include "store/special_use.h"
#include "text/utf7.h"
#include "text/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

bool folder_name_makeable(struct span name)
{
    struct bytes text;
    bool good = folder_name_valid(name);
    bytes_init(&text, 4 * FOLDER_NAME_LIMIT);
    good = good && utf7_to_utf8(name, &text);
    for (struct span rest = span_bytes(&text); good && rest.n;) {
        uint32_t c;
        rest = span_from(rest, utf8_read(rest, &c));
        good = c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && c != 0x2028 && c != 0x2029;
    }
    bytes_free(&text);
    return good;
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
    bool made = false;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (mkdirat(dir, parts[i], 0700) == 0)
            made = true;
        else if (errno != EEXIST)
            return ST_TEMP;
    return made ? file_sync_dir(dir, NULL) : ST_OK; /* not always: each login comes here */
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

/* The durable file comes before `cur`: no folder exists without what CREATE said of it. */
static enum status fill(int dir, struct durable *d)
{
    mark_folder(dir);
    enum status st = durable_create(dir, d);
    return st == ST_OK ? folder_make_parts(dir) : st;
}

static enum status create_at(struct mail *mail, const char *path, struct durable *d)
{
    if (mkdirat(mail_dir(mail), path, 0700) != 0 && errno != EEXIST)
        return ST_TEMP;
    int dir = file_open_beneath(mail_dir(mail), path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0) {
        bool taken = no_folder(errno) == ST_NONE;
        errno = taken ? EEXIST : errno;
        return taken ? ST_PERM : ST_TEMP;
    }
    enum status st = fill(dir, d);
    int saved = errno;
    file_close(dir);
    errno = saved;
    return st == ST_OK ? file_sync_dir(mail_dir(mail), NULL) : st;
}

/* What the new folder is for. By name, a use that another folder has already is none. */
static enum status choose_uses(struct mail *mail, struct span name, unsigned uses, struct durable *d)
{
    bool by_name = uses == FOLDER_USES_BY_NAME;
    unsigned wanted = by_name ? use_of_name(name) : uses;
    enum status st = folder_uses_taken(mail, wanted, name);
    if (st == ST_TEMP)
        return st;
    if (st == ST_OK && !by_name) {
        errno = EBUSY;
        return ST_PERM;
    }
    d->uses_known = st == ST_OK || !by_name;
    d->uses = by_name ? 0 : uses;
    return ST_OK;
}

static enum status create_locked(struct mail *mail, struct span name, unsigned uses, struct durable *d)
{
    char path[FOLDER_NAME_LIMIT + 2];
    enum status st = folder_exists(mail, name);
    if (st == ST_OK) {
        errno = EEXIST;
        return ST_PERM;
    }
    if (st != ST_NONE || !folder_path(name, path, sizeof path))
        return st;
    st = choose_uses(mail, name, uses, d);
    return st == ST_OK ? create_at(mail, path, d) : st;
}

enum status folder_create_for(struct mail *mail, struct span name, unsigned uses,
                              char mailbox_id[FOLDER_ID_SIZE])
{
    struct durable d = { 0 };
    if (folder_is_inbox(name) || !folder_name_makeable(name)) {
        errno = folder_is_inbox(name) ? EEXIST : EINVAL;
        return ST_PERM;
    }
    enum status st = room_for_one(mail);
    if (st == ST_OK)
        st = mail_next_validity(mail, &d.uid_validity); /* it takes the same lock, so it comes first */
    int lock = st == ST_OK ? mail_lock(mail) : -1;
    if (lock < 0)
        return st == ST_OK ? ST_TEMP : st;
    st = create_locked(mail, name, uses, &d);
    int saved = errno;
    memcpy(mailbox_id, d.mailbox_id, FOLDER_ID_SIZE);
    durable_free(&d);
    file_close(lock);
    errno = saved;
    return st;
}

enum status folder_create(struct mail *mail, struct span name)
{
    char id[FOLDER_ID_SIZE];
    return folder_create_for(mail, name, FOLDER_USES_BY_NAME, id);
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
    quota_forget(mail_dir(mail));
    return st;
}

enum status folders_make_standard(struct mail *mail)
{
    const char *text;
    for (size_t i = 0; (text = use_standard_folder(i)); i++) {
        struct span name = span_of(text);
        enum status st = folder_create(mail, name);
        if (st != ST_OK && !(st == ST_PERM && errno == EEXIST))
            return st;
        st = folder_subscribe(mail, name, true);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}
