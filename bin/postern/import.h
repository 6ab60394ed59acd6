/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern import and export: what their parts share.
 */
#ifndef POSTERN_IMPORT_H
#define POSTERN_IMPORT_H

#include "admin.h"
#include "store/mailbox.h"
#include "text/mbox.h"

struct progress {
    bool shown;       /* standard error is a terminal */
    bool drawn;       /* there is a line to be wiped */
    int64_t next;     /* clock_ms() before which nothing is drawn */
};

struct import {
    struct admin *a;
    struct mail *mail;       /* the account's */
    const char *source;      /* as given */
    int fd;                  /* it, opened */
    char folder[FOLDER_NAME_LIMIT + 1]; /* as on disk; "" where none was given */
    enum mbox_format format;
    bool format_given;
    struct progress progress;
};

/* What became of one folder. */
struct import_count {
    uint64_t messages; /* that came */
    uint64_t present;  /* that were there already */
    bool kept;         /* the UIDs that they had */
};

/* --- import.c */
/* The account's mail, as its owner; EX_OK, or complains. Nothing of it is made. */
int import_account(struct admin *a, const char *address, struct mail **mail);
/* The name of a folder as given (UTF-8) as it is on disk. EX_OK, or complains. */
int import_folder_name(const char *given, char name[FOLDER_NAME_LIMIT + 1]);
/* The folder, made and subscribed where there is none. EX_OK, or complains. */
int import_make_folder(struct import *i, struct span folder);
/* Complains of what errno says about that folder. */
int import_failed(const char *what, struct span folder);
/* A line about it on standard output. */
void import_report(struct span folder, const struct import_count *count);

/* --- import_mbox.c: of one file. EX_OK, or complains and has imported nothing. */
int import_mbox(struct import *i);

/* --- progress.c: on a terminal only, at most some times a second; the folder's name is made harmless */
void progress_begin(struct progress *p);
/* `part` of `whole`, in whatever unit; whole 0: not known. */
void progress_show(struct progress *p, struct span folder, uint64_t messages, uint64_t part, uint64_t whole);
void progress_end(struct progress *p);

#endif
