/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading, replacing and publishing files; see files.h. Calls go through libc
 * wrappers where there is one, so that the crash tests can count and fail them.
 */
#include "base/files.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <limits.h>

#define FIRST_PIECE 4096 /* most files that are read whole are small */
#define READ_PIECE 65536
#define LOCK_POLL_MS 5

void file_close(int fd)
{
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
}

void files_close_but(const int *kept, size_t n)
{
    for (int last = STDERR_FILENO, next; last < INT_MAX; last = next) {
        next = INT_MAX;
        for (size_t i = 0; i < n; i++)
            if (kept[i] > last && kept[i] < next)
                next = kept[i];
        if (next - last > 1)
            close_range((unsigned)last + 1, (unsigned)next - 1, 0);
    }
}

static enum status read_rest(int fd, struct bytes *out)
{
    for (;;) {
        size_t want = out->len ? READ_PIECE : FIRST_PIECE;
        if (want > out->limit - out->len)
            want = out->limit - out->len;
        char over;
        if (want == 0) {
            ssize_t more = read(fd, &over, 1);
            return more == 0 ? ST_OK : more > 0 ? ST_PERM : ST_TEMP;
        }
        if (!bytes_reserve(out, want)) {
            errno = ENOMEM;
            return ST_TEMP;
        }
        ssize_t n = read(fd, out->data + out->len, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ST_TEMP;
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (n == 0)
            return ST_OK;
    }
}

enum status file_read(int dir, const char *path, struct bytes *out)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return status_of_errno(errno);
    enum status st = read_rest(fd, out);
    file_close(fd);
    return st;
}

enum status file_write(int fd, struct span contents)
{
    while (contents.n) {
        ssize_t n = write(fd, contents.p, contents.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ST_TEMP;
        contents = span_from(contents, (size_t)n);
    }
    return ST_OK;
}

enum status file_write_sparse(int fd, struct span piece)
{
    bool zeros = piece.n && piece.p[0] == '\0' && memcmp(piece.p, piece.p + 1, piece.n - 1) == 0;
    if (!zeros)
        return file_write(fd, piece);
    return lseek(fd, (off_t)piece.n, SEEK_CUR) < 0 ? ST_TEMP : ST_OK;
}

enum status file_end_sparse(int fd)
{
    off_t end = lseek(fd, 0, SEEK_CUR);
    return end < 0 || ftruncate(fd, end) != 0 ? ST_TEMP : ST_OK;
}

/* ext4 (which has the number of ext2) and XFS log a file's size and place when its contents are on their way
 * to the disk, a rename when it is made, and nothing before what was logged earlier; their commit begins with
 * a flush. `make powercut` shows it. Two exceptions can't be seen from here: without its journal ext4 keeps
 * no order, but loses mail with an fsync first, too; mounted with journal_async_commit, which nobody is by
 * default, its commit flushes too late, and a name without contents can be left, though never of a message
 * that was accepted. */
static bool logs_in_order(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC);
}

enum status file_write_out(int *fd)
{
    const unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (logs_in_order(*fd))
        return sync_file_range(*fd, 0, 0, all) == 0 ? ST_OK : ST_TEMP;
    if (fsync(*fd) != 0)
        return ST_TEMP;
    file_close(*fd);
    *fd = -1;
    return ST_OK;
}

enum status file_sync_close(int *fd)
{
    if (*fd >= 0 && fsync(*fd) != 0)
        return ST_TEMP;
    file_close(*fd);
    *fd = -1;
    return ST_OK;
}

void files_write_start(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) /* what fails here fails when it is waited for */
        sync_file_range(fds[i], 0, 0, SYNC_FILE_RANGE_WRITE);
}

enum status files_write_out(int *fds, size_t n)
{
    enum status st = ST_OK;
    files_write_start(fds, n);
    for (size_t i = 0; st == ST_OK && i < n; i++)
        st = file_write_out(&fds[i]);
    return st;
}

