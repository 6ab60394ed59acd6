/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An account's mail from a backup: folder by folder (restore_folder.c), with the files beside the messages
 * where there are none of these names, and subscriptions, which are added to.
 */
#include "restore_account.h"
#include "base/files.h"
#include "store/quota.h"
#include "store/subscriptions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define SUBSCRIPTIONS_LIMIT ((size_t)4 << 20)

/* Folder and message are told from these by the plan. */
static bool is_own(struct span file)
{
    return span_eq_str(file, "postern-folder") || span_eq_str(file, "postern-journal");
}

/* The directory of a file that lies beside messages, or in Courier's folder there, and its name in it. */
static int open_parent(int dir, struct span file, const char **name)
{
    struct span rest = file, first;
    span_cut(&rest, '/', &first);
    *name = rest.n ? rest.p : file.p;
    if (!rest.n)
        return file_open_beneath(dir, ".", O_RDONLY | O_DIRECTORY, 0);
    if (!span_eq_str(first, "courierimapkeywords") || span_find(rest, '/') < rest.n)
        return -1;
    mkdirat(dir, "courierimapkeywords", 0700);
    return file_open_beneath(dir, "courierimapkeywords", O_RDONLY | O_DIRECTORY, 0);
}

/* To a name that nothing has yet. EX_OK also where it is damaged. */
static int write_file(struct restoring *a, int dir, const char *name, const struct manifest_entry *e,
                      int from, struct tally *t)
{
    char temporary[64];
    bool writing = false;
    snprintf(temporary, sizeof temporary, "postern-restore.%ld.tmp", (long)getpid());
    int to = file_open_beneath(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    enum status st = to < 0 ? ST_TEMP : restore_read(a->r, from, e, to, &writing);
    bool good = to >= 0 && st == ST_OK &&
                futimens(to, (struct timespec[2]){ { .tv_nsec = UTIME_OMIT }, e->mtime }) == 0 &&
                fsync(to) == 0 && file_publish(dir, temporary, dir, name) != ST_TEMP &&
                file_sync_dir(dir, NULL) == ST_OK;
    int saved = errno;
    file_close(to);
    unlinkat(dir, temporary, 0);
    errno = saved;
    if (st == ST_PERM) {
        t->damaged++;
        list_wrong(a->r, "damaged", e->path);
        return EX_OK;
    }
    return good ? EX_OK : complain(EX_IOERR, "%s: %s: %s", a->address, name, strerror(errno));
}

static int other_file(struct restoring *a, const struct old_item *item, int dir, struct tally *t)
{
    struct span rest = span_from(a->lines, (size_t)(item->entry - a->lines.p)), below, file;
    struct manifest_entry e;
    struct bytes path;
    int fd, result = EX_OK;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    bool good = manifest_next(&rest, &e) && manifest_path(e.path, &path);
    below = span_from(span_bytes(&path), a->lines_path.len + 1);
    mail_folder_of(below, &file);
    struct stat info;
    const char *name;
    int parent = good && !is_own(file) ? open_parent(dir, file, &name) : -1;
    if (parent >= 0 && fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (e.kind == MANIFEST_FILE_LINE && restore_file(a->r, &e, &fd) == ST_OK) {
            result = write_file(a, parent, name, &e, fd, t);
            file_close(fd);
        } else {
            t->missing++;
            list_wrong(a->r, "missing", e.path);
        }
    }
    file_close(parent);
    bytes_free(&path);
    return result;
}

static int other_files(struct restoring *a, const struct old_folder *f, struct tally *t)
{
    int dir, result = EX_OK;
    if (!f->other_count || folder_open(a->mail, span_of(f->name), &dir) != ST_OK)
        return EX_OK;
    for (size_t i = 0; result == EX_OK && i < f->other_count; i++)
        result = other_file(a, &a->items[f->others + i], dir, t);
    file_close(dir);
    return result;
}

/* Those of the backup, beside those that there are. */
static int subscribe(struct restoring *a)
{
    char path[BACKUP_PATH_LIMIT];
    struct bytes file, names;
    struct span rest, name;
    int result = EX_OK;
    bytes_init(&file, SUBSCRIPTIONS_LIMIT);
    bytes_init(&names, SUBSCRIPTIONS_LIMIT);
    if (backup_join(path, bytes_str(&a->lines_path), "subscriptions") &&
        file_read_beneath(a->r->fd, path, &file) == ST_OK)
        subscriptions_parse(span_bytes(&file), &names);
    for (rest = span_bytes(&names); rest.n && span_cut(&rest, '\n', &name);)
        if (folder_subscribe(a->mail, name, true) == ST_TEMP)
            result = complain(EX_IOERR, "%s: folders can't be subscribed: %s", a->address, strerror(errno));
    bytes_free(&file);
    bytes_free(&names);
    return result;
}

static int one_folder(struct restoring *a, const struct old_folder *f)
{
    const char *to = a->r->to[0] ? a->r->to : f->name;
    struct tally t = { .address = a->address, .folder = to };
    int result = restore_make_folder(a, to);
    if (result == EX_OK && !a->r->to[0]) /* first: Dovecot's list of UIDs is asked when the messages come */
        result = other_files(a, f, &t);
    if (result == EX_OK)
        result = restore_folder(a, f, to, &t);
    list_tally(a->r, &t);
    return result;
}

static int all_folders(struct restoring *a)
{
    int worst = EX_OK;
    bool found = false;
    for (size_t i = 0; i < a->folder_count; i++) {
        const struct old_folder *f = &a->folders[i];
        if (a->r->from[0] && strcmp(f->name, a->r->from) != 0)
            continue;
        found = true;
        int result = one_folder(a, f);
        worst = worst == EX_OK ? result : worst;
    }
    if (!found && a->r->from[0])
        return complain(EX_NOINPUT, "%s: the backup has no such folder of %s", a->r->folder, a->address);
    if (worst == EX_OK && !a->r->from[0])
        worst = subscribe(a);
    quota_forget(mail_dir(a->mail));
    return worst;
}

static int open_mail(struct restoring *a, const struct address *address)
{
    struct bytes path;
    struct stat info;
    bytes_init(&path, 4096);
    bool good = settings_maildir(&a->r->a->s, address_local(address), address_domain(address), &path);
    a->is_new = good && lstat(bytes_str(&path), &info) != 0;
    good = good && mail_open(bytes_str(&path), a->r->a->s.hostname, &a->mail) == ST_OK;
    bytes_free(&path);
    return good ? EX_OK : complain(EX_IOERR, "%s: its mail can't be opened: %s", a->address, strerror(errno));
}

int restore_account(struct restore *r, const struct address *address)
{
    struct restoring a = { .r = r, .address = address->text };
    bytes_init(&a.lines_path, BACKUP_PATH_LIMIT - FOLDER_NAME_LIMIT - 16);
    bytes_printf(&a.lines_path, "mail/%.*s/%.*s", SPAN_FMT(address_domain(address)),
                 SPAN_FMT(address_local(address)));
    int result = EX_OK;
    if (!manifest_account(&r->manifest, address->text, &a.lines))
        result = complain(EX_NOINPUT, "%s: the backup has no such account", address->text);
    if (result == EX_OK)
        result = open_mail(&a, address);
    if (result == EX_OK)
        result = plan_read(&a);
    if (result == EX_OK)
        result = all_folders(&a);
    plan_free(&a);
    bytes_free(&a.lines_path);
    mail_close(a.mail);
    return result;
}
