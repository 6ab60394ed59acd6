/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compiling the text tables; see tables.h for their formats.
 *
 * A text with a mistake compiles to nothing: the old table stays, and the error names the line. What could be
 * guessed is refused where a wrong guess sends mail to the wrong place.
 */
#include "store/tables_private.h"
#include "base/files.h"
#include "store/quota.h"
#include "text/domains.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum status compile_wrong(struct compile *c, unsigned line, struct span what, const char *why)
{
    bytes_printf(c->error, "%s:%u: %.*s%s%s", c->path, line, SPAN_FMT(span_head(what, 80)),
                 what.n ? ": " : "", why);
    return ST_PERM;
}

enum status compile_put(struct compile *c, struct span key, struct span value)
{
    if (!c->build)
        return ST_OK;
    enum status st = table_build_put(c->build, key, value);
    if (st != ST_OK)
        bytes_printf(c->error, "%s: %s", c->path, strerror(errno));
    return st;
}

bool compile_next(struct span *rest, unsigned *number, struct span *line)
{
    while (span_cut(rest, '\n', line)) {
        ++*number;
        *line = span_trim(*line);
        if (line->n && line->p[0] != '#')
            return true;
    }
    return false;
}

/* An alias domain must mean one of ours, and no other name of one. */
static enum status check_renamed(struct compile *c, unsigned number, const struct domain_entry *renamed)
{
    struct span rest = c->text, line;
    struct domain_entry e;
    for (unsigned n = 0; compile_next(&rest, &n, &line);)
        if (!tables_domain_entry(line, &e) && e.kind == DOMAIN_OURS && strcmp(e.name, renamed->target) == 0)
            return ST_OK;
    return compile_wrong(
        c, number, span_of(renamed->name),
        "is to be another name of a domain that isn't one of this server's own; add that one "
        "on a line of its own");
}

static enum status compile_domains(struct compile *c)
{
    struct span rest = c->text, line;
    struct bytes value;
    enum status st = ST_OK;
    bool first = true;
    bytes_init(&value, ADDRESS_LIMIT);
    for (unsigned number = 0; st == ST_OK && compile_next(&rest, &number, &line);) {
        struct domain_entry e;
        const char *why = tables_domain_entry(line, &e);
        if (why)
            st = compile_wrong(c, number, line, why);
        if (st == ST_OK && e.kind == DOMAIN_ALIAS)
            st = check_renamed(c, number, &e);
        if (st == ST_OK && e.kind == DOMAIN_OURS && first) {
            st = compile_put(c, SPAN(TABLE_FIRST_DOMAIN), span_of(e.name));
            first = false;
        }
        bytes_clear(&value);
        domain_entry_value(&e, &value);
        if (st == ST_OK)
            st = compile_put(c, span_of(e.name), span_bytes(&value));
    }
    bytes_free(&value);
    return st;
}

static enum status compile_accounts(struct compile *c)
{
    struct span rest = c->text, line;
    enum status st = ST_OK;
    for (unsigned number = 0; st == ST_OK && compile_next(&rest, &number, &line);) {
        struct address a;
        struct quota q;
        struct bytes value;
        struct span name = tables_first_word(line), limits = span_from(line, name.n);
        if (!tables_address(name, span_bytes(&c->first_domain), &a))
            return compile_wrong(c, number, name, "is no address; one a line, such as alice@example.org");
        if (!quota_parse(limits, &q))
            return compile_wrong(c, number, span_trim(limits),
                                 "are no limits; they look like storage=2G messages=50000, 0 is none");
        bytes_init(&value, 128);
        quota_print(&q, &value);
        st = compile_put(c, span_of(a.text), span_bytes(&value));
        bytes_free(&value);
    }
    return st;
}

/* Recipients of domains that are relayed: addresses, and @domain for all of one. */
static enum status compile_relay(struct compile *c)
{
    struct span rest = c->text, line;
    enum status st = ST_OK;
    for (unsigned number = 0; st == ST_OK && compile_next(&rest, &number, &line);) {
        struct bytes key;
        bytes_init(&key, ADDRESS_LIMIT);
        st = compile_key(line, &key) && span_find(line, '@') < line.n
                 ? compile_put(c, span_bytes(&key), SPAN(""))
                 : compile_wrong(c, number, line,
                                 "is no address and no @domain; one a line, such as user@example.com");
        bytes_free(&key);
    }
    return st;
}

