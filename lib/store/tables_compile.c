/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compiling the text tables; see tables.h for their formats.
 *
 * A text with a mistake compiles to nothing: the old table stays, and the error names the line. What could be
 * guessed is refused where a wrong guess sends mail to the wrong place.
 */
#include "store/tables.h"
#include "base/files.h"
#include "store/quota.h"
#include "store/secrets.h"
#include "text/aliases.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct compile {
    char path[PATH_MAX]; /* of the text */
    struct span text;
    struct bytes first_domain;
    struct table_build *build; /* NULL: only checking */
    struct bytes *error;
};

static enum status wrong(struct compile *c, unsigned line, struct span what, const char *why)
{
    bytes_printf(c->error, "%s:%u: %.*s%s%s", c->path, line, SPAN_FMT(span_head(what, 80)),
                 what.n ? ": " : "", why);
    return ST_PERM;
}

static enum status put(struct compile *c, struct span key, struct span value)
{
    if (!c->build)
        return ST_OK;
    enum status st = table_build_put(c->build, key, value);
    if (st != ST_OK)
        bytes_printf(c->error, "%s: %s", c->path, strerror(errno));
    return st;
}

static bool is_domain(struct span text, struct address *a)
{
    char probe[ADDRESS_LIMIT + 4];
    int n = snprintf(probe, sizeof probe, "x@%.*s", SPAN_FMT(span_head(text, ADDRESS_LIMIT)));
    return n > 0 && (size_t)n < sizeof probe && text.n <= ADDRESS_DOMAIN_LIMIT &&
           address_parse(span_of(probe), a) == ADDRESS_OK && address_domain(a).p[0] != '[';
}

/* The next line that says something, trimmed, its number in *number. */
static bool next_line(struct span *rest, unsigned *number, struct span *line)
{
    while (span_cut(rest, '\n', line)) {
        ++*number;
        *line = span_trim(*line);
        if (line->n && line->p[0] != '#')
            return true;
    }
    return false;
}

static enum status compile_domains(struct compile *c)
{
    struct span rest = c->text, line;
    enum status st = ST_OK;
    bool first = true;
    for (unsigned number = 0; st == ST_OK && next_line(&rest, &number, &line); first = false) {
        struct address a;
        if (!is_domain(line, &a))
            return wrong(c, number, line, "is no domain name; one a line, such as example.org");
        if (first)
            st = put(c, SPAN(TABLE_FIRST_DOMAIN), address_domain(&a));
        if (st == ST_OK)
            st = put(c, address_domain(&a), SPAN(""));
    }
    return st;
}

static enum status compile_accounts(struct compile *c)
{
    struct span rest = c->text, line;
    enum status st = ST_OK;
    for (unsigned number = 0; st == ST_OK && next_line(&rest, &number, &line);) {
        struct address a;
        struct quota q;
        struct bytes value;
        struct span name = tables_first_word(line), limits = span_from(line, name.n);
        if (!tables_address(name, span_bytes(&c->first_domain), &a))
            return wrong(c, number, name, "is no address; one a line, such as alice@example.org");
        if (!quota_parse(limits, &q))
            return wrong(c, number, span_trim(limits),
                         "are no limits; they look like storage=2G messages=50000, 0 is none");
        bytes_init(&value, 128);
        quota_print(&q, &value);
        st = put(c, span_of(a.text), span_bytes(&value));
        bytes_free(&value);
    }
    return st;
}

/* How the verifiers look; more kinds than these aren't told of. */
struct mix {
    struct {
        unsigned iterations;
        size_t salt_length;
        unsigned count;
    } kinds[16];
    size_t count;
};

static void mix_count(struct mix *mix, struct span value)
{
    struct scram_verifier v;
    size_t i = 0;
    if (secrets_value_verifier(value, &v) != ST_OK)
        return;
    while (i < mix->count &&
           (mix->kinds[i].iterations != v.iterations || mix->kinds[i].salt_length != v.salt_length))
        i++;
    if (i < sizeof mix->kinds / sizeof mix->kinds[0]) {
        mix->kinds[i].iterations = v.iterations;
        mix->kinds[i].salt_length = v.salt_length;
        mix->kinds[i].count++;
        mix->count += i == mix->count;
    }
    explicit_bzero(&v, sizeof v);
}

