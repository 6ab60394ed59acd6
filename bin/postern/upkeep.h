/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * postern upkeep: what its parts share.
 */
#ifndef POSTERN_UPKEEP_H
#define POSTERN_UPKEEP_H

#include "admin.h"
#include "net/sandbox.h"
#include "store/expire.h"
#include "store/quota.h"

struct upkeep {
    struct admin *a;
    struct expire_rules rules;
    bool only_due; /* expiry and leftovers only where an hour has gone since they were looked after */
    bool only_say; /* nothing is changed */
    bool expires;  /* this run looks after them */
    struct sandbox *box;
};

/* When the last run was that looked after all accounts' expiry, in seconds since 1970; 0: none ever was. */
int64_t upkeep_last(const struct settings *s);

/* --- upkeep_account.c */
/* One account, in a process of its own, confined to its mail. EX_OK, or it has said what is wrong. */
int upkeep_account(struct upkeep *u, const struct address *account);
/* The sandbox for these. EX_OK, or complains. */
int upkeep_prepare(struct upkeep *u);

#endif