static enum status compile_text(struct compile *c, enum table_name name)
{
    static enum status (*const how[TABLES])(struct compile *) = {
        [TABLE_DOMAINS] = compile_domains, [TABLE_ACCOUNTS] = compile_accounts,
        [TABLE_ALIASES] = compile_aliases, [TABLE_SECRETS] = compile_secrets,
        [TABLE_RELAY] = compile_relay,     [TABLE_REFUSED] = compile_refused,
        [TABLE_ROUTES] = compile_routes,   [TABLE_BCC] = compile_copies,
        [TABLE_MASTERS] = compile_masters,
    };
    if (span_find(c->text, '\0') < c->text.n) {
        bytes_printf(c->error, "%s: holds a NUL; it must be text", c->path);
        return ST_PERM;
    }
    return how[name](c);
}

/* The first domain of our own, from the text: the compiled table may be older. */
static enum status read_first_domain(const struct settings *s, struct compile *c)
{
    char path[PATH_MAX];
    struct bytes text;
    if (!tables_path(s, TABLE_DOMAINS, false, path, sizeof path))
        return ST_TEMP;
    bytes_init(&text, TABLE_TEXT_LIMIT);
    enum status st = file_read(AT_FDCWD, path, &text);
    if (st == ST_OK)
        tables_first_domain(span_bytes(&text), &c->first_domain);
    if (st == ST_TEMP || st == ST_PERM)
        bytes_printf(c->error, "%s: %s", path, st == ST_PERM ? "is too large" : strerror(errno));
    bytes_free(&text);
    return st == ST_NONE ? ST_OK : st;
}

static enum status begin(const struct settings *s, enum table_name name, struct compile *c,
                         struct bytes *error)
{
    *c = (struct compile){ .settings = s, .error = error };
    bytes_init(&c->first_domain, ADDRESS_DOMAIN_LIMIT);
    if (!tables_path(s, name, false, c->path, sizeof c->path)) {
        bytes_printf(error, "%s: the path is too long", s->directory);
        return ST_TEMP;
    }
    return name == TABLE_DOMAINS ? ST_OK : read_first_domain(s, c);
}

enum status tables_check(const struct settings *s, enum table_name name, struct span text,
                         struct bytes *error)
{
    struct compile c;
    enum status st = begin(s, name, &c, error);
    c.text = text;
    if (st == ST_OK)
        st = compile_text(&c, name);
    bytes_free(&c.first_domain);
    return st;
}

/* The text and what to know it by. A missing file is an empty text. */
static enum status read_text(struct compile *c, struct bytes *text, struct table_source *source, mode_t *mode)
{
    struct stat info = { 0 };
    if (stat(c->path, &info) != 0 && errno == ENOENT)
        return ST_OK;
    enum status st = file_read(AT_FDCWD, c->path, text);
    if (st != ST_OK) {
        bytes_printf(c->error, "%s: %s", c->path, st == ST_PERM ? "is larger than 64 MiB" : strerror(errno));
        return ST_TEMP;
    }
    /* stat came first: a text that changes between the two is read again by handlers, and told by its
     * digest */
    source->mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    *mode = info.st_mode & 0777;
    source->size = text->len;
    source->digest = table_digest(span_bytes(text));
    return ST_OK;
}

enum status tables_compile(const struct settings *s, enum table_name name, struct bytes *error)
{
    struct compile c;
    struct bytes text;
    struct table_source source = { .digest = table_digest(SPAN("")) };
    char compiled[PATH_MAX];
    mode_t mode = 0600;
    bytes_init(&text, TABLE_TEXT_LIMIT);
    enum status st = begin(s, name, &c, error);
    if (st == ST_OK)
        st = read_text(&c, &text, &source, &mode);
    if (st == ST_OK && (!tables_path(s, name, true, compiled, sizeof compiled) ||
                        table_build_begin(compiled, &c.build) != ST_OK)) {
        bytes_printf(error, "%s: %s", c.path, strerror(errno));
        st = ST_TEMP;
    }
    c.text = span_bytes(&text);
    if (st == ST_OK)
        st = compile_text(&c, name);
    if (st == ST_OK) {
        if (name == TABLE_ALIASES) /* as its text: who runs its programs is another user */
            table_build_mode(c.build, mode | 0600);
        table_build_source(c.build, &source);
        st = table_build_finish(c.build);
        c.build = NULL;
        if (st != ST_OK)
            bytes_printf(error, "%s: can't write it: %s", compiled, strerror(errno));
    }
    table_build_abort(c.build);
    bytes_free(&c.first_domain);
    bytes_wipe(&text);
    return st;
}
