/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern import of a Maildir with all its folders (Maildir++), as Dovecot, Courier, Postern or a delivery
 * program left it.
 *
 * Each folder comes in whole or not at all. Messages keep the base of their file names, and one that is there
 * already under its base is passed over: so an import that ended early is done again, and one that was done
 * while the old server still ran is brought up to date, by the same command. A folder that never gave a UID
 * takes over UIDVALIDITY and UIDs.
 */
#include "import.h"
#include "base/files.h"
#include "store/subscriptions.h"
#include "text/utf7.h"
#include "text/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define PIECE ((size_t)256 * 1024)
#define SUBSCRIPTIONS_LIMIT ((size_t)4 << 20)

/* Bases that a folder has, sorted. */
struct present {
    struct scan scan;
    struct span *bases;
    size_t count;
};

static int compare_spans(const void *a, const void *b)
{
    return span_compare(*(const struct span *)a, *(const struct span *)b);
}

static enum status present_read(struct mail *mail, struct span folder, struct present *p)
{
    int dir, cur, new;
    *p = (struct present){ 0 };
    enum status st = folder_open(mail, folder, &dir);
    if (st != ST_OK)
        return st == ST_NONE ? ST_OK : st;
    cur = file_open_beneath(dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    new = file_open_beneath(dir, "new", O_RDONLY | O_DIRECTORY, 0);
    st = cur < 0 ? ST_TEMP : scan_folder(new, cur, &p->scan);
    p->bases = calloc(p->scan.count + 1, sizeof *p->bases);
    if (st == ST_OK && !p->bases)
        st = ST_TEMP;
    for (size_t i = 0; st == ST_OK && i < p->scan.count; i++)
        p->bases[p->count++] = p->scan.items[i].f.base;
    if (p->count)
        qsort(p->bases, p->count, sizeof *p->bases, compare_spans);
    file_close(cur);
    file_close(new);
    file_close(dir);
    return st;
}

static void present_free(struct present *p)
{
    scan_free(&p->scan);
    free(p->bases);
}

static bool is_present(const struct present *p, struct span base)
{
    return p->count && bsearch(&base, p->bases, p->count, sizeof base, compare_spans);
}

/* In order of UID, then as they came. */
static int compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    uint32_t u = x->uid - 1, v = y->uid - 1; /* none comes last */
    if (u != v)
        return u < v ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return strcmp(x->name, y->name);
}

static enum status copy_bytes(int fd, struct mailbox_append *append)
{
    char *buffer = malloc(PIECE);
    ssize_t n = buffer ? 0 : -1;
    enum status st = ST_OK;
    while (buffer && st == ST_OK && (n = read(fd, buffer, PIECE)) > 0)
        st = mailbox_append_write(append, (struct span){ buffer, (size_t)n });
    int saved = errno;
    free(buffer);
    errno = saved;
    return n < 0 ? ST_TEMP : st;
}

/* What lies in the tree and belongs to somebody else than the tree isn't its owner's to give: where we read
 * as root could, it may be a second name of another's file. */
static bool is_theirs(const struct import *i, const struct stat *info)
{
    return !i->reads_all || info->st_uid == i->owner;
}

