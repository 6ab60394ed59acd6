/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who lives here: domains, accounts and aliases, looked up in the tables that `postern`
 * compiled from the text files beside postern.conf. Holds no password (see store/login.h).
 *
 * A failure to look is ST_TEMP and never "no such user".
 */
#ifndef POSTERN_STORE_DIRECTORY_H
#define POSTERN_STORE_DIRECTORY_H

#include "base/settings.h"
#include "store/quota.h"
#include "text/address.h"

#define DIRECTORY_TARGETS 1000 /* recipients that one address may expand to */
#define DIRECTORY_DEPTH 10     /* aliases of aliases */

struct directory;

/* Opens domains, accounts, aliases (not secrets). */
enum status directory_open(const struct settings *s, struct directory **d);
void directory_close(struct directory *d);

/* ST_OK: one of our domains; ST_NONE: not. */
enum status directory_domain(struct directory *d, struct span domain);
/* The first domain of the table: a login or address without a domain means it. */
enum status directory_first_domain(struct directory *d, struct bytes *domain);
/* ST_OK: an account (canonical address, lower case, in *account). */
enum status directory_account(struct directory *d, const struct address *a, struct address *account);

/* How much an account (canonical) may hold: what its line in accounts says, else the settings. ST_NONE: no
 * such account. */
enum status directory_quota(struct directory *d, const struct settings *s, const struct address *account,
                            struct quota *q);
/* The same without an opened directory. */
enum status directory_quota_of(const struct settings *s, const struct address *account, struct quota *q);

/* Where mail for an address goes: accounts of ours, and outside addresses that aliases name. */
struct target {
    struct address address; /* canonical */
    bool local;             /* an account here; else outside */
};
struct targets {
    struct target *list;
    size_t count;
};
/* Expands aliases, each target once. A `<Postmaster>` without domain is our first domain's. ST_NONE: the
 * domain is ours and the user unknown (550 5.1.1). ST_PERM with errno: EREMOTE the domain isn't ours; ELOOP
 * the aliases loop; E2BIG too many. Appends to *targets, which the caller frees; adds nothing when it fails.
 */
enum status directory_expand(struct directory *d, const struct address *a, struct targets *targets);
void targets_free(struct targets *targets);

/* May this account send as `a`? Its own address, and aliases that lead to it alone or among others. */
enum status directory_may_send_as(struct directory *d, const struct address *account,
                                  const struct address *a);

#endif
