/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A line of a passwd-file as other programs write it, for import: Dovecot's, or one of shadow(5) or
 * passwd(5).
 *
 *     user:password:uid:gid:gecos:home:shell:extra fields     all behind the password may be missing
 *     user:hash:changed:least:most:warned:inactive:expires:   shadow(5): nine fields, the last seven of
 * digits
 *
 * The password is {SCHEME}text; without a scheme it is the file's default one, or libpam-pwdfile's text[13],
 * [34] (PLAIN-MD5) or [56] (DIGEST-MD5). '!' before a hash of crypt(3) locks it, and x, *, ! and the like are
 * none.
 */
#ifndef POSTERN_STORE_PASSWD_FILE_H
#define POSTERN_STORE_PASSWD_FILE_H

#include "base/bytes.h"
#include "store/quota.h"

#define PASSWD_STORED_LIMIT 4096

/* Spans point into the line. */
struct passwd_entry {
    struct span name;
    struct bytes stored; /* {SCHEME}text; empty: there is no password */
    bool locked;
    bool shadow;
    int64_t expires; /* seconds since 1970; -1: never */
    struct span uid, gid, gecos, home, shell, extra;
};

/* Reads a line; `scheme` is the default. NULL: it is good; else what is wrong. To be freed either way. */
const char *passwd_entry_read(struct span line, const char *scheme, struct passwd_entry *e);
void passwd_entry_free(struct passwd_entry *e);

/* What becomes of an extra field. */
enum passwd_extra {
    PASSWD_HONOURED, /* it does here what it does there; or it sets limits in *quota */
    PASSWD_KEPT,     /* nothing here, and it takes no right away from anybody */
    PASSWD_REFUSED,  /* the account would be something else here: it can't be imported */
};
/* *name is what stands before the '='; limits that the field sets are in *quota, others there stay. */
enum passwd_extra passwd_extra_read(struct span word, struct span *name, struct quota *quota);

#endif