static enum status put_mix(struct compile *c, const struct mix *mix)
{
    struct bytes text;
    bytes_init(&text, 1024);
    for (size_t i = 0; i < mix->count; i++)
        bytes_printf(&text, "%u %zu %u\n", mix->kinds[i].iterations, mix->kinds[i].salt_length,
                     mix->kinds[i].count);
    enum status st = put(c, SPAN(SECRETS_MIX), span_bytes(&text));
    bytes_free(&text);
    return st;
}

static enum status compile_secret(struct compile *c, unsigned number, struct span line, struct mix *mix)
{
    struct span field[SECRETS_FIELDS];
    struct bytes value;
    struct address a;
    secrets_fields(line, field);
    if (!tables_address(field[0], span_bytes(&c->first_domain), &a))
        return wrong(c, number, field[0], "is no address; a line is user@domain:{SCHEME}hash");
    if (field[1].n == 0)
        return wrong(c, number, field[0], "has no {SCHEME}hash behind a ':'; `postern user passwd` sets one");
    bytes_init(&value, line.n + SCRAM_VERIFIER_TEXT);
    enum status st = ST_PERM;
    if (secrets_value(field[1], field[SECRETS_FIELDS - 1], &value)) {
        mix_count(mix, span_bytes(&value));
        st = put(c, span_of(a.text), span_bytes(&value));
    } else {
        wrong(c, number, field[0],
              "has no good {SCRAM-SHA-256} verifier, which is iterations,salt,StoredKey,ServerKey; `postern "
              "user passwd` sets "
              "one");
    }
    bytes_wipe(&value);
    return st;
}

static enum status compile_secrets(struct compile *c)
{
    struct span rest = c->text, line;
    struct mix mix = { .count = 0 };
    enum status st = ST_OK;
    for (unsigned number = 0; st == ST_OK && next_line(&rest, &number, &line);)
        st = compile_secret(c, number, line, &mix);
    return st == ST_OK ? put_mix(c, &mix) : st;
}

/* The key of an alias: "name", "name@domain" or "@domain". */
static bool alias_key(struct span name, struct bytes *key)
{
    struct address a;
    bytes_clear(key);
    if (name.n && name.p[0] == '@') {
        if (!is_domain(span_from(name, 1), &a))
            return false;
        bytes_add_char(key, '@');
        return bytes_add_span(key, address_domain(&a));
    }
    bool bare = span_find(name, '@') == name.n;
    if (!tables_address(name, SPAN("bare.invalid"), &a))
        return false;
    return bytes_add_span(key, bare ? address_local(&a) : span_of(a.text));
}

static enum status add_targets(struct compile *c, const struct alias_entry *e, struct bytes *value)
{
    struct span rest = span_bytes(&e->value), name = span_bytes(&e->name);
    struct bytes target;
    const char *why = NULL;
    enum status st = ST_OK;
    bytes_init(&target, ALIASES_VALUE_LIMIT);
    bytes_clear(value);
    while (st == ST_OK && alias_target_next(&rest, &target, &why)) {
        struct address a;
        struct span t = span_bytes(&target);
        if (t.p[0] == '|' || t.p[0] == '/' || span_istarts(t, ":include:"))
            st = wrong(c, e->line, name,
                       "programs, files and :include: as targets aren't supported; name addresses");
        else if (!tables_address(t.p[0] == '\\' ? span_from(t, 1) : t, span_bytes(&c->first_domain), &a))
            st = wrong(c, e->line, t, "is no address");
        else
            bytes_printf(value, "%s\n", a.text);
    }
    if (st == ST_OK && why)
        st = wrong(c, e->line, name, why);
    else if (st == ST_OK && value->len == 0)
        st = wrong(c, e->line, name, "has no target");
    bytes_free(&target);
    return st;
}

