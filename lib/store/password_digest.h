/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Passwords in the schemes of Dovecot's passwd-files that aren't crypt(3)'s: plain hashes, with or without a
 * salt, PBKDF2 and SCRAM-SHA-1.
 *
 *     {SSHA}, {SSHA256}, {SSHA512}, {SMD5}     hash of password and salt, then the salt
 *     {SHA}, {SHA256}, {SHA512}, {PLAIN-MD5}   hash of the password
 *     {PBKDF2}$1$salt$rounds$hexadecimal       PBKDF2 with HMAC-SHA-1
 *     {SCRAM-SHA-1}rounds,salt,StoredKey,ServerKey
 *
 * The first two rows are base64, or hexadecimal where a scheme's name ends in .HEX or that is what it looks
 * like.
 */
#ifndef POSTERN_STORE_PASSWORD_DIGEST_H
#define POSTERN_STORE_PASSWORD_DIGEST_H

#include "base/bytes.h"
#include "base/status.h"

/* ST_OK: right; ST_PERM: wrong; ST_NONE: the scheme is none of these; ST_TEMP: the text isn't the scheme's,
 * or the library refuses. Constant time in the comparison. */
enum status password_digest_check(struct span scheme, struct span text, struct span password);
/* Can it be checked? ST_OK, ST_NONE and ST_TEMP as above. *strong: who steals it has to work for each
 * guess. */
enum status password_digest_look(struct span scheme, struct span text, bool *strong);

/* Appends "{SSHA256}" of a password. Only for those that nobody could guess: it is fast. */
enum status password_digest_make(struct span password, struct bytes *out);

#endif
