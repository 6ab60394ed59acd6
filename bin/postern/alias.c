/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern alias add|remove: edits entries of aliases(5) where they stand.
 */
#include "alias.h"
#include "store/directory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char *const standard[] = { "postmaster", "abuse", "hostmaster", "root" };

int alias_find(struct admin *a, const struct bytes *text, const char *name, struct alias_entry *e,
               bool *found)
{
    struct alias_reader reader;
    const char *why;
    alias_entry_init(e);
    alias_reader_init(&reader, span_bytes(text));
    *found = false;
    while (!*found && alias_next(&reader, e, &why))
        *found = tables_same_name(span_bytes(&e->name), span_of(name));
    if (!*found && why)
        return complain(EX_DATAERR, "%s/aliases:%u: %s; nothing was changed", a->s.directory, e->line, why);
    return EX_OK;
}

static int check_name(const char *word)
{
    if (!word[0] || strpbrk(word, " \t\r\n\",:#\\|/()<>"))
        return complain(EX_DATAERR,
                        "'%s': a name is a local part, an address or @domain, without quotes or <>", word);
    return EX_OK;
}

/* An address or name, `:include:/path`, or `|command`. */
static int check_target(const char *word)
{
    for (const char *p = word; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return complain(EX_DATAERR, "'%s': a target is one line of text", word);
    if (word[0] == '|' || span_istarts(span_of(word), ALIASES_INCLUDE))
        return EX_OK;
    if (!word[0] || strpbrk(word, " \t\",:#\\|/()<>"))
        return complain(EX_DATAERR,
                        "'%s': a target is an address, a name, `:include:/path` for a file of addresses, or "
                        "`|command` in quotes",
                        word);
    return EX_OK;
}

static void print_targets(struct bytes *out, int count, char **targets)
{
    for (int i = 0; i < count; i++) {
        if (i)
            bytes_add_str(out, ", ");
        aliases_quote(span_of(targets[i]), out);
    }
}

void alias_try(struct admin *a, const char *name)
{
    struct directory *d;
    struct bytes domain;
    struct address address;
    struct targets targets = { 0 };
    if (name[0] == '@' || edit_first_domain(a, &domain) != EX_OK)
        return;
    bool is_address = tables_address(span_of(name), span_bytes(&domain), &address);
    bytes_free(&domain);
    if (!is_address || directory_open(&a->s, &d) != ST_OK)
        return;
    enum status st = directory_expand(d, &address, &targets);
    if (st == ST_PERM)
        complain(EX_OK, "warning: mail to %s will be refused: %s", address.text,
                 errno == ELOOP     ? "its aliases go round in a circle"
                 : errno == EREMOTE ? "the domain isn't one of this server's"
                                    : "it has too many targets");
    else if (st == ST_NONE)
        complain(EX_OK, "warning: mail to %s will be refused until one of its targets exists", address.text);
    else if (st == ST_TEMP && errno == ENOLINK)
        complain(EX_OK, "warning: mail to %s will wait until the file that it includes can be read",
                 address.text);
    for (size_t i = 0; i < targets.count && access(a->s.pipe_socket, F_OK) != 0; i++)
        if (targets.list[i].program) {
            complain(
                EX_OK,
                "warning: nobody runs programs at %s, so mail for them will wait; enable postern-pipe.socket",
                a->s.pipe_socket);
            break;
        }
    targets_free(&targets);
    directory_close(d);
}

void alias_warn_account(struct admin *a, const struct address *account)
{
    struct directory *d;
    struct targets targets = { 0 };
    bool arrives = false;
    if (directory_open(&a->s, &d) != ST_OK)
        return;
    enum status st = directory_expand(d, account, &targets);
    for (size_t i = 0; i < targets.count; i++)
        arrives = arrives || address_same(&targets.list[i].address, account);
    if (st != ST_TEMP && !arrives)
        complain(EX_OK,
                 "warning: an alias of that name stands before the account, and sends its mail elsewhere; "
                 "`postern alias add %s %s` keeps a copy here",
                 account->text, account->text);
    targets_free(&targets);
    directory_close(d);
}

static int add_locked(struct admin *a, int argc, char **argv)
{
    struct bytes text, more;
    struct alias_entry e;
    bool found = false;
    int result = edit_read(a, TABLE_ALIASES, &text);
    bytes_init(&more, ALIASES_VALUE_LIMIT);
    if (result == EX_OK) {
        result = alias_find(a, &text, argv[0], &e, &found);
        if (found) {
            struct span at = { text.data + e.value_end, 0 };
            bool open = e.value.len == 0 || e.value.data[e.value.len - 1] == ',';
            bytes_add_str(&more, open ? " " : ", ");
            print_targets(&more, argc - 1, argv + 1);
            edit_replace(&text, at, span_bytes(&more));
        } else {
            bytes_printf(&more, "%s: ", argv[0]);
            print_targets(&more, argc - 1, argv + 1);
            edit_append(&text, bytes_str(&more));
        }
        alias_entry_free(&e);
    }
    if (result == EX_OK)
        result = edit_write(a, TABLE_ALIASES, &text);
    bytes_free(&more);
    bytes_free(&text);
    return result;
}

int alias_add(struct admin *a, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        int result = i ? check_target(argv[i]) : check_name(argv[i]);
        if (result != EX_OK)
            return result;
    }
    int result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = add_locked(a, argc, argv);
    edit_unlock(a);
    if (result == EX_OK)
        alias_try(a, argv[0]);
    return result;
}

