/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern export: what its two parts share.
 */
#ifndef POSTERN_EXPORT_H
#define POSTERN_EXPORT_H

#include "import.h"

struct export {
    struct admin *a;
    struct mail *mail;
    const char *target; /* as given */
    int fd;             /* it, made and opened */
    bool mbox, to_stdout;
    char folder[FOLDER_NAME_LIMIT + 1]; /* as on disk; "": all, or INBOX */
    struct progress progress;
};

/* A line about a folder on standard output. */
void export_report(const struct export *e, struct span folder, uint64_t count);

/* --- export_tree.c */
/* A Maildir with its folders, or with one, which is then the Maildir itself. EX_OK, or complains. */
int export_tree(struct export *e);

#endif
