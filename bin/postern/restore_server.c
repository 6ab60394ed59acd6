/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A whole server from a backup: settings, spool, and every account's mail.
 *
 * Where a server is already, whose settings say something else, nothing is done unless that is asked for
 * (--replace). Files of other places (`outside`: certificates that an ACME client keeps) are left to whoever
 * put them there; the list names them. Messages of the queue come back held, since most of them will have
 * been sent since: `postern queue release` sends them. As root the folders are made as setup makes them, and
 * all else is done as their owner.
 */
#include "restore.h"
#include "setup.h"
#include "base/files.h"
#include "store/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#define CONTENTS_LIMIT ((size_t)64 << 20) /* bytes of a file of the settings' */

struct server {
    struct restore *r;
    struct setup setup;
    int folder, spool, queue; /* where files go */
    struct tally settings, outside, spooled;
};

/* --- where everything lies */

/* A path of the backup's settings as it is here: those below their folder lie below ours. */
static bool rebase(const char *path, const char *from, const char *to, char out[PATH_MAX])
{
    size_t n = strlen(from);
    bool below = strncmp(path, from, n) == 0 && path[n] == '/';
    int k = snprintf(out, PATH_MAX, "%s%s", below ? to : "", below ? path + n : path);
    return k > 0 && k < PATH_MAX;
}

/* Reads the backup's settings as if they lay here. */
static int find_places(struct server *s)
{
    char there[64];
    struct settings old;
    struct bytes error, root;
    struct setup *u = &s->setup;
    snprintf(there, sizeof there, "/proc/self/fd/%d/settings/postern.conf", s->r->fd);
    bytes_init(&error, 4096);
    bytes_init(&root, PATH_MAX - 1);
    int result = EX_OK;
    if (settings_load(there, &old, &error) != ST_OK)
        result = complain(EX_DATAERR, "the backup's settings can't be used: %s", bytes_str(&error));
    else if (!settings_mail_root(&old, &root) || !rebase(old.spool, old.directory, u->folder, u->spool) ||
             !rebase(bytes_str(&root), old.directory, u->folder, u->mail))
        result = complain(EX_CONFIG, "%s: the path is too long", s->r->a->file);
    settings_free(&old);
    bytes_free(&root);
    bytes_free(&error);
    return result;
}

static int find_folder(struct server *s, char file[PATH_MAX])
{
    struct admin *a = s->r->a;
    struct setup *u = &s->setup;
    char *here = a->file[0] == '/' ? NULL : getcwd(NULL, 0);
    int n = snprintf(file, PATH_MAX, "%s%s%s", here ? here : "", here ? "/" : "", a->file);
    free(here);
    if (n < 0 || n >= PATH_MAX || !strrchr(file, '/'))
        return complain(EX_CONFIG, "%s: the path is too long", a->file);
    a->file = file;
    u->a = a;
    snprintf(u->folder, sizeof u->folder, "%.*s", (int)(strrchr(file, '/') - file), file);
    u->system = strcmp(u->folder, SYSTEM_FOLDER) == 0;
    return EX_OK;
}

/* May root make this folder, or become its owner, because a backup's settings say so? */
static bool is_harmless(const struct setup *u, const char *place)
{
    struct stat info, folder;
    size_t n = strlen(u->folder);
    if (strcmp(place, "/var/mail/postern") == 0 || strcmp(place, "/var/spool/postern") == 0 ||
        (strncmp(place, u->folder, n) == 0 && place[n] == '/'))
        return true;
    const struct passwd *owner = getpwnam("postern");
    return stat(place, &info) == 0 && info.st_uid != 0 &&
           ((owner && owner->pw_uid == info.st_uid) ||
            (stat(u->folder, &folder) == 0 && folder.st_uid == info.st_uid));
}

/* A backup may have lain anywhere, and the server's user can write in it: with its settings alone he would
 * get a folder in /etc, or into somebody's home. */