static enum status compile_aliases(struct compile *c)
{
    struct alias_reader reader;
    struct alias_entry e;
    struct bytes key, value;
    const char *why;
    enum status st = ST_OK;
    bytes_init(&key, ADDRESS_LIMIT + 8);
    bytes_init(&value, 2 * ALIASES_VALUE_LIMIT + ALIASES_VALUE_LIMIT * ADDRESS_DOMAIN_LIMIT / 2);
    alias_entry_init(&e);
    alias_reader_init(&reader, c->text);
    while (st == ST_OK && alias_next(&reader, &e, &why)) {
        if (!alias_key(span_bytes(&e.name), &key))
            st = wrong(c, e.line, span_bytes(&e.name), "is no name, address or @domain");
        else if ((st = add_targets(c, &e, &value)) == ST_OK)
            st = put(c, span_bytes(&key), span_bytes(&value));
    }
    if (st == ST_OK && why)
        st = wrong(c, e.line, span_bytes(&e.name), why);
    alias_entry_free(&e);
    bytes_free(&value);
    bytes_free(&key);
    return st;
}

static enum status compile_text(struct compile *c, enum table_name name)
{
    static enum status (*const how[TABLES])(struct compile *) = {
        [TABLE_DOMAINS] = compile_domains,
        [TABLE_ACCOUNTS] = compile_accounts,
        [TABLE_ALIASES] = compile_aliases,
        [TABLE_SECRETS] = compile_secrets,
    };
    if (span_find(c->text, '\0') < c->text.n) {
        bytes_printf(c->error, "%s: holds a NUL; it must be text", c->path);
        return ST_PERM;
    }
    return how[name](c);
}

/* The first domain, from the text: the compiled table may be older. */
static enum status read_first_domain(const struct settings *s, struct compile *c)
{
    char path[PATH_MAX];
    struct bytes text;
    struct address a;
    unsigned number = 0;
    struct span rest, line;
    if (!tables_path(s, TABLE_DOMAINS, false, path, sizeof path))
        return ST_TEMP;
    bytes_init(&text, TABLE_TEXT_LIMIT);
    enum status st = file_read(AT_FDCWD, path, &text);
    rest = span_bytes(&text);
    if (st == ST_OK && next_line(&rest, &number, &line) && is_domain(line, &a))
        bytes_add_span(&c->first_domain, address_domain(&a));
    if (st == ST_TEMP || st == ST_PERM)
        bytes_printf(c->error, "%s: %s", path, st == ST_PERM ? "is too large" : strerror(errno));
    bytes_free(&text);
    return st == ST_NONE ? ST_OK : st;
}

static enum status begin(const struct settings *s, enum table_name name, struct compile *c,
                         struct bytes *error)
{
    *c = (struct compile){ .error = error };
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
static enum status read_text(struct compile *c, struct bytes *text, struct table_source *source)
{
    struct stat info = { 0 };
    if (stat(c->path, &info) != 0 && errno == ENOENT)
        return ST_OK;
    enum status st = file_read(AT_FDCWD, c->path, text);
    if (st != ST_OK) {
        bytes_printf(c->error, "%s: %s", c->path, st == ST_PERM ? "is larger than 64 MiB" : strerror(errno));
        return ST_TEMP;
    }
    /* stat came first: a text that changes between the two is read again by handlers, and told by its digest
     */
    source->mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
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
    bytes_init(&text, TABLE_TEXT_LIMIT);
    enum status st = begin(s, name, &c, error);
    if (st == ST_OK)
        st = read_text(&c, &text, &source);
    if (st == ST_OK && (!tables_path(s, name, true, compiled, sizeof compiled) ||
                        table_build_begin(compiled, &c.build) != ST_OK)) {
        bytes_printf(error, "%s: %s", c.path, strerror(errno));
        st = ST_TEMP;
    }
    c.text = span_bytes(&text);
    if (st == ST_OK)
        st = compile_text(&c, name);
    if (st == ST_OK) {
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
