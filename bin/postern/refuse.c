/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern refuse add|remove: the table of senders, recipients and clients that are refused
 * (store/refused.h).
 */
#include "admin.h"
#include "store/refused.h"

#include <string.h>
#include <sysexits.h>

#define LINE_LIMIT 2048

/* The arguments as a line of the table, and what it means. */
static int read_arguments(int argc, char **argv, struct bytes *line, struct refused_entry *e)
{
    bytes_init(line, LINE_LIMIT);
    for (int i = 0; i < argc; i++)
        bytes_printf(line, "%s%s", i ? " " : "", argv[i]);
    const char *why = refused_read(span_bytes(line), e);
    if (line->failed)
        why = "is too long";
    return why ? complain(EX_DATAERR, "%s: %s", bytes_str(line), why) : EX_OK;
}

/* The line, with its LF, of the same meaning. */
static bool find(const struct bytes *text, const struct refused_entry *e, struct span *line)
{
    struct span rest = span_bytes(text);
    bool found = false;
    while (!found && rest.n) {
        struct refused_entry other;
        *line = span_head(rest, span_find(rest, '\n') + 1);
        rest = span_from(rest, line->n);
        struct span content = span_trim(*line);
        if (content.n == 0 || content.p[0] == '#')
            continue;
        found = !refused_read(content, &other) && span_eq(span_bytes(&other.key), span_bytes(&e->key));
        refused_entry_free(&other);
    }
    return found;
}

static int add_locked(struct admin *a, const struct bytes *line, const struct refused_entry *e)
{
    struct bytes text;
    struct span old;
    int result = edit_read(a, TABLE_REFUSED, &text);
    if (result == EX_OK && find(&text, e, &old))
        edit_replace(&text, old, SPAN(""));
    edit_append(&text, bytes_str(line));
    if (result == EX_OK)
        result = edit_write(a, TABLE_REFUSED, &text);
    bytes_free(&text);
    return result;
}

static int remove_locked(struct admin *a, const struct bytes *line, const struct refused_entry *e)
{
    struct bytes text;
    struct span old;
    int result = edit_read(a, TABLE_REFUSED, &text);
    if (result == EX_OK && !find(&text, e, &old))
        result =
            complain(EX_NOUSER, "%s: isn't refused; `postern refuse list` shows who is", bytes_str(line));
    if (result == EX_OK) {
        edit_replace(&text, old, SPAN(""));
        result = edit_write(a, TABLE_REFUSED, &text);
    }
    bytes_free(&text);
    return result;
}

static int change(struct admin *a, int argc, char **argv,
                  int (*locked)(struct admin *a, const struct bytes *line, const struct refused_entry *e))
{
    struct bytes line;
    struct refused_entry e;
    int result = read_arguments(argc, argv, &line, &e);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = locked(a, &line, &e);
        edit_unlock(a);
    }
    refused_entry_free(&e);
    bytes_free(&line);
    return result;
}

int refuse_add(struct admin *a, int argc, char **argv)
{
    return change(a, argc, argv, add_locked);
}

int refuse_remove(struct admin *a, int argc, char **argv)
{
    return change(a, argc, argv, remove_locked);
}
