/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a backup has of an account, and what of that is there already.
 *
 * A message is there if a file with the unique part of its name is, in whatever folder; or if one with its
 * EMAILID is that the backup doesn't know by its name: then it was moved since. A copy that was made before
 * the backup is another message. Where one folder is restored only what lies in the folder that it goes to
 * counts: what was thrown away lies in Trash, and is wanted back.
 */
#include "restore_account.h"
#include "base/clock.h"
#include "base/files.h"
#include "store/mailbox_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool has(const struct hashes *h, uint64_t hash)
{
    return h->count && bsearch(&hash, h->list, h->count, sizeof hash, compare_hashes);
}

static void sort(struct hashes *h)
{
    if (h->count)
        qsort(h->list, h->count, sizeof *h->list, compare_hashes);
}

/* --- the backup's side */

static struct old_folder *folder_of(struct restoring *a, struct span name)
{
    struct old_folder *last = a->folder_count ? &a->folders[a->folder_count - 1] : NULL;
    if (last && span_eq_str(name, last->name))
        return last;
    for (size_t i = 0; i < a->folder_count; i++)
        if (span_eq_str(name, a->folders[i].name))
            return &a->folders[i];
    struct old_folder *more = a->folder_count < FOLDERS_LIMIT + 1
                                  ? realloc(a->folders, (a->folder_count + 1) * sizeof *more)
                                  : NULL;
    if (!more)
        return NULL;
    a->folders = more;
    struct old_folder *f = &more[a->folder_count];
    *f = (struct old_folder){ 0 };
    return span_copy(name, f->name, sizeof f->name) ? a->folder_count++, f : NULL;
}

static bool add_item(struct restoring *a, const char *entry, const struct old_folder *f, bool is_message)
{
    if (a->item_count % 1024 == 0) {
        struct old_item *more = realloc(a->items, (a->item_count + 1024) * sizeof *more);
        if (!more)
            return false;
        a->items = more;
    }
    a->items[a->item_count++] = (struct old_item){ entry, (uint32_t)(f - a->folders), is_message };
    return true;
}

/* A line's path behind that of the account, into *below. False: it is none of these. */
static bool below_account(const struct restoring *a, const struct manifest_entry *e, struct bytes *path,
                          struct span *below)
{
    bytes_clear(path);
    if (!manifest_path(e->path, path))
        return false;
    struct span whole = span_bytes(path), top = span_bytes(&a->lines_path);
    if (whole.n < top.n || memcmp(whole.p, top.p, top.n) != 0 || (whole.n > top.n && whole.p[top.n] != '/'))
        return false;
    *below = span_from(whole, top.n + (whole.n > top.n));
    return true;
}

/* False if memory runs out. */
static bool take_line(struct restoring *a, const struct manifest_entry *e, const char *entry,
                      struct bytes *path)
{
    struct span below, rest, name;
    if (!below_account(a, e, path, &below))
        return true;
    if (e->kind == MANIFEST_DIR) {
        bytes_add_str(path, "/x"); /* so that the folder's own name counts as one */
        struct span whole = span_bytes(path);
        below = span_from(whole, a->lines_path.len + 1);
        name = mail_folder_of(below, &rest);
        return !span_eq_str(rest, "x") || folder_of(a, name);
    }
    if (e->kind != MANIFEST_FILE_LINE && e->kind != MANIFEST_UNREAD)
        return true;
    struct mail_path m;
    bool is_message = mail_path(span_bytes(path), &m);
    struct old_folder *f = folder_of(a, is_message ? m.folder : mail_folder_of(below, &rest));
    return f && add_item(a, entry, f, is_message);
}

static int compare_items(const void *a, const void *b)
{
    const struct old_item *x = a, *y = b;
    if (x->folder != y->folder)
        return x->folder < y->folder ? -1 : 1;
    if (x->is_message != y->is_message)
        return x->is_message ? -1 : 1;
    return (x->entry > y->entry) - (x->entry < y->entry);
}

static bool read_lines(struct restoring *a)
{
    struct manifest_entry e;
    struct bytes path;
    struct span rest = a->lines;
    bool good = true;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    for (const char *at = rest.p; good && manifest_next(&rest, &e); at = rest.p)
        good = take_line(a, &e, at, &path);
    bytes_free(&path);
    if (a->item_count)
        qsort(a->items, a->item_count, sizeof *a->items, compare_items);
    for (size_t i = 0; good && i < a->item_count; i++) {
        struct old_folder *f = &a->folders[a->items[i].folder];
        size_t *first = a->items[i].is_message ? &f->first : &f->others;
        size_t *count = a->items[i].is_message ? &f->count : &f->other_count;
        *first = *count ? *first : i;
        ++*count;
    }
    return good;
}

/* Is a file that lies beside messages in the backup, and as its list says? */
static bool is_right(struct restoring *a, const struct old_folder *f, const char *name)
{
    struct manifest_entry e;
    struct bytes path;
    bool right = false, writing;
    int fd;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    for (size_t i = f->others; i < f->others + f->other_count && !right; i++) {
        struct span below, rest = span_from(a->lines, (size_t)(a->items[i].entry - a->lines.p)), file;
        if (!manifest_next(&rest, &e) || !below_account(a, &e, &path, &below))
            continue;
        mail_folder_of(below, &file);
        if (!span_eq_str(file, name))
            continue;
        if (e.kind == MANIFEST_FILE_LINE && restore_file(a->r, &e, &fd) == ST_OK) {
            right = restore_read(a->r, fd, &e, -1, &writing) == ST_OK;
            file_close(fd);
        }
    }
    bytes_free(&path);
    return right;
}

