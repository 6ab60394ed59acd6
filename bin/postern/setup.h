/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern setup: what its two parts share.
 */
#ifndef POSTERN_SETUP_H
#define POSTERN_SETUP_H

#include "admin.h"

#include <limits.h>
#include <sys/types.h>

#define SYSTEM_FOLDER "/etc/postern"
#define TRIAL_OWNER "nobody"

struct setup {
    struct admin *a;
    const char *hostname, *domain, *address; /* address NULL: not given */
    struct address canonical;                /* the same as it will be written */
    char folder[PATH_MAX], spool[PATH_MAX];
    char mail[PATH_MAX]; /* the root of all Maildirs */
    bool system;         /* in /etc/postern */
    bool is_new;         /* there was no settings file */
    bool trial;          /* belongs to nobody */
    uid_t uid;           /* the owner, where we are root */
    gid_t gid;
};

/* Makes folder, spool and mail, and becomes their owner. EX_OK, or complains. */
int setup_folders(struct setup *u);

#endif
