/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files into a backup that is being made: copied while they are hashed, or linked from the backup before.
 * What can't be read of the server is noted and passed over, so that one bad file doesn't cost everybody's
 * backup; what the target says ends it.
 */
#include "backup.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PIECE ((size_t)256 * 1024)

int backup_failed(struct backup *b, const char *what)
{
    int saved = errno;
    progress_end(&b->progress);
    return complain(EX_IOERR, "%s: %s: %s", b->target, what, strerror(saved));
}

bool backup_join(char to[BACKUP_PATH_LIMIT], const char *path, const char *name)
{
    int n = snprintf(to, BACKUP_PATH_LIMIT, "%s/%s", path, name);
    return n > 0 && (size_t)n < BACKUP_PATH_LIMIT;
}

int backup_make_dir(struct backup *b, const char *path)
{
    if (mkdirat(b->part, path, 0700) != 0 && errno != EEXIST)
        return backup_failed(b, path);
    manifest_dir(&b->out, span_of(path));
    return EX_OK;
}

int backup_unread(struct backup *b, const char *path)
{
    int saved = errno;
    progress_end(&b->progress);
    complain(EX_IOERR, "%s: can't be read: %s", path, strerror(saved));
    manifest_unread(&b->out, span_of(path), saved);
    b->count.unread++;
    return EX_OK;
}

static int make_file(struct backup *b, const char *path)
{
    return openat(b->part, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

struct copied {
    uint64_t size;
    unsigned char hash[HASH_SIZE];
    bool reading; /* it was the source that failed */
};

/* As many as the file had when it was looked at: one that grows all the time comes to an end too. */
static bool copy_bytes(struct backup *b, int from, int to, uint64_t size, struct copied *c)
{
    struct hash hash;
    ssize_t n;
    if (!hash_start(&hash)) {
        errno = ENOMEM;
        return false;
    }
    while ((n = read(from, b->buffer, size - c->size < PIECE ? (size_t)(size - c->size) : PIECE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        c->reading = n < 0;
        struct span piece = { b->buffer, n < 0 ? 0 : (size_t)n };
        hash_add(&hash, piece);
        if (n < 0 || file_write_sparse(to, piece) != ST_OK) {
            hash_drop(&hash);
            return false;
        }
        c->size += (uint64_t)n;
    }
    return hash_end(&hash, c->hash) && file_end_sparse(to) == ST_OK;
}

static void tell(struct backup *b, const char *path, const struct copied *c, struct timespec mtime)
{
    char hex[2 * HASH_SIZE + 1];
    manifest_hex(c->hash, hex);
    manifest_file(&b->out, span_of(path), span_of(hex), c->size, mtime);
    b->count.copied += c->size;
}

int backup_copy(struct backup *b, int from, const char *path)
{
    struct copied c = { 0 };
    struct stat info;
    if (!b->buffer && !(b->buffer = malloc(PIECE)))
        return backup_failed(b, path);
    if (fstat(from, &info) != 0)
        return backup_unread(b, path);
    int to = make_file(b, path);
    if (to < 0)
        return backup_failed(b, path);
    bool good = copy_bytes(b, from, to, (uint64_t)info.st_size, &c) && fchmod(to, info.st_mode & 0777) == 0 &&
                futimens(to, (struct timespec[2]){ { .tv_nsec = UTIME_OMIT }, info.st_mtim }) == 0;
    file_close(to);
    if (good) {
        tell(b, path, &c, info.st_mtim);
        return EX_OK;
    }
    int saved = errno;
    unlinkat(b->part, path, 0);
    errno = saved;
    return c.reading ? backup_unread(b, path) : backup_failed(b, path);
}

int backup_text(struct backup *b, struct span text, const char *path)
{
    struct copied c = { .size = text.n };
    struct stat info = { 0 };
    int to = make_file(b, path);
    bool good =
        to >= 0 && file_write(to, text) == ST_OK && fstat(to, &info) == 0 && hash_sha256(text, c.hash);
    file_close(to);
    if (!good)
        return backup_failed(b, path);
    tell(b, path, &c, info.st_mtim);
    return EX_OK;
}

int backup_link(struct backup *b, const struct backup_source *source, const struct manifest_entry *e,
                const char *path)
{
    struct bytes there;
    int result = EX_UNAVAILABLE;
    bytes_init(&there, BACKUP_PATH_LIMIT);
    bool named = manifest_path(e->path, &there);
    if (named && linkat(source->fd, bytes_str(&there), b->part, path, 0) == 0) {
        manifest_file(&b->out, span_of(path), e->hash, e->size, e->mtime);
        b->linked = true;
        result = EX_OK;
    } else if (named && (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EXDEV)) {
        b->unlinkable = true;
    } else if (named && errno != ENOENT && errno != EMLINK) {
        result = backup_failed(b, path);
    }
    bytes_free(&there);
    return result;
}

/* --- a tree of the server's */

static int one_entry(struct backup *b, int dir, const char *name, const char *path, backup_skip *skip,
                     unsigned depth);

int backup_tree(struct backup *b, int dir, const char *path, backup_skip *skip, unsigned depth)
{
    char below[BACKUP_PATH_LIMIT];
    int fd = file_open_beneath(dir, ".", O_RDONLY | O_DIRECTORY, 0), result = EX_OK;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    if (!d) {
        file_close(fd);
        return backup_unread(b, path);
    }
    while (result == EX_OK && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            backup_join(below, path, e->d_name))
            result = one_entry(b, dirfd(d), e->d_name, below, skip, depth);
    closedir(d);
    return result;
}

static int one_link(struct backup *b, int dir, const char *name, const char *path)
{
    char target[BACKUP_PATH_LIMIT];
    ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
    if (n < 0)
        return errno == ENOENT ? EX_OK : backup_unread(b, path);
    target[n] = '\0';
    if (symlinkat(target, b->part, path) != 0)
        return backup_failed(b, path);
    manifest_link(&b->out, span_of(path), span_of(target));
    return EX_OK;
}

static int one_directory(struct backup *b, int dir, const char *name, const char *path, backup_skip *skip,
                         unsigned depth)
{
    int fd = file_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return errno == ENOENT ? EX_OK : backup_unread(b, path);
    struct stat info;
    int result = backup_make_dir(b, path);
    if (result == EX_OK && fstat(fd, &info) == 0 &&
        fchmodat(b->part, path, (info.st_mode & 0777) | 0700, 0) != 0)
        result = backup_failed(b, path);
    if (result == EX_OK)
        result = backup_tree(b, fd, path, skip, depth - 1);
    file_close(fd);
    return result;
}

/* What isn't a file, a folder or a link holds nothing; what is gone is gone. */
static int one_entry(struct backup *b, int dir, const char *name, const char *path, backup_skip *skip,
                     unsigned depth)
{
    struct stat info;
    if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? EX_OK : backup_unread(b, path);
    if (skip && skip(b, dir, name, &info))
        return EX_OK;
    if (S_ISLNK(info.st_mode))
        return one_link(b, dir, name, path);
    if (S_ISDIR(info.st_mode))
        return depth ? one_directory(b, dir, name, path, skip, depth) : EX_OK;
    if (!S_ISREG(info.st_mode))
        return EX_OK;
    int fd = file_open_beneath(dir, name, O_RDONLY, 0);
    if (fd < 0)
        return errno == ENOENT ? EX_OK : backup_unread(b, path);
    int result = backup_copy(b, fd, path);
    file_close(fd);
    return result;
}
