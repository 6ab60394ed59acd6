/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern bcc add|remove: the table of who gets copies (store/copies.h).
 */
#include "admin.h"
#include "store/copies.h"
#include "store/directory.h"

#include <strings.h>
#include <sysexits.h>

#define LINE_LIMIT 65536

/* The line of the arguments, `count` of which say whose mail it is, and its entry. */
static int read_arguments(struct admin *a, int argc, char **argv, struct bytes *line, struct copies_entry *e)
{
    struct bytes domain;
    bool all = strcasecmp(argv[0], "all") == 0;
    bytes_init(line, LINE_LIMIT);
    for (int i = 0; i < argc; i++)
        bytes_printf(line, "%s%s", i == 0 ? "" : i > (all ? 1 : 2) ? ", " : " ", argv[i]);
    int result = edit_first_domain(a, &domain);
    const char *why = copies_read(span_bytes(line), span_bytes(&domain), e);
    if (line->failed || span_find(span_bytes(line), '\n') < line->len)
        why = "is no line of the table";
    if (result == EX_OK && why)
        result = complain(EX_DATAERR, "'%s': %s", bytes_str(line), why);
    bytes_free(&domain);
    return result;
}

/* The line, with its LF, of the same key. */
static bool find(const struct bytes *text, const struct copies_entry *e, struct span *line)
{
    struct span rest = span_bytes(text);
    bool found = false;
    while (!found && rest.n) {
        struct copies_entry other;
        *line = span_head(rest, span_find(rest, '\n') + 1);
        rest = span_from(rest, line->n);
        struct span content = span_trim(*line);
        if (content.n == 0 || content.p[0] == '#')
            continue;
        found = !copies_read(content, SPAN("first.invalid"), &other) &&
                span_eq(span_bytes(&other.key), span_bytes(&e->key));
        copies_entry_free(&other);
    }
    return found;
}

/* Replaces the line of the same key, or removes it. */
static int change_locked(struct admin *a, const struct bytes *line, const struct copies_entry *e, bool add)
{
    struct bytes text;
    struct span old;
    int result = edit_read(a, TABLE_BCC, &text);
    bool found = result == EX_OK && find(&text, e, &old);
    if (found)
        edit_replace(&text, old, SPAN(""));
    if (result == EX_OK && !found && !add)
        result = complain(EX_NOUSER, "%s: nobody gets copies of that; `postern bcc list` shows who does",
                          bytes_str(&e->key));
    if (add)
        edit_append(&text, bytes_str(line));
    if (result == EX_OK)
        result = edit_write(a, TABLE_BCC, &text);
    bytes_free(&text);
    return result;
}

/* Nobody is told later: the log alone has that a copy went to nobody. */
static void warn_targets(struct admin *a, const struct copies_entry *e)
{
    struct span rest = span_bytes(&e->value), line;
    struct directory *d;
    struct address target;
    if (directory_open(&a->s, &d) != ST_OK)
        return;
    while (span_cut(&rest, '\n', &line)) {
        struct targets targets = { 0 };
        if (line.n && address_parse(line, &target) == ADDRESS_OK &&
            directory_expand(d, &target, &targets) == ST_NONE)
            complain(EX_OK, "warning: %s gets no copies until there is such an account or alias",
                     target.text);
        targets_free(&targets);
    }
    directory_close(d);
}

static int change(struct admin *a, int argc, char **argv, bool add)
{
    struct bytes line;
    struct copies_entry e;
    int result = read_arguments(a, argc, argv, &line, &e);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = change_locked(a, &line, &e, add);
        edit_unlock(a);
        if (result == EX_OK && add)
            warn_targets(a, &e);
    }
    copies_entry_free(&e);
    bytes_free(&line);
    return result;
}

int bcc_add(struct admin *a, int argc, char **argv)
{
    return change(a, argc, argv, true);
}

int bcc_remove(struct admin *a, int argc, char **argv)
{
    char *with_target[] = { argv[0], argv[1], (char[]){ "any@target.invalid" } };
    if (argc == 1)
        with_target[1] = with_target[2];
    return change(a, argc + 1, with_target, false);
}
