/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern export as a Maildir: every message as a file of its own in cur/, under the name that it has here
 * but for our own field, with its flags and its date; and for Dovecot, and who moves to it, dovecot-uidlist
 * (UIDVALIDITY and UIDs), dovecot-keywords and subscriptions. The file system is flushed once at the end,
 * which is what one file after the other would wait for each time.
 */
#include "export.h"
#include "base/files.h"
#include "store/content.h"
#include "store/filename.h"
#include "store/subscriptions.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define LIST_LIMIT ((size_t)256 << 20)

static int complain_of(const struct export *e, const char *what)
{
    int saved = errno;
    progress_end(&((struct export *)e)->progress);
    return complain(EX_IOERR, "%s/%s: %s", e->target, what, strerror(saved));
}

/* The message's file under its name there, which goes to `name`. ST_NONE: it is gone meanwhile. */
static enum status copy_message(struct mailbox *box, size_t index, int cur_dir, char name[FILENAME_LIMIT + 1])
{
    char here[256];
    struct filename f;
    struct stat info;
    int from;
    enum status st = mailbox_file(box, index, &from);
    if (st != ST_OK)
        return st;
    struct filename_new n = { .size = mailbox_file_size(box, index),
                              .info = true,
                              .flags = mailbox_message(box, index).flags };
    n.keywords = n.flags & ~(uint32_t)FLAG_SYSTEM;
    if (mailbox_wire_size(box, index, &n.wire) != ST_OK)
        n.wire = 0;
    mailbox_name(box, index, here);
    filename_parse(span_of(here), &f);
    f.letters = f.more = (struct span){ NULL, 0 };
    if (!filename_write(f.base, &f, &n, name)) {
        n.copy = true;
        filename_write(f.base, &f, &n, name);
    }
    int to = openat(cur_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0 || fstat(from, &info) != 0 || content_copy(from, (uint64_t)info.st_size, to) != ST_OK ||
        futimens(to, (struct timespec[2]){ { .tv_nsec = UTIME_OMIT }, info.st_mtim }) != 0)
        st = ST_TEMP;
    file_close(to);
    file_close(from);
    return st;
}

static int write_keywords(struct export *e, const struct mailbox *box, int dir)
{
    struct bytes text;
    bytes_init(&text, 8192);
    for (int k = 0; k < MAILBOX_KEYWORDS; k++)
        if (box->keywords[k])
            bytes_printf(&text, "%d %s\n", k, box->keywords[k]);
    enum status st = text.failed ? ST_TEMP
                     : text.len  ? file_replace(dir, "dovecot-keywords", span_bytes(&text), 0600)
                                 : ST_OK;
    int result = st == ST_OK ? EX_OK : complain_of(e, "dovecot-keywords");
    bytes_free(&text);
    return result;
}

static int copy_all(struct export *e, struct mailbox *box, int cur_dir, struct bytes *list, uint64_t *count)
{
    char name[FILENAME_LIMIT + 1];
    for (size_t i = 0; i < box->count; i++) {
        enum status st = copy_message(box, i, cur_dir, name);
        if (st == ST_NONE)
            continue;
        if (st != ST_OK)
            return complain_of(e, box->folder);
        bytes_printf(list, "%lu :%.*s\n", (unsigned long)mailbox_uid(box, i),
                     (int)span_find(span_of(name), ':'), name);
        progress_show(&e->progress, span_of(box->folder), ++*count, i + 1, box->count);
    }
    return EX_OK;
}

/* A folder's messages into a directory that was just made. */
static int fill(struct export *e, struct mailbox *box, int dir)
{
    struct bytes list;
    uint64_t count = 0;
    if (folder_make_parts(dir) != ST_OK)
        return complain_of(e, box->folder);
    int cur_dir = file_open_beneath(dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    bytes_init(&list, LIST_LIMIT);
    bytes_printf(&list, "3 V%lu N%lu\n", (unsigned long)box->uid_validity, (unsigned long)box->uid_next);
    int result = cur_dir < 0 ? complain_of(e, box->folder) : copy_all(e, box, cur_dir, &list, &count);
    if (result == EX_OK &&
        (list.failed || file_replace(dir, "dovecot-uidlist", span_bytes(&list), 0600) != ST_OK))
        result = complain_of(e, "dovecot-uidlist");
    if (result == EX_OK)
        result = write_keywords(e, box, dir);
    progress_end(&e->progress);
    if (result == EX_OK)
        export_report(e, span_of(box->folder), count);
    file_close(cur_dir);
    bytes_free(&list);
    return result;
}

static int make_folder(struct export *e, struct span folder, int *dir)
{
    char path[FOLDER_NAME_LIMIT + 2];
    bool named = !e->folder[0] && folder_path(folder, path, sizeof path);
    if (e->folder[0] || (named && strcmp(path, ".") == 0)) {
        *dir = fcntl(e->fd, F_DUPFD_CLOEXEC, 3);
        return EX_OK;
    }
    *dir = -1;
    if (named && mkdirat(e->fd, path, 0700) == 0)
        *dir = file_open_beneath(e->fd, path, O_RDONLY | O_DIRECTORY, 0);
    if (*dir < 0)
        return complain_of(e, path);
    file_close(file_open_beneath(*dir, "maildirfolder", O_WRONLY | O_CREAT, 0600));
    return EX_OK;
}

static int export_one(struct export *e, struct span folder)
{
    struct mailbox *box;
    int dir = -1;
    enum status st = mailbox_open(e->mail, folder, true, &box);
    if (st == ST_NONE && e->folder[0])
        return complain(EX_NOINPUT, "there is no folder of that name");
    if (st != ST_OK)
        return st == ST_NONE ? EX_OK : import_failed("can't be opened", folder); /* removed meanwhile */
    int result = make_folder(e, folder, &dir);
    if (result == EX_OK)
        result = fill(e, box, dir);
    file_close(dir);
    mailbox_close(box);
    return result;
}

static int export_all(struct export *e)
{
    struct folder_list list;
    struct bytes names;
    int result = EX_OK;
    if (folders_list(e->mail, &list) != ST_OK)
        return complain(EX_IOERR, "the folders can't be read: %s", strerror(errno));
    bytes_init(&names, LIST_LIMIT);
    for (size_t i = 0; result == EX_OK && i < list.count; i++) {
        if (list.folders[i].subscribed)
            bytes_printf(&names, "%s\n", list.folders[i].name);
        if (list.folders[i].exists)
            result = export_one(e, span_of(list.folders[i].name));
    }
    if (result == EX_OK &&
        (names.failed || file_replace(e->fd, "subscriptions", span_bytes(&names), 0600) != ST_OK))
        result = complain_of(e, "subscriptions");
    folders_free(&list);
    bytes_free(&names);
    return result;
}

int export_tree(struct export *e)
{
    int result = e->folder[0] ? export_one(e, span_of(e->folder)) : export_all(e);
    if (result == EX_OK && syncfs(e->fd) != 0)
        result = complain_of(e, ".");
    return result;
}
