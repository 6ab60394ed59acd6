/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern setup: what its parts share.
 */
#ifndef POSTERN_SETUP_H
#define POSTERN_SETUP_H

#include "admin.h"
#include "certificate.h"

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
    struct certificate_pair found; /* an ACME client's; without a count: none, or none is needed */
    const char *hook;              /* the file of certbot's deploy hook that was written now; NULL: none */
};

/* Makes folder, spool and mail, and becomes their owner. EX_OK, or complains. */
int setup_folders(struct setup *u);

/* --- setup_certificate.c */
/* Looks, as root where it is root, whether an ACME client has a certificate, where there is none yet or a
 * poor one; and has certbot call us. EX_OK. */
int setup_find_certificate(struct setup *u);
/* Puts it in place, or makes one that signs itself. As the owner. EX_OK, or complains. */
int setup_certificate(struct setup *u);
/* What is to be done about it yet, as step 3 of what is said at the end. */
void setup_say_certificate(const struct setup *u);

#endif