static int check_places(struct server *s)
{
    const char *places[] = { s->setup.spool, s->setup.mail };
    for (size_t i = 0; geteuid() == 0 && i < 2; i++)
        if (!is_harmless(&s->setup, places[i]))
            return complain(
                EX_NOPERM,
                "the backup's settings have %s there: %s, which root doesn't make for them. If that is "
                "right, make it and give it to the server's user first: install -d -o postern -g postern "
                "-m 0700 %s",
                i ? "mail" : "the spool", places[i], places[i]);
    return EX_OK;
}

static int become_owner(struct server *s)
{
    bool root = geteuid() == 0;
    umask(022); /* as setup: for folders on the way to ours */
    if (root)
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    int result = setup_folders(&s->setup);
    umask(077);
    return result == EX_OK ? import_keep_reading(root, &s->r->reads_all) : result;
}

/* --- files */

/* The part of a path behind "settings/" and the like; NULL: it is another. */
static const char *below(const struct bytes *path, const char *top)
{
    size_t n = strlen(top);
    return path->len > n && strncmp(path->data, top, n) == 0 && path->data[n] == '/' ? path->data + n + 1
                                                                                     : NULL;
}

/* ST_OK: the same is there; ST_PERM: something else; ST_NONE: nothing. */
static enum status compare(struct restore *r, int dir, const char *name, const struct manifest_entry *e)
{
    struct stat info;
    bool writing;
    if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || errno == ENOTDIR ? ST_NONE : ST_TEMP;
    int fd = file_open_beneath(dir, name, O_RDONLY, 0);
    if (fd < 0)
        return ST_PERM;
    enum status st = restore_read(r, fd, e, -1, &writing);
    file_close(fd);
    return st;
}

static int write_contents(struct server *s, int dir, const char *name, const struct manifest_entry *e,
                          int from, struct tally *t)
{
    struct restore *r = s->r;
    struct bytes contents;
    struct stat info;
    bool writing;
    bytes_init(&contents, CONTENTS_LIMIT);
    bool good = fstat(from, &info) == 0 && info.st_size <= (off_t)CONTENTS_LIMIT &&
                bytes_reserve(&contents, (size_t)info.st_size + 1);
    ssize_t n = good ? pread(from, contents.data, (size_t)info.st_size, 0) : -1;
    good = n == info.st_size &&
           file_replace(dir, name, (struct span){ contents.data, (size_t)n }, info.st_mode & 0777) == ST_OK;
    int saved = errno;
    bytes_wipe(&contents);
    if (!good)
        return complain(EX_CANTCREAT, "%s: can't be written: %s", name, strerror(saved));
    int fd = file_open_beneath(dir, name, O_RDONLY, 0); /* the proof */
    enum status st = fd < 0 ? ST_TEMP : restore_read(r, fd, e, -1, &writing);
    file_close(fd);
    if (st == ST_OK) {
        t->messages++;
        t->bytes += e->size;
    } else {
        t->damaged++;
        list_wrong(r, "damaged", e->path);
    }
    return EX_OK;
}

static int put_file(struct server *s, int dir, const char *name, const struct manifest_entry *e,
                    struct tally *t, bool replaces)
{
    struct restore *r = s->r;
    enum status st = compare(r, dir, name, e);
    int fd, result;
    if (st == ST_TEMP)
        return complain(EX_IOERR, "%s: can't be read: %s", name, strerror(errno));
    if (st == ST_OK || (st == ST_PERM && !replaces)) {
        t->present++;
        return EX_OK;
    }
    if (e->kind != MANIFEST_FILE_LINE || restore_file(r, e, &fd) != ST_OK) {
        t->missing++;
        list_wrong(r, "missing", e->path);
        return EX_OK;
    }
    result = write_contents(s, dir, name, e, fd, t);
    file_close(fd);
    return result;
}

