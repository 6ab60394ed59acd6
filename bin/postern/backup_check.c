/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern backup verify [--json] BACKUP: reads every file of a backup and compares it with the backup's list.
 * postern backup list [--json] DIR: the backups that there are.
 */
#include "restore.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

struct check {
    struct restore *r;
    struct tally tally;
    char address[ADDRESS_LIMIT + 4], folder[FOLDER_NAME_LIMIT + 1];
    bool open; /* a tally is being counted */
    uint64_t files;
};

/* What belongs to another folder, or to none, is told apart. Returns false if it is no file. */
static void begin_tally(struct check *c, const char *address, struct span folder)
{
    if (c->open && strcmp(c->address, address) == 0 && span_eq_str(folder, c->folder))
        return;
    if (c->open)
        list_tally(c->r, &c->tally);
    snprintf(c->address, sizeof c->address, "%s", address);
    span_copy(folder, c->folder, sizeof c->folder);
    c->tally = (struct tally){ .address = c->address, .folder = c->folder };
    c->open = true;
}

static void place(struct check *c, const char *address, struct span path, bool *message)
{
    struct mail_path m;
    struct span first = span_head(path, span_find(path, '/'));
    *message = mail_path(path, &m);
    if (*message)
        begin_tally(c, address, m.folder);
    else if (!span_eq_str(first, "mail"))
        begin_tally(c, "", span_head(first, FOLDER_NAME_LIMIT));
    else if (!c->open)
        begin_tally(c, address, SPAN("INBOX"));
}

static int check_file(struct check *c, const char *address, const struct manifest_entry *e)
{
    struct bytes path;
    bool message, writing, right = false;
    int fd;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    if (!manifest_path(e->path, &path)) { /* in a list that isn't whole */
        bytes_free(&path);
        return EX_OK;
    }
    place(c, address, span_bytes(&path), &message);
    bytes_free(&path);
    enum status st = e->kind == MANIFEST_UNREAD ? ST_NONE : restore_file(c->r, e, &fd);
    if (st == ST_OK) {
        st = restore_read(c->r, fd, e, -1, &writing);
        right = st == ST_OK;
        file_close(fd);
    }
    c->tally.missing += st == ST_NONE;
    c->tally.damaged += st == ST_PERM || st == ST_TEMP;
    if (!right)
        list_wrong(c->r, st == ST_NONE ? "missing" : "damaged", e->path);
    if (right && (message || !address[0] || !c->address[0])) {
        c->tally.messages++;
        c->tally.bytes += e->size;
    }
    progress_show(&c->r->progress, span_of(address), c->r->messages + c->tally.messages, ++c->files,
                  c->r->manifest.files);
    return EX_OK;
}

static int check_link(struct check *c, const struct manifest_entry *e)
{
    char there[BACKUP_PATH_LIMIT];
    struct bytes path, target;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    bytes_init(&target, BACKUP_PATH_LIMIT);
    bool named = manifest_path(e->path, &path) && manifest_unescape(e->target, &target);
    ssize_t n = named ? readlinkat(c->r->fd, bytes_str(&path), there, sizeof there) : -1;
    if (n < 0 || !span_eq(span_bytes(&target), (struct span){ there, (size_t)n })) {
        c->tally.missing += n < 0;
        c->tally.damaged += n >= 0;
        list_wrong(c->r, n < 0 ? "missing" : "damaged", e->path);
    }
    bytes_free(&path);
    bytes_free(&target);
    return EX_OK;
}

/* A folder that holds nothing is told too. */
static int check_dir(struct check *c, const char *address, const struct manifest_entry *e)
{
    struct bytes path;
    struct stat info;
    struct mail_path m;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    bool named = manifest_path(e->path, &path);
    if (!named || fstatat(c->r->fd, bytes_str(&path), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(info.st_mode)) {
        c->tally.missing++;
        list_wrong(c->r, "missing", e->path);
    }
    bytes_add_str(&path, "/x");
    if (named && address[0] && mail_path(span_bytes(&path), &m) && !m.in_new)
        begin_tally(c, address, m.folder);
    bytes_free(&path);
    return EX_OK;
}

int backup_check(struct restore *r)
{
    struct check c = { .r = r };
    struct manifest_entry e;
    struct bytes address;
    struct span rest = r->manifest.text;
    int result = EX_OK;
    bytes_init(&address, ADDRESS_LIMIT + 3);
    list_begin(r);
    while (result == EX_OK && manifest_next(&rest, &e)) {
        if (e.kind == MANIFEST_ACCOUNT) {
            bytes_clear(&address);
            manifest_unescape(e.path, &address);
        }
        if (e.kind == MANIFEST_FILE_LINE || e.kind == MANIFEST_UNREAD)
            result = check_file(&c, bytes_str(&address), &e);
        else if (e.kind == MANIFEST_LINK)
            result = check_link(&c, &e);
        else if (e.kind == MANIFEST_DIR)
            result = check_dir(&c, bytes_str(&address), &e);
    }
    if (c.open)
        list_tally(r, &c.tally);
    int end = list_end(r);
    bytes_free(&address);
    return result != EX_OK ? result : end;
}

/* --- commands */

int backup_verify(struct admin *a, int argc, char **argv)
{
    struct restore r = { .a = a, .fd = -1, .source = argv[0] };
    (void)argc;
    int result = import_become_owner(a, true, &r.reads_all);
    progress_begin(&r.progress);
    if (result == EX_OK)
        result = restore_open(&r);
    if (result == EX_OK)
        result = backup_check(&r);
    restore_close(&r);
    return result;
}

static uint64_t count_messages(const struct manifest *m, uint64_t *bytes)
{
    struct manifest_entry e;
    struct mail_path p;
    struct span rest = m->text;
    uint64_t count = 0;
    for (*bytes = 0; manifest_next(&rest, &e);) {
        if (e.kind != MANIFEST_FILE_LINE || !mail_path(e.path, &p))
            continue;
        count++;
        *bytes += e.size;
    }
    return count;
}

static void say_one(const struct admin *a, const char *name, bool whole, uint64_t messages, uint64_t bytes)
{
    if (!a->json && whole)
        printf("%s messages %" PRIu64 " bytes %" PRIu64 "\n", name, messages, bytes);
    else if (!a->json)
        printf("%s damaged\n", name);
    else
        printf("{\"backup\": \"%s\", \"whole\": %s, \"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n",
               name, whole ? "true" : "false", messages, bytes);
}

static int list_one(const struct admin *a, int top, const char *name)
{
    struct manifest m = { 0 };
    uint64_t bytes = 0, count = 0;
    int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool whole = fd >= 0 && manifest_open(fd, &m) == ST_OK && m.whole;
    if (whole)
        count = count_messages(&m, &bytes);
    say_one(a, name, whole, count, bytes);
    manifest_close(&m);
    file_close(fd);
    return whole ? EX_OK : EX_DATAERR;
}

int backup_list(struct admin *a, int argc, char **argv)
{
    char **names;
    bool reads_all;
    int worst = import_become_owner(a, true, &reads_all);
    (void)argc;
    if (worst != EX_OK)
        return worst;
    int top = open(argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t count = top < 0 ? -1 : backup_names(top, &names);
    if (count < 0) {
        file_close(top);
        return complain(EX_NOINPUT, "%s: %s", argv[0], strerror(errno));
    }
    for (ssize_t i = 0; i < count; i++) {
        int result = list_one(a, top, names[i]);
        worst = worst == EX_OK ? result : worst;
    }
    backup_free_names(names, count);
    file_close(top);
    return worst;
}
