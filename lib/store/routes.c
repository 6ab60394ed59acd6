/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking routes and their logins up; see routes.h.
 */
#include "store/routes.h"
#include "base/files.h"
#include "base/log.h"
#include "store/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRETS_FILE "route-secrets"
#define SECRETS_LIMIT ((size_t)1 << 20)
#define LABELS_LIMIT 127

struct routes {
    struct table *table;
};

enum status routes_open(const struct settings *s, struct routes **r)
{
    char path[PATH_MAX];
    struct stat st;
    *r = NULL;
    if (!tables_path(s, TABLE_ROUTES, false, path, sizeof path))
        return ST_TEMP;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? ST_OK : ST_TEMP;
    struct routes *new = calloc(1, sizeof *new);
    if (!new || tables_open(s, TABLE_ROUTES, &new->table) != ST_OK) {
        free(new);
        return ST_TEMP;
    }
    *r = new;
    return ST_OK;
}

void routes_close(struct routes *r)
{
    if (r)
        table_close(r->table);
    free(r);
}

static enum status look(struct routes *r, struct span key, struct hop *h)
{
    struct bytes lower, value;
    bytes_init(&lower, ADDRESS_LIMIT);
    bytes_init(&value, HOP_TEXT_LIMIT + ADDRESS_LIMIT);
    for (size_t i = 0; i < key.n; i++)
        bytes_add_char(&lower, ascii_lower(key.p[i]));
    enum status st = lower.failed ? ST_NONE : table_get(r->table, span_bytes(&lower), &value);
    if (st == ST_OK && hop_read(span_bytes(&value), h)) {
        log_event(LOG_ERR, "route-unusable", "who", bytes_str(&lower), "do", "run postern tables", NULL);
        st = ST_TEMP;
    }
    bytes_free(&lower);
    bytes_free(&value);
    return st;
}

enum status routes_find(struct routes *r, const struct address *a, struct hop *h)
{
    struct span domain = address_domain(a);
    *h = (struct hop){ .direct = true };
    if (!r)
        return ST_OK;
    enum status st = look(r, span_of(a->text), h);
    if (st == ST_NONE)
        st = look(r, domain, h);
    for (int i = 0; st == ST_NONE && i < LABELS_LIMIT; i++) {
        size_t dot = span_find(domain, '.');
        if (dot == domain.n)
            break;
        st = look(r, span_from(domain, dot), h);
        domain = span_from(domain, dot + 1);
    }
    if (st == ST_NONE)
        st = look(r, SPAN("*"), h);
    return st == ST_NONE ? ST_OK : st;
}

/* --- logins */

static struct span cut_word(struct span *rest)
{
    struct span word = tables_first_word(*rest);
    *rest = span_trim(span_from(*rest, word.n));
    return word;
}

/* Does the entry's first word mean this hop? With a port only if it is the same. */
static bool means(struct span word, const struct hop *h)
{
    struct hop other;
    return !hop_read(word, &other) && !other.direct && strcmp(other.name, h->name) == 0 &&
           (other.port == 0 || other.port == h->port);
}

static enum status find_login(struct span text, const struct hop *h, struct route_login *login,
                              struct bytes *why)
{
    struct span line;
    while (span_cut(&text, '\n', &line)) {
        line = span_trim(line);
        if (line.n == 0 || line.p[0] == '#' || !means(cut_word(&line), h))
            continue;
        struct span name = cut_word(&line);
        if (name.n && line.n && span_copy(name, login->name, sizeof login->name) &&
            span_copy(line, login->password, sizeof login->password))
            return ST_OK;
        bytes_add_str(why, "its line in " SECRETS_FILE " must be: host, name, password");
        return ST_TEMP;
    }
    return ST_NONE;
}

/* Whoever else could read it would know the passwords already, and who else can write it could name his own
 * host. */
static bool is_private(const struct stat *st, struct bytes *why)
{
    if (S_ISREG(st->st_mode) && st->st_uid == geteuid() && !(st->st_mode & 077))
        return true;
    bytes_add_str(why, SECRETS_FILE " must be a file that belongs to this server's user, with mode 0600");
    return false;
}

enum status routes_login(const struct settings *s, const struct hop *h, struct route_login *login,
                         struct bytes *why)
{
    char path[PATH_MAX];
    struct stat st;
    struct bytes text;
    if ((size_t)snprintf(path, sizeof path, "%s/" SECRETS_FILE, s->directory) >= sizeof path)
        return ST_TEMP;
    if (lstat(path, &st) != 0) {
        bytes_printf(why, SECRETS_FILE ": %s", strerror(errno));
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    }
    if (!is_private(&st, why))
        return ST_TEMP;
    bytes_init(&text, SECRETS_LIMIT);
    enum status found = file_read(AT_FDCWD, path, &text);
    if (found == ST_OK)
        found = find_login(span_bytes(&text), h, login, why);
    else
        bytes_printf(why, SECRETS_FILE ": %s", found == ST_PERM ? "is larger than 1 MiB" : strerror(errno));
    bytes_wipe(&text);
    return found == ST_PERM ? ST_TEMP : found;
}
