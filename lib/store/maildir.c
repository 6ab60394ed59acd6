/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Delivery into a Maildir; see maildir.h. What a crash leaves at each step:
 *
 *     in prepare      a file in tmp/, which no reader looks at; readers remove it when it is old
 *     after prepare   the same, complete; after a power cut, that or less, or nothing
 *     after publish   the file in new/, complete; after a power cut in tmp/ too, or none (no 250 was sent)
 *     after finish    the file in new/
 *
 * tmp/ and new/ are descriptors opened beneath the Maildir before anything is written, so that
 * an owner who swaps a directory for a link meanwhile swaps nothing for us. The Maildir itself may be no link
 * either: where it lies in its owner's home, he could make it one to another user's. A name is
 * time, microseconds and 64 random bits: neither a counter nor the process ID would be
 * unique where containers share a Maildir.
 */
#include "store/maildir.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST_LIMIT 60 /* bytes of a hostname in a file name */
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY)

enum status maildir_create(const char *maildir)
{
    int dir = open(maildir, DIRECTORY_FLAGS | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT) {
        enum status made = file_make_dirs(maildir, 0700);
        if (made != ST_OK)
            return made;
        dir = open(maildir, DIRECTORY_FLAGS | O_NOFOLLOW | O_CLOEXEC);
    }
    if (dir < 0)
        return ST_TEMP;
    enum status st = folder_make_parts(dir);
    file_close(dir);
    return st;
}

void maildir_close(struct maildir_delivery *d)
{
    file_close(d->file);
    file_close(d->tmp_dir);
    file_close(d->new_dir);
    d->file = d->tmp_dir = d->new_dir = -1;
}

static bool open_both(int dir, const char *path, struct maildir_delivery *d)
{
    char part[FOLDER_NAME_LIMIT + 16];
    snprintf(part, sizeof part, "%s/tmp", path);
    d->tmp_dir = file_open_beneath(dir, part, O_PATH | O_DIRECTORY, 0);
    snprintf(part, sizeof part, "%s/new", path);
    d->new_dir = d->tmp_dir < 0 ? -1 : file_open_beneath(dir, part, DIRECTORY_FLAGS, 0);
    if (d->new_dir >= 0)
        return true;
    int saved = errno;
    maildir_close(d);
    errno = saved;
    return false;
}