/* The entry's targets without `target`, on one line. False if it wasn't among them. */
static bool without_target(const struct alias_entry *e, const char *target, struct bytes *line)
{
    struct span rest = span_bytes(&e->value);
    struct bytes one;
    const char *why;
    bool removed = false, first = true;
    bytes_init(&one, ALIASES_VALUE_LIMIT);
    bytes_printf(line, "%s:", bytes_str(&e->name));
    while (alias_target_next(&rest, &one, &why)) {
        if (tables_same_name(span_bytes(&one), span_of(target))) {
            removed = true;
            continue;
        }
        bytes_add_str(line, first ? " " : ", ");
        aliases_quote(span_bytes(&one), line);
        first = false;
    }
    bytes_add_char(line, '\n');
    bytes_free(&one);
    if (first)
        bytes_clear(line); /* nothing is left: the entry goes */
    return removed;
}

static int remove_from(struct admin *a, const struct alias_entry *e, const char *target, struct bytes *text)
{
    struct bytes line;
    struct span whole = { text->data + e->begin, e->end - e->begin };
    bytes_init(&line, 2 * ALIASES_VALUE_LIMIT);
    int result = EX_OK;
    if (target && !without_target(e, target, &line))
        result = complain(EX_NOUSER, "%s: doesn't lead to %s; `postern alias list` shows where it leads",
                          bytes_str(&e->name), target);
    if (result == EX_OK) {
        edit_replace(text, whole, span_bytes(&line));
        result = edit_write(a, TABLE_ALIASES, text);
    }
    bytes_free(&line);
    return result;
}

int alias_remove(struct admin *a, int argc, char **argv)
{
    struct bytes text;
    struct alias_entry e;
    bool found;
    int result = edit_lock(a);
    if (result != EX_OK)
        return result;
    result = edit_read(a, TABLE_ALIASES, &text);
    if (result == EX_OK) {
        result = alias_find(a, &text, argv[0], &e, &found);
        if (result == EX_OK && !found)
            result = complain(EX_NOUSER, "%s: is no alias; `postern alias list` shows them", argv[0]);
        if (result == EX_OK)
            result = remove_from(a, &e, argc > 1 ? argv[1] : NULL, &text);
        alias_entry_free(&e);
    }
    bytes_free(&text);
    edit_unlock(a);
    return result;
}

void alias_say_count(struct admin *a)
{
    struct bytes text;
    struct alias_reader reader;
    struct alias_entry e;
    const char *why;
    size_t count = 0, longest = 0, total = 0;
    alias_entry_init(&e);
    if (edit_read(a, TABLE_ALIASES, &text) == EX_OK) {
        alias_reader_init(&reader, span_bytes(&text));
        for (; alias_next(&reader, &e, &why); count++) {
            longest = e.value.len > longest ? e.value.len : longest;
            total += e.name.len + e.value.len;
        }
        say_text(span_of(a->s.directory));
        printf("/aliases: %zu alias%s, longest %zu bytes, %zu bytes total\n", count, count == 1 ? "" : "es",
               longest, total);
    }
    alias_entry_free(&e);
    bytes_free(&text);
}

int alias_make_standard(struct admin *a, const char *target)
{
    struct bytes text;
    struct alias_entry e;
    bool found, changed = false;
    char line[ADDRESS_LIMIT + 32];
    int result = edit_read(a, TABLE_ALIASES, &text);
    for (size_t i = 0; result == EX_OK && i < sizeof standard / sizeof standard[0]; i++) {
        result = alias_find(a, &text, standard[i], &e, &found);
        alias_entry_free(&e);
        size_t n = strlen(standard[i]);
        if (found || (strncasecmp(target, standard[i], n) == 0 && target[n] == '@'))
            continue;
        snprintf(line, sizeof line, "%s: %s", standard[i], target);
        edit_append(&text, line);
        changed = true;
    }
    if (result == EX_OK && changed)
        result = edit_write(a, TABLE_ALIASES, &text);
    bytes_free(&text);
    return result;
}
