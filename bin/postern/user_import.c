/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern user import [--dry-run] [--replace] [--scheme SCHEME] [--domain DOMAIN] FILE
 *
 * Makes accounts of the lines of a passwd-file (store/passwd_file.h). Nothing in it is dropped in silence: a
 * line that makes no account is named with the reason, and what means nothing here is named with the lines
 * that have it. Root reads the file, the owner of the spool does the rest.
 */
#include "user_import.h"
#include "base/files.h"
#include "import.h"
#include "store/password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define NOTES_LIMIT 200
#define NOTE_LINES 65536 /* bytes of line numbers */

/* --- what is said of lines */

static void end_range(struct import_note *n)
{
    bytes_printf(&n->lines, "%s%u", n->lines.len ? ", " : "", n->first);
    if (n->last > n->first)
        bytes_printf(&n->lines, "-%u", n->last);
}

void import_note(struct user_import *u, unsigned number, const char *format, ...)
{
    char text[sizeof u->notes->text];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    struct import_note *n = u->notes, *end = u->notes + u->note_count;
    while (n < end && strcmp(n->text, text) != 0)
        n++;
    if (n == end) {
        if (u->note_count == NOTES_LIMIT) {
            complain(0, "%s:%u: %s", u->file, number, text);
            return;
        }
        *n = (struct import_note){ .first = number, .last = number };
        memcpy(n->text, text, sizeof text);
        bytes_init(&n->lines, NOTE_LINES);
        u->note_count++;
    } else if (number > n->last + 1) {
        end_range(n);
        n->first = n->last = number;
    } else {
        n->last = number;
    }
}

void import_refuse(struct user_import *u, unsigned number, struct span who, const char *why)
{
    complain(0, "%s:%u: %.*s: %s", u->file, number, SPAN_FMT(span_head(who, ADDRESS_LIMIT)), why);
    u->refused++;
}

static void say_notes(struct user_import *u)
{
    for (size_t i = 0; i < u->note_count; i++) {
        struct import_note *n = &u->notes[i];
        end_range(n);
        printf("%s %s%s: ", n->lines.len && strpbrk(bytes_str(&n->lines), ",-") ? "lines" : "line",
               bytes_str(&n->lines), n->lines.failed ? " and others" : "");
        say_text(span_of(n->text));
        putchar('\n');
    }
}

/* --- the file */

static int read_file(const char *path, struct bytes *text)
{
    bytes_init(text, TABLE_TEXT_LIMIT);
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = -1;
    while (fd >= 0 && bytes_reserve(text, 65536) && (n = read(fd, text->data + text->len, 65536)) > 0)
        text->len += (size_t)n;
    int why = errno;
    file_close(fd);
    if (fd >= 0 && n == 0)
        return EX_OK;
    return complain(EX_NOINPUT, "%s: can't be read: %s", path,
                    text->failed ? "it is too large" : strerror(why));
}

static int read_lines(struct user_import *u, struct span text)
{
    struct span line;
    for (unsigned number = 1; span_cut(&text, '\n', &line); number++) {
        if (line.n && line.p[line.n - 1] == '\r')
            line = span_head(line, line.n - 1);
        if (span_trim(line).n == 0 || line.p[0] == '#' || line.p[0] == ':') /* so Dovecot */
            continue;
        if (!import_line(u, number, line))
            return complain(EX_OSERR, "out of memory");
    }
    return EX_OK;
}

/* --- the command */

static int read_options(struct user_import *u, int *argc, char ***argv)
{
    struct bytes probe;
    for (; *argc > 1 && (*argv)[0][0] == '-'; --*argc, ++*argv) {
        const char *option = (*argv)[0];
        if (strcmp(option, "--dry-run") == 0) {
            u->dry_run = true;
        } else if (strcmp(option, "--replace") == 0) {
            u->replace = true;
        } else if (strcmp(option, "--scheme") == 0 && *argc > 2) {
            u->scheme = (*argv)[1];
            --*argc, ++*argv;
        } else if (strcmp(option, "--domain") == 0 && *argc > 2) {
            bytes_init(&probe, ADDRESS_DOMAIN_LIMIT);
            bytes_add_str(&probe, (*argv)[1]);
            u->domain = probe;
            --*argc, ++*argv;
        } else {
            return complain(EX_USAGE, "%s: no such option, or one that wants a value", option);
        }
    }
    return *argc == 1 ? EX_OK : complain(EX_USAGE, "a file is wanted, behind the options");
}

static int summarise(const struct user_import *u)
{
    unsigned states[IMPORT_LEFT + 1] = { 0 };
    for (size_t i = 0; i < u->count; i++) {
        const struct import_user *user = &u->users[i];
        states[user->state]++;
        if (user->state == IMPORT_LEFT)
            complain(0,
                     "%s:%u: %s: is an account with another password, and stays so; --replace takes this one",
                     u->file, user->number, user->account.text);
    }
    printf("%s%u made, %u replaced, %u as they were, %u left alone, %u without a password, %u refused\n",
           u->dry_run ? "would be: " : "", states[IMPORT_NEW], states[IMPORT_REPLACED], states[IMPORT_SAME],
           states[IMPORT_LEFT], u->passed, u->refused);
    return u->refused || states[IMPORT_LEFT] ? EX_DATAERR : EX_OK;
}

static void free_import(struct user_import *u)
{
    for (size_t i = 0; i < u->count; i++) {
        bytes_wipe(&u->users[i].secret);
        bytes_wipe(&u->users[i].plain);
    }
    for (size_t i = 0; i < u->note_count; i++)
        bytes_free(&u->notes[i].lines);
    free(u->users);
    free(u->notes);
    bytes_free(&u->domain);
}

static int run(struct user_import *u, struct span text)
{
    bool unused;
    int result = import_become_owner(u->a, false, &unused);
    if (result == EX_OK && !u->domain.len)
        result = edit_first_domain(u->a, &u->domain);
    if (result == EX_OK)
        result = read_lines(u, text);
    if (result == EX_OK)
        result = import_write(u);
    say_notes(u);
    if (result != EX_OK)
        return result;
    result = summarise(u);
    for (size_t i = 0; i < u->count && !u->dry_run; i++)
        if (u->users[i].state == IMPORT_NEW)
            alias_warn_account(u->a, &u->users[i].account);
    user_warn_scram(u->a);
    return result;
}

int user_import(struct admin *a, int argc, char **argv)
{
    struct user_import u = { .a = a, .scheme = "CRYPT", .notes = calloc(NOTES_LIMIT, sizeof *u.notes) };
    struct bytes text;
    int result = u.notes ? read_options(&u, &argc, &argv) : complain(EX_OSERR, "out of memory");
    if (result == EX_OK) {
        u.file = argv[0];
        result = read_file(u.file, &text);
        if (result == EX_OK)
            result = run(&u, span_bytes(&text));
        bytes_wipe(&text);
    }
    free_import(&u);
    return result;
}
