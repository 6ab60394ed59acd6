/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A folder of a Maildir that somebody else kept. Beside its messages there may be
 *
 *     dovecot-uidlist, courierimapuiddb    UIDs: uid_list.c reads both
 *     dovecot-keywords                     "NUMBER NAME": 0 is the letter a in file names
 *     courierimapkeywords/:list            names, one a line, an empty line, then "FILE:NUMBER NUMBER..."
 *     courierimapkeywords/FILE, .N.FILE    newer than :list: the names of the file's keywords, one a line;
 *                                          FILE is the newest, else the greatest N
 *     postern-folder                       our own: UIDVALIDITY and letters; the UIDs stand in the names
 *
 * Everything is opened beneath the Maildir and without following links: its owner may not be trusted with
 * what we can read.
 */
#include "import.h"
#include "base/files.h"
#include "store/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT ((size_t)256 << 20)
#define KEYWORDS_LIMIT ((size_t)64 * 1024)
#define UPDATES_LIMIT 1000000
#define COURIER "courierimapkeywords"

static void read_dovecot_keywords(struct source *s)
{
    struct bytes file;
    struct span rest, line, index;
    uint64_t letter;
    bytes_init(&file, KEYWORDS_LIMIT);
    if (file_read_beneath(s->dir, "dovecot-keywords", &file) == ST_OK)
        for (rest = span_bytes(&file); rest.n && span_cut(&rest, '\n', &line);)
            if (span_cut(&line, ' ', &index) && span_u64(index, MAILBOX_KEYWORDS - 1, &letter) && line.n &&
                !s->letters[letter])
                s->letters[letter] = span_dup(line);
    bytes_free(&file);
}

/* A Postern's; false: it is none. */
static bool read_postern(struct source *s)
{
    struct durable d;
    if (durable_read(s->dir, &d) != ST_OK) {
        durable_free(&d);
        return false;
    }
    s->list.validity = d.uid_validity;
    s->list.next = d.uid_next;
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        s->letters[i] = d.keywords[i] ? strdup(d.keywords[i]) : NULL;
    durable_free(&d);
    return true;
}

static enum status read_uids(struct source *s)
{
    static const char *const files[] = { "dovecot-uidlist", "courierimapuiddb" };
    for (size_t i = 0; i < 2; i++) {
        bytes_clear(&s->list_text);
        enum status st = file_read_beneath(s->dir, files[i], &s->list_text);
        if (st == ST_OK)
            st = uid_list_read(span_bytes(&s->list_text), &s->list);
        if (st == ST_OK || st == ST_TEMP)
            return st;
        uid_list_free(&s->list);
    }
    return ST_OK;
}

static int compare_marks(const void *a, const void *b)
{
    const struct source_mark *x = a, *y = b;
    return span_compare(x->base, y->base);
}

static struct source_mark *find_mark(const struct source *s, struct span base)
{
    struct source_mark key = { .base = base };
    return s->mark_count ? bsearch(&key, s->marks, s->mark_count, sizeof key, compare_marks) : NULL;
}

static uint32_t mark_bits(struct span numbers)
{
    struct span word;
    uint64_t number;
    uint32_t bits = 0;
    while (numbers.n && span_cut(&numbers, ' ', &word))
        if (span_u64(word, SOURCE_KEYWORDS - 1, &number))
            bits |= 1U << number;
    return bits;
}

static void read_courier_list(struct source *s)
{
    struct span rest = span_bytes(&s->marks_text), line;
    struct filename f;
    size_t lines = 0, names = 0;
    while (rest.n && span_cut(&rest, '\n', &line) && line.n)
        if (names < SOURCE_KEYWORDS)
            s->names[names++] = line;
    for (size_t i = 0; i < rest.n; i++)
        lines += rest.p[i] == '\n';
    s->marks = calloc(lines + 1, sizeof *s->marks);
    while (s->marks && rest.n && span_cut(&rest, '\n', &line)) {
        const char *colon = memrchr(line.p, ':', line.n);
        if (!colon)
            continue;
        size_t at = (size_t)(colon - line.p);
        filename_parse(span_head(line, at), &f);
        s->marks[s->mark_count++] = (struct source_mark){ f.base, mark_bits(span_from(line, at + 1)) };
    }
    qsort(s->marks, s->mark_count, sizeof *s->marks, compare_marks);
}