/* The folder's tmp/ and new/, or INBOX's where the folder can't be used. */
static enum status open_parts(const char *maildir, const char *folder, struct maildir_delivery *d)
{
    int dir = open(maildir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT && maildir_create(maildir) == ST_OK)
        dir = open(maildir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return ST_TEMP;
    char path[FOLDER_NAME_LIMIT + 2];
    bool found = folder && folder_path(span_of(folder), path, sizeof path) && open_both(dir, path, d);
    if (!found)
        found = open_both(dir, ".", d);
    if (!found && errno == ENOENT && maildir_create(maildir) == ST_OK)
        found = open_both(dir, ".", d);
    file_close(dir);
    return found ? ST_OK : ST_TEMP;
}

static void write_name(int64_t us, uint64_t rest, const char *hostname, char *to, size_t size)
{
    char host[HOST_LIMIT + 1];
    size_t n = 0;
    for (const char *at = hostname; *at && n < HOST_LIMIT; at++)
        if (ascii_alpha(*at) || ascii_digit(*at) || *at == '-' || *at == '.')
            host[n++] = *at;
    host[n] = '\0';
    snprintf(to, size, "%lld.M%06dR%016llx.%s", (long long)(us / 1000000), (int)(us % 1000000),
             (unsigned long long)rest, n ? host : "localhost");
}

void maildir_unique(const char *hostname, char *to, size_t size)
{
    write_name(clock_now_us(), random_u64(), hostname, to, size);
}

/* IDs are a time in microseconds and 64 bits, as names are. */
static void name_of_id(const char *id, const char *hostname, char *to, size_t size)
{
    char *end;
    int64_t us = (int64_t)strtoull(id, &end, 16);
    write_name(us, *end ? strtoull(end + 1, NULL, 16) : 0, hostname, to, size);
}

void maildir_name_after(struct maildir_delivery *d, const char *id, const char *hostname)
{
    char fields[sizeof d->name], unique[sizeof d->temporary];
    name_of_id(id, hostname, unique, sizeof unique);
    snprintf(fields, sizeof fields, "%s", d->name + strlen(d->temporary));
    snprintf(d->name, sizeof d->name, "%s%.30s", unique, fields);
}

/* A name that begins so, in new/ or cur/ of the folder at `path` below `dir`. Whoever gave it may have ended
 * before the fsync: so it is done now. */
static enum status find_name(int dir, const char *path, const char *name, const char *unique)
{
    char part[FOLDER_NAME_LIMIT + 16];
    snprintf(part, sizeof part, "%s/%s", path, name);
    int fd = file_open_beneath(dir, part, DIRECTORY_FLAGS, 0);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    enum status found = ST_NONE;
    if (!list) {
        found = errno == ENOENT ? ST_NONE : ST_TEMP;
        file_close(fd);
        return found;
    }
    errno = 0;
    for (struct dirent *e; found == ST_NONE && (e = readdir(list)) != NULL;)
        if (span_starts(span_of(e->d_name), unique))
            found = ST_OK;
    if (found == ST_OK)
        found = file_sync_dir(dirfd(list), NULL);
    else if (errno)
        found = ST_TEMP;
    closedir(list);
    return found;
}

enum status maildir_holds(const char *maildir, const char *folder, const char *id, const char *hostname)
{
    char path[FOLDER_NAME_LIMIT + 2] = ".";
    char unique[sizeof ((struct maildir_delivery *)0)->temporary];
    int dir = open(maildir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    name_of_id(id, hostname, unique, sizeof unique);
    bool named = !folder || folder_path(span_of(folder), path, sizeof path);
    enum status st = named ? find_name(dir, path, "new", unique) : ST_NONE;
    if (named && st == ST_NONE)
        st = find_name(dir, path, "cur", unique);
    file_close(dir);
    return st;
}

/* Removes the file in tmp/, keeping errno. */
static void discard(struct maildir_delivery *d)
{
    int saved = errno;
    unlinkat(d->tmp_dir, d->temporary, 0);
    maildir_close(d);
    errno = saved;
}

enum status maildir_prepare(const char *maildir, const char *folder, const char *hostname,
                            const struct content *c, struct maildir_delivery *d)
{
    *d = (struct maildir_delivery){ .tmp_dir = -1, .new_dir = -1, .file = -1 };
    enum status st = open_parts(maildir, folder, d);
    if (st != ST_OK)
        return st;
    maildir_unique(hostname, d->temporary, sizeof d->temporary);
    d->file = openat(d->tmp_dir, d->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->file < 0) {
        maildir_close(d);
        return ST_TEMP;
    }
    uint64_t lf_size, crlf_size;
    st = content_write_lf(c, d->file, &lf_size, &crlf_size);
    if (st == ST_OK)
        st = file_write_out(&d->file);
    if (st != ST_OK) {
        discard(d);
        return st;
    }
    d->size = lf_size;
    snprintf(d->name, sizeof d->name, "%s,S=%llu,W=%llu", d->temporary, (unsigned long long)lf_size,
             (unsigned long long)crlf_size);
    return ST_OK;
}

enum status maildir_publish(struct maildir_delivery *d)
{
    return file_publish(d->tmp_dir, d->temporary, d->new_dir, d->name);
}

enum status maildir_sync_file(struct maildir_delivery *d)
{
    return file_sync_close(&d->file);
}

enum status maildir_sync(struct maildir_delivery *d)
{
    enum status st = maildir_sync_file(d);
    return st == ST_OK ? file_sync_dir(d->new_dir, NULL) : st;
}

enum status maildir_finish(struct maildir_delivery *d)
{
    enum status st = maildir_sync(d);
    int saved = errno;
    maildir_close(d);
    errno = saved;
    return st;
}

void maildir_withdraw(struct maildir_delivery *d)
{
    int saved = errno;
    unlinkat(d->new_dir, d->name, 0);
    maildir_close(d);
    errno = saved;
}

void maildir_abort(struct maildir_delivery *d)
{
    if (d->tmp_dir >= 0)
        discard(d);
}

bool maildir_is_owners_fault(int err)
{
    return err == ENOTDIR || err == ELOOP || err == EXDEV || err == EACCES || err == EPERM || err == ENOENT ||
           err == EISDIR || err == EINVAL || err == ENXIO;
}
