/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table `bcc`; see copies.h.
 */
#include "store/copies.h"
#include "store/tables_private.h"
#include "text/aliases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *read_targets(struct span rest, struct span first_domain, struct bytes *value)
{
    struct bytes word;
    struct address a;
    const char *why = NULL, *wrong = NULL;
    bytes_init(&word, ADDRESS_LIMIT);
    while (!wrong && alias_target_next(&rest, &word, &why)) {
        if (!tables_address(span_bytes(&word), first_domain, &a))
            wrong = "names what is no address as a target";
        else
            bytes_printf(value, "%s\n", a.text);
    }
    bytes_free(&word);
    return wrong             ? wrong
           : why             ? why
           : value->failed   ? "has too many targets"
           : value->len == 0 ? "has no target"
                             : NULL;
}

const char *copies_read(struct span line, struct span first_domain, struct copies_entry *e)
{
    struct bytes who;
    bytes_init(&e->key, COPIES_KEY_LIMIT);
    bytes_init(&e->value, COPIES_VALUE_LIMIT);
    bytes_init(&who, ADDRESS_LIMIT + 8);
    struct span kind = tables_first_word(line), rest = span_trim(span_from(line, kind.n)), name;
    bool all = span_ieq_str(kind, "all"), from = span_ieq_str(kind, "from");
    const char *wrong = NULL;
    bytes_add_str(&e->key, all ? "all" : from ? "from " : "to ");
    if (!all && !from && !span_ieq_str(kind, "to"))
        wrong = "begins with none of all, from and to";
    if (!wrong && !all) {
        name = tables_first_word(rest);
        rest = span_trim(span_from(rest, name.n));
        if (span_find(name, '@') == name.n || !compile_key(name, &who))
            wrong = "needs user@domain or @domain behind its first word";
        bytes_add_span(&e->key, span_bytes(&who));
    }
    bytes_free(&who);
    return wrong ? wrong : read_targets(rest, first_domain, &e->value);
}

void copies_entry_free(struct copies_entry *e)
{
    bytes_free(&e->key);
    bytes_free(&e->value);
}

enum status compile_copies(struct compile *c)
{
    struct span rest = c->text, line;
    enum status st = ST_OK;
    for (unsigned number = 0; st == ST_OK && compile_next(&rest, &number, &line);) {
        struct copies_entry e;
        const char *why = copies_read(line, span_bytes(&c->first_domain), &e);
        st = why ? compile_wrong(c, number, line, why)
                 : compile_put(c, span_bytes(&e.key), span_bytes(&e.value));
        copies_entry_free(&e);
    }
    return st;
}

enum status copies_open(const struct settings *s, struct table **t)
{
    char path[PATH_MAX];
    struct stat info;
    *t = NULL;
    if (!tables_path(s, TABLE_BCC, false, path, sizeof path))
        return ST_TEMP;
    if (stat(path, &info) != 0)
        return errno == ENOENT ? ST_NONE : ST_TEMP;
    return tables_open(s, TABLE_BCC, t);
}

static enum status add(struct table *t, const char *kind, const char *name, struct bytes *to)
{
    char key[COPIES_KEY_LIMIT];
    snprintf(key, sizeof key, "%s%s%s", kind, name[0] ? " " : "", name);
    for (char *p = key; *p; p++)
        *p = ascii_lower(*p);
    enum status st = table_get(t, span_of(key), to);
    return st == ST_NONE ? ST_OK : st;
}

enum status copies_find(struct table *t, const char *kind, const struct address *a, const char *delimiters,
                        struct bytes *to)
{
    struct address base;
    char detail[ADDRESS_LOCAL_LIMIT + 1];
    if (strcmp(kind, "all") == 0)
        return add(t, kind, "", to);
    enum status st = add(t, kind, a->text, to);
    if (st == ST_OK && address_part(a, delimiters, &base, detail))
        st = add(t, kind, base.text, to);
    return st == ST_OK && a->text[0] ? add(t, kind, a->text + a->local_length, to) : st;
}
