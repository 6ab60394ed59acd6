/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who lives here, and where an address leads: domains, accounts, aliases, and the recipients of domains that
 * are relayed, looked up in the tables that `postern` compiled from the text files beside postern.conf. Holds
 * no password (see store/login.h).
 *
 * A failure to look is ST_TEMP and never "no such user".
 */
#ifndef POSTERN_STORE_DIRECTORY_H
#define POSTERN_STORE_DIRECTORY_H

#include "base/settings.h"
#include "store/quota.h"
#include "text/address.h"
#include "text/envelope.h"

#define DIRECTORY_TARGETS 1000 /* recipients that one address may expand to */
#define DIRECTORY_DEPTH 10     /* aliases of aliases */

struct directory;

/* Opens domains, accounts, aliases (not secrets). The settings must outlive it. */
enum status directory_open(const struct settings *s, struct directory **d);
/* The same, but each table is opened when it is first looked at: for who needs one or two, like a login. */
enum status directory_open_as_needed(const struct settings *s, struct directory **d);
void directory_close(struct directory *d);
/* Would it be the same if it were opened now: neither tables nor their texts have changed? */
bool directory_current(const struct directory *d);

/* Folders outside of the settings' own that look-ups read from, for a sandbox: up to `room` strings, which
 * live as long as the process. */
size_t directory_folders(const struct settings *s, const char **folders, size_t room);

/* ST_OK: one of our domains, or another name of one, as the hostname and localhost are of the first; ST_NONE:
 * not, or only relayed. */
enum status directory_domain(struct directory *d, struct span domain);
/* ST_OK: its domain is another name of one of ours, and *meant the same user there. ST_NONE: not. */
enum status directory_renamed(struct directory *d, const struct address *a, struct address *meant);
/* The first domain of our own in the table: a login or address without a domain means it. */
enum status directory_first_domain(struct directory *d, struct bytes *domain);
/* ST_OK: an account (canonical address, lower case, in *account). */
enum status directory_account(struct directory *d, const struct address *a, struct address *account);

/* How much an account (canonical) may hold: what its line in accounts says, else the settings. ST_NONE: no
 * such account. */
enum status directory_quota(struct directory *d, const struct settings *s, const struct address *account,
                            struct quota *q);
/* The same without an opened directory. */
enum status directory_quota_of(const struct settings *s, const struct address *account, struct quota *q);

/* Where mail for an address goes: accounts of ours, outside addresses that aliases name, recipients of
 * domains that we relay, programs. */
struct target {
    struct address address; /* canonical; of a program: the address whose alias names it */
    bool local;             /* an account here; false where its mail is to be left to the queue */
    bool account;           /* an account here */
    bool forwarded;         /* outside, and only an alias leads there: the sender didn't name it */
    char detail[ADDRESS_LOCAL_LIMIT + 1]; /* of an account: what stood behind the delimiter, "" for nothing */
    const struct rcpt_options *options; /* what its RCPT asked for: the caller sets it and owns it; or NULL */
    char *program;                      /* NULL, or which one: see store/programs.h. Owned by the list */
};
struct targets {
    struct target *list;
    size_t count;
};
/* Expands aliases, each target once; two that differ in their detail are one. A `<Postmaster>` without domain
 * is our first domain's. ST_NONE: the domain is ours, or relayed, and the user unknown (550 5.1.1). ST_PERM
 * with errno: EREMOTE the domain isn't ours; ELOOP the aliases loop; E2BIG too many. ST_TEMP with errno
 * ENOLINK: the tables can be read, but not a file that this alias includes. Appends to *targets, which the
 * caller frees; adds nothing when it fails. */
enum status directory_expand(struct directory *d, const struct address *a, struct targets *targets);
/* The same mailbox, outside address or program? */
bool target_same(const struct target *a, const struct target *b);
/* The address of a target with its detail, as the queue gets it: without it where it would be too long. */
void target_address(const struct target *t, const struct settings *s, struct address *a);
/* The account of this name, with any detail, whatever aliases say. ST_NONE: there is none. Appends to
 * *targets. */
enum status directory_mailbox(struct directory *d, const struct address *a, struct targets *targets);
/* An outside address that was named itself. False: no memory. */
bool targets_add_outside(struct targets *targets, const struct address *a);
/* Where each of `more`, none of which is the same as another, is among the targets, or (from targets->count
 * on) will be once they are joined: into places[0] to places[more->count - 1]. How many there will be. */
size_t targets_places(const struct targets *targets, const struct targets *more, size_t *places);
/* Room for so many more. False: no memory. */
bool targets_reserve(struct targets *targets, size_t more);
/* With that room: moves those of `more` that aren't there already to the end of *targets, and frees the
 * others. One that is in both is forwarded only if it was in both, and has the options of `more`. */
void targets_join(struct targets *targets, struct targets *more, const size_t *places);
/* Forgets all behind the first `count`. */
void targets_cut(struct targets *targets, size_t count);
void targets_free(struct targets *targets);

/* May this account send as `a`? Its own address, with any detail, and aliases that lead to it alone or among
 * others. */
enum status directory_may_send_as(struct directory *d, const struct address *account,
                                  const struct address *a);

#endif
