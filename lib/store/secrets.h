/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An entry of `secrets`: the line of a passwd-file, and what the table keeps of it.
 *
 *     user@domain:{CRYPT}$y$...:uid:gid:gecos:home:shell:scram={SCRAM-SHA-256}65536,...   the line
 *     {CRYPT}$y$... LF {SCRAM-SHA-256}65536,...                                          the table's value
 *
 * Dovecot's passwd-files are this. Its last field has extra fields, with blanks between them: ours, `scram`,
 * is the verifier by which the same password is checked in SCRAM exchanges. An entry without it whose hash is
 * a verifier itself has that one; any other has none.
 */
#ifndef POSTERN_STORE_SECRETS_H
#define POSTERN_STORE_SECRETS_H

#include "base/status.h"
#include "text/scram.h"

#define SECRETS_FIELDS 8
/* The key of a row that tells how the verifiers in the table look, so that invented ones can look like them:
 * lines of "iterations, bytes of the salt, how many verifiers are so". No address is called so. */
#define SECRETS_MIX "."

/* The fields of a line without its LF, the last of them with all that follows; those that aren't there are
 * empty. */
void secrets_fields(struct span line, struct span field[SECRETS_FIELDS]);
/* The verifier's text without {SCHEME} in *verifier, empty where the entry has none. False: there is one, and
 * it is no verifier that could be used. */
bool secrets_verifier(struct span hash, struct span extra, struct span *verifier);

/* Appends the entry's line, without a LF: the name, what is given for hash and verifier (both with their
 * {SCHEME}), and what else the old line has, which may be empty. */
bool secrets_line(struct span name, struct span hash, struct span verifier, struct span old,
                  struct bytes *out);

/* A table's value, and its two parts. The verifier is ST_NONE where there is none, and ST_TEMP (logged) where
 * it can't be used. */
bool secrets_value(struct span hash, struct span extra, struct bytes *out);
struct span secrets_value_hash(struct span value);
enum status secrets_value_verifier(struct span value, struct scram_verifier *v);

#endif
