/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern alias import FILE: brings along what another mail server had in /etc/aliases. Each entry that can
 * be one here, and whose name has none yet, is added behind those that are there; what is left out is told
 * with its line. Run again, it brings what came meanwhile. Nothing is changed where the file can't be read to
 * its end, or where what it adds would go round in a circle.
 */
#include "alias.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct import {
    struct admin *a;
    const char *file;
    struct bytes text; /* the table's, with what was added */
    size_t begin;      /* of that */
    unsigned added, present, left_out;
};

/* "-" is standard input. */
static int read_source(const char *file, struct bytes *source)
{
    enum status st = file_read(AT_FDCWD, strcmp(file, "-") == 0 ? "/dev/stdin" : file, source);
    if (st == ST_OK)
        return EX_OK;
    return complain(EX_NOINPUT, "%s: %s", file, st == ST_PERM ? "is larger than 64 MiB" : strerror(errno));
}

/* The entry as it would stand here, alone. */
static bool write_entry(const struct alias_entry *e, struct bytes *line)
{
    bytes_clear(line);
    aliases_quote(span_bytes(&e->name), line);
    bytes_printf(line, ": %s", bytes_str(&e->value));
    return !line->failed;
}

static void leave_out(struct import *i, const struct alias_entry *e, const char *why)
{
    complain(EX_OK, "%s:%u: %s: left out", i->file, e->line, why);
    i->left_out++;
}

/* What is wrong with it, without the place in our own table. */
static void leave_out_as(struct import *i, const struct alias_entry *e, const struct bytes *error)
{
    const char *why = bytes_str(error), *place = strstr(why, "/aliases:1: ");
    leave_out(i, e, place ? place + strlen("/aliases:1: ") : why);
}

static int add_entry(struct import *i, const struct alias_entry *e, struct bytes *line)
{
    struct alias_entry there;
    struct bytes error;
    bool found;
    int result = alias_find(i->a, &i->text, bytes_str(&e->name), &there, &found);
    alias_entry_free(&there);
    i->present += found;
    if (result != EX_OK || found)
        return result;
    bytes_init(&error, 4096);
    enum status st =
        write_entry(e, line) ? tables_check(&i->a->s, TABLE_ALIASES, span_bytes(line), &error) : ST_TEMP;
    if (st == ST_OK) {
        edit_append(&i->text, bytes_str(line));
        i->added++;
    } else if (st == ST_PERM) {
        leave_out_as(i, e, &error);
    } else {
        result = complain(EX_TEMPFAIL, "%s:%u: %s", i->file, e->line,
                          error.len ? bytes_str(&error) : "out of memory");
    }
    bytes_free(&error);
    return result;
}

static int add_all(struct import *i, struct span source)
{
    struct alias_reader reader;
    struct alias_entry e;
    struct bytes line;
    const char *why = NULL;
    int result = EX_OK;
    bytes_init(&line, 2 * ALIASES_VALUE_LIMIT);
    alias_entry_init(&e);
    alias_reader_init(&reader, source);
    while (result == EX_OK && alias_next(&reader, &e, &why))
        result = add_entry(i, &e, &line);
    if (result == EX_OK && why)
        result = complain(EX_DATAERR, "%s:%u: %s; nothing was changed", i->file, e.line, why);
    alias_entry_free(&e);
    bytes_free(&line);
    return result;
}

/* Warns of those that lead nowhere, now that all are compiled. */
static void try_all(struct import *i)
{
    struct alias_reader reader;
    struct alias_entry e;
    const char *why;
    alias_entry_init(&e);
    alias_reader_init(&reader, span_from(span_bytes(&i->text), i->begin));
    while (alias_next(&reader, &e, &why))
        alias_try(i->a, bytes_str(&e.name));
    alias_entry_free(&e);
}

static int import_locked(struct import *i, struct span source)
{
    int result = edit_read(i->a, TABLE_ALIASES, &i->text);
    i->begin = i->text.len;
    if (result == EX_OK)
        result = add_all(i, source);
    if (result == EX_OK && i->added)
        result = edit_write(i->a, TABLE_ALIASES, &i->text);
    return result;
}

int alias_import(struct admin *a, int argc, char **argv)
{
    struct import i = { .a = a, .file = argv[0] };
    struct bytes source;
    (void)argc;
    bytes_init(&source, TABLE_TEXT_LIMIT);
    int result = read_source(i.file, &source);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = import_locked(&i, span_bytes(&source));
        edit_unlock(a);
        if (result == EX_OK && i.added)
            try_all(&i);
        if (result == EX_OK)
            printf("imported %u present %u left-out %u\n", i.added, i.present, i.left_out);
        bytes_free(&i.text);
    }
    bytes_free(&source);
    return result;
}
