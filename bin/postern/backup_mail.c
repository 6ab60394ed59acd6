/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An account's mail into a backup, while it goes on changing.
 *
 * First it is settled which messages there are, in all folders of an account at one moment (backup_survey.c);
 * the backup is the account as it was then. Copying takes longer. What meanwhile isn't there any more under
 * its name was renamed (its flags changed), moved or expunged: at the end the account is surveyed again, and
 * what is found under another name, in whatever folder, goes into the backup where it was. Nothing is missing
 * but what was expunged.
 *
 * All files beside the messages are taken along, whosever they are (Dovecot's lists, a sieve script), but for
 * what can be made anew: index, cache, counts.
 */
#include "backup.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define ROUNDS 8 /* of looking for what was renamed */
/* Bytes that are copied between two marks from which the next backup can go on. */
#define SYNC_EVERY ((uint64_t)256 << 20)
#define SMALL_LIMIT ((off_t)256 << 20) /* bytes of a file that is no message, or one with holes */

struct lost {
    uint32_t folder, item; /* of the survey */
};

struct account {
    struct backup *b;
    const char *address;
    char path[BACKUP_PATH_LIMIT]; /* below the backup */
    struct mail *mail;
    struct survey survey;
    struct lost *lost; /* not there under their names any more */
    size_t lost_count;
    uint64_t done, whole; /* messages */
};

/* --- what lies beside messages */

struct skipped {
    const char *name;
    bool prefix;
};

static bool is_skipped(const char *name)
{
    static const struct skipped table[] = {
        { "postern-folder", true }, /* and .damaged: taken apart */
        { "postern-journal", true }, { "postern-index", true },         { "postern-cache", true },
        { "postern.lock", false },   { "postern-account.lock", false }, { "postern-pop3.lock", false },
        { "maildirsize", false },    { "dovecot.index", true },         { "dovecot-uidlist.lock", false },
    };
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].prefix ? strncmp(name, table[i].name, strlen(table[i].name)) == 0
                            : strcmp(name, table[i].name) == 0)
            return true;
    return n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

/* Courier keeps keywords in a folder of their own. Links are nobody's mail. */
static bool skip(struct backup *b, int dir, const char *name, const struct stat *info)
{
    (void)dir;
    if (S_ISDIR(info->st_mode))
        return strcmp(name, "courierimapkeywords") != 0;
    if (!S_ISREG(info->st_mode) || is_skipped(name))
        return true;
    if (info->st_size <= SMALL_LIMIT)
        return false;
    progress_end(&b->progress);
    complain(EX_OK, "%s: passed over: it is no message, and larger than %lld bytes", name,
             (long long)SMALL_LIMIT);
    return true;
}

/* --- messages */

/* Nobody sends what is larger than any message and was never written: reading it would not come to an end. */
static bool is_trap(struct backup *b, int fd, const char *path)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || info.st_size <= SMALL_LIMIT)
        return false;
    off_t hole = lseek(fd, 0, SEEK_HOLE);
    if (lseek(fd, 0, SEEK_SET) == 0 && (hole < 0 || hole >= info.st_size))
        return false;
    progress_end(&b->progress);
    complain(EX_OK, "%s: passed over: it is no message, as it has holes, and larger than %lld bytes", path,
             (long long)SMALL_LIMIT);
    return true;
}

/* EX_OK, *gone where it isn't there under that name. */
static int one_message(struct account *a, int dir, const char *name, struct span base, const char *email_id,
                       const char *path, bool *gone)
{
    struct backup *b = a->b;
    struct manifest_entry e;
    struct stat info;
    const struct backup_source *source;
    *gone = fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
    if (*gone)
        return EX_OK;
    if (!b->unlinkable && known_find(b, base, email_id, &info, &e, &source)) {
        int result = backup_link(b, source, &e, path);
        if (result == EX_OK) {
            b->count.messages++;
            b->count.bytes += e.size;
        }
        if (result != EX_UNAVAILABLE)
            return result;
    }
    int fd = file_open_beneath(dir, name, O_RDONLY, 0);
    *gone = fd < 0 && errno == ENOENT;
    if (fd < 0)
        return *gone ? EX_OK : backup_unread(b, path);
    uint64_t unread = b->count.unread, before = b->count.copied;
    bool trap = is_trap(b, fd, path);
    int result = trap ? EX_OK : backup_copy(b, fd, path);
    file_close(fd);
    if (trap)
        return EX_OK;
    if (result == EX_OK && b->count.unread == unread) {
        b->count.messages++;
        b->count.bytes += b->count.copied - before;
        b->count.fresh++;
        b->count.fresh_bytes += b->count.copied - before;
    }
    return result;
}

