/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern master add|passwd|remove|list: who may log in as any account; see lib/store/login_master.c.
 *
 * The table `masters` is there from the first of them on, and a passwd-file as secrets is. There is no
 * verifier for SCRAM in it: a master logs in by his password.
 */
#include "admin.h"
#include "store/password.h"
#include "store/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static int read_name(const char *text, char name[TABLE_MASTER_LIMIT + 1])
{
    if (tables_master(span_of(text), name))
        return EX_OK;
    return complain(EX_DATAERR,
                    "%s: a master user's name is of letters, digits and . _ - @, at most %u of them", text,
                    TABLE_MASTER_LIMIT);
}

static int no_master(const char *name)
{
    return complain(EX_NOUSER, "%s: is no master user; `postern master list` shows them", name);
}

static int is_there(struct admin *a, const char *name, bool *there)
{
    struct bytes text;
    struct span line;
    int result = edit_read(a, TABLE_MASTERS, &text);
    *there = result == EX_OK && edit_find(a, TABLE_MASTERS, &text, name, &line);
    bytes_wipe(&text);
    return result;
}

/* Puts `hash` into the line of that name, or at the end. Lock held. */
static int set_line(struct admin *a, const char *name, struct span hash)
{
    struct bytes text, entry;
    struct span line, old = SPAN("");
    int result = edit_read(a, TABLE_MASTERS, &text);
    bool there = result == EX_OK && edit_find(a, TABLE_MASTERS, &text, name, &line);
    if (there)
        old = span_trim(line);
    bytes_init(&entry, old.n + 4096);
    if (!secrets_line(span_of(name), hash, SPAN(""), old, &entry))
        result = complain(EX_OSERR, "masters: out of memory, or a line is too long");
    else if (!there)
        edit_append(&text, bytes_str(&entry));
    else if (bytes_add_char(&entry, '\n'))
        edit_replace(&text, line, span_bytes(&entry));
    if (result == EX_OK)
        result = edit_write(a, TABLE_MASTERS, &text);
    bytes_wipe(&entry);
    bytes_wipe(&text);
    return result;
}

static int set_password(struct admin *a, const char *name)
{
    struct bytes password, hash;
    if (!read_password(name, &password))
        return EX_DATAERR;
    bytes_init(&hash, 4096);
    int result = password_hash(span_bytes(&password), &hash) == ST_OK
                     ? edit_lock(a)
                     : complain(EX_OSERR, "the password can't be hashed: %s", strerror(errno));
    bytes_wipe(&password);
    if (result == EX_OK) {
        result = set_line(a, name, span_bytes(&hash));
        edit_unlock(a);
    }
    bytes_wipe(&hash);
    return result;
}

/* Is there a master of that name, as there has to be, or not? */
static int change(struct admin *a, const char *text, bool expected)
{
    char name[TABLE_MASTER_LIMIT + 1];
    bool there = false;
    int result = read_name(text, name);
    if (result == EX_OK)
        result = is_there(a, name, &there);
    if (result == EX_OK && there != expected)
        result = expected
                     ? no_master(name)
                     : complain(EX_DATAERR,
                                "%s: is a master user already; `postern master passwd` changes the password",
                                name);
    return result == EX_OK ? set_password(a, name) : result;
}

int master_add(struct admin *a, int argc, char **argv)
{
    (void)argc;
    return change(a, argv[0], false);
}

int master_passwd(struct admin *a, int argc, char **argv)
{
    (void)argc;
    return change(a, argv[0], true);
}

static int remove_line(struct admin *a, const char *name)
{
    struct bytes text;
    struct span line;
    int result = edit_read(a, TABLE_MASTERS, &text);
    if (result == EX_OK && !edit_find(a, TABLE_MASTERS, &text, name, &line))
        result = no_master(name);
    if (result == EX_OK) {
        edit_replace(&text, line, SPAN(""));
        result = edit_write(a, TABLE_MASTERS, &text);
    }
    bytes_wipe(&text);
    return result;
}

int master_remove(struct admin *a, int argc, char **argv)
{
    char name[TABLE_MASTER_LIMIT + 1];
    (void)argc;
    int result = read_name(argv[0], name);
    if (result == EX_OK)
        result = edit_lock(a);
    if (result == EX_OK) {
        result = remove_line(a, name);
        edit_unlock(a);
    }
    return result;
}

int master_list(struct admin *a, int argc, char **argv)
{
    struct bytes text;
    struct span rest, line;
    (void)argc, (void)argv;
    int result = edit_read(a, TABLE_MASTERS, &text);
    for (rest = span_bytes(&text); result == EX_OK && edit_next(&rest, &line);) {
        struct span name = span_head(line, span_find(line, ':'));
        if (a->json) {
            json_line((struct json_member[]){ { "master", name } }, 1);
            continue;
        }
        say_text(name);
        putchar('\n');
    }
    bytes_wipe(&text);
    return result;
}
