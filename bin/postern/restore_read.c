/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading a backup: which one is meant, its files, and where a message lies in it. A list is looked through
 * before anything is done; of one that is damaged what can be read counts. All files are opened below the
 * backup without following links, wherever it has lain meanwhile.
 */
#include "restore.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PIECE ((size_t)256 * 1024)

static bool has_list(int fd)
{
    return faccessat(fd, MANIFEST_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The last one in a folder of backups, in place of *fd. */
static int open_last(struct restore *r)
{
    char **names;
    ssize_t count = backup_names(r->fd, &names);
    int fd = -1, result = EX_OK;
    if (count > 0)
        fd = openat(r->fd, names[count - 1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (count == 0)
        result = complain(EX_NOINPUT, "%s: there is no backup", r->source);
    else if (fd < 0)
        result = complain(EX_NOINPUT, "%s: can't be read: %s", r->source, strerror(errno));
    backup_free_names(names, count);
    file_close(r->fd);
    r->fd = fd;
    return result;
}

/* Of a list that is whole each line is one, and names what can lie below a backup. */
static int check_list(struct restore *r)
{
    struct span rest = r->manifest.text;
    struct manifest_entry e;
    struct bytes path;
    bool good = true;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    while (good && manifest_next(&rest, &e)) {
        bytes_clear(&path);
        good = !r->manifest.whole || e.kind == MANIFEST_OTHER || e.kind == MANIFEST_ACCOUNT ||
               (e.kind != MANIFEST_WRONG && manifest_path(e.path, &path));
    }
    bytes_free(&path);
    return good ? EX_OK
                : complain(EX_DATAERR, "%s: its list is damaged: it has a line that can't be", r->source);
}

int restore_open(struct restore *r)
{
    int result = EX_OK;
    r->fd = open(r->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->fd < 0)
        return complain(EX_NOINPUT, "%s: %s", r->source, strerror(errno));
    if (!has_list(r->fd))
        result = open_last(r);
    if (result != EX_OK)
        return result;
    struct stat info;
    if (fstat(r->fd, &info) == 0)
        r->owner = info.st_uid;
    enum status st = manifest_open(r->fd, &r->manifest);
    if (st == ST_OK)
        return check_list(r);
    return st == ST_TEMP
               ? complain(EX_IOERR, "%s: its list can't be read: %s", r->source, strerror(errno))
               : complain(EX_DATAERR, "%s: has no list of a backup that this version of Postern reads",
                          r->source);
}

void restore_close(struct restore *r)
{
    manifest_close(&r->manifest);
    file_close(r->fd);
    free(r->buffer);
}

enum status restore_file(struct restore *r, const struct manifest_entry *e, int *fd)
{
    struct bytes path;
    struct stat info;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    bool named = manifest_path(e->path, &path);
    *fd = named ? file_open_beneath(r->fd, bytes_str(&path), O_RDONLY, 0) : -1;
    int saved = named ? errno : ENOENT;
    bytes_free(&path);
    if (*fd >= 0 && fstat(*fd, &info) == 0 && S_ISREG(info.st_mode) &&
        (!r->reads_all || info.st_uid == r->owner))
        return ST_OK;
    bool other = *fd >= 0 || saved == ENOENT || saved == ENOTDIR || saved == EINVAL || saved == ELOOP ||
                 saved == EXDEV;
    file_close(*fd);
    *fd = -1;
    errno = saved;
    return other ? ST_NONE : ST_TEMP;
}

enum status restore_read(struct restore *r, int fd, const struct manifest_entry *e, int to, bool *writing)
{
    unsigned char sum[HASH_SIZE];
    char hex[2 * HASH_SIZE + 1];
    struct hash hash;
    uint64_t size = 0;
    ssize_t n;
    *writing = false;
    if ((!r->buffer && !(r->buffer = malloc(PIECE))) || !hash_start(&hash)) {
        errno = ENOMEM;
        return ST_TEMP;
    }
    while ((n = read(fd, r->buffer, PIECE)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        struct span piece = { r->buffer, n < 0 ? 0 : (size_t)n };
        hash_add(&hash, piece);
        *writing = n > 0 && to >= 0 && file_write_sparse(to, piece) != ST_OK;
        if (n < 0 || *writing) {
            hash_drop(&hash);
            return ST_TEMP;
        }
        size += piece.n;
    }
    *writing = to >= 0 && file_end_sparse(to) != ST_OK;
    if (*writing) {
        hash_drop(&hash);
        return ST_TEMP;
    }
    if (!hash_end(&hash, sum)) {
        errno = ENOMEM;
        return ST_TEMP;
    }
    manifest_hex(sum, hex);
    return size == e->size && span_eq_str(e->hash, hex) ? ST_OK : ST_PERM;
}

struct span mail_folder_of(struct span below, struct span *rest)
{
    size_t slash = span_find(below, '/');
    *rest = below;
    if (below.n < 2 || below.p[0] != '.' || slash == below.n ||
        !folder_name_valid(span_head(span_from(below, 1), slash - 1)))
        return SPAN("INBOX");
    *rest = span_from(below, slash + 1);
    return span_head(span_from(below, 1), slash - 1);
}

bool mail_path(struct span path, struct mail_path *p)
{
    struct span rest = path, part, domain, user;
    *p = (struct mail_path){ .account = path };
    if (!span_cut(&rest, '/', &part) || !span_eq_str(part, "mail") || !span_cut(&rest, '/', &domain) ||
        !domain.n || !span_cut(&rest, '/', &user) || !user.n || !rest.n)
        return false;
    p->account.n = (size_t)(rest.p - path.p) - 1;
    p->folder = mail_folder_of(rest, &rest);
    p->in_new = span_starts(rest, "new/");
    if (!p->in_new && !span_starts(rest, "cur/"))
        return false;
    p->name = span_from(rest, 4);
    return p->name.n && span_find(p->name, '/') == p->name.n;
}