enum status files_sync_close(int *fds, size_t n)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < n; i++) {
        if (st == ST_OK)
            st = file_sync_close(&fds[i]);
        file_close(fds[i]);
        fds[i] = -1;
    }
    return st;
}

enum status file_sync_dir(int dir, const char *path)
{
    char parent[PATH_MAX];
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!slash)
        snprintf(parent, sizeof parent, ".");
    else
        snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = dir;
    if (path || dir == AT_FDCWD)
        fd = openat(dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ST_TEMP;
    int failed = fsync(fd);
    if (fd != dir)
        file_close(fd);
    return failed ? ST_TEMP : ST_OK;
}

enum status file_replace(int dir, const char *path, struct span contents, mode_t mode)
{
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.%ld.%llx.tmp", path, (long)getpid(),
                     (unsigned long long)clock_ms());
    if (n < 0 || (size_t)n >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return ST_TEMP;
    }
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return ST_TEMP;
    bool ok = file_write(fd, contents) == ST_OK && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    file_close(fd);
    ok = ok && renameat(dir, temporary, dir, path) == 0;
    if (!ok) {
        int saved = errno;
        unlinkat(dir, temporary, 0);
        errno = saved;
        return ST_TEMP;
    }
    return file_sync_dir(dir, path);
}

enum status file_publish(int from_dir, const char *from, int to_dir, const char *to)
{
    if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
        return ST_OK;
    if (errno == EEXIST)
        return ST_PERM;
    if (errno != EINVAL && errno != ENOSYS)
        return ST_TEMP;
    if (linkat(from_dir, from, to_dir, to, 0) == 0)
        return unlinkat(from_dir, from, 0) == 0 ? ST_OK : ST_TEMP;
    if (errno == EEXIST)
        return ST_PERM;
    if (errno != EPERM && errno != ENOSYS && errno != EOPNOTSUPP)
        return ST_TEMP;
    return renameat(from_dir, from, to_dir, to) == 0 ? ST_OK : ST_TEMP;
}

int file_open_beneath(int dir, const char *path, int flags, mode_t mode)
{
    int safe = flags & O_PATH ? 0 : O_NONBLOCK | O_NOCTTY; /* O_PATH opens nothing, and refuses these */
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC | safe),
        .mode = flags & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
    struct stat st;
    if (fd < 0 || flags & O_PATH)
        return fd;
    if (fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

enum status file_read_beneath(int dir, const char *path, struct bytes *out)
{
    int fd = file_open_beneath(dir, path, O_RDONLY, 0);
    if (fd < 0)
        return errno == ELOOP || errno == EXDEV || errno == EINVAL || errno == ENXIO ? ST_PERM
                                                                                     : status_of_errno(errno);
    enum status st = read_rest(fd, out);
    if (st == ST_TEMP && errno == EISDIR)
        st = ST_PERM;
    file_close(fd);
    return st;
}

enum status file_make_dirs(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof part) {
        errno = ENAMETOOLONG;
        return ST_PERM;
    }
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, mode) == 0) {
            if (file_sync_dir(AT_FDCWD, part) != ST_OK)
                return ST_TEMP;
        } else if (errno != EEXIST && errno != EISDIR) {
            struct stat st;
            int saved = errno;
            if (stat(part, &st) == 0 && S_ISDIR(st.st_mode))
                continue;
            errno = saved;
            return ST_TEMP;
        }
    }
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ST_OK;
    errno = ENOTDIR;
    return ST_TEMP;
}

enum status file_lock(int fd, int ms)
{
    int64_t until = clock_ms() + ms;
    for (;;) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return ST_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ST_TEMP;
        if (clock_ms() >= until)
            return ST_TEMP;
        nanosleep(&(struct timespec){ .tv_nsec = LOCK_POLL_MS * 1000000L }, NULL);
    }
}
