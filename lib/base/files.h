/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files, written so that what was promised is on disk, and opened so that a
 * hostile directory can't lead us elsewhere.
 *
 * Directories are descriptors; AT_FDCWD works wherever a `dir` is asked for. Every
 * descriptor is close-on-exec.
 */
#ifndef POSTERN_BASE_FILES_H
#define POSTERN_BASE_FILES_H

#include "base/bytes.h"
#include "base/status.h"

#include <sys/types.h>

/* Appends the whole file to *out (whose limit bounds it). ST_NONE if it is not there, ST_PERM if it is larger
 * than the limit, ST_TEMP for every other failure, with errno set. */
enum status file_read(int dir, const char *path, struct bytes *out);

/* The same for a file that a mailbox's owner may have planted: opened with file_open_beneath. Whatever stands
 * there instead of a regular file is ST_PERM. */
enum status file_read_beneath(int dir, const char *path, struct bytes *out);

/* Writes a file so that readers see the old contents or the new and a crash leaves one of them: a temporary
 * file beside it, fsync, rename, fsync of the directory. An existing file's mode is replaced by `mode`.
 * ST_TEMP with errno set on failure; nothing is left behind then. */
enum status file_replace(int dir, const char *path, struct span contents, mode_t mode);

/* write(2) until everything is written. errno is set on ST_TEMP. */
enum status file_write(int fd, struct span contents);
/* The same for a copy at the end of a file that may have holes: a piece of nothing but zeros takes no room,
 * and file_end_sparse() gives the file its length when all is written. */
enum status file_write_sparse(int fd, struct span piece);
enum status file_end_sparse(int fd);

/* A new file that gets its name by a rename: it is written, file_write_out(), renamed, file_sync_close(),
 * file_sync_dir(); then something may be promised. That no crash leaves the name without the contents rests
 * on the first, that the name stays on the last two. So come all messages: into Maildirs (maildir.c,
 * mailbox_append.c, mailbox_copy.c) and into the queue (queue_write.c, queue_back.c).
 *
 * Where the file system's journal keeps the order of the calls (ext4, XFS), file_write_out() writes the
 * contents out, without a commit of the journal: the file stays open, and the commit that its fsync makes
 * after the rename serves contents and name. Elsewhere it is fsynced at once, and closed: *fd is -1. ST_TEMP
 * with errno, and *fd still open. */
enum status file_write_out(int *fd);
/* fsyncs what is still open, and closes it: *fd is -1; where it is so already nothing is to be done. Where
 * descriptors are short, or others wait, before the rename as well. ST_TEMP with errno, and *fd still
 * open. */
enum status file_sync_close(int *fd);

/* These for several files: the disk has work with all before one is waited for, and one commit serves them.
 * files_write_start() only gives it the work, and fails nowhere. ST_TEMP with errno: the first failure; open
 * is then what wasn't fsynced, but files_sync_close() closes all. */
void files_write_start(const int *fds, size_t n);
enum status files_write_out(int *fds, size_t n);
enum status files_sync_close(int *fds, size_t n);

/* fsync of the directory that `path` is in, or of `dir` itself when path is NULL. */
enum status file_sync_dir(int dir, const char *path);

/* Gives a file its final name, which must not exist yet: renameat2(RENAME_NOREPLACE), else link and unlink,
 * else (where neither exists) rename. ST_PERM with errno EEXIST if the name is taken. */
enum status file_publish(int from_dir, const char *from, int to_dir, const char *to);

/* openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS: nothing outside `dir` can be
 * reached, whoever made the path's parts. Never blocks on what it finds (O_NONBLOCK, O_NOCTTY); anything but
 * a regular file or a directory is refused with errno EINVAL. -1 and errno on failure. */
int file_open_beneath(int dir, const char *path, int flags, mode_t mode);

/* mkdir -p with `mode` for what it makes. ST_OK if it is there in the end. */
enum status file_make_dirs(const char *path, mode_t mode);

/* Takes an exclusive lock (flock) on fd, waiting at most `ms` milliseconds. ST_TEMP (errno EWOULDBLOCK) if
 * somebody else still holds it. */
enum status file_lock(int fd, int ms);

/* Closes, keeping errno. Ignores -1. */
void file_close(int fd);
/* Closes all but stdin, stdout, stderr and those n, each of which may be -1. */
void files_close_but(const int *kept, size_t n);

#endif