/* The folder's own file and its journal, where they are right. */
static void read_own(struct restoring *a, struct old_folder *f)
{
    char path[BACKUP_PATH_LIMIT];
    bool inbox = strcmp(f->name, "INBOX") == 0;
    int n = snprintf(path, sizeof path, "%s%s%s", bytes_str(&a->lines_path), inbox ? "" : "/.",
                     inbox ? "" : f->name);
    int dir =
        n > 0 && (size_t)n < sizeof path ? file_open_beneath(a->r->fd, path, O_RDONLY | O_DIRECTORY, 0) : -1;
    if (dir < 0)
        return;
    if (!is_right(a, f, "postern-folder") || durable_read(dir, &f->durable) != ST_OK)
        f->durable = (struct durable){ 0 };
    else if (is_right(a, f, "postern-journal") &&
             journal_read(dir, f->durable.uid_validity, &f->journal) != ST_OK)
        journal_free(&f->journal);
    file_close(dir);
}

bool plan_message(const struct restoring *a, const struct old_item *item, struct old_message *m)
{
    const struct old_folder *f = &a->folders[item->folder];
    struct span rest = span_from(a->lines, (size_t)(item->entry - a->lines.p));
    struct bytes path;
    struct mail_path p;
    bytes_init(&path, BACKUP_PATH_LIMIT);
    bool good = manifest_next(&rest, &m->entry) && manifest_path(m->entry.path, &path) &&
                mail_path(span_bytes(&path), &p) && span_copy(p.name, m->name, sizeof m->name) &&
                m->name[0] != '.';
    m->in_new = good && p.in_new;
    bytes_free(&path);
    if (!good)
        return false;
    filename_parse(span_of(m->name), &m->f);
    uint32_t validity = f->durable.uid_validity;
    m->uid = m->f.uid && m->f.validity == validity ? m->f.uid : 0;
    if (!m->uid)
        m->uid = journal_uid(&f->journal, m->f.base);
    const struct journal_flags *change = m->uid ? journal_flags(&f->journal, m->uid) : NULL;
    m->flags = change && change->before == m->f.flags ? change->after : m->f.flags;
    m->email_id[0] = '\0';
    if (m->f.email_id.n)
        span_copy(m->f.email_id, m->email_id, sizeof m->email_id);
    else if (m->uid && validity)
        email_id_derive(f->durable.mailbox_id, validity, m->uid, m->email_id);
    return true;
}

/* --- what is there */

static bool counts(const struct restoring *a, const struct survey_folder *f)
{
    const char *wanted = a->r->to[0] ? a->r->to : a->r->from;
    return !wanted[0] || strcmp(f->name, wanted) == 0;
}

/* The hashes of all bases that the backup has. */
static bool old_bases(struct restoring *a, struct hashes *h)
{
    struct old_message m;
    *h = (struct hashes){ .list = malloc((a->item_count + 1) * sizeof *h->list) };
    for (size_t i = 0; h->list && i < a->item_count; i++)
        if (a->items[i].is_message && plan_message(a, &a->items[i], &m))
            h->list[h->count++] = known_base(a->key, m.f.base);
    sort(h);
    return h->list;
}

static bool look_around(struct restoring *a)
{
    struct hashes old;
    size_t room = 1;
    char id[EMAIL_ID_LIMIT + 1];
    for (size_t i = 0; i < a->now.count; i++)
        room += a->now.folders[i]->scan.count;
    a->bases.list = malloc(room * sizeof *a->bases.list);
    a->moved.list = malloc(room * sizeof *a->moved.list);
    bool good = old_bases(a, &old) && a->bases.list && a->moved.list;
    for (size_t i = 0; good && i < a->now.count; i++) {
        const struct survey_folder *f = a->now.folders[i];
        for (size_t k = 0; counts(a, f) && k < f->scan.count; k++) {
            const struct filename *name = &f->scan.items[k].f;
            uint64_t hash = known_base(a->key, name->base);
            a->bases.list[a->bases.count++] = hash;
            survey_email_id(f, name, id);
            if (id[0] && !has(&old, hash))
                a->moved.list[a->moved.count++] = known_email_id(a->key, id);
        }
    }
    if (good) {
        sort(&a->bases);
        sort(&a->moved);
    }
    free(old.list);
    return good;
}

bool plan_is_present(const struct restoring *a, const struct old_message *m)
{
    return has(&a->bases, known_base(a->key, m->f.base)) ||
           (m->email_id[0] && has(&a->moved, known_email_id(a->key, m->email_id)));
}

int plan_read(struct restoring *a)
{
    random_bytes(a->key, sizeof a->key);
    if (!read_lines(a))
        return complain(EX_OSERR, "%s: out of memory", a->address);
    for (size_t i = 0; i < a->folder_count; i++)
        read_own(a, &a->folders[i]);
    enum status st = a->is_new ? ST_OK : survey_take(a->mail, &a->now);
    if (st != ST_OK && st != ST_NONE)
        return complain(EX_IOERR, "%s: its mail can't be read: %s", a->address, strerror(errno));
    return look_around(a) ? EX_OK : complain(EX_OSERR, "%s: out of memory", a->address);
}

void plan_free(struct restoring *a)
{
    for (size_t i = 0; i < a->folder_count; i++) {
        durable_free(&a->folders[i].durable);
        journal_free(&a->folders[i].journal);
    }
    free(a->folders);
    free(a->items);
    free(a->bases.list);
    free(a->moved.list);
    survey_free(&a->now);
}
