/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Preloaded into a program, ends it or fails it at the Nth call that changes files. The calls that count are
 * those by which something becomes true on disk: write, writev, pwrite, pwritev, copy_file_range, ftruncate
 * and fallocate on regular files, sync_file_range, fsync, fdatasync, msync, link, rename, unlink, mkdir,
 * rmdir, and opening with O_CREAT. They are counted in a shared file over all processes that the program
 * forks, so that a test can tell when N was beyond the last.
 *
 *     SHIM_COUNT   a file of 256 KiB of zeros: 8 bytes become the number of calls so far; the rest, if
 *                  SHIM_TRACE is set, lines "write PATH", "out PATH" (sync_file_range), "fsync PATH", "rename FROM TO",
 *                  and "say TEXT" for what is written to a pipe
 *     SHIM_JOURNAL if it is set, every file is said to lie on ext4
 *     SHIM_AT      N, from 1
 *     SHIM_ACTION  exit: half of a write happens, any other call doesn't, and the process is gone
 *                  fail: this one call fails with SHIM_ERRNO
 *                  full: from this one on, whatever needs room fails with SHIM_ERRNO, as on a full disk;
 *                  removing works
 *                  cow: the same where a file system copies what is overwritten: that needs room, too
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TRACE_SIZE ((size_t)256 * 1024 - 16)

/* What the processes share: the file, mapped, since a program may close every descriptor it doesn't know. */
struct page {
    _Atomic uint64_t count, length;
    char trace[TRACE_SIZE];
};

enum action { NOTHING, EXIT, FAIL, FULL, COW };

static struct {
    struct page *page;
    bool trace;
    uint64_t at;
    enum action action;
    int error;
} shim;

__attribute__((constructor)) static void shim_start(void)
{
    const char *file = getenv("SHIM_COUNT"), *n = getenv("SHIM_AT"), *action = getenv("SHIM_ACTION");
    const char *error = getenv("SHIM_ERRNO");
    if (!file || !n || !action)
        return;
    int fd = open(file, O_RDWR | O_CLOEXEC);
    void *page =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shim.page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        _exit(99);
    close(fd);
    shim.at = strtoull(n, NULL, 10);
    shim.error = error ? atoi(error) : EIO;
    shim.action = strcmp(action, "exit") == 0   ? EXIT
                  : strcmp(action, "fail") == 0 ? FAIL
                  : strcmp(action, "cow") == 0  ? COW
                                                : FULL;
    shim.trace = getenv("SHIM_TRACE") != NULL;
    shim.page = page;
}

/* What is to happen to this call. `room`: it needs some on the disk. */
static enum action next(bool room)
{
    if (!shim.page)
        return NOTHING;
    uint64_t n = atomic_fetch_add(&shim.page->count, 1) + 1;
    if (shim.action == FULL || shim.action == COW)
        return n >= shim.at && room ? FAIL : NOTHING;
    return n == shim.at ? shim.action : NOTHING;
}

static void trace(const char *word, const char *a, const char *b, size_t b_size)
{
    char line[2 * PATH_MAX + 64];
    int n = snprintf(line, sizeof line, "%s %s%s%.*s\n", word, a, *a ? " " : "", (int)b_size, b);
    if (n < 0 || (size_t)n >= sizeof line)
        return;
    uint64_t at = atomic_fetch_add(&shim.page->length, (uint64_t)n);
    if (at + (uint64_t)n <= TRACE_SIZE)
        memcpy(shim.page->trace + at, line, (size_t)n);
}

/* The path of a name below an open directory, or of an open file where `name` is NULL. */
static void path_of(int fd, const char *name, char to[PATH_MAX])
{
    char link[40];
    to[0] = '\0';
    if (fd == AT_FDCWD || (name && name[0] == '/')) {
        snprintf(to, PATH_MAX, "%s", name);
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, to, PATH_MAX - 1);
    size_t length = n < 0 ? 0 : (size_t)n;
    to[length] = '\0';
    if (name)
        snprintf(to + length, PATH_MAX - length, "/%s", name);
}

static void trace_fd(const char *word, int fd)
{
    char path[PATH_MAX];
    int saved = errno;
    if (shim.page && shim.trace) {
        path_of(fd, NULL, path);
        trace(word, "", path, sizeof path);
    }
    errno = saved;
}

static int traced_rename(int result, int from_dir, const char *from, int to_dir, const char *to)
{
    char a[PATH_MAX], b[PATH_MAX];
    int saved = errno;
    if (shim.page && shim.trace && result == 0) {
        path_of(from_dir, from, a);
        path_of(to_dir, to, b);
        trace("rename", a, b, sizeof b);
    }
    errno = saved;
    return result;
}

/* What is written to a pipe, up to the end of its first line. */
static void trace_words(int fd, const char *data, size_t n)
{
    struct stat st;
    int saved = errno;
    if (shim.page && shim.trace && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) {
        const char *end = memchr(data, '\n', n);
        trace("say", "", data, end ? (size_t)(end - data) : n);
    }
    errno = saved;
}

/* True if the call is to fail; doesn't return if the process is to end. */
static bool stopped(bool room)
{
    enum action a = next(room);
    if (a == EXIT)
        _exit(98);
    if (a == FAIL)
        errno = shim.error;
    return a == FAIL;
}