static int put_queued(struct server *s, const char *name, const struct manifest_entry *e)
{
    struct restore *r = s->r;
    bool writing;
    int fd;
    if (!queue_id_valid(name))
        return EX_OK; /* ID.why: what earlier attempts came to, for a person to read */
    enum status st = restore_file(r, e, &fd);
    if (st == ST_OK) {
        st = restore_read(r, fd, e, -1, &writing);
        if (st == ST_OK)
            st = queue_bring_back(s->queue, name, fd);
        else
            errno = EBADMSG;
        file_close(fd);
    }
    if (st == ST_OK) {
        s->spooled.messages++;
        s->spooled.bytes += e->size;
    } else if (st == ST_PERM && errno == EEXIST) {
        s->spooled.present++;
    } else if (st == ST_TEMP) {
        return complain(EX_IOERR, "spool/queue/%s: %s", name, strerror(errno));
    } else {
        *(st == ST_NONE ? &s->spooled.missing : &s->spooled.damaged) += 1;
        list_wrong(r, st == ST_NONE ? "missing" : "damaged", e->path);
    }
    return EX_OK;
}

static int put_dir(struct server *s, const struct bytes *path, int dir, const char *name)
{
    struct stat info;
    mode_t mode =
        fstatat(s->r->fd, bytes_str(path), &info, AT_SYMLINK_NOFOLLOW) == 0 ? info.st_mode & 0777 : 0700;
    if (mkdirat(dir, name, 0700) == 0)
        return fchmodat(dir, name, mode, 0) == 0 ? EX_OK
                                                 : complain(EX_CANTCREAT, "%s: %s", name, strerror(errno));
    return errno == EEXIST ? EX_OK : complain(EX_CANTCREAT, "%s: can't be made: %s", name, strerror(errno));
}

static int put_link(struct server *s, const struct manifest_entry *e, const char *name)
{
    struct bytes target;
    bytes_init(&target, BACKUP_PATH_LIMIT);
    int result = EX_OK;
    if (manifest_unescape(e->target, &target) && symlinkat(bytes_str(&target), s->folder, name) != 0 &&
        errno != EEXIST)
        result = complain(EX_CANTCREAT, "%s: can't be made: %s", name, strerror(errno));
    bytes_free(&target);
    return result;
}

/* One line of the list, of settings or spool. */
static int put_line(struct server *s, const struct manifest_entry *e, const struct bytes *path)
{
    const char *name;
    bool file = e->kind == MANIFEST_FILE_LINE || e->kind == MANIFEST_UNREAD;
    if ((name = below(path, "settings"))) {
        if (file)
            return put_file(s, s->folder, name, e, &s->settings, s->r->replaces);
        return e->kind == MANIFEST_LINK ? put_link(s, e, name) : put_dir(s, path, s->folder, name);
    }
    if ((name = below(path, "outside"))) {
        if (file)
            s->outside.present++;
        return EX_OK;
    }
    if ((name = below(path, "spool/queue")))
        return file ? put_queued(s, name, e) : EX_OK;
    if ((name = below(path, "spool")) && strcmp(name, "queue") != 0 && e->kind != MANIFEST_LINK)
        return file ? put_file(s, s->spool, name, e, &s->spooled, false) : put_dir(s, path, s->spool, name);
    return EX_OK;
}

/* Everything before the first account whose path begins with `top`. */
static int put_all(struct server *s, const char *top)
{
    struct span rest = s->r->manifest.text;
    struct manifest_entry e;
    struct bytes path;
    int result = EX_OK;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    while (result == EX_OK && manifest_next(&rest, &e) && e.kind != MANIFEST_ACCOUNT) {
        bytes_clear(&path);
        if (e.kind != MANIFEST_OTHER && manifest_path(e.path, &path) && below(&path, top))
            result = put_line(s, &e, &path);
    }
    bytes_free(&path);
    return result;
}