static bool message_path(const struct account *a, const struct survey_folder *f, const struct found *item,
                         char to[BACKUP_PATH_LIMIT])
{
    bool inbox = strcmp(f->path, ".") == 0;
    int n = snprintf(to, BACKUP_PATH_LIMIT, "%s%s%s/%s/%s", a->path, inbox ? "" : "/", inbox ? "" : f->path,
                     item->in_new ? "new" : "cur", item->name);
    return n > 0 && (size_t)n < BACKUP_PATH_LIMIT;
}

static int lose(struct account *a, size_t folder, size_t item)
{
    if (a->lost_count % 256 == 0) {
        struct lost *more = realloc(a->lost, (a->lost_count + 256) * sizeof *more);
        if (!more)
            return backup_failed(a->b, a->address);
        a->lost = more;
    }
    a->lost[a->lost_count++] = (struct lost){ (uint32_t)folder, (uint32_t)item };
    return EX_OK;
}

static int sync_sometimes(struct backup *b)
{
    if (b->count.copied - b->synced < SYNC_EVERY)
        return EX_OK;
    b->synced = b->count.copied;
    return manifest_synced(&b->out) == ST_OK ? EX_OK : backup_failed(b, MANIFEST_FILE);
}

static int copy_messages(struct account *a, size_t folder, int new_dir, int cur_dir)
{
    struct survey_folder *f = a->survey.folders[folder];
    char path[BACKUP_PATH_LIMIT], id[EMAIL_ID_LIMIT + 1];
    int result = EX_OK;
    for (size_t i = 0; result == EX_OK && i < f->scan.count; i++) {
        const struct found *item = &f->scan.items[i];
        bool gone = true;
        int dir = item->in_new ? new_dir : cur_dir;
        survey_email_id(f, &item->f, id);
        if (dir >= 0 && message_path(a, f, item, path))
            result = one_message(a, dir, item->name, item->f.base, id, path, &gone);
        if (result == EX_OK && gone)
            result = lose(a, folder, i);
        if (result == EX_OK)
            result = sync_sometimes(a->b);
        progress_show(&a->b->progress, span_of(a->address), a->b->count.messages, ++a->done, a->whole);
    }
    return result;
}

/* The folder's directories in the backup, so that it is a Maildir. */
static int make_dirs(struct account *a, const struct survey_folder *f, char path[BACKUP_PATH_LIMIT])
{
    static const char *const parts[] = { "cur", "new", "tmp" };
    char part[BACKUP_PATH_LIMIT];
    int result = EX_OK;
    if (strcmp(f->path, ".") == 0)
        snprintf(path, BACKUP_PATH_LIMIT, "%s", a->path);
    else if (!backup_join(path, a->path, f->path))
        return complain(EX_DATAERR, "%s: the path is too long", a->path);
    result = backup_make_dir(a->b, path);
    for (size_t i = 0; result == EX_OK && i < 3; i++)
        result = backup_join(part, path, parts[i]) ? backup_make_dir(a->b, part)
                                                   : complain(EX_DATAERR, "%s: the path is too long", path);
    return result;
}

static int copy_text(struct account *a, const struct bytes *text, const char *path, const char *name)
{
    char whole[BACKUP_PATH_LIMIT];
    return text->len && backup_join(whole, path, name) ? backup_text(a->b, span_bytes(text), whole) : EX_OK;
}

