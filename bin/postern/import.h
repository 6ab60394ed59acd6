/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern import and export: what their parts share.
 */
#ifndef POSTERN_IMPORT_H
#define POSTERN_IMPORT_H

#include "admin.h"
#include "store/mailbox.h"
#include "store/scan.h"
#include "store/uid_list.h"
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
    bool subscribes; /* folders that are made */
    bool reads_all;  /* as root could */
    uid_t owner;     /* of the source, then */
    struct progress progress;
};

/* What became of one folder. */
struct import_count {
    uint64_t messages; /* that came */
    uint64_t present;  /* that were there already */
    bool kept;         /* the UIDs that they had */
};

#define SOURCE_KEYWORDS 32

/* A folder of a Maildir of somebody else's. */
struct source_mark {
    struct span base; /* of a message's file name */
    uint32_t bits;    /* of its keywords, by their place in Courier's list */
};
struct source_update { /* a file of Courier's with one message's keywords */
    char *name;
    size_t at;  /* where the message's name begins in it */
    uint64_t n; /* the greater counts */
};
struct source {
    int dir, new_dir, cur_dir;
    struct scan scan;
    struct bytes list_text, marks_text;
    struct uid_list list;                   /* validity 0: it has none */
    char *letters[MAILBOX_KEYWORDS];        /* what a to z mean there; NULL: nothing */
    struct span names[SOURCE_KEYWORDS];     /* Courier's keywords */
    struct source_mark *marks;              /* by base */
    size_t mark_count;
    struct source_update *updates;          /* by the message's name, then n */
    size_t update_count;
};

/* --- import.c */
/* Is there such an account? Looks only. EX_OK, or complains. */
int import_is_account(struct admin *a, const char *address);
/* As root: becomes the owner of the spool, and where it reads a `tree` keeps of root's rights the one to
 * read; *reads_all then. EX_OK, or complains. */
int import_become_owner(struct admin *a, bool tree, bool *reads_all);
/* The second half of that, for who became the owner in another way, with PR_SET_KEEPCAPS set before. */
int import_keep_reading(bool was_root, bool *reads_all);
/* A folder's name on standard output, in UTF-8 and made harmless. */
void say_folder(struct span folder);
/* A member "folder" of an object, as json_pair() has it. */
void json_folder(const char *before, struct span folder);
/* The account's mail, as its owner; EX_OK, or complains. Nothing of it is made. */
int import_account(struct admin *a, const char *address, struct mail **mail);
/* mail_set_boot() with what the kernel says. */
void import_tell_boot(struct mail *mail);
/* The name of a folder as given (UTF-8) as it is on disk. EX_OK, or complains. */
int import_folder_name(const char *given, char name[FOLDER_NAME_LIMIT + 1]);
/* The folder, made where there is none, and subscribed then. EX_OK, or complains. */
int import_make_folder(struct import *i, struct span folder);
/* Complains of what errno says about that folder. */
int import_failed(const char *what, struct span folder);
/* A line about it on standard output. */
void import_report(const struct import *i, struct span folder, const struct import_count *count);

/* --- import_mbox.c: of one file. EX_OK, or complains and has imported nothing. */
int import_mbox(struct import *i);

/* --- import_source.c: what lies in a folder, and what Dovecot, Courier or Postern wrote beside it */
/* `path` in the Maildir. ST_NONE: there is no such folder. ST_TEMP with errno. Close it in every case. */
enum status source_open(int maildir, const char *path, struct source *s);
void source_close(struct source *s);
/* The UID that it had, or 0. */
uint32_t source_uid(const struct source *s, const struct found *message);
/* The names of its keywords, into the source; ended by NULL. Each call overwrites what `names` points to. */
struct source_names {
    const char *names[MAILBOX_KEYWORDS + SOURCE_KEYWORDS + 2];
    char text[SOURCE_KEYWORDS][MAILBOX_KEYWORD_LIMIT + 1];
};
void source_keywords(const struct source *s, const struct found *message, struct source_names *names);

/* --- import_tree.c: of a Maildir with all its folders. EX_OK, or complains. */
int import_tree(struct import *i);

/* --- progress.c: on a terminal only, at most some times a second; the folder's name is made harmless */
void progress_begin(struct progress *p);
/* `part` of `whole`, in whatever unit; whole 0: not known. */
void progress_show(struct progress *p, struct span folder, uint64_t messages, uint64_t part, uint64_t whole);
/* The same for work that has no folders: "reading the log: 34%". */
void progress_part(struct progress *p, const char *what, uint64_t part, uint64_t whole);
void progress_end(struct progress *p);

#endif