static int compare_updates(const void *a, const void *b)
{
    const struct source_update *x = a, *y = b;
    int order = strcmp(x->name + x->at, y->name + y->at);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* "FILE" is the newest, ".N.FILE" older. */
static void add_update(struct source *s, const char *name)
{
    struct source_update u = { .n = UINT64_MAX };
    struct source_update *more = realloc(s->updates, (s->update_count + 1) * sizeof *more);
    struct span rest = span_of(name + 1), number;
    if (more)
        s->updates = more;
    if (!more || strcmp(name, ":list") == 0 ||
        (name[0] == '.' && (!span_cut(&rest, '.', &number) || !span_u64(number, UINT64_MAX - 1, &u.n))))
        return;
    u.at = name[0] == '.' ? (size_t)(rest.p - name) : 0;
    u.name = strdup(name);
    if (u.name)
        s->updates[s->update_count++] = u;
}

static void read_courier(struct source *s)
{
    int fd = file_open_beneath(s->dir, COURIER, O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        file_close(fd);
    for (struct dirent *e; d && s->update_count < UPDATES_LIMIT && (e = readdir(d));)
        add_update(s, e->d_name);
    if (d)
        closedir(d);
    if (s->update_count)
        qsort(s->updates, s->update_count, sizeof *s->updates, compare_updates);
    if (file_read_beneath(s->dir, COURIER "/:list", &s->marks_text) == ST_OK)
        read_courier_list(s);
}

enum status source_open(int maildir, const char *path, struct source *s)
{
    *s = (struct source){ .new_dir = -1, .cur_dir = -1 };
    s->list_text.limit = s->marks_text.limit = LIST_LIMIT;
    s->dir = file_open_beneath(maildir, path, O_RDONLY | O_DIRECTORY, 0);
    if (s->dir < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENOTDIR ? ST_NONE : ST_TEMP;
    s->cur_dir = file_open_beneath(s->dir, "cur", O_RDONLY | O_DIRECTORY, 0);
    if (s->cur_dir < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENOTDIR ? ST_NONE : ST_TEMP;
    s->new_dir = file_open_beneath(s->dir, "new", O_RDONLY | O_DIRECTORY, 0);
    if (s->new_dir < 0 && errno != ENOENT)
        return ST_TEMP;
    bool postern = read_postern(s);
    enum status st = postern ? ST_OK : read_uids(s);
    if (st == ST_OK && !postern) {
        read_dovecot_keywords(s);
        read_courier(s);
    }
    /* UIDs first: a message that comes meanwhile has none, and not the other way round */
    return st == ST_OK ? scan_folder(s->new_dir, s->cur_dir, &s->scan) : st;
}

void source_close(struct source *s)
{
    int saved = errno;
    scan_free(&s->scan);
    uid_list_free(&s->list);
    bytes_free(&s->list_text);
    bytes_free(&s->marks_text);
    free(s->marks);
    for (size_t i = 0; i < s->update_count; i++)
        free(s->updates[i].name);
    free(s->updates);
    for (int i = 0; i < MAILBOX_KEYWORDS; i++)
        free(s->letters[i]);
    file_close(s->new_dir);
    file_close(s->cur_dir);
    file_close(s->dir);
    errno = saved;
}

uint32_t source_uid(const struct source *s, const struct found *message)
{
    const struct filename *f = &message->f;
    if (s->list.count || !s->list.validity)
        return uid_list_find(&s->list, f->base);
    return f->validity == s->list.validity && f->uid < s->list.next ? f->uid : 0;
}

/* The newest update of the message of that name; NULL: there is none. */
static const char *find_update(const struct source *s, const char *stem)
{
    size_t low = 0, high = s->update_count; /* behind its last */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct source_update *u = &s->updates[middle];
        if (strcmp(u->name + u->at, stem) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct source_update *last = low ? &s->updates[low - 1] : NULL;
    return last && strcmp(last->name + last->at, stem) == 0 ? last->name : NULL;
}

/* What an update says; false: it can't be read. */
static bool read_update(const struct source *s, const char *name, struct source_names *names, size_t *count)
{
    char path[sizeof COURIER + FILENAME_LIMIT + 2];
    struct bytes file;
    struct span rest, line;
    size_t texts = 0;
    snprintf(path, sizeof path, COURIER "/%s", name);
    bytes_init(&file, KEYWORDS_LIMIT);
    bool good = file_read_beneath(s->dir, path, &file) == ST_OK;
    for (rest = span_bytes(&file); good && rest.n && texts < SOURCE_KEYWORDS && span_cut(&rest, '\n', &line);)
        if (line.n && span_copy(line, names->text[texts], sizeof names->text[0]))
            names->names[(*count)++] = names->text[texts++];
    bytes_free(&file);
    return good;
}

static void add_marks(const struct source *s, struct span base, struct source_names *names, size_t *count)
{
    const struct source_mark *mark = find_mark(s, base);
    for (size_t i = 0; mark && i < SOURCE_KEYWORDS; i++)
        if (mark->bits >> i & 1 && span_copy(s->names[i], names->text[i], sizeof names->text[0]))
            names->names[(*count)++] = names->text[i];
}

void source_keywords(const struct source *s, const struct found *message, struct source_names *names)
{
    const struct filename *f = &message->f;
    size_t count = 0;
    for (size_t i = 0; i < MAILBOX_KEYWORDS; i++)
        if (f->flags >> i & 1 && s->letters[i])
            names->names[count++] = s->letters[i];
    if (span_find(f->letters, 'P') < f->letters.n) /* "passed" */
        names->names[count++] = "$Forwarded";
    char stem[FILENAME_LIMIT + 1];
    struct span name = span_of(message->name);
    const char *update =
        span_copy(span_head(name, span_find(name, ':')), stem, sizeof stem) ? find_update(s, stem) : NULL;
    if (!update || !read_update(s, update, names, &count))
        add_marks(s, f->base, names, &count);
    names->names[count] = NULL;
}