/* Settings that say something else than the backup's: how many, and a name. */
static size_t differing(struct server *s, char first[256])
{
    struct span rest = s->r->manifest.text;
    struct manifest_entry e;
    struct bytes path;
    const char *name;
    size_t count = 0;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    while (manifest_next(&rest, &e) && e.kind != MANIFEST_ACCOUNT) {
        bytes_clear(&path);
        if (e.kind != MANIFEST_FILE_LINE || !manifest_path(e.path, &path) ||
            !(name = below(&path, "settings")) || compare(s->r, s->folder, name, &e) != ST_PERM)
            continue;
        if (count++ == 0)
            snprintf(first, 256, "%.250s", name);
    }
    bytes_free(&path);
    return count;
}

/* --- the steps */

static int open_folder(struct server *s)
{
    char first[256];
    s->folder = open(s->setup.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->folder < 0)
        return complain(EX_CANTCREAT, "%s: %s", s->setup.folder, strerror(errno));
    size_t count = s->r->replaces ? 0 : differing(s, first);
    if (!count)
        return EX_OK;
    return complain(EX_CANTCREAT,
                    "%s: a server is here already: %zu files of its settings, such as %s, aren't as in the "
                    "backup; nothing was "
                    "done. An address restores that account's mail only; --replace puts the backup's "
                    "settings in place of these",
                    s->setup.folder, count, first);
}

static int put_settings(struct server *s)
{
    struct admin *a = s->r->a;
    struct bytes error;
    int result = put_all(s, "settings");
    if (result != EX_OK)
        return result;
    bytes_init(&error, 4096);
    if (settings_load(a->file, &a->s, &error) != ST_OK)
        result = complain(EX_CONFIG, "%s", bytes_str(&error));
    bytes_free(&error);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK)
        result = edit_compile_all(a);
    edit_unlock(a);
    list_tally(s->r, &s->settings);
    return result;
}

static int put_spool(struct server *s)
{
    const char *path = s->r->a->s.spool;
    s->spool = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->spool < 0 || (mkdirat(s->spool, "tmp", 0700) != 0 && errno != EEXIST) ||
        (mkdirat(s->spool, "slots", 0700) != 0 && errno != EEXIST) || queue_open(path, &s->queue) != ST_OK)
        return complain(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    int result = put_all(s, "spool");
    if (result == EX_OK)
        result = put_all(s, "outside");
    if (s->outside.present)
        list_tally(s->r, &s->outside);
    list_tally(s->r, &s->spooled);
    return result;
}

static int put_mail(struct server *s)
{
    struct span rest = s->r->manifest.text;
    struct manifest_entry e;
    struct bytes text;
    struct address address;
    int worst = EX_OK;
    bytes_init(&text, ADDRESS_LIMIT + 3);
    while (manifest_next(&rest, &e)) {
        bytes_clear(&text);
        if (e.kind != MANIFEST_ACCOUNT || !manifest_unescape(e.path, &text))
            continue;
        int result = tables_address(span_bytes(&text), SPAN(""), &address)
                         ? restore_account(s->r, &address)
                         : complain(EX_DATAERR, "%s: is no address", bytes_str(&text));
        worst = worst == EX_OK ? result : worst;
    }
    bytes_free(&text);
    return worst;
}

int restore_server(struct restore *r)
{
    struct server s = { .r = r, .folder = -1, .spool = -1, .queue = -1 };
    char file[PATH_MAX];
    s.settings = (struct tally){ .address = "", .folder = "settings" };
    s.outside = (struct tally){ .address = "", .folder = "outside" };
    s.spooled = (struct tally){ .address = "", .folder = "spool" };
    int result = find_folder(&s, file);
    int (*const before[])(struct server *) = { find_places, check_places, become_owner, open_folder };
    for (size_t i = 0; result == EX_OK && i < sizeof before / sizeof before[0]; i++)
        result = before[i](&s);
    if (result == EX_OK) {
        int (*const steps[])(struct server *) = { put_settings, put_spool, put_mail };
        list_begin(r);
        for (size_t i = 0; result == EX_OK && i < sizeof steps / sizeof steps[0]; i++)
            result = steps[i](&s);
        int end = list_end(r);
        result = result == EX_OK ? end : result;
    }
    file_close(s.queue);
    file_close(s.spool);
    file_close(s.folder);
    return result;
}
