/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of `postern user import` share.
 *
 *     user_import.c         the command: options, the file, what it came to
 *     user_import_line.c    a line: whom it makes, and what of it can't be honoured
 *     user_import_write.c   accounts and secrets with all of them
 */
#ifndef POSTERN_USER_IMPORT_H
#define POSTERN_USER_IMPORT_H

#include "user.h"
#include "store/quota.h"

enum import_state {
    IMPORT_NEW,      /* an account is made */
    IMPORT_SAME,     /* it is there with that password */
    IMPORT_REPLACED, /* it is there, and gets what the file says */
    IMPORT_LEFT,     /* it is there with another password, and stays so */
};

struct import_user {
    unsigned number; /* of the line */
    struct address account;
    struct bytes secret; /* the line for secrets */
    struct bytes plain;  /* the password, where the file has it as it is */
    struct quota quota;
    enum import_state state;
    bool there, has_secret; /* in accounts, in secrets */
};

/* Something to be said of some lines: "1-3, 7". */
struct import_note {
    char text[160];
    struct bytes lines;
    unsigned first, last; /* of a range that may go on */
};

struct user_import {
    struct admin *a;
    const char *file, *scheme;
    bool dry_run, replace;
    struct bytes domain; /* of names without one */
    struct import_user *users;
    size_t count, room;
    struct import_note *notes;
    size_t note_count;
    unsigned refused, passed; /* lines that make no account: wrong ones, and those without a password */
};

/* A line of the file without its LF. False: out of memory. */
bool import_line(struct user_import *u, unsigned number, struct span line);
/* Says it of one more line. */
void import_note(struct user_import *u, unsigned number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "postern: FILE:LINE: WHO: WHY", and the line counts as refused. */
void import_refuse(struct user_import *u, unsigned number, struct span who, const char *why);
/* Makes Maildirs, secrets and accounts, or (dry_run) only finds each one's state. EX_OK, or complains. */
int import_write(struct user_import *u);

#endif
