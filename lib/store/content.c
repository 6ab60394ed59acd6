/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages to disk; see content.h. A message in memory is converted in memory and
 * written with one call: that is what a delivery costs beside its fsync. A message in a
 * file goes through one buffer, or not through this process at all when its line ends stay.
 *
 * Strangers' line ends were checked before they came here. Should a bare CR or LF
 * have slipped through all the same, it is stored as it is and counted as it will be served,
 * since a size that is wrong breaks the dialogue of every later reader.
 */
#include "store/content.h"
#include "base/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECE ((size_t)256 * 1024)     /* of a file, through memory */
#define KERNEL_PIECE ((size_t)1 << 30) /* at most in one copy_file_range */

static void put(struct lf_lines *l, struct span s, char **to)
{
    if (s.n == 0)
        return;
    memcpy(*to, s.p, s.n);
    *to += s.n;
    l->last = s.p[s.n - 1];
    l->lf_size += s.n;
    l->crlf_size += s.n;
}

static void put_newline(struct lf_lines *l, char **to)
{
    l->crlf_size += l->last != '\r';
    put(l, SPAN("\n"), to);
}

size_t lf_lines_add(struct lf_lines *l, struct span in, char *out)
{
    char *to = out;
    while (in.n) {
        size_t at = span_find(in, '\n');
        if (l->held && at > 0)
            put(l, SPAN("\r"), &to);
        l->held = false;
        bool cr = at > 0 && in.p[at - 1] == '\r';
        put(l, span_head(in, cr ? at - 1 : at), &to);
        if (at == in.n) {
            l->held = cr;
            break;
        }
        put_newline(l, &to);
        in = span_from(in, at + 1);
    }
    return (size_t)(to - out);
}

size_t lf_lines_end(struct lf_lines *l, char *out)
{
    char *to = out;
    if (l->held)
        put(l, SPAN("\r"), &to);
    l->held = false;
    return (size_t)(to - out);
}

uint64_t lf_wire_size(struct span file)
{
    uint64_t size = file.n;
    for (size_t from = 0; from < file.n;) {
        size_t at = from + span_find(span_from(file, from), '\n');
        if (at < file.n && (at == 0 || file.p[at - 1] != '\r'))
            size++;
        from = at + 1;
    }
    return size;
}

static enum status write_lf_memory(const struct content *c, int fd, struct lf_lines *l)
{
    char *buffer = malloc(c->trace.n + c->memory.n + 2);
    if (!buffer)
        return ST_TEMP;
    size_t n = lf_lines_add(l, c->trace, buffer);
    n += lf_lines_add(l, c->memory, buffer + n);
    n += lf_lines_end(l, buffer + n);
    enum status st = file_write(fd, (struct span){ buffer, n });
    int saved = errno;
    free(buffer);
    errno = saved;
    return st;
}

/* Exactly n bytes of the file. */
static enum status read_piece(int fd, char *to, size_t n, off_t at)
{
    while (n) {
        ssize_t got = pread(fd, to, n, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return ST_TEMP;
        to += got;
        at += got;
        n -= (size_t)got;
    }
    return ST_OK;
}

/* `in` holds PIECE bytes, `out` PIECE + 1. */
static enum status write_lf_pieces(const struct content *c, int fd, struct lf_lines *l, char *in, char *out)
{
    enum status st = ST_OK;
    for (struct span trace = c->trace; st == ST_OK && trace.n; trace = span_from(trace, PIECE))
        st = file_write(fd, (struct span){ out, lf_lines_add(l, span_head(trace, PIECE), out) });
    for (uint64_t at = 0; st == ST_OK && at < c->size;) {
        size_t n = c->size - at < PIECE ? (size_t)(c->size - at) : PIECE;
        st = read_piece(c->fd, in, n, (off_t)at);
        if (st == ST_OK)
            st = file_write(fd, (struct span){ out, lf_lines_add(l, (struct span){ in, n }, out) });
        at += n;
    }
    return st == ST_OK ? file_write(fd, (struct span){ out, lf_lines_end(l, out) }) : st;
}

enum status content_write_lf(const struct content *c, int fd, uint64_t *lf_size, uint64_t *crlf_size)
{
    struct lf_lines l = { 0 };
    enum status st = ST_TEMP;
    if (c->fd < 0) {
        st = write_lf_memory(c, fd, &l);
    } else {
        char *in = malloc(2 * PIECE + 1);
        if (in)
            st = write_lf_pieces(c, fd, &l, in, in + PIECE);
        int saved = errno;
        free(in);
        errno = saved;
    }
    *lf_size = l.lf_size;
    *crlf_size = l.crlf_size;
    return st;
}

/* The rest of a copy that the kernel wouldn't do by itself. */
static enum status copy_through_memory(int from, off_t at, uint64_t left, int to)
{
    char *buffer = malloc(PIECE);
    enum status st = buffer ? ST_OK : ST_TEMP;
    while (st == ST_OK && left) {
        size_t n = left < PIECE ? (size_t)left : PIECE;
        st = read_piece(from, buffer, n, at);
        if (st == ST_OK)
            st = file_write(to, (struct span){ buffer, n });
        at += (off_t)n;
        left -= n;
    }
    int saved = errno;
    free(buffer);
    errno = saved;
    return st;
}

static bool kernel_cannot(int err)
{
    return err == EXDEV || err == EINVAL || err == ENOSYS || err == EPERM || err == EOPNOTSUPP ||
           err == EBADF;
}

enum status content_copy(int from, uint64_t size, int to)
{
    off_t at = 0;
    uint64_t left = size;
    while (left) {
        ssize_t n =
            copy_file_range(from, &at, to, NULL, left < KERNEL_PIECE ? (size_t)left : KERNEL_PIECE, 0);
        if (n < 0 && errno == EINTR)
            continue;
        /* Some file systems answer 0 where they can't, so the end of the file is judged by reading. */
        if (n == 0 || (n < 0 && kernel_cannot(errno)))
            return copy_through_memory(from, at, left, to);
        if (n < 0)
            return ST_TEMP;
        left -= (uint64_t)n;
    }
    return ST_OK;
}

enum status content_write_crlf(const struct content *c, int fd)
{
    struct span memory = c->fd < 0 ? c->memory : (struct span){ NULL, 0 };
    struct iovec parts[2] = { { (void *)c->trace.p, c->trace.n }, { (void *)memory.p, memory.n } };
    ssize_t n;
    do
        n = writev(fd, parts, 2);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return ST_TEMP;
    size_t written = (size_t)n;
    enum status st = file_write(fd, span_from(c->trace, written));
    if (st == ST_OK)
        st = file_write(fd, span_from(memory, written > c->trace.n ? written - c->trace.n : 0));
    if (st == ST_OK && c->fd >= 0)
        st = content_copy(c->fd, c->size, fd);
    return st;
}
