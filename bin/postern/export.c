/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern export [--folder NAME] [--mbox] ADDRESS TARGET
 *
 * Writes an account's mail as others read it: without --mbox a Maildir with all its folders (Maildir++) and
 * Dovecot's files for UIDs, keywords and subscriptions, which `postern import` reads too; with it one folder
 * as an mboxrd. The target is made anew, as root before the command becomes the server's owner, to whom a
 * Maildir then belongs. All is on disk before it says so.
 */
#include "export.h"
#include "base/files.h"
#include "net/sandbox.h"
#include "store/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define PIECE ((size_t)64 * 1024)

struct mbox_out {
    FILE *f;
    struct lf_lines lines;
};

/* The file has LF line ends, whatever the messages have. */
static bool put(void *to, struct span piece)
{
    struct mbox_out *out = to;
    char converted[PIECE + 1];
    while (piece.n) {
        struct span part = span_head(piece, PIECE);
        size_t n = lf_lines_add(&out->lines, part, converted);
        if (fwrite(converted, 1, n, out->f) != n)
            return false;
        piece = span_from(piece, part.n);
    }
    return true;
}

static unsigned mbox_flags(uint32_t flags)
{
    return (flags & FLAG_SEEN ? MBOX_SEEN : 0) | (flags & FLAG_ANSWERED ? MBOX_ANSWERED : 0) |
           (flags & FLAG_FLAGGED ? MBOX_FLAGGED : 0) | (flags & FLAG_DELETED ? MBOX_DELETED : 0) |
           (flags & (uint32_t)FLAG_DRAFT ? MBOX_DRAFT : 0);
}

/* ST_NONE: it is gone meanwhile. */
static enum status put_message(struct mailbox *box, size_t index, struct mbox_out *out)
{
    struct mailbox_map map;
    struct bytes keywords;
    uint32_t flags = mailbox_message(box, index).flags;
    enum status st = mailbox_map(box, index, &map);
    if (st != ST_OK)
        return st;
    bytes_init(&keywords, 8192);
    for (size_t k = 0; k < MAILBOX_KEYWORDS; k++)
        if (flags >> k & 1 && box->keywords[k])
            bytes_printf(&keywords, "%s%s", keywords.len ? " " : "", box->keywords[k]);
    if (!mbox_write(map.bytes, mailbox_date(box, index), mbox_flags(flags), span_bytes(&keywords), put, out))
        st = ST_TEMP;
    bytes_free(&keywords);
    mailbox_unmap(&map);
    return st;
}

static int put_all(struct export *e, struct mailbox *box, struct mbox_out *out, uint64_t *count)
{
    for (size_t i = 0; i < box->count; i++) {
        enum status st = put_message(box, i, out);
        if (st != ST_OK && st != ST_NONE)
            return complain(EX_IOERR, "%s: %s", e->target, strerror(errno));
        *count += st == ST_OK;
        progress_show(&e->progress, span_of(box->folder), *count, i + 1, box->count);
    }
    return EX_OK;
}

static int export_mbox(struct export *e)
{
    struct mailbox *box;
    struct mbox_out out = { .f = fdopen(e->fd, "w") };
    struct span folder = e->folder[0] ? span_of(e->folder) : SPAN("INBOX");
    uint64_t count = 0;
    if (!out.f)
        return complain(EX_IOERR, "%s: %s", e->target, strerror(errno));
    enum status st = mailbox_open(e->mail, folder, true, &box);
    int result = st == ST_NONE ? complain(EX_NOINPUT, "there is no folder of that name")
                 : st != ST_OK ? import_failed("can't be opened", folder)
                               : put_all(e, box, &out, &count);
    if (st == ST_OK)
        mailbox_close(box);
    progress_end(&e->progress);
    struct stat info;
    bool file = fstat(e->fd, &info) == 0 && S_ISREG(info.st_mode);
    if (result == EX_OK && (fflush(out.f) != 0 || (file && fsync(e->fd) != 0)))
        result = complain(EX_IOERR, "%s: %s", e->target, strerror(errno));
    fclose(out.f);
    e->fd = -1;
    if (result == EX_OK && !e->to_stdout)
        export_report(e, folder, count);
    return result;
}

void export_report(const struct export *e, struct span folder, uint64_t count)
{
    if (e->a->json) {
        json_folder("{", folder);
        printf(",\"exported\":%llu}\n", (unsigned long long)count);
        return;
    }
    say_folder(folder);
    printf(" exported %llu\n", (unsigned long long)count);
}

/* The directory that the target stands in, and its entry, are on disk. */
static bool sync_parent(const char *target)
{
    return file_sync_dir(AT_FDCWD, target) == ST_OK;
}

/* What is made is never something that was there: a file or directory of somebody else isn't written to. */
static int make_target(struct export *e)
{
    e->to_stdout = strcmp(e->target, "-") == 0;
    if (e->to_stdout && !e->mbox)
        return complain(EX_USAGE, "a Maildir needs a directory; --mbox can go to standard output");
    if (e->to_stdout)
        e->fd = dup(STDOUT_FILENO);
    else if (e->mbox)
        e->fd = open(e->target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    else if (mkdir(e->target, 0700) == 0)
        e->fd = open(e->target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (e->fd < 0 || (!e->to_stdout && !sync_parent(e->target)))
        return complain(EX_CANTCREAT, "%s: can't be made: %s", e->target, strerror(errno));
    return EX_OK;
}

/* As root, the new directory is the owner's. */
static int become_owner(struct export *e)
{
    struct bytes error;
    struct stat spool;
    int result = EX_OK;
    bytes_init(&error, 4096);
    if (geteuid() == 0 && !e->mbox &&
        (stat(e->a->s.spool, &spool) != 0 || fchown(e->fd, spool.st_uid, spool.st_gid) != 0))
        result = complain(EX_NOPERM, "%s: can't be given to the owner of the mail: %s", e->target,
                          strerror(errno));
    else if (sandbox_drop_root(e->a->s.spool, &error) != ST_OK)
        result = complain(EX_NOPERM, "%s", bytes_str(&error));
    bytes_free(&error);
    return result;
}

static int read_options(struct export *e, int *argc, char ***argv)
{
    int result = EX_OK;
    while (result == EX_OK && *argc > 2 && (*argv)[0][0] == '-') {
        int words = 1;
        if (strcmp((*argv)[0], "--mbox") == 0) {
            e->mbox = true;
        } else if (strcmp((*argv)[0], "--folder") == 0) {
            result = import_folder_name((*argv)[1], e->folder);
            words = 2;
        } else {
            result = complain(EX_USAGE, "%s: no such option", (*argv)[0]);
        }
        *argc -= words;
        *argv += words;
    }
    if (result == EX_OK && *argc != 2)
        result = complain(EX_USAGE, "an address and a target are wanted, behind the options");
    return result;
}

/* The account first: for one that isn't there no target is made. As root it was looked up without making
 * anything, and is opened as its owner. */
int export_command(struct admin *a, int argc, char **argv)
{
    struct export e = { .a = a, .fd = -1 };
    int result = read_options(&e, &argc, &argv);
    if (result != EX_OK)
        return result;
    e.target = argv[1];
    progress_begin(&e.progress);
    result = import_is_account(a, argv[0]);
    if (result == EX_OK)
        result = make_target(&e);
    if (result == EX_OK)
        result = become_owner(&e);
    if (result == EX_OK)
        result = import_account(a, argv[0], &e.mail);
    if (result == EX_OK)
        result = e.mbox ? export_mbox(&e) : export_tree(&e);
    mail_close(e.mail);
    file_close(e.fd);
    return result;
}
