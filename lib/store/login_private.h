/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What login.c and login_scram.c share.
 */
#ifndef POSTERN_STORE_LOGIN_PRIVATE_H
#define POSTERN_STORE_LOGIN_PRIVATE_H

#include "base/bytes.h"
#include "store/login.h"

/* What the tables know of a name. */
struct login_found {
    struct bytes key; /* the name as it is looked up: canonical, or in lower case where it is no address */
    struct address account; /* the name is an account's, with or without a secret; else all zero */
    struct bytes secret;    /* the entry of secrets, where it has one */
    struct bytes mix;       /* SECRETS_MIX, where asked for */
};

/* ST_NONE: no account, or none with a secret. The same tables are always asked. To be freed whatever it
 * returns. */
enum status login_find(const struct settings *s, struct span name, bool mix, struct login_found *found);
void login_found_free(struct login_found *found);

/* One of the few at a time on this machine that compute: a descriptor to close when done, or -1. */
int login_take_slot(const struct settings *s);
/* Is there a try left? Takes it, and forgets an unfinished exchange. */
bool login_begin(struct login *l);
/* Sleeps until as long after `since` (clock_ms) as a failure takes, so that the work before can't be
 * timed. */
void login_delay(const struct login *l, int64_t since);

/* Who has shown that he knows the password: may he come in, by what his entry says? ST_OK; ST_PERM, logged,
 * with errno EPERM or EKEYREVOKED as login_check() has them. `user` is for the log. */
enum status login_admit(const struct login *l, const char *user, struct span secret);
/* Tries the passwords of an entry; l->password says which it was. */
enum status login_try(struct login *l, struct span secret, struct span password);

/* --- login_master.c */
/* Is it to be judged as a master user's login? `as` as in login_check(), `found` what its name was found to
 * be, and `looked` what that came to. Then *master is the master user's name, and *as the account's. */
bool login_is_master(const struct login *l, const struct login_found *found, enum status looked,
                     struct span name, struct span *as, struct span *master);
/* The check of one, with a slot held, as login_check() has it. */
enum status login_check_master(struct login *l, struct span as, struct span master, struct span password);
/* Records the login, which is done. */
void login_record(const struct login *l);

/* --- login_limits.c: failures over connections. `account` is login_found's key. */
/* ST_OK: go on; ST_PERM: too many have failed, and the log says so; ST_TEMP: can't tell. With a slot of
 * login_take_slot() held from here to login_limits_failed(), so that many at once aren't many more. */
enum status login_limits_ask(struct login *l, struct span account);
/* Counts a failure. How many there were of late. */
unsigned login_limits_failed(const struct login *l, struct span account);
/* Remembers that this account has logged in from this source. */
void login_limits_passed(const struct login *l, struct span account);

#endif
