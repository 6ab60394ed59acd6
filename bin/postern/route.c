/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern route add|remove|list: the table of places that mail is sent to (text/hop.h).
 */
#include "admin.h"
#include "text/hop.h"

#include <sysexits.h>

#define LINE_LIMIT 2048

static int add_locked(struct admin *a, const char *who, const char *line)
{
    struct bytes text;
    struct span old;
    int result = edit_read(a, TABLE_ROUTES, &text);
    if (result == EX_OK && edit_find(a, TABLE_ROUTES, &text, who, &old))
        edit_replace(&text, old, SPAN(""));
    edit_append(&text, line);
    if (result == EX_OK)
        result = edit_write(a, TABLE_ROUTES, &text);
    bytes_free(&text);
    return result;
}

static int remove_locked(struct admin *a, const char *who, const char *line)
{
    struct bytes text;
    struct span old;
    (void)line;
    int result = edit_read(a, TABLE_ROUTES, &text);
    if (result == EX_OK && !edit_find(a, TABLE_ROUTES, &text, who, &old))
        result = complain(EX_NOHOST, "%s: has no route; `postern route list` shows who has", who);
    if (result == EX_OK) {
        edit_replace(&text, old, SPAN(""));
        result = edit_write(a, TABLE_ROUTES, &text);
    }
    bytes_free(&text);
    return result;
}

/* The arguments are a line of the table. */
static int change(struct admin *a, int argc, char **argv,
                  int (*locked)(struct admin *a, const char *who, const char *line), const char *where)
{
    struct bytes line, who;
    struct hop h;
    bytes_init(&line, LINE_LIMIT);
    bytes_init(&who, ADDRESS_LIMIT);
    for (int i = 0; i < argc; i++)
        bytes_printf(&line, "%s%s", i ? " " : "", argv[i]);
    bytes_add_str(&line, where);
    const char *why = line.failed || span_find(span_bytes(&line), '\n') < line.len
                          ? "is too long, or more than a line"
                          : hop_line(span_bytes(&line), &who, &h);
    int result = why ? complain(EX_DATAERR, "%s: %s", bytes_str(&line), why) : edit_lock(a);
    if (result == EX_OK) {
        result = locked(a, bytes_str(&who), bytes_str(&line));
        edit_unlock(a);
    }
    bytes_free(&line);
    bytes_free(&who);
    return result;
}

int route_add(struct admin *a, int argc, char **argv)
{
    return change(a, argc, argv, add_locked, "");
}

int route_remove(struct admin *a, int argc, char **argv)
{
    return change(a, argc, argv, remove_locked, " direct");
}
