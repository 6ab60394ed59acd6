/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Settings, tables, keys and the spool into a backup.
 *
 * Of the settings' folder everything is taken but compiled tables, which `postern tables` makes of the text;
 * under the tables' lock, so that an account and its password belong together. What the settings name in
 * other places (certificates, lists for aliases) is taken along under `outside`. Of the spool everything but
 * what only counts or caches; the queue by its own functions, twice listed, since a message that is deferred
 * meanwhile moves from one folder to another. The queue comes before the mail: what it delivers here
 * meanwhile is in both, never in none.
 */
#include "backup.h"
#include "base/files.h"
#include "store/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define DEPTH 8 /* folders in the settings' */
#define WHY_LIMIT ((size_t)32 << 20)
#define TLS_STATE_WAIT_MS 2000

static bool is_same(const struct stat *info, const char *path)
{
    struct stat other;
    return stat(path, &other) == 0 && other.st_ino == info->st_ino && other.st_dev == info->st_dev;
}

/* Folders that are taken by themselves, or not at all, wherever they lie. */
static bool is_elsewhere(const struct backup *b, const struct stat *info)
{
    struct bytes root;
    struct stat top;
    bytes_init(&root, 4096);
    bool yes = S_ISDIR(info->st_mode) &&
               (is_same(info, b->a->s.spool) ||
                (settings_mail_root(&b->a->s, &root) && is_same(info, bytes_str(&root))) ||
                (fstat(b->top, &top) == 0 && top.st_ino == info->st_ino && top.st_dev == info->st_dev));
    bytes_free(&root);
    return yes;
}

static bool ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static bool skip_settings(struct backup *b, int dir, const char *name, const struct stat *info)
{
    (void)dir;
    return is_elsewhere(b, info) || ends(name, ".gdbm") || ends(name, ".lock") || ends(name, ".tmp");
}

static bool skip_spool(struct backup *b, int dir, const char *name, const struct stat *info)
{
    static const char *const caches[] = { "queue", "tmp", "slots", "hosts", "tls-state" };
    (void)dir;
    for (size_t i = 0; i < sizeof caches / sizeof caches[0]; i++)
        if (strcmp(name, caches[i]) == 0)
            return true;
    return is_elsewhere(b, info) || S_ISLNK(info->st_mode) || ends(name, ".lock") || ends(name, ".tmp");
}

/* --- files elsewhere */

/* The folders on the way to a path below the backup. */
static int make_parents(struct backup *b, const char *path)
{
    char part[BACKUP_PATH_LIMIT];
    struct stat info;
    int result = EX_OK;
    for (size_t i = 1; result == EX_OK && path[i] && i < sizeof part - 1; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (fstatat(b->part, part, &info, AT_SYMLINK_NOFOLLOW) != 0)
            result = backup_make_dir(b, part);
    }
    return result;
}

static bool is_plain_path(const char *path)
{
    return path && path[0] == '/' && !strstr(path, "/../") && !strstr(path, "//") && !ends(path, "/..");
}

/* Lies it in the settings' folder, as itself? Then it is there. */
static bool is_inside(const struct backup *b, const char *path)
{
    struct stat info;
    size_t n = strlen(b->a->s.directory);
    return strncmp(path, b->a->s.directory, n) == 0 && path[n] == '/' && lstat(path, &info) == 0 &&
           !S_ISLNK(info.st_mode);
}

static int outside_file(struct backup *b, const char *path)
{
    char to[BACKUP_PATH_LIMIT];
    struct stat info;
    if (!is_plain_path(path) || is_inside(b, path) ||
        (size_t)snprintf(to, sizeof to, "outside%s", path) >= sizeof to ||
        fstatat(b->part, to, &info, AT_SYMLINK_NOFOLLOW) == 0)
        return EX_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        return EX_OK;
    if (fd < 0 || fstat(fd, &info) != 0) {
        file_close(fd);
        return backup_unread(b, to);
    }
    int result = make_parents(b, to);
    if (result == EX_OK && S_ISREG(info.st_mode))
        result = backup_copy(b, fd, to);
    if (result == EX_OK && S_ISDIR(info.st_mode) && !is_elsewhere(b, &info)) {
        result = backup_make_dir(b, to);
        if (result == EX_OK)
            result = backup_tree(b, fd, to, skip_settings, DEPTH);
    }
    file_close(fd);
    return result;
}

