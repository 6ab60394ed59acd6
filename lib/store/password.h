/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Password hashes by crypt(3): ours are yescrypt; those of passwd-files with {SCHEME} are checked too.
 */
#ifndef POSTERN_STORE_PASSWORD_H
#define POSTERN_STORE_PASSWORD_H

#include "base/bytes.h"
#include "base/status.h"

/* Appends "{CRYPT}$y$..." for a password. */
enum status password_hash(struct span password, struct bytes *out);
/* ST_OK: right; ST_PERM: wrong; ST_TEMP: a scheme we can't check (logged). Schemes: CRYPT and the crypt(3)
 * ones (BLF-CRYPT, SHA512-CRYPT, SHA256-CRYPT, MD5-CRYPT, YESCRYPT), SCRAM-SHA-256, PLAIN, and those of
 * password_digest.h. Constant time in the comparison.
 */
enum status password_check(struct span stored, struct span password);
/* The same work for a user who doesn't exist. Always ST_PERM. */
enum status password_check_nobody(struct span name, struct span password);

/* What a stored one is worth, told without trying a password. */
enum password_grade {
    PASSWORD_UNUSABLE, /* the scheme isn't known, or the text isn't the scheme's */
    PASSWORD_PLAIN,    /* it can be read */
    PASSWORD_WEAK,     /* who steals it guesses fast */
    PASSWORD_GOOD,
};
enum password_grade password_grade(struct span stored);
/* The scheme's name, "CRYPT" where none is given; *hash is what stands behind. */
struct span password_scheme(struct span stored, struct span *hash);

#endif
