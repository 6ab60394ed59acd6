/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Editing the text tables: under one lock, line by line, so that comments, order and whatever else an
 * administrator wrote by hand stay; checked before it is written, written as a whole, compiled at once.
 *
 * The text is replaced before its table. Killed between the two, the text is newer than the table: handlers
 * say so in the log, and the next change or `postern tables` compiles it.
 */
#include "admin.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define LOCK_FILE "tables.lock"
#define LOCK_MS 60000

/* Is it a temporary file of file_replace() for one of our texts? */
static bool is_left_over(const char *name)
{
    size_t n = strlen(name);
    for (int t = 0; t < TABLES; t++) {
        const char *word = tables_word((enum table_name)t);
        size_t k = strlen(word);
        if (strncmp(name, word, k) == 0 && name[k] == '.' && n > k + 4 && strcmp(name + n - 4, ".tmp") == 0)
            return true;
    }
    return false;
}

/* Removes what a killed postern left. As we hold the lock, nobody is writing it. */
static void sweep(struct admin *a)
{
    DIR *d = opendir(a->s.directory);
    for (struct dirent *e; d && (e = readdir(d));)
        if (is_left_over(e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

int edit_lock(struct admin *a)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" LOCK_FILE, a->s.directory) >= PATH_MAX)
        return complain(EX_CONFIG, "%s: the path is too long", a->s.directory);
    a->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (a->lock < 0)
        return complain(EX_NOPERM, "%s: %s; run this as root, or as the user whose folder it is", path,
                        strerror(errno));
    if (file_lock(a->lock, LOCK_MS) != ST_OK) {
        edit_unlock(a);
        return complain(EX_TEMPFAIL, "%s: another postern has held it for a minute; try again", path);
    }
    sweep(a);
    return EX_OK;
}

void edit_unlock(struct admin *a)
{
    file_close(a->lock);
    a->lock = -1;
}

int edit_read(struct admin *a, enum table_name name, struct bytes *text)
{
    char path[PATH_MAX];
    bytes_init(text, TABLE_TEXT_LIMIT);
    if (!tables_path(&a->s, name, false, path, sizeof path))
        return complain(EX_CONFIG, "%s: the path is too long", a->s.directory);
    enum status st = file_read(AT_FDCWD, path, text);
    if (st == ST_OK || st == ST_NONE)
        return EX_OK;
    if (errno == EACCES)
        return complain(EX_NOPERM, "%s: can't be read; it must belong to the user as whom the server runs",
                        path);
    return complain(EX_NOINPUT, "%s: %s", path, st == ST_PERM ? "is larger than 64 MiB" : strerror(errno));
}

static int compile(struct admin *a, enum table_name name)
{
    struct bytes error;
    bytes_init(&error, 4096);
    int result = EX_OK;
    switch (tables_compile(&a->s, name, &error)) {
    case ST_OK:
        break;
    case ST_PERM:
        result = complain(EX_DATAERR, "%s; the table stays as it was", bytes_str(&error));
        break;
    default:
        result = complain(EX_CANTCREAT, "%s", bytes_str(&error));
    }
    bytes_free(&error);
    return result;
}

int edit_compile_all(struct admin *a)
{
    int result = EX_OK;
    for (int t = 0; t < TABLES; t++) {
        int one = compile(a, (enum table_name)t);
        result = result == EX_OK ? one : result;
    }
    return result;
}

static int replace_text(const char *path, enum table_name name, const struct bytes *text)
{
    struct stat info;
    mode_t mode = tables_secret(name) ? 0600 : stat(path, &info) == 0 ? info.st_mode & 0777 : 0640;
    if (file_replace(AT_FDCWD, path, span_bytes(text), mode) == ST_OK)
        return EX_OK;
    return complain(errno == EACCES ? EX_NOPERM : EX_CANTCREAT, "%s: can't write it: %s", path,
                    strerror(errno));
}

int edit_write(struct admin *a, enum table_name name, const struct bytes *text)
{
    char path[PATH_MAX];
    struct bytes error;
    if (text->failed || !tables_path(&a->s, name, false, path, sizeof path))
        return complain(EX_OSERR, "%s: too large, or out of memory", tables_word(name));
    bytes_init(&error, 4096);
    int result = EX_OK;
    if (tables_check(&a->s, name, span_bytes(text), &error) != ST_OK)
        result = complain(EX_DATAERR, "%s; nothing was changed", bytes_str(&error));
    bytes_free(&error);
    if (result == EX_OK)
        result = replace_text(path, name, text);
    return result == EX_OK ? compile(a, name) : result;
}

bool edit_next(struct span *rest, struct span *line)
{
    while (span_cut(rest, '\n', line)) {
        *line = span_trim(*line);
        if (line->n && line->p[0] != '#')
            return true;
    }
    return false;
}

int edit_first_domain(struct admin *a, struct bytes *domain)
{
    struct bytes text;
    int result = edit_read(a, TABLE_DOMAINS, &text);
    bytes_init(domain, ADDRESS_DOMAIN_LIMIT);
    if (result == EX_OK)
        tables_first_domain(span_bytes(&text), domain);
    bytes_free(&text);
    return result;
}

int edit_address(struct admin *a, const char *text, struct address *address)
{
    struct bytes domain;
    int result = edit_first_domain(a, &domain);
    if (result == EX_OK && !tables_address(span_of(text), span_bytes(&domain), address))
        result = complain(EX_DATAERR, "%s: is no address; one looks like alice@%s", text,
                          domain.len ? bytes_str(&domain) : "example.org");
    bytes_free(&domain);
    return result;
}

static bool line_is(enum table_name name, struct span line, struct span first_domain, const char *canonical)
{
    struct address a;
    struct domain_entry e;
    if (name == TABLE_DOMAINS)
        return !tables_domain_entry(line, &e) && strcmp(e.name, canonical) == 0;
    if (name == TABLE_RELAY)
        return span_ieq_str(line, canonical);
    if (name == TABLE_ROUTES)
        return span_ieq_str(tables_first_word(line), canonical);
    if (name == TABLE_MASTERS)
        return span_ieq_str(span_head(line, span_find(line, ':')), canonical);
    if (name == TABLE_SECRETS)
        line = span_head(line, span_find(line, ':'));
    if (name == TABLE_ACCOUNTS)
        line = tables_first_word(line);
    return tables_address(line, first_domain, &a) && strcmp(a.text, canonical) == 0;
}

bool edit_find(struct admin *a, enum table_name name, const struct bytes *text, const char *canonical,
               struct span *line)
{
    struct bytes domain;
    struct span rest = span_bytes(text), whole;
    bool found = false;
    if (edit_first_domain(a, &domain) != EX_OK)
        return false;
    while (!found && rest.n) {
        whole = span_head(rest, span_find(rest, '\n') + 1);
        rest = span_from(rest, whole.n);
        struct span content = span_trim(whole);
        found = content.n && content.p[0] != '#' && line_is(name, content, span_bytes(&domain), canonical);
    }
    if (found)
        *line = whole;
    bytes_free(&domain);
    return found;
}

int edit_domain(struct admin *a, struct span domain, bool *there, struct domain_entry *e)
{
    struct bytes text;
    struct span line;
    char name[ADDRESS_DOMAIN_LIMIT + 1];
    int result = edit_read(a, TABLE_DOMAINS, &text);
    *there = result == EX_OK && span_copy(domain, name, sizeof name) &&
             edit_find(a, TABLE_DOMAINS, &text, name, &line) && !tables_domain_entry(line, e);
    bytes_free(&text);
    return result;
}

void edit_append(struct bytes *text, const char *line)
{
    if (text->len && text->data[text->len - 1] != '\n')
        bytes_add_char(text, '\n');
    bytes_add_str(text, line);
    bytes_add_char(text, '\n');
}

void edit_replace(struct bytes *text, struct span part, struct span with)
{
    struct bytes new;
    size_t at = (size_t)(part.p - text->data);
    bytes_init(&new, text->limit);
    bytes_add(&new, text->data, at);
    bytes_add_span(&new, with);
    bytes_add(&new, text->data + at + part.n, text->len - at - part.n);
    bytes_wipe(text);
    *text = new;
}