/* ST_NONE: it is gone meanwhile. */
static enum status add_message(struct import *i, const struct source *s, const struct found *m,
                               struct mailbox_append *append)
{
    struct stat info;
    struct source_names keywords;
    int fd = file_open_beneath(m->in_new ? s->new_dir : s->cur_dir, m->name, O_RDONLY, 0);
    if (fd < 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    enum status st = fstat(fd, &info) == 0 && is_theirs(i, &info) ? ST_OK : ST_TEMP;
    if (st != ST_OK)
        errno = EPERM;
    if (st == ST_OK)
        st = mailbox_append_keep(append, m->f.base, m->uid);
    if (st == ST_OK)
        st = copy_bytes(fd, append);
    source_keywords(s, m, &keywords);
    if (st == ST_OK)
        st = mailbox_append_end(append, m->f.flags & FLAG_SYSTEM, keywords.names, info.st_mtim.tv_sec);
    file_close(fd);
    return st;
}

/* ST_NONE: messages went away or were renamed while they were read. */
static enum status add_all(struct import *i, struct source *s, const struct present *there,
                           struct span folder, struct mailbox_append *append, struct import_count *count)
{
    bool lost = false;
    for (size_t k = 0; k < s->scan.count; k++)
        s->scan.items[k].uid = source_uid(s, &s->scan.items[k]);
    if (s->scan.count)
        qsort(s->scan.items, s->scan.count, sizeof *s->scan.items, compare_found);
    for (size_t k = 0; k < s->scan.count; k++) {
        const struct found *m = &s->scan.items[k];
        if (is_present(there, m->f.base)) {
            count->present++;
            continue;
        }
        enum status st = add_message(i, s, m, append);
        lost |= st == ST_NONE;
        if (st == ST_TEMP || st == ST_PERM) {
            int saved = errno;
            progress_end(&i->progress);
            complain(EX_IOERR, "%s: %s", m->name, strerror(saved));
            errno = saved;
            return ST_TEMP;
        }
        count->messages += st == ST_OK;
        progress_show(&i->progress, folder, count->messages, k + 1, s->scan.count);
    }
    return lost ? ST_NONE : ST_OK;
}

static int fill(struct import *i, struct source *s, struct span folder, struct import_count *count)
{
    struct present there;
    struct mailbox_append *append = NULL;
    uint32_t validity = 0, first;
    enum status st = present_read(i->mail, folder, &there);
    if (st == ST_OK)
        st = mailbox_append_begin(i->mail, NULL, folder, &append);
    if (st == ST_OK && s->list.validity)
        mailbox_append_take_over(append, s->list.validity, s->list.next);
    if (st == ST_OK)
        st = add_all(i, s, &there, folder, append, count);
    bool lost = st == ST_NONE;
    if (append && (st == ST_OK || lost))
        st = mailbox_append_publish(append, &validity, &first);
    else
        mailbox_append_abort(append);
    present_free(&there);
    count->kept = s->list.validity && validity == s->list.validity;
    if (st != ST_OK)
        return import_failed("nothing was imported", folder);
    return lost ? complain(EX_TEMPFAIL, "folder %.*s: changed while it was read; do it again",
                           SPAN_FMT(folder))
                : EX_OK;
}

/* One folder: `path` in the source. */
static int import_one(struct import *i, const char *path, struct span folder)
{
    struct source s;
    struct import_count count = { 0 };
    enum status st = source_open(i->fd, path, &s);
    int result = EX_OK;
    if (st == ST_NONE) {
        source_close(&s);
        return EX_OK;
    }
    if (st != ST_OK)
        result = import_failed("can't be read", folder);
    if (result == EX_OK)
        result = import_make_folder(i, folder);
    if (result == EX_OK)
        result = fill(i, &s, folder, &count);
    progress_end(&i->progress);
    if (result == EX_OK || result == EX_TEMPFAIL)
        import_report(i, folder, &count);
    source_close(&s);
    return result;
}

/* The folder that becomes of one of the source's: ".a.b" or "a.b", in modified UTF-7 or (as Dovecot can be
 * told) UTF-8. */
static bool name_here(const struct import *i, struct span name, char to[FOLDER_NAME_LIMIT + 1])
{
    struct bytes text, utf7;
    bytes_init(&text, FOLDER_NAME_LIMIT);
    bytes_init(&utf7, FOLDER_NAME_LIMIT);
    if (!folder_name_valid(name) && utf8_valid(name) && utf7_from_utf8(name, &utf7))
        name = span_bytes(&utf7);
    if (i->folder[0] && strcmp(i->folder, "INBOX") != 0)
        bytes_printf(&text, "%s.", i->folder);
    bytes_add_span(&text, name);
    bool good = !text.failed && folder_name_makeable(span_bytes(&text)) &&
                span_copy(span_bytes(&text), to, FOLDER_NAME_LIMIT + 1);
    bytes_free(&text);
    bytes_free(&utf7);
    return good;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The Maildir++ folders' directories, sorted; to be freed. -1 with errno. */
static ssize_t list_folders(int maildir, char ***names)
{
    int fd = file_open_beneath(maildir, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    ssize_t count = 0;
    struct dirent *e;
    *names = d ? calloc(FOLDERS_LIMIT, sizeof **names) : NULL;
    if (!d)
        file_close(fd);
    while (*names && count < FOLDERS_LIMIT && (e = readdir(d)))
        if (e->d_name[0] == '.' && e->d_name[1] && strcmp(e->d_name, "..") != 0 && e->d_type != DT_REG &&
            e->d_type != DT_LNK && ((*names)[count] = strdup(e->d_name)))
            count++;
    if (d)
        closedir(d);
    if (*names)
        qsort(*names, (size_t)count, sizeof **names, compare_names);
    return *names ? count : -1;
}

static int import_folders(struct import *i)
{
    char **names, folder[FOLDER_NAME_LIMIT + 1];
    ssize_t count = list_folders(i->fd, &names);
    int worst = count < 0 ? complain(EX_IOERR, "%s: can't be read: %s", i->source, strerror(errno)) : EX_OK;
    for (ssize_t k = 0; k < count; k++) {
        int result;
        if (name_here(i, span_of(names[k] + 1), folder))
            result = import_one(i, names[k], span_of(folder));
        else
            result = complain(EX_DATAERR, "%s: passed over: it can't be a folder's name here", names[k]);
        if (worst == EX_OK)
            worst = result;
        free(names[k]);
    }
    free(names);
    return worst;
}

/* "INBOX." stands before all names in Courier's file, and in Dovecot's where it took over from Courier. */
static int subscribe(struct import *i, struct span name)
{
    char folder[FOLDER_NAME_LIMIT + 1];
    struct span inbox = i->folder[0] ? span_of(i->folder) : SPAN("INBOX");
    if (span_starts(name, "INBOX."))
        name = span_from(name, strlen("INBOX."));
    bool is_inbox = folder_is_inbox(name);
    if (!is_inbox && !name_here(i, name, folder))
        return EX_OK;
    struct span here = is_inbox ? inbox : span_of(folder);
    return folder_subscribe(i->mail, here, true) == ST_OK ? EX_OK
                                                          : import_failed("can't be subscribed", here);
}

static int import_subscriptions(struct import *i)
{
    static const char *const files[] = { "subscriptions", "courierimapsubscribed" };
    int worst = EX_OK;
    for (size_t k = 0; k < 2; k++) {
        struct bytes file, names;
        struct span rest, name;
        bytes_init(&file, SUBSCRIPTIONS_LIMIT);
        bytes_init(&names, SUBSCRIPTIONS_LIMIT);
        if (file_read_beneath(i->fd, files[k], &file) == ST_OK)
            subscriptions_parse(span_bytes(&file), &names);
        for (rest = span_bytes(&names); rest.n && span_cut(&rest, '\n', &name);)
            if (subscribe(i, name) != EX_OK)
                worst = EX_IOERR;
        bytes_free(&file);
        bytes_free(&names);
    }
    return worst;
}

/* Who lists subscriptions means that the others are none. */
static bool has_subscriptions(int maildir)
{
    return faccessat(maildir, "subscriptions", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
           faccessat(maildir, "courierimapsubscribed", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int import_tree(struct import *i)
{
    struct stat info;
    if (fstat(i->fd, &info) != 0 || fstatat(i->fd, "cur", &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(info.st_mode))
        return complain(EX_DATAERR, "%s: is no Maildir: there is no folder cur in it", i->source);
    i->owner = info.st_uid;
    i->subscribes = !has_subscriptions(i->fd);
    int first = import_one(i, ".", i->folder[0] ? span_of(i->folder) : SPAN("INBOX"));
    int folders = import_folders(i), names = import_subscriptions(i);
    return first != EX_OK ? first : folders != EX_OK ? folders : names;
}