static int outside(struct backup *b)
{
    const struct settings *s = &b->a->s;
    const char *const named[] = { s->tls_certificate, s->tls_key, s->ca_file, s->trust_anchor };
    struct span rest = span_of(s->alias_directories), word;
    int result = EX_OK;
    for (size_t i = 0; result == EX_OK && i < sizeof named / sizeof named[0]; i++)
        result = outside_file(b, named[i]);
    for (size_t i = 0; result == EX_OK && i < s->certificate_count; i++) {
        result = outside_file(b, s->certificates[i].certificate);
        if (result == EX_OK)
            result = outside_file(b, s->certificates[i].key);
    }
    while (result == EX_OK && rest.n && span_cut(&rest, ' ', &word)) {
        char path[BACKUP_PATH_LIMIT];
        if (word.n && span_copy(word, path, sizeof path))
            result = outside_file(b, path);
    }
    return result;
}

int backup_settings(struct backup *b)
{
    int result = edit_lock(b->a);
    int dir = result == EX_OK ? open(b->a->s.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (result == EX_OK)
        result = backup_make_dir(b, "settings");
    if (result == EX_OK)
        result =
            dir < 0 ? backup_unread(b, "settings") : backup_tree(b, dir, "settings", skip_settings, DEPTH);
    file_close(dir);
    edit_unlock(b->a);
    if (result == EX_OK)
        result = backup_make_dir(b, "outside");
    return result == EX_OK ? outside(b) : result;
}

/* --- spool */

/* What is known of earlier attempts; only a memory. */
static int copy_why(struct backup *b, int queue, const struct queue_message *m)
{
    char path[128], to[128];
    struct bytes text;
    int result = EX_OK;
    snprintf(path, sizeof path, "deferred/%" PRId64 "/%s.why", m->near, m->id);
    snprintf(to, sizeof to, "spool/queue/%s.why", m->id);
    bytes_init(&text, WHY_LIMIT);
    if (m->near && file_read(queue, path, &text) == ST_OK)
        result = backup_text(b, span_bytes(&text), to);
    bytes_free(&text);
    return result;
}

static int copy_queued(struct backup *b, int queue, const struct queue_place *place)
{
    struct queue_message m;
    struct stat info;
    char to[128];
    snprintf(to, sizeof to, "spool/queue/%s", place->id);
    if (fstatat(b->part, to, &info, AT_SYMLINK_NOFOLLOW) == 0)
        return EX_OK;
    enum status st = queue_read_place(queue, place, false, &m);
    if (st == ST_NONE)
        return EX_OK; /* it has been sent */
    if (st != ST_OK) {
        errno = st == ST_PERM ? EBADMSG : errno;
        return backup_unread(b, to);
    }
    int result = lseek(m.fd, 0, SEEK_SET) == 0 ? backup_copy(b, m.fd, to) : backup_unread(b, to);
    if (result == EX_OK)
        result = copy_why(b, queue, &m);
    queue_message_free(&m);
    return result;
}

static int copy_queue(struct backup *b)
{
    int queue, result = backup_make_dir(b, "spool/queue");
    if (result != EX_OK)
        return result;
    if (queue_open(b->a->s.spool, &queue) != ST_OK)
        return backup_unread(b, "spool/queue");
    for (int i = 0; result == EX_OK && i < 2; i++) {
        struct queue_place *places = NULL;
        size_t count = 0;
        if (queue_list(queue, false, &places, &count) != ST_OK) {
            result = backup_unread(b, "spool/queue");
            break;
        }
        for (size_t k = 0; result == EX_OK && k < count; k++)
            result = copy_queued(b, queue, &places[k]);
        free(places);
    }
    file_close(queue);
    return result;
}

/* A cache in one file, which its users lock. */
static int copy_tls_state(struct backup *b, int spool)
{
    int fd = file_open_beneath(spool, "tls-state", O_RDONLY, 0);
    int result = EX_OK;
    if (fd >= 0 && file_lock(fd, TLS_STATE_WAIT_MS) == ST_OK)
        result = backup_copy(b, fd, "spool/tls-state");
    file_close(fd);
    return result;
}

int backup_spool(struct backup *b)
{
    int result = backup_make_dir(b, "spool");
    if (result == EX_OK)
        result = copy_queue(b);
    int spool = open(b->a->s.spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (result == EX_OK && spool < 0)
        result = backup_unread(b, "spool");
    if (result == EX_OK && spool >= 0)
        result = copy_tls_state(b, spool);
    if (result == EX_OK && spool >= 0)
        result = backup_tree(b, spool, "spool", skip_spool, 2);
    file_close(spool);
    return result;
}