static int copy_folder(struct account *a, size_t folder)
{
    struct survey_folder *f = a->survey.folders[folder];
    char path[BACKUP_PATH_LIMIT];
    int dir = -1, new_dir = -1, cur_dir = -1, result = make_dirs(a, f, path);
    if (result == EX_OK)
        result = copy_text(a, &f->durable, path, "postern-folder");
    if (result == EX_OK)
        result = copy_text(a, &f->journal, path, "postern-journal");
    if (folder_open(a->mail, span_of(f->name), &dir) == ST_OK) { /* else it was renamed or removed */
        cur_dir = file_open_beneath(dir, "cur", O_RDONLY | O_DIRECTORY, 0);
        new_dir = file_open_beneath(dir, "new", O_RDONLY | O_DIRECTORY, 0);
        if (result == EX_OK)
            result = backup_tree(a->b, dir, path, skip, 1);
    }
    if (result == EX_OK)
        result = copy_messages(a, folder, new_dir, cur_dir);
    file_close(cur_dir);
    file_close(new_dir);
    file_close(dir);
    return result;
}

/* --- what isn't under its name any more */

struct place_of {
    uint64_t hash;
    uint32_t folder, item;
};

struct places {
    struct place_of *list;
    size_t count;
};

static int compare_places(const void *a, const void *b)
{
    const struct place_of *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static bool index_survey(const struct account *a, const struct survey *s, struct places *p)
{
    size_t room = 1;
    char id[EMAIL_ID_LIMIT + 1];
    for (size_t i = 0; i < s->count; i++)
        room += 2 * s->folders[i]->scan.count;
    *p = (struct places){ .list = malloc(room * sizeof *p->list) };
    for (size_t i = 0; p->list && i < s->count; i++)
        for (size_t k = 0; k < s->folders[i]->scan.count; k++) {
            const struct found *item = &s->folders[i]->scan.items[k];
            struct place_of place = { known_base(a->b->key, item->f.base), (uint32_t)i, (uint32_t)k };
            p->list[p->count++] = place;
            survey_email_id(s->folders[i], &item->f, id);
            place.hash = known_email_id(a->b->key, id);
            if (id[0])
                p->list[p->count++] = place;
        }
    if (p->count)
        qsort(p->list, p->count, sizeof *p->list, compare_places);
    return p->list;
}

/* Tries every place that the hash has. */
static int try_places(struct account *a, const struct survey *s, const struct places *p, uint64_t hash,
                      const struct found *wanted, const char *id, const char *path, bool *seen, bool *gone)
{
    const struct place_of key = { .hash = hash };
    const struct place_of *at =
        p->count ? bsearch(&key, p->list, p->count, sizeof key, compare_places) : NULL;
    int result = EX_OK;
    while (at && at > p->list && at[-1].hash == hash)
        at--;
    for (; at && at < p->list + p->count && at->hash == hash && *gone && result == EX_OK; at++) {
        const struct survey_folder *f = s->folders[at->folder];
        const struct found *item = &f->scan.items[at->item];
        char part[FOLDER_NAME_LIMIT + 8];
        *seen = true;
        snprintf(part, sizeof part, "%s/%s", f->path, item->in_new ? "new" : "cur");
        int dir = file_open_beneath(mail_dir(a->mail), part, O_RDONLY | O_DIRECTORY, 0);
        if (dir >= 0)
            result = one_message(a, dir, item->name, wanted->f.base, id, path, gone);
        file_close(dir);
    }
    return result;
}

static int find_one(struct account *a, const struct survey *s, const struct places *p, struct lost lost,
                    bool *seen, bool *gone)
{
    const struct survey_folder *f = a->survey.folders[lost.folder];
    const struct found *item = &f->scan.items[lost.item];
    char path[BACKUP_PATH_LIMIT], id[EMAIL_ID_LIMIT + 1];
    *seen = false;
    *gone = true;
    if (!message_path(a, f, item, path))
        return EX_OK;
    survey_email_id(f, &item->f, id);
    int result = try_places(a, s, p, known_base(a->b->key, item->f.base), item, id, path, seen, gone);
    if (result == EX_OK && *gone && id[0])
        result = try_places(a, s, p, known_email_id(a->b->key, id), item, id, path, seen, gone);
    return result;
}

/* One more look; what is still lost stays in the list. */
static int find_round(struct account *a)
{
    struct survey now;
    struct places p = { 0 };
    enum status st = survey_take(a->mail, &now);
    int result = EX_OK;
    size_t kept = 0;
    if ((st != ST_OK && st != ST_NONE) || !index_survey(a, &now, &p))
        result = backup_unread(a->b, a->path);
    for (size_t i = 0; p.list && result == EX_OK && i < a->lost_count; i++) {
        bool seen, gone;
        result = find_one(a, &now, &p, a->lost[i], &seen, &gone);
        if (gone && (seen || st == ST_NONE))
            a->lost[kept++] = a->lost[i];
        else if (gone)
            a->b->count.expunged++;
    }
    a->lost_count = p.list ? kept : 0;
    free(p.list);
    survey_free(&now);
    return result;
}

static int find_lost(struct account *a)
{
    int result = EX_OK;
    for (int i = 0; result == EX_OK && a->lost_count && i < ROUNDS; i++)
        result = find_round(a);
    for (size_t i = 0; result == EX_OK && i < a->lost_count; i++) {
        const struct survey_folder *f = a->survey.folders[a->lost[i].folder];
        char path[BACKUP_PATH_LIMIT];
        errno = EAGAIN;
        if (message_path(a, f, &f->scan.items[a->lost[i].item], path))
            result = backup_unread(a->b, path);
    }
    return result;
}

/* --- accounts */

static int copy_account(struct account *a)
{
    struct backup *b = a->b;
    enum status st = survey_take(a->mail, &a->survey);
    if (st != ST_OK && st != ST_NONE)
        return backup_unread(b, a->path);
    for (size_t i = 0; i < a->survey.count; i++)
        a->whole += a->survey.folders[i]->scan.count;
    if (!known_read(b, a->address)) {
        errno = ENOMEM;
        return backup_failed(b, a->address);
    }
    int result = EX_OK;
    for (size_t i = 0; result == EX_OK && i < a->survey.count; i++)
        result = copy_folder(a, i);
    return result == EX_OK ? find_lost(a) : result;
}

/* Without making it: ST_NONE where the account has no Maildir yet. */
static enum status open_mail(struct backup *b, const struct address *address, struct mail **mail)
{
    struct bytes path;
    struct stat info;
    bytes_init(&path, 4096);
    enum status st =
        settings_maildir(&b->a->s, address_local(address), address_domain(address), &path) ? ST_OK : ST_NONE;
    if (st == ST_OK && lstat(bytes_str(&path), &info) != 0)
        st = status_of_errno(errno);
    if (st == ST_OK)
        st = mail_open(bytes_str(&path), b->a->s.hostname, mail);
    int saved = errno;
    bytes_free(&path);
    errno = saved;
    return st;
}

int backup_account(struct backup *b, const struct address *address)
{
    struct account a = { .b = b, .address = address->text };
    int result;
    int n = snprintf(a.path, sizeof a.path, "mail/%.*s", SPAN_FMT(address_domain(address)));
    if (n < 0 || (size_t)n >= sizeof a.path)
        return EX_OK;
    manifest_begin_account(&b->out, address->text);
    enum status st = open_mail(b, address, &a.mail);
    if (st == ST_NONE)
        return EX_OK;
    result = backup_make_dir(b, a.path);
    snprintf(a.path + n, sizeof a.path - (size_t)n, "/%.*s", SPAN_FMT(address_local(address)));
    if (result == EX_OK)
        result = st == ST_OK ? copy_account(&a) : backup_unread(b, a.path);
    known_free(&b->known);
    survey_free(&a.survey);
    free(a.lost);
    mail_close(a.mail);
    return result;
}
