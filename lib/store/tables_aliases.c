/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Compiling `aliases`. A target is compiled into one line: an address, `|command`, or `:include:/path`.
 *
 * A file must lie below the settings' folder or one of `alias-directories`; it needn't be there yet. A file
 * to which mail is to be appended (`/path`) isn't supported: nothing here keeps mail but Maildirs. When all
 * entries are read they are looked through for loops.
 */
#include "store/tables_private.h"
#include "store/alias_draft.h"
#include "store/directory_private.h"
#include "text/aliases.h"

#include <string.h>

#define LINE_LIMIT (PATH_MAX + sizeof ALIASES_INCLUDE)

bool compile_key(struct span name, struct bytes *key)
{
    struct address a;
    char domain[ADDRESS_DOMAIN_LIMIT + 1];
    bytes_clear(key);
    if (name.n && name.p[0] == '@')
        return tables_domain(span_from(name, 1), domain) && bytes_printf(key, "@%s", domain);
    bool bare = span_find(name, '@') == name.n;
    if (!tables_address(name, SPAN("bare.invalid"), &a))
        return false;
    return bytes_add_span(key, bare ? address_local(&a) : span_of(a.text));
}

bool tables_same_name(struct span a, struct span b)
{
    struct bytes key, other;
    bytes_init(&key, ADDRESS_LIMIT);
    bytes_init(&other, ADDRESS_LIMIT);
    bool same = span_ieq(a, b) || (compile_key(a, &key) && compile_key(b, &other) &&
                                   span_eq(span_bytes(&key), span_bytes(&other)));
    bytes_free(&key);
    bytes_free(&other);
    return same;
}

static enum status add_include(struct compile *c, const struct alias_entry *e, struct span path,
                               struct bytes *value)
{
    struct bytes whole;
    bytes_init(&whole, LINE_LIMIT);
    path = span_trim(path);
    if (path.n && path.p[0] != '/')
        bytes_printf(&whole, "%s/", c->settings->directory);
    bytes_add_span(&whole, path);
    enum status st = ST_OK;
    if (path.n == 0 || whole.failed)
        st = compile_wrong(c, e->line, span_bytes(&e->name), ":include: needs the path of a file behind it");
    else if (!directory_may_include(c->settings, span_bytes(&whole)))
        st = compile_wrong(
            c, e->line, span_bytes(&whole),
            "can't be included: it must lie in the settings' folder, or in one that the setting "
            "alias-directories names");
    else
        bytes_printf(value, ALIASES_INCLUDE "%s\n", bytes_str(&whole));
    bytes_free(&whole);
    return st;
}

static enum status add_program(struct compile *c, const struct alias_entry *e, struct span command,
                               struct bytes *value)
{
    if (span_trim(command).n == 0)
        return compile_wrong(c, e->line, span_bytes(&e->name), "needs a command behind the '|'");
    for (size_t i = 0; i < command.n; i++)
        if ((unsigned char)command.p[i] < ' ' && command.p[i] != '\t')
            return compile_wrong(c, e->line, span_bytes(&e->name), "has a control character in its command");
    bytes_printf(value, "|%.*s\n", SPAN_FMT(span_trim(command)));
    return ST_OK;
}

static enum status add_target(struct compile *c, const struct alias_entry *e, struct span t,
                              struct bytes *value)
{
    struct address a;
    if (t.p[0] == '|')
        return add_program(c, e, span_from(t, 1), value);
    if (span_istarts(t, ALIASES_INCLUDE))
        return add_include(c, e, span_from(t, sizeof ALIASES_INCLUDE - 1), value);
    if (t.p[0] == '/')
        return compile_wrong(
            c, e->line, t,
            "a file can't be a target; name an account, or `:include:/path` for a file of addresses");
    if (!tables_address(t.p[0] == '\\' ? span_from(t, 1) : t, span_bytes(&c->first_domain), &a))
        return compile_wrong(c, e->line, t, "is no address");
    bytes_printf(value, "%s\n", a.text);
    return ST_OK;
}

static enum status add_targets(struct compile *c, const struct alias_entry *e, struct bytes *value)
{
    struct span rest = span_bytes(&e->value), name = span_bytes(&e->name);
    struct bytes target;
    const char *why = NULL;
    enum status st = ST_OK;
    bytes_init(&target, ALIASES_VALUE_LIMIT);
    bytes_clear(value);
    while (st == ST_OK && alias_target_next(&rest, &target, &why))
        st = add_target(c, e, span_bytes(&target), value);
    if (st == ST_OK && why)
        st = compile_wrong(c, e->line, name, why);
    else if (st == ST_OK && value->len == 0)
        st = compile_wrong(c, e->line, name, "has no target");
    else if (st == ST_OK && value->failed)
        st = compile_wrong(c, e->line, name, "has too many targets");
    bytes_free(&target);
    return st;
}

static enum status read_entries(struct compile *c, struct alias_draft *draft)
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
        if (!compile_key(span_bytes(&e.name), &key))
            st = compile_wrong(c, e.line, span_bytes(&e.name), "is no name, address or @domain");
        else if ((st = add_targets(c, &e, &value)) == ST_OK &&
                 (st = compile_put(c, span_bytes(&key), span_bytes(&value))) == ST_OK &&
                 !alias_draft_add(draft, e.line, span_bytes(&key), span_bytes(&value)))
            st = ST_TEMP;
    }
    if (st == ST_OK && why)
        st = compile_wrong(c, e.line, span_bytes(&e.name), why);
    alias_entry_free(&e);
    bytes_free(&value);
    bytes_free(&key);
    return st;
}

enum status compile_aliases(struct compile *c)
{
    struct alias_draft draft = { .count = 0 };
    struct bytes chain;
    bytes_init(&chain, 2048);
    enum status st = read_entries(c, &draft);
    unsigned line = st == ST_OK ? alias_draft_loop(&draft, c->settings, &chain) : 0;
    if (line)
        st = compile_wrong(c, line, SPAN(""), bytes_str(&chain));
    if (st == ST_TEMP && !c->error->len)
        bytes_printf(c->error, "%s: out of memory", c->path);
    bytes_free(&chain);
    alias_draft_free(&draft);
    return st;
}