/* A regular file, but none that is only memory, such as libseccomp writes filters to. */
static bool is_file(int fd)
{
    struct stat st;
    int saved = errno;
    bool file = shim.page && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    file = file && !(st.st_nlink == 0 && fcntl(fd, F_GET_SEALS) >= 0);
    errno = saved;
    return file;
}

#define REAL(name)                                                                                           \
    static __typeof__(&name) real;                                                                           \
    if (!real)                                                                                               \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t n)
{
    REAL(write);
    enum action a = is_file(fd) ? next(true) : NOTHING;
    if (a == EXIT) {
        real(fd, data, n / 2);
        _exit(98);
    }
    if (a == FAIL) {
        errno = shim.error;
        return -1;
    }
    trace_words(fd, data, n);
    if (is_file(fd))
        trace_fd("write", fd);
    return real(fd, data, n);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    REAL(pwrite);
    if (is_file(fd)) {
        if (stopped(shim.action == COW))
            return -1;
        trace_fd("write", fd);
    }
    return real(fd, data, n, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    enum action a = is_file(fd) ? next(true) : NOTHING;
    if (a == EXIT) {
        real(fd, parts, count / 2);
        _exit(98);
    }
    if (a == FAIL) {
        errno = shim.error;
        return -1;
    }
    if (count > 0)
        trace_words(fd, parts[0].iov_base, parts[0].iov_len);
    if (is_file(fd))
        trace_fd("write", fd);
    return real(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    REAL(pwritev);
    if (is_file(fd)) {
        if (stopped(true))
            return -1;
        trace_fd("write", fd);
    }
    return real(fd, parts, count, at);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    if (is_file(fd)) {
        if (stopped(false))
            return -1;
        trace_fd("write", fd);
    }
    return real(fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    REAL(fallocate);
    return is_file(fd) && stopped(true) ? -1 : real(fd, mode, at, size);
}

int posix_fallocate(int fd, off_t at, off_t size)
{
    REAL(posix_fallocate);
    return is_file(fd) && stopped(true) ? shim.error : real(fd, at, size);
}

int msync(void *at, size_t size, int flags)
{
    REAL(msync);
    return stopped(false) ? -1 : real(at, size, flags);
}

ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t n, unsigned flags)
{
    REAL(copy_file_range);
    if (stopped(true))
        return -1;
    trace_fd("write", to);
    return real(from, from_at, to, to_at, n, flags);
}

int sync_file_range(int fd, off_t from, off_t n, unsigned flags)
{
    REAL(sync_file_range);
    if (stopped(true))
        return -1;
    trace_fd("out", fd);
    return real(fd, from, n, flags);
}

int fstatfs(int fd, struct statfs *fs)
{
    REAL(fstatfs);
    int result = real(fd, fs);
    if (result == 0 && getenv("SHIM_JOURNAL"))
        fs->f_type = EXT4_SUPER_MAGIC;
    return result;
}

int fsync(int fd)
{
    REAL(fsync);
    if (stopped(false))
        return -1;
    trace_fd("fsync", fd);
    return real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    if (stopped(false))
        return -1;
    trace_fd("fsync", fd);
    return real(fd);
}

int link(const char *from, const char *to)
{
    REAL(link);
    return stopped(true) ? -1 : real(from, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    REAL(linkat);
    return stopped(true) ? -1 : real(from_dir, from, to_dir, to, flags);
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    return stopped(false) ? -1 : traced_rename(real(from, to), AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    REAL(renameat);
    return stopped(false) ? -1 : traced_rename(real(from_dir, from, to_dir, to), from_dir, from, to_dir, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    REAL(renameat2);
    return stopped(false)
               ? -1
               : traced_rename(real(from_dir, from, to_dir, to, flags), from_dir, from, to_dir, to);
}

int unlink(const char *path)
{
    REAL(unlink);
    return stopped(false) ? -1 : real(path);
}

int unlinkat(int dir, const char *path, int flags)
{
    REAL(unlinkat);
    return stopped(false) ? -1 : real(dir, path, flags);
}

/* What is there already is found, however full the disk is. */
static bool makes(int dir, const char *path)
{
    struct stat st;
    int saved = errno;
    bool makes = shim.action != COW || fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) != 0;
    errno = saved;
    return makes;
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    return stopped(makes(AT_FDCWD, path)) ? -1 : real(path, mode);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    REAL(mkdirat);
    return stopped(makes(dir, path)) ? -1 : real(dir, path, mode);
}

int rmdir(const char *path)
{
    REAL(rmdir);
    return stopped(false) ? -1 : real(path);
}

static mode_t mode_of(int flags, va_list ap)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return flags & O_CREAT && stopped(makes(AT_FDCWD, path)) ? -1 : real(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    REAL(openat);
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return flags & O_CREAT && stopped(makes(dir, path)) ? -1 : real(dir, path, flags, mode);
}

/* openat2 has no function of its own in libc. */
long syscall(long number, ...)
{
    REAL(syscall);
    long a[6];
    va_list ap;
    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (number == SYS_openat2 && ((const struct open_how *)a[2])->flags & O_CREAT && stopped(true))
        return -1;
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
